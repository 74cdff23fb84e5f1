//! No file that a box leaves on the host has a set-user-ID or set-group-ID bit, by whatever call it was made or
//! changed.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::support::Actor;
use crate::{Place, actors};

/// The names below `dir` of all that is no directory and has such a bit.
fn set_ids(dir: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let about = fs::symlink_metadata(&path).unwrap();
        if about.is_dir() {
            found.extend(set_ids(&path));
        } else if about.mode() & 0o6000 != 0 {
            found.insert(path.file_name().unwrap().to_str().unwrap().to_owned());
        }
    }
    found
}

const PROFILES: [&str; 4] = ["", "--seccomp strict", "--seccomp build", "--seccomp desktop"];

/// What a script does of its own: each way in a function, the file called like it.
const WAYS: &str = r#"
import ctypes, os, stat, struct
libc = ctypes.CDLL(None, use_errno=True)
def made(name):
    open(name, "w").close()
    return name
def openat2():
    how = struct.pack("QQQ", os.O_CREAT | os.O_WRONLY, 0o4755, 0)
    if libc.syscall(437, -100, b"openat2", how, len(how)) < 0:
        raise OSError(ctypes.get_errno(), "")
def tmpfile():
    fd = os.open(".", os.O_TMPFILE | os.O_WRONLY, 0o4755)
    libc.linkat(-100, f"/proc/self/fd/{fd}".encode(), -100, b"tmpfile", 0x400)
ways = {
    "chmod": lambda: os.chmod(made("chmod"), 0o4755),
    "chmod-group": lambda: os.chmod(made("chmod-group"), 0o2755),
    "fchmod": lambda: os.fchmod(os.open(made("fchmod"), os.O_RDONLY), 0o6755),
    "fchmodat": lambda: os.chmod(made("fchmodat"), 0o4711, dir_fd=os.open(".", os.O_RDONLY)),
    "open": lambda: os.open("open", os.O_CREAT | os.O_WRONLY, 0o4755),
    "openat2": openat2,
    "tmpfile": tmpfile,
    "mknod": lambda: os.mknod("mknod", stat.S_IFREG | 0o2755),
    "mkdir": lambda: os.mkdir("mkdir", 0o6755),
}
for name, way in ways.items():
    try: way(); print(name, "done")
    except OSError as error: print(name, error.errno)
"#;

#[test]
fn no_script_leaves_one() {
    for actor in actors() {
        for options in PROFILES {
            let place = Place::new("set-id-script", actor);
            let said = place.run(options, &["/usr/bin/python3", "-c", WAYS]).run().done();
            let refused = "chmod 1\nchmod-group 1\nfchmod 1\nfchmodat 1\nopen 1\nopenat2 38\ntmpfile 1\nmknod 1\n";
            // The kernel makes no directory with these bits, so that there is nothing to refuse.
            assert_eq!(said, format!("{refused}mkdir done\n"), "{options}");
            assert_eq!(set_ids(&place.project), BTreeSet::new(), "{options}");
        }
        let place = Place::new("set-id-free", actor);
        place.run("--seccomp off", &["/usr/bin/python3", "-c", WAYS]).run().done();
        let all = "chmod chmod-group fchmod fchmodat mknod open openat2 tmpfile";
        assert_eq!(
            set_ids(&place.project),
            all.split(' ').map(str::to_owned).collect(),
            "nothing but a filter is there"
        );
        assert_eq!(fs::metadata(place.project.join("mkdir")).unwrap().mode() & 0o6000, 0);
    }
}

/// Whoever needs these files allows the calls that make them.
#[test]
fn the_bits_can_be_allowed() {
    let place = Place::new("set-id-allowed", Actor::User);
    let options = "--syscall-allow chmod,fchmod,fchmodat,fchmodat2";
    let said = place.run(options, &["/usr/bin/python3", "-c", WAYS]).run().done();
    assert!(
        said.starts_with("chmod done\nchmod-group done\nfchmod done\nfchmodat done\nopen 1\nopenat2 38\n"),
        "{said}"
    );
    let all = "chmod chmod-group fchmod fchmodat";
    assert_eq!(set_ids(&place.project), all.split(' ').map(str::to_owned).collect());
}

/// The example of the manual: the bit of the group alone.
#[test]
fn the_bit_for_groups_can_be_allowed_alone() {
    let place = Place::new("set-id-group", Actor::User);
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/man/pinfold-seccomp.7")).unwrap();
    let (_, example) = page.split_once("that a group shares").unwrap();
    let (text, _) = example.split_once(".nf\n").unwrap().1.split_once(".fi\n").unwrap();
    let filter = place.file("group.json", text);
    let said = place.run(&format!("--seccomp {}", filter.display()), &["/usr/bin/python3", "-c", WAYS]).run().done();
    assert!(said.starts_with("chmod 1\nchmod-group done\nfchmod 1\nfchmodat 1\nopen 1\nopenat2 38\n"), "{said}");
    assert_eq!(set_ids(&place.project), ["chmod-group".to_owned()].into());
}

/// The calls as they are, of both conventions: descriptor 3 is a file, and so is `old`.
#[cfg(target_arch = "x86_64")]
#[test]
fn no_call_leaves_one() {
    let of_64 = "90 @old 0x9ed -- 91 3 0x5ed -- 268 0xffffff9c @old 0x5ed -- 452 0xffffff9c @old 0x9ed 0 \
                 -- 85 @creat 0x9ed -- 2 @open 0x41 0x9ed -- 257 0xffffff9c @openat 0x41 0x5ed \
                 -- 133 @mknod 0x89ed 0 -- 259 0xffffff9c @mknodat 0x85ed 0 -- 83 @mkdir 0xded";
    let of_32 = "15 @old 0x9ed -- 94 3 0x5ed -- 306 0xffffff9c @old 0x5ed -- 452 0xffffff9c @old 0x9ed 0 \
                 -- 8 @creat 0x9ed -- 5 @open 0x41 0x9ed -- 295 0xffffff9c @openat 0x41 0x5ed \
                 -- 14 @mknod 0x89ed 0 -- 297 0xffffff9c @mknodat 0x85ed 0 -- 39 @mkdir 0xded";
    let made = ["creat", "mknod", "mknodat", "old", "open", "openat"].map(str::to_owned);
    for (bits, words) in [("64", of_64), ("32", of_32)] {
        let Some(program) = super::seccomp::calls(bits) else { continue };
        for options in PROFILES.into_iter().chain(["--seccomp off"]) {
            let place = Place::new(&format!("set-id-calls-{bits}"), Actor::User);
            let script = format!("umask 0; : > old; exec 3< old; exec /calls {words}");
            let said = place.sh(&format!("--ro {}:/calls {options}", program.display()), &script).run().done();
            if options == "--seccomp off" {
                assert!(said.lines().all(|answer| !answer.starts_with('-')), "{bits}: {said}");
                assert_eq!(set_ids(&place.project), made.clone().into(), "{bits}");
            } else {
                assert_eq!(said, format!("{}0\n", "-1\n".repeat(9)), "{bits} {options}");
                assert_eq!(set_ids(&place.project), BTreeSet::new(), "{bits} {options}");
            }
        }
    }
}
