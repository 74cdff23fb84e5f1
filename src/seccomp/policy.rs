//! A profile resolved for one architecture: what happens to every system call number. It is simple, so that compiled
//! programs can be checked against it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::arch::Arch;
use super::json::refuse;
use super::profile::{Condition, Profile, Rule, Scope, Test};
use super::table::{Call, Table};
use super::verdict::{ENOSYS, Verdict};
use super::width;
use crate::error::Error;

/// The kernel and the process for which a profile is resolved.
pub(crate) struct Target<'a> {
    /// One of [`Arch::KERNELS`].
    pub(crate) arch: Arch,
    /// The version of the kernel, for `minKernel`.
    pub(crate) kernel: (u32, u32),
    /// The capabilities that the program in the sandbox will have.
    pub(crate) caps: &'a BTreeSet<String>,
}

/// What a filter does with the calls of one architecture.
#[derive(Debug)]
pub(crate) struct Policy<'p> {
    pub(crate) arch: Arch,
    /// The verdict on numbers that have no entry.
    pub(crate) default: Verdict,
    pub(crate) calls: BTreeMap<u32, Decision<'p>>,
    /// Rules that would answer a call differently from the rule that decides it.
    pub(crate) idle: Vec<Idle<'p>>,
}

impl Policy<'_> {
    /// Whether it refuses any call.
    pub(crate) fn refuses(&self) -> bool {
        let refuses = |verdict: Verdict| !Verdict::lets_through(verdict.code());
        let decides = |decision: &Decision<'_>| {
            refuses(decision.otherwise(self.default)) || decision.cases.iter().any(|case| refuses(case.verdict))
        };
        refuses(self.default) || self.calls.values().any(decides)
    }
}

/// A rule that has no effect on one call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Idle<'p> {
    pub(crate) call: &'static str,
    pub(crate) rule: &'p Rule,
    /// The rule that decides instead, because it comes first.
    pub(crate) decides: &'p Rule,
}

/// What happens to one system call.
#[derive(Debug, Default)]
pub(crate) struct Decision<'p> {
    /// Tried in this order. The first that holds decides.
    pub(crate) cases: Vec<Case<'p>>,
    /// The verdict if no case holds, and its rule. `None` means the default.
    pub(crate) otherwise: Option<(Verdict, &'p Rule)>,
}

/// A verdict under conditions that must all hold.
#[derive(Debug)]
pub(crate) struct Case<'p> {
    pub(crate) tests: Vec<Tested>,
    pub(crate) verdict: Verdict,
    pub(crate) rule: &'p Rule,
}

/// A condition on an argument. `narrow`: the call uses only the lower 32 bits of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Tested {
    pub(crate) condition: Condition,
    pub(crate) narrow: bool,
}

impl Tested {
    fn new(condition: &Condition, arch: Arch, name: &str) -> Tested {
        // A 32-bit program cannot set the upper half. But a 64-bit program can, and can call by `int 0x80`. Then the
        // kernel shows the filter the whole registers, and uses their lower halves.
        let narrow = arch.is_32bit() || width::is_narrow(name, condition.index);
        let mut condition = *condition;
        if narrow {
            condition.test = match condition.test.map(lower_half) {
                // Profiles write the lower half of a register so.
                Test::Masked { mask: 0xffff_ffff, value } => Test::Equal(value),
                test => test,
            };
        }
        Tested { condition, narrow }
    }

    /// Whether the condition holds for these arguments.
    pub(crate) fn holds(&self, args: &[u64; 6]) -> bool {
        let register = args.get(usize::from(self.condition.index)).copied().unwrap_or(0);
        let argument = if self.narrow { register & 0xffff_ffff } else { register };
        match self.condition.test {
            Test::Equal(value) => argument == value,
            Test::NotEqual(value) => argument != value,
            Test::Less(value) => argument < value,
            Test::LessOrEqual(value) => argument <= value,
            Test::Greater(value) => argument > value,
            Test::GreaterOrEqual(value) => argument >= value,
            Test::Masked { mask, value } => argument & mask == value,
        }
    }
}

