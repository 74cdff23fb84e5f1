//! Facts about system calls.

use super::*;
use crate::seccomp::table::{FOREIGN, GROUPS};
use crate::seccomp::width::is_narrow;
use crate::suggest::nearest;

/// Well-known numbers on x86_64, i386, aarch64, arm and riscv64.
const KNOWN: &[(&str, [Option<u32>; 5])] = &[
    ("read", [Some(0), Some(3), Some(63), Some(3), Some(63)]),
    ("openat", [Some(257), Some(295), Some(56), Some(322), Some(56)]),
    ("execve", [Some(59), Some(11), Some(221), Some(11), Some(221)]),
    ("mount", [Some(165), Some(21), Some(40), Some(21), Some(40)]),
    ("clone", [Some(56), Some(120), Some(220), Some(120), Some(220)]),
    ("socketcall", [None, Some(102), None, None, None]),
    ("open", [Some(2), Some(5), None, Some(5), None]),
    ("newfstatat", [Some(262), None, Some(79), None, Some(79)]),
    ("renameat", [Some(264), Some(302), Some(38), Some(329), None]),
    ("memfd_secret", [Some(447), Some(447), Some(447), None, Some(447)]),
    ("clone3", [Some(435); 5]),
    ("futex_time64", [None, Some(422), None, Some(422), None]),
    ("open_tree_attr", [Some(467); 5]),
    ("file_setattr", [Some(469); 5]),
    ("uprobe", [Some(336), None, None, None, None]),
    ("riscv_hwprobe", [None, None, None, None, Some(258)]),
    ("set_tls", [None, None, None, Some(0xf0005), None]),
    ("swapcontext", [None; 5]),
];

#[test]
fn numbers_are_those_of_the_kernel() {
    let table = Table::new();
    for (name, wanted) in KNOWN {
        let call = table.find(name).unwrap();
        assert_eq!(Arch::ALL.map(|arch| call.number(arch)), *wanted, "{name}");
    }
}

#[test]
fn each_name_and_each_number_stands_once() {
    let table = Table::new();
    assert!(table.calls().is_sorted_by(|a, b| a.name < b.name), "names are searched for by halves");
    for arch in Arch::ALL {
        let mut numbers: Vec<u32> = table.calls().iter().filter_map(|call| call.number(arch)).collect();
        let all = numbers.len();
        numbers.sort_unstable();
        numbers.dedup();
        // arm's number 341 has two names in the kernel's own headers.
        assert_eq!(all - numbers.len(), usize::from(arch == Arch::Arm), "{arch}");
        assert!(all > 300, "{arch}: {all}");
    }
}

#[test]
fn each_call_is_in_a_group_that_exists_and_no_group_is_empty() {
    let table = Table::new();
    for call in table.calls() {
        let numbers = Arch::ALL.iter().filter(|arch| call.number(**arch).is_some()).count();
        assert_eq!(call.group == FOREIGN, numbers == 0, "{}", call.name);
        assert!(call.group == FOREIGN || GROUPS.iter().any(|(group, _)| *group == call.group), "{}", call.name);
    }
    for (group, _) in GROUPS {
        assert!(table.group(group).unwrap().count() > 0, "{group}");
    }
    assert!(table.group("read").is_none());
}

#[test]
fn narrow_arguments_are_of_calls_that_exist() {
    let table = Table::new();
    let narrow = |name: &str| (0..6).any(|index| is_narrow(name, index));
    assert_eq!(table.calls().iter().filter(|call| narrow(call.name)).count(), crate::seccomp::width::calls().count());
    assert!(is_narrow("ioctl", 1) && !is_narrow("ioctl", 2) && !is_narrow("mmap", 0));
}

#[test]
fn suggestions_are_near() {
    let table = Table::new();
    assert_eq!(table.suggestion("opne"), Some("open"));
    assert_eq!(table.suggestion("iotcl"), Some("ioctl"));
    assert_eq!(table.suggestion("OPENAT"), Some("openat"));
    assert_eq!(table.suggestion("@keyrings"), Some("@keyring"));
    assert_eq!(table.suggestion("completely_different"), None);
    assert_eq!(table.suggestion(&"x".repeat(100_000)), None);
    assert_eq!(nearest("", ["read"].into_iter()), None);
}
