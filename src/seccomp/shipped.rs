//! The seccomp profiles that ship with pinfold, by name.

use crate::error::{Error, ErrorKind};
use crate::suggest::{did_you_mean, nearest};

/// Name and text. The texts are separate files, so that users can read and copy them.
const PROFILES: &[(&str, &str)] = &[
    ("default", include_str!("../../seccomp-profiles/default.json")),
    ("build", include_str!("../../seccomp-profiles/build.json")),
    ("desktop", include_str!("../../seccomp-profiles/desktop.json")),
    ("strict", include_str!("../../seccomp-profiles/strict.json")),
];

/// The text of the shipped profile `name`.
pub(crate) fn text(name: &str) -> Option<&'static str> {
    PROFILES.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// The text of the shipped profile `name`, or an error that suggests a similar name.
pub(crate) fn find(name: &str) -> Result<&'static str, Error> {
    text(name).ok_or_else(|| {
        let near = nearest(name, names());
        let hint = near.is_none().then(|| "pinfold seccomp list shows the names".to_owned());
        let near = did_you_mean(near);
        Error::new(ErrorKind::Invalid, format!("no seccomp profile is called {name:?}{near}")).with_hint(hint)
    })
}

/// Every name, in the order in which to show them.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    PROFILES.iter().map(|(name, _)| *name)
}
