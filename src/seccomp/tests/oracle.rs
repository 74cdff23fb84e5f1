//! A second opinion: seccompiler, which shares no code with pinfold, compiles the same policies, and both programs must
//! answer every call alike.
//!
//! A filter of seccompiler has one verdict for what matches and one for the rest, so the policies here have two as
//! well. It knows neither numbers nor which arguments have 32 bits; `table` and `width` tell it. Both programs run in
//! `interpret`.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule, TargetArch,
};

use super::*;
use crate::seccomp::assemble::Instruction;
use crate::seccomp::width::is_narrow;

const OPERATORS: [&str; 7] = ["EQ", "NE", "LT", "LE", "GT", "GE", "MASKED_EQ"];

/// The actions, by the names of both. EPERM (1) is the OCI default if a profile gives no number.
const ACTIONS: [(&str, SeccompAction); 7] = [
    ("ALLOW", SeccompAction::Allow),
    ("ERRNO", SeccompAction::Errno(1)),
    ("KILL", SeccompAction::KillThread),
    ("KILL_PROCESS", SeccompAction::KillProcess),
    ("TRAP", SeccompAction::Trap),
    ("LOG", SeccompAction::Log),
    ("TRACE", SeccompAction::Trace(1)),
];

/// A condition, with the fields of OCI profiles.
#[derive(Clone)]
struct Made {
    index: u8,
    op: &'static str,
    value: u64,
    two: u64,
    len: SeccompCmpArgLen,
}

impl Made {
    fn new(dice: &mut Dice, name: &str) -> Made {
        // Known 32-bit arguments are among the first.
        let sides = [3, 6][dice.throw(2)];
        let (index, op) = (dice.throw(sides) as u8, dice.pick(&OPERATORS));
        let narrow = is_narrow(name, index);
        let mut number = || match if dice.throw(4) == 0 { dice.bits() } else { VALUES[dice.throw(VALUES.len())] } {
            // An argument of 32 bits can have only these values, of which the last are negative. No other value ever
            // matches for pinfold, while seccompiler compares the lower half.
            value if !narrow || value <= 0xffff_ffff || value >= 0xffff_ffff_8000_0000 => value,
            value => value & 0xffff_ffff,
        };
        let (value, bits) = (number(), number());
        let two = if op == "MASKED_EQ" { value & bits } else { 0 };
        // A mask without upper bits tests the lower half either way.
        let is_half = op == "MASKED_EQ" && value <= 0xffff_ffff && dice.throw(2) == 0;
        let len = if narrow || is_half { SeccompCmpArgLen::Dword } else { SeccompCmpArgLen::Qword };
        Made { index, op, value, two, len }
    }

    fn text(&self) -> String {
        arg(self.index, self.op, self.value, self.two)
    }

    fn theirs(&self) -> SeccompCondition {
        let (op, value) = match self.op {
            "EQ" => (SeccompCmpOp::Eq, self.value),
            "NE" => (SeccompCmpOp::Ne, self.value),
            "LT" => (SeccompCmpOp::Lt, self.value),
            "LE" => (SeccompCmpOp::Le, self.value),
            "GT" => (SeccompCmpOp::Gt, self.value),
            "GE" => (SeccompCmpOp::Ge, self.value),
            _ => (SeccompCmpOp::MaskedEq(self.value), self.two),
        };
        SeccompCondition::new(self.index, self.len.clone(), op, value).unwrap()
    }

    /// The values that the condition names.
    fn named(&self) -> Vec<u64> {
        match self.op {
            "MASKED_EQ" => vec![self.two, self.two | !self.value, self.value, self.two ^ self.value],
            _ => vec![self.value],
        }
    }

    /// Arguments around those values, with every kind of upper half.
    fn around(&self) -> Vec<u64> {
        let near = self.named().into_iter().flat_map(|value| [value.wrapping_sub(1), value, value.wrapping_add(1)]);
        let upper = |value: u64| [value, value & 0xffff_ffff, value | 0xffff_ffff << 32, value ^ 1 << 32];
        near.flat_map(upper).chain([0, u64::MAX]).collect()
    }
}

/// For each number, the alternative sets of conditions. No set if the call always matches.
type Calls = BTreeMap<u32, Vec<Vec<Made>>>;

