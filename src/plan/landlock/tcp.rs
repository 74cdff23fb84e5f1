//! The system call filter that complements the rules for TCP ports.
//!
//! Landlock checks a port in connect(2) and bind(2) only, and only on plain TCP sockets. The kernel has other ways to
//! speak TCP, and new ones are added. So this filter lists the sockets that may be made and not those that may not:
//! sockets that cannot speak TCP, and TCP itself. Programs that try something else fall back.
//!
//! One way remains: a TCP socket that listens without bind(2) gets a free port. A filter cannot tell it from a socket
//! of another kind. The manual says so (`--tcp-bind`).

use std::collections::BTreeSet;

use crate::error::{Error, ErrorKind};
use crate::seccomp::arch::Arch;
use crate::seccomp::policy::{Target, resolve};
use crate::seccomp::profile::Reader;
use crate::seccomp::table::Table;
use crate::seccomp::{compile, shipped};

/// The AF_INET and AF_INET6 sockets that may be made, as type and protocol: TCP, UDP and the echo sockets of ping(8).
/// Protocol 0 is the default of the type.
///
/// This leaves out MPTCP (262) and SMC (256). Both fall back to plain TCP with a peer that does not know them, and
/// Landlock has no rules for them (<https://github.com/landlock-lsm/linux/issues/54>). It leaves out raw sockets too:
/// with CAP_NET_RAW they can send TCP packets.
const OF_INET: [(u8, u8); 6] =
    [(STREAM, 0), (STREAM, TCP), (DATAGRAM, 0), (DATAGRAM, 17), (DATAGRAM, 1), (DATAGRAM, 58)];
/// `SOCK_STREAM`
const STREAM: u8 = 1;
/// `SOCK_DGRAM`
const DATAGRAM: u8 = 2;
/// `IPPROTO_TCP`
const TCP: u8 = 6;

/// The rules for other sockets, and for options of TCP sockets:
///
/// * Of other families, AF_UNIX (1) and AF_NETLINK (16, by which the C library lists addresses) are allowed. Among the
///   rest, AF_SMC speaks TCP at once, and so does AF_RDS if its module is loaded.
/// * `TCP_ULP` (31) with the name "smc" turns a TCP socket into an SMC socket. It also turns on TLS in the kernel.
///   Without it, TLS libraries do that work themselves.
/// * `IP_LOCAL_PORT_RANGE` (51, for IPv6 sockets too; Linux 6.3) lets listen(2) without bind(2) use a port of one's
///   choice.
/// * `MSG_FASTOPEN` (0x20000000) connects without connect(2).
/// * No filter sees what io_uring does, and the arguments of the old socketcall(2) lie in memory, where no filter sees
///   them.
const REST: &str = r#"
    { "names": ["socket", "socketpair"], "action": "SCMP_ACT_ALLOW",
      "args": [{ "index": 0, "value": 1, "op": "SCMP_CMP_EQ" }, { "index": 0, "value": 16, "op": "SCMP_CMP_EQ" }] },
    { "names": ["socket", "socketpair"], "action": "SCMP_ACT_ERRNO", "errnoRet": 93,
      "args": [{ "index": 0, "value": 2, "op": "SCMP_CMP_EQ" }, { "index": 0, "value": 10, "op": "SCMP_CMP_EQ" }] },
    { "names": ["socket", "socketpair"], "action": "SCMP_ACT_ERRNO", "errnoRet": 97 },
    { "names": ["setsockopt"], "action": "SCMP_ACT_ERRNO", "errnoRet": 92,
      "args": [{ "index": 1, "value": 6, "op": "SCMP_CMP_EQ" }, { "index": 2, "value": 31, "op": "SCMP_CMP_EQ" }] },
    { "names": ["setsockopt"], "action": "SCMP_ACT_ERRNO", "errnoRet": 92,
      "args": [{ "index": 1, "value": 0, "op": "SCMP_CMP_EQ" }, { "index": 2, "value": 51, "op": "SCMP_CMP_EQ" }] },
    { "names": ["send", "sendto", "sendmmsg"], "action": "SCMP_ACT_ERRNO", "errnoRet": 95,
      "args": [{ "index": 3, "value": 536870912, "valueTwo": 536870912, "op": "SCMP_CMP_MASKED_EQ" }] },
    { "names": ["sendmsg"], "action": "SCMP_ACT_ERRNO", "errnoRet": 95,
      "args": [{ "index": 2, "value": 536870912, "valueTwo": 536870912, "op": "SCMP_CMP_MASKED_EQ" }] },
    { "names": ["socketcall", "@io_uring"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38 }
  ]
}"#;

/// The profile from which the filter is compiled.
fn profile() -> String {
    let mut text = r#"{
  "defaultAction": "SCMP_ACT_ALLOW",
  "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM", "SCMP_ARCH_RISCV64"],
  "syscalls": ["#
        .to_owned();
    for family in [2, 10] {
        for (kind, protocol) in OF_INET {
            // The flags (SOCK_CLOEXEC, SOCK_NONBLOCK) use the bits above the four bits of the type.
            text.push_str(&format!(
                r#"
    {{ "names": ["socket", "socketpair"], "action": "SCMP_ACT_ALLOW",
      "args": [{{ "index": 0, "value": {family}, "op": "SCMP_CMP_EQ" }},
               {{ "index": 1, "value": 15, "valueTwo": {kind}, "op": "SCMP_CMP_MASKED_EQ" }},
               {{ "index": 2, "value": {protocol}, "op": "SCMP_CMP_EQ" }}] }},"#
            ));
        }
    }
    text + REST
}

