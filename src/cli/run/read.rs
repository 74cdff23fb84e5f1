//! Words of a command line and lines of profiles → [`RunArgs`]. Pure: profiles are read through [`Outside`].
//!
//! All words are read first and set afterwards: only then is it known whether a profile is named. If none is, the
//! default profile comes first.

use std::ffi::{CStr, CString, OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::rc::Rc;

use lexopt::Arg;

use super::args::RunArgs;
use super::guess;
use super::origin::{Origin, at, refuse};
use super::profile::Text;
use super::table::{SHORT, TABLE};
use super::value::WORKSPACE;
use crate::cli::table::{Action, Opt, opts};
use crate::error::{Error, ErrorKind, Part, push_printable};

/// The profile of a command line that names none.
const DEFAULT_PROFILE: &CStr = c"workspace";

/// How deep profiles may build on each other. Each level is a recursive call, and the stack must not run out.
const DEEPEST: usize = 32;

/// Access to profiles for the reader.
pub(crate) trait Outside {
    /// Finds the profile called `name`. Those of `open` are being read: a name in one of them that would lead back to
    /// it means the next profile of that name, so that one's own `workspace` can build on the shipped one.
    fn profile(&mut self, name: &CStr, open: &[Rc<[u8]>]) -> Result<Text, Error>;

    /// Makes the repository that the current directory lies in the workspace. Returns its top.
    fn repository(&mut self) -> Result<CString, Error>;
}

/// What a valid command line asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parsed {
    /// A run; the arguments are complete.
    Complete,
    /// The help.
    Help {
        /// With all explanations, instead of one line for each option.
        long: bool,
    },
    /// The version.
    Version,
}

type Known = &'static Opt<RunArgs>;

/// An option and its value, read but not yet set.
struct Item {
    opt: Known,
    value: Option<CString>,
    origin: Origin,
}

/// Reads `words` (those after `pinfold run`) into `args`. On failure, `args` still has the status descriptor for
/// errors, if it was named before the wrong word.
pub(crate) fn command_line(args: &mut RunArgs, words: &[&CStr], outside: &mut dyn Outside) -> Result<Parsed, Error> {
    let mut items = Vec::new();
    let read = options(words, &mut items, &mut args.command);
    let mut reader = Reader::new(args, outside);
    let (status, items): (Vec<_>, Vec<_>) = items.into_iter().partition(|item| item.opt.name == "--json-status-fd");
    let told = status.into_iter().try_for_each(|item| reader.set(item));
    match read? {
        Parsed::Complete => told?,
        asked => return Ok(asked),
    }
    let (whole, items): (Vec<_>, Vec<_>) = items.into_iter().partition(|item| item.opt.name == "--repo");
    if let Some(item) = whole.into_iter().last() {
        // Before any line of a profile is read: some count from the workspace.
        let top = reader.outside.repository().map_err(|error| at(Some(&item.origin), error))?;
        reader
            .args
            .variables
            .iter_mut()
            .filter(|(name, _)| *name == WORKSPACE)
            .for_each(|(_, value)| *value = top.clone());
        reader.set(item)?;
    }
    if !items.iter().any(|item| matches!(item.opt.action, Action::Splice)) {
        let default = reader.outside.profile(DEFAULT_PROFILE, &[])?;
        reader.profile(default)?;
    }
    let done = items.into_iter().try_for_each(|item| reader.set(item));
    reader.finish(done).map(|()| Parsed::Complete)
}

