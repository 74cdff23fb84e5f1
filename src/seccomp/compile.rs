//! Compiles policies to one program.
//!
//! Instruction 0 loads the architecture. For each architecture follows a balanced tree over ranges of numbers with the
//! same verdict, with the tests of arguments at its leaves. When a filter is loaded, the kernel tries it on every
//! number once, and remembers the numbers that are always allowed (kernel/seccomp.c, `seccomp_cache_prepare`). At run
//! time only the other calls execute the filter. Loading takes 450 runs of the filter, so its depth matters: a chain of
//! 1,900 comparisons costs a millisecond per launch.
//!
//! The kernel would also try the numbers of the 32-bit architecture, at every launch, although hardly any program uses
//! that. It would be a sixth of the time that loading takes. The kernel stops trying when the filter loads a value that
//! is not known at that time. So the trees of the other architectures begin with a load of the instruction pointer, on
//! which nothing depends. The calls of a 32-bit program then run through their tree each time: some ten comparisons.

use super::assemble::{Assembler, IF_ANY_BIT, IF_EQUAL, IF_GREATER, IF_NOT_LESS, Label, Program};
use super::policy::{Case, Decision, Policy, Tested};
use super::profile::Test;
use super::verdict::{ENOSYS, Verdict};
use crate::error::{Error, ErrorKind};

/// Offsets in `struct seccomp_data` (include/uapi/linux/seccomp.h).
pub(super) const NUMBER: u32 = 0;
pub(super) const ARCH: u32 = 4;
pub(super) const INSTRUCTION_POINTER: u32 = 8;
pub(super) const ARGS: u32 = 16;

/// Compiles `policies`. A call of any other architecture kills the process.
pub(crate) fn compile(policies: &[Policy<'_>]) -> Result<Program, Error> {
    build(Assembler::default(), policies, None)
}

/// Compiles `policies` in front of `program`, which decides the calls that a policy leaves open, instead of its
/// default.
pub(crate) fn compile_before(policies: &[Policy<'_>], program: &Program) -> Result<Program, Error> {
    match Assembler::before(program) {
        Some((asm, entry)) => build(asm, policies, Some(entry)),
        None => Err(Error::new(ErrorKind::Invalid, "a system call filter without instructions is none")),
    }
}

fn build(mut asm: Assembler, policies: &[Policy<'_>], program: Option<Label>) -> Result<Program, Error> {
    // The profile says nothing about this architecture, and verdicts for the numbers of another one do not fit it.
    let mut entry = asm.ret(Verdict::KillProcess.code());
    // Build backwards, so that the native tree comes first.
    for (index, policy) in policies.iter().enumerate().rev() {
        let open = program.map_or(Leaf::Verdict(policy.default), Leaf::Program);
        let tree = tree(&mut asm, &ranges(policy, open), open);
        let tree = asm.load(NUMBER, tree);
        let tree = if index == 0 { tree } else { asm.load(INSTRUCTION_POINTER, tree) };
        entry = asm.branch(IF_EQUAL, policy.arch.audit(), tree, entry);
    }
    let entry = asm.load(ARCH, entry);
    asm.finish(entry)
}

/// What to do about the numbers from `start` to `end`, inclusive.
struct Range<'a> {
    start: u32,
    end: u32,
    leaf: Leaf<'a>,
}

#[derive(Clone, Copy)]
enum Leaf<'a> {
    Verdict(Verdict),
    Decision(&'a Decision<'a>),
    /// The appended program decides.
    Program(Label),
}

impl Leaf<'_> {
    fn is_same(&self, other: &Leaf<'_>) -> bool {
        match (self, other) {
            (Leaf::Verdict(a), Leaf::Verdict(b)) => a == b,
            (Leaf::Program(a), Leaf::Program(b)) => a == b,
            (Leaf::Decision(a), Leaf::Decision(b)) => {
                let verdicts = a.otherwise.map(|(verdict, _)| verdict) == b.otherwise.map(|(verdict, _)| verdict);
                let mut cases = a.cases.iter().zip(&b.cases);
                verdicts
                    && a.cases.len() == b.cases.len()
                    && cases.all(|(a, b)| (&a.tests, a.verdict) == (&b.tests, b.verdict))
            }
            _ => false,
        }
    }
}

