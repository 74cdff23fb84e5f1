//! Objects. Whoever finds a name in a pack or among loose files believes that the object there has this name: git
//! checks that when it receives objects, and not when it reads them. A box can write an object under the name of
//! another one, which the next `git pull` outside would check out.
//!
//! So the host gets only what `git index-pack` has named anew from its content. It reads the objects in a box that sees
//! nothing else, without a network. What else is there about objects (`.idx`, `.bitmap`, `commit-graph`,
//! `multi-pack-index`) can be made anew and is never taken.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use super::at::{At, path_of};
use super::side::{Side, join};
use super::told::{TakenOver, What};
use super::upper::Entry;
use super::{form, shape};
use crate::spec::{BindFlags, DieWith, EnvOp, FsOp, Op, Source, Spec, Unshare, UserNs};
use crate::sys::{Errno, Result, sealed};

/// Where programs and their libraries are. What does not exist is left out.
const SYSTEM: [&CStr; 11] = [
    c"/usr",
    c"/bin",
    c"/sbin",
    c"/lib",
    c"/lib32",
    c"/lib64",
    c"/libx32",
    c"/nix/store",
    c"/gnu/store",
    c"/opt",
    c"/etc/ld.so.cache",
];

/// Where things are in the box that checks.
const REPOSITORY: &CStr = c"/repository";
const OF_HOST: &CStr = c"/host";
const OF_BOX: &CStr = c"/new";

/// What names objects anew, and checks them as `git fetch` does with `transfer.fsckObjects`.
const INDEX: &CStr = c"exec \"$0\" --git-dir=/repository index-pack --stdin --fsck-objects";
/// The same for loose objects of the box, whatever their names are: they are made into a pack first. If that fails, the
/// pack has no end, and is refused.
const PACK_AND_INDEX: &CStr =
    c"GIT_OBJECT_DIRECTORY=/new \"$0\" --git-dir=/repository pack-objects --stdout -q --window=0 |
    \"$0\" --git-dir=/repository index-pack --stdin --fsck-objects";

const REFUSED: &str = "holds objects that git refuses";

/// Takes over the new objects of a git directory.
pub(super) fn take(at: &At<'_>, told: &mut TakenOver) -> Result<()> {
    let (mut loose, mut packs) = (Vec::new(), Vec::new());
    let start = at.up(b"objects").len() + 1;
    for (path, entry) in at.upper.below(&at.up(b"objects")) {
        match shape::object(&path[start..], at.hash * 2) {
            Some(shape::Object::Loose(id)) if entry == Entry::File => loose.push((id, path)),
            Some(shape::Object::Pack) if entry == Entry::File => packs.push(path),
            _ => {}
        }
    }
    let packs: Vec<_> = packs.into_iter().filter(|path| is_within(at, path, told)).collect();
    if loose.is_empty() && packs.is_empty() || !at.host().is_dir(b"objects")? {
        return forget_derived(at);
    }
    at.go()?;
    let staging = Staging::make(at)?;
    let mut done = Vec::new();
    if !loose.is_empty() {
        let is_good = staging.pack(&loose)?;
        let paths = loose.into_iter().map(|(_, path)| path);
        if is_good {
            done.extend(paths);
        } else {
            paths.for_each(|path| told.keep(path, None, REFUSED));
        }
    }
    for path in packs {
        at.go()?;
        let is_good = match at.upper.side.open(&path) {
            Ok(pack) => staging.index(pack)?,
            Err(_) => false,
        };
        if is_good {
            done.push(path);
        } else {
            told.keep(path, None, REFUSED);
        }
    }
    at.go()?;
    let packs = staging.hand_over()?;
    if packs > 0 {
        told.take(&at.path, What::Objects(packs));
    }
    for path in done {
        at.go()?;
        at.upper.forget(&path)?;
    }
    forget_derived(at)
}

fn is_within(at: &At<'_>, path: &[u8], told: &mut TakenOver) -> bool {
    let length = at.upper.side.size(path).unwrap_or(u64::MAX);
    if length > at.job.bounds.pack {
        told.keep(path.to_vec(), None, "is too long to be looked through");
    }
    length <= at.job.bounds.pack
}

/// Forgets what can be made anew, and that objects were removed: the host's stay.
fn forget_derived(at: &At<'_>) -> Result<()> {
    let start = at.up(b"objects").len() + 1;
    for (path, entry) in at.upper.below(&at.up(b"objects")) {
        let is_derived =
            entry == Entry::File && matches!(shape::object(&path[start..], at.hash * 2), Some(shape::Object::Derived));
        if is_derived || entry == Entry::Whiteout {
            at.go()?;
            at.upper.forget(&path)?;
        }
    }
    Ok(())
}

/// A small repository in the host's `objects`, in which packs are indexed. It has the kind of name that git's own have,
/// which `git gc` removes if this is killed (git's tmp-objdir.c, builtin/prune.c).
pub(super) struct Staging<'a> {
    at: &'a At<'a>,
    name: Vec<u8>,
    dir: OwnedFd,
}

