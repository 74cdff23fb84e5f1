//! `spec_spawn SCENARIO`: a library user with threads that starts boxes and goes on beside them. Each scenario checks
//! what it promises, and ends with a panic where that does not hold.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a scenario ends at the first surprise
#![allow(unsafe_code)] // signals

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicI32, Ordering};

use nix::errno::Errno;
use nix::sys::signal::{SigHandler, SigSet, Signal, kill, signal};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::{Pid, getpgrp};
use pinfold::{Child, Event, Sandbox, Stdio};

fn main() {
    let scenario = std::env::args().nth(1).unwrap_or_default();
    if scenario == "one-after-another" {
        one_after_another();
        println!("{scenario} holds");
        return;
    }
    // Others allocate all the time, so that at a fork some lock is often held by a thread which the copy does not have.
    for _ in 0..3 {
        #[allow(clippy::disallowed_methods)] // spawning from a process with threads is the point
        std::thread::spawn(|| {
            let mut kept = Vec::new();
            for size in (1..).map(|n| n % 5000) {
                kept.push(vec![1u8; size]);
                if kept.len() > 50 {
                    kept.clear();
                }
            }
        });
    }
    let found = SCENARIOS.iter().find(|(name, _)| *name == scenario);
    found.expect("the name of a scenario").1();
    println!("{scenario} holds");
}

/// All that there are.
const SCENARIOS: &[(&str, fn())] = &[
    ("talks", talks),
    ("two-at-once", two_at_once),
    ("killed", killed),
    ("dropped", dropped),
    ("dropped-alone", dropped_alone),
    ("stopped", stopped),
    ("found", found),
    ("descriptors", descriptors),
    ("unchanged", unchanged),
    ("refused", refused),
    ("not-there", not_there),
    ("handlers", handlers),
    ("children-ignored", children_ignored),
    ("no-standard-input", no_standard_input),
    ("many", many),
    ("waits-for-ever", waits_for_ever),
];

fn shell(script: &str) -> Sandbox {
    let sandbox = Sandbox::new(["sh", "-c", script]).ro_bind("/usr", "/usr").symlink("usr/bin", "/bin");
    sandbox.symlink("usr/lib", "/lib").symlink("usr/lib64", "/lib64").proc("/proc").dev("/dev").tmpfs("/tmp")
}

/// A box with pipes: what it is told, and what it says.
fn with_pipes(sandbox: Sandbox) -> (Child, std::io::PipeWriter, std::io::PipeReader) {
    let (input, to_box) = std::io::pipe().unwrap();
    let (from_box, output) = std::io::pipe().unwrap();
    let stdio = Stdio { input: Some(input.into()), output: Some(output.into()), error: None };
    (sandbox.spawn_with(stdio).unwrap(), to_box, from_box)
}

fn all_of(mut from: impl Read) -> String {
    let mut text = String::new();
    from.read_to_string(&mut text).unwrap();
    text
}

fn line_of(from: &mut impl Read) -> String {
    let mut line = Vec::new();
    while line.last() != Some(&b'\n') {
        let mut byte = [0];
        from.read_exact(&mut byte).unwrap();
        line.push(byte[0]);
    }
    String::from_utf8(line).unwrap()
}

/// A handle on a process that lives.
fn pidfd(pid: u32) -> OwnedFd {
    // SAFETY: two numbers in, a new descriptor or -1 out.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    assert!(fd >= 0, "process {pid}: {}", Errno::last());
    // SAFETY: the kernel has just made it, and nobody else knows it.
    unsafe { std::os::fd::FromRawFd::from_raw_fd(fd as i32) }
}

/// Waits until a process has ended.
fn gone(process: &OwnedFd) {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use std::os::fd::AsFd;
    while poll(&mut [PollFd::new(process.as_fd(), PollFlags::POLLIN)], PollTimeout::NONE) == Err(Errno::EINTR) {}
}

/// This process has no child, no zombie either.
fn no_children() {
    assert_eq!(waitpid(None, Some(WaitPidFlag::WNOHANG | WaitPidFlag::__WALL)), Err(Errno::ECHILD));
}

/// In a process with one thread, which is as before after each run.
fn one_after_another() {
    let settings = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let signals =
            status.lines().filter(|line| line.starts_with("Sig") && !line.starts_with("SigQ")).map(str::to_owned);
        // SAFETY: plain numbers.
        (unsafe { libc::prctl(libc::PR_GET_DUMPABLE) }, signals.collect::<Vec<_>>())
    };
    let before = settings();
    assert_eq!(before.0, 1);
    for code in [3, 4] {
        let mut spec = shell(&format!("exit {code}")).spec().unwrap();
        spec.lifecycle.on_signal = pinfold::spec::OnSignal::EndSandbox;
        assert_eq!(pinfold::run(spec), Ok(code));
        assert_eq!(settings(), before);
    }
    assert!(shell("exit 0").chdir("/not-there").run().is_err());
    assert_eq!(settings(), before);
}

