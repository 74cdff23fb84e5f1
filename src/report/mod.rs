//! Words about a launch that front ends share: what failed, what may help, and all that the library says by itself.
#![forbid(unsafe_code)]

mod failure;
pub(crate) mod hint;
mod library;

pub(crate) use failure::{error, shortened};
pub(crate) use library::{Library, note_line};
