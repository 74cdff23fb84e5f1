//! The tests themselves.

mod calls;
#[path = "../support/example.rs"]
mod example;
#[path = "../support/executable.rs"]
#[allow(dead_code, reason = "each test file uses its own part")]
mod executable;
mod judge;
mod launch;
mod pool;
mod shot;
#[allow(unsafe_code, reason = "ptrace(2)'s union, and the hook between fork and exec")]
mod tracer;
mod words;
mod worker;

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::available_parallelism;

use nix::sched::{CloneFlags, unshare};
use nix::sys::ptrace;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::{Pid, Uid, mkdtemp};

use crate::{leave_to_root, skip};
use launch::{DOOR, LAUNCHES, Launch, User};
use pool::Tally;
use worker::{JOB, Job, Mode};

#[test]
fn every_call_fails_in_turn() {
    campaign(Mode::Fail, "errors");
}

#[test]
fn every_process_is_killed_at_every_call() {
    campaign(Mode::Kill, "kills");
}

/// Not a test: what the tests above start to do the tracing.
#[test]
#[ignore = "the tracing process, started by the tests"]
fn tracing_process() {
    if let Ok(words) = std::env::var(JOB) {
        let job = Job::from_words(&words).expect("a job");
        worker::work(&job).expect("the tracing process");
    }
}

fn campaign(mode: Mode, what: &str) {
    if let Some(obstacle) = obstacle() {
        return skip(&obstacle);
    }
    let place = Place::new().expect("a place for the tool");
    let (mut injections, mut failures) = (0, Vec::new());
    for launch in LAUNCHES {
        if std::env::var("PINFOLD_FAULT_ONLY").is_ok_and(|names| !names.split(',').any(|name| name == launch.name)) {
            continue;
        }
        if launch.user == User::Root && !Uid::effective().is_root() {
            leave_to_root(launch.name);
            continue;
        }
        let tally = pool::run(&place.job(launch, mode), available_parallelism().map_or(1, usize::from));
        report(launch, what, &tally);
        injections += tally.injections();
        failures.extend(tally.failures);
        // A call that does not come was not tested. A few are the scheduler's; many would be a hole in the proof.
        if tally.missed * 50 > injections {
            failures.push(format!("{}: {} calls did not come again", launch.name, tally.missed));
        }
    }
    say(&format!("fault injection: {injections} injections ({what}), {} failures\n", failures.len()));
    assert!(injections > 0, "nothing was tested");
    assert!(failures.is_empty(), "{} of {injections} injections:\n{}", failures.len(), failures.join("\n"));
}

fn report(launch: &Launch, what: &str, tally: &Tally) {
    if std::env::var_os("PINFOLD_FAULT_VERBOSE").is_some() {
        say(&tally.log);
    }
    let Tally { calls, processes, cannot_fail, complete, refused, late, missed, failures, .. } = tally;
    say(&format!(
        "fault injection: {}: {} {what} in {calls} calls of {processes} processes ({cannot_fail} calls cannot fail): \
         {complete} complete, {refused} refused, {late} after the start, {} failures, {missed} missed\n",
        launch.name,
        tally.injections(),
        failures.len()
    ));
}

/// Straight to stderr: what eprintln! prints, libtest keeps for itself when a test succeeds.
fn say(text: &str) {
    _ = io::stderr().write_all(text.as_bytes());
}

/// What keeps these tests from running here: no ptrace or no user namespaces for the user of the launches.
fn obstacle() -> Option<String> {
    let mut command = Command::new("/bin/true");
    if let Some(id) = User::Ordinary.other_id() {
        command.uid(id).gid(id);
    }
    let try_both = || {
        unshare(CloneFlags::CLONE_NEWUSER)?;
        ptrace::traceme()?;
        Ok(())
    };
    // SAFETY: the closure runs in the child after fork; it makes two system calls, allocates nothing, takes no lock.
    #[allow(unsafe_code, reason = "the hook between fork and exec")]
    unsafe {
        command.pre_exec(try_both)
    };
    match command.spawn() {
        Err(error) => Some(format!("no user namespace or no ptrace: {error}")),
        Ok(child) => {
            // It stands at its exec, for its tracer: which is the thread that forked, this one.
            let pid = Pid::from_raw(child.id().cast_signed());
            kill(pid, Signal::SIGKILL).expect("kill");
            while waitpid(pid, Some(WaitPidFlag::__WALL)).is_ok() {}
            None
        }
    }
}

/// A directory with a copy of the tool that every user can execute, which the build directory may not allow.
struct Place(PathBuf);

impl Place {
    fn new() -> io::Result<Place> {
        let tool = std::env::var_os("PINFOLD_TEST_TOOL").unwrap_or_else(|| env!("CARGO_BIN_EXE_pinfold").into());
        let place = Place(mkdtemp("/var/tmp/pinfold-fault-XXXXXX")?);
        fs::set_permissions(&place.0, fs::Permissions::from_mode(0o755))?;
        executable::copy(Path::new(&tool), &place.tool());
        executable::copy(&example::built(DOOR, &["tests/landlock", "src"]), &place.0.join(DOOR));
        Ok(place)
    }

    fn tool(&self) -> PathBuf {
        self.0.join("bwrap")
    }

    fn job(&self, launch: &'static Launch, mode: Mode) -> Job {
        let scratch = self.0.join(launch.name);
        make_passable(&scratch).expect("a directory for the launch");
        Job { launch, mode, shard: 0, shards: 1, from: 0, tool: self.tool(), scratch }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.0);
    }
}

fn make_passable(directory: &Path) -> io::Result<()> {
    fs::create_dir(directory)?;
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755))
}