impl<'a> Staging<'a> {
    pub(super) fn make(at: &'a At<'a>) -> Result<Staging<'a>> {
        let name = [b"objects/tmp_objdir-pinfold-", at.job.id.as_bytes()].concat();
        // Of a run that was killed, or what a box has put there.
        at.host().remove_all(&name)?;
        for dir in [&b"objects/pack"[..], b"objects/info", b"refs"] {
            at.host().make_dirs(&join(&name, dir))?;
        }
        let dir = at.host().dir(&name)?;
        let staging = Staging { at, name, dir };
        let format: &[u8] = if at.hash == 32 {
            b"[core]\n\trepositoryformatversion = 1\n[extensions]\n\tobjectformat = sha256\n"
        } else {
            b"[core]\n\trepositoryformatversion = 0\n"
        };
        staging.side().write(b"config", format)?;
        staging.side().write(b"HEAD", b"ref: refs/heads/main\n")?;
        staging.side().write(b"objects/info/alternates", &[OF_HOST.to_bytes(), b"\n"].concat())?;
        Ok(staging)
    }

    pub(super) fn side(&self) -> Side<'_> {
        Side(self.dir.as_fd())
    }

    /// Takes loose objects of the box, whatever their names are.
    fn pack(&self, loose: &[(Vec<u8>, Vec<u8>)]) -> Result<bool> {
        let names: Vec<u8> = loose.iter().flat_map(|(id, _)| [id, &b"\n"[..]].concat()).collect();
        let objects = path_of(self.at.upper.side.dir(&self.at.up(b"objects"))?.as_fd())?;
        let mut spec = self.spec(PACK_AND_INDEX)?;
        spec.ops.push(bind(text(objects.as_os_str().as_bytes())?, OF_BOX, true, false));
        self.run(spec, sealed::holding(&names)?)
    }

    /// Takes the objects of a pack.
    fn index(&self, pack: OwnedFd) -> Result<bool> {
        self.run(self.spec(INDEX)?, pack)
    }

    fn run(&self, spec: Spec, input: OwnedFd) -> Result<bool> {
        self.run_into(spec, input, sealed::holding(b"")?)
    }

    pub(super) fn run_into(&self, spec: Spec, input: OwnedFd, output: OwnedFd) -> Result<bool> {
        // What it complains about is not shown: the box chose it.
        let code = (self.at.job.run_box)(spec, [input, output, sealed::holding(b"")?], self.at.job.go_on);
        if code != Ok(0) {
            // It may have been ended.
            self.at.go()?;
        }
        Ok(code == Ok(0))
    }

    /// A box with git, the system's programs, the host's objects, and this to write to. It runs the commands `script`,
    /// in which `$0` is git.
    pub(super) fn spec(&self, script: &CStr) -> Result<Spec> {
        let git = text(self.at.git.program.as_os_str().as_bytes())?;
        let mut spec = Spec::new(vec![c"/bin/sh".into(), c"-c".into(), script.into(), git]);
        let namespaces = &mut spec.namespaces;
        namespaces.user = UserNs::New;
        (namespaces.pid, namespaces.net, namespaces.ipc, namespaces.uts) = (true, true, true, true);
        namespaces.cgroup = Unshare::Try;
        spec.process.env = vec![EnvOp::Clear];
        let environment =
            [(c"PATH", c"/usr/bin:/bin"), (c"GIT_CONFIG_NOSYSTEM", c"1"), (c"GIT_CONFIG_GLOBAL", c"/dev/null")];
        spec.process.env.extend(environment.map(|(name, value)| EnvOp::Set(name.into(), value.into())));
        spec.process.env.push(EnvOp::Set(c"GIT_NO_REPLACE_OBJECTS".into(), c"1".into()));
        spec.process.chdir = Some(c"/".into());
        spec.process.new_session = true;
        spec.lockdown.settings_covered = true;
        spec.lifecycle.die_with = DieWith::Caller;
        spec.ops.extend(SYSTEM.map(|place| bind(place.to_owned(), place, true, true)));
        spec.ops.push(Op::new(FsOp::Proc { dest: c"/proc".into() }, 0));
        spec.ops.push(Op::new(FsOp::Dev { dest: c"/dev".into() }, 0));
        spec.ops.push(Op::new(FsOp::Tmpfs { dest: c"/tmp".into(), mode: 0o755, size: None }, 0));
        let objects = path_of(self.at.host().dir(b"objects")?.as_fd())?;
        let staging = path_of(self.dir.as_fd())?;
        spec.ops.push(bind(text(objects.as_os_str().as_bytes())?, OF_HOST, true, false));
        spec.ops.push(bind(text(staging.as_os_str().as_bytes())?, REPOSITORY, false, false));
        Ok(spec)
    }

    /// Removes it.
    pub(super) fn clear(self) -> Result<()> {
        self.at.host().remove_all(&self.name)
    }

    /// Puts the packs among the host's, the index last: without it a pack is none. Returns how many there are.
    fn hand_over(self) -> Result<usize> {
        let from = self.side();
        let names: Vec<Vec<u8>> = from.names(b"objects/pack")?.into_iter().map(|(name, _)| name).collect();
        let mut packs = 0;
        for end in [&b".pack"[..], b".rev", b".idx"] {
            for name in names.iter().filter(|name| name.ends_with(end)) {
                let id = name.strip_prefix(b"pack-").and_then(|rest| rest.strip_suffix(end));
                if !id.is_some_and(form::is_id) {
                    continue;
                }
                let file = join(b"objects/pack", name);
                if from.look(&file)?.is_some_and(|about| about.is_file()) {
                    self.at.host().make_dirs(b"objects/pack")?;
                    from.rename(&file, self.at.host(), &file)?;
                    packs += usize::from(end == b".idx");
                }
            }
        }
        self.clear()?;
        Ok(packs)
    }
}

impl Drop for Staging<'_> {
    fn drop(&mut self) {
        // Also where something has failed, or is to stop.
        let _removed = self.at.host().remove_all(&self.name).is_ok();
    }
}

fn bind(source: CString, dest: &CStr, read_only: bool, optional: bool) -> Op {
    let flags = BindFlags { read_only, devices: false, optional };
    Op::new(FsOp::Bind { source: Source::Path(source), dest: dest.to_owned(), flags }, 0)
}

fn text(bytes: &[u8]) -> Result<CString> {
    CString::new(bytes).map_err(|_| Errno::EINVAL)
}
