//! The launches that are put to the test: command lines, the descriptors they name, and the payload.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::unistd::{Uid, getsid};

/// The payload's exit code: one that neither a success nor an error of the tool has.
pub(crate) const PAYLOAD_CODE: i32 = 7;

/// The name of the program for launches through the library, beside the tool.
pub(crate) const DOOR: &str = "door";

/// The ordinary user of a test that runs as root.
pub(crate) const ORDINARY_ID: u32 = 1000;

/// The payload. It leaves evidence, then tells everything that a missing restriction would change. Shell built-ins but
/// for one readlink, because every process of the payload costs time in some thousand launches.
const PROBE: &str = r#"
: > "$1"
echo "== status"
while IFS= read -r line; do
    case $line in Uid*|Gid*|Groups*|Umask*|Cap*|NoNewPrivs*|Seccomp*|SigBlk*|SigIgn*) echo "$line" ;; esac
done < /proc/self/status
for file in uid_map gid_map setgroups mountinfo; do
    echo "== $file"
    while IFS= read -r line; do echo "$line"; done < /proc/self/$file
done
echo "== session"
read -r pid comm state parent group session tty rest < /proc/self/stat
for id in $group $session; do
    case $id in $pid) echo own ;; 0) echo outside ;; $2) echo "the caller's" ;; *) echo "the tool's" ;; esac
