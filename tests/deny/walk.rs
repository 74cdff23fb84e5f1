//! What finding costs: one walk for all patterns, and none where no pattern leads.

/// Directories of the tree, itself included.
#[cfg(all(target_arch = "x86_64", target_env = "gnu"))]
const DIRS: usize = 31;

#[cfg(all(target_arch = "x86_64", target_env = "gnu"))]
mod counting {
    #![allow(unsafe_code)] // what a child does between fork and exec, and reading a union of the kernel

    use std::collections::BTreeMap;
    use std::os::unix::process::CommandExt;
    use std::process::{Command, Stdio};

    use nix::sys::ptrace::{self, Options};
    use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
    use nix::unistd::Pid;

    use super::DIRS;
    use crate::support::Actor;
    use crate::{Tree, deny_box};

    /// Calls of all processes of the tool before the program is executed, by number.
    fn calls(tree: &Tree, options: &str) -> BTreeMap<i64, usize> {
        let mut command = Command::new(deny_box());
        command
            .args(tree.words(options, &["true"]))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit());
        if let Some((uid, gid)) = tree.actor.ids() {
            command.uid(uid).gid(gid);
        }
        // SAFETY: after fork only the one ptrace(2) call is made, which neither allocates nor takes a lock.
        unsafe { command.pre_exec(|| ptrace::traceme().map_err(std::io::Error::from)) };
        let tool = Pid::from_raw(command.spawn().unwrap().id().cast_signed());
        waitpid(tool, Some(WaitPidFlag::__WALL)).unwrap();
        let follow = Options::PTRACE_O_TRACEFORK | Options::PTRACE_O_TRACEVFORK | Options::PTRACE_O_TRACECLONE;
        let other = Options::PTRACE_O_TRACESYSGOOD | Options::PTRACE_O_TRACEEXEC | Options::PTRACE_O_EXITKILL;
        ptrace::setoptions(tool, follow | other).unwrap();
        ptrace::syscall(tool, None).unwrap();
        let (mut calls, mut started, mut code, mut known) = (BTreeMap::new(), false, None, vec![tool]);
        // Each wait is for processes below this thread's own child only: other tests have theirs.
        while !known.is_empty() {
            let Ok(event) = waitpid(None::<Pid>, Some(WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD)) else { break };
            let mut deliver = None;
            match event {
                WaitStatus::Exited(pid, status) if pid == tool => code = Some(status),
                WaitStatus::PtraceSyscall(pid) if !started => {
                    let info = ptrace::syscall_info(pid).unwrap();
                    if info.op == libc::PTRACE_SYSCALL_INFO_ENTRY {
                        // SAFETY: `op` says that the kernel filled in the `entry` member.
                        *calls.entry(unsafe { info.u.entry.nr }.cast_signed()).or_default() += 1;
                    }
                }
                WaitStatus::PtraceEvent(_, _, libc::PTRACE_EVENT_EXEC) => started = true,
                WaitStatus::Stopped(pid, signal) if known.contains(&pid) => deliver = Some(signal),
                WaitStatus::Stopped(pid, _) => known.push(pid),
                _ => {}
            }
            if let Some(pid) = event.pid() {
                if matches!(event, WaitStatus::Exited(..) | WaitStatus::Signaled(..)) {
                    known.retain(|other| *other != pid);
                } else {
                    let _gone = ptrace::syscall(pid, deliver).is_err();
                }
            }
        }
        assert_eq!(code, Some(0), "the launch failed");
        calls
    }

    fn listings(tree: &Tree, options: &str) -> usize {
        calls(tree, options).get(&libc::SYS_getdents64).copied().unwrap_or(0)
    }

    #[test]
    fn one_walk_does_for_any_number_of_patterns() {
        let tree = Tree::new(
            "walk",
            Actor::User,
            "for a in 1 2 3 4 5; do for b in 1 2 3 4 5; do mkdir -p $a/$b; : > $a/$b/.env; : > $a/$b/x; done; done; : > 1/only",
        );
        // Each directory takes a call for its entries and, but on ext4, one for the end of them.
        let each = listings(&tree, "--rw {w}:/w --deny /w/1/on*");
        let is_ext4 =
            nix::sys::statfs::statfs(&tree.path).unwrap().filesystem_type() == nix::sys::statfs::EXT4_SUPER_MAGIC;
        assert_eq!(each, if is_ext4 { 1 } else { 2 });
        assert_eq!(listings(&tree, "--rw {w}:/w"), 0);
        assert_eq!(listings(&tree, "--rw {w}:/w --deny /w/1/1/.env"), 0);
        assert_eq!(listings(&tree, "--rw {w}:/w --deny /w/**/.env"), each * DIRS);
        let many: String =
            (1..=15).map(|n| format!("--deny /w/**/.e[mn]v --deny /w/**/[.]*v{} ", "*".repeat(n % 2))).collect();
        assert_eq!(
            listings(&tree, &format!("--rw {{w}}:/w {many} --deny /w/1/**/x --deny /w/2/*/x --deny /w/3/3/x")),
            each * DIRS
        );
        // No further than a pattern can match.
        assert_eq!(listings(&tree, "--rw {w}:/w --deny /w/*/1/.env"), each);
        assert_eq!(listings(&tree, "--rw {w}:/w --deny /w/1/**/x --deny /w/1/**/.env"), each * 6);
        // What is denied as a whole is listed once too, for the sake of hard links.
        assert_eq!(listings(&tree, "--rw {w}:/w --deny /w/1 --deny /w/2/*"), each * (1 + 6 + 5));
        // And by other patterns: a link in what is denied may match, and lead elsewhere.
        assert_eq!(listings(&tree, "--rw {w}:/w --deny /w/**/.env --deny /w/1 --deny /w/2/*"), each * (DIRS + 6 + 5));
    }

    #[test]
    fn hard_links_are_looked_for_where_there_are_any() {
        let fill = "mkdir a b; echo x > a/one; ln a/one b/one; echo x > a/plain; ln -s one a/link; mkdir b/dir";
        let tree = Tree::new("links", Actor::User, fill);
        for none in ["", "--deny /w/a/plain", "--ro {w}:/v --deny /w/a/plain"] {
            assert_eq!(listings(&tree, &format!("--rw {{w}}:/w {none}")), 0, "{none}");
        }
        // In four directories, and not behind the last name.
        let most = listings(&tree, "--rw {w}:/w --deny /w/**/plain");
        let found = listings(&tree, "--rw {w}:/w --deny /w/a/one");
        assert!(found > 0 && found <= most, "{found} of {most}");
        assert_eq!(listings(&tree, "--rw {w}:/w --deny /w/a/one --deny /w/b/one"), 0);
    }
}

#[cfg(not(all(target_arch = "x86_64", target_env = "gnu")))]
#[test]
fn one_walk_does_for_any_number_of_patterns() {
    crate::support::skip("the tracer knows the system calls of x86_64 only");
}
