//! The commands of `pinfold`, in one table for the front end, `pinfold --help`, the manual page and the completions.

use std::ffi::{CStr, OsStr};
use std::os::unix::ffi::OsStrExt;

use crate::error::{Error, ErrorKind, printable};
use crate::suggest::nearest;

/// One command.
#[derive(Debug)]
pub(crate) struct Command {
    /// Its identifier.
    pub id: Id,
    /// As typed.
    pub name: &'static str,
    /// The words that may follow. Capitals are placeholders, and brackets mark what is optional. Of a command with
    /// subcommands, the options that all of them have.
    pub form: &'static str,
    /// What it does, in a sentence or two for `pinfold --help`. Text in backquotes is to be typed.
    pub brief: &'static str,
    /// Its subcommands.
    pub subs: &'static [Subcommand],
}

/// The commands, for the front end that carries them out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Id {
    /// `pinfold run`.
    Run,
    /// `pinfold bwrap`.
    Bwrap,
    /// `pinfold profile`.
    Profile,
    /// `pinfold seccomp`.
    Seccomp,
    /// `pinfold kept`.
    Kept,
    /// `pinfold doctor`.
    Doctor,
}

/// The words that follow `pinfold run`.
pub(super) const RUN_FORM: &str = "[OPTIONS...] [--] COMMAND [ARGS...]";

/// A subcommand.
#[derive(Debug)]
pub(crate) struct Subcommand {
    /// As typed.
    pub name: &'static str,
    /// Like [`Command::form`].
    pub form: &'static str,
    /// What it does, on one line, without a full stop.
    pub brief: &'static str,
}

/// The commands, in the order of the help.
pub(crate) const COMMANDS: &[Command] = &[
    Command {
        id: Id::Run,
        name: "run",
        form: RUN_FORM,
        brief: "run a program in a box that is safe with no options; `pinfold run -h` lists them",
        subs: &[],
    },
    Command {
        id: Id::Bwrap,
        name: "bwrap",
        form: "[OPTIONS...] [--] COMMAND [ARGS...]",
        brief: "understand the options of bubblewrap; `pinfold bwrap --help` lists them. A link to this program that is \
                called `bwrap` does the same.",
        subs: &[],
    },
    Command {
        id: Id::Profile,
        name: "profile",
        form: "[--quiet]",
        brief: "list, show, check and compare profiles of `run`",
        subs: PROFILE,
    },
    Command {
        id: Id::Seccomp,
        name: "seccomp",
        form: "",
        brief: "list, show, check, explain and compile seccomp profiles",
        subs: SECCOMP,
    },
    Command {
        id: Id::Kept,
        name: "kept",
        form: "[--quiet]",
        brief: "list, show, take over and drop what earlier runs have kept apart",
        subs: KEPT,
    },
    Command {
        id: Id::Doctor,
        name: "doctor",
        form: "[--json] [--quiet]",
        brief: "say whether boxes work on this host, and if not, what to do",
        subs: &[],
    },
];

/// The subcommands of `pinfold profile`.
pub(crate) const PROFILE: &[Subcommand] = &[
    Subcommand { name: "list", form: "", brief: "Print the profiles that can be named, and where they come from" },
    Subcommand { name: "show", form: "NAME|FILE", brief: "Print the text of a profile" },
    Subcommand {
        name: "check",
        form: "NAME|FILE [--] [COMMAND [ARGS...]]",
        brief: "Say what in a profile is probably not meant, and whether COMMAND could start",
    },
    Subcommand { name: "diff", form: "NAME|FILE NAME|FILE", brief: "Compare what two profiles say" },
    Subcommand { name: "trust", form: "FILE", brief: "Let a file of this project decide about boxes, as it is now" },
];

