//! `pinfold kept …`: lists, shows, takes over and drops what runs have kept apart. Starting a sandbox uses nothing of
//! this.

mod diff;
mod settings;

use std::collections::BTreeSet;
use std::ffi::{CStr, OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::commands::{self, KEPT, Subcommand};
use super::run::World;
use super::{console, exit_code, render};
use crate::error::{Error, ErrorKind, push_printable};
use crate::spawn;
use crate::spec::path::{to_os, without_dots};
use crate::sys::{Errno, Result as SysResult, cwd, error_text};
use crate::workspace::kept::settings::{Setting, settings as kept_settings};
use crate::workspace::kept::take::{check, contents, take};
use crate::workspace::kept::{Entry, Item, Locked, Record, Store, What, items};

const HELP: &str = "
What a program has changed and the host would obey unseen is kept apart, with one
entry for each run. `take` puts it where it belongs, all of what is named or nothing. A
file that was there takes its place in the entry, so that the same command undoes it; a
new one leaves the entry, and an entry with nothing left goes. Without a PATH everything
of the entry is meant, but `take` leaves out git's own data, which says nothing without
the rest. A PATH can be a directory. A KEY is a setting of a git configuration
(core.hooksPath, or FILE:KEY if several files have it): `take` writes it into the
host's configuration, and says what it was.

  -q, --quiet  print no notes about a run that was killed and is put in order
";

/// The text to print, and the exit code.
type Output = (Vec<u8>, u8);

/// Runs the command line after `pinfold kept`. `environment` is the caller's.
pub(super) fn run(words: &[&CStr], environment: &[&CStr]) -> Result<Output, Error> {
    let (word, rest) = match words.split_first() {
        Some((&word, rest)) if word != c"-q" && word != c"--quiet" => (word, rest),
        _ => (c"list", words),
    };
    if [word].iter().chain(rest.first()).any(|&word| word == c"--help" || word == c"-h") || word == c"help" {
        let usage = render::sub_usage("kept", KEPT);
        return Ok((format!("{usage}\n{}{HELP}", render::sub_briefs(KEPT)).into_bytes(), 0));
    }
    let is_option = |word: &&CStr| word.to_bytes().starts_with(b"-");
    let Some(sub) = KEPT.iter().find(|sub| sub.name.as_bytes() == word.to_bytes()) else {
        return Err(if is_option(&word) {
            commands::unknown_option("kept", None, to_os(word))
        } else {
            commands::unknown_command("kept", KEPT, to_os(word))
        });
    };
    let (rest, given) = commands::split("kept", sub, rest)?;
    let (is_quiet, is_all) = (given.contains(&"--quiet"), given.contains(&"--all"));
    let desk = || Desk::open(environment, is_quiet);
    match (sub.name, &rest[..]) {
        ("list", []) => desk()?.list(None),
        ("list", [path]) => desk()?.list(Some(path)),
        ("diff", [id]) => desk()?.diff(id, &[]),
        ("diff", [id, path]) => desk()?.diff(id, &[path]),
        ("take", [id, paths @ ..]) => desk()?.take(id, paths),
        ("drop", []) if is_all => desk()?.drop_all(),
        ("drop", ids @ [_, ..]) if !is_all => desk()?.drop(ids),
        ("drop", []) => Err(commands::misused("kept", Some(sub), "a word is missing")),
        _ => Err(wrong_count(sub, &rest)),
    }
}

fn wrong_count(sub: &Subcommand, words: &[&CStr]) -> Error {
    let words: Vec<&OsStr> = words.iter().map(|word| to_os(word)).collect();
    commands::wrong_count("kept", sub, &words)
}

/// What is needed to work on entries.
struct Desk {
    stores: Vec<Store>,
    /// Where programs are looked for.
    path: OsString,
}

/// An entry of a run that has ended, which is put in order.
struct Opened {
    entry: Entry,
    record: Record,
    items: Vec<Item>,
    is_all: bool,
    settings: Vec<Setting>,
}

/// What the words of a command name.
struct Chosen<'a> {
    items: Vec<&'a Item>,
    settings: Vec<&'a Setting>,
    /// Whether git's own data was left out.
    is_less: bool,
}

