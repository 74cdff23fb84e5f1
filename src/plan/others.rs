//! The system call filter of a program that shares the PID namespace. It keeps the program from changing other
//! processes of the same user. Landlock has a scope for signals, but none for limits and priorities, and a CPU time
//! limit of 0 kills a process as surely as a signal.

use std::collections::BTreeSet;

use crate::error::Error;
use crate::seccomp::arch::Arch;
use crate::seccomp::policy::{Target, resolve};
use crate::seccomp::profile::Reader;
use crate::seccomp::table::Table;
use crate::seccomp::{compile, shipped};
use crate::spec::{Seccomp, Spec};

/// Calls that change a process by id: the name, the index of the argument, and the value that means the caller itself.
/// Ids of groups and users are refused too: the program may belong to a group of the host.
const BY_NUMBER: [(&str, u8, u8); 9] = [
    ("prlimit64", 0, 0),
    ("setpriority", 0, 0),
    ("setpriority", 1, 0),
    ("ioprio_set", 0, 1),
    ("ioprio_set", 1, 0),
    ("sched_setscheduler", 0, 0),
    ("sched_setparam", 0, 0),
    ("sched_setattr", 0, 0),
    ("sched_setaffinity", 0, 0),
];

/// The filter, if `spec` shares the PID namespace and uses a profile. It skips calls that the profile allows by name.
pub(super) fn filter(spec: &Spec) -> Result<Option<Vec<u8>>, Error> {
    let Seccomp::Profile { allow, .. } = &spec.lockdown.seccomp else { return Ok(None) };
    let shares = spec.lockdown.settings_covered && !spec.namespaces.pid && spec.namespaces.pid_join.is_none();
    let Some(arch) = Arch::here().filter(|_| shares) else {
        return Ok(None);
    };
    let rule = |(name, index, value): &(&str, u8, u8)| {
        format!(
            r#"{{ "names": ["{name}"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1,
                  "args": [{{ "index": {index}, "value": {value}, "op": "SCMP_CMP_NE" }}] }}"#
        )
    };
    let is_refused = |(name, ..): &&(&str, u8, u8)| !allow.iter().any(|allowed| allowed == name);
    let rules: Vec<String> = BY_NUMBER.iter().filter(is_refused).map(rule).collect();
    let text = format!(
        r#"{{ "defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86",
              "SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM", "SCMP_ARCH_RISCV64"], "syscalls": [{}] }}"#,
        rules.join(",")
    );
    let table = Table::new();
    let reader = Reader { table: &table, shipped: &shipped::text, is_cap: &|_| false };
    let profile = reader.read("the filter of shared processes", text.as_bytes())?;
    // The filter does not depend on the kernel version or on capabilities.
    let policies = resolve(&profile, &Target { arch, kernel: (5, 12), caps: &BTreeSet::new() }, &table)?;
    Ok(Some(compile(&policies)?.bytes()))
}