fn talks() {
    let (mut child, mut to_box, from_box) = with_pipes(shell("read x; echo got-$x; exit 7"));
    assert_eq!(child.try_wait(), Ok(None));
    to_box.write_all(b"word\n").unwrap();
    assert_eq!(all_of(from_box), "got-word\n");
    assert_eq!(child.wait(), Ok(7));
    assert_eq!((child.wait(), child.try_wait(), child.next_event()), (Ok(7), Ok(Some(7)), None));
    no_children();
}

fn two_at_once() {
    let script = "echo ready; read x; echo $x";
    let (mut one, mut to_one, mut from_one) = with_pipes(shell(script));
    let (mut two, mut to_two, mut from_two) = with_pipes(shell(script));
    assert_eq!((line_of(&mut from_one), line_of(&mut from_two)), ("ready\n".into(), "ready\n".into()));
    to_two.write_all(b"2\n").unwrap();
    assert_eq!((all_of(from_two), two.wait()), ("2\n".into(), Ok(0)));
    // What the second has does not keep the first one's input from ending.
    to_one.write_all(b"1").unwrap();
    drop(to_one);
    assert_eq!((all_of(from_one), one.wait()), ("1\n".into(), Ok(0)));
    no_children();
}

fn killed() {
    let (mut child, _to_box, mut from_box) = with_pipes(shell("(trap '' TERM INT; read y) & echo ready; read x"));
    line_of(&mut from_box);
    let first = pidfd(child.id());
    child.kill();
    assert_eq!(child.wait(), Ok(128 + 9));
    gone(&first);
    child.kill();
    no_children();
    // Nobody holds the pipe any more.
    assert_eq!(all_of(from_box), "");
}

fn dropped() {
    let (child, _to_box, mut from_box) = with_pipes(shell("sleep 1000 & echo ready; read x"));
    line_of(&mut from_box);
    let first = pidfd(child.id());
    drop(child);
    gone(&first);
    no_children();
    assert_eq!(all_of(from_box), "");
}

/// The same of a box that would outlive the process which has started it.
fn dropped_alone() {
    let (output, said) = std::io::pipe().unwrap();
    let (mut output, _to_box, input) = (output, std::io::pipe().unwrap(), std::io::pipe().unwrap());
    let mut spec = shell("sleep 1000 & echo ready; read x").spec().unwrap();
    spec.lifecycle.die_with = pinfold::spec::DieWith::Nobody;
    let stdio = Stdio { input: Some(input.0.into()), output: Some(said.into()), error: None };
    let child = pinfold::spawn_with(spec, stdio).unwrap();
    line_of(&mut output);
    let first = pidfd(child.id());
    drop(child);
    gone(&first);
    no_children();
}

fn stopped() {
    let (mut child, _to_box, _from_box) = with_pipes(shell("kill -STOP $$; exit 3"));
    assert_eq!(child.next_event(), Some(Event::Stopped(libc::SIGSTOP as u8)));
    child.kill();
    assert_eq!((child.next_event(), child.wait()), (None, Ok(128 + 9)));
}

/// What a program has left is told, also of one that was killed.
fn found() {
    let dir = std::env::temp_dir().join(format!("pinfold-spawn-{}", std::process::id()));
    for ends_itself in [true, false] {
        std::fs::create_dir(&dir).unwrap();
        let sandbox = shell("mkdir .vscode; echo made; read x").workspace(&dir).chdir(&dir);
        let (mut child, to_box, mut from_box) = with_pipes(sandbox);
        line_of(&mut from_box);
        if ends_itself {
            drop(to_box);
        } else {
            child.kill();
        }
        let events: Vec<Event> = std::iter::from_fn(|| child.next_event()).collect();
        std::fs::remove_dir_all(&dir).unwrap();
        let line = "new here, and obeyed later: .vscode (tasks that run when the folder is opened, programs that \
                    settings name)";
        assert_eq!(events, [Event::Found(line.to_owned())]);
        assert_eq!(child.wait(), Ok(if ends_itself { 1 } else { 128 + 9 }));
    }
}

