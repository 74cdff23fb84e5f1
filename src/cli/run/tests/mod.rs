//! Reading and lowering, with profiles and facts from memory.

mod lowering;
mod reading;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::rc::Rc;

use super::args::RunArgs;
use super::footprint::HostEntry;
use super::lower::{self, Context};
use super::profile::Text;
use super::read::{self, Outside, Parsed};
use crate::error::{Error, ErrorKind};
use crate::spec::{FsOp, Spec};
use crate::workspace::Workspace;

/// Profiles from memory; `workspace` is empty unless it is given.
struct Shelf(BTreeMap<&'static str, &'static str>);

impl Outside for Shelf {
    fn profile(&mut self, name: &CStr, _: &[Rc<[u8]>]) -> Result<Text, Error> {
        let name = name.to_str().unwrap();
        match self.0.get(name) {
            Some(text) => Ok(Text { name: Rc::from(name.as_bytes()), text: Rc::from(text.as_bytes()) }),
            None if name == "workspace" => Ok(Text { name: Rc::from(&b"workspace"[..]), text: Rc::from(&b""[..]) }),
            None => {
                let place = Some(format!("profile {}", name.escape_debug()).into_bytes().into());
                Err(Error { place, ..Error::new(ErrorKind::Invalid, "no profile has this name") })
            }
        }
    }

    fn repository(&mut self) -> Result<CString, Error> {
        Ok(c"/work".into())
    }
}

fn words(line: &str) -> Vec<CString> {
    line.split_whitespace().map(|word| CString::new(word).unwrap()).collect()
}

fn read(line: &str, profiles: &[(&'static str, &'static str)]) -> Result<(Parsed, RunArgs), String> {
    let variables = vec![("HOME", c"/home/u".into()), ("UID", c"1000".into())];
    let mut args = RunArgs::new(variables);
    let words = words(line);
    let words: Vec<&CStr> = words.iter().map(CString::as_c_str).collect();
    match read::command_line(&mut args, &words, &mut Shelf(profiles.iter().copied().collect())) {
        Ok(outcome) => Ok((outcome, args)),
        Err(error) => Err(error.to_string()),
    }
}

fn lower(line: &str, profiles: &[(&'static str, &'static str)]) -> Result<Spec, String> {
    let (_, args) = read(line, profiles)?;
    let asked = Cell::new(0);
    let workspace = || {
        asked.set(asked.get() + 1);
        let ops = vec![FsOp::Tmpfs { dest: c"/work".into(), mode: 0o755, size: None }];
        let identity =
            vec![FsOp::Text { text: b"[user]".to_vec(), dest: c"/home//me/./.gitconfig".into(), mode: 0o600 }];
        Ok(Workspace { identity, ops, ..Workspace::default() })
    };
    let context = Context {
        last_cap: 40,
        cwd: Some(c"/work/dir"),
        environment: &[c"PATH=/bin", c"LC_ALL=C", c"LC_TIME=", c"TOKEN=secret", c"LCX=1", c"=odd"],
        look: &|path| {
            Ok(match path.to_bytes() {
                b"/bin" => HostEntry::Link(c"usr/bin".into()),
                b"/missing" => HostEntry::Nothing,
                _ => HostEntry::Something,
            })
        },
        workspace: &workspace,
        place: &|_| Ok(None),
        read: &|_| Ok(b"{}".to_vec()),
    };
    lower::lower(args, &context).map(|lowered| lowered.spec).map_err(|error| error.to_string())
}
