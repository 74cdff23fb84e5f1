//! The second wall: what the mounts allow works, and what gets past them is refused.

use crate::support::{Actor, Fd, Fixture, Launch, probe};
use crate::{APART, TYPICAL, actors, errno, through};

/// `script` in a box with a fixture's directory as `/work`; its output, the script must succeed.
fn script(actor: Actor, name: &str, script: &str) -> String {
    let fixture = Fixture::new(name, actor);
    let work = fixture.expand("rw {d} /work");
    let wishes = format!("mirror {APART} {TYPICAL} {work} ro-remount / chdir /work");
    through(actor, &wishes, &["/bin/sh", "-euc", script]).run().done()
}

#[test]
fn what_programs_do_with_files_works() {
    let work = r#"
        mkdir -p a/b c; echo one > a/f; echo two > a/f; echo three >> a/f
        mv a/f c/g; ln c/g a/b/h; ln -s ../c/g a/link; mv c d; mv d a/b/d; rm a/b/h a/link; rm -r a/b
        mkfifo pipe; : > sock; truncate -s 5 sock; chmod 600 sock; rm pipe sock
        for dir in /tmp /dev/shm; do echo x > $dir/x; mv $dir/x $dir/y; mkdir $dir/d; mv $dir/y $dir/d/; rm -r $dir/d; done
        echo 500 > /proc/self/oom_score_adj; echo > /dev/null; head -c1 /dev/zero > /dev/full 2>/dev/null || :
        echo done
    "#;
    for actor in actors() {
        assert_eq!(script(actor, "landlock-files", work), "done\n", "{actor:?}");
    }
}

#[test]
fn python_works() {
    let program = r#"
import os, shutil, socket, sqlite3, subprocess, tempfile, multiprocessing
d = tempfile.mkdtemp(dir="/work")
os.makedirs(d + "/a/b"); open(d + "/a/f", "w").write("x"); os.replace(d + "/a/f", d + "/a/b/g")
shutil.move(d + "/a/b", d + "/b"); shutil.rmtree(d + "/a")
s = socket.socket(socket.AF_UNIX); s.bind(d + "/sock"); s.listen()
c = socket.socket(socket.AF_UNIX); c.connect(d + "/sock")
db = sqlite3.connect(d + "/db"); db.execute("create table t(x)"); db.commit(); db.close()
multiprocessing.Lock()
assert subprocess.run(["/bin/sh", "-c", "exit 3"]).returncode == 3
m, t = os.openpty()
import fcntl, termios, struct
fcntl.ioctl(t, termios.TIOCSWINSZ, struct.pack("HHHH", 3, 4, 0, 0))
again = os.open(os.ttyname(t), os.O_RDWR | os.O_NOCTTY)
assert struct.unpack("HHHH", fcntl.ioctl(again, termios.TIOCGWINSZ, b"\0" * 8))[:2] == (3, 4)
with open("/dev/stdout", "w") as out: out.write("again\n")
new = os.open(d, os.O_TMPFILE | os.O_RDWR); os.link(f"/proc/self/fd/{new}", d + "/linked", follow_symlinks=True)
fd = os.memfd_create("m"); open(f"/proc/self/fd/{fd}", "w").write("y")
shutil.rmtree(d)
"#;
    for actor in actors() {
        // The pipe is the user's own, who may then open it once more.
        let run = format!("python3 -c '{program}' | cat");
        assert_eq!(script(actor, "landlock-python", &run), "again\n", "{actor:?}");
    }
}

#[test]
fn git_works() {
    let work = r#"
        export HOME=/tmp GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
        git init -q r; cd r; echo x > f; git add f; git commit -qm one
        git checkout -qb other; git mv f g; git commit -qam two; git gc -q; git worktree add -q ../t; git fsck; cat g
    "#;
    assert_eq!(script(Actor::User, "landlock-git", work), "x\n");
}

/// An overlay's layers lie on the host and have no rule: only the overlay itself counts.
#[test]
fn an_overlay_can_be_written_to() {
    for actor in actors() {
        let fixture = Fixture::new("landlock-overlay", actor);
        let overlay = fixture.expand("overlay {d} /work");
        let wishes = format!("mirror {APART} {TYPICAL} {overlay} ro-remount /");
        let work = "cd /work; mkdir n; echo x > n/x; mv n/x y; cat y; rm y";
        assert_eq!(through(actor, &wishes, &["/bin/sh", "-ec", work]).run().done(), "x\n");
    }
}

