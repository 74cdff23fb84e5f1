//! Words → [`Args`], as bubblewrap parses them: exact option names, a fixed number of values for each option, and an
//! end at the first word that is not an option. Pure: descriptors are read through [`Outside`].

use std::ffi::CStr;

use super::args::{self, Args, refuse, refuse_word};
use crate::cli::table::{self, Action, Opt, Table};
use crate::error::Error;
use crate::spec::FdNumber;
use crate::suggest::nearest;

/// Access to descriptors and standard error for the parser.
pub(crate) trait Outside {
    /// Reads the caller's descriptor `fd` to its end, or returns the reason why it cannot be read.
    fn read(&mut self, fd: FdNumber) -> Result<Vec<u8>, String>;

    /// Prints `message` at once, as a warning; with its syslog level first if `level_prefix` is set.
    fn warn(&mut self, message: &str, level_prefix: bool);
}

/// What a valid command line asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parsed {
    /// A run; the arguments are complete.
    Complete,
    /// The help. Parsing stops there.
    Help,
    /// The version. Parsing stops there.
    Version,
}

/// The maximum number of words that bubblewrap accepts, including those of `--args`. Programs test for its message.
const MOST_WORDS: usize = 9000;

/// Parses `words` (without the program's name) with `table` into `args`.
///
/// `args` is a parameter and not the result because the caller needs [`Args::level_prefix`] to print an error too.
pub(crate) fn parse<W: AsRef<CStr>>(
    args: &mut Args,
    table: &'static Table<Args>,
    words: &[W],
    outside: &mut dyn Outside,
) -> Result<Parsed, Error> {
    let mut parser = Parser { args, table, outside, seen: 0, count: 0 };
    parser.count(words.len())?;
    let mut typed = Words { rest: words.iter().map(AsRef::as_ref), index: Some(0) };
    let outcome = parser.options(&mut typed)?;
    if outcome == Parsed::Complete {
        parser.args.end_options()?;
        parser.args.command.extend(typed.rest.map(CStr::to_owned));
    }
    Ok(outcome)
}

struct Parser<'a> {
    args: &'a mut Args,
    table: &'static Table<Args>,
    outside: &'a mut dyn Outside,
    /// Bit n is set when option n of the table has been read.
    seen: u128,
    /// The number of words so far.
    count: usize,
}

