//! A directory whose changes are kept apart, with rules for files and without.

use std::fs;
use std::os::unix::fs::{FileTypeExt, chown, symlink};
use std::path::Path;

use crate::support::{Actor, Fixture, Outcome, nest, probe};
use crate::{APART, TYPICAL, actors, errno, through};

/// A fixture with a place for changes, which belongs to the actor.
fn fixture(name: &str, actor: Actor) -> Fixture {
    let fixture = Fixture::new(name, actor);
    for dir in ["kept", "kept/upper", "kept/work"] {
        let dir = fixture.path.join(dir);
        fs::create_dir(&dir).unwrap();
        if let Some((uid, gid)) = actor.ids() {
            chown(&dir, Some(uid), Some(gid)).unwrap();
        }
    }
    fixture
}

fn run(actor: Actor, wishes: &str, script: &str) -> Outcome {
    through(actor, &format!("{APART} {TYPICAL} {wishes}"), &["/bin/sh", "-ec", script]).run()
}

#[test]
fn what_a_program_changes_is_kept_apart() {
    for actor in actors() {
        for rules in ["", "mirror"] {
            let fixture = fixture("apart", actor);
            let dir = fixture.expand("{d}");
            let before = fixture.listing();
            let script = format!(
                "cd {dir}/dir; cat inner; echo new >inner; echo more >>sub/deep; echo x >made; mv made moved; \
                 rm -r sub; mkdir sub; test ! -e {dir}/kept; cat inner moved"
            );
            let said = run(actor, &format!("{rules} apart {dir}/dir {dir}/kept"), &script).done();
            assert_eq!(said, "inner\nnew\nx\n", "{actor:?} {rules}");
            let upper = |name: &str| fixture.path.join("kept/upper").join(name);
            assert_eq!(fs::read_to_string(upper("inner")).unwrap(), "new\n");
            assert!(upper("sub").is_dir() && fs::read_dir(upper("sub")).unwrap().next().is_none());
            assert!(!upper("made").exists() || upper("made").metadata().unwrap().file_type().is_char_device());
            fs::remove_dir_all(fixture.path.join("kept/upper")).unwrap();
            let after = fixture.listing();
            let own = |text: &str| text.lines().filter(|line| !line.starts_with("kept")).collect::<Vec<_>>().join("\n");
            assert_eq!(own(&after), own(&before), "{actor:?} {rules}: the host's files have changed");
        }
    }
}

#[test]
fn what_lies_beside_the_directory_is_live_and_a_rename_between_them_is_refused() {
    for actor in actors() {
        let fixture = fixture("apart-beside", actor);
        let dir = fixture.expand("{d}");
        let wishes = format!("mirror rw {dir} {dir} tmpfs {dir}/kept apart {dir}/dir {dir}/kept");
        let script = format!("cd {dir}; echo live >file; mv dir elsewhere 2>/dev/null || echo stays; rm dir/inner");
        assert_eq!(run(actor, &wishes, &script).done(), "stays\n", "{actor:?}");
        let read = |name: &str| fs::read_to_string(fixture.path.join(name)).unwrap();
        assert_eq!((read("file").as_str(), read("dir/inner").as_str()), ("live\n", "inner\n"));
        let gone = fs::symlink_metadata(fixture.path.join("kept/upper/inner")).unwrap();
        assert!(gone.file_type().is_char_device(), "{actor:?}: the removal is not noted");
    }
}

/// In a user namespace the kernel makes no overlay of a layer in which something is mounted.
#[test]
fn where_there_is_no_overlay_the_directory_is_read_only() {
    for actor in actors() {
        for rules in ["", "mirror"] {
            let fixture = fixture("apart-refused", actor);
            let dir = fixture.expand("{d}");
            let wishes = format!("user {APART} {TYPICAL} {rules} rw {dir} {dir} apart {dir}/dir {dir}/kept");
            let wishes = wishes.replace("{probe}", &probe().display().to_string());
            let door = crate::support::door().path().display().to_string();
            let target = format!("{dir}/dir/new");
            let words = [door.as_str()].into_iter().chain(wishes.split_whitespace());
            let words = words.chain(["--", "/probe", "write", &target]).map(String::from).collect::<Vec<_>>();
            let said = nest(actor, &[format!("tmpfs:{dir}/dir/sub")], &words).run();
            let number = said.refused();
            assert!(number == libc::EROFS || number == errno::ACCESS, "{said}");
            let told = "it is shown read-only, because the kernel makes no overlay here";
            assert!(said.stderr_text().contains(told), "{said}");
            assert!(
                !Path::new(&target).exists() && fs::read_dir(format!("{dir}/kept/upper")).unwrap().next().is_none()
            );
        }
    }
}

#[test]
fn no_link_leads_to_what_is_kept_or_to_the_layer() {
    for actor in actors() {
        let fixture = fixture("apart-links", actor);
        let dir = fixture.expand("{d}");
        symlink(format!("{dir}/kept"), fixture.path.join("to-kept")).unwrap();
        for wishes in [format!("apart {dir}/dir {dir}/to-kept"), format!("apart {dir}/dirlink {dir}/kept")] {
            let said = run(actor, &wishes, "true");
            assert!(said.ending() == "exit 1" && said.stderr_text().contains("exchanged"), "{said}");
        }
        fs::remove_dir(fixture.path.join("kept/upper")).unwrap();
        symlink(format!("{dir}/empty"), fixture.path.join("kept/upper")).unwrap();
        let said = run(actor, &format!("apart {dir}/dir {dir}/kept"), "true");
        assert!(said.ending() == "exit 1" && said.stderr_text().contains("the source"), "{said}");
    }
}

#[test]
fn a_host_that_forbids_programs_in_the_layer_forbids_them_in_the_overlay() {
    for actor in actors() {
        let fixture = fixture("apart-noexec", actor);
        let dir = fixture.expand("{d}");
        let wishes =
            format!("{APART} {TYPICAL} apart {dir}/dir {dir}/kept").replace("{probe}", &probe().display().to_string());
        let door = crate::support::door().path().display().to_string();
        let script = format!("cp /bin/true {dir}/dir/program && {dir}/dir/program");
        let words = [door.as_str()].into_iter().chain(wishes.split_whitespace());
        let words = words.chain(["--", "/bin/sh", "-c", &script]).map(String::from).collect::<Vec<_>>();
        let steps = [format!("bind:{dir}/dir:{dir}/dir"), format!("flags:{dir}/dir:noexec")];
        assert_eq!(nest(actor, &steps, &words).run().ending(), "exit 126", "{actor:?}");
        assert_eq!(run(actor, &format!("apart {dir}/dir {dir}/kept"), &script).ending(), "exit 0", "{actor:?}");
    }
}