fn open_numbers() -> BTreeSet<String> {
    let names = std::fs::read_dir("/proc/self/fd").unwrap();
    names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// None is left here, none is left in a box, not even while others run.
fn descriptors() {
    let before = open_numbers();
    {
        let (_other, _to_other, _from_other) = with_pipes(shell("read x"));
        // The last one is the directory that is listed.
        let (mut child, _to_box, from_box) = with_pipes(shell("cd /proc/self/fd && echo *"));
        assert_eq!((all_of(from_box), child.wait()), ("0 1 2 3\n".into(), Ok(0)));
    }
    assert_eq!(open_numbers(), before);
}

/// The caller is what it was.
fn unchanged() {
    let state = || {
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        let kept = ["NoNewPrivs", "SigBlk", "SigIgn", "SigCgt", "Cap", "Seccomp"];
        let lines = status.lines().filter(|line| kept.iter().any(|name| line.starts_with(name)));
        let namespaces = ["user", "pid_for_children", "net", "mnt"];
        let namespaces = namespaces.map(|name| std::fs::read_link(format!("/proc/thread-self/ns/{name}")).unwrap());
        // SAFETY: takes no pointer.
        let dumpable = unsafe { libc::prctl(libc::PR_GET_DUMPABLE) };
        (lines.collect::<Vec<_>>().join("\n"), namespaces, dumpable, getpgrp())
    };
    let mut blocked = SigSet::empty();
    blocked.add(Signal::SIGUSR1);
    blocked.thread_block().unwrap();
    let before = state();
    // As with `Command`: nothing is blocked, and ignored what the caller ignores, but for SIGPIPE.
    let (mut child, _to_box, from_box) = with_pipes(shell("grep -E '^Sig(Blk|Ign)' /proc/self/status"));
    let mask = |text: &str, name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)).expect("a mask");
        u64::from_str_radix(line.trim(), 16).unwrap()
    };
    let said = all_of(from_box);
    assert_eq!(mask(&said, "SigBlk:"), 0);
    let pipe = 1 << (libc::SIGPIPE - 1);
    assert_eq!(mask(&before.0, "SigIgn:") & pipe, pipe, "the runtime of Rust does not ignore SIGPIPE");
    assert_eq!(mask(&said, "SigIgn:"), mask(&before.0, "SigIgn:") & !pipe);
    assert_eq!(child.wait(), Ok(0));
    assert_eq!(state(), before);
}

fn refused() {
    let error = shell("true").ro_bind("/not/there", "/x").spawn().unwrap_err();
    assert!(error.to_string().contains("/not/there"), "{error}");
    no_children();
}

/// What is found out when everything is set up is the result of the wait.
fn not_there() {
    let mut child = Sandbox::new(["/not/there"]).ro_bind("/usr", "/usr").spawn().unwrap();
    let error = child.wait().unwrap_err();
    assert!(error.to_string().contains("/not/there"), "{error}");
    no_children();
}

/// Descriptor of the pipe into which the handler of the caller writes.
static HANDLED: AtomicI32 = AtomicI32::new(-1);

extern "C" fn handle(_: libc::c_int) {
    // SAFETY: one byte of a live array.
    unsafe { libc::write(HANDLED.load(Ordering::Relaxed), [1u8].as_ptr().cast(), 1) };
}

/// A handler of the caller does not run in the process that looks after the box.
fn handlers() {
    use std::os::fd::AsRawFd;
    let (handled, pipe) = std::io::pipe().unwrap();
    HANDLED.store(pipe.as_raw_fd(), Ordering::Relaxed);
    // SAFETY: the handler calls write(2) only.
    unsafe { signal(Signal::SIGTERM, SigHandler::Handler(handle)) }.unwrap();
    let (mut child, _to_box, mut from_box) = with_pipes(shell("echo ready; read x"));
    line_of(&mut from_box);
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let children = tasks.map(|task| std::fs::read_to_string(task.unwrap().path().join("children")).unwrap());
    let supervisor: i32 = children.collect::<String>().trim().parse().unwrap();
    assert_ne!(nix::unistd::getpgid(Some(Pid::from_raw(supervisor))).unwrap(), getpgrp());
    let first = pidfd(child.id());
    kill(Pid::from_raw(supervisor), Signal::SIGTERM).unwrap();
    let error = child.wait().unwrap_err();
    assert!(error.to_string().contains("killed by signal 15"), "{error}");
    gone(&first);
    no_children();
    drop(pipe);
    assert_eq!(all_of(handled), "");
}

/// A caller that ignores the end of its children is told the code all the same.
fn children_ignored() {
    // SAFETY: no handler is installed.
    unsafe { signal(Signal::SIGCHLD, SigHandler::SigIgn) }.unwrap();
    assert_eq!(shell("exit 5").spawn().unwrap().wait(), Ok(5));
}

fn no_standard_input() {
    let (from_box, output) = std::io::pipe().unwrap();
    nix::unistd::close(0).unwrap();
    let stdio = Stdio { output: Some(output.into()), ..Stdio::default() };
    let mut child = shell("read x || echo none").spawn_with(stdio).unwrap();
    assert!(nix::fcntl::fcntl(std::io::stdin(), nix::fcntl::FcntlArg::F_GETFD).is_err(), "there is an input now");
    assert_eq!((all_of(from_box), child.wait()), ("none\n".into(), Ok(0)));
}

/// Often enough that a lock held by another thread would be met.
fn many() {
    for code in 0..100 {
        assert_eq!(shell(&format!("exit {code}")).spawn().unwrap().wait(), Ok(code));
    }
    no_children();
}

/// Whoever started this kills it.
fn waits_for_ever() {
    let (mut child, _to_box, mut from_box) = with_pipes(shell("sleep 1000 & echo ready; read x"));
    line_of(&mut from_box);
    println!("first {}", child.id());
    child.wait().unwrap();
}
