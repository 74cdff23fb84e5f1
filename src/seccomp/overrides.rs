//! Names that are refused or allowed whatever a profile says. Each list becomes a profile in front of that profile.

use super::profile::{Arches, Condition, Place, Profile, Rule, Scope, Test, unknown_name};
use super::table::Table;
use super::verdict::{ENOSYS, EPERM, Verdict};
use crate::error::{Error, ErrorKind, Field};

/// ioctl requests that type into the terminal that a sandbox shares with its caller: TIOCSTI (CVE-2017-5226) and
/// TIOCLINUX (CVE-2023-28100). All supported architectures have the same numbers (include/uapi/asm-generic/ioctls.h,
/// asm/ioctls.h).
const TYPING: [u64; 2] = [0x5412, 0x541c];

/// `profile` with what `deny` names (calls and `@groups`) refused, and what `allow` names allowed; `deny` is stronger.
pub(crate) fn with_overrides(
    profile: Profile,
    deny: &[String],
    allow: &[String],
    table: &Table,
) -> Result<Profile, Error> {
    let which = |names: &[String], call: &str| {
        let group = table.find(call).map(|call| call.group);
        names.iter().position(|name| name == call || Some(name.as_str()) == group)
    };
    let mut profile = profile;
    if !allow.is_empty() {
        let mut rules = rules(Field::SyscallAllow, allow, Verdict::Allow, table)?;
        if let Some(nth) = which(allow, "ioctl") {
            // Who allows ioctl wants a driver, and not a way out of the box; a profile can say otherwise.
            let condition = |value| Condition { index: 1, test: Test::Equal(value) };
            let refused = rule(Field::SyscallAllow(nth), "ioctl", Verdict::Errno(EPERM));
            rules.push(Rule { conditions: TYPING.map(condition).into(), ..refused });
        }
        profile = in_front_of(profile, rules);
    }
    if !deny.is_empty() {
        let mut rules = rules(Field::SyscallDeny, deny, Verdict::Errno(EPERM), table)?;
        if let Some(nth) = which(deny, "clone3") {
            // The C library falls back to clone on ENOSYS alone: with EPERM no thread could be made.
            rules.insert(0, rule(Field::SyscallDeny(nth), "clone3", Verdict::Errno(ENOSYS)));
        }
        profile = in_front_of(profile, rules);
    }
    Ok(profile)
}

/// A rule for each of `names`, which are the entries of a `list`.
fn rules(list: fn(usize) -> Field, names: &[String], verdict: Verdict, table: &Table) -> Result<Vec<Rule>, Error> {
    let one = |(nth, name): (usize, &String)| match unknown_name(table, name) {
        Some(reason) => Err(Error::new(ErrorKind::Invalid, reason).about(list(nth))),
        None => Ok(rule(list(nth), name, verdict)),
    };
    names.iter().enumerate().map(one).collect()
}

fn rule(field: Field, name: &str, verdict: Verdict) -> Rule {
    Rule {
        place: Place::Name(field),
        names: vec![name.to_owned()],
        verdict,
        conditions: Vec::new(),
        includes: Scope::default(),
        excludes: Scope::default(),
        comment: String::new(),
        notes: Vec::new(),
    }
}

fn in_front_of(profile: Profile, rules: Vec<Rule>) -> Profile {
    Profile { comment: String::new(), base: Some(Box::new(profile)), default: None, arches: Arches::Native, rules }
}
