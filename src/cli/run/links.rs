//! Refuses paths that an earlier sandbox may have redirected with a symbolic link.
//!
//! Users run `--rw ./out` again and again in one project. A program with write access there can replace `out` with a
//! link to `~/.ssh`, and the next sandbox would have `~/.ssh`. So a link in a place where a sandbox can write must not
//! lead out of that place. A link elsewhere, such as `/home` or `~/project` itself, is the user's own.

use std::ffi::{CStr, CString, OsStr};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::origin::{self, Origin};
use crate::error::{Error, ErrorKind, push_printable, quoted};
use crate::spec::path::{Follow, Step};
use crate::spec::{FsOp, Op, Source};

/// A place where a sandbox can write.
pub(super) struct Place {
    /// Its path, absolute and without links.
    pub(super) path: PathBuf,
    /// The operation that makes it writable; `None` for the project.
    pub(super) op: Option<usize>,
}

/// Refuses a source of `ops` that leads out of one of `places` through a link in that place. Relative paths start at
/// `cwd`.
///
/// A sandbox that runs at the same time can replace a part of the path after this check. So if the path of a source
/// leads through one of `places`, the resolved path is opened later, without following links: see [`Op::real`].
pub(super) fn guard(ops: &mut [Op], origins: &[Origin], cwd: Option<&Path>, places: &[Place]) -> Result<(), Error> {
    let mut found = Vec::new();
    for (index, op) in ops.iter().enumerate() {
        let Some(origin) = origins.get(op.word).filter(|origin| is_typed(origin)) else { continue };
        let absolute = |source: &CStr| {
            let source = Path::new(OsStr::from_bytes(source.to_bytes()));
            cwd.map_or_else(|| source.to_owned(), |cwd| cwd.join(source))
        };
        let ways: Vec<Way> = sources(&op.fs).into_iter().map(|source| way(&absolute(source), places)).collect();
        found.push((index, origin, ways));
    }
    // A place that is itself reached through such a link does not count. Otherwise a link to the parent directory would
    // pass the check: the link makes the parent writable, and so its target lies in a writable place.
    let is_sound = |place: &&Place| {
        let leads = |(index, _, ways): &(usize, _, Vec<Way>)| {
            place.op == Some(*index) && ways.iter().any(|way| !way.links.is_empty())
        };
        !found.iter().any(leads)
    };
    let sound: Vec<&Place> = places.iter().filter(is_sound).collect();
    for (_, origin, ways) in &found {
        for way in ways {
            let stays =
                |link: &&PathBuf| sound.iter().any(|place| place.holds(link) && way.real.starts_with(&place.path));
            if let Some(link) = way.links.iter().find(|link| !stays(link)) {
                return Err(origin::at(Some(origin), refusal(link, &way.real)));
            }
        }
    }
    for (index, _, ways) in found {
        if ways.iter().any(|way| way.is_guarded) {
            // The parts come from C strings, so there is no NUL.
            let real = |way: Way| CString::new(way.real.into_os_string().into_vec()).unwrap_or_default();
            ops[index].real = ways.into_iter().map(real).collect();
        }
    }
    Ok(())
}

impl Place {
    /// Whether `part` lies in the place. The place itself does not: its name is an entry of its parent.
    fn holds(&self, part: &Path) -> bool {
        part.parent().is_some_and(|parent| parent.starts_with(&self.path))
    }
}

/// Whether the user wrote it. The profiles that come with pinfold name nothing in a project.
pub(super) fn is_typed(origin: &Origin) -> bool {
    origin.profile.as_ref().is_none_or(|(name, _)| name.contains(&b'/'))
}

/// The host's paths that an operation opens and whose links it follows.
pub(super) fn sources(op: &FsOp) -> Vec<&CStr> {
    match op {
        FsOp::Bind { source: Source::Path(source), .. } | FsOp::CopyFile { source, .. } => vec![source],
        FsOp::Overlay { layers, .. } => layers.iter().map(AsRef::as_ref).collect(),
        _ => Vec::new(),
    }
}

/// The result of resolving a path.
struct Way {
    /// The path without links.
    real: PathBuf,
    /// The links on the way that lie in a place.
    links: Vec<PathBuf>,
    /// Whether any part of the way lies in a place.
    is_guarded: bool,
}

