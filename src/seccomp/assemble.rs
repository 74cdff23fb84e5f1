//! Assembles BPF instructions, from the last to the first.
//!
//! Jumps only go forward. So when the program is built backwards, every target is known before a jump to it is made.
//! Equal pieces are made only once. A conditional jump reaches 255 instructions; a target that is further away gets a
//! copy or an unconditional jump within reach.
//!
//! seccompiler 0.5 cannot be the back end: its filters have one verdict for every match, while profiles mix EPERM,
//! ENOSYS and others; its conditions only come inside a finished rule with a fixed fall-through; and it knows neither
//! i386 nor arm. The tests use it as a second opinion, for what both can express (tests/oracle.rs).

use std::collections::BTreeMap;

use crate::error::{Error, ErrorKind};

/// One instruction: `struct sock_filter` (include/uapi/linux/filter.h).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Instruction {
    pub(crate) code: u16,
    pub(crate) jt: u8,
    pub(crate) jf: u8,
    pub(crate) k: u32,
}

/// `BPF_LD | BPF_W | BPF_ABS`: loads the word at offset `k` of `struct seccomp_data`.
pub(crate) const LOAD: u16 = 0x20;
/// `BPF_ALU | BPF_AND | BPF_K`
pub(crate) const AND: u16 = 0x54;
/// `BPF_JMP | BPF_JA`
pub(crate) const JUMP: u16 = 0x05;
/// `BPF_JMP | BPF_JEQ | BPF_K`. The next three have `BPF_JGT`, `BPF_JGE` and `BPF_JSET` instead.
pub(crate) const IF_EQUAL: u16 = 0x15;
pub(crate) const IF_GREATER: u16 = 0x25;
pub(crate) const IF_NOT_LESS: u16 = 0x35;
pub(crate) const IF_ANY_BIT: u16 = 0x45;
/// `BPF_RET | BPF_K`
pub(crate) const RETURN: u16 = 0x06;

/// The kernel accepts no more instructions (`BPF_MAXINSNS`).
pub(crate) const MAX_INSTRUCTIONS: usize = 4096;

/// A filter, ready for the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Program(pub(crate) Vec<Instruction>);

impl Program {
    /// The number of instructions.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The program as an array of `struct sock_filter`, which `bwrap --seccomp FD` reads. Little-endian, as all
    /// supported machines are.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let one = |instruction: &Instruction| {
            let [a, b] = instruction.code.to_le_bytes();
            let [c, d, e, f] = instruction.k.to_le_bytes();
            [a, b, instruction.jt, instruction.jf, c, d, e, f]
        };
        self.0.iter().flat_map(one).collect()
    }

    /// The program that [`Program::bytes`] wrote.
    pub(crate) fn of_bytes(bytes: &[u8]) -> Program {
        let one = |entry: &[u8; 8]| {
            let &[a, b, jt, jf, c, d, e, f] = entry;
            Instruction { code: u16::from_le_bytes([a, b]), jt, jf, k: u32::from_le_bytes([c, d, e, f]) }
        };
        Program(bytes.as_chunks().0.iter().map(one).collect())
    }
}

/// A place in the program: its distance from the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Label(usize);

/// What an instruction does, and where it continues. Two instructions with the same meaning are the same.
type Meaning = (u16, u32, Option<Label>, Option<Label>);

#[derive(Debug, Default)]
pub(super) struct Assembler {
    /// The program, last instruction first.
    code: Vec<Instruction>,
    /// The latest place of every meaning, which is also the nearest.
    made: BTreeMap<Meaning, Label>,
}

/// The furthest that a conditional jump reaches, in instructions.
const REACH: usize = u8::MAX as usize;

impl Assembler {
    /// An assembler that starts with `program`, and the label of its first instruction. `None` if it has no
    /// instruction.
    pub(super) fn before(program: &Program) -> Option<(Assembler, Label)> {
        let entry = Label(program.len().checked_sub(1)?);
        let code = program.0.iter().rev().copied().collect();
        Some((Assembler { code, made: BTreeMap::new() }, entry))
    }

