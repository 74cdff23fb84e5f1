//! Runs a filter program as the kernel does (net/core/filter.c, `bpf_check_classic`, and the subset for seccomp).

use std::collections::BTreeSet;

use super::assemble::{
    AND, IF_ANY_BIT, IF_EQUAL, IF_GREATER, IF_NOT_LESS, Instruction, JUMP, LOAD, MAX_INSTRUCTIONS, Program, RETURN,
};
use super::compile::{ARCH, ARGS, INSTRUCTION_POINTER, NUMBER};

/// A system call as a filter sees it: `struct seccomp_data`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Data {
    /// `AUDIT_ARCH_…`
    pub(crate) arch: u32,
    pub(crate) number: u32,
    pub(crate) args: [u64; 6],
}

impl Data {
    /// The word at `offset`. The instruction pointer reads as zero, because no filter of pinfold depends on it.
    fn word(&self, offset: u32) -> Option<u32> {
        match offset {
            NUMBER => Some(self.number),
            ARCH => Some(self.arch),
            INSTRUCTION_POINTER | 12 => Some(0),
            _ => {
                let at = offset.checked_sub(ARGS).filter(|at| at % 4 == 0)?;
                let register = self.args.get(at as usize / 8)?;
                Some(if at % 8 == 0 { *register as u32 } else { (*register >> 32) as u32 })
            }
        }
    }
}

/// Where a program continues after an instruction.
enum Next {
    At(usize),
    /// At one of the two, depending on something unknown.
    Either(usize, usize),
    Return(u32),
}

impl Program {
    /// What the filter returns for `data`. `None` if the kernel would refuse the program.
    pub(crate) fn run(&self, data: &Data) -> Option<u32> {
        self.counted(data).map(|(value, _)| value)
    }

    /// How many instructions the kernel executes for `data`.
    #[cfg(test)]
    pub(super) fn steps(&self, data: &Data) -> usize {
        self.counted(data).map_or(usize::MAX, |(_, steps)| steps)
    }

    /// Whether the kernel can tell at load time what the filter returns for a call. It follows the program as long as
    /// that looks only at the number and the architecture (kernel/seccomp.c, `seccomp_is_const_allow`).
    #[cfg(test)]
    pub(super) fn is_tried_at_load(&self, arch: u32, number: u32) -> bool {
        let word = |offset| match offset {
            NUMBER => Some(number),
            ARCH => Some(arch),
            _ => None,
        };
        self.followed(word).is_some()
    }

    fn counted(&self, data: &Data) -> Option<(u32, usize)> {
        self.followed(|offset| data.word(offset))
    }

    /// What the filter returns, and after how many instructions. `None` if it loads a word that is not given.
    fn followed(&self, word: impl Fn(u32) -> Option<u32>) -> Option<(u32, usize)> {
        let (mut at, mut accumulator, mut steps) = (0, Some(0), 0);
        // Every step goes forward, so the loop ends.
        loop {
            steps += 1;
            match self.step(at, &mut accumulator, |offset| word(offset).map(Some))? {
                Next::At(next) => at = next,
                Next::Either(..) => return None,
                Next::Return(value) => return Some((value, steps)),
            }
        }
    }

    /// Every value that the filter may return for call `number` of the architecture `arch` (`AUDIT_ARCH_…`). An
    /// argument that is `None` may be anything. Returns `None` if the kernel would refuse the program.
    ///
    /// Several tests of one unknown argument are treated as independent. So the result may be too large, but is never
    /// too small.
    pub(crate) fn answers(&self, arch: u32, number: u32, args: [Option<u64>; 6]) -> Option<BTreeSet<u32>> {
        let data = Data { arch, number, args: args.map(Option::unwrap_or_default) };
        let is_known = |offset: u32| {
            let index = offset.checked_sub(ARGS).map(|at| at as usize / 8);
            index.is_none_or(|index| args.get(index).is_some_and(Option::is_some))
        };
        let word = |offset| data.word(offset).map(|word| is_known(offset).then_some(word));
        let (mut answers, mut seen, mut waiting) = (BTreeSet::new(), BTreeSet::new(), vec![(0, Some(0))]);
        while let Some((at, mut accumulator)) = waiting.pop() {
            if !seen.insert((at, accumulator)) {
                continue;
            }
            match self.step(at, &mut accumulator, word)? {
                Next::At(next) => waiting.push((next, accumulator)),
                Next::Either(yes, no) => waiting.extend([(yes, accumulator), (no, accumulator)]),
                Next::Return(value) => {
                    answers.insert(value);
                }
            }
        }
        Some(answers)
    }

    /// Executes the instruction `at`. The accumulator and the words of the call may be unknown.
    fn step(
        &self,
        at: usize,
        accumulator: &mut Option<u32>,
        word: impl Fn(u32) -> Option<Option<u32>>,
    ) -> Option<Next> {
        let Instruction { code, jt, jf, k } = *self.0.get(at).filter(|_| self.0.len() <= MAX_INSTRUCTIONS)?;
        let next = at + 1;
        let branch = |holds: fn(u32, u32) -> bool| {
            let (yes, no) = (next + usize::from(jt), next + usize::from(jf));
            match *accumulator {
                Some(value) => Next::At(if holds(value, k) { yes } else { no }),
                None => Next::Either(yes, no),
            }
        };
        Some(match code {
            LOAD => {
                *accumulator = word(k)?;
                Next::At(next)
            }
            AND => {
                *accumulator = accumulator.map(|value| value & k);
                Next::At(next)
            }
            JUMP => Next::At(next.checked_add(k as usize)?),
            IF_EQUAL => branch(|value, k| value == k),
            IF_GREATER => branch(|value, k| value > k),
            IF_NOT_LESS => branch(|value, k| value >= k),
            IF_ANY_BIT => branch(|value, k| value & k != 0),
            RETURN => Next::Return(k),
            _ => return None,
        })
    }
}