impl Desk {
    /// Looks where a run keeps its changes.
    fn open(environment: &[&CStr], is_quiet: bool) -> Result<Desk, Error> {
        let world = World::probe(environment);
        let mut stores = Vec::new();
        for state in &world.stores() {
            stores.extend(Store::find(state, world.caller.uid)?);
        }
        // Said at once, as a run does: the command may fail yet, and its output is what was asked for.
        for line in world.put_dead_in_order(&spawn::run_to_end).iter().filter(|line| !(is_quiet && line.is_note)) {
            console::tell(&[b"pinfold: ", line.text.as_bytes(), b"\n"].concat());
        }
        Ok(Desk { stores, path: world.path.unwrap_or_default() })
    }

    /// `of`: only what is of runs that began in this directory or below, or lies there.
    fn list(&self, of: Option<&CStr>) -> Result<Output, Error> {
        let mut out = Vec::new();
        // The paths of an entry have no links.
        let of = of.map(|path| Path::new(to_os(path)));
        let of = of.map(|path| path.canonicalize().or_else(|_| here().map(|here| without_dots(&here.join(path)))));
        let of = of.transpose()?;
        let of = of.as_deref();
        for store in &self.stores {
            for id in store.ids().map_err(|errno| failed("Can't list what is kept", errno))? {
                match store.lock(&id).map_err(|errno| failed(&format!("Can't open {id}"), errno))? {
                    Locked::Missing => {}
                    Locked::Alive if of.is_some() => {}
                    Locked::Alive => out.extend_from_slice(format!("{id}  its run has not ended\n").as_bytes()),
                    Locked::Dead(entry) => match opened(entry) {
                        Ok(opened) if of.is_some_and(|path| !opened.is_of(path)) => {}
                        Ok(opened) => opened.describe(&mut out),
                        Err(failed) => {
                            out.extend_from_slice(&[id.as_bytes(), b"  ", &failed.1.text()[..], b"\n"].concat());
                        }
                    },
                }
            }
        }
        Ok((out, 0))
    }

    fn diff(&self, id: &CStr, paths: &[&CStr]) -> Result<Output, Error> {
        let (_, opened) = self.entry(id)?;
        let mut out = Vec::new();
        let chosen = opened.chosen(paths, true)?;
        for item in chosen.items {
            out.extend_from_slice(match item.what {
                What::Removal => b"removed: ",
                What::Link => b"link: ",
                What::Other => b"neither a file nor a link: ",
                What::File => b"file: ",
            });
            push_printable(&mut out, &item.path);
            out.push(b'\n');
            let both = contents(&opened.entry, item).map_err(|errno| failed_at(&item.path, errno))?;
            if let (Some(kept), present) = both {
                diff::diff(&mut out, &present.unwrap_or_default(), &kept);
            }
        }
        for setting in chosen.settings {
            settings::diff(&mut out, setting);
        }
        Ok((out, 0))
    }

