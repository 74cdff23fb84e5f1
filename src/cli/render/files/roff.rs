//! Manual pages (`groff_man(7)`): templates of prose, where text from the tables replaces each `@NAME@`.

use std::fmt::Write as _;

use crate::cli::bwrap as bubblewrap;
use crate::cli::commands::COMMANDS;
use crate::cli::run::{DIRECTORIES, ONLY_TYPED, SHIPPED, table as run, variables};
use crate::cli::table::{Action, Opt, Table, opts};
use crate::seccomp::{shipped, table};

const PINFOLD: &str = include_str!("../../../../man/pinfold.1.in");
const BWRAP: &str = include_str!("../../../../man/pinfold-bwrap.1.in");
const PROFILE: &str = include_str!("../../../../man/pinfold-profile.5.in");
const SECCOMP: &str = include_str!("../../../../man/pinfold-seccomp.7");

/// `pinfold(1)`.
pub(super) fn pinfold() -> String {
    PINFOLD
        .replace("@SYNOPSIS@\n", &synopsis())
        .replace("@COMMANDS@\n", &commands())
        .replace("@OPTIONS@\n", &options(run::TABLE, run::SHORT))
}

/// `pinfold-bwrap(1)`.
pub(super) fn bwrap() -> String {
    BWRAP.replace("@OPTIONS@\n", &options(bubblewrap::TABLE, &[]))
}

/// `pinfold-profile(5)`.
pub(super) fn profile() -> String {
    let mut list = String::new();
    for (name, text) in SHIPPED {
        // The first lines of a profile are comments; a command in them is an example.
        let comments = text.lines().map_while(|line| line.strip_prefix('#')).map(str::trim);
        let (examples, about): (Vec<&str>, Vec<&str>) = comments.partition(|line| line.starts_with("pinfold "));
        writeln!(list, ".TP\n.B {}\n{}", hyphens(name), roff(&about.join(" "), &[])).unwrap();
        for example in examples {
            writeln!(list, ".IP\n.nf\n{}\n.fi", roff(example, &[])).unwrap();
        }
    }
    let only: Vec<String> = ONLY_TYPED.iter().map(|name| bold(name)).collect();
    let (last, others) = only.split_last().unwrap();
    PROFILE.replace("@SHIPPED@\n", &list).replace("@ONLY_TYPED@", &format!("{} and {last}", others.join(", ")))
}

/// One line for each form of each command.
fn synopsis() -> String {
    let mut out = String::new();
    for command in COMMANDS {
        let subs: Vec<_> =
            command.subs.iter().map(|sub| (format!("pinfold {} {}", command.name, sub.name), sub.form)).collect();
        let forms = if subs.is_empty() { vec![(format!("pinfold {}", command.name), command.form)] } else { subs };
        for (words, form) in forms {
            if !out.is_empty() {
                out.push_str(".br\n");
            }
            writeln!(out, "\\fB{words}\\fR {}", shape(form)).unwrap();
        }
    }
    out
}

fn commands() -> String {
    let mut out = String::new();
    for command in COMMANDS {
        let mut brief = command.brief.to_owned();
        brief[..1].make_ascii_uppercase();
        let end = if brief.ends_with('.') { "" } else { "." };
        writeln!(out, ".TP\n.B {}\n{}{end}", command.name, roff(&brief, &[])).unwrap();
        if !command.subs.is_empty() && !command.form.is_empty() {
            writeln!(out, "All of its commands take {}.", shape(command.form)).unwrap();
        }
        for sub in command.subs {
            let form = if sub.form.is_empty() { String::new() } else { format!(" {}", shape(sub.form)) };
            writeln!(out, ".RS\n.TP\n\\fB{}\\fR{form}\n{}.\n.RE", sub.name, roff(sub.brief, &[])).unwrap();
        }
    }
    out
}

fn options<A>(table: &'static Table<A>, short: &[(char, &str)]) -> String {
    let mut out = String::new();
    for group in table {
        writeln!(out, ".SS {}", group.title).unwrap();
        for opt in group.opts {
            let values: Vec<&str> =
                opt.values.iter().flat_map(|value| value.split(|c: char| !c.is_ascii_uppercase())).collect();
            writeln!(out, ".TP\n{}\n{}.", heading(opt, short), roff(opt.brief, &values)).unwrap();
            if !opt.text.is_empty() {
                writeln!(out, "{}", roff(opt.text, &values)).unwrap();
            }
        }
    }
    out
}

