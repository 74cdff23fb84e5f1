//! What an option is. A dialect is one `const` table of these; parser, help, manual and completions all read it.

use std::ffi::CStr;

use super::args::Args;
use crate::error::Error;

/// One option of a dialect.
#[derive(Debug)]
pub(crate) struct Opt {
    /// As typed, `--` included.
    pub name: &'static str,
    /// Names of its values, as many as [`Action`] takes.
    pub values: &'static [&'static str],
    /// What it does, on one line, without a full stop.
    pub brief: &'static str,
    /// The rest of what there is to say, in whole sentences; `{--name}` refers to another option. May be empty.
    #[cfg_attr(not(test), expect(dead_code, reason = "only the manual page has it, and only tests render that"))]
    pub text: &'static str,
    /// What happens when it is read.
    pub action: Action,
    /// Repeating it is worth a warning: only the last one counts.
    pub last_wins: bool,
    /// What is said when values are missing, where it differs from "takes two arguments".
    pub missing: Option<&'static str>,
}

/// Sets a value in [`Args`], or says what is wrong with it.
pub(crate) type Done = Result<(), Error>;

/// What happens when an option is read.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Action {
    /// Print the help text and stop.
    Help,
    /// Print the version and stop.
    Version,
    /// Read more words from a descriptor and go on with them.
    Splice,
    /// Read a descriptor to its end.
    Load {
        /// Says whether that is all right at this point.
        before: fn(&Args) -> Done,
        /// Words for what is read.
        what: &'static str,
        /// Keeps what was read.
        keep: fn(&mut Args, Vec<u8>) -> Done,
    },
    /// No value.
    Flag(fn(&mut Args)),
    /// One value.
    One(fn(&mut Args, &CStr) -> Done),
    /// Two values.
    Two(fn(&mut Args, &CStr, &CStr) -> Done),
    /// Three values.
    Three(fn(&mut Args, &CStr, &CStr, &CStr) -> Done),
}

impl Action {
    /// How many values the option takes.
    pub(crate) const fn arity(&self) -> usize {
        match self {
            Action::Help | Action::Version | Action::Flag(_) => 0,
            Action::Splice | Action::Load { .. } | Action::One(_) => 1,
            Action::Two(_) => 2,
            Action::Three(_) => 3,
        }
    }
}

/// Options that belong together.
#[derive(Debug)]
pub(crate) struct Group {
    /// Heading.
    pub title: &'static str,
    /// Its options.
    pub opts: &'static [Opt],
}

/// The options of a dialect, in the order in which they are explained.
pub(crate) type Table = [Group];

/// Every option of `table`.
pub(crate) fn opts(table: &'static Table) -> impl Iterator<Item = &'static Opt> {
    table.iter().flat_map(|group| group.opts)
}

impl Opt {
    /// An option with nothing special about it.
    pub(crate) const fn new(
        name: &'static str,
        values: &'static [&'static str],
        action: Action,
        brief: &'static str,
        text: &'static str,
    ) -> Opt {
        Opt { name, values, brief, text, action, last_wins: false, missing: None }
    }

    /// Only the last one counts, and that is worth a warning.
    #[must_use]
    pub(crate) const fn last_wins(mut self) -> Opt {
        self.last_wins = true;
        self
    }

    /// Has its own words for missing values.
    #[must_use]
    pub(crate) const fn missing(mut self, text: &'static str) -> Opt {
        self.missing = Some(text);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::bwrap;
    use crate::cli::render;

    const TABLES: &[&Table] = &[bwrap::TABLE];

    fn every() -> impl Iterator<Item = (&'static Table, &'static Opt)> {
        TABLES.iter().flat_map(|&table| opts(table).map(move |opt| (table, opt)))
    }

    #[test]
    fn names_are_unique_and_plain() {
        for &table in TABLES {
            let mut names: Vec<_> = opts(table).map(|opt| opt.name).collect();
            let count = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), count);
            for name in names {
                let bare = name.strip_prefix("--").unwrap();
                assert!(bare.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'), "{name}");
            }
        }
    }

    #[test]
    fn values_are_as_many_as_the_action_takes_and_in_capitals() {
        for (_, opt) in every() {
            assert_eq!(opt.values.len(), opt.action.arity(), "{}", opt.name);
            assert!(opt.values.iter().all(|value| value.bytes().all(|b| b.is_ascii_uppercase())), "{}", opt.name);
        }
    }

    #[test]
    fn briefs_fit_on_a_line_and_texts_are_sentences() {
        for (_, opt) in every() {
            assert!(!opt.brief.is_empty() && !opt.brief.ends_with('.'), "{}", opt.name);
            assert!(render::HELP_COLUMN + opt.brief.len() <= 100, "{} is too long", opt.name);
            assert!(opt.text.is_empty() || opt.text.ends_with('.'), "{}", opt.name);
            assert!(!opt.text.contains("  ") && opt.text.is_ascii() && opt.brief.is_ascii(), "{}", opt.name);
        }
    }

    #[test]
    fn every_reference_names_an_option() {
        for (table, opt) in every() {
            for text in [opt.brief, opt.text] {
                for reference in text.split('{').skip(1) {
                    let name = reference.split_once('}').unwrap().0;
                    assert!(opts(table).any(|other| other.name == name), "{} refers to {name}", opt.name);
                }
            }
        }
    }

    #[test]
    fn the_parser_can_remember_which_options_it_saw() {
        for &table in TABLES {
            assert!(opts(table).count() <= u128::BITS as usize);
            assert!(table.iter().all(|group| !group.opts.is_empty() && !group.title.is_empty()));
        }
    }
}
