//! Texts that the front ends share: errors of a launch, hints, and the front end of the library.
#![forbid(unsafe_code)]

mod failure;
pub(crate) mod hint;
mod library;

pub(crate) use failure::{error, shortened};
pub(crate) use library::{Library, note_line};