/// Splits `words` into the options, added to `items`, and the command.
fn options(words: &[&CStr], items: &mut Vec<Item>, command: &mut Vec<CString>) -> Result<Parsed, Error> {
    let words: Vec<OsString> = words.iter().map(|word| OsStr::from_bytes(word.to_bytes()).to_owned()).collect();
    let mut parser = lexopt::Parser::from_args(words);
    while let Some(word) = parser.next().map_err(|error| Error::new(ErrorKind::Invalid, error.to_string()))? {
        let is_short = matches!(word, Arg::Short(_));
        let opt = match word {
            Arg::Short('h') => return Ok(Parsed::Help { long: false }),
            Arg::Short(letter) => match SHORT.iter().find(|(short, _)| *short == letter) {
                Some((_, name)) => known(name.as_bytes())?,
                None => return unknown(format!("-{letter}").as_bytes()),
            },
            Arg::Long(name) => known(format!("--{name}").as_bytes())?,
            Arg::Value(program) => {
                command.push(text(program)?);
                for word in parser.raw_args().map_err(|error| Error::new(ErrorKind::Invalid, error.to_string()))? {
                    command.push(text(word)?);
                }
                break;
            }
        };
        if matches!(opt.action, Action::Help | Action::Version) && !is_short && parser.optional_value().is_some() {
            return refuse(format!("{} takes no value", opt.name));
        }
        match opt.action {
            Action::Help => return Ok(Parsed::Help { long: true }),
            Action::Version => return Ok(Parsed::Version),
            _ => items.push(item(opt, is_short, &mut parser)?),
        }
    }
    Ok(Parsed::Complete)
}

/// Reads one profile and the profiles that it builds on.
pub(crate) fn profile(args: &mut RunArgs, name: &CStr, outside: &mut dyn Outside) -> Result<(), Error> {
    let found = outside.profile(name, &[])?;
    let mut reader = Reader::new(args, outside);
    let done = reader.profile(found);
    reader.finish(done)
}

/// Takes the value of `opt` from the parser and makes an [`Item`] of both.
fn item(opt: Known, is_short: bool, parser: &mut lexopt::Parser) -> Result<Item, Error> {
    // After a letter without a value, the next byte of the word is another letter, not a value.
    let joined = if is_short && opt.action.arity() == 0 { None } else { parser.optional_value() };
    let value = match opt.action {
        Action::Maybe(_) => joined,
        _ if opt.action.arity() == 0 => match joined {
            Some(_) => return refuse(format!("{} takes no value", opt.name)),
            None => None,
        },
        _ => Some(match joined {
            Some(value) => value,
            None => separate(opt, parser)?,
        }),
    };
    let value = value.map(text).transpose()?;
    let mut word = opt.name.as_bytes().to_vec();
    let mut value_at = word.len();
    if let Some(value) = &value {
        word.push(if matches!(opt.action, Action::Maybe(_)) { b'=' } else { b' ' });
        value_at = word.len();
        word.extend_from_slice(value.to_bytes());
    }
    if value.as_ref().is_some_and(|value| value.is_empty()) {
        // What is empty has to be seen.
        word.extend_from_slice(b"''");
        value_at = word.len();
    }
    Ok(Item { opt, value, origin: Origin { option: opt.name, profile: None, word: word.into(), value_at } })
}

/// Takes the next word as the value. The name of an option is refused: the value was forgotten.
fn separate(opt: Known, parser: &mut lexopt::Parser) -> Result<OsString, Error> {
    let missing =
        || Error::new(ErrorKind::Invalid, format!("{} takes a value: {} {}", opt.name, opt.name, opt.values.join(" ")));
    let value = parser.value().map_err(|_| missing())?;
    let name = value.as_bytes().split(|&byte| byte == b'=').next().unwrap_or_default();
    if name.starts_with(b"--") && opts(TABLE).any(|other| other.name.as_bytes() == name) {
        let shown = String::from_utf8_lossy(name).into_owned();
        let hint = format!(
            "{shown} stands where the value belongs; a value that looks like it is written {}={shown}",
            opt.name
        );
        return Err(missing().with_hint(Some(hint)));
    }
    Ok(value)
}

fn text(word: OsString) -> Result<CString, Error> {
    CString::new(word.into_vec()).or_else(|_| refuse("a word cannot contain a NUL byte"))
}

/// The option called `name`, dashes included.
fn known(name: &[u8]) -> Result<Known, Error> {
    name.strip_prefix(b"--").and_then(named).map_or_else(|| unknown(name), Ok)
}

/// The option called `--BARE`.
fn named(bare: &[u8]) -> Option<Known> {
    opts(TABLE).find(|opt| is_named(opt, bare))
}

