//! Filters in the JSON form of seccompiler, which Firecracker and others have: one for each thread of a program.
//!
//! seccompiler compiles them. Its programs look at the architecture, and take a number of x32 for any other one
//! (rust-vmm/seccompiler issue 74), so that they are put behind a dispatch of ours (`seccomp::compile_before`).

use std::collections::BTreeMap;
use std::ffi::OsStr;

use seccompiler::{BpfProgram, TargetArch};
use serde_json::{Map, Value};

use crate::error::{Error, printable};
use crate::seccomp::arch::Arch;
use crate::seccomp::json::{self, refuse};
use crate::seccomp::table::Table;
use crate::seccomp::verdict::MAX_ERRNO;
use crate::seccomp::{Instruction, Program};
use crate::suggest::{did_you_mean, nearest};

/// Fields of a filter, by both names that seccompiler knows them by.
const ACTIONS: [&str; 4] = ["default_action", "filter_action", "mismatch_action", "match_action"];

/// The program for `thread` in `text`; nothing where that is in another form. `file` is its name in messages.
pub(crate) fn compile(file: &str, text: &[u8], thread: Option<&str>, arch: Arch) -> Result<Option<Program>, Error> {
    let value = json::read(file, text)?;
    let Some(threads) = threads(&value) else {
        return match thread {
            None => Ok(None),
            Some(thread) => {
                refuse(file, format!("there is no filter {thread:?}: this is no file of seccompiler's form"))
            }
        };
    };
    let name = chosen(file, threads, thread)?;
    let place = format!("{file}: {}", printable(OsStr::new(name)));
    check(&place, &threads[name])?;
    let target = TargetArch::try_from(arch.name()).or_else(|error| refuse(file, error.to_string()))?;
    let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
    let mut programs = seccompiler::compile_from_json(text, target).or_else(|error| {
        unknown_name(file, threads, arch)?;
        refuse(file, printable(OsStr::new(&innermost(&error))))
    })?;
    Ok(programs.remove(name).map(|program| of_seccompiler(&program)))
}

/// A program of seccompiler's as one of ours.
pub(crate) fn of_seccompiler(program: &BpfProgram) -> Program {
    let one = |seccompiler::sock_filter { code, jt, jf, k }: &_| Instruction { code: *code, jt: *jt, jf: *jf, k: *k };
    Program(program.iter().map(one).collect())
}

/// The filters of a file in this form. In that of OCI and Docker no field on top is an object.
fn threads(value: &Value) -> Option<&Map<String, Value>> {
    let is_filter =
        |value: &Value| value.get("filter").is_some() || ACTIONS.iter().any(|name| value.get(name).is_some());
    let Value::Object(threads) = value else { return None };
    (threads.values().all(Value::is_object) && threads.values().any(is_filter)).then_some(threads)
}

/// The name of the filter that is meant.
fn chosen<'a>(file: &str, threads: &'a Map<String, Value>, thread: Option<&str>) -> Result<&'a str, Error> {
    let mut names = threads.keys().map(String::as_str);
    match thread {
        Some(thread) => match threads.get_key_value(thread) {
            Some((name, _)) => Ok(name),
            None => {
                let near = did_you_mean(nearest(thread, names));
                refuse(file, format!("there is no filter {thread:?}{near}"))
            }
        },
        None => match (names.next(), names.next()) {
            (Some(only), None) => Ok(only),
            _ => {
                let all: Vec<String> = threads.keys().map(|name| format!("{name:?}")).collect();
                refuse(file, format!("it has several filters ({}); one is named as FILE#NAME", all.join(", ")))
            }
        },
    }
}

/// Refuses what seccompiler would take and mean something else by.
fn check(place: &str, filter: &Value) -> Result<(), Error> {
    for action in ACTIONS {
        for (kind, most) in [("errno", MAX_ERRNO), ("trace", u16::MAX)] {
            let number = filter.get(action).and_then(|action| action.get(kind)).and_then(Value::as_u64);
            if number.is_some_and(|number| number > most.into()) {
                // It cuts the upper bits off, and the kernel takes no larger errno.
                return refuse(&format!("{place}.{action}"), format!("a whole number from 0 to {most} is wanted here"));
            }
        }
    }
    let mut known: BTreeMap<&str, bool> = BTreeMap::new();
    for (index, rule) in filter.get("filter").and_then(Value::as_array).into_iter().flatten().enumerate() {
        let Some(call) = rule.get("syscall").and_then(Value::as_str) else { continue };
        let has_args = rule.get("args").is_some_and(|args| !args.is_null());
        if *known.entry(call).or_insert(has_args) != has_args {
            let reason =
                format!("{call:?} has a rule with args and one without, of which seccompiler drops the latter");
            return refuse(&format!("{place}.filter[{index}]"), reason);
        }
    }
    Ok(())
}

/// An error where a rule names a call that `arch` does not have.
fn unknown_name(file: &str, threads: &Map<String, Value>, arch: Arch) -> Result<(), Error> {
    let table = Table::new();
    for (thread, filter) in threads {
        for (index, rule) in filter.get("filter").and_then(Value::as_array).into_iter().flatten().enumerate() {
            let Some(name) = rule.get("syscall").and_then(Value::as_str) else { continue };
            let place = format!("{file}: {}.filter[{index}].syscall", printable(OsStr::new(thread)));
            match table.find(name) {
                Some(call) if call.number(arch).is_none() => {
                    return refuse(
                        &place,
                        format!("{arch} has no {name}; a file of this form is for one architecture"),
                    );
                }
                Some(_) => {}
                None => {
                    let near = did_you_mean(table.suggestion(name));
                    return refuse(&place, format!("unknown system call {name:?}{near}"));
                }
            }
        }
    }
    Ok(())
}

/// What went wrong, without what was being done meanwhile.
fn innermost(error: &seccompiler::Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

#[cfg(test)]
mod tests;
