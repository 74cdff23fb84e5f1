//! Fuzz target: a bubblewrap command line, each word with a NUL at its end, as for `--args`.

use std::ffi::CStr;

use super::TABLE;
use super::args::Args;
use super::lower::{Context, Lowered, lower};
use super::parse::{Outside, Parsed, parse};
use crate::fuzzing::shown::check_shown;
use crate::spec::{CapSet, FdNumber};

/// Every descriptor yields the whole input.
struct World<'a>(&'a [u8]);

impl Outside for World<'_> {
    fn read(&mut self, _fd: FdNumber) -> Result<Vec<u8>, String> {
        Ok(self.0.to_vec())
    }

    fn warn(&mut self, message: &str, _level_prefix: bool) {
        assert!(!message.is_empty());
    }
}

/// The command must be the end of the words, and the spec must pass its check.
pub(crate) fn command_line(input: &[u8]) {
    let words: Vec<&CStr> =
        input.split_inclusive(|&byte| byte == 0).filter_map(|word| CStr::from_bytes_with_nul(word).ok()).collect();
    let mut args = Args::default();
    match parse(&mut args, TABLE, &words, &mut World(input)) {
        Err(error) => return check_shown(&error),
        Ok(Parsed::Help | Parsed::Version) => return,
        Ok(Parsed::Complete) => {}
    }
    let command: Vec<&CStr> = args.command.iter().map(|word| word.as_c_str()).collect();
    assert!(words.ends_with(&command), "{command:?} is not the end of {words:?}");
    let length = command.len();
    let context = Context { uid: 1000, gid: 1000, own_caps: CapSet::EMPTY, last_cap: 40 };
    match lower(args, &context) {
        Ok(Lowered::Run(spec)) => {
            assert_eq!(spec.check(context.uid, context.gid), Ok(()));
            assert_eq!(spec.process.command.len(), length);
        }
        Ok(Lowered::Usage) => assert_eq!(length, 0),
        Err(error) => check_shown(&error),
    }
}
