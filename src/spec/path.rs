//! What all who read paths go by.

/// Links that are followed before a path is taken for a loop; as the kernel (`path_resolution(7)`).
pub(crate) const MAX_LINKS: u32 = 40;

/// Where the first wildcard of `path` stands, if it has any.
pub(crate) fn first_wildcard(path: &[u8]) -> Option<usize> {
    path.iter().position(|byte| b"*?[".contains(byte))
}