    pub(super) fn ret(&mut self, value: u32) -> Label {
        // Another return is as long as a jump to an old one, and saves the jump at run time.
        let near = |label: &Label| self.code.len() - label.0 < REACH;
        let known = self.made.get(&(RETURN, value, None, None)).copied().filter(near);
        known.unwrap_or_else(|| self.push((RETURN, value, None, None), 0, 0))
    }

    /// Loads the word at `offset`, then continues at `next`.
    pub(super) fn load(&mut self, offset: u32, next: Label) -> Label {
        self.straight(LOAD, offset, next)
    }

    /// Keeps the bits of `mask`, then continues at `next`.
    pub(super) fn and(&mut self, mask: u32, next: Label) -> Label {
        self.straight(AND, mask, next)
    }

    /// Continues at `yes` if the comparison `code` with `k` holds, at `no` if not.
    pub(super) fn branch(&mut self, code: u16, k: u32, yes: Label, no: Label) -> Label {
        if yes == no {
            return yes;
        }
        let meaning = (code, k, Some(yes), Some(no));
        if let Some(label) = self.made.get(&meaning) {
            return *label;
        }
        let (mut near_yes, mut near_no) = (yes, no);
        // A way station for one target moves the other one step away, so there are at most two rounds.
        while self.is_far(near_yes) || self.is_far(near_no) {
            near_yes = self.nearer(near_yes);
            near_no = self.nearer(near_no);
        }
        let (jt, jf) = (self.distance(near_yes) as u8, self.distance(near_no) as u8);
        self.push(meaning, jt, jf)
    }

    /// Where to go instead of `label` if the word at `offset` is already loaded: past a load of the same word.
    pub(super) fn past_load(&self, offset: u32, label: Label) -> Label {
        let loads = |instruction: &Instruction| (instruction.code, instruction.k) == (LOAD, offset);
        // The label of the next instruction is one smaller, because labels count from the end.
        if label.0 > 0 && self.code.get(label.0).is_some_and(loads) { Label(label.0 - 1) } else { label }
    }

    /// Finishes the program that starts at `entry`, which was made last.
    pub(super) fn finish(mut self, entry: Label) -> Result<Program, Error> {
        if self.distance(entry) > 0 {
            self.way_station(entry);
        }
        if self.code.len() > MAX_INSTRUCTIONS {
            let reason =
                format!("{} instructions are more than the {MAX_INSTRUCTIONS} that the kernel takes", self.code.len());
            return Err(Error::new(ErrorKind::Invalid, reason));
        }
        self.code.reverse();
        Ok(Program(self.code))
    }

    /// Makes an instruction that always continues at `next`.
    fn straight(&mut self, code: u16, k: u32, next: Label) -> Label {
        let meaning = (code, k, Some(next), None);
        if let Some(label) = self.made.get(&meaning) {
            return *label;
        }
        if self.distance(next) > 0 {
            self.way_station(next);
        }
        self.push(meaning, 0, 0)
    }

    fn push(&mut self, meaning: Meaning, jt: u8, jf: u8) -> Label {
        let (code, k, ..) = meaning;
        let label = Label(self.code.len());
        self.code.push(Instruction { code, jt, jf, k });
        self.made.insert(meaning, label);
        label
    }

    /// How many instructions lie between `label` and the instruction that is made next.
    fn distance(&self, label: Label) -> usize {
        self.code.len() - 1 - label.0
    }

    fn is_far(&self, label: Label) -> bool {
        self.distance(label) > REACH
    }

    /// A place within reach that does the same as `label`.
    fn nearer(&mut self, label: Label) -> Label {
        // Keep one step for the way station of the other target.
        if self.distance(label) < REACH {
            return label;
        }
        match self.code.get(label.0) {
            Some(Instruction { code: RETURN, k, .. }) => self.ret(*k),
            _ => self.way_station(label),
        }
    }

    fn way_station(&mut self, label: Label) -> Label {
        let distance = self.distance(label) as u32;
        self.push((JUMP, distance, Some(label), None), 0, 0)
    }
}
