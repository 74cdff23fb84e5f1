//! How many system calls a launch makes, by all processes of the tool, from its own exec to that of the program.
//!
//! What a launch costs is for the most part what it asks of the kernel, and unlike time this can be counted.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test ends at the first surprise

#[path = "support/mod.rs"]
mod support;

/// The typical launch stays below this; bubblewrap takes about 460.
#[cfg(all(target_arch = "x86_64", target_env = "gnu"))]
const MOST: usize = 200;

/// `pinfold run true` in an empty directory stays below this, on a system where every path of the default profile
/// exists.
#[cfg(all(target_arch = "x86_64", target_env = "gnu"))]
const MOST_OF_RUN: usize = 436;

/// The same in a git repository of ordinary size, with a dozen directories and its objects packed. Some 130 of them
/// note what the repository is, and make the place for the changes of the overlay over its git directory.
#[cfg(all(target_arch = "x86_64", target_env = "gnu"))]
const MOST_IN_REPOSITORY: usize = 640;

#[cfg(all(target_arch = "x86_64", target_env = "gnu"))]
mod counting {
    #![allow(unsafe_code)] // what a child does between fork and exec, and reading a union of the kernel

    use std::collections::{BTreeMap, HashSet};
    use std::os::unix::process::CommandExt;
    use std::path::Path;
    use std::process::{Command, Stdio};

    use nix::sys::ptrace::{self, Options};
    use nix::sys::signal::Signal;
    use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
    use nix::unistd::Pid;

    use crate::support::{Actor, tool};

    const LINE: &str = "--unshare-all --die-with-parent --ro-bind /usr /usr --symlink usr/lib /lib --symlink usr/lib64 \
                        /lib64 --symlink usr/bin /bin --proc /proc --dev /dev --tmpfs /tmp true";

    /// Calls by number.
    type Calls = BTreeMap<i64, usize>;

