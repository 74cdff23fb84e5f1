//! A denied path of the host at which the box has nothing, or something of its own: the host's object is closed
//! wherever the box shows it.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};

use crate::support::Actor;
use crate::twins::{closed, readable};
use crate::{Tree, actors};

/// `rel` goes up to the root and down again.
const FILL: &str = "mkdir -p in/deep out cwd; echo secret > in/file; echo secret > in/deep/two; echo plain > in/plain; \
                    ln in/file out/hard; ln in/file out/free; ln in/deep/two out/two; \
                    ln -s \"$PWD/in\" cwd/lnk; ln -s \"../../../../../../../../..$PWD/in\" cwd/rel; ln -s ../in/file cwd/f";

#[test]
fn it_is_closed_where_the_box_shows_it() {
    for actor in actors() {
        let tree = Tree::new("elsewhere", actor, FILL);
        let before = tree.listing();
        for (options, denials, files) in [
            ("--ro {w}/in:/p", "--deny {w}/in/file", "/p/file"),
            ("--rw {w}/in:/p --ro {w}:/q", "--deny {w}/in/file", "/p/file /q/in/file /q/out/hard"),
            ("--ro {w}/in/file:/x", "--deny {w}/in/file", "/x"),
            ("--ro {w}/in:/p", "--deny {w}/in", "/p/file /p/deep/two"),
            ("--ro {w}/in/deep:/p", "--deny {w}/in", "/p/two"),
            ("--tmpfs /m --file {w}/in/file:/m/x", "--deny {w}/in/file", "/m/x"),
            ("--tmpfs /m --file {w}/out/hard:/m/x", "--deny {w}/in/file", "/m/x"),
            ("--overlay {w}/in:/o", "--deny {w}/in/file", "/o/file"),
            // By hard links alone.
            ("--ro {w}/out:/p", "--deny {w}/in/file", "/p/hard /p/free"),
            ("--ro {w}/out:/p", "--deny {w}/in", "/p/hard /p/two"),
            // Through links of the user's, which lead nowhere inside.
            ("--rw {w}/cwd:{w}/cwd --ro {w}/in:/p", "--deny {w}/cwd/lnk/file", "/p/file"),
            ("--rw {w}/cwd:{w}/cwd --ro {w}/in:/p", "--deny {w}/cwd/rel/file", "/p/file"),
            ("--rw {w}/cwd:{w}/cwd --ro {w}/in:/p", "--deny {w}/cwd/f", "/p/file"),
            ("--ro {w}/in:/p", "--deny {w}/cwd/lnk/../in/file", "/p/file"),
            // Something of the box's own is at the path.
            ("--tmpfs {w}/in --ro {w}/in:/p", "--deny {w}/in", "/p/file /p/deep/two"),
            ("--file {w}/in/plain:{w}/in/file --ro {w}/in:/p", "--deny {w}/in/file", "/p/file"),
            ("--ro {w}/in:/p --tmpfs {w} --remount-ro {w}", "--deny {w}/in/file", "/p/file"),
            // More denials, in any order.
            ("--ro {w}:/p", "--deny {w}/in/file --deny {w}/in", "/p/in/file /p/in/deep/two"),
            ("--ro {w}:/p", "--deny {w}/in --deny {w}/in/file", "/p/in/file /p/in/deep/two"),
        ] {
            let expand = |text: &str| text.replace("{w}", &tree.path.display().to_string());
            closed(&tree, options, denials, &expand(files));
        }
        // Nothing else is closed with it.
        let free = "/p/in/plain /p/in/deep/two";
        assert_eq!(readable(&tree, "--ro {w}:/p --deny {w}/in/file", free), (free.into(), String::new()));
        assert_eq!(tree.listing(), before);
    }
}

/// What nobody can list there, or is linked there, is no reason to refuse the run or to say a word.
#[test]
fn what_is_not_shown_is_no_trouble() {
    for actor in actors() {
        let tree = Tree::new("elsewhere-quiet", actor, &format!("{FILL}; mkdir in/shut"));
        if Actor::Root.here() {
            chown(tree.path.join("in/shut"), Some(0), Some(0)).unwrap();
            fs::set_permissions(tree.path.join("in/shut"), fs::Permissions::from_mode(0o711)).unwrap();
        }
        for denials in ["--deny {w}/in/deep/two", "--deny {w}/in/deep --deny {w}/cwd", "--deny {w}/in/shut"] {
            let options = format!("--ro {{w}}/in/plain:/p {denials}");
            assert_eq!(readable(&tree, &options, "/p"), ("/p".into(), String::new()), "{actor:?} {denials}");
        }
        let found = readable(&tree, "--ro {w}/out:/p --deny {w}/in", "/p/hard /p/two");
        assert_eq!(found, (String::new(), String::new()), "{actor:?}");
    }
}

/// A run leaves no decoy at the path that the next one denies.
#[test]
fn it_stays_at_its_path() {
    let tree = Tree::new("elsewhere-kept", Actor::User, FILL);
    let before = tree.listing();
    let script =
        "cd /p; perl -e 'rename \"in\", \"x\"; rename \"in/deep\", \"x\"'; rm -f in/file; cat in/file x/file; true";
    let outcome = tree.run("--rw {w}:/p --deny {w}/in/file --deny {w}/in/deep/two", &["/bin/sh", "-c", script]);
    assert_eq!((outcome.ending().as_str(), outcome.stdout_text()), ("exit 0", String::new()), "{outcome}");
    assert_eq!(tree.listing(), before);
}
