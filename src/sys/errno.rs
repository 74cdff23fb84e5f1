//! Texts for error numbers, the same with every C library.
//!
//! They are glibc's, because bubblewrap's messages use them and callers match those messages. Other C libraries have
//! other texts ("Resource busy" for "Device or resource busy").

/// The text for an error number, as glibc's `strerror(3)` has it in the C locale. `Unknown error` if the kernel does
/// not have the number.
pub(crate) fn error_text(errno: i32) -> &'static str {
    usize::try_from(errno).ok().and_then(|number| TEXTS.get(number)).copied().unwrap_or("Unknown error")
}

/// The text for an error of the standard library, without the number that the library adds.
pub(crate) fn io_error_text(error: &std::io::Error) -> String {
    match error.raw_os_error() {
        Some(errno) => error_text(errno).to_owned(),
        None => error.to_string(),
    }
}

/// Indexed by number (include/uapi/asm-generic/errno.h; the same on x86, arm and riscv). 41 and 58 are not used.
const TEXTS: [&str; 134] = [
    "Success",
    "Operation not permitted",
    "No such file or directory",
    "No such process",
    "Interrupted system call",
    "Input/output error",
    "No such device or address",
    "Argument list too long",
    "Exec format error",
    "Bad file descriptor",
    "No child processes",
    "Resource temporarily unavailable",
    "Cannot allocate memory",
    "Permission denied",
    "Bad address",
    "Block device required",
    "Device or resource busy",
    "File exists",
    "Invalid cross-device link",
    "No such device",
    "Not a directory",
    "Is a directory",
    "Invalid argument",
    "Too many open files in system",
    "Too many open files",
    "Inappropriate ioctl for device",
    "Text file busy",
    "File too large",
    "No space left on device",
    "Illegal seek",
    "Read-only file system",
    "Too many links",
    "Broken pipe",
    "Numerical argument out of domain",
    "Numerical result out of range",
    "Resource deadlock avoided",
    "File name too long",
    "No locks available",
    "Function not implemented",
    "Directory not empty",
    "Too many levels of symbolic links",
    "Unknown error",
    "No message of desired type",
    "Identifier removed",
    "Channel number out of range",
    "Level 2 not synchronized",
    "Level 3 halted",
    "Level 3 reset",
    "Link number out of range",
    "Protocol driver not attached",
    "No CSI structure available",
    "Level 2 halted",
    "Invalid exchange",
    "Invalid request descriptor",
    "Exchange full",
    "No anode",
    "Invalid request code",
    "Invalid slot",
    "Unknown error",
    "Bad font file format",
    "Device not a stream",
    "No data available",
    "Timer expired",
    "Out of streams resources",
    "Machine is not on the network",
    "Package not installed",
    "Object is remote",
    "Link has been severed",
    "Advertise error",
    "Srmount error",
    "Communication error on send",
    "Protocol error",
    "Multihop attempted",
    "RFS specific error",
    "Bad message",
    "Value too large for defined data type",
    "Name not unique on network",
    "File descriptor in bad state",
    "Remote address changed",
    "Can not access a needed shared library",
    "Accessing a corrupted shared library",
    ".lib section in a.out corrupted",
    "Attempting to link in too many shared libraries",
    "Cannot exec a shared library directly",
    "Invalid or incomplete multibyte or wide character",
    "Interrupted system call should be restarted",
    "Streams pipe error",
    "Too many users",
    "Socket operation on non-socket",
    "Destination address required",
    "Message too long",
    "Protocol wrong type for socket",
    "Protocol not available",
    "Protocol not supported",
    "Socket type not supported",
    "Operation not supported",
    "Protocol family not supported",
    "Address family not supported by protocol",
    "Address already in use",
    "Cannot assign requested address",
    "Network is down",
    "Network is unreachable",
    "Network dropped connection on reset",
    "Software caused connection abort",
    "Connection reset by peer",
    "No buffer space available",
    "Transport endpoint is already connected",
    "Transport endpoint is not connected",
    "Cannot send after transport endpoint shutdown",
    "Too many references: cannot splice",
    "Connection timed out",
    "Connection refused",
    "Host is down",
    "No route to host",
    "Operation already in progress",
    "Operation now in progress",
    "Stale file handle",
    "Structure needs cleaning",
    "Not a XENIX named type file",
    "No XENIX semaphores available",
    "Is a named type file",
    "Remote I/O error",
    "Disk quota exceeded",
    "No medium found",
    "Wrong medium type",
    "Operation canceled",
    "Required key not available",
    "Key has expired",
    "Key has been revoked",
    "Key was rejected by service",
    "Owner died",
    "State not recoverable",
    "Operation not possible due to RF-kill",
    "Memory page has hardware error",
];

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs only with the C library that the texts come from.
    #[cfg(target_env = "gnu")]
    #[test]
    fn the_words_are_those_of_glibc() {
        for errno in (0..TEXTS.len() as i32).filter(|errno| ![41, 58].contains(errno)) {
            // SAFETY: strerror returns a valid string, which the next call may overwrite; no other thread calls it.
            let text = unsafe { std::ffi::CStr::from_ptr(libc::strerror(errno)) };
            assert_eq!(text.to_str(), Ok(error_text(errno)), "{errno}");
        }
    }

    #[test]
    fn a_number_that_there_is_none_of_has_words_too() {
        assert_eq!(
            (error_text(-1), error_text(41), error_text(4000)),
            ("Unknown error", "Unknown error", "Unknown error")
        );
        assert_eq!(io_error_text(&std::io::Error::from_raw_os_error(libc::EBUSY)), "Device or resource busy");
        assert_eq!(io_error_text(&std::io::ErrorKind::NotFound.into()), "entity not found");
    }
}
