//! Compiled programs answer what the profiles say: random profiles, every number, arguments at which errors show.

use super::*;
use crate::seccomp::assemble::{Assembler, IF_EQUAL, JUMP, LOAD, MAX_INSTRUCTIONS, RETURN};
use crate::seccomp::policy::Decision;
use crate::seccomp::proof::arguments;

fn made_up_condition(dice: &mut Dice) -> String {
    let op = dice.pick(&["EQ", "NE", "LT", "LE", "GT", "GE", "MASKED_EQ"]);
    let value = VALUES[dice.throw(VALUES.len())];
    let two = if op == "MASKED_EQ" { value & VALUES[dice.throw(VALUES.len())] } else { 0 };
    arg(dice.throw(3) as u8, op, value, two)
}

fn made_up_profile(dice: &mut Dice, names: &[&str]) -> String {
    let actions = ["ALLOW", "ALLOW", "ERRNO", "KILL", "KILL_PROCESS", "TRAP", "LOG", "TRACE"];
    let mut rules = Vec::new();
    for _ in 0..dice.throw(120) {
        let conditions: Vec<String> = (0..dice.throw(4)).map(|_| made_up_condition(dice)).collect();
        let name = dice.pick(names);
        rules.push(rule(name, dice.pick(&actions), &conditions.join(",")));
    }
    let default = dice.pick(&actions);
    let arches = r#"["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM", "SCMP_ARCH_RISCV64"]"#;
    let rules = rules.join(",");
    format!(r#"{{"defaultAction": "SCMP_ACT_{default}", "architectures": {arches}, "syscalls": [{rules}]}}"#)
}

#[test]
fn made_up_profiles_are_compiled_to_what_they_say() {
    let table = Table::new();
    let mut names: Vec<&str> = table.calls().iter().map(|call| call.name).collect();
    names.extend(["@io", "@socket", "@mount", "ioctl", "ioctl", "ioctl", "socket", "mmap", "mmap", "mmap", "mmap2"]);
    let mut dice = Dice(0x5eed);
    let mut jumps = 0;
    for _ in 0..24 {
        let text = made_up_profile(&mut dice, &names);
        for arch in Arch::KERNELS {
            with_policies(&text, arch, |policies, program| {
                prove(policies, program, None).unwrap_or_else(|error| panic!("{error}\n{text}"));
                at_random(policies, program, &mut dice);
                jumps += program.0.iter().filter(|instruction| instruction.code == JUMP).count();
            });
        }
    }
    assert!(jumps > 20, "targets out of reach are part of what is tested: {jumps}");
}

/// Random arguments, for every call with conditions.
fn at_random(policies: &[Policy<'_>], program: &Program, dice: &mut Dice) {
    for policy in policies {
        for (&number, _) in policy.calls.iter().filter(|(_, decision)| !decision.cases.is_empty()) {
            for _ in 0..40 {
                let args = [(); 6].map(|()| match dice.throw(3) {
                    0 => dice.bits(),
                    1 => VALUES[dice.throw(VALUES.len())],
                    _ => VALUES[dice.throw(VALUES.len())] ^ 1 << dice.throw(64),
                });
                let answer = program.run(&Data { arch: policy.arch.audit(), number, args });
                assert_eq!(answer, Some(policy.verdict(number, &args).code()), "{} {number} {args:x?}", policy.arch);
            }
        }
    }
}

/// The answers for partly unknown arguments include the answer for each choice of those arguments.
#[test]
fn unknown_arguments_are_taken_for_anything() {
    let table = Table::new();
    let names: Vec<&str> = table.calls().iter().map(|call| call.name).collect();
    let (mut dice, mut open) = (Dice(0xfeed), 0);
    for _ in 0..16 {
        with_policies(&made_up_profile(&mut dice, &names), Arch::X86_64, |policies, program| {
            let policy = &policies[0];
            for (&number, decision) in &policy.calls {
                let known = dice.throw(64);
                let is_known = |index: usize| known & 1 << index != 0;
                let mut said: BTreeSet<u32> = BTreeSet::new();
                let all = arguments(decision);
                // Vary only the unknown arguments: the known ones stay those of the first call.
                let first = all[0];
                for args in
                    all.into_iter().map(|args| std::array::from_fn(|i| if is_known(i) { first[i] } else { args[i] }))
                {
                    said.insert(program.run(&Data { arch: policy.arch.audit(), number, args }).unwrap());
                }
                let partly = std::array::from_fn(|index| is_known(index).then_some(first[index]));
                let answers = program.answers(policy.arch.audit(), number, partly).unwrap();
                assert!(answers.is_superset(&said), "{number} {partly:x?}: {answers:x?} {said:x?}");
                open += usize::from(answers.len() > 1);
                let exact = program.answers(policy.arch.audit(), number, first.map(Some)).unwrap();
                let answer = program.run(&Data { arch: policy.arch.audit(), number, args: first }).unwrap();
                assert_eq!(exact, BTreeSet::from([answer]), "{number} {first:x?}");
            }
        });
    }
    assert!(open > 20, "{open}");
}

/// CVE-2019-10063: the upper half of a 32-bit argument never changes the verdict.
#[test]
fn upper_halves_of_narrow_arguments_change_nothing() {
    let mut tried = 0;
    for name in crate::seccomp::shipped::names() {
        for arch in Arch::KERNELS {
            with_policies(crate::seccomp::shipped::text(name).unwrap(), arch, |policies, program| {
                for policy in policies {
                    for (&number, decision) in &policy.calls {
                        tried += narrow(policy.arch, number, decision, program);
                    }
                }
            });
        }
    }
    assert!(tried > 1000, "{tried}");
}

fn narrow(arch: Arch, number: u32, decision: &Decision<'_>, program: &Program) -> usize {
    let tests = || decision.cases.iter().flat_map(|case| &case.tests);
    let is_narrow = |index: usize| tests().any(|test| test.narrow && usize::from(test.condition.index) == index);
    let run = |args| program.run(&Data { arch: arch.audit(), number, args }).unwrap();
    let mut tried = 0;
    for args in arguments(decision) {
        for index in (0..6).filter(|&index| is_narrow(index)) {
            for upper in [1, 1 << 31, 0xffff_ffff, 0x5412] {
                let (mut low, mut high) = (args, args);
                low[index] &= 0xffff_ffff;
                high[index] = low[index] | upper << 32;
                assert_eq!(run(low), run(high), "{arch} {number} {high:x?}");
                tried += 1;
            }
        }
    }
    tried
}

#[test]
fn an_argument_with_64_bits_is_compared_with_all_of_them() {
    let allow = |op, value| {
        let text = profile(&rule("mmap", "ALLOW", &arg(0, op, value, 0)));
        let compiled = Compiled::new(&text, Arch::X86_64);
        move |argument| compiled.call("mmap", &[argument]) == ALLOW
    };
    let equal = allow("EQ", 0x1_0000_0002);
    assert!(equal(0x1_0000_0002) && !equal(2) && !equal(0x2_0000_0002));
    let less = allow("LT", 0x2_0000_0000);
    assert!(less(0x1_ffff_ffff) && !less(0x2_0000_0000) && !less(0x3_0000_0000));
    let greater = allow("GT", 0xffff_ffff);
    assert!(greater(0x1_0000_0000) && !greater(0xffff_ffff));
}

#[test]
fn two_conditions_on_one_argument_are_alternatives() {
    let conditions = [arg(0, "EQ", 3, 0), arg(0, "EQ", 4, 0), arg(1, "EQ", 9, 0)].join(",");
    let compiled = Compiled::new(&profile(&rule("read", "ALLOW", &conditions)), Arch::X86_64);
    for args in [[3, 0], [4, 0], [0, 9]] {
        assert_eq!(compiled.call("read", &args), ALLOW, "{args:?}");
    }
    assert_eq!(compiled.call("read", &[5, 8]), errno(38));
    let apart = [arg(0, "EQ", 3, 0), arg(1, "EQ", 9, 0)].join(",");
    let compiled = Compiled::new(&profile(&rule("read", "ALLOW", &apart)), Arch::X86_64);
    assert_eq!(compiled.call("read", &[3, 9]), ALLOW);
    assert_eq!(compiled.call("read", &[3, 8]), errno(38));
}

/// The program has the layout that the kernel reads, and tests the architecture before anything else.
#[test]
fn a_program_starts_with_the_architecture() {
    for name in crate::seccomp::shipped::names() {
        for arch in Arch::KERNELS {
            let program = Compiled::new(crate::seccomp::shipped::text(name).unwrap(), arch).program;
            let [first, second] = [0, 1].map(|index| program.0[index]);
            assert_eq!((first.code, first.k), (LOAD, 4), "offset of seccomp_data.arch");
            assert_eq!((second.code, second.k), (IF_EQUAL, arch.audit()));
            assert_eq!(program.bytes()[..8], [0x20, 0, 0, 0, 4, 0, 0, 0]);
        }
    }
}

#[test]
fn targets_far_away_are_reached() {
    let mut asm = Assembler::default();
    let far = asm.ret(1);
    let mut label = asm.ret(2);
    for value in 0..2000 {
        label = asm.branch(IF_EQUAL, value * 2, far, label);
    }
    let entry = asm.load(0, label);
    let program = asm.finish(entry).unwrap();
    for number in [0, 1, 2, 1000, 1001, 3998, 3999, 4000] {
        let wanted = if number % 2 == 0 && number < 4000 { 1 } else { 2 };
        assert_eq!(program.run(&Data { arch: 0, number, args: [0; 6] }), Some(wanted), "{number}");
    }
}

#[test]
fn a_program_that_is_too_long_is_refused() {
    let conditions: Vec<String> = (0..5000).map(|value| arg(0, "EQ", value << 33 | value, 0)).collect();
    let profile = read(&profile(&rule("mmap", "ALLOW", &conditions.join(",")))).unwrap();
    let target = Target { arch: Arch::X86_64, kernel: (6, 0), caps: &BTreeSet::new() };
    let error = compile(&resolve(&profile, &target, &Table::new()).unwrap()).unwrap_err();
    assert!(
        error.to_string().ends_with(&format!("are more than the {MAX_INSTRUCTIONS} that the kernel takes")),
        "{error}"
    );
}

#[test]
fn a_broken_program_has_no_answer() {
    use crate::seccomp::assemble::Instruction;
    let data = Data { arch: 0, number: 0, args: [0; 6] };
    let one = |code, k| Program(vec![Instruction { code, jt: 0, jf: 0, k }]).run(&data);
    assert_eq!(one(RETURN, 7), Some(7));
    assert_eq!(one(LOAD, 4), None, "no end");
    assert_eq!(one(LOAD, 65), None, "beyond the data");
    assert_eq!(one(JUMP, u32::MAX), None, "beyond the program");
    assert_eq!(one(0x61, 0), None, "an instruction that we do not use");
}
