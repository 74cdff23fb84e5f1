//! Runs a program as the kernel does (net/core/filter.c, bpf_check_classic and the seccomp subset), to show what it says.

use super::assemble::{
    AND, IF_ANY_BIT, IF_EQUAL, IF_GREATER, IF_NOT_LESS, Instruction, JUMP, LOAD, MAX_INSTRUCTIONS, Program, RETURN,
};
use super::compile::{ARCH, ARGS, NUMBER};

/// A system call as a filter sees it: `struct seccomp_data`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Data {
    /// `AUDIT_ARCH_…`
    pub(crate) arch: u32,
    pub(crate) number: u32,
    pub(crate) args: [u64; 6],
}

impl Data {
    /// The word at `offset`. The instruction pointer counts as zero: no filter of ours looks at it.
    fn word(&self, offset: u32) -> Option<u32> {
        match offset {
            NUMBER => Some(self.number),
            ARCH => Some(self.arch),
            8 | 12 => Some(0),
            _ => {
                let at = offset.checked_sub(ARGS).filter(|at| at % 4 == 0)?;
                let register = self.args.get(at as usize / 8)?;
                Some(if at % 8 == 0 { *register as u32 } else { (*register >> 32) as u32 })
            }
        }
    }
}

impl Program {
    /// What the filter returns for `data`, or nothing where the kernel would not have taken the program.
    pub(crate) fn run(&self, data: &Data) -> Option<u32> {
        if self.0.len() > MAX_INSTRUCTIONS {
            return None;
        }
        let mut accumulator = 0;
        let mut at = 0;
        // Every step goes forward, so that this ends.
        loop {
            let Instruction { code, jt, jf, k } = *self.0.get(at)?;
            at += 1;
            let jump = |holds: bool| usize::from(if holds { jt } else { jf });
            match code {
                LOAD => accumulator = data.word(k)?,
                AND => accumulator &= k,
                JUMP => at = at.checked_add(k as usize)?,
                IF_EQUAL => at += jump(accumulator == k),
                IF_GREATER => at += jump(accumulator > k),
                IF_NOT_LESS => at += jump(accumulator >= k),
                IF_ANY_BIT => at += jump(accumulator & k != 0),
                RETURN => return Some(k),
                _ => return None,
            }
        }
    }
}