/// The filter, in the form of `Seccomp::Programs`. An error on an architecture without filters.
pub(crate) fn filter() -> Result<Vec<u8>, Error> {
    match Arch::here() {
        Some(arch) => filter_for(arch),
        None => {
            let message = "TCP ports: no system call filter can be made for this machine, and they need one";
            Err(Error::new(ErrorKind::Unsupported, message))
        }
    }
}

fn filter_for(arch: Arch) -> Result<Vec<u8>, Error> {
    let table = Table::new();
    let reader = Reader { table: &table, shipped: &shipped::text, is_cap: &|_| false };
    let profile = reader.read("the filter of TCP ports", profile().as_bytes())?;
    // The filter does not depend on the kernel version or on capabilities.
    let policies = resolve(&profile, &Target { arch, kernel: (5, 13), caps: &BTreeSet::new() }, &table)?;
    Ok(compile(&policies)?.bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seccomp::Program;
    use crate::seccomp::verdict::Verdict;

    const ALLOW: u32 = 0x7fff_0000;

    /// Calls `check` for every architecture and ABI, with a function that returns the filter's answer to a call.
    fn everywhere(check: impl Fn(Arch, &dyn Fn(&str, [u64; 4]) -> Option<u32>)) {
        let table = Table::new();
        for kernel in Arch::KERNELS {
            let program = Program::of_bytes(&filter_for(kernel).unwrap());
            for arch in [Some(kernel), kernel.compat()].into_iter().flatten() {
                check(arch, &|name, [a, b, c, d]| {
                    let args = [Some(a), Some(b), Some(c), Some(d), Some(0), Some(0)];
                    let number = table.find(name).unwrap().number(arch)?;
                    let answers = program.answers(arch.audit(), number, args).unwrap();
                    assert_eq!(answers.len(), 1, "everything is known");
                    answers.first().copied()
                });
            }
        }
    }

    fn errno(number: u16) -> u32 {
        Verdict::Errno(number).code()
    }

    /// ICMP, TCP, UDP, DCCP, ICMPv6, L2TP, SCTP, UDP-Lite, raw, SMC, MPTCP, and 0 for the default of the type.
    const PROTOCOLS: [u64; 12] = [0, 1, 6, 17, 33, 58, 115, 132, 136, 255, 256, 262];

    /// Every family and type that a kernel can have.
    #[test]
    fn of_all_sockets_those_are_made_that_are_listed() {
        let inet = [(1, 0), (1, 6), (2, 0), (2, 17), (2, 1), (2, 58)];
        everywhere(|arch, answer| {
            for call in ["socket", "socketpair"] {
                let kinds = (0..48).flat_map(|family| (0..16).map(move |kind| (family, kind)));
                for (family, kind, protocol) in
                    kinds.flat_map(|(family, kind)| PROTOCOLS.map(move |protocol| (family, kind, protocol)))
                {
                    let wanted = match family {
                        1 | 16 => ALLOW,
                        2 | 10 if inet.contains(&(kind, protocol)) => ALLOW,
                        2 | 10 => errno(93),
                        _ => errno(97),
                    };
                    let said = answer(call, [family, kind | 0o2_004_000, protocol, 0]).unwrap();
                    assert_eq!(said, wanted, "{arch} {call} {family} {kind} {protocol}");
                }
                for high in [1 << 32, 0xffff_ffff << 32] {
                    assert_eq!(answer(call, [2 | high, 1 | high, 262 | high, 0]), Some(errno(93)), "{arch} {call}");
                    assert_eq!(answer(call, [43 | high, 1, 0, 0]), Some(errno(97)), "{arch} {call}");
                }
            }
        });
    }

    #[test]
    fn a_socket_of_tcp_stays_one_and_connects_by_connect_alone() {
        const FASTOPEN: u64 = 0x2000_0000;
        everywhere(|arch, answer| {
            for high in [0, 1 << 32, 0xffff_ffff << 32] {
                let said = |name, args| answer(name, args).unwrap_or(errno(95));
                assert_eq!(said("setsockopt", [3, 6 | high, 31 | high, 0]), errno(92), "{arch}");
                assert_eq!(said("setsockopt", [3, high, 51 | high, 0]), errno(92), "{arch}");
                for name in ["send", "sendto", "sendmmsg"] {
                    assert_eq!(said(name, [3, 0, 0, FASTOPEN | 0x4000 | high]), errno(95), "{arch} {name}");
                }
                assert_eq!(said("sendmsg", [3, 0, FASTOPEN | high, 0]), errno(95), "{arch}");
            }
            // TCP_NODELAY, SO_KEEPALIVE, an option of another level, and data without the flag.
            for (name, args) in [
                ("setsockopt", [3, 6, 1, 0]),
                ("setsockopt", [3, 1, 9, 0]),
                ("setsockopt", [3, 0, 31, 0]),
                ("sendto", [3, 0, 0, 0x4000]),
                ("sendmsg", [3, 0, 0x4000, FASTOPEN]),
            ] {
                assert_eq!(answer(name, args), Some(ALLOW), "{arch} {name} {args:x?}");
            }
            for name in ["io_uring_setup", "io_uring_enter", "io_uring_register", "socketcall"] {
                assert!(answer(name, [3, 0, 0, 0]).is_none_or(|said| said == errno(38)), "{arch} {name}");
            }
        });
    }
}
