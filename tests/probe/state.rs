//! What a process is: ids, capabilities, descriptors, signals, names, namespaces, mounts. Nothing here changes
//! anything.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::ffi::OsStrExt;

use crate::{Answer, number};

/// Namespaces as /proc/self/ns calls them.
const NAMESPACES: [&str; 8] = ["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"];

/// Everything about this process. The first line, `probe-state`, tells the reader what follows.
pub(crate) fn state(_: &[OsString]) -> Answer {
    let mut out = b"probe-state\n".to_vec();
    for part in [ids(), capabilities(), process(), descriptors(), signals(), names()] {
        out.extend_from_slice(part.as_bytes());
    }
    out.extend(environment());
    for file in ["uid_map", "gid_map", "setgroups"] {
        let text = fs::read_to_string(format!("/proc/self/{file}")).unwrap_or_else(|_| "unreadable".into());
        let words: Vec<&str> = text.split_whitespace().collect();
        out.extend(format!("{file} {}\n", words.join(" ")).bytes());
    }
    for name in NAMESPACES {
        if let Ok(link) = fs::read_link(format!("/proc/self/ns/{name}")) {
            out.extend(format!("ns {name} {}\n", link.display()).bytes());
        }
    }
    for line in fs::read("/proc/self/mountinfo").unwrap_or_default().split_inclusive(|&b| b == b'\n') {
        out.extend_from_slice(b"mountinfo ");
        out.extend_from_slice(line);
    }
    Ok(out)
}

/// The lines of /proc/PID/status that say what a process may do, once it has gone to sleep: an init that has just
/// started its command may still be giving up what it does not need.
pub(crate) fn status(words: &[OsString]) -> Answer {
    const WANTED: [&str; 14] = [
        "Umask",
        "Tgid",
        "PPid",
        "Uid",
        "Gid",
        "Groups",
        "NStgid",
        "CapInh",
        "CapPrm",
        "CapEff",
        "CapBnd",
        "CapAmb",
        "NoNewPrivs",
        "Seccomp",
    ];
    let pid: u32 = number(words, 0)?;
    let read = || fs::read_to_string(format!("/proc/{pid}/status"));
    let mut text = read()?;
    for _ in 0..1000 {
        if text.contains("\nState:\tS") {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(2));
        text = read()?;
    }
    let wanted = text.lines().filter(|line| line.split(':').next().is_some_and(|key| WANTED.contains(&key)));
    Ok(wanted.flat_map(|line| [line, "\n"]).collect::<String>().into_bytes())
}

fn ids() -> String {
    let mut groups = [0; 128];
    // SAFETY: getresuid and getresgid write three ids each into live variables; getgroups writes at most 128 of them.
    let (uids, gids, count) = unsafe {
        let (mut uids, mut gids) = ([0; 3], [0; 3]);
        let [real, effective, saved] = &mut uids;
        libc::getresuid(real, effective, saved);
        let [real, effective, saved] = &mut gids;
        libc::getresgid(real, effective, saved);
        (uids, gids, libc::getgroups(128, groups.as_mut_ptr()))
    };
    format!("uids {uids:?}\ngids {gids:?}\ngroups {:?}\n", &groups[..usize::try_from(count).unwrap_or(0)])
}

fn capabilities() -> String {
    #[repr(C)]
    struct Header(u32, i32);
    #[derive(Default, Clone, Copy)]
    #[repr(C)]
    struct Sets([u32; 3]);
    /// `_LINUX_CAPABILITY_VERSION_3` of linux/capability.h: two 32-bit words a set.
    const VERSION_3: u32 = 0x2008_0522;
    let (mut header, mut sets) = (Header(VERSION_3, 0), [Sets::default(); 2]);
    // SAFETY: capget fills the two `Sets` that version 3 asks for, and both arguments are live.
    unsafe { libc::syscall(libc::SYS_capget, &raw mut header, sets.as_mut_ptr()) };
    let word = |set: usize| u64::from(sets[1].0[set]) << 32 | u64::from(sets[0].0[set]);
    let asked = |option: i32, first: u64| {
        let one = |cap: u64| match first {
            // SAFETY: PR_CAPBSET_READ takes a number and touches no memory.
            0 => unsafe { libc::prctl(option, cap) },
            // SAFETY: PR_CAP_AMBIENT_IS_SET takes two numbers and touches no memory.
            _ => unsafe { libc::prctl(option, first, cap, 0, 0) },
        };
        (0..64).filter(|&cap| one(cap) == 1).fold(0u64, |set, cap| set | 1 << cap)
    };
    let ambient = asked(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_IS_SET as u64);
    let bounding = asked(libc::PR_CAPBSET_READ, 0);
    format!(
        "cap effective {:x}\ncap permitted {:x}\ncap inheritable {:x}\ncap ambient {ambient:x}\ncap bounding {bounding:x}\n",
        word(0),
        word(1),
        word(2),
    )
}