/// The subcommands of `pinfold kept`.
pub(crate) const KEPT: &[Subcommand] = &[
    Subcommand { name: "list", form: "[PATH]", brief: "Print what is kept, by run, or only what is of PATH" },
    Subcommand { name: "diff", form: "ID [PATH|KEY]", brief: "Compare what is kept with what is there now" },
    Subcommand {
        name: "take",
        form: "ID [PATH|KEY]...",
        brief: "Put what is kept where it belongs, and keep what was there",
    },
    Subcommand { name: "drop", form: "[ID...] [--all]", brief: "Remove what is kept" },
];

/// The subcommands of `pinfold seccomp`.
pub(crate) const SECCOMP: &[Subcommand] = &[
    Subcommand { name: "list", form: "", brief: "Print the profiles that come with pinfold, and the groups" },
    Subcommand { name: "show", form: "NAME|@GROUP", brief: "Print the text of a profile, or the members of a group" },
    Subcommand {
        name: "compile",
        form: "NAME|FILE [--arch ARCH] [--cap CAP]... [--kernel X.Y] [-o FILE]",
        brief: "Write the filter that a profile makes",
    },
    Subcommand {
        name: "check",
        form: "NAME|FILE [--arch ARCH] [--cap CAP]... [--kernel X.Y] [--quiet]",
        brief: "Find mistakes in a profile, and prove its filters",
    },
    Subcommand {
        name: "explain",
        form: "SYSCALL|NUMBER [--profile NAME|FILE] [--arch ARCH] [--cap CAP]... [--kernel X.Y]",
        brief: "Say what becomes of a system call, and why",
    },
];

/// The command called `name`, or else a similar name.
pub(crate) fn find(name: &str) -> Result<&'static Command, Option<&'static str>> {
    match COMMANDS.iter().find(|command| command.name == name) {
        Some(command) => Ok(command),
        None => Err(nearest(name, COMMANDS.iter().map(|command| command.name).chain(["--help", "--version"]))),
    }
}

impl Subcommand {
    /// The options in its form.
    pub(crate) fn options(&self) -> impl Iterator<Item = &'static str> {
        options(self.form)
    }
}