done
echo "== names"
read -r name < /proc/sys/kernel/hostname
echo "$name"
pwd
echo "== environment"
umask
ulimit -a
export -p
echo "== links"
set -- /proc/$$/ns/* /proc/$$/fd/*
echo "$*"
readlink "$@"
echo "== files"
echo /* /run/x/*
for file in /tmp/file /tmp/data; do
    [ -e $file ] && read -r line < $file && echo "$file: $line"
done
exit 7
"#;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum User {
    /// Uid 1000 without groups if the test runs as root, the caller otherwise.
    Ordinary,
    Root,
}

/// One command line.
pub(crate) struct Launch {
    pub(crate) name: &'static str,
    pub(crate) user: User,
    pub(crate) dies_with_parent: bool,
    /// Which door it goes through.
    pub(crate) door: Door,
    arguments: fn(&Scratch, &mut Fds) -> Vec<String>,
    /// Where the payload sees the writable directory.
    work: fn(&Scratch) -> String,
}

/// What is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// The tool as `bwrap`.
    Bwrap,
    /// `pinfold run`.
    Run,
    /// It has wishes that `bwrap` has no words for, and goes through the library: see tests/landlock/door.rs.
    Library,
}

impl Door {
    /// What its messages begin with.
    pub(crate) fn prefix(self) -> &'static str {
        if self == Door::Run { "pinfold: " } else { "bwrap: " }
    }

    /// The code with which it ends when it has failed, and the program has not run. Where the program itself cannot be
    /// executed `pinfold run` has two others, as env(1) has.
    pub(crate) fn has_failed(self, code: i32) -> bool {
        if self == Door::Run { (125..=127).contains(&code) } else { code == 1 }
    }
}

pub(crate) const LAUNCHES: &[Launch] = &[
    Launch {
        name: "typical",
        user: User::Ordinary,
        dies_with_parent: true,
        door: Door::Bwrap,
        arguments: |scratch, _| typical(scratch),
        work: |_| "/work".into(),
    },
    Launch {
        name: "featureful",
        user: User::Ordinary,
        dies_with_parent: false,
        door: Door::Bwrap,
        arguments: featureful,
        work: Scratch::work,
    },
    Launch {
        name: "no-pid-namespace",
        user: User::Ordinary,
        dies_with_parent: false,
        door: Door::Bwrap,
        arguments: |scratch, _| words(&format!("--ro-bind / / --bind {0} {0} --chdir {0}", scratch.work())),
        work: Scratch::work,
    },
    // Root gets no user namespace unless it asks for one: what is mounted here is mounted with real privileges.
    Launch {
        name: "root-no-user-namespace",
        user: User::Root,
        dies_with_parent: true,
        door: Door::Bwrap,
        arguments: |scratch, _| {
            let work = scratch.work();
            words(&format!(
                "--unshare-pid --unshare-net --die-with-parent --ro-bind / / --proc /proc --tmpfs /tmp \
                 --bind {work} {work} --chdir {work} --cap-drop ALL"
            ))
        },
        work: Scratch::work,
    },
    // Every kind of rule, and a scope: the network is the host's.
    Launch {
        name: "landlock",
        user: User::Ordinary,
        dies_with_parent: false,
        door: Door::Library,
        arguments: |scratch, _| {
            words(&format!(
                "mirror pid connect 1 bind-port 2 ro /usr /usr link usr/lib /lib link usr/lib64 /lib64 \
                 link usr/bin /bin proc /proc dev /dev tmpfs /tmp rw {} /work ro-remount / chdir /work --",
                scratch.work()
            ))
        },
        work: |_| "/work".into(),
    },
    Launch {
        name: "landlock-only",
        user: User::Ordinary,
        dies_with_parent: false,
        door: Door::Library,
        arguments: |scratch, _| {
            let work = scratch.work();
            words(&format!(
                "only best-effort ro /usr /usr ro /bin /bin ro /lib /lib ro /lib64 /lib64 dev-bind /proc /proc \
                 rw {work} {work} chdir {work} --"
            ))
        },
        work: Scratch::work,
    },
    // The filter is one that the tool compiles: a call that the tracer skips has the number -1 when the filter sees it,
    // and is answered by it, so no filter here.
    Launch {
        name: "run",
        user: User::Ordinary,
        dies_with_parent: false,
        door: Door::Run,
        arguments: |_, _| words("--seccomp off --"),
        work: Scratch::work,
    },
    Launch {
        name: "run-featureful",
        user: User::Ordinary,
        dies_with_parent: false,
        door: Door::Run,
        arguments: run_featureful,
        work: Scratch::work,
    },
];

fn run_featureful(_: &Scratch, fds: &mut Fds) -> Vec<String> {
    let status = fds.report();
    words(&format!(
        "--seccomp off --json-status-fd {status} --deny /etc/hosts --deny /etc/pass* --file /etc/hostname:/tmp/file \
         --env SET=yes --hostname box --net host --tcp-connect 80,443 --tcp-bind none --cap-add CAP_NET_ADMIN \
         --overlay /usr/share --"
    ))
}

impl Launch {
    pub(crate) fn named(name: &str) -> Option<&'static Launch> {
        LAUNCHES.iter().find(|launch| launch.name == name)
    }

    /// The command that starts the tool, with fresh descriptors: files given to it are read only once.
    pub(crate) fn command(&self, tool: &Path, scratch: &Scratch) -> io::Result<(Command, Fds)> {
        let mut fds = Fds::new()?;
        let arguments = (self.arguments)(scratch, &mut fds);
        let program = if self.door == Door::Library { tool.with_file_name(DOOR) } else { tool.to_owned() };
        let mut command = Command::new(program);
        command
            .arg0(if self.door == Door::Run { "pinfold" } else { "bwrap" })
            .args(if self.door == Door::Run { &["run"][..] } else { &[] })
            .args(arguments)
            .args(["/bin/sh", "-c", PROBE, "sh", &format!("{}/ran", (self.work)(scratch))])
            .arg(getsid(None)?.to_string())
            .current_dir(scratch.path("work"))
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("LANG", "C")
            // Whatever the tool keeps outside of the box, it shall keep where the test looks.
            .env("HOME", scratch.path("home"))
            .env("TMPDIR", scratch.path("tmp"))
            .env("XDG_RUNTIME_DIR", scratch.path("run"))
            .stdin(Stdio::null())
            .stdout(fds.stdout.try_clone()?)
            .stderr(fds.stderr.try_clone()?);
        if let Some(id) = self.user.other_id() {
            // std drops the supplementary groups too when root gives itself up.
            command.uid(id).gid(id);
        }
        Ok((command, fds))
    }
}

impl User {
    /// The id to change to, if it is another.
    pub(crate) fn other_id(self) -> Option<u32> {
        (self == User::Ordinary && Uid::effective().is_root()).then_some(ORDINARY_ID)
    }
}

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

fn typical(scratch: &Scratch) -> Vec<String> {
    words(&format!(
        "--unshare-all --die-with-parent --ro-bind /usr /usr --symlink usr/lib /lib --symlink usr/lib64 /lib64 \
         --symlink usr/bin /bin --proc /proc --dev /dev --tmpfs /tmp --dir /run/x --bind {} /work --chdir /work",
        scratch.work()
    ))
}

fn featureful(scratch: &Scratch, fds: &mut Fds) -> Vec<String> {
    // One classic BPF instruction: BPF_RET | BPF_K, SECCOMP_RET_ALLOW. It must allow the number -1, which is what a
    // call skipped by the tracer has when the filter sees it.
    let allow_all = [0x06, 0, 0, 0, 0, 0, 0xff, 0x7f];
    let file = fds.input(b"file\n");
    let data = fds.input(b"data\n");
    let filter = fds.input(&allow_all);
    let sync = fds.input(b"");
    let info = fds.report();
    let status = fds.report();
    let work = scratch.work();
    words(&format!(
        "--unshare-user --uid 5 --gid 6 --unshare-uts --hostname box --unshare-ipc --cap-add cap_net_admin \
         --ro-bind / / --tmpfs /tmp --file {file} /tmp/file --bind-data {data} /tmp/data --remount-ro /tmp \
         --bind {work} {work} --lock-file {work}/lock --chdir {work} \
         --setenv SET yes --unsetenv LANG --sync-fd {sync} --info-fd {info} --json-status-fd {status} \
         --new-session --seccomp {filter}"
    ))
}

/// The descriptors of one run. All are memory files: nothing of them can be left on disk, and no pipe can fill up.
pub(crate) struct Fds {
    stdout: File,
    stderr: File,
    /// Named in the command line and read by the tool.
    inputs: Vec<File>,
    /// Named in the command line and written by the tool.
    reports: Vec<File>,
}

impl Fds {
    fn new() -> io::Result<Fds> {
        let private = MFdFlags::MFD_CLOEXEC;
        let stdout = memfd_create("stdout", private)?.into();
        let stderr = memfd_create("stderr", private)?.into();
        Ok(Fds { stdout, stderr, inputs: Vec::new(), reports: Vec::new() })
    }

    fn input(&mut self, content: &[u8]) -> i32 {
        let mut file = inherited("input");
        file.write_all(content).unwrap();
        file.seek(SeekFrom::Start(0)).unwrap();
        let number = file.as_raw_fd();
        self.inputs.push(file);
        number
    }

    fn report(&mut self) -> i32 {
        let file = inherited("report");
        let number = file.as_raw_fd();
        self.reports.push(file);
        number
    }

    pub(crate) fn stdout(&self) -> String {
        whole(&self.stdout)
    }

    pub(crate) fn stderr(&self) -> String {
        whole(&self.stderr)
    }

    pub(crate) fn reports(&self) -> Vec<String> {
        self.reports.iter().map(whole).collect()
    }
}

fn inherited(name: &str) -> File {
    memfd_create(name, MFdFlags::empty()).unwrap().into()
}

fn whole(mut file: &File) -> String {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0)).unwrap();
    file.read_to_end(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The directories that the launch may write to.
pub(crate) struct Scratch {
    root: PathBuf,
}

impl Scratch {
    const DIRECTORIES: [&str; 4] = ["work", "home", "run", "tmp"];

    pub(crate) fn create(root: &Path, user: User) -> io::Result<Scratch> {
        fs::create_dir(root)?;
        let scratch = Scratch { root: root.to_owned() };
        for name in Self::DIRECTORIES {
            let directory = scratch.path(name);
            fs::create_dir(&directory)?;
            fs::set_permissions(&directory, fs::Permissions::from_mode(0o700))?;
            chown(&directory, user.other_id(), user.other_id())?;
        }
        let lock = scratch.path("work/lock");
        File::create(&lock)?;
        chown(&lock, user.other_id(), user.other_id())?;
        Ok(scratch)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    fn work(&self) -> String {
        self.path("work").to_string_lossy().into_owned()
    }

    /// Whether the payload left its file; removes it for the next run.
    pub(crate) fn take_evidence(&self) -> bool {
        fs::remove_file(self.path("work/ran")).is_ok()
    }

    /// Every path below, for the comparison before and after.
    pub(crate) fn listing(&self) -> BTreeSet<PathBuf> {
        let mut found = BTreeSet::new();
        list(&self.root, &mut found);
        found
    }
}

/// Adds every path below `directory`.
pub(crate) fn list(directory: &Path, found: &mut BTreeSet<PathBuf>) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            list(&entry.path(), found);
        }
        found.insert(entry.path());
    }
}
