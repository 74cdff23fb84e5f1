//! Fuzz targets: a profile, and the words after `pinfold run`, each with a NUL at its end.

use std::ffi::{CStr, CString};
use std::rc::Rc;

use super::args::RunArgs;
use super::footprint::HostEntry;
use super::lower::{self, Context};
use super::profile::{SHIPPED, Text};
use super::read::{self, Outside, Parsed};
use super::{as_bwrap, messages};
use crate::error::{Error, ErrorKind};
use crate::fuzzing::shown::check_shown;
use crate::workspace::Workspace;

/// The profiles that come with pinfold. Any path is a profile with the input as its text.
struct Shelf<'a>(&'a [u8]);

impl Outside for Shelf<'_> {
    fn profile(&mut self, name: &CStr, _: &[Rc<[u8]>]) -> Result<Text, Error> {
        let bytes = name.to_bytes();
        let shipped = SHIPPED.iter().find(|(known, _)| known.as_bytes() == bytes).map(|(_, text)| text.as_bytes());
        match shipped.or(bytes.contains(&b'/').then_some(self.0)) {
            Some(text) => Ok(Text { name: Rc::from(bytes), text: Rc::from(text) }),
            None => Err(Error::new(ErrorKind::Invalid, "no profile has this name")),
        }
    }

    fn repository(&mut self) -> Result<CString, Error> {
        Ok(c"/work".into())
    }
}

fn args() -> RunArgs {
    let variables =
        [("HOME", c"/home/u"), ("UID", c"1000"), ("XDG_RUNTIME_DIR", c"/run/user/1000"), ("WORKSPACE", c"/w")];
    RunArgs::new(variables.map(|(name, value)| (name, CString::from(value))).into())
}

/// A profile either becomes a spec that can be shown, or an error that can be shown.
pub(crate) fn profile(text: &[u8]) {
    let mut args = args();
    args.command.push(c"true".into());
    match read::profile(&mut args, c"/p/fuzz.profile", &mut Shelf(text)) {
        Ok(()) => check_lowered(args),
        Err(error) => check_shown(&error),
    }
}

/// The same for a command line. Its command must be the end of the words.
pub(crate) fn command_line(input: &[u8]) {
    let words: Vec<&CStr> =
        input.split_inclusive(|&byte| byte == 0).filter_map(|word| CStr::from_bytes_with_nul(word).ok()).collect();
    let mut args = args();
    match read::command_line(&mut args, &words, &mut Shelf(input)) {
        Ok(Parsed::Complete) => {
            let command: Vec<&CStr> = args.command.iter().map(CString::as_c_str).collect();
            assert!(words.ends_with(&command), "{command:?} is not the end of {words:?}");
            check_lowered(args);
        }
        Ok(Parsed::Help { .. } | Parsed::Version) => {}
        Err(error) => check_shown(&error),
    }
}

fn check_lowered(args: RunArgs) {
    let context = Context {
        last_cap: 40,
        cwd: Some(c"/work/dir"),
        environment: &[c"PATH=/bin", c"LC_ALL=C", c"TOKEN=secret", c"=odd"],
        look: &|path| {
            Ok(match path.to_bytes() {
                b"/bin" => HostEntry::Link(c"usr/bin".into()),
                b"/missing" => HostEntry::Nothing,
                _ => HostEntry::Something,
            })
        },
        workspace: &|| Ok(Workspace::default()),
        place: &|_| Ok(None),
        read: &|_| Ok(b"{}".to_vec()),
    };
    let lowered = match lower::lower(args, &context) {
        Ok(lowered) => lowered,
        Err(error) => return check_shown(&error),
    };
    for op in &lowered.spec.ops {
        let dest = op.fs.dest().map(CStr::to_bytes);
        assert!(dest.is_none_or(|dest| dest.starts_with(b"/")), "a relative destination: {op:?}");
        let said = String::from_utf8_lossy(&op.fs.in_words()).into_owned();
        assert!(!said.chars().any(char::is_control), "an operation that is unfit to be shown: {said:?}");
    }
    if let Err(conflict) = lowered.spec.check(1000, 1000) {
        check_shown(&messages::conflict(conflict, &lowered.seen));
    }
    if let Err(error) = as_bwrap::line(&lowered.spec) {
        check_shown(&error);
    }
}
