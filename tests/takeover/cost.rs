//! What taking over costs, in programs that are started. They are counted on the host, and the boxes too.

use std::cell::Cell;
use std::ffi::{CString, OsStr};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use pinfold::spec::{BindFlags, FsOp, Op, Source};
use pinfold::takeover::{Bounds, Git};

use crate::place::{Place, SETUP, kept, run_box};

/// The number of gits on the host, and of boxes, that it takes to take over what `script` does.
fn counted(name: &str, setup: &str, script: &str) -> (usize, usize) {
    let place = Place::with(name, setup);
    let (bin, log) = (place.path.join("bin"), place.path.join("log"));
    place.host("mkdir ../bin; printf '#!/bin/sh\\necho x 2>/dev/null >>%s/log; exec %s \"$@\"' $P $(command -v git) >../bin/git; chmod 755 ../bin/git");
    let left = place.inside(script);
    let git = Git::find(bin.as_os_str(), &[]).unwrap();
    let boxes = Cell::new(0);
    let told = left.take_by(Some(&git), Bounds::default(), &|| true, &|mut spec, files, go_on| {
        boxes.set(boxes.get() + 1);
        spec.ops.push(shown(&bin));
        run_box(spec, files, go_on)
    });
    assert_eq!(kept(&told.unwrap()), Vec::<String>::new(), "{name}");
    let gits = fs::read(log).map_or(0, |log| log.len() / 2);
    (gits, boxes.get())
}

fn shown(dir: &Path) -> Op {
    let path = |path: &OsStr| CString::new(path.as_bytes()).unwrap();
    let (source, dest) = (Source::Path(path(dir.as_os_str())), path(dir.as_os_str()));
    Op::new(FsOp::Bind { source, dest, flags: BindFlags { read_only: true, devices: false, optional: false } }, 0)
}

#[test]
fn nothing_is_started_for_nothing() {
    assert_eq!(counted("cost-nothing", SETUP, "git log >/dev/null"), (0, 0));
    assert_eq!(
        counted("cost-status", SETUP, "touch a b; git status >/dev/null; test -n \"$(git diff)\" || true"),
        (0, 0)
    );
    let detached = format!("{SETUP}; git checkout -q --detach");
    assert_eq!(counted("cost-detached", &detached, "touch a b; git status >/dev/null"), (0, 0));
}

/// One box for the objects. On the host one git that knows objects, and one each for what they lead to, refs and index.
#[test]
fn a_commit_takes_one_box_and_four_programs() {
    assert_eq!(counted("cost-commit", SETUP, "echo x >x; git add x; git commit -qm x"), (4, 1));
    let three = "for x in 1 2 3; do echo $x >$x; git add $x; git commit -qm $x; done; git tag t; git branch n";
    assert_eq!(counted("cost-commits", SETUP, three), (4, 1));
}
