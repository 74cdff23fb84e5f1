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

/// Refuses a source of `ops` that leads out of one of `places` (absolute, without links) through a link in it. Relative
/// paths begin at `cwd`.
///
/// A box that runs at the same time can exchange what has been looked at here for a link. So a source whose way leads
/// through one of `places` is opened later by the path that was found, without following a link: see [`Op::real`].
pub(super) fn guard(ops: &mut [Op], origins: &[Origin], cwd: Option<&Path>, places: &[PathBuf]) -> Result<(), Error> {
    for op in ops {
        let Some(origin) = origins.get(op.word).filter(|origin| is_typed(origin)) else { continue };
        let mut ways = Vec::new();
        for source in sources(&op.fs) {
            let source = Path::new(OsStr::from_bytes(source.to_bytes()));
            let source = cwd.map_or_else(|| source.to_owned(), |cwd| cwd.join(source));
            let way = way(&source, places);
            if let Some(link) = way.stray {
                return Err(origin::at(Some(origin), refusal(&link, &way.real)));
            }
            ways.push(way);
        }
        if ways.iter().any(|way| way.is_guarded) {
            // The parts come from C strings, so there is no NUL in them.
            let real = |way: Way| CString::new(way.real.into_os_string().into_vec()).unwrap_or_default();
            op.real = ways.into_iter().map(real).collect();
        }
    }
    Ok(())
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
    /// The first link in one of the places through which it leads out of that place.
    stray: Option<PathBuf>,
    /// Whether any part of it lies in one of the places.
    is_guarded: bool,
}

/// Where `path` leads, and what of `places` is on the way.
fn way(path: &Path, places: &[PathBuf]) -> Way {
    let mut links: Vec<(PathBuf, &PathBuf)> = Vec::new();
    let mut is_guarded = false;
    let real = real(path, &mut |part, is_link| {
        // A place's own name lies outside of it.
        let place = places.iter().find(|place| part.parent().is_some_and(|parent| parent.starts_with(place)));
        is_guarded |= place.is_some();
        links.extend(place.filter(|_| is_link).map(|place| (part.to_owned(), place)));
    });
    let stray = links.into_iter().find(|(_, place)| !real.starts_with(place)).map(|(link, _)| link);
    Way { real, stray, is_guarded }
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
            guard(&mut ops, &[Origin::default()], Some(&project), std::slice::from_ref(&project)).unwrap();
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