impl fmt::Display for Tested {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let argument =
            format!("{}argument {}", if self.narrow { "the lower half of " } else { "" }, self.condition.index);
        match self.condition.test {
            Test::Equal(value) => write!(f, "{argument} is {value:#x}"),
            Test::NotEqual(value) => write!(f, "{argument} is not {value:#x}"),
            Test::Less(value) => write!(f, "{argument} is less than {value:#x}"),
            Test::LessOrEqual(value) => write!(f, "{argument} is at most {value:#x}"),
            Test::Greater(value) => write!(f, "{argument} is more than {value:#x}"),
            Test::GreaterOrEqual(value) => write!(f, "{argument} is at least {value:#x}"),
            Test::Masked { mask, value: 0 } => write!(f, "{argument} has no bit of {mask:#x}"),
            Test::Masked { mask, value } => write!(f, "{argument} & {mask:#x} is {value:#x}"),
        }
    }
}

/// Shortens a negative number that was written with 64 bits to 32 bits. Other numbers stay as they are.
fn lower_half(value: u64) -> u64 {
    if value >= 0xffff_ffff_8000_0000 { value & 0xffff_ffff } else { value }
}

impl Test {
    fn map(self, change: impl Fn(u64) -> u64) -> Test {
        match self {
            Test::Equal(value) => Test::Equal(change(value)),
            Test::NotEqual(value) => Test::NotEqual(change(value)),
            Test::Less(value) => Test::Less(change(value)),
            Test::LessOrEqual(value) => Test::LessOrEqual(change(value)),
            Test::Greater(value) => Test::Greater(change(value)),
            Test::GreaterOrEqual(value) => Test::GreaterOrEqual(change(value)),
            Test::Masked { mask, value } => Test::Masked { mask: change(mask), value: change(value) },
        }
    }
}

impl Policy<'_> {
    /// Whether no rule says anything about call `number`.
    pub(crate) fn leaves_open(&self, number: u32) -> bool {
        self.arch.first_refused().is_none_or(|first| number < first) && !self.calls.contains_key(&number)
    }

    /// The verdict on a call, straight from the rules.
    pub(crate) fn verdict(&self, number: u32, args: &[u64; 6]) -> Verdict {
        if self.arch.first_refused().is_some_and(|first| number >= first) {
            return Verdict::Errno(ENOSYS);
        }
        let Some(decision) = self.calls.get(&number) else { return self.default };
        let case = decision.cases.iter().find(|case| case.tests.iter().all(|test| test.holds(args)));
        case.map_or(decision.otherwise(self.default), |case| case.verdict)
    }
}

impl<'p> Policy<'p> {
    /// The rule by which call `number` may be answered with `code`. `None` if it is the default.
    pub(crate) fn rule_for(&self, number: u32, code: u32) -> Option<&'p Rule> {
        let decision = self.calls.get(&number)?;
        let case = decision.cases.iter().find(|case| case.verdict.code() == code).map(|case| case.rule);
        case.or(decision.otherwise.filter(|(verdict, _)| verdict.code() == code).map(|(_, rule)| rule))
    }
}

impl Decision<'_> {
    /// The verdict if no case holds.
    pub(crate) fn otherwise(&self, default: Verdict) -> Verdict {
        self.otherwise.map_or(default, |(verdict, _)| verdict)
    }
}