/// All numbers from 0 to the greatest, with neighbours of the same verdict in one range. `open` is for numbers that no
/// rule decides.
fn ranges<'a>(policy: &'a Policy<'a>, open: Leaf<'a>) -> Vec<Range<'a>> {
    let mut ranges: Vec<Range<'a>> = Vec::new();
    let mut add = |start: u32, leaf: Leaf<'a>| match ranges.last_mut() {
        Some(last) if last.leaf.is_same(&leaf) => {}
        last => {
            if let Some(last) = last {
                last.end = start - 1;
            }
            ranges.push(Range { start, end: u32::MAX, leaf });
        }
    };
    let mut next = 0;
    for (&number, decision) in &policy.calls {
        if number > next {
            add(next, open);
        }
        let otherwise = decision.otherwise.map_or(open, |(verdict, _)| Leaf::Verdict(verdict));
        add(number, if decision.cases.is_empty() { otherwise } else { Leaf::Decision(decision) });
        next = number + 1;
    }
    add(next, open);
    if let Some(first) = policy.arch.first_refused() {
        add(first, Leaf::Verdict(Verdict::Errno(ENOSYS)));
    }
    ranges
}

/// The most comparisons in a row before the tree branches instead. That makes it a little deeper, but half as long.
const CHAIN: usize = 4;

/// Beyond the last number of any kernel today. The kernel tries a filter only on numbers that it has.
const IN_USE: u32 = 480;

