//! The binary: gives its words to the library and ends with what comes back.
//!
//! The runtime of `std` is left out (`no_main`). It would open `/dev/null` for descriptors that the caller has closed,
//! and set SIGPIPE to be ignored, which the program in the box would inherit without anybody knowing what it was
//! before.
#![no_main]

use std::ffi::{c_char, c_int};

use pinfold::cli::{self, CommandLine};

#[global_allocator]
static ARENA: pinfold::Arena = pinfold::Arena::new();

/// Called by the C runtime.
#[allow(unsafe_code)]
// SAFETY: there is one `main` in this program; its signature is that of the C standard.
#[unsafe(no_mangle)]
extern "C" fn main(_argc: c_int, argv: *const *const c_char) -> c_int {
    // SAFETY: `argv` comes from the C runtime, and nobody else in this program touches arguments or environment.
    let line = unsafe { CommandLine::new(argv) };
    c_int::from(cli::main(line))
}
