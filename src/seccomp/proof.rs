//! Runs a compiled program on many calls, and compares its answers with what its policies say.

use std::collections::BTreeSet;

use super::arch::Arch;
use super::assemble::Program;
use super::interpret::Data;
use super::policy::{Decision, Policy};
use super::profile::Test;
use super::verdict::Verdict;
use crate::error::{Error, ErrorKind};

/// All numbers below this are tried: those of today's kernels, and room for decades to come.
const NUMBERS: u32 = 1024;

/// Numbers at which an error would show: private calls of arm, the x32 bit, the sign bit, the ends of the range.
const ODD_NUMBERS: &[u32] = &[
    0xeffff,
    0xf0000,
    0xf0001,
    0xf0002,
    0xf0005,
    0xf0006,
    0xf0007,
    0x3fff_ffff,
    0x4000_0000,
    0x4000_0001,
    0x4000_0010,
    0x4000_0208,
    0x4000_0400,
    0x7fff_ffff,
    0x8000_0000,
    0xc000_0000,
    0xc000_0010,
    0xffff_fffe,
    0xffff_ffff,
];

/// Runs `program` on every number of every architecture, with arguments around each value that a rule names.
///
/// Where the policies leave a call open, the answer must be that of `behind`, if there is one.
///
/// Returns how many calls were tried. A difference is an error, and a bug in pinfold.
pub(crate) fn prove(policies: &[Policy<'_>], program: &Program, behind: Option<&Program>) -> Result<usize, Error> {
    let mut tried = 0;
    for arch in Arch::ALL {
        let policy = policies.iter().find(|policy| policy.arch == arch);
        for number in (0..NUMBERS).chain(ODD_NUMBERS.iter().copied()) {
            let decision = policy.and_then(|policy| policy.calls.get(&number));
            for args in decision.map_or_else(|| vec![[0; 6], [u64::MAX; 6]], arguments) {
                let data = Data { arch: arch.audit(), number, args };
                let behind = behind.filter(|_| policy.is_some_and(|policy| policy.leaves_open(number)));
                let ours = policy.map_or(Verdict::KillProcess, |policy| policy.verdict(number, &args)).code();
                let (wanted, answer) = (behind.map_or(Some(ours), |behind| behind.run(&data)), program.run(&data));
                if answer != wanted || answer.is_none() {
                    let reason = format!(
                        "the program answers {answer:x?} to {arch} {number} {args:x?}, where the profile says \
                         {wanted:x?}; please report this"
                    );
                    return Err(Error::new(ErrorKind::Internal, reason));
                }
                tried += 1;
            }
        }
    }
    Ok(tried)
}

/// Arguments that tell the cases of `decision` apart. For each tested argument: every value that is named, its
/// neighbours, and all of these with other upper halves. Meanwhile the other arguments hold values that are named for
/// them.
pub(super) fn arguments(decision: &Decision<'_>) -> Vec<[u64; 6]> {
    let mut values: [BTreeSet<u64>; 6] = Default::default();
    for test in decision.cases.iter().flat_map(|case| &case.tests) {
        let named = match test.condition.test {
            Test::Equal(value) | Test::NotEqual(value) => vec![value],
            Test::Less(value) | Test::LessOrEqual(value) => vec![value],
            Test::Greater(value) | Test::GreaterOrEqual(value) => vec![value],
            Test::Masked { mask, value } => vec![mask, value, value | !mask, value ^ mask & mask.wrapping_neg()],
        };
        if let Some(set) = values.get_mut(usize::from(test.condition.index)) {
            set.extend(named);
        }
    }
    let base = values.each_ref().map(|set| set.first().copied().unwrap_or(0));
    let mut all = vec![[0; 6], [u64::MAX; 6], base];
    // Every pair of named values, for rules that test two arguments.
    for (first, second) in (0..6).flat_map(|a| (a + 1..6).map(move |b| (a, b))) {
        for (&a, &b) in values[first].iter().flat_map(|a| values[second].iter().map(move |b| (a, b))) {
            let mut args = base;
            (args[first], args[second]) = (a, b);
            all.push(args);
        }
    }
    for (index, set) in values.iter().enumerate() {
        for value in set.iter().flat_map(|&value| around(value)) {
            let mut args = base;
            args[index] = value;
            all.push(args);
        }
    }
    all
}

/// `value` and values near it, each with several upper halves.
fn around(value: u64) -> impl Iterator<Item = u64> {
    let near = [value, value.wrapping_sub(1), value.wrapping_add(1), value & 0xffff_ffff, value << 32, !value];
    let upper = [0, 1 << 32, 1 << 63, 0xffff_ffff << 32];
    near.into_iter().flat_map(move |value| upper.into_iter().map(move |bits| value ^ bits))
}