fn is_named(opt: Known, bare: &[u8]) -> bool {
    let name = opt.name.as_bytes();
    // Most names differ in length already.
    name.len() == bare.len() + 2 && name.strip_prefix(b"--") == Some(bare)
}

fn unknown<T>(name: &[u8]) -> Result<T, Error> {
    let mut message = b"unknown option ".to_vec();
    push_printable(&mut message, OsStr::from_bytes(name));
    let hint = guess::suggestion(name).unwrap_or_else(|| "`pinfold run -h` lists the options".into());
    refuse(message).map_err(|error: Error| error.with_hint(Some(hint)))
}

struct Reader<'a> {
    args: &'a mut RunArgs,
    outside: &'a mut dyn Outside,
    /// Profiles that are being read, outermost first.
    open: Vec<Rc<[u8]>>,
    /// Profiles that have been read. A profile that two others build on is read once.
    done: Vec<Rc<[u8]>>,
    /// What is wrong in lines of profiles. All of it is told at once.
    wrong: Vec<Error>,
}

/// How many wrong lines of profiles are told.
const MOST_TOLD: usize = 20;

impl<'a> Reader<'a> {
    fn new(args: &'a mut RunArgs, outside: &'a mut dyn Outside) -> Reader<'a> {
        Reader { args, outside, open: Vec::new(), done: Vec::new(), wrong: Vec::new() }
    }

    /// The end of reading: everything that is wrong, as one error. `done` is the end of the words.
    fn finish(self, done: Result<(), Error>) -> Result<(), Error> {
        let mut wrong = self.wrong;
        wrong.extend(done.err());
        if wrong.len() < 2 {
            return wrong.pop().map_or(Ok(()), Err);
        }
        let message = if wrong.len() > MOST_TOLD {
            format!("more than {MOST_TOLD} words and lines are wrong, among them:")
        } else {
            format!("{} words and lines are wrong:", wrong.len())
        };
        let part = |error: &Error| {
            let hint = error.hint.as_ref().map_or_else(String::new, |hint| format!(" ({hint})"));
            Part { field: None, place: None, message: [&error.text(), hint.as_bytes()].concat() }
        };
        let parts = wrong.iter().take(MOST_TOLD).map(part).collect();
        Err(Error { parts, ..Error::new(wrong[0].kind, message) })
    }

    fn set(&mut self, Item { opt, value, origin }: Item) -> Result<(), Error> {
        if let (Action::Splice, Some(name)) = (&opt.action, &value) {
            // A path in a profile must mean the same wherever the profile is used.
            let name = if name.to_bytes().contains(&b'/') {
                self.args.path_from(&origin, name).map_err(|error| at(Some(&origin), error))?
            } else {
                name.clone()
            };
            let found = self.outside.profile(&name, &self.open).map_err(|error| at(Some(&origin), error))?;
            return self.profile(found);
        }
        self.args.here = origin.clone();
        self.args.seen.push(origin.clone());
        let done = match (&opt.action, value.as_deref()) {
            (Action::Flag(set), _) => {
                set(self.args);
                Ok(())
            }
            (Action::Maybe(set), value) => set(self.args, value),
            (Action::One(set), Some(value)) => set(self.args, value),
            // The table of `pinfold run` has no other kinds of options.
            _ => refuse("this option has no meaning here"),
        };
        done.map_err(|error| at(Some(&origin), error))
    }

    fn profile(&mut self, Text { name, text }: Text) -> Result<(), Error> {
        if self.done.contains(&name) {
            return Ok(());
        }
        if self.open.contains(&name) {
            let mut chain = Vec::new();
            for open in self.open.iter().chain([&name]) {
                if !chain.is_empty() {
                    chain.extend_from_slice(b" -> ");
                }
                push_printable(&mut chain, OsStr::from_bytes(open));
            }
            return refuse([b"a profile builds on itself: ", &chain[..]].concat());
        }
        if self.open.len() >= DEEPEST {
            return refuse(format!("profiles build on each other more than {DEEPEST} deep"));
        }
        self.open.push(name.clone());
        let mut last = None;
        for (index, line) in text.split(|&byte| byte == b'\n').enumerate() {
            let line = line.trim_ascii();
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            let profile = Some((name.clone(), index + 1));
            let origin = Origin { option: "", profile, word: line.into(), value_at: line.len() };
            let item = item_of_line(line, last, origin.clone()).map_err(|error| at(Some(&origin), error));
            last = item.as_ref().map_or(last, |item| Some(item.opt));
            if let Err(error) = item.and_then(|item| self.set(item)) {
                // Nothing is wrong in a profile that comes with pinfold: it is a variable, and wrong in each line.
                // Of others one more than is told is read, so that it is known that there are more.
                if !name.contains(&b'/') || self.wrong.len() >= MOST_TOLD {
                    return Err(error);
                }
                self.wrong.push(error);
            }
        }
        self.open.pop();
        self.done.push(name);
        Ok(())
    }
}