    fn take(&self, id: &CStr, paths: &[&CStr]) -> Result<Output, Error> {
        let (store, opened) = self.entry(id)?;
        let mut out = Vec::new();
        let chosen = opened.chosen(paths, false)?;
        // Half of a git directory is none. So what can be refused is refused before the first change.
        for item in &chosen.items {
            if let Err(errno) = check(&opened.entry, item) {
                not_taken(&mut out, item, errno);
            }
        }
        if !out.is_empty() {
            out.extend_from_slice(b"so nothing was taken; a PATH takes what it names\n");
            return Ok((out, exit_code::NO));
        }
        let mut is_done = !(chosen.items.is_empty() && chosen.settings.is_empty());
        for setting in chosen.settings {
            is_done &= settings::take(&mut out, setting, &self.path, &opened.record);
        }
        for item in chosen.items {
            if let Err(errno) = take(&opened.entry, item) {
                is_done = false;
                not_taken(&mut out, item, errno);
                continue;
            }
            out.extend_from_slice(b"taken: ");
            push_printable(&mut out, &item.path);
            out.push(b'\n');
        }
        if chosen.is_less {
            out.extend_from_slice(b"left out: git's own data; name a path\n");
        }
        if is_done && opened.has_nothing_left().map_err(|errno| failed("Can't look at what is left", errno))? {
            retire(store, &opened.entry)?;
            out.extend_from_slice(format!("nothing is left of {}, so it is dropped\n", opened.entry.id).as_bytes());
        }
        Ok((out, if is_done { 0 } else { exit_code::NO }))
    }

    fn drop(&self, ids: &[&CStr]) -> Result<Output, Error> {
        let ids: BTreeSet<&CStr> = ids.iter().copied().collect();
        // A slip in one of them shall not cost the others.
        let found = |id: &CStr| {
            let (store, entry) = self.locked(id)?.ok_or_else(|| unknown(id))?;
            Ok((store, droppable(entry)?))
        };
        let all: Vec<(&Store, Entry)> = ids.into_iter().map(found).collect::<Result<_, Error>>()?;
        for (store, entry) in all {
            retire(store, &entry)?;
        }
        Ok((Vec::new(), 0))
    }

    /// Drops what can be dropped, and says what cannot.
    fn drop_all(&self) -> Result<Output, Error> {
        let (mut out, mut is_done) = (Vec::new(), true);
        for store in &self.stores {
            for id in store.ids().map_err(|errno| failed("Can't list what is kept", errno))? {
                match store.lock(&id).map_err(|errno| failed(&format!("Can't open {id}"), errno))? {
                    Locked::Missing => {}
                    Locked::Alive => out.extend_from_slice(format!("{id}  its run has not ended\n").as_bytes()),
                    Locked::Dead(entry) => match droppable(entry) {
                        Ok(entry) => retire(store, &entry)?,
                        Err(error) => {
                            is_done = false;
                            out.extend_from_slice(&[id.as_bytes(), b"  ", &error.text()[..], b"\n"].concat());
                        }
                    },
                }
            }
        }
        Ok((out, if is_done { 0 } else { exit_code::NO }))
    }

    fn locked(&self, id: &CStr) -> Result<Option<(&Store, Entry)>, Error> {
        let Ok(name) = id.to_str() else { return Ok(None) };
        for store in &self.stores {
            match store.lock(name).map_err(|errno| failed(&format!("Can't open {name}"), errno))? {
                Locked::Missing => {}
                Locked::Dead(entry) => return Ok(Some((store, entry))),
                Locked::Alive => {
                    let message = format!("{name} belongs to a run that has not ended");
                    return Err(Error::new(ErrorKind::Invalid, message));
                }
            }
        }
        Ok(None)
    }

    fn entry(&self, id: &CStr) -> Result<(&Store, Opened), Error> {
        let (store, entry) = self.locked(id)?.ok_or_else(|| unknown(id))?;
        Ok((store, opened(entry).map_err(|failed| failed.1)?))
    }
}

/// Refuses an entry of which something may still have to be taken over.
fn droppable(entry: Entry) -> Result<Entry, Error> {
    match opened(entry) {
        Ok(opened) => Ok(opened.entry),
        // A newer version has written it, and knows what has still to be put back.
        Err(failed) if failed.0.is_open() && !failed.0.is_ours().unwrap_or(false) => Err(failed.1),
        // Without a record that can be read there is nothing to be lost.
        Err(failed) => Ok(failed.0),
    }
}

fn retire(store: &Store, entry: &Entry) -> Result<(), Error> {
    store.retire(entry).map_err(|errno| failed("Can't remove all of it", errno))
}

