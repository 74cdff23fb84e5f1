//! The definition of an option. Each front end has one `const` table of options, which its parser, help, manual and
//! completions read.

use std::ffi::CStr;

use crate::error::Error;

/// One option of a front end, which collects its arguments in an `A`.
#[derive(Debug)]
pub(crate) struct Opt<A: 'static> {
    /// As typed, `--` included.
    pub name: &'static str,
    /// Names of its values, as many as [`Action`] takes: `PATH`, or the possible words, `none|host`.
    pub values: &'static [&'static str],
    /// What it does, on one line, without a full stop.
    pub brief: &'static str,
    /// More explanation, in whole sentences; `{--name}` refers to another option. May be empty.
    pub text: &'static str,
    /// Its effect.
    pub action: Action<A>,
    /// How much it opens.
    pub reach: Reach,
    /// Warn if it is repeated: only the last one counts.
    pub last_wins: bool,
    /// The message for missing values, if it is not "takes two arguments" or the like.
    pub missing: Option<&'static str>,
}

/// How much an option opens to the program inside. A suggestion for a misspelt option must not open more than was
/// meant. The order counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reach {
    /// It closes something.
    Closes,
    /// Nothing of the host is opened or closed.
    Neutral,
    /// Something of the host can be read.
    Reads,
    /// Something of the host can be changed.
    Writes,
    /// Anything else: devices, the network, powers, fewer restrictions. What an option has that says nothing.
    Opens,
}

/// The error says what is wrong with a value.
pub(crate) type Done = Result<(), Error>;

/// The effect of an option.
#[derive(Debug)]
pub(crate) enum Action<A: 'static> {
    /// Print the help text and stop.
    Help,
    /// Print the version and stop.
    Version,
    /// Read more options from elsewhere: from a descriptor (`--args`) or a profile.
    Splice,
    /// Read a descriptor to its end.
    Load {
        /// Refuses the option if it is not allowed at this point.
        before: fn(&A) -> Done,
        /// The name of the data in messages.
        what: &'static str,
        /// Stores the data.
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
    /// The number of values that the option takes.
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

/// The options of a front end, in the order of the help.
pub(crate) type Table<A> = [Group<A>];

/// Every option of `table`.
pub(crate) fn opts<A>(table: &'static Table<A>) -> impl Iterator<Item = &'static Opt<A>> {
    table.iter().flat_map(|group| group.opts)
}

impl<A> Opt<A> {
    /// An ordinary option.
    pub(crate) const fn new(
        name: &'static str,
        values: &'static [&'static str],
        action: Action<A>,
        brief: &'static str,
        text: &'static str,
    ) -> Opt<A> {
        Opt { name, values, brief, text, action, reach: Reach::Opens, last_wins: false, missing: None }
    }

    /// Sets how much it opens.
    #[must_use]
    pub(crate) const fn reach(mut self, reach: Reach) -> Opt<A> {
        self.reach = reach;
        self
    }

    /// Only the last one counts; repeating it gives a warning.
    #[must_use]
    pub(crate) const fn last_wins(mut self) -> Opt<A> {
        self.last_wins = true;
        self
    }

    /// Sets the message for missing values.
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