/// Reads a line of a profile: the name of an option, with or without dashes, then its value up to the end of the line.
/// `last` is the option of the line before: most lines have the same.
fn item_of_line(line: &[u8], last: Option<Known>, origin: Origin) -> Result<Item, Error> {
    let at = line.iter().position(|byte| matches!(byte, b' ' | b'\t' | b'=')).unwrap_or(line.len());
    let (name, rest) = line.split_at(at);
    // Tabs before the value are blanks; tabs within it are refused below.
    let value = rest.strip_prefix(b"=").unwrap_or(rest).trim_ascii();
    if name.iter().chain(value).any(u8::is_ascii_control) {
        return refuse("a line of a profile has no control characters in it");
    }
    if has_comment(rest) {
        return refuse("a comment has a line of its own, and a # that belongs to the value is written \\#");
    }
    let bare = name.strip_prefix(b"--").unwrap_or(name);
    let opt = match last.filter(|opt| is_named(opt, bare)).or_else(|| named(bare)) {
        Some(opt) => opt,
        None => return unknown(&[b"--", bare].concat()),
    };
    if let Some(error) = not_in_a_profile(opt.name) {
        return Err(error);
    }
    // The caller has trimmed the line, so the value is its end.
    let origin = Origin { option: opt.name, value_at: line.len() - value.len(), ..origin };
    match (opt.action.arity(), value.is_empty() && !rest.starts_with(b"=")) {
        (0, true) => Ok(Item { opt, value: None, origin }),
        (0, false) => refuse(format!("{} takes no value", opt.name)),
        (_, true) => refuse(format!("{} takes a value: {}", opt.name, opt.values.join(" "))),
        (_, false) => {
            let value = with_hashes(value);
            let value = CString::new(value).or_else(|_| refuse("a line of a profile has no NUL byte in it"))?;
            Ok(Item { opt, value: Some(value), origin })
        }
    }
}

/// Whether a blank and a `#` are in a line behind the name of its option: what looks like a comment there would else be
/// a part of the value.
fn has_comment(rest: &[u8]) -> bool {
    rest.windows(2).any(|pair| pair == b" #" || pair == b"\t#")
}

/// `value` with each `\#` behind a blank replaced by `#`.
fn with_hashes(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len() + 1);
    for (at, &byte) in value.iter().enumerate() {
        let is_escape = byte == b'\\' && value.get(at + 1) == Some(&b'#') && (at == 0 || value[at - 1] == b' ');
        if !is_escape {
            out.push(byte);
        }
    }
    out
}

/// Options that a profile cannot have: they make sense only for one run, typed by a person.
pub(crate) const ONLY_TYPED: &[&str] = &[
    "--repo",
    "--dry-run",
    "--print-bwrap",
    "--json-status-fd",
    "--keep-fd",
    "--verbose",
    "--quiet",
    "--version",
    "--help",
];

/// Returns the error if an option cannot be in a profile.
fn not_in_a_profile(name: &str) -> Option<Error> {
    ONLY_TYPED
        .contains(&name)
        .then(|| Error::new(ErrorKind::Invalid, "this option has its place on the command line only"))
}
