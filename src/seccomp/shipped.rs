//! The profiles that come with us, by name.

/// Name and text. The texts are files of their own, to be read and copied.
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

/// Every name, in the order to show them.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    PROFILES.iter().map(|(name, _)| *name)
}
