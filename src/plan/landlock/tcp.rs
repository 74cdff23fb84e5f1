//! What the rules for TCP ports need beside them: Landlock asks at connect(2) and bind(2) of a TCP socket, and there are
//! other ways to speak TCP. A small system call filter closes those; programs that try one of them fall back.

use std::collections::BTreeSet;

use crate::error::Error;
use crate::seccomp::arch::Arch;
use crate::seccomp::policy::{Target, resolve};
use crate::seccomp::profile::Reader;
use crate::seccomp::table::Table;
use crate::seccomp::{compile, shipped};

/// MPTCP (protocol 262) and SMC (protocol 256, address family 43) fall back to plain TCP with a peer that knows
/// nothing else, and have no rules (<https://github.com/landlock-lsm/linux/issues/54>). `MSG_FASTOPEN` connects without
/// connect(2). What io_uring does is seen by no filter, and the arguments of the old socketcall(2) lie in memory.
const PROFILE: &str = r#"{
  "defaultAction": "SCMP_ACT_ALLOW",
  "architectures": [
    "SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM", "SCMP_ARCH_RISCV64"
  ],
  "syscalls": [
    { "names": ["socket"], "action": "SCMP_ACT_ERRNO", "errnoRet": 93,
      "args": [{ "index": 2, "value": 262, "op": "SCMP_CMP_EQ" }] },
    { "names": ["socket"], "action": "SCMP_ACT_ERRNO", "errnoRet": 93,
      "args": [{ "index": 2, "value": 256, "op": "SCMP_CMP_EQ" }] },
    { "names": ["socket"], "action": "SCMP_ACT_ERRNO", "errnoRet": 97,
      "args": [{ "index": 0, "value": 43, "op": "SCMP_CMP_EQ" }] },
    { "names": ["sendto", "sendmmsg"], "action": "SCMP_ACT_ERRNO", "errnoRet": 95,
      "args": [{ "index": 3, "value": 536870912, "valueTwo": 536870912, "op": "SCMP_CMP_MASKED_EQ" }] },
    { "names": ["sendmsg"], "action": "SCMP_ACT_ERRNO", "errnoRet": 95,
      "args": [{ "index": 2, "value": 536870912, "valueTwo": 536870912, "op": "SCMP_CMP_MASKED_EQ" }] },
    { "names": ["socketcall", "@io_uring"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38 }
  ]
}"#;

/// The filter, as `Seccomp::Programs` has them. An error on a machine for which no filter can be made.
pub(crate) fn filter() -> Result<Vec<u8>, Error> {
    let Some(arch) = Arch::here() else {
        return Err(Error::new(1, "TCP ports: no system call filter can be made for this machine, and they need one"));
    };
    let table = Table::new();
    let reader = Reader { table: &table, shipped: &shipped::text, is_cap: &|_| false };
    let profile = reader.read("the filter of TCP ports", PROFILE.as_bytes())?;
    // Nothing in it depends on the kernel's version or on capabilities.
    let policies = resolve(&profile, &Target { arch, kernel: (5, 13), caps: &BTreeSet::new() }, &table)?;
    Ok(compile(&policies)?.bytes())
}
