//! A table of options → help text; and in tests → manual page and completions, which are kept in the repository.
//! All of them say what the table says and nothing else.

use std::fmt::Write as _;

use super::table::{Opt, Table};

#[cfg(test)]
mod files;

/// Column at which the explanations in the help text begin.
pub(crate) const HELP_COLUMN: usize = 33;

/// The text that `--help` prints. The first line is as callers know it from bubblewrap.
pub(crate) fn help(table: &'static Table, argv0: &str) -> String {
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

/// The name of an option with those of its values.
fn synopsis(opt: &Opt) -> String {
    std::iter::once(&opt.name).chain(opt.values).copied().collect::<Vec<_>>().join(" ")
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