/// The current directory.
fn here() -> Result<PathBuf, Error> {
    let here = cwd::getcwd().map_err(|errno| failed("Can't find the current directory", errno))?;
    Ok(PathBuf::from(to_os(&here)))
}

/// Reads an entry. What was to be put in order is ([`Desk::open`]), so an entry that is not yet could not be.
fn opened(entry: Entry) -> Result<Opened, Box<(Entry, Error)>> {
    match read(&entry) {
        Ok((record, items, is_all, settings)) => Ok(Opened { entry, record, items, is_all, settings }),
        Err(error) => Err(Box::new((entry, error))),
    }
}

type Content = (Record, Vec<Item>, bool, Vec<Setting>);

fn read(entry: &Entry) -> Result<Content, Error> {
    let unread = |errno| failed("Can't read its record", errno);
    let none = || Error::new(ErrorKind::Failed, "it has no record that this version understands");
    let record = entry.read().map_err(unread)?.ok_or_else(none)?;
    if entry.is_open() {
        return Err(Error::new(ErrorKind::Failed, "it could not be put in order yet"));
    }
    let (items, is_all) = items(entry, &record).map_err(|errno| failed("Can't list it", errno))?;
    let settings = kept_settings(entry, &items).map_err(|errno| failed("Can't read its settings", errno))?;
    Ok((record, items, is_all, settings))
}

impl Opened {
    /// Appends one line about the run and one for each item.
    fn describe(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(format!("{}  {} ago, in ", self.entry.id, age(self.record.started)).as_bytes());
        push_printable(out, &self.record.place);
        out.extend_from_slice(b": ");
        push_printable(out, &self.record.command);
        out.push(b'\n');
        if let Some(why) = &self.record.left {
            out.extend_from_slice(b"    not taken over: ");
            push_printable(out, why);
            out.push(b'\n');
        }
        for item in &self.items {
            out.extend_from_slice(if item.what == What::Removal { b"    removed: " } else { b"    " });
            push_printable(out, &item.path);
            out.push(b'\n');
            for setting in self.settings.iter().filter(|setting| setting.path == item.path) {
                settings::describe(out, setting);
            }
        }
        if !self.is_all {
            out.extend_from_slice(b"    and more\n");
        }
    }

    /// Whether its run began in `path` or below, or something that it keeps lies there.
    fn is_of(&self, path: &Path) -> bool {
        self.record.place.starts_with(path) || self.items.iter().any(|item| item.path.starts_with(path))
    }

    /// Whether it is data of git and not something that git obeys.
    fn is_data(&self, item: &Item) -> bool {
        const OBEYED: [&str; 2] = ["hooks", "info"];
        let of = |n: usize| &self.record.overlays[n];
        let git_dir = (0..self.record.overlays.len()).find(|&n| of(n).is_git && item.is_of(n)).map(of);
        let rest = git_dir.and_then(|dir| item.path.strip_prefix(&dir.path).ok());
        rest.is_some_and(|rest| {
            item.what == What::Removal || !rest.iter().any(|part| OBEYED.iter().any(|name| part == *name))
        })
    }

    /// Whether nothing is left to be taken. Drops configurations whose last setting was taken.
    fn has_nothing_left(&self) -> SysResult<bool> {
        let (items, is_all) = items(&self.entry, &self.record)?;
        let settings = kept_settings(&self.entry, &items)?;
        let is_of = |settings: &[Setting], item: &Item| settings.iter().any(|setting| setting.path == item.path);
        let mut is_empty = is_all;
        for item in &items {
            if is_of(&self.settings, item) && !is_of(&settings, item) {
                item.drop(&self.entry)?;
            } else {
                is_empty = false;
            }
        }
        Ok(is_empty)
    }

