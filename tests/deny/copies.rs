//! Files that are copied: content, mode, owner; and what is no file.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::{Tree, actors};

#[test]
fn content_and_mode_are_copied_and_the_host_keeps_its_own() {
    for actor in actors() {
        let script = "head -c 100000 /dev/zero > big; for m in 600 755 444 4755 2711 000; do echo $m > m$m; chmod $m m$m; done; \
                      ln -s m755 link";
        let tree = Tree::new("copies", actor, script);
        let before = tree.listing();
        let files = ["m600", "m755", "m444", "m4755", "m2711", "m000", "link"];
        let copies: String = files.iter().map(|name| format!("--file {{w}}/{name}:/new/dir/{name} ")).collect();
        let options = format!("{copies} --file {{w}}/big:/big");
        let script = "cd /new/dir; stat -c '%n %a %u' *; stat -c %s /big; cat m755 link; echo changed > m600; cat m600; stat -c %a ..";
        let said = tree.run(&options, &["/bin/sh", "-c", script]).done();
        let uid = actor.uid();
        let modes = ["link 755", "m000 0", "m2711 711", "m444 444", "m4755 755", "m600 600", "m755 755"];
        let lines: String = modes.iter().map(|line| format!("{line} {uid}\n")).collect();
        let found: String = said.lines().take(7).map(|line| format!("{line}\n")).collect();
        assert_eq!(found, lines, "{actor:?}");
        assert!(
            said.ends_with("100000\n755\n755\nchanged\n700\n") || said.ends_with("100000\n755\n755\nchanged\n755\n"),
            "{said}"
        );
        assert_eq!(tree.listing(), before);
    }
}

#[test]
fn the_copy_goes_where_the_path_leads_inside() {
    for actor in actors() {
        let tree = Tree::new(
            "copy-dest",
            actor,
            "echo new > new; mkdir rw; echo old > rw/old; chmod 640 rw/old; ln -s / rw/up",
        );
        let options = "--rw {w}/rw:/rw --tmpfs /t --file {w}/new:/rw/up/../t/x --file {w}/new:/rw/old";
        assert_eq!(tree.run(options, &["cat", "/t/x"]).done(), "new\n");
        // One that is there is written over, and keeps its mode.
        let old = tree.path.join("rw/old");
        assert_eq!(fs::read_to_string(&old).unwrap(), "new\n");
        assert_eq!(fs::metadata(&old).unwrap().permissions().mode() & 0o7777, 0o640);
        // What was opened is copied, whatever is mounted over its path inside.
        assert_eq!(tree.run("--tmpfs {w} --file {w}/new:/copy", &["cat", "/copy"]).done(), "new\n");
    }
}

#[test]
fn what_is_no_regular_file_is_neither_opened_nor_waited_for() {
    for actor in actors() {
        let tree = Tree::new("no-copies", actor, "mkdir dir; mkfifo fifo; ln -s loop loop");
        for (source, why) in [
            ("{w}/dir", "mounts: copy {w}/dir to /x: the source is not a regular file\n"),
            ("{w}/fifo", "mounts: copy {w}/fifo to /x: the source is not a regular file\n"),
            ("/dev/zero", "mounts: copy /dev/zero to /x: the source is not a regular file\n"),
            ("{w}/none", "mounts: copy {w}/none to /x: the source: No such file or directory\nhint: "),
            ("{w}/loop", "mounts: copy {w}/loop to /x: the source: Too many levels of symbolic links\n"),
        ] {
            let error = tree.run(&format!("--file {source}:/x"), &["true"]).error();
            assert!(error.starts_with(&why.replace("{w}", &tree.path.display().to_string())), "{error}");
        }
        let error = tree.run("--file {w}/../deny-box:/usr/new", &["true"]).error();
        assert!(error.contains(" to /usr/new: the destination file: Read-only file system"), "{error}");
    }
}

/// A copy can be denied like anything else.
#[test]
fn a_copy_is_there_before_it_is_denied() {
    let tree = Tree::new("copy-deny", crate::support::Actor::User, "echo secret > file");
    assert_eq!(tree.probe("--deny /x --file {w}/file:/x", &["cat", "/x"]).refused(), libc::EACCES);
}

/// A copy of what is denied is closed like another mount of it.
#[test]
fn a_copy_of_what_is_denied_is_denied() {
    let fill = "mkdir -p in/dir out; echo secret > in/file; ln in/file out/hard; echo secret > in/dir/one; ln in/dir/one out/two; \
                echo plain > plain; touch place";
    for actor in actors() {
        let tree = Tree::new("copy-denied", actor, fill);
        for (options, denial, files) in [
            ("--rw {w}:/w --file {w}/in/file:/x", "--deny /w/in/file", "/w/in/file /x"),
            ("--file {w}/in/file:/x --rw {w}:/w", "--deny /w/in/f*", "/w/in/file /x"),
            ("--file {w}/in/file:/x --ro {w}/in:/w", "--deny /w/file", "/w/file /x"),
            // By another name of the file.
            ("--file {w}/out/hard:/x --rw {w}:/w", "--deny /w/in/file", "/w/in/file /x"),
            ("--file {w}/out/hard:/x --rw {w}/in:/w", "--deny /w/file", "/w/file /x"),
            ("--file {w}/in/dir/one:/x --rw {w}/in:/w", "--deny /w/dir", "/w/dir/one /x"),
            ("--file {w}/out/two:/x --rw {w}/in:/w", "--deny /w/**/dir", "/w/dir/one /x"),
            ("--file {w}/out/two:/x --rw {w}/in:/w --overlay {w}/out:/o", "--deny /w/dir", "/w/dir/one /x /o/two"),
            // One copy of several, and one that is seen twice.
            ("--rw {w}:/w --file {w}/plain:/p --file {w}/in/file:/x", "--deny /w/in/file", "/x"),
            ("--rw {w}:/w --ro {w}:/v --file {w}/in/file:/w/place", "--deny /w/in/file", "/w/place /v/place"),
            ("--rw {w}:/w --file {w}/in/file:/w/place --file {w}/place:/y", "--deny /w/in/file", "/w/place /y"),
        ] {
            let script = format!("for f in {files}; do cat $f 2>/dev/null; done; cat /p 2>/dev/null; true");
            let read = |options: &str| tree.run(options, &["/bin/sh", "-c", &script]);
            let number = files.split(' ').count();
            assert!(read(options).stdout_text().starts_with(&"secret\n".repeat(number)), "{actor:?} {options}");
            let outcome = read(&format!("{options} {denial}"));
            let wanted = if options.contains("/plain") { "plain\n" } else { "" };
            assert_eq!(outcome.done(), wanted, "{actor:?} {options} {denial}: {outcome}");
        }
    }
}
