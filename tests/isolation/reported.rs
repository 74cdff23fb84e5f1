//! PID 1 of a box whose id somebody has asked for (`--info-fd`, `--json-status-fd`): the caller's tools can look into
//! it (nsenter, flatpak enter), and with them the program inside. So the file of its program must be nobody's to
//! change.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::errno;
use crate::support::inside::line;
use crate::support::{Actor, Fd, Fixture, Launch, Running, executable, probe, tool};

/// A BPF program that allows everything: `BPF_RET | BPF_K`, `SECCOMP_RET_ALLOW`.
const ALLOW: &[u8] = &[6, 0, 0, 0, 0, 0, 0xff, 0x7f];
const PLAIN: &str = "--unshare-all --ro-bind / / --proc /proc";

/// A copy of the tool that belongs to the user, as one does that he has built or put in his home.
fn own(fixture: &Fixture) -> PathBuf {
    let own = fixture.path.join("bwrap");
    executable::copy(tool().path(), &own);
    if let Some((uid, gid)) = Actor::User.ids() {
        std::os::unix::fs::chown(&own, Some(uid), Some(gid)).expect("give the copy to the user");
    }
    own
}

/// A launch of `program` that runs `script` in a box, where `refused` calls fail with EPERM.
fn launch(program: &Path, refused: &[i64], options: &str, script: &str) -> Launch {
    let mut words: Vec<String> = refused.iter().map(|call| format!("{call}:{}", libc::EPERM)).collect();
    words.insert(0, "refuse".into());
    words.extend(["--".into(), program.display().to_string()]);
    words.extend(line(options, &["sh", "-c", script]).split_off(1));
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let launch = Launch::program(probe(), Actor::User, &words);
    launch.fd(0, Fd::In).fd(5, Fd::Bytes(ALLOW)).fd(6, Fd::Text("")).fd(8, Fd::Out)
}

/// Waits for the program, and returns the id that was reported.
fn up(running: &mut Running) -> String {
    running.read_until(1, |said| said.contains("up"));
    let info = running.read_until(8, |said| said.contains('}'));
    info.chars().skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit).collect()
}

/// What a tool of the caller's gets that looks into process `pid`: an error number, or 0.
fn look(pid: &str) -> i32 {
    let outcome = Launch::program(probe(), Actor::User, &["cat", &format!("/proc/{pid}/environ")]).run();
    if outcome.ending() == "exit 0" { 0 } else { outcome.refused() }
}

/// As with bubblewrap, whoever owns the file of the program; and it is PID 1 as ever otherwise.
#[test]
fn pid_1_is_open_to_the_caller_that_asked_for_it() {
    let fixture = Fixture::new("reported", Actor::User);
    for program in [own(&fixture).as_path(), tool().path()] {
        for (options, filters) in [
            ("--info-fd 8", 0),
            ("--json-status-fd 8", 0),
            ("--info-fd 8 --uid 0 --gid 0", 0),
            ("--info-fd 8 --cap-add CAP_KILL", 0),
            ("--info-fd 8 --add-seccomp-fd 5", 1),
            ("--info-fd 8 --seccomp 5", 1),
            ("--info-fd 8 --sync-fd 6", 0),
            ("--info-fd 8 --die-with-parent --new-session", 0),
        ] {
            let script = "echo up; read end; exit 7";
            let mut running = launch(program, &[], &format!("{PLAIN} {options}"), script).start();
            let pid = up(&mut running);
            assert_eq!(look(&pid), 0, "{} {options}", program.display());
            let about = |file: &str| fs::read_to_string(format!("/proc/{pid}/{file}")).expect("look at PID 1");
            assert_eq!((&about("comm")[..], about("cmdline").trim_end_matches('\0')), ("bwrap\n", "bwrap"));
            // The program may run before PID 1 has installed its filters; one more is around the tool.
            let deadline = Instant::now() + Duration::from_secs(30);
            let filtered = format!("Seccomp_filters:\t{}\n", filters + 1);
            while !about("status").contains(&filtered) {
                assert!(Instant::now() < deadline, "{options}: {}", about("status"));
                std::thread::yield_now();
            }
            let status = about("status");
            assert!(status.contains("CapPrm:\t0000000000000000\n") && status.contains("NoNewPrivs:\t1\n"), "{status}");
            running.end_feed(0);
            assert_eq!(running.finish().ending(), "exit 7", "{options}");
        }
    }
}

/// CVE-2019-5736: what is executed can be opened for reading and written to later. Of the user's own copy, the file
/// that is found in the box is another one, and sealed.
#[test]
fn a_binary_of_the_callers_own_is_out_of_reach_whatever_is_reported() {
    let fixture = Fixture::new("own-binary", Actor::User);
    let own = own(&fixture);
    let before = fs::read(&own).expect("read the copy");
    let (place, probe) = (own.display(), probe().display().to_string());
    for (options, pid) in [(PLAIN, "1"), ("--bind / / --sync-fd 6", "$PPID")] {
        for report in ["--info-fd 8", "--json-status-fd 8"] {
            // The file by its inode, by writing while it is executed, and after that.
            let script = format!(
                "test {place} -ef /proc/{pid}/exe && echo the same; exec 9</proc/{pid}/exe; echo up; \
                 {probe} write /proc/{pid}/exe; init={pid}; test $init = 1 || {{ kill -9 $init; \
                 while kill -0 $init 2>&-; do :; done; {probe} write /proc/self/fd/9; }}"
            );
            let outcome = launch(&own, &[], &format!("{options} {report}"), &script).fd(0, Fd::Text("")).run();
            let said = outcome.stdout_text();
            let wanted = match pid {
                "1" => format!("up\nrefused errno {}\n", libc::ETXTBSY),
                _ => format!("up\nrefused errno {}\nrefused errno {}\n", libc::ETXTBSY, errno::PERM),
            };
            assert_eq!(said, wanted, "{options} {report}: {outcome}");
        }
    }
    assert!(fs::read(&own).expect("read the copy") == before, "the user's copy was changed");
}

/// Where the kernel or a policy allows no program in memory, the box runs, and PID 1 is closed.
#[test]
fn without_a_sealed_copy_pid_1_stays_closed() {
    let fixture = Fixture::new("no-copy", Actor::User);
    let own = own(&fixture);
    for call in [libc::SYS_memfd_create, libc::SYS_execveat] {
        let options = format!("{PLAIN} --info-fd 8 --add-seccomp-fd 5");
        let mut running = launch(&own, &[call], &options, "echo up; read end; exit 7").start();
        let pid = up(&mut running);
        assert_eq!(look(&pid), libc::EACCES, "{call}");
        running.end_feed(0);
        assert_eq!(running.finish().ending(), "exit 7", "{call}");
        let script = format!("{} cat /proc/1/exe", probe().display());
        let outcome = launch(&own, &[call], &options, &script).fd(0, Fd::Text("")).run();
        assert_eq!(outcome.refused(), libc::EACCES, "{call}");
    }
    // Root of the box would gain what it may have by starting again.
    let options = format!("{PLAIN} --info-fd 8 --uid 0 --cap-add ALL");
    let mut running = launch(&own, &[], &options, "echo up; read end").start();
    assert_eq!(look(&up(&mut running)), libc::EACCES);
    running.end_feed(0);
    running.finish();
}
