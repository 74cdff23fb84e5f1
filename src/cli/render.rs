//! A table of options → help text; and in tests → manual page and completions, which are kept in the repository.
//! All of them say what the table says and nothing else.

use std::fmt::Write as _;

use super::table::{Action, Opt, Table};

#[cfg(test)]
mod files;

/// Column at which the explanations in the help text begin.
pub(crate) const HELP_COLUMN: usize = 33;

/// The same for the native dialect, whose options have shorter values.
const NATIVE_COLUMN: usize = 28;
/// Width of a line of explanation, and where it begins.
const WIDTH: usize = 90;
const INDENT: usize = 6;

/// The text that `--help` prints. The first line is as callers know it from bubblewrap.
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

/// The text that `-h` prints, a line for each option; and with `long` what `--help` prints, which says everything.
pub(crate) fn native_help<A>(table: &'static Table<A>, usage: &str, long: bool) -> String {
    let mut out = format!("usage: {usage}\n");
    for group in table {
        push(&mut out, format_args!("\n{}:\n", group.title));
        for opt in group.opts {
            let left = format!("  {}", synopsis(opt));
            push(&mut out, format_args!("{left:NATIVE_COLUMN$} {}\n", plain(opt.brief)));
            if long && !opt.text.is_empty() {
                push_wrapped(&mut out, &plain(opt.text));
            }
        }
    }
    out
}

/// Sentences, indented and broken into lines.
fn push_wrapped(out: &mut String, text: &str) {
    let mut line = String::new();
    for word in text.split(' ') {
        if !line.is_empty() && line.len() + 1 + word.len() > WIDTH - INDENT {
            push(out, format_args!("{:INDENT$}{line}\n", ""));
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    push(out, format_args!("{:INDENT$}{line}\n\n", ""));
}

/// The name of an option with those of its values.
fn synopsis<A>(opt: &Opt<A>) -> String {
    match opt.action {
        Action::Maybe(_) => format!("{}[={}]", opt.name, opt.values.join(" ")),
        _ => std::iter::once(&opt.name).chain(opt.values).copied().collect::<Vec<_>>().join(" "),
    }
}

/// `text` with nothing special about its references.
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
    use crate::cli::bwrap;
    use crate::cli::table::opts;

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