fn process() -> String {
    let mut out = String::new();
    let mut death_signal = 0i32;
    // SAFETY: these prctl calls read a flag of this process; PR_GET_PDEATHSIG writes one int into a live variable.
    let flags = unsafe {
        libc::prctl(libc::PR_GET_PDEATHSIG, &raw mut death_signal);
        [
            ("no-new-privs", libc::prctl(libc::PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)),
            ("seccomp", libc::prctl(libc::PR_GET_SECCOMP, 0, 0, 0, 0)),
            ("securebits", libc::prctl(libc::PR_GET_SECUREBITS, 0, 0, 0, 0)),
            ("keep-caps", libc::prctl(libc::PR_GET_KEEPCAPS, 0, 0, 0, 0)),
            ("dumpable", libc::prctl(libc::PR_GET_DUMPABLE, 0, 0, 0, 0)),
        ]
    };
    for (name, value) in flags {
        out += &format!("{name} {value}\n");
    }
    // SAFETY: these read the ids of this process, and umask is put back at once; there is no other thread.
    let (pid, parent, session, group, mask) = unsafe {
        let mask = libc::umask(0);
        libc::umask(mask);
        (libc::getpid(), libc::getppid(), libc::getsid(0), libc::getpgrp(), mask)
    };
    let cwd = std::env::current_dir().map_or_else(|e| e.to_string(), |dir| dir.display().to_string());
    out += &format!("death-signal {death_signal}\npid {pid}\nppid {parent}\numask {mask:03o}\ncwd {cwd}\n");
    out += &format!("session-leader {}\ngroup-leader {}\n", session == pid, group == pid);
    out += &format!("argv0 {}\n", std::env::args_os().next().unwrap_or_default().display());
    for (name, which) in [("nofile", libc::RLIMIT_NOFILE), ("core", libc::RLIMIT_CORE), ("nproc", libc::RLIMIT_NPROC)] {
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: `limit` is live and of the type that getrlimit fills.
        unsafe { libc::getrlimit(which, &raw mut limit) };
        out += &format!("rlimit {name} {} {}\n", limit.rlim_cur, limit.rlim_max);
    }
    out
}

fn descriptors() -> String {
    let mut out = String::new();
    for fd in 0..1024 {
        // SAFETY: F_GETFL reads the flags of a number that may or may not be open.
        let flags = unsafe { libc::fcntl(fd, libc::F_GETFL) };
        if flags < 0 {
            continue;
        }
        // SAFETY: an all-zero stat is a valid value of that plain C struct.
        let mut about: libc::stat = unsafe { std::mem::zeroed() };
        // SAFETY: `about` is live and fstat fills it.
        unsafe { libc::fstat(fd, &raw mut about) };
        let access = ["r", "w", "rw", "?"][(flags & libc::O_ACCMODE) as usize];
        let path = if flags & libc::O_PATH != 0 { " path" } else { "" };
        writeln!(out, "fd {fd} type {:o} {access}{path}", about.st_mode >> 12).unwrap_or(());
    }
    out
}

fn signals() -> String {
    // SAFETY: an all-zero sigset_t and sigaction are valid values of those plain C structs.
    let (mut blocked, mut action): (libc::sigset_t, libc::sigaction) = unsafe { std::mem::zeroed() };
    // SAFETY: a null new set makes sigprocmask only read the mask, into a live variable.
    unsafe { libc::sigprocmask(libc::SIG_BLOCK, std::ptr::null(), &raw mut blocked) };
    // SAFETY: sigismember reads a set that sigprocmask filled.
    let blocked: Vec<i32> = (1..=64).filter(|&n| unsafe { libc::sigismember(&raw const blocked, n) } == 1).collect();
    let mut ignores = |n| {
        // SAFETY: a null new action makes sigaction only read, into a live variable.
        (unsafe { libc::sigaction(n, std::ptr::null(), &raw mut action) }) == 0 && action.sa_sigaction == libc::SIG_IGN
    };
    // Rust's start-up ignores SIGPIPE, so that number says nothing about the caller.
    let ignored: Vec<i32> = (1..=64).filter(|&n| n != libc::SIGPIPE && ignores(n)).collect();
    format!("signals blocked {blocked:?}\nsignals ignored {ignored:?}\n")
}

fn names() -> String {
    // SAFETY: an all-zero utsname is a valid value of that plain C struct, and uname fills it.
    let system = unsafe {
        let mut system: libc::utsname = std::mem::zeroed();
        libc::uname(&raw mut system);
        system
    };
    let text = |field: &[libc::c_char]| -> String {
        field.iter().take_while(|&&c| c != 0).map(|&c| char::from(c.cast_unsigned())).collect()
    };
    format!("hostname {}\ndomainname {}\n", text(&system.nodename), text(&system.domainname))
}

fn environment() -> Vec<u8> {
    let mut lines: Vec<Vec<u8>> = std::env::vars_os()
        .map(|(name, value)| [b"env ", name.as_bytes(), b"=", value.as_bytes(), b"\n"].concat())
        .collect();
    lines.sort();
    lines.concat()
}
