//! Generates the help text from a table of options. Tests also generate the manual page and the completions, which are
//! kept in the repository. None of them says anything that the table does not say.

use std::fmt::Write as _;

use super::commands::{COMMANDS, Subcommand};
use super::table::{Action, Opt, Table};

#[cfg(test)]
mod files;

/// The column where explanations start in the help text.
pub(crate) const HELP_COLUMN: usize = 33;

/// The same for `pinfold run`, whose options have shorter values.
const NATIVE_COLUMN: usize = 28;
/// The width and the indentation of a line of explanation.
const WIDTH: usize = 90;
const INDENT: usize = 6;
/// The same in the list of commands.
const OVERVIEW_WIDTH: usize = 84;
const OVERVIEW_INDENT: usize = 15;

/// The output of `pinfold --help`.
pub(crate) fn overview() -> String {
    let mut out = overview_usage();
    out.push_str("\nRuns a program in a sandbox, as an ordinary user, without setuid.\n\n");
    for command in COMMANDS {
        let left = format!("  {}", command.name);
        let lines = wrapped(command.brief, OVERVIEW_WIDTH - OVERVIEW_INDENT);
        for (index, line) in lines.iter().enumerate() {
            push(&mut out, format_args!("{:OVERVIEW_INDENT$}{line}\n", if index == 0 { &left } else { "" }));
        }
    }
    out.push_str("\n  -h, --help     print this\n  -V, --version  print the version\n");
    out
}

/// The usage lines of all commands.
pub(crate) fn overview_usage() -> String {
    let commands = COMMANDS.iter().map(|command| match command.subs {
        [] => format!("{} {}", command.name, command.form),
        subs => format!("{} {} ...", command.name, subs.iter().map(|sub| sub.name).collect::<Vec<_>>().join("|")),
    });
    usage_lines("pinfold", commands)
}

/// The usage lines of the subcommands of a command.
pub(crate) fn sub_usage(command: &str, subs: &[Subcommand]) -> String {
    usage_lines(&format!("pinfold {command}"), subs.iter().map(|sub| format!("{} {}", sub.name, sub.form)))
}

/// The subcommands of a command, one line for each.
pub(crate) fn sub_briefs(subs: &[Subcommand]) -> String {
    subs.iter().map(|sub| format!("  {:8} {}\n", sub.name, sub.brief)).collect()
}

fn usage_lines(program: &str, forms: impl Iterator<Item = String>) -> String {
    let mut out = String::new();
    for form in forms {
        let start = if out.is_empty() { "usage:" } else { "      " };
        push(&mut out, format_args!("{start} {program} {}\n", form.trim_end()));
    }
    out
}

/// The output of `--help`. Its first line is like bubblewrap's, as callers know it.
pub(crate) fn help<A>(table: &'static Table<A>, argv0: &str) -> String {
    let mut out = format!("usage: {argv0} [OPTIONS...] [--] COMMAND [ARGS...]\n");
    for group in table {
        push(&mut out, format_args!("\n{}:\n", group.title));
        for opt in group.opts {
            let left = format!("    {}", synopsis(opt));
            push(&mut out, format_args!("{left:HELP_COLUMN$}{}\n", plain(opt.brief)));
        }
    }
    out
}

/// The options, one line for each (`-h`), or with all explanations if `long` (`--help`). `short` has the one-letter
/// names.
pub(crate) fn native_help<A>(table: &'static Table<A>, short: &[(char, &str)], long: bool) -> String {
    let mut out = String::new();
    for group in table {
        let gap = if out.ends_with("\n\n") { "" } else { "\n" };
        push(&mut out, format_args!("{gap}{}:\n", group.title));
        for opt in group.opts {
            let letter = short.iter().find(|(_, name)| *name == opt.name);
            let letter = letter.map_or_else(String::new, |(letter, _)| format!("-{letter}, "));
            let left = format!("  {letter}{}", synopsis(opt));
            push(&mut out, format_args!("{left:NATIVE_COLUMN$} {}\n", plain(opt.brief)));
            if long && !opt.text.is_empty() {
                for line in wrapped(&plain(opt.text), WIDTH - INDENT) {
                    push(&mut out, format_args!("{:INDENT$}{line}\n", ""));
                }
            }
            if long {
                out.push('\n');
            }
        }
    }
    out
}

/// Wraps `text` into lines of at most `width`.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.len() + 1 + word.len() <= width => push(line, format_args!(" {word}")),
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// The name of an option and the names of its values.
fn synopsis<A>(opt: &Opt<A>) -> String {
    match opt.action {
        Action::Maybe(_) => format!("{}[={}]", opt.name, opt.values.join(" ")),
        _ => std::iter::once(&opt.name).chain(opt.values).copied().collect::<Vec<_>>().join(" "),
    }
}

/// `text` without the braces around references.
fn plain(text: &str) -> String {
    text.replace(['{', '}'], "")
}

/// Writing to a string cannot fail.
fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).unwrap_or_default();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::table::opts;
    use crate::cli::{bwrap, run};

    #[test]
    fn the_native_help_has_a_line_for_each_option() {
        let short = native_help(run::table::TABLE, run::table::SHORT, false);
        let long = native_help(run::table::TABLE, run::table::SHORT, true);
        for line in short.lines() {
            assert!(line.len() <= 100 && long.lines().any(|other| other == line), "{line}");
        }
        assert_eq!(short.lines().filter(|line| line.starts_with("  ")).count(), opts(run::table::TABLE).count());
        assert!(short.contains("\n  -v, --verbose  ") && short.contains("\n  --dry-run[=text|json]  "), "{short}");
        assert!(long.lines().all(|line| line.len() <= 100) && !long.contains("\n\n\n"), "{long}");
    }

    #[test]
    fn the_help_lists_every_option_with_its_values() {
        let text = help(bwrap::TABLE, "/usr/bin/bwrap");
        assert!(text.starts_with("usage: /usr/bin/bwrap [OPTIONS...] [--] COMMAND [ARGS...]\n"));
        assert!(text.contains("\n    --overlay RWSRC WORKDIR DEST Mount the layers"));
        assert!(text.lines().all(|line| line.len() <= 100), "a line is too long");
        for opt in opts(bwrap::TABLE) {
            assert!(text.lines().any(|line| line.starts_with(&format!("    {} ", synopsis(opt)))), "{}", opt.name);
        }
    }
}