    /// Which kernel the tool finds.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Kernel {
        /// This one.
        Own,
        /// One without `open_tree_attr`, which is older than Linux 6.15.
        Older,
    }

    /// How long calls are counted.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Until {
        /// Until the program executes.
        Start,
        /// Until everything has ended.
        End,
    }

    /// The state directory for a run in `dir`. It need not exist.
    fn state_of(dir: &Path) -> std::path::PathBuf {
        format!("{}-state", dir.display()).into()
    }

    /// `open_tree_attr`.
    const NEW_CALL: i64 = 467;

    /// Counts for a while, and lets everything go on to its end.
    fn count(program: &Path, line: &str, dir: &Path, (actor, kernel): (Actor, Kernel), until: Until) -> Calls {
        let mut command = Command::new(program);
        command.args(line.split_whitespace()).env_clear().env("PATH", "/usr/bin:/bin").env("HOME", "/home/u");
        command.env("XDG_STATE_HOME", state_of(dir));
        command.current_dir(dir);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::inherit());
        if let Some((uid, gid)) = actor.ids() {
            command.uid(uid).gid(gid);
        }
        // SAFETY: after fork only the one ptrace(2) call is made, which neither allocates nor takes a lock.
        unsafe { command.pre_exec(|| ptrace::traceme().map_err(std::io::Error::from)) };
        let tool = Pid::from_raw(command.spawn().expect("start the tool").id().cast_signed());
        let stop = waitpid(tool, Some(WaitPidFlag::__WALL)).expect("the stop at exec");
        assert_eq!(stop, WaitStatus::Stopped(tool, Signal::SIGTRAP));
        let follow = Options::PTRACE_O_TRACEFORK | Options::PTRACE_O_TRACEVFORK | Options::PTRACE_O_TRACECLONE;
        let options =
            follow | Options::PTRACE_O_TRACESYSGOOD | Options::PTRACE_O_TRACEEXEC | Options::PTRACE_O_EXITKILL;
        ptrace::setoptions(tool, options).expect("trace the children too");
        ptrace::syscall(tool, None).expect("go on");
        follow_all(tool, kernel, until)
    }

    fn follow_all(tool: Pid, kernel: Kernel, until: Until) -> Calls {
        let (mut calls, mut started, mut known) = (Calls::new(), false, HashSet::from([tool]));
        let mut code = None;
        loop {
            let event = match waitpid(None, Some(WaitPidFlag::__WALL)) {
                Err(nix::errno::Errno::ECHILD) => break,
                event => event.expect("wait for the tool"),
            };
            let mut deliver = None;
            match event {
                WaitStatus::Exited(pid, status) if pid == tool => code = Some(status),
                WaitStatus::PtraceSyscall(pid) if !started || until == Until::End => {
                    let info = ptrace::syscall_info(pid).expect("what is called");
                    if info.op == libc::PTRACE_SYSCALL_INFO_ENTRY {
                        // SAFETY: `op` says that the kernel filled in the `entry` member.
                        let number = unsafe { info.u.entry.nr }.cast_signed();
                        if kernel == Kernel::Older && number == NEW_CALL {
                            let mut registers = ptrace::getregs(pid).expect("the registers");
                            // No call has this number: ENOSYS.
                            registers.orig_rax = u64::MAX;
                            ptrace::setregs(pid, registers).expect("change the number");
                        }
                        // A debug build of the standard library looks at each descriptor before it closes it.
                        if !(cfg!(debug_assertions) && number == libc::SYS_fcntl) {
                            *calls.entry(number).or_default() += 1;
                        }
                    }
                }
                // The process that waited for the exec is told of it before the tracer is.
                WaitStatus::PtraceEvent(_, _, libc::PTRACE_EVENT_EXEC | libc::PTRACE_EVENT_VFORK_DONE) => {
                    started = true
                }
                // The first stop of a new process is the tracer's own doing.
                WaitStatus::Stopped(pid, signal) if !(known.insert(pid) && signal == Signal::SIGSTOP) => {
                    deliver = Some(signal);
                }
                _ => {}
            }
            if let Some(pid) =
                event.pid().filter(|_| !matches!(event, WaitStatus::Exited(..) | WaitStatus::Signaled(..)))
            {
                // A failure means that it was killed while it stood; waitpid will tell.
                let _gone = ptrace::syscall(pid, deliver).is_err();
            }
        }
        assert_eq!(code, Some(0), "the launch failed");
        assert!(started, "the program was not executed");
        calls
    }

    /// Whoever waits for any child must have no others: one test at a time.
    fn alone() -> std::sync::MutexGuard<'static, ()> {
        static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
        ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Of several launches: while the program is executed, the supervisor may or may not have begun to wait for it.
    fn fewest(program: &Path, line: &str, dir: &Path, (actor, kernel): (Actor, Kernel)) -> Calls {
        let launches = (0..5).map(|_| count(program, line, dir, (actor, kernel), Until::Start));
        launches.min_by_key(|calls| calls.values().sum::<usize>()).expect("five launches")
    }

    #[test]
    fn a_launch_makes_few_system_calls() {
        let _alone = alone();
        for actor in [Actor::User, Actor::Root] {
            if !actor.here() {
                continue;
            }
            let ours = fewest(tool().path(), LINE, Path::new("/"), (actor, Kernel::Own));
            let total: usize = ours.values().sum();
            println!("{actor:?}: ours {total} {ours:?}");
            if let Some(reference) = crate::support::references().first() {
                println!(
                    "{actor:?}: {} {}",
                    reference.tool.name,
                    fewest(reference.tool.path(), LINE, Path::new("/"), (actor, Kernel::Own)).values().sum::<usize>()
                );
            }
            assert!(total <= super::MOST, "{actor:?}: {total} system calls: {ours:?}");
        }
    }

    /// Filter and Landlock are on, and nothing is asked twice.
    #[test]
    fn a_launch_of_the_native_door_makes_few_system_calls() {
        native("empty", |_| {}, super::MOST_OF_RUN);
    }

    #[test]
    fn a_launch_in_a_repository_makes_few_system_calls() {
        native("repository", make_repository, super::MOST_IN_REPOSITORY);
    }

    /// A large tree, from the second run on: each directory is asked for its attributes, at the start and at the end,
    /// and none is read. What an empty directory costs is subtracted.
    #[test]
    fn a_tree_that_has_not_changed_is_not_read_again() {
        const DIRS: usize = 300;
        let _alone = alone();
        for actor in [Actor::User, Actor::Root] {
            if !actor.here() {
                continue;
            }
            let projects = ["small", "large"].map(|name| {
                let project = crate::support::stage().join(format!("calls-{name}-{actor:?}"));
                for dir in [&project, &state_of(&project)] {
                    std::fs::create_dir(dir).expect("make a directory");
                    if let Some((uid, gid)) = actor.ids() {
                        std::os::unix::fs::chown(dir, Some(uid), Some(gid)).expect("give it to the user");
                    }
                }
                project
            });
            for number in 0..DIRS - 3 {
                std::fs::create_dir_all(projects[1].join(format!("a/b/{number}"))).expect("make directories");
                std::fs::write(projects[1].join(format!("a/b/{number}/file")), "").expect("write a file");
            }
            // Younger times do not count.
            std::thread::sleep(std::time::Duration::from_millis(2100));
            let run = |project: &Path| {
                count(crate::support::pinfold(), "run true", project, (actor, Kernel::Own), Until::End)
            };
            let of =
                |calls: &Calls, numbers: &[i64]| -> usize { numbers.iter().filter_map(|call| calls.get(call)).sum() };
            let [small, first, second] = [&projects[0], &projects[1], &projects[1]].map(|project| run(project));
            let stored = state_of(&projects[1]).join("pinfold/trees");
            if !stored.exists() {
                crate::support::skip("the filesystem of /var/tmp has no times that count");
                return;
            }
            assert!(!state_of(&projects[0]).join("pinfold/trees").exists(), "a small tree has no record");
            let more = |calls: &Calls, numbers: &[i64]| of(calls, numbers).saturating_sub(of(&small, numbers));
            assert!(more(&first, &[libc::SYS_getdents64]) > DIRS / 2, "{first:?}");
            assert_eq!(more(&second, &[libc::SYS_getdents64]), 0, "{actor:?}: {second:?} {small:?}");
            let looks = more(&second, &[libc::SYS_statx, libc::SYS_newfstatat, libc::SYS_fstat]);
            // The rest is for the file of the record, and for the two directories that are opened on the way.
            assert!((2 * (DIRS - 1)..2 * DIRS + 20).contains(&looks), "{actor:?}: {looks} {second:?} {small:?}");
            let total: usize = second.values().sum::<usize>() - small.values().sum::<usize>();
            assert!(total < 2 * DIRS + 60, "{actor:?}: {total} {second:?} {small:?}");
        }
    }

    /// Counts `pinfold run true` in a project that `fill` makes, by each actor and on each kernel.
    fn native(name: &str, fill: fn(&Path), most: usize) {
        let _alone = alone();
        for actor in [Actor::User, Actor::Root] {
            if !actor.here() {
                continue;
            }
            let project = crate::support::stage().join(format!("calls-{name}-{actor:?}"));
            std::fs::create_dir(&project).expect("make a project");
            fill(&project);
            for kernel in [Kernel::Own, Kernel::Older] {
                let ours = fewest(crate::support::pinfold(), "run true", &project, (actor, kernel));
                let total: usize = ours.values().sum();
                println!("{actor:?}, {kernel:?}: run in {name} {total} {ours:?}");
                assert!(total <= most, "{actor:?}, {kernel:?}: {total} system calls: {ours:?}");
            }
        }
    }

    /// What `git clone` and `git gc` leave (gitrepository-layout(5)), with a work tree of a dozen directories.
    fn make_repository(project: &Path) {
        const HOOKS: &str = "applypatch-msg commit-msg fsmonitor-watchman post-update pre-applypatch pre-commit \
                             pre-merge-commit pre-push pre-rebase pre-receive prepare-commit-msg push-to-checkout \
                             sendemail-validate update";
        let config = "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = false\n\
                      [remote \"origin\"]\n\turl = https://example.org/x\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n\
                      [branch \"main\"]\n\tremote = origin\n\tmerge = refs/heads/main\n";
        let write = |path: &str, text: &str| {
            let path = project.join(path);
            std::fs::create_dir_all(path.parent().expect("a file lies in a directory")).expect("make directories");
            std::fs::write(path, text).expect("write a file");
        };
        write(".git/HEAD", "ref: refs/heads/main\n");
        write(".git/config", config);
        write(".git/packed-refs", "# pack-refs with: peeled fully-peeled sorted\n");
        for hook in HOOKS.split_whitespace() {
            write(&format!(".git/hooks/{hook}.sample"), "#!/bin/sh\n");
        }
        for file in "description index info/exclude objects/info/packs objects/pack/pack-1.idx objects/pack/pack-1.pack \
                     refs/heads/main refs/remotes/origin/HEAD logs/HEAD logs/refs/heads/main logs/refs/remotes/origin/HEAD"
            .split_whitespace()
        {
            write(&format!(".git/{file}"), "");
        }
        for dir in [".git/branches", ".git/refs/tags"] {
            std::fs::create_dir_all(project.join(dir)).expect("make a directory");
        }
        for file in "README.md src/main.rs src/parse/mod.rs src/parse/tests.rs src/net/mod.rs src/net/tls/mod.rs \
                     tests/cli/main.rs tests/data/a.txt docs/book/index.md docs/images/logo.svg examples/hello.rs tools/build.sh"
            .split_whitespace()
        {
            write(file, "");
        }
    }
}

#[cfg(not(all(target_arch = "x86_64", target_env = "gnu")))]
#[test]
fn a_launch_makes_few_system_calls() {
    support::skip("the tracer knows the system calls of x86_64 only");
}
