//! What an option is. A dialect is one `const` table of these; parser, help, manual and completions all read it.

use std::ffi::CStr;

use crate::error::Error;

/// One option of a dialect, whose words are collected in an `A`.
#[derive(Debug)]
pub(crate) struct Opt<A: 'static> {
    /// As typed, `--` included.
    pub name: &'static str,
    /// Names of its values, as many as [`Action`] takes: `PATH`, or the words there are to choose from, `none|host`.
    pub values: &'static [&'static str],
    /// What it does, on one line, without a full stop.
    pub brief: &'static str,
    /// The rest of what there is to say, in whole sentences; `{--name}` refers to another option. May be empty.
    pub text: &'static str,
    /// What happens when it is read.
    pub action: Action<A>,
    /// Repeating it is worth a warning: only the last one counts.
    pub last_wins: bool,
    /// What is said when values are missing, where it differs from "takes two arguments".
    pub missing: Option<&'static str>,
}

/// Says what is wrong with a value, where it could not be taken.
pub(crate) type Done = Result<(), Error>;

/// What happens when an option is read.
#[derive(Debug)]
pub(crate) enum Action<A: 'static> {
    /// Print the help text and stop.
    Help,
    /// Print the version and stop.
    Version,
    /// Read more words from a descriptor and go on with them.
    Splice,
    /// Read a descriptor to its end.
    Load {
        /// Says whether that is all right at this point.
        before: fn(&A) -> Done,
        /// Words for what is read.
        what: &'static str,
        /// Keeps what was read.
        keep: fn(&mut A, Vec<u8>) -> Done,
    },
    /// No value.
    Flag(fn(&mut A)),
    /// No value, or one that is joined to the option by `=`.
    Maybe(fn(&mut A, Option<&CStr>) -> Done),
    /// One value.
    One(fn(&mut A, &CStr) -> Done),
    /// Two values.
    Two(fn(&mut A, &CStr, &CStr) -> Done),
    /// Three values.
    Three(fn(&mut A, &CStr, &CStr, &CStr) -> Done),
}

impl<A> Action<A> {
    /// How many values the option takes.
    pub(crate) const fn arity(&self) -> usize {
        match self {
            Action::Help | Action::Version | Action::Flag(_) => 0,
            Action::Splice | Action::Load { .. } | Action::Maybe(_) | Action::One(_) => 1,
            Action::Two(_) => 2,
            Action::Three(_) => 3,
        }
    }
}

/// Options that belong together.
#[derive(Debug)]
pub(crate) struct Group<A: 'static> {
    /// Heading.
    pub title: &'static str,
    /// Its options.
    pub opts: &'static [Opt<A>],
}

/// The options of a dialect, in the order in which they are explained.
pub(crate) type Table<A> = [Group<A>];

/// Every option of `table`.
pub(crate) fn opts<A>(table: &'static Table<A>) -> impl Iterator<Item = &'static Opt<A>> {
    table.iter().flat_map(|group| group.opts)
}

impl<A> Opt<A> {
    /// An option with nothing special about it.
    pub(crate) const fn new(
        name: &'static str,
        values: &'static [&'static str],
        action: Action<A>,
        brief: &'static str,
        text: &'static str,
    ) -> Opt<A> {
        Opt { name, values, brief, text, action, last_wins: false, missing: None }
    }

    /// Only the last one counts, and that is worth a warning.
    #[must_use]
    pub(crate) const fn last_wins(mut self) -> Opt<A> {
        self.last_wins = true;
        self
    }

    /// Has its own words for missing values.
    #[must_use]
    pub(crate) const fn missing(mut self, text: &'static str) -> Opt<A> {
        self.missing = Some(text);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{bwrap, render, run};

    /// Holds both tables to one law.
    macro_rules! law {
        ($name:ident, $check:ident) => {
            #[test]
            fn $name() {
                $check(bwrap::TABLE);
                $check(run::table::TABLE);
            }
        };
    }

    law!(names_are_unique_and_plain, check_names);
    law!(values_are_as_many_as_the_action_takes_and_well_formed, check_values);
    law!(briefs_fit_on_a_line_and_texts_are_sentences, check_texts);
    law!(every_reference_names_an_option, check_references);
    law!(the_parser_can_remember_which_options_it_saw, check_size);

    fn check_names<A>(table: &'static Table<A>) {
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

    fn check_values<A>(table: &'static Table<A>) {
        for opt in opts(table) {
            assert_eq!(opt.values.len(), opt.action.arity(), "{}", opt.name);
            let plain = |value: &str| value.bytes().all(|b| b.is_ascii_uppercase() || b"[]:=".contains(&b));
            // Or the words themselves, where there are only these.
            let words = |value: &str| value.contains('|') && value.bytes().all(|b| b.is_ascii_lowercase() || b == b'|');
            assert!(opt.values.iter().all(|value| plain(value) || words(value)), "{}", opt.name);
        }
    }

    fn check_texts<A>(table: &'static Table<A>) {
        for opt in opts(table) {
            assert!(!opt.brief.is_empty() && !opt.brief.ends_with('.'), "{}", opt.name);
            assert!(render::HELP_COLUMN + opt.brief.len() <= 100, "{} is too long", opt.name);
            assert!(opt.text.is_empty() || opt.text.ends_with('.'), "{}", opt.name);
            assert!(!opt.text.contains("  ") && opt.text.is_ascii() && opt.brief.is_ascii(), "{}", opt.name);
        }
    }

    fn check_references<A>(table: &'static Table<A>) {
        for opt in opts(table) {
            for text in [opt.brief, opt.text] {
                for reference in text.split('{').skip(1) {
                    let name = reference.split_once('}').unwrap().0;
                    assert!(opts(table).any(|other| other.name == name), "{} refers to {name}", opt.name);
                }
            }
        }
    }

    fn check_size<A>(table: &'static Table<A>) {
        assert!(opts(table).count() <= u128::BITS as usize);
        assert!(table.iter().all(|group| !group.opts.is_empty() && !group.title.is_empty()));
    }
}
