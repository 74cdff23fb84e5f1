//! Words → [`Args`], as bubblewrap reads them: exact words, a fixed number of values for each option, and an end at the
//! first word that is no option. Pure: what must be read meanwhile comes through [`Outside`].

use std::ffi::CStr;

use super::args::{self, Args, refuse, refuse_word};
use crate::cli::table::{self, Action, Opt, Table};
use crate::error::Error;
use crate::spec::FdNumber;
use crate::suggest::nearest;

/// What parsing needs of the world.
pub(crate) trait Outside {
    /// Everything that the caller's descriptor `fd` yields, or the reason why it cannot be read.
    fn read(&mut self, fd: FdNumber) -> Result<Vec<u8>, String>;

    /// Says `message` at once, as a warning; with its level in front where `level_prefix` is set.
    fn warn(&mut self, message: &str, level_prefix: bool);
}

/// How a command line ends that is not refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parsed {
    /// With the arguments complete.
    Complete,
    /// At a request for help, where reading stops.
    Help,
    /// At a request for the version, where reading stops.
    Version,
}

/// The most words that bubblewrap takes, those of `--args` included. Programs test for its message.
const MOST_WORDS: usize = 9000;

/// Reads `words` (without the program's name) by `table` into `args`.
///
/// `args` is a parameter rather than the result because [`Args::level_prefix`] matters for the printing of an error too.
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
    /// How many words there have been.
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

    /// Reads options up to the first word that is none, which stays, or to `--`, which does not.
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
            // Of the other dialect: it takes what is joined to the word, which nothing ever is here.
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

    /// Reads the words that a descriptor yields, each of them ended by a NUL, which the last may lack. Whatever stands
    /// behind the first word that is no option is ignored, as bubblewrap does.
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

/// Words still to be read.
#[derive(Clone)]
struct Words<I> {
    rest: I,
    /// Index of the next one among the words of the command line; `None` in a file of words.
    index: Option<usize>,
}

impl<'w, I: Iterator<Item = &'w CStr>> Iterator for Words<I> {
    type Item = &'w CStr;

    fn next(&mut self) -> Option<&'w CStr> {
        self.index = self.index.map(|index| index + 1);
        self.rest.next()
    }
}

/// What an option says whose values are missing.
fn missing(opt: &Opt<Args>) -> String {
    let count = ["no argument", "an argument", "two arguments", "three arguments"];
    opt.missing.map_or_else(|| format!("{} takes {}", opt.name, count[opt.action.arity()]), str::to_owned)
}

#[cfg(test)]
mod tests;
