//! Links that an earlier box may have left: a path that leads through one of them, out of where the box can write, is not
//! what its user means.
//!
//! `--rw ./out` is read again and again in one project. A program that can write there makes `out` a link to `~/.ssh`, and
//! the next box has that. A link elsewhere, such as `/home` or `~/project` itself, is the user's own.

use std::ffi::{CStr, CString, OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::origin::{self, Origin};
use crate::error::{Error, ErrorKind, push_printable, quoted};
use crate::spec::path::MAX_LINKS;
use crate::spec::{FsOp, Op, Source};

/// Where a box can write.
pub(super) struct Place {
    /// Absolute and without links.
    pub(super) path: PathBuf,
    /// The operation that shows it; `None` for the project.
    pub(super) op: Option<usize>,
}

/// Refuses a source of `ops` that leads out of one of `places` through a link in it. Relative paths begin at `cwd`.
///
/// A box that runs at the same time can exchange what has been looked at here for a link. So a source whose way leads
/// through one of `places` is opened later by the path that was found, without following a link: see [`Op::real`].
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
    // A place that is itself reached through such a link vouches for nothing: otherwise a link to the directory above
    // would stay in what is writable, because the link has made that directory writable.
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
            // The parts come from C strings, so there is no NUL in them.
            let real = |way: Way| CString::new(way.real.into_os_string().into_vec()).unwrap_or_default();
            ops[index].real = ways.into_iter().map(real).collect();
        }
    }
    Ok(())
}

impl Place {
    /// Whether `part` lies in it. The name of the place itself lies outside of it.
    fn holds(&self, part: &Path) -> bool {
        part.parent().is_some_and(|parent| parent.starts_with(&self.path))
    }
}

/// Whether somebody has typed it: the profiles that come with pinfold name nothing in a project.
fn is_typed(origin: &Origin) -> bool {
    origin.profile.as_ref().is_none_or(|(name, _)| name.contains(&b'/'))
}

/// The host's paths that an operation shows, links in them followed.
fn sources(op: &FsOp) -> Vec<&CStr> {
    match op {
        FsOp::Bind { source: Source::Path(source), .. } | FsOp::CopyFile { source, .. } => vec![source],
        FsOp::Overlay { layers, .. } => layers.iter().map(AsRef::as_ref).collect(),
        _ => Vec::new(),
    }
}

/// Where a path leads.
struct Way {
    /// The path without links.
    real: PathBuf,
    /// The links on the way that lie in one of the places.
    links: Vec<PathBuf>,
    /// Whether any part of it lies in one of the places.
    is_guarded: bool,
}

/// Where `path` leads, and what of `places` is on the way.
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

/// `path` (absolute) without links, whether it exists or not: one that leads into nothing names the place where
/// something can be made. A call for each part, as far as there is something. `see` is told of each part on the way up to
/// the first that is missing, and whether it is a link.
pub(super) fn real(path: &Path, see: &mut dyn FnMut(&Path, bool)) -> PathBuf {
    let reversed = |path: &Path| -> Vec<OsString> { path.iter().rev().map(OsStr::to_owned).collect() };
    let (mut real, mut rest) = (PathBuf::new(), reversed(path));
    let (mut links, mut is_missing) = (0, false);
    while let Some(part) = rest.pop() {
        // A `/` at the beginning takes the place of all before it.
        let is_known = part == "/" || part == "..";
        if part == ".." {
            real.pop();
        } else {
            real.push(part);
        }
        is_missing &= !is_known;
        if is_known || is_missing {
            continue;
        }
        let link = std::fs::read_link(&real);
        see(&real, link.is_ok());
        match link {
            Ok(target) if links < MAX_LINKS => {
                links += 1;
                real.pop();
                rest.extend(reversed(&target));
            }
            Ok(_) => {}
            Err(error) => is_missing = error.kind() == std::io::ErrorKind::NotFound,
        }
    }
    real
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

    /// Nothing is opened here, so there is no time at which a part could be exchanged: what counts is what will be opened.
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