/// The policies for the architectures that a kernel of `target` runs and `profile` covers. The native one comes first.
pub(crate) fn resolve<'p>(profile: &'p Profile, target: &Target<'_>, table: &Table) -> Result<Vec<Policy<'p>>, Error> {
    let layers: Vec<&Profile> = std::iter::successors(Some(profile), |profile| profile.base.as_deref()).collect();
    let arches = profile.arches_on(target.arch);
    if !arches.contains(&target.arch) {
        return refuse("architectures", format!("this profile is not for {}", target.arch));
    }
    let Some(default) = layers.iter().find_map(|layer| layer.default) else {
        return refuse("defaultAction", "this field is missing");
    };
    let policy = |&arch: &Arch| {
        let mut policy = Policy { arch, default, calls: BTreeMap::new(), idle: Vec::new() };
        for layer in &layers {
            policy.add_layer(layer, target, table);
        }
        policy
    };
    Ok(arches.iter().map(policy).collect())
}

impl<'p> Policy<'p> {
    /// Adds what `layer` says about calls that earlier layers leave open.
    fn add_layer(&mut self, layer: &'p Profile, target: &Target<'_>, table: &Table) {
        let mut own: BTreeMap<u32, Layer<'p>> = BTreeMap::new();
        for rule in layer.rules.iter().filter(|rule| applies(rule, target)) {
            for name in &rule.names {
                // Unknown groups and names were refused when the profile was read.
                let members: Vec<&Call> = match table.group(name) {
                    Some(members) => members.collect(),
                    None => table.find(name).into_iter().collect(),
                };
                for call in members {
                    let Some(number) = call.number(self.arch) else { continue };
                    let idle = own.entry(number).or_default().add(rule, call, self.arch, name.starts_with('@'));
                    self.idle.extend(idle);
                }
            }
        }
        for (number, layer) in own {
            let decision = self.calls.entry(number).or_default();
            if decision.otherwise.is_none() {
                decision.cases.extend(layer.cases);
                decision.otherwise = layer.named.or(layer.grouped).map(|rule| (rule.verdict, rule));
            }
        }
    }
}

/// What one profile says about one number. Conditions come first, then rules for the name, then rules for its group.
#[derive(Default)]
struct Layer<'p> {
    cases: Vec<Case<'p>>,
    named: Option<&'p Rule>,
    grouped: Option<&'p Rule>,
}

impl<'p> Layer<'p> {
    /// Adds `rule`, unless an earlier rule decides the call. libseccomp does the same, and Podman's profile has such a
    /// pair (setns). Returns the rule as idle if it would have answered differently.
    fn add(&mut self, rule: &'p Rule, call: &Call, arch: Arch, by_group: bool) -> Option<Idle<'p>> {
        if !rule.conditions.is_empty() {
            let tests = |conditions: &[Condition]| {
                conditions.iter().map(|condition| Tested::new(condition, arch, call.name)).collect()
            };
            let cases = rule.alternatives().into_iter();
            self.cases.extend(cases.map(|set| Case { tests: tests(set), verdict: rule.verdict, rule }));
            return None;
        }
        let slot = if by_group { &mut self.grouped } else { &mut self.named };
        let decides = *slot.get_or_insert(rule);
        (decides.verdict != rule.verdict).then_some(Idle { call: call.name, rule, decides })
    }
}

/// Whether `includes` and `excludes` let a rule apply, as in Docker: all of `includes.caps` must be present, but one of
/// `excludes.caps` is enough (moby, profiles/seccomp/seccomp_linux.go).
fn applies(rule: &Rule, target: &Target<'_>) -> bool {
    let is_here = |name: &String| Arch::named(name) == Some(target.arch);
    let Scope { caps, arches, min_kernel } = &rule.includes;
    let included = caps.iter().all(|cap| target.caps.contains(cap))
        && (arches.is_empty() || arches.iter().any(is_here))
        && min_kernel.is_none_or(|version| target.kernel >= version);
    let Scope { caps, arches, min_kernel } = &rule.excludes;
    let excluded = caps.iter().any(|cap| target.caps.contains(cap))
        || arches.iter().any(is_here)
        || min_kernel.is_some_and(|version| target.kernel >= version);
    included && !excluded
}