/// Resolves `path`, and notes which parts on the way lie in `places`.
fn way(path: &Path, places: &[Place]) -> Way {
    let (mut links, mut is_guarded) = (Vec::new(), false);
    let real = real(path, &mut |part, is_link| {
        let is_held = places.iter().any(|place| place.holds(part));
        is_guarded |= is_held;
        if is_held && is_link {
            links.push(part.to_owned());
        }
    });
    Way { real, links, is_guarded }
}

fn refusal(link: &Path, target: &Path) -> Error {
    let mut message = b"the link ".to_vec();
    push_printable(&mut message, link);
    message.extend_from_slice(b" leads to ");
    push_printable(&mut message, target);
    message.extend_from_slice(b", and lies where a sandbox can write");
    let target = quoted(target.as_os_str());
    let hint = format!(
        "a program in an earlier sandbox may have made it; if {target} is what you mean, name it instead of the link (PATH:DEST \
         shows it at another place)"
    );
    Error::new(ErrorKind::Unsafe, message).with_hint(Some(hint))
}

/// Resolves all links in `path`, whether it exists or not. A missing part is kept as it is: something can be
/// made there. This costs one call for each existing part. `see` is told of each existing part on the way, and whether
/// it is a link.
pub(super) fn real(path: &Path, see: &mut dyn FnMut(&Path, bool)) -> PathBuf {
    let start = if path.is_absolute() { "/" } else { "" };
    let mut follow = Follow::new(start.into(), path);
    let mut is_missing = false;
    while let Some(step) = follow.step() {
        is_missing &= step == Step::Down;
        if step == Step::Up || is_missing {
            continue;
        }
        let link = std::fs::read_link(follow.place());
        see(follow.place(), link.is_ok());
        match link {
            // After too many links, this one stays as it is.
            Ok(target) => drop(follow.lead_to(&target)),
            Err(error) => is_missing = error.kind() == std::io::ErrorKind::NotFound,
        }
    }
    follow.into_parts().0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{BindFlags, OverlayKind};

    const FLAGS: BindFlags = BindFlags { read_only: false, devices: false, optional: false };

    fn c(path: &Path) -> CString {
        CString::new(path.as_os_str().as_bytes()).unwrap()
    }

    /// Every form of source, of `path`.
    fn forms(path: &Path) -> Vec<FsOp> {
        let (source, dest) = (c(path), c"/x".to_owned());
        vec![
            FsOp::Bind { source: Source::Path(source.clone()), dest: dest.clone(), flags: FLAGS },
            FsOp::CopyFile { source: source.clone(), dest: dest.clone() },
            FsOp::Overlay { layers: vec![source], kind: OverlayKind::Tmp, dest },
        ]
    }

    /// Nothing is opened here, so there is no time at which a part could be exchanged: what counts is what will be
    /// opened.
    #[test]
    fn what_was_found_is_what_will_be_opened() {
        let top = Path::new("/tmp").canonicalize().unwrap().join(format!("pinfold-links-{}", std::process::id()));
        let project = top.join("project");
        std::fs::create_dir_all(project.join("sub/dir")).unwrap();
        std::os::unix::fs::symlink("sub", project.join("near")).unwrap();
        std::os::unix::fs::symlink("project", top.join("own")).unwrap();
        let found = |path: &str| -> Vec<Vec<CString>> {
            let mut ops: Vec<Op> = forms(Path::new(path)).into_iter().map(|fs| Op::new(fs, 0)).collect();
            let named = ops.clone();
            let place = Place { path: project.clone(), op: None };
            guard(&mut ops, &[Origin::default()], Some(&project), &[place]).unwrap();
            // The path that messages and plans show stays the one that was typed.
            assert!(ops.iter().zip(&named).all(|(op, named)| op.fs == named.fs), "{path}");
            ops.into_iter().map(|op| op.real).collect()
        };
        let absolute = |below: &str| top.join(below).display().to_string();
        for (path, real) in [
            ("sub/dir".to_owned(), "project/sub/dir"),
            ("near/dir".to_owned(), "project/sub/dir"),
            ("sub/dir/../missing".to_owned(), "project/sub/missing"),
            // What a box can exchange is on the way only.
            ("sub/../../elsewhere".to_owned(), "elsewhere"),
            (absolute("own/near"), "project/sub"),
        ] {
            assert_eq!(found(&path), vec![vec![c(&top.join(real))]; 3], "{path}");
        }
        // No box can write to what is on the way to these.
        for path in [".".to_owned(), absolute("own"), absolute("elsewhere")] {
            assert_eq!(found(&path), vec![Vec::<CString>::new(); 3], "{path}");
        }
        std::fs::remove_dir_all(top).unwrap();
    }
}