    /// What `words` name. `is_all`: without words everything is meant, and not only what can be taken without a second
    /// thought.
    fn chosen(&self, words: &[&CStr], is_all: bool) -> Result<Chosen<'_>, Error> {
        if words.is_empty() {
            // A configuration by its settings: the host's may have got others meanwhile. And of git's own data nothing
            // is taken: it says nothing without the rest.
            let has_settings = |item: &Item| self.settings.iter().any(|setting| setting.path == item.path);
            let others = self.items.iter().filter(|item| !has_settings(item));
            let (data, items): (Vec<_>, Vec<_>) = others.partition(|item| !is_all && self.is_data(item));
            return Ok(Chosen { items, settings: self.settings.iter().collect(), is_less: !data.is_empty() });
        }
        let here = here()?;
        // Links are not looked at: the paths of items have none.
        let here = |path: &Path| without_dots(&here.join(path));
        let (mut wanted, mut settings) = (Vec::new(), Vec::new());
        for word in words {
            let named: Vec<&Setting> =
                self.settings.iter().filter(|setting| setting.is_named(word.to_bytes(), here)).collect();
            let path = here(Path::new(to_os(word)));
            match &named[..] {
                [setting] => settings.push(*setting),
                [one, ..] => return Err(settings::ambiguous(&self.entry.id, to_os(word), one)),
                [] if self.items.iter().any(|item| item.path.starts_with(&path)) => wanted.push(path),
                [] => return Err(self.keeps_none(to_os(word), &path)),
            }
        }
        let is_wanted = |item: &&Item| wanted.iter().any(|path| item.path.starts_with(path));
        Ok(Chosen { items: self.items.iter().filter(is_wanted).collect(), settings, is_less: false })
    }

    /// The error for a word that names nothing of the entry. `path` is what it would be as a path.
    fn keeps_none(&self, word: &OsStr, path: &Path) -> Error {
        let mut message = format!("{} keeps ", self.entry.id).into_bytes();
        let bytes = word.as_bytes();
        // What could be a key is most often one.
        let is_key = bytes.contains(&b'.') && !bytes.starts_with(b".") && !bytes.contains(&b'/');
        if is_key {
            message.extend_from_slice(b"no setting ");
            push_printable(&mut message, word);
            message.extend_from_slice(b" (one that was taken is not kept any more), and ");
        }
        message.extend_from_slice(b"nothing of ");
        push_printable(&mut message, path);
        Error::new(ErrorKind::Invalid, message)
    }
}

/// Appends a line about an item that was refused.
fn not_taken(out: &mut Vec<u8>, item: &Item, errno: Errno) {
    let why = match errno {
        Errno::ENOTSUP => "it is neither a file nor a link, or would replace what is neither",
        Errno::ELOOP => "a link lies on the way to it",
        errno => error_text(errno as i32),
    };
    out.extend_from_slice(format!("not taken ({why}): ").as_bytes());
    push_printable(out, &item.path);
    out.push(b'\n');
}

/// How long ago `time` is, in the largest unit that fits.
fn age(time: i64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64);
    let seconds = now.saturating_sub(time).max(0);
    let units = [(86400, "day"), (3600, "hour"), (60, "minute"), (1, "second")];
    let (length, unit) = units.into_iter().find(|(length, _)| seconds >= *length).unwrap_or((1, "second"));
    let count = seconds / length;
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

fn unknown(id: &CStr) -> Error {
    let mut message = b"nothing is kept as ".to_vec();
    push_printable(&mut message, to_os(id));
    Error::new(ErrorKind::Invalid, message).with_hint(Some("pinfold kept lists what there is".into()))
}

fn failed(what: &str, errno: Errno) -> Error {
    Error::new(ErrorKind::Failed, format!("{what}: {}", error_text(errno as i32)))
}

fn failed_at(path: &Path, errno: Errno) -> Error {
    let mut message = b"Can't read ".to_vec();
    push_printable(&mut message, path);
    message.extend_from_slice(format!(": {}", error_text(errno as i32)).as_bytes());
    Error::new(ErrorKind::Failed, message)
}
