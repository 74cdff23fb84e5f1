//! `pinfold profile`: inspects profiles without running anything.

use std::ffi::{CStr, CString, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::args::RunArgs;
use super::lint;
use super::lint::Subject;
use super::lower::Lowered;
use super::messages::Native;
use super::origin::{self, Origin};
use super::profile::{Library, Text};
use super::read::{self, Outside as _};
use super::world::World;
use crate::error::Error;
use crate::host;
use crate::plan;
use crate::spec::path::to_os;
use crate::spec::{BindFlags, FsOp, LandlockTier, Op, Source, Spec};
use crate::supervise::Frontend;
use crate::workspace::Workspace;

/// A reader of profiles, with the caller's surroundings.
pub(in crate::cli) struct Desk<'a> {
    world: World,
    environment: &'a [&'a CStr],
}

impl<'a> Desk<'a> {
    /// With the surroundings and the `environment` of the caller.
    pub(in crate::cli) fn new(environment: &'a [&'a CStr]) -> Desk<'a> {
        Desk { world: World::probe(environment), environment }
    }

    /// Without any configuration of the user or of the host.
    pub(in crate::cli) fn of_nobody() -> Desk<'static> {
        Desk { world: World { library: Library::default(), ..World::probe(&[]) }, environment: &[] }
    }

    /// What was passed over.
    pub(in crate::cli) fn notes(&self) -> impl Iterator<Item = &[u8]> {
        self.world.library.passed_over.iter().map(Vec::as_slice)
    }

    /// The names of all profiles, with their files; `None` for those that come with pinfold.
    pub(in crate::cli) fn names(&self) -> Vec<(String, Option<PathBuf>)> {
        self.world.names()
    }

    /// The text of the profile `name`.
    pub(in crate::cli) fn text(&mut self, name: &CStr) -> Result<Vec<u8>, Error> {
        Ok(self.shown(name)?.text.to_vec())
    }

    /// Notes that the file `name` may be used as it is, also in a project. Returns its path without links.
    pub(in crate::cli) fn trust(&mut self, name: &CStr) -> Result<PathBuf, Error> {
        let found = self.shown(name)?;
        let path = PathBuf::from(OsStr::from_bytes(&found.name));
        if let Some(trust) = &self.world.library.trust {
            trust.trust(&path, &found.text)?;
        }
        Ok(path)
    }

    fn shown(&mut self, name: &CStr) -> Result<Text, Error> {
        let before = std::mem::replace(&mut self.world.library.only_shows, true);
        let found = self.world.profile(name, &[]);
        self.world.library.only_shows = before;
        found
    }

    /// The options of the profile, with those of the profiles that it builds on in their place.
    pub(in crate::cli) fn lines(&mut self, name: &CStr) -> Result<Vec<Vec<u8>>, Error> {
        Ok(self.read(name)?.seen.iter().map(line).collect())
    }

    /// Probable mistakes, one line each. A mistake that would end every run with this profile is an error.
    pub(in crate::cli) fn lint(&mut self, name: &CStr, command: Vec<CString>) -> Result<Vec<Vec<u8>>, Error> {
        let is_started = !command.is_empty();
        let lowered = if is_started {
            self.lower(name, command, &World::workspace)
        } else {
            // Without a command, only the profile is checked, not the current directory. The spec needs some command.
            self.lower(name, vec![c"true".into()], &|_| Ok(Workspace::default()))
        };
        let Lowered { mut spec, origins, seen, unheld: _, notes: _, above: _ } = lowered?;
        if !is_started {
            self.guard_project(name, &spec, &origins)?;
        }
        let kernel = host::kernel_for(&spec)?;
        let wrong = |error| origin::placed(&seen, &origins, error);
        plan::look_over(&spec, kernel.as_deref()).map_err(wrong)?;
        if !is_started {
            spec.process.command.clear();
        }
        let is_anywhere = !is_started && origin::last(&seen, "--workspace").is_some();
        Ok(lint::lint(&Subject { spec: &spec, origins: &origins, seen: &seen, is_anywhere }))
    }

    /// Refuses a profile of the current directory that makes this its workspace, as a run does. Without a command the
    /// directory does not count otherwise.
    fn guard_project(&self, name: &CStr, spec: &Spec, origins: &[Origin]) -> Result<(), Error> {
        let (Some(cwd), true) = (&self.world.cwd, name.to_bytes().contains(&b'/')) else { return Ok(()) };
        let file = Path::new(to_os(cwd)).join(to_os(name));
        let Some(word) = origins.iter().position(|origin| origin.option == "--workspace") else { return Ok(()) };
        if !file.starts_with(to_os(cwd)) {
            return Ok(());
        }
        let flags = BindFlags { read_only: false, devices: false, optional: false };
        let shown = FsOp::Bind { source: Source::Real(cwd.clone()), dest: cwd.clone(), flags };
        self.world.guard_profiles(&Spec { ops: vec![Op::new(shown, word)], ..spec.clone() }, origins)
    }

    /// The current directory.
    pub(in crate::cli) fn directory(&self) -> Option<String> {
        self.world.cwd.as_ref().map(|cwd| cwd.to_string_lossy().into_owned())
    }

    /// Whether the current directory can be a workspace.
    pub(in crate::cli) fn is_workspace(&self) -> bool {
        self.world.workspace().is_ok()
    }

    /// The sandbox of `command` under a profile, and the front end that words its failures.
    pub(in crate::cli) fn lowered(
        &mut self,
        name: &CStr,
        command: Vec<CString>,
    ) -> Result<(Spec, impl Frontend + use<>), Error> {
        let Lowered { spec, origins, seen, unheld: _, notes: _, above: _ } =
            self.lower(name, command, &World::workspace)?;
        Ok((spec, Native { origins, seen, status: None, is_quiet: false, run_box: None, above: None }))
    }

    /// What `--landlock only --best-effort` makes of it.
    pub(in crate::cli) fn without_namespaces(&mut self, name: &CStr, command: Vec<CString>) -> Result<Spec, Error> {
        let landlock = Some(LandlockTier::Only);
        let args = RunArgs { command, landlock, best_effort: true, ..self.read(name)? };
        let lowered = self.world.lowered(args, self.environment, &|| self.world.workspace())?;
        Ok(lowered.spec)
    }

    fn lower(
        &mut self,
        name: &CStr,
        command: Vec<CString>,
        workspace: &dyn Fn(&World) -> Result<Workspace, Error>,
    ) -> Result<Lowered, Error> {
        let args = RunArgs { command, ..self.read(name)? };
        let lowered = self.world.lowered(args, self.environment, &|| workspace(&self.world))?;
        match self.world.guard_profiles(&lowered.spec, &lowered.origins) {
            Err(error) if !lowered.spec.best_effort => Err(error),
            _ => Ok(lowered),
        }
    }

    fn read(&mut self, name: &CStr) -> Result<RunArgs, Error> {
        let mut args = RunArgs::new(self.world.variables.clone());
        read::profile(&mut args, name, &mut self.world)?;
        Ok(args)
    }
}

/// An option in its normal form: the name without dashes, a blank, the value.
fn line(origin: &Origin) -> Vec<u8> {
    let (name, value) = (origin.option.trim_start_matches('-').as_bytes(), origin.value());
    if value.is_empty() { name.to_vec() } else { [name, b" ", value].concat() }
}