/// The options in a form.
fn options(form: &'static str) -> impl Iterator<Item = &'static str> {
    form.split([' ', '[', ']', '|']).filter(|word| word.starts_with('-') && *word != "--")
}

/// Takes the options out of the words after a subcommand. Returns the other words and the names of the options, none of
/// which takes a value.
pub(crate) fn split<'w>(
    command: &str,
    sub: &Subcommand,
    words: &[&'w CStr],
) -> Result<(Vec<&'w CStr>, Vec<&'static str>), Error> {
    let form = COMMANDS.iter().find(|known| known.name == command).map_or("", |command| command.form);
    let (mut others, mut given) = (Vec::new(), Vec::new());
    for word in words {
        if !word.to_bytes().starts_with(b"-") {
            others.push(*word);
            continue;
        }
        let name = if *word == c"-q" { b"--quiet" } else { word.to_bytes() };
        match sub.options().chain(options(form)).find(|known| known.as_bytes() == name) {
            Some(known) => given.push(known),
            None => return Err(unknown_option(command, Some(sub), OsStr::from_bytes(word.to_bytes()))),
        }
    }
    Ok((others, given))
}

/// The error for wrong words after a command, with its usage. `sub` is the subcommand, if it is known.
pub(crate) fn misused(command: &str, sub: Option<&Subcommand>, message: impl Into<Vec<u8>>) -> Error {
    let own = COMMANDS.iter().find(|known| known.name == command && known.subs.is_empty());
    let hint = match (sub, own) {
        (Some(sub), _) => format!("pinfold {command} {} {}", sub.name, sub.form).trim_end().to_owned(),
        (None, Some(own)) => format!("pinfold {command} {}", own.form),
        (None, None) => format!("pinfold {command} --help tells how it is used"),
    };
    Error::new(ErrorKind::Invalid, message).with_hint(Some(hint))
}

/// The error for too many or too few words after a command.
pub(crate) fn wrong_count(command: &str, sub: &Subcommand, words: &[&OsStr]) -> Error {
    let wanted = sub.form.split(' ').filter(|word| !word.is_empty()).take_while(|word| !word.starts_with('['));
    let message = match words.get(wanted.count()) {
        Some(more) => format!("one word too many: {}", printable(more)),
        None => "a word is missing".to_owned(),
    };
    misused(command, Some(sub), message)
}

/// The error for a word that is not a subcommand of `command`.
pub(crate) fn unknown_command(command: &str, subs: &[Subcommand], word: &OsStr) -> Error {
    let near = nearest(&word.to_string_lossy(), subs.iter().map(|sub| sub.name));
    unknown("command", command, None, word, near)
}

/// The error for an option or another word that the command does not accept.
pub(crate) fn unknown_option(command: &str, sub: Option<&Subcommand>, word: &OsStr) -> Error {
    let (form, subs) = COMMANDS
        .iter()
        .find(|known| known.name == command)
        .map_or(("", &[][..]), |command| (command.form, command.subs));
    let text = word.to_string_lossy();
    let kind = if text.starts_with('-') { "option" } else { "word" };
    // The caller may have forgotten the dashes.
    let text = if kind == "option" { text.into_owned() } else { format!("--{text}") };
    // Only long options: any one-letter name is similar to any other.
    let near =
        |known: &mut dyn Iterator<Item = &'static str>| nearest(&text, known.filter(|name| name.starts_with("--")));
    let own = near(&mut sub.into_iter().flat_map(Subcommand::options).chain(options(form)).chain(["--help"]));
    let error = unknown(kind, command, sub, word, own);
    match near(&mut subs.iter().flat_map(Subcommand::options)).filter(|_| own.is_none()) {
        Some(other) => error.with_hint(Some(format!("did you mean {other}? It is for {}", owners(subs, other)))),
        None => error,
    }
}

/// The subcommands among `subs` that have `option`.
pub(crate) fn owners(subs: &[Subcommand], option: &str) -> String {
    let names = subs.iter().filter(|sub| sub.options().any(|known| known == option)).map(|sub| sub.name);
    names.collect::<Vec<_>>().join(", ")
}

fn unknown(kind: &str, command: &str, sub: Option<&Subcommand>, word: &OsStr, near: Option<&str>) -> Error {
    let error = misused(command, sub, format!("unknown {kind} {}", printable(word)));
    match near {
        Some(near) => error.with_hint(Some(format!("did you mean {near}?"))),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{doctor, render, seccomp};

    #[test]
    fn a_word_that_is_no_command_is_near_to_one() {
        assert_eq!(find("run").map(|command| command.name), Ok("run"));
        assert_eq!(find("rum").map(|command| command.name), Err(Some("run")));
        assert_eq!(find("profiles").map(|command| command.name), Err(Some("profile")));
        assert_eq!(find("xyzzy").map(|command| command.name), Err(None));
    }

    /// Those that keep the text of their usage themselves.
    #[test]
    fn the_verbs_say_what_the_table_says() {
        assert_eq!(seccomp::USAGE, render::sub_usage("seccomp", SECCOMP));
        let form = find("doctor").map(|command| command.form);
        assert_eq!(Ok(doctor::USAGE), form.map(|form| format!("usage: pinfold doctor {form}\n")).as_deref());
    }

    #[test]
    fn a_form_names_its_options() {
        let compile = SECCOMP.iter().find(|sub| sub.name == "compile").unwrap();
        assert_eq!(compile.options().collect::<Vec<_>>(), ["--arch", "--cap", "--kernel", "-o"]);
        assert_eq!(PROFILE.iter().flat_map(Subcommand::options).next(), None);
    }

    #[test]
    fn briefs_fit_and_names_are_plain() {
        for sub in COMMANDS.iter().flat_map(|command| command.subs) {
            assert!(sub.name.bytes().all(|byte| byte.is_ascii_lowercase()), "{}", sub.name);
            assert!(!sub.brief.is_empty() && !sub.brief.ends_with('.') && sub.brief.len() <= 80, "{}", sub.name);
        }
    }
}
