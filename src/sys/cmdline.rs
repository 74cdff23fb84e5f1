//! The memory that holds this process's arguments and environment, as `/proc/PID/cmdline` and `/environ` show it.

use std::ffi::{CStr, c_char};

unsafe extern "C" {
    /// `environ(7)`.
    static environ: *const *const c_char;
}

/// The words that this program was started with, where the kernel laid them out at exec: never copied, and
/// overwritten when they are not needed any more.
#[derive(Debug)]
pub struct CommandLine {
    words: *const *const c_char,
    environment: *const *const c_char,
}

impl CommandLine {
    /// Takes the arguments as `main` gets them from the C runtime, and the environment that goes with them.
    ///
    /// # Safety
    /// `argv` is the second argument of `main`. Nothing else in this process reads or changes arguments or environment
    /// (`setenv(3)`) as long as this lives, and there is one such value only.
    pub unsafe fn new(argv: *const *const c_char) -> CommandLine {
        // SAFETY: `environ` is set by the C runtime before `main` and nobody changes it.
        CommandLine { words: argv, environment: unsafe { environ } }
    }

    /// The arguments, the program's name first.
    pub fn words(&self) -> Vec<&CStr> {
        // SAFETY: the array is the one of `main`, as `new` demands.
        unsafe { strings(self.words) }
    }

    /// The environment: `NAME=VALUE`, in order.
    pub fn environment(&self) -> Vec<&CStr> {
        // SAFETY: the array is the one of the C runtime, as `new` demands.
        unsafe { strings(self.environment) }
    }

    /// Overwrites arguments and environment: what stays visible of them is `name` (cut to the room there is).
    ///
    /// PID 1 of the box does this before anything else runs in it, so that neither `--setenv` values nor variables
    /// that were removed on purpose can be read there (bubblewrap issue 725).
    pub(crate) fn wipe(self, name: &CStr) {
        let arguments = Block::of(&self.words());
        let environment = Block::of(&self.environment());
        for Block { start, length } in [arguments, environment] {
            // SAFETY: the block is memory of the process stack, writable, and made of strings that exist. Every
            // reference to one was borrowed from `self`, which is gone after this.
            unsafe { start.write_bytes(0, length) };
        }
        let length = name.count_bytes().min(arguments.length.saturating_sub(1));
        // SAFETY: `length` bytes fit into the argument block; `name` is borrowed from somewhere else, because `self`
        // could not have been moved here otherwise.
        unsafe { arguments.start.copy_from_nonoverlapping(name.as_ptr().cast(), length) };
    }
}

/// # Safety
/// `array` is null or a null-terminated array of strings that outlive `'a`.
unsafe fn strings<'a>(array: *const *const c_char) -> Vec<&'a CStr> {
    let mut all = Vec::new();
    let mut entry = array;
    // SAFETY: the caller vouches for array and strings; the walk stops at the null.
    unsafe {
        while !entry.is_null() && !(*entry).is_null() {
            all.push(CStr::from_ptr(*entry));
            entry = entry.add(1);
        }
    }
    all
}

/// Strings with nothing between them, as the kernel lays them out at exec.
#[derive(Debug, Clone, Copy)]
struct Block {
    start: *mut u8,
    length: usize,
}

impl Block {
    /// The block that starts with the first of `strings`, as far as each begins where the one before it ends.
    fn of(strings: &[&CStr]) -> Block {
        let Some(first) = strings.first() else { return Block { start: std::ptr::null_mut(), length: 0 } };
        let start = first.as_ptr() as *mut u8;
        let mut length = 0;
        for text in strings {
            if text.as_ptr() as usize == start as usize + length {
                length += text.count_bytes() + 1;
            }
        }
        Block { start, length }
    }
}
