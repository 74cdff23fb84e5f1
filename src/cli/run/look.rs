//! Profiles looked at rather than used.

use std::cell::RefCell;
use std::ffi::{CStr, CString};
use std::path::PathBuf;

use super::args::RunArgs;
use super::lower::{self, Facts, Meant};
use super::read::{self, Outside as _};
use super::words::Native;
use super::world::{self, World};
use super::{lint, words};
use crate::error::Error;
use crate::host::Caller;
use crate::spec::Spec;
use crate::supervise::Door;

/// Where somebody reads profiles.
pub(in crate::cli) struct Desk<'a> {
    world: World,
    environment: &'a [&'a CStr],
}

impl<'a> Desk<'a> {
    /// The desk of the caller, whose environment this is.
    pub(in crate::cli) fn new(environment: &'a [&'a CStr]) -> Desk<'a> {
        Desk { world: World::probe(environment), environment }
    }

    /// Every name, with the file where it is not one of ours.
    pub(in crate::cli) fn names(&self) -> Vec<(String, Option<PathBuf>)> {
        self.world.names()
    }

    /// What the profile `name` says.
    pub(in crate::cli) fn text(&mut self, name: &CStr) -> Result<Vec<u8>, Error> {
        Ok(self.world.profile(name)?.text.to_vec())
    }

    /// Its options, and those of the profiles that it builds on, where these stand.
    pub(in crate::cli) fn lines(&mut self, name: &CStr) -> Result<Vec<Vec<u8>>, Error> {
        Ok(self.read(name)?.seen.iter().map(|(name, origin)| line(name, &origin.word)).collect())
    }

    /// What is probably not meant, one line each.
    pub(in crate::cli) fn lint(&mut self, name: &CStr, command: Vec<CString>) -> Result<Vec<Vec<u8>>, Error> {
        let Meant { spec, origins, seen: _, unheld: _ } = self.lower(name, command)?;
        Ok(lint::lint(&spec, &origins))
    }

    /// The box of `command` under a profile, with the words of its failures.
    pub(in crate::cli) fn meant(
        &mut self,
        name: &CStr,
        command: Vec<CString>,
    ) -> Result<(Spec, impl Door + use<>), Error> {
        let Meant { spec, origins, seen: _, unheld: _ } = self.lower(name, command)?;
        Ok((spec, Native { origins, seen: Vec::new(), status: None, failed: RefCell::default() }))
    }

    fn lower(&mut self, name: &CStr, command: Vec<CString>) -> Result<Meant, Error> {
        let args = RunArgs { command, ..self.read(name)? };
        let facts = Facts {
            last_cap: Caller::last_capability(),
            cwd: self.world.cwd.as_deref(),
            environment: self.environment,
            look: &world::look,
            workspace: &|| self.world.workspace(),
            read: &world::read_file,
        };
        let meant = lower::lower(args, &facts)?;
        let caller = Caller::probe();
        if !meant.spec.process.command.is_empty() {
            meant.spec.check(caller.uid, caller.gid).map_err(words::conflict)?;
        }
        Ok(meant)
    }

    fn read(&mut self, name: &CStr) -> Result<RunArgs, Error> {
        let mut args = RunArgs { variables: self.world.variables.clone(), ..RunArgs::default() };
        read::profile(&mut args, name, &mut self.world)?;
        Ok(args)
    }
}

/// An option in one form, however it was written: its name without dashes, a blank, the value.
fn line(name: &str, word: &[u8]) -> Vec<u8> {
    let bare = word.strip_prefix(b"--").unwrap_or(word);
    let name = name.trim_start_matches('-').as_bytes();
    let value = bare.strip_prefix(name).unwrap_or_default().trim_ascii_start();
    let value = value.strip_prefix(b"=").unwrap_or(value).trim_ascii();
    if value.is_empty() { name.to_vec() } else { [name, b" ", value].concat() }
}