/// One verdict for calls that match a rule, another for all others.
struct MadePolicy {
    matched: (&'static str, SeccompAction),
    default: (&'static str, SeccompAction),
    /// Name, and the conditions that must hold.
    rules: Vec<(&'static str, Vec<Made>)>,
}

impl MadePolicy {
    fn new(dice: &mut Dice, table: &Table) -> MadePolicy {
        // Few names, so that some have several rules and some have known 32-bit arguments.
        let narrow = ["ioctl", "kill", "setsockopt", "socket", "socketpair", "tgkill"];
        let mut names: Vec<&str> = (0..4).map(|_| dice.pick(&narrow)).collect();
        names.extend((0..1 + dice.throw(8)).map(|_| table.calls()[dice.throw(table.calls().len())].name));
        let rules = (0..1 + dice.throw(12)).map(|_| {
            let name = dice.pick(&names);
            // One in eight has no condition.
            let conditions = [0, 1, 1, 1, 1, 2, 2, 3][dice.throw(8)];
            (name, (0..conditions).map(|_| Made::new(dice, name)).collect())
        });
        let rules = rules.collect();
        let first = dice.throw(ACTIONS.len());
        // The other verdict must differ: seccompiler refuses filters that change nothing.
        let second = (first + 1 + dice.throw(ACTIONS.len() - 1)) % ACTIONS.len();
        MadePolicy { matched: ACTIONS[first].clone(), default: ACTIONS[second].clone(), rules }
    }

    fn text(&self) -> String {
        let conditions = |made: &[Made]| made.iter().map(Made::text).collect::<Vec<_>>().join(",");
        let rules = self.rules.iter().map(|(name, made)| rule(name, self.matched.0, &conditions(made)));
        let (default, rules) = (self.default.0, rules.collect::<Vec<_>>().join(","));
        format!(r#"{{"defaultAction": "SCMP_ACT_{default}", "syscalls": [{rules}]}}"#)
    }

    /// What the rules say about each number that exists on `arch`.
    fn calls(&self, table: &Table, arch: Arch) -> Calls {
        let mut calls: Calls = BTreeMap::new();
        let mut always = BTreeSet::new();
        for (name, made) in &self.rules {
            let Some(number) = table.find(name).unwrap().number(arch) else { continue };
            let sets = calls.entry(number).or_default();
            let indices: BTreeSet<u8> = made.iter().map(|condition| condition.index).collect();
            match made.len() {
                0 => drop(always.insert(number)),
                // In an OCI profile, two conditions on one argument make all of them alternatives.
                all if all > indices.len() => sets.extend(made.iter().map(|condition| vec![condition.clone()])),
                _ => sets.push(made.clone()),
            }
        }
        for number in always {
            calls.insert(number, Vec::new());
        }
        calls
    }

    fn theirs(&self, calls: &Calls, arch: Arch) -> Program {
        let rule = |set: &Vec<Made>| SeccompRule::new(set.iter().map(Made::theirs).collect()).unwrap();
        let chain = |(&number, sets): (&u32, &Vec<Vec<Made>>)| (i64::from(number), sets.iter().map(rule).collect());
        let target = TargetArch::try_from(arch.name()).unwrap();
        let rules = calls.iter().map(chain).collect();
        let filter = SeccompFilter::new(rules, self.default.1.clone(), self.matched.1.clone(), target).unwrap();
        let program = BpfProgram::try_from(filter).unwrap();
        Program(program.iter().map(|i| Instruction { code: i.code, jt: i.jt, jf: i.jf, k: i.k }).collect())
    }
}

#[test]
fn seccompiler_is_of_the_same_opinion() {
    let (table, mut dice, mut cases) = (Table::new(), Dice(0x0dd5), BTreeMap::new());
    for arch in Arch::KERNELS {
        for _ in 0..120 {
            let policy = MadePolicy::new(&mut dice, &table);
            let text = policy.text();
            let calls = policy.calls(&table, arch);
            let theirs = policy.theirs(&calls, arch);
            with_policies(&text, arch, |_, ours| {
                let matched = u32::from(policy.matched.1.clone());
                let both = Both { ours, theirs: &theirs, matched, text: &text };
                foreign_calls(&both, arch);
                numbers(&both, arch, &calls, &mut dice);
                for (&number, sets) in &calls {
                    count(&mut cases, sets);
                    conditions(&both, &Data { arch: arch.audit(), number, args: [0; 6] }, sets, &mut dice, &mut cases);
                }
            });
        }
    }
    // What was never made was never tested.
    let shapes = ["always", "one set", "several sets", "several conditions"].map(str::to_owned);
    let lengths = [SeccompCmpArgLen::Dword, SeccompCmpArgLen::Qword];
    let single = OPERATORS.iter().flat_map(|op| lengths.iter().map(move |len| format!("{op} {len:?}")));
    let single = single.flat_map(|case| [true, false].map(|holds| format!("{case} {holds}")));
    for case in shapes.into_iter().chain(single) {
        let times = cases.get(&case).copied().unwrap_or(0);
        assert!(times >= 10, "{case}: {times} of {cases:?}");
    }
}

/// The programs of both compilers.
struct Both<'a> {
    ours: &'a Program,
    theirs: &'a Program,
    /// The answer to a call that matches a rule.
    matched: u32,
    text: &'a str,
}

impl Both<'_> {
    /// The answer, which must be the same from both.
    fn run(&self, data: &Data) -> u32 {
        let (ours, theirs) = (self.ours.run(data), self.theirs.run(data));
        assert!(ours == theirs, "{data:x?}: {ours:x?}, seccompiler has {theirs:x?}\n{}", self.text);
        ours.unwrap()
    }
}

fn foreign_calls(both: &Both<'_>, arch: Arch) {
    let known = Arch::ALL.map(Arch::audit);
    // Also the big-endian variants, and values that are no architecture.
    for audit in known.into_iter().chain(known.map(|audit| audit ^ 1 << 30)).chain([0, u32::MAX]) {
        for number in [0, 1, 59, 1000].into_iter().filter(|_| audit != arch.audit()) {
            assert_eq!(both.run(&Data { arch: audit, number, args: [0; 6] }), KILL);
        }
    }
}

/// Numbers in the policy, beside them and far away, with arbitrary arguments.
fn numbers(both: &Both<'_>, arch: Arch, calls: &Calls, dice: &mut Dice) {
    let near = calls.keys().flat_map(|&number| [number.saturating_sub(1), number, number + 1]);
    let far = [0, 480, 1023, 0x3fff_ffff, 0x4000_0000, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];
    // On x86_64 the numbers from bit 30 on belong to x32. Pinfold refuses them whatever the profile says. For
    // seccompiler they are ordinary numbers (rust-vmm/seccompiler issue 74), so a list of denied numbers lets them
    // through.
    let is_common = |number: &u32| arch.first_refused().is_none_or(|first| *number < first);
    for number in near.chain(far).filter(is_common) {
        for args in [[0; 6], [u64::MAX; 6], [(); 6].map(|()| dice.bits())] {
            both.run(&Data { arch: arch.audit(), number, args });
        }
    }
}

fn count(cases: &mut BTreeMap<String, usize>, sets: &[Vec<Made>]) {
    let shape = ["always", "one set", "several sets"][sets.len().min(2)];
    *cases.entry(shape.to_owned()).or_default() += 1;
    *cases.entry("several conditions".to_owned()).or_default() += sets.iter().filter(|set| set.len() > 1).count();
}

/// Every condition of a call, at its limits. The other arguments have values that conditions name, or values near them.
fn conditions(both: &Both<'_>, call: &Data, sets: &[Vec<Made>], dice: &mut Dice, cases: &mut BTreeMap<String, usize>) {
    let mut named: [Vec<u64>; 6] = Default::default();
    for condition in sets.iter().flatten() {
        named[usize::from(condition.index)].extend(condition.named());
    }
    for condition in sets.iter().flatten() {
        for value in condition.around().into_iter().chain([dice.bits()]) {
            let mut args = named.each_ref().map(|values| match values.get(dice.throw(values.len().max(1))) {
                Some(&value) => [value, value, value, value ^ 1, value ^ 1 << 32, dice.bits()][dice.throw(6)],
                None => dice.bits(),
            });
            args[usize::from(condition.index)] = value;
            let answer = both.run(&Data { args, ..*call });
            if sets.len() == 1 && sets[0].len() == 1 {
                let holds = answer == both.matched;
                *cases.entry(format!("{} {:?} {holds}", condition.op, condition.len)).or_default() += 1;
            }
        }
    }
}
