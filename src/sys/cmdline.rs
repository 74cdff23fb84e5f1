//! The memory that holds this process's arguments and environment. `/proc/PID/cmdline` and `/environ` show it.

use std::ffi::{CStr, c_char};

unsafe extern "C" {
    /// `environ(7)`.
    static environ: *const *const c_char;
}

/// The arguments and environment of this process, where the kernel laid them out at exec. They are never copied, and
/// are overwritten when they are no longer needed.
#[derive(Debug)]
pub struct CommandLine {
    words: *const *const c_char,
    environment: *const *const c_char,
}

impl CommandLine {
    /// Takes the arguments as `main` gets them from the C runtime, and the environment of the C runtime.
    ///
    /// # Safety
    /// `argv` is the second argument of `main`. As long as this value lives, nothing else in this process reads or
    /// changes arguments or environment (`setenv(3)`), and there is no other such value.
    pub unsafe fn new(argv: *const *const c_char) -> CommandLine {
        // SAFETY: `environ` is set by the C runtime before `main` and nobody changes it.
        CommandLine { words: argv, environment: unsafe { environ } }
    }

    /// The arguments; the first is the program's name.
    pub fn words(&self) -> Vec<&CStr> {
        // SAFETY: the array is the one of `main`, as `new` demands.
        unsafe { strings(self.words) }
    }

    /// The environment, as `NAME=VALUE`, in order.
    pub fn environment(&self) -> Vec<&CStr> {
        // SAFETY: the array is the one of the C runtime, as `new` demands.
        unsafe { strings(self.environment) }
    }

    /// Overwrites arguments and environment. Only `name` stays visible, cut to the room there is.
    ///
    /// PID 1 of the sandbox does this before anything else runs in it. Otherwise programs could read there the values
    /// of `--setenv` and variables that were removed on purpose (bubblewrap issue 725).
    pub(crate) fn wipe(self, name: &CStr) {
        let arguments = Block::of(&self.words());
        let environment = Block::of(&self.environment());
        for Block { start, length } in [arguments, environment] {
            // SAFETY: the block is writable memory of the process stack, made of existing strings. All references to
            // them were borrowed from `self`, which ends here.
            unsafe { start.write_bytes(0, length) };
        }
        let length = name.count_bytes().min(arguments.length.saturating_sub(1));
        // SAFETY: `length` bytes fit into the argument block. `name` does not lie in it: it cannot be borrowed from
        // `self`, which was moved into this function.
        unsafe { arguments.start.copy_from_nonoverlapping(name.as_ptr().cast(), length) };
    }
}

/// # Safety
/// `array` is null or a null-terminated array of strings that outlive `'a`.
unsafe fn strings<'a>(array: *const *const c_char) -> Vec<&'a CStr> {
    let mut all = Vec::new();
    let mut entry = array;
    // SAFETY: the caller vouches for array and strings; the loop ends at the null.
    unsafe {
        while !entry.is_null() && !(*entry).is_null() {
            all.push(CStr::from_ptr(*entry));
            entry = entry.add(1);
        }
    }
    all
}

/// Adjacent strings, as the kernel lays them out at exec.
#[derive(Debug, Clone, Copy)]
struct Block {
    start: *mut u8,
    length: usize,
}

impl Block {
    /// The block that starts at the first of `strings`. It grows while each string begins where the one before it ends.
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