fn tree(asm: &mut Assembler, ranges: &[Range<'_>], open: Leaf<'_>) -> Label {
    if let Some(label) = chain(asm, ranges, open) {
        return label;
    }
    // Split by numbers, not by ranges: the kernel tries each number once.
    let (first, last) = (ranges[0].start, ranges[ranges.len() - 1].end.min(IN_USE));
    let middle = first + last.saturating_sub(first) / 2;
    let at = ranges.partition_point(|range| range.start <= middle).clamp(1, ranges.len() - 1);
    let (left, right) = ranges.split_at(at);
    let no_less = tree(asm, right, open);
    let less = tree(asm, left, open);
    asm.branch(IF_NOT_LESS, right[0].start, no_less, less)
}

/// Ranges that are all the same leaf except for a few single numbers: one comparison for each of those.
fn chain(asm: &mut Assembler, ranges: &[Range<'_>], open: Leaf<'_>) -> Option<Label> {
    let common = ranges.iter().max_by_key(|range| range.end.min(IN_USE).saturating_sub(range.start))?;
    let odd: Vec<&Range<'_>> = ranges.iter().filter(|range| !range.leaf.is_same(&common.leaf)).collect();
    if odd.len() > CHAIN || odd.iter().any(|range| range.start != range.end) {
        return None;
    }
    let mut label = leaf(asm, common.leaf, open);
    for range in odd.iter().rev() {
        let here = leaf(asm, range.leaf, open);
        label = asm.branch(IF_EQUAL, range.start, here, label);
    }
    Some(label)
}

fn leaf(asm: &mut Assembler, leaf: Leaf<'_>, open: Leaf<'_>) -> Label {
    match leaf {
        Leaf::Verdict(verdict) => asm.ret(verdict.code()),
        Leaf::Program(label) => label,
        Leaf::Decision(decision) => {
            let otherwise = decision.otherwise.map_or(open, |(verdict, _)| Leaf::Verdict(verdict));
            let mut label = self::leaf(asm, otherwise, open);
            // The last cases have no effect if they give the verdict that holds without them.
            let is_idle = |case: &&Case<'_>| otherwise.is_same(&Leaf::Verdict(case.verdict));
            let idle = decision.cases.iter().rev().take_while(is_idle).count();
            for case in decision.cases.iter().rev().skip(idle) {
                let mut holds = asm.ret(case.verdict.code());
                for test in case.tests.iter().rev() {
                    holds = condition(asm, test, holds, label);
                }
                label = holds;
            }
            label
        }
    }
}

/// Continues at `yes` if `test` holds, at `no` if not.
fn condition(asm: &mut Assembler, test: &Tested, yes: Label, no: Label) -> Label {
    let word = Words { low: ARGS + 8 * u32::from(test.condition.index), narrow: test.narrow };
    match test.condition.test {
        Test::Equal(value) => word.equal(asm, u64::MAX, value, yes, no),
        Test::NotEqual(value) => word.equal(asm, u64::MAX, value, no, yes),
        Test::Masked { mask, value } => word.equal(asm, mask, value, yes, no),
        Test::Greater(value) => word.greater(asm, IF_GREATER, value, yes, no),
        Test::GreaterOrEqual(value) => word.greater(asm, IF_NOT_LESS, value, yes, no),
        Test::Less(value) => word.greater(asm, IF_NOT_LESS, value, no, yes),
        Test::LessOrEqual(value) => word.greater(asm, IF_GREATER, value, no, yes),
    }
}

/// The two halves of an argument: BPF compares one at a time. The upper half of a narrow argument counts as zero.
struct Words {
    /// Offset of the lower half. The upper half follows, because all supported machines are little-endian.
    low: u32,
    narrow: bool,
}

impl Words {
    fn equal(&self, asm: &mut Assembler, mask: u64, value: u64, yes: Label, no: Label) -> Label {
        let (mask_high, mask_low) = halves(mask);
        let (high, low) = halves(value);
        if self.narrow {
            return if high == 0 { half_equal(asm, self.low, mask_low, low, yes, no) } else { no };
        }
        let rest = half_equal(asm, self.low, mask_low, low, yes, no);
        half_equal(asm, self.low + 4, mask_high, high, rest, no)
    }

    /// `code` says whether equal values count: [`IF_GREATER`] does not, [`IF_NOT_LESS`] does.
    fn greater(&self, asm: &mut Assembler, code: u16, value: u64, yes: Label, no: Label) -> Label {
        let (high, low) = halves(value);
        if self.narrow && high != 0 {
            return no;
        }
        let compare_low = compare(asm, self.low, code, low, yes, no);
        if self.narrow {
            return compare_low;
        }
        let equal = asm.branch(IF_EQUAL, high, compare_low, no);
        compare(asm, self.low + 4, IF_GREATER, high, yes, equal)
    }
}

/// Tests whether the bits of `mask` in the word at `offset` have the value `value`.
fn half_equal(asm: &mut Assembler, offset: u32, mask: u32, value: u32, yes: Label, no: Label) -> Label {
    match (mask, value) {
        (0, _) => yes,
        (u32::MAX, _) => compare(asm, offset, IF_EQUAL, value, yes, no),
        (_, 0) => compare(asm, offset, IF_ANY_BIT, mask, no, yes),
        _ => {
            let compared = asm.branch(IF_EQUAL, value, yes, no);
            let masked = asm.and(mask, compared);
            asm.load(offset, masked)
        }
    }
}

/// Loads the word at `offset` and compares it.
fn compare(asm: &mut Assembler, offset: u32, code: u16, value: u32, yes: Label, no: Label) -> Label {
    let (yes, no) = (asm.past_load(offset, yes), asm.past_load(offset, no));
    let compared = asm.branch(code, value, yes, no);
    asm.load(offset, compared)
}

fn halves(value: u64) -> (u32, u32) {
    ((value >> 32) as u32, value as u32)
}