fn heading<A>(opt: &Opt<A>, short: &[(char, &str)]) -> String {
    let letter = short.iter().find(|(_, name)| *name == opt.name).map(|(letter, _)| *letter);
    let letter = letter.map_or_else(String::new, |letter| format!("{}, ", bold(&format!("-{letter}"))));
    let values: String = opt.values.iter().map(|value| shape(value)).collect::<Vec<_>>().join(" ");
    let values = match (&opt.action, values.as_str()) {
        (_, "") => String::new(),
        (Action::Maybe(_), values) => format!("[={values}]"),
        (_, values) => format!(" {values}"),
    };
    format!("{letter}{}{values}", bold(opt.name))
}

/// Formats a form such as `NAME|FILE [--arch ARCH]`: literal words bold, placeholders in italics.
fn shape(form: &str) -> String {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "-@.".contains(c);
    let mut out = String::new();
    let mut rest = form;
    while let Some(first) = rest.chars().next() {
        // Three dots are neither.
        let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len()).min(rest.find("...").unwrap_or(rest.len()));
        let (part, next) = rest.split_at(match end {
            0 if rest.starts_with("...") => 3,
            0 => first.len_utf8(),
            end => end,
        });
        match part {
            _ if end == 0 => out.push_str(part),
            part if part.starts_with(|c: char| c.is_ascii_uppercase() || c == '@') => {
                write!(out, "\\fI{part}\\fR").unwrap()
            }
            part => out.push_str(&bold(part)),
        }
        rest = next;
    }
    out
}

fn hyphens(text: &str) -> String {
    text.replace('-', "\\-")
}

fn bold(name: &str) -> String {
    format!("\\fB{}\\fR", name.replace('\\', "\\e").replace('-', "\\-").replace('~', "\\(ti"))
}

/// Formats `text` for troff: references and literal words bold, `values` in italics, signs as they are typed.
fn roff(text: &str, values: &[&str]) -> String {
    let mut out = String::new();
    for (number, part) in text.split(['{', '}', '`']).enumerate() {
        if number % 2 == 1 {
            out.push_str(&bold(part));
            continue;
        }
        for word in part.split_inclusive(|c: char| !c.is_ascii_alphanumeric()) {
            let bare = word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
            let rest = word[bare.len()..].replace('\\', "\\e").replace('-', "\\-").replace('~', "\\(ti");
            if !bare.is_empty() && values.contains(&bare) {
                write!(out, "\\fI{bare}\\fR{rest}").unwrap()
            } else {
                write!(out, "{bare}{rest}").unwrap()
            }
        }
    }
    // A line that begins with a dot or an apostrophe is a control line.
    if out.starts_with(['.', '\'']) { format!("\\&{out}") } else { out }
}

#[test]
fn roff_is_escaped() {
    assert_eq!(roff("{--bind} SRC, a-b\\", &["SRC"]), r"\fB\-\-bind\fR \fISRC\fR, a\-b\e");
    assert_eq!(roff("`git commit` in ~/x", &[]), r"\fBgit commit\fR in \(ti/x");
    assert_eq!(roff(".x", &[]), r"\&.x");
    assert_eq!(shape("NAME|FILE [--cap CAP]..."), r"\fINAME\fR|\fIFILE\fR [\fB\-\-cap\fR \fICAP\fR]...");
    assert_eq!(shape("auto|off"), r"\fBauto\fR|\fBoff\fR");
}

/// Options in the prose must exist, and the prose about profiles must match the code.
#[test]
fn the_prose_names_what_exists() {
    let forms = COMMANDS.iter().flat_map(|command| command.subs.iter().map(|sub| sub.form).chain([command.form]));
    let known: Vec<String> = opts(run::TABLE).map(|opt| opt.name.to_owned()).chain(forms.flat_map(names)).collect();
    for (page, text) in [("pinfold.1.in", PINFOLD), ("pinfold-profile.5.in", PROFILE)] {
        for name in names(&text.replace("\\-", "-")) {
            assert!(known.contains(&name), "man/{page} names {name}, which nothing has");
        }
    }
    for name in variables() {
        assert!(
            PROFILE.contains(&format!("${{{name}}}")),
            "man/pinfold-profile.5.in does not name the variable {name}"
        );
    }
    for directory in DIRECTORIES {
        assert!(PROFILE.contains(directory), "man/pinfold-profile.5.in does not name {directory}");
    }
    for name in shipped::names().chain(table::GROUPS.iter().map(|(group, _)| *group)) {
        let line = format!(".B {}\n", hyphens(name));
        assert!(SECCOMP.contains(&line), "man/pinfold-seccomp.7 does not describe {name}");
    }
}

/// Words that begin with two hyphens.
fn names(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
    words.filter(|word| word.len() > 2 && word.starts_with("--")).map(str::to_owned).collect()
}