impl Parser<'_> {
    fn count(&mut self, more: usize) -> Result<(), Error> {
        self.count += more;
        if self.count > MOST_WORDS {
            return refuse(format!("Exceeded maximum number of arguments {MOST_WORDS}"));
        }
        Ok(())
    }

    /// Parses options up to the first word that is not an option. Consumes a `--`, but not another word.
    fn options<'w>(&mut self, words: &mut Words<impl Iterator<Item = &'w CStr> + Clone>) -> Result<Parsed, Error> {
        loop {
            let here = words.clone();
            let Some(word) = words.next() else { return Ok(Parsed::Complete) };
            if word == c"--" {
                return Ok(Parsed::Complete);
            }
            if !word.to_bytes().starts_with(b"-") {
                *words = here;
                return Ok(Parsed::Complete);
            }
            self.args.word = here.index.unwrap_or(self.args.word);
            match self.option(word, words)? {
                Parsed::Complete => {}
                stop @ (Parsed::Help | Parsed::Version) => return Ok(stop),
            }
        }
    }

    fn option<'w>(
        &mut self,
        word: &CStr,
        words: &mut Words<impl Iterator<Item = &'w CStr> + Clone>,
    ) -> Result<Parsed, Error> {
        let found = table::opts(self.table).enumerate().find(|(_, opt)| opt.name.as_bytes() == word.to_bytes());
        let Some((number, opt)) = found else {
            return refuse_word("Unknown option ", word).map_err(|error| self.suggest(error, word));
        };
        self.args.begin_option();
        let bit = 1u128.checked_shl(number as u32).unwrap_or(0);
        let repeated = self.seen & bit != 0;
        self.seen |= bit;
        let nested = words.index.is_none();
        let mut value = || words.next().map_or_else(|| refuse(missing(opt)), Ok);
        match opt.action {
            Action::Help => return Ok(Parsed::Help),
            Action::Version => return Ok(Parsed::Version),
            Action::Flag(set) => set(self.args),
            // Only the table of `pinfold run` has these. Their value follows a `=` in the word, which bubblewrap never
            // has.
            Action::Maybe(set) => set(self.args, None)?,
            Action::One(set) => {
                let first = value()?;
                self.warn_if(repeated, opt);
                set(self.args, first)?;
            }
            Action::Two(set) => set(self.args, value()?, value()?)?,
            Action::Three(set) => set(self.args, value()?, value()?, value()?)?,
            Action::Load { before, what, keep } => {
                let value = value()?;
                before(self.args)?;
                let data = self.read(value, what)?;
                keep(self.args, data)?;
            }
            Action::Splice if nested => {
                return refuse(format!("{} not supported in arguments file", opt.name));
            }
            Action::Splice => match self.splice(value()?, opt.name)? {
                Parsed::Complete => {}
                stop @ (Parsed::Help | Parsed::Version) => return Ok(stop),
            },
        }
        self.args.end_option()?;
        Ok(Parsed::Complete)
    }

    fn suggest(&self, error: Error, word: &CStr) -> Error {
        let hint = match word.to_bytes() {
            b"-h" => Some("--help lists the options".into()),
            bytes if bytes.contains(&b'=') => Some("a value is a word of its own, behind a blank".into()),
            _ => nearest(&word.to_string_lossy(), table::opts(self.table).map(|opt| opt.name))
                .map(|name| format!("did you mean {name}?")),
        };
        error.with_hint(hint)
    }

    fn warn_if(&mut self, repeated: bool, opt: &Opt<Args>) {
        if repeated && opt.last_wins {
            let message = format!("Only the last {} option will take effect", opt.name);
            self.outside.warn(&message, self.args.level_prefix);
        }
    }

    /// Parses the words from a descriptor. Each ends with a NUL, which the last one may lack. As in bubblewrap,
    /// everything after the first word that is not an option is ignored.
    fn splice(&mut self, value: &CStr, name: &str) -> Result<Parsed, Error> {
        let mut data = self.read(value, &format!("{name} data"))?;
        if data.last().is_some_and(|&byte| byte != 0) {
            data.push(0);
        }
        let rest = data.split_inclusive(|&byte| byte == 0).filter_map(|word| CStr::from_bytes_with_nul(word).ok());
        self.count(rest.clone().count())?;
        let outcome = self.options(&mut Words { rest, index: None })?;
        self.args.begin_option();
        Ok(outcome)
    }

    fn read(&mut self, value: &CStr, what: &str) -> Result<Vec<u8>, Error> {
        let fd = args::fd(value)?;
        let data = self.outside.read(fd).or_else(|reason| refuse(format!("Can't read {what}: {reason}")))?;
        self.args.spent_fds.push(fd);
        Ok(data)
    }
}

/// The words that are left.
#[derive(Clone)]
struct Words<I> {
    rest: I,
    /// The index of the next word on the command line; `None` for words from `--args`.
    index: Option<usize>,
}

impl<'w, I: Iterator<Item = &'w CStr>> Iterator for Words<I> {
    type Item = &'w CStr;

    fn next(&mut self) -> Option<&'w CStr> {
        self.index = self.index.map(|index| index + 1);
        self.rest.next()
    }
}

/// The message for missing values.
fn missing(opt: &Opt<Args>) -> String {
    let count = ["no argument", "an argument", "two arguments", "three arguments"];
    opt.missing.map_or_else(|| format!("{} takes {}", opt.name, count[opt.action.arity()]), str::to_owned)
}

#[cfg(test)]
mod tests;
