//! The words that can follow each command, from the tables. The completions of all shells use this.

use crate::cli::commands::{COMMANDS, Subcommand};
use crate::cli::run::{KINDS, table as run};
use crate::cli::table::{Action, Opt, Table, opts};
use crate::cli::{bwrap, render};
use crate::seccomp::arch::Arch;
use crate::seccomp::{shipped, table};
use crate::spec::{CapSet, LAST_KNOWN_CAP};

/// The kind of a value or an operand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// A path of the host.
    Path,
    /// A path, a colon and another path.
    Paths,
    /// The name of an environment variable.
    Variable,
    /// One of these.
    Word(Vec<String>),
    /// Some of these, separated by commas.
    List(Vec<String>),
    /// One of these, or a path with a slash: without a slash it is a name.
    WordOrPath(Vec<String>),
    /// A profile of `pinfold run`, or a path with a slash.
    Profile,
    /// A command, and then its own words.
    Command,
    /// Anything else; there is nothing to offer.
    Anything,
}

/// An option.
pub(super) struct Switch {
    pub(super) name: String,
    pub(super) brief: String,
    /// Its values, with their names.
    pub(super) values: Vec<(String, Kind)>,
    /// The value follows a `=`, or is left out.
    pub(super) is_joined: bool,
}

/// The words that may follow a command.
pub(super) struct Context {
    /// `run`, `profile show`.
    pub(super) words: String,
    pub(super) switches: Vec<Switch>,
    pub(super) operands: Vec<(String, Kind)>,
}

/// Every command and subcommand.
pub(super) fn contexts() -> Vec<Context> {
    let mut out = Vec::new();
    for command in COMMANDS {
        match (command.name, command.subs) {
            ("run", _) => out.push(of_table(command.name, run::TABLE)),
            ("bwrap", _) => out.push(of_table(command.name, bwrap::TABLE)),
            (name, []) => out.push(of_form(name, name, command.form)),
            (name, subs) => {
                let form = |sub: &Subcommand| format!("{} {}", sub.form, command.form);
                out.extend(subs.iter().map(|sub| of_form(&format!("{name} {}", sub.name), name, &form(sub))));
            }
        }
    }
    out
}

fn of_table<A>(command: &str, table: &'static Table<A>) -> Context {
    let switch = |opt: &Opt<A>| Switch {
        name: opt.name.to_owned(),
        brief: render::plain(opt.brief),
        values: opt.values.iter().map(|name| ((*name).to_owned(), of_value(opt, name))).collect(),
        is_joined: matches!(opt.action, Action::Maybe(_)),
    };
    let operands = vec![("COMMAND".to_owned(), Kind::Command)];
    Context { words: command.to_owned(), switches: opts(table).map(switch).collect(), operands }
}

fn of_value<A>(opt: &Opt<A>, name: &str) -> Kind {
    match name {
        "NAME" if matches!(opt.action, Action::Splice) => Kind::Profile,
        "PROFILE" => Kind::WordOrPath(shipped::names().chain(["off"]).map(str::to_owned).collect()),
        "SRC" | "RWSRC" | "WORKDIR" | "DEST" | "PATH" | "DIR" | "PATH[:OPTIONS]" => Kind::Path,
        "PATH[:DEST]" | "PATH:DEST" | "TARGET:PATH" => Kind::Paths,
        "VAR" | "NAME[=VALUE]" => Kind::Variable,
        "KINDS" => Kind::List(KINDS.iter().map(|&kind| kind.to_owned()).collect()),
        "NAMES" => Kind::List(groups().map(str::to_owned).collect()),
        "CAP" => Kind::Word(std::iter::once("ALL".to_owned()).chain(caps()).collect()),
        words if words.contains('|') => Kind::Word(words.split('|').map(str::to_owned).collect()),
        _ => Kind::Anything,
    }
}

/// The groups of system calls.
fn groups() -> impl Iterator<Item = &'static str> {
    table::GROUPS.iter().map(|(group, _)| *group)
}

fn caps() -> impl Iterator<Item = String> {
    (0..=LAST_KNOWN_CAP).map(CapSet::name)
}

/// Reads the options and operands from a form such as `NAME [--arch ARCH]`.
fn of_form(words: &str, command: &str, form: &str) -> Context {
    let mut context = Context { words: words.to_owned(), switches: Vec::new(), operands: Vec::new() };
    let mut tokens = form.split_whitespace();
    while let Some(token) = tokens.next() {
        let bare = token.trim_matches(['[', ']', '.']);
        if bare == "--" || bare == "ARGS" {
            continue;
        }
        if !bare.starts_with('-') {
            context.operands.push((bare.to_owned(), of_operand(command, bare)));
            continue;
        }
        let value = if token.ends_with(']') { None } else { tokens.next() };
        let value = value.map(|value| value.trim_matches(['[', ']', '.']).to_owned());
        context.switches.push(Switch {
            name: bare.to_owned(),
            brief: value.as_deref().unwrap_or("").to_owned(),
            values: value.into_iter().map(|name| (name.clone(), of_operand(command, &name))).collect(),
            is_joined: false,
        });
    }
    context
}

fn of_operand(command: &str, name: &str) -> Kind {
    match (command, name) {
        ("profile", "NAME|FILE") => Kind::Profile,
        (_, "NAME|FILE") => Kind::WordOrPath(shipped::names().map(str::to_owned).collect()),
        (_, "NAME|@GROUP") => Kind::Word(shipped::names().chain(groups()).map(str::to_owned).collect()),
        (_, "ARCH") => Kind::Word(Arch::KERNELS.iter().map(|arch| arch.name().to_owned()).collect()),
        (_, "CAP") => Kind::Word(caps().collect()),
        (_, "FILE") => Kind::Path,
        (_, "COMMAND") => Kind::Command,
        _ => Kind::Anything,
    }
}

#[test]
fn forms_are_read_as_they_are_meant() {
    let context =
        of_form("seccomp x", "seccomp", "NAME|FILE [--arch ARCH] [--all] [--cap CAP]... [--] [COMMAND [ARGS...]]");
    let switches: Vec<_> = context.switches.iter().map(|switch| (switch.name.as_str(), switch.values.len())).collect();
    assert_eq!(switches, [("--arch", 1), ("--all", 0), ("--cap", 1)]);
    let operands: Vec<_> = context.operands.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(operands, ["NAME|FILE", "COMMAND"]);
}
