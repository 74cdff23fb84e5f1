//! What is denied, from inside, and copies of files. One file, one promise:
//!
//! * `covers.rs`: nobody gets at what is denied, whatever it is, and its type is kept
//! * `missing.rs`: what does not exist
//! * `patterns.rs`: what patterns find
//! * `walk.rs`: what finding costs
//! * `twins.rs`: other names of what is denied
//! * `elsewhere.rs`: what the box does not have at the denied path, but elsewhere
//! * `hidden.rs`: other names that a mount of the host hides somewhere
//! * `ways.rs`: what is denied stays at its path
//! * `copies.rs`: files that are copied
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test ends at the first surprise

mod copies;
mod covers;
mod elsewhere;
mod hidden;
mod missing;
mod patterns;
#[path = "../support/mod.rs"]
mod support;
mod twins;
mod walk;
mod ways;

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use support::{Actor, Launch, Outcome, stage};

/// The system, `/proc` and `/dev`, and the probe as `/probe`.
const SYSTEM: &str = "--ro /usr:/usr --symlink usr/lib:/lib --symlink usr/lib64:/lib64 --symlink usr/bin:/bin \
                      --proc /proc --dev /dev --ro {probe}:/probe";

/// Both kinds of caller, as far as they are here.
fn actors() -> impl Iterator<Item = Actor> {
    [Actor::User, Actor::Root].into_iter().filter(|actor| actor.here())
}

/// A directory of the host that belongs to the actor. Removed when dropped.
struct Tree {
    path: PathBuf,
    actor: Actor,
}

impl Tree {
    /// The directory, filled by a shell script, as the actor's. Two at a time need two names.
    fn new(name: &str, actor: Actor, script: &str) -> Tree {
        let path = stage::stage().join(format!("{name}-{actor:?}"));
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let (uid, gid) = actor.ids().unzip();
        chown(&path, uid, gid).unwrap();
        let filled = Launch::program(Path::new("/bin/sh"), actor, &["-euc", script]).dir(&path).run();
        assert_eq!(filled.ending(), "exit 0", "{filled}");
        Tree { path, actor }
    }

    /// Runs the probe in a box, with the tree as `/w`, where `options` begins with `--rw` or `--ro`, and more options.
    fn probe(&self, options: &str, command: &[&str]) -> Outcome {
        let command: Vec<&str> = ["/probe"].into_iter().chain(command.iter().copied()).collect();
        self.run(options, &command)
    }

    fn run(&self, options: &str, command: &[&str]) -> Outcome {
        self.launch(options, command).run()
    }

    fn launch(&self, options: &str, command: &[&str]) -> Launch {
        let words = self.words(options, command);
        Launch::program(deny_box(), self.actor, &words.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// The words of the box; `{w}` is the tree's own path.
    fn words(&self, options: &str, command: &[&str]) -> Vec<String> {
        let probe = support::probe().display().to_string();
        let expand = |word: &str| word.replace("{w}", &self.path.display().to_string()).replace("{probe}", &probe);
        let words = SYSTEM.split_whitespace().chain(options.split_whitespace()).chain(["--"]);
        words.chain(command.iter().copied()).map(expand).collect()
    }

    /// Everything in it, with types, modes and contents.
    fn listing(&self) -> String {
        let script = "find . -printf '%p %y %m %s %l\\n' | sort; find . -type f -exec cksum {} + | sort";
        Launch::program(Path::new("/bin/sh"), self.actor, &["-c", script]).dir(&self.path).run().done()
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        // The library holds each directory on the way open, which some trees here are too deep for.
        let _gone = Command::new("rm").arg("-rf").arg(&self.path).stderr(std::process::Stdio::null()).status().is_ok();
        support::fixture::remove(&self.path);
    }
}

/// The front door of these tests, where every user can execute it.
fn deny_box() -> &'static Path {
    static BOX: OnceLock<PathBuf> = OnceLock::new();
    BOX.get_or_init(|| stage::example("deny-box", &["tests/deny", "src"]))
}

impl Outcome {
    /// The words of the error with which it refused to run anything.
    fn error(&self) -> String {
        assert_eq!((self.ending().as_str(), self.stdout.as_slice()), ("exit 1", &b""[..]), "{self}");
        self.stderr_text()
    }
}

/// A name that is no text.
fn raw(bytes: &[u8]) -> OsString {
    use std::os::unix::ffi::OsStringExt;
    OsString::from_vec(bytes.to_vec())
}
