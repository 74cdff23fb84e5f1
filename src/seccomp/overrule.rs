//! Names that are refused or allowed whatever a profile says. Each list becomes a profile in front of that profile.

use super::profile::{Arches, Condition, Profile, Rule, Scope, Test, check_name};
use super::table::Table;
use super::verdict::{ENOSYS, EPERM, Verdict};
use crate::error::Error;

/// ioctl requests that type into the terminal that a sandbox shares with its caller: TIOCSTI (CVE-2017-5226) and
/// TIOCLINUX (CVE-2023-28100). All supported architectures have the same numbers (include/uapi/asm-generic/ioctls.h,
/// asm/ioctls.h).
const TYPING: [u64; 2] = [0x5412, 0x541c];

/// `profile`, but the calls and `@groups` in `deny` are refused, and those in `allow` are allowed. `deny` wins over
/// `allow`.
pub(crate) fn overrule(profile: Profile, deny: &[String], allow: &[String], table: &Table) -> Result<Profile, Error> {
    let is_one_of = |names: &[String], call: &str| {
        let group = table.find(call).map(|call| call.group);
        names.iter().any(|name| name == call || Some(name.as_str()) == group)
    };
    let mut profile = profile;
    if !allow.is_empty() {
        let mut rules =
            rules("syscall-allow", allow, Verdict::Allow, table).map_err(|error| error.about("syscall-allow"))?;
        if is_one_of(allow, "ioctl") {
            // Whoever allows ioctl wants a driver, not a way out of the sandbox. A profile can allow these requests.
            let condition = |value| Condition { index: 1, test: Test::Equal(value) };
            let refused = rule("syscall-allow ioctl".into(), "ioctl", Verdict::Errno(EPERM));
            rules.push(Rule { conditions: TYPING.map(condition).into(), ..refused });
        }
        profile = in_front_of(profile, rules);
    }
    if !deny.is_empty() {
        let mut rules =
            rules("syscall-deny", deny, Verdict::Errno(EPERM), table).map_err(|error| error.about("syscall-deny"))?;
        if is_one_of(deny, "clone3") {
            // The C library falls back to clone only on ENOSYS. With EPERM no thread could be made.
            rules.insert(0, rule("syscall-deny clone3".into(), "clone3", Verdict::Errno(ENOSYS)));
        }
        profile = in_front_of(profile, rules);
    }
    Ok(profile)
}

/// Makes a rule for each of `names`. `place` says where they were given.
fn rules(place: &str, names: &[String], verdict: Verdict, table: &Table) -> Result<Vec<Rule>, Error> {
    let one = |name: &String| {
        check_name(table, place, name)?;
        Ok(rule(format!("{place} {name}"), name, verdict))
    };
    names.iter().map(one).collect()
}

fn rule(place: String, name: &str, verdict: Verdict) -> Rule {
    Rule {
        place,
        names: vec![name.to_owned()],
        verdict,
        conditions: Vec::new(),
        includes: Scope::default(),
        excludes: Scope::default(),
        comment: String::new(),
    }
}

fn in_front_of(profile: Profile, rules: Vec<Rule>) -> Profile {
    Profile { comment: String::new(), base: Some(Box::new(profile)), default: None, arches: Arches::Native, rules }
}