/// What was redirected can be opened once more by its name, for what it is open for, although no mount shows it.
#[test]
fn standard_output_can_be_opened_by_its_name() {
    for actor in actors() {
        let wishes = format!("mirror {APART} {TYPICAL} ro-remount /");
        let fixture = Fixture::new("landlock-again", actor);
        let path = std::path::PathBuf::from(fixture.expand("{d}/dir/again"));
        let launch = |script: &'static str| {
            let file = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
            through(actor, &wishes, &["/bin/sh", "-c", script]).fd(1, Fd::Given(std::sync::Arc::new(file.into()))).run()
        };
        let write = Launch::program(probe(), actor, &["write", path.to_str().unwrap(), "old\n"]);
        write.run().done();
        assert_eq!(launch("echo new >> /dev/stdout").ending(), "exit 0");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "old\nnew\n");
        // It was not open for reading, and no rule says that it may be read.
        let said = launch("cat /dev/stdout");
        assert!(said.stderr_text().contains("Permission denied"), "{said}");
    }
}

/// A descriptor of a directory leads to the host's mount, past every mount of the box.
#[test]
fn a_directory_that_is_handed_over_is_no_way_out_of_it() {
    for actor in actors() {
        let fixture = Fixture::new("landlock-fd", actor);
        let launch = |tier: &str, path: &str| {
            let wishes = format!("{tier} {APART} {TYPICAL} ro-remount / keep 7");
            let dir = std::sync::Arc::new(std::fs::File::open(fixture.expand("{d}/tree/sub")).unwrap().into());
            through(actor, &wishes, &["/probe", "write", &format!("/proc/self/fd/7/{path}"), "x"])
                .fd(7, Fd::Given(dir))
                .run()
        };
        launch("mirror", "new").done();
        launch("", "../outside").done();
        assert_eq!(launch("mirror", "../outside").refused(), errno::ACCESS);
        assert_eq!(launch("mirror", "../made").refused(), errno::ACCESS);
    }
}

/// Even whoever is mighty inside: a mount would change what the rules belong to.
#[test]
fn nobody_can_mount_anything() {
    for actor in actors() {
        for words in [&["/probe", "mount", "/tmp"][..], &["/probe", "umount", "/tmp"]] {
            let wishes = |tier: &str| format!("{tier} {APART} user all-caps {TYPICAL} ro-remount /");
            assert_eq!(through(actor, &wishes("mirror"), words).run().refused(), errno::PERM, "{words:?}");
        }
        let able = format!("{APART} user all-caps {TYPICAL}");
        through(actor, &able, &["/probe", "mount", "/tmp"]).run().done();
    }
}

/// The flags of a mount are no topology, and whoever is mighty inside may change them. Then the rules are the wall.
#[test]
fn what_is_made_writable_later_stays_read_only() {
    for actor in actors() {
        let fixture = Fixture::new("landlock-remount", actor);
        let write = |tier: &str| {
            let wishes =
                format!("{tier} {APART} user all-caps {TYPICAL} {} ro-remount /", fixture.expand("ro {d} /work"));
            let script = "/probe remount-rw /work && /probe write /work/new x";
            through(actor, &wishes, &["/bin/sh", "-c", script]).run()
        };
        let free = write("").done();
        assert!(free.starts_with("writable\n") && std::path::Path::new(&fixture.expand("{d}/new")).exists(), "{free}");
        let said = write("mirror");
        assert_eq!(said.stdout_text(), format!("writable\nrefused errno {}\n", errno::ACCESS), "{said}");
    }
}

/// The rules refuse what the mount under it would allow: `/dev` is writable, and nothing is to be made there.
#[test]
fn nothing_is_made_among_the_devices() {
    for actor in actors() {
        let wishes = |tier: &str| format!("{tier} {APART} {TYPICAL} ro-remount /");
        let write = ["/probe", "write", "/dev/new", "x"];
        through(actor, &wishes(""), &write).run().done();
        assert_eq!(through(actor, &wishes("mirror"), &write).run().refused(), errno::ACCESS);
    }
}

/// A source that is missing means no mount and no rule, and what lies there is as it was.
#[test]
fn a_bind_that_is_skipped_allows_nothing() {
    for actor in actors() {
        let wishes = format!("mirror {APART} {TYPICAL} rw-try /does-not-exist /dev/pts ro-remount /");
        let command = ["/probe", "write", "/dev/pts/new", "x"];
        assert_eq!(through(actor, &wishes, &command).run().refused(), errno::ACCESS);
    }
}

/// The process of ours that stays inside has the rules of the program: otherwise it would lie outside of its scope, as
/// the supervisor does.
#[test]
fn init_is_behind_the_same_rules() {
    for actor in actors() {
        let wishes = format!("mirror net lock /probe {TYPICAL} ro-remount /");
        let script =
            "/probe kill $PPID 0; read -r pid name state parent rest < /proc/$PPID/stat; /probe kill $parent 0";
        let said = through(actor, &wishes, &["/bin/sh", "-c", script]).run();
        assert_eq!(said.stdout_text(), format!("sent\nrefused errno {}\n", errno::PERM), "{said}");
    }
}
