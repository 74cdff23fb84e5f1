//! Links that an earlier box may have left: a path that leads through one of them, out of where the box can write, is not
//! what its user means.
//!
//! `--rw ./out` is read again and again in one project. A program that can write there makes `out` a link to `~/.ssh`, and
//! the next box has that. A link elsewhere, such as `/home` or `~/project` itself, is the user's own.

use std::ffi::{CStr, OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::FAILED;
use super::args::Origin;
use super::words;
use crate::error::{Error, push_printable, quoted};
use crate::spec::path::MAX_LINKS;
use crate::spec::{FsOp, Op, Source};

/// Refuses a source of `ops` that leads out of one of `places` (absolute, without links) through a link in it. Relative
/// paths begin at `cwd`.
pub(super) fn guard(ops: &[Op], origins: &[Origin], cwd: Option<&Path>, places: &[PathBuf]) -> Result<(), Error> {
    for op in ops {
        let Some(origin) = origins.get(op.word).filter(|origin| is_typed(origin)) else { continue };
        for source in sources(&op.fs) {
            let source = Path::new(OsStr::from_bytes(source.to_bytes()));
            let source = cwd.map_or_else(|| source.to_owned(), |cwd| cwd.join(source));
            if let Some((link, target)) = strays(&source, places) {
                return Err(words::at(Some(origin), refusal(&link, &target)));
            }
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

/// The first link in one of `places` through which `path` leads out of that place, and where to.
fn strays(path: &Path, places: &[PathBuf]) -> Option<(PathBuf, PathBuf)> {
    let mut links: Vec<(PathBuf, &PathBuf)> = Vec::new();
    let real = real(path, &mut |link| {
        // The link of a place's own name lies outside of it.
        let place = places.iter().find(|place| link.parent().is_some_and(|parent| parent.starts_with(place)));
        links.extend(place.map(|place| (link.to_owned(), place)));
    });
    links.into_iter().find(|(_, place)| !real.starts_with(place)).map(|(link, _)| (link, real))
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
    Error::new(FAILED, message).with_hint(Some(hint))
}

/// `path` (absolute) without links, whether it exists or not: one that leads into nothing names the place where
/// something can be made. A call for each part, as far as there is something. `see` is told of each link.
pub(super) fn real(path: &Path, see: &mut dyn FnMut(&Path)) -> PathBuf {
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
        match std::fs::read_link(&real) {
            Ok(target) if links < MAX_LINKS => {
                links += 1;
                see(&real);
                real.pop();
                rest.extend(reversed(&target));
            }
            Ok(_) => {}
            Err(error) => is_missing = error.kind() == std::io::ErrorKind::NotFound,
        }
    }
    real
}
