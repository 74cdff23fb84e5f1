//! Where the programs are: the tool under test, the references, the probe, all copied to a place every user can enter.
//!
//! A fresh clone may lie in a directory that only root can enter, and the sandboxed user must be able to execute all of
//! these. The copies and every fixture live in one directory under /var/tmp, removed when the test process exits.
#![allow(unsafe_code)] // registering a function to run at exit

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::launch::{Actor, Launch};
use super::skip;

/// A program that speaks bubblewrap's language, and the words that must precede its own.
#[derive(Debug, Clone)]
pub(crate) struct Tool {
    pub(crate) name: &'static str,
    program: PathBuf,
    prefix: Vec<String>,
}

/// A bubblewrap to compare with.
#[derive(Debug, Clone)]
pub(crate) struct Reference {
    pub(crate) tool: Tool,
    pub(crate) version: Version,
}

/// Major, minor and patch, as `bubblewrap X.Y.Z` says them.
pub(crate) type Version = (u32, u32, u32);

impl Tool {
    /// A launch of this tool as `actor` with `args`; `argv[0]` is `bwrap`, whatever the program is.
    pub(crate) fn launch<S: Into<std::ffi::OsString>>(
        &self,
        actor: Actor,
        args: impl IntoIterator<Item = S>,
    ) -> Launch {
        let prefix = self.prefix.iter().map(std::ffi::OsString::from);
        let words = prefix.chain(args.into_iter().map(Into::into)).collect();
        Launch::new(self.name, &self.program, words, actor)
    }

    /// The program itself, for a launch by somebody else.
    pub(crate) fn path(&self) -> &Path {
        &self.program
    }
}

/// The tool under test, under the name `bwrap`.
pub(crate) fn tool() -> &'static Tool {
    static TOOL: OnceLock<Tool> = OnceLock::new();
    TOOL.get_or_init(|| {
        let built = PathBuf::from(env!("CARGO_BIN_EXE_pinfold"));
        let program = std::env::var_os("PINFOLD_TEST_TOOL").map_or(built, PathBuf::from);
        Tool { name: "pinfold", program: staged(&program, "bwrap"), prefix: Vec::new() }
    })
}

/// The tool under test under its own name, for `pinfold run` and the other verbs.
pub(crate) fn pinfold() -> &'static Path {
    static TOOL: OnceLock<PathBuf> = OnceLock::new();
    TOOL.get_or_init(|| {
        let built = PathBuf::from(env!("CARGO_BIN_EXE_pinfold"));
        staged(&std::env::var_os("PINFOLD_TEST_TOOL").map_or(built, PathBuf::from), "pinfold")
    })
}

/// Path of the probe, outside and (where `/` or `/var` is bound) inside the box.
pub(crate) fn probe() -> &'static Path {
    static PROBE: OnceLock<PathBuf> = OnceLock::new();
    PROBE.get_or_init(|| example("probe", &["tests/probe"]))
}

/// Path of a copy of the example `name`, built again where it is older than one of its `sources` (directories).
pub(crate) fn example(name: &str, sources: &[&str]) -> PathBuf {
    staged(&super::example::built(name, sources), name)
}

/// A program that runs boxes by the library; its words are those of tests/landlock/door.rs.
pub(crate) fn door() -> &'static Tool {
    static DOOR: OnceLock<Tool> = OnceLock::new();
    // It holds the library, so any source may have changed.
    DOOR.get_or_init(|| Tool { name: "door", program: example("door", &["tests/landlock", "src"]), prefix: Vec::new() })
}

/// Every reference that is here; at least the installed one, or a loud skip.
pub(crate) fn references() -> &'static [Reference] {
    static REFERENCES: OnceLock<Vec<Reference>> = OnceLock::new();
    REFERENCES.get_or_init(|| [installed(), extracted()].into_iter().flatten().collect())
}

/// The `bwrap` of this machine, or the one that `PINFOLD_TEST_BWRAP` names.
fn installed() -> Option<Reference> {
    let found = std::env::var_os("PINFOLD_TEST_BWRAP").map(PathBuf::from).or_else(|| {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).map(|dir| dir.join("bwrap")).find(|file| file.exists())
    });
    let Some(program) = found else {
        skip("no bwrap on this machine (Debian: apt-get install bubblewrap)");
        return None;
    };
    reference(Tool { name: "installed", program, prefix: Vec::new() })
}

/// The newer one that `.ci/reference` extracts: it brings its own C library, and so its own loader.
fn extracted() -> Option<Reference> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/reference/trixie/root");
    let Ok(library) = find(&root, "libc.so.6") else {
        skip("no newer bwrap under target/reference/trixie (make it with .ci/reference)");
        return None;
    };
    let libraries = stage().join("trixie");
    fs::create_dir_all(&libraries).expect("make a directory for the reference");
    for entry in fs::read_dir(library.parent().expect("library directory")).expect("list libraries").flatten() {
        if entry.path().is_file() && entry.file_name().to_string_lossy().contains(".so") {
            staged(&entry.path(), Path::new("trixie").join(entry.file_name()));
        }
    }
    let text = |path: &Path| path.to_str().expect("the stage has a plain name").to_owned();
    let program = text(&staged(&root.join("usr/bin/bwrap"), "trixie/bwrap"));
    let prefix = ["--argv0", "bwrap", "--library-path", &text(&libraries), &program].map(String::from).to_vec();
    reference(Tool { name: "trixie", program: libraries.join("ld-linux-x86-64.so.2"), prefix })
}

/// `tool` with the version that it states.
fn reference(tool: Tool) -> Option<Reference> {
    let said = tool.launch(Actor::Root, ["--version"]).run();
    let words = String::from_utf8_lossy(&said.stdout).into_owned();
    let mut numbers = words.trim().trim_start_matches("bubblewrap ").split('.').map(|n| n.parse().unwrap_or(0));
    let mut next = || numbers.next().unwrap_or(0);
    let version = (next(), next(), next());
    assert!(version > (0, 0, 0), "{} does not tell its version: {words:?} {}", tool.name, said.stderr_text());
    Some(Reference { tool, version })
}

/// The first file called `name` below `root`.
fn find(root: &Path, name: &str) -> std::io::Result<PathBuf> {
    let mut waiting = vec![root.to_path_buf()];
    while let Some(dir) = waiting.pop() {
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                waiting.push(entry.path());
            } else if entry.file_name() == name && entry.path().is_file() {
                return Ok(entry.path());
            }
        }
    }
    Err(std::io::ErrorKind::NotFound.into())
}

/// A copy of `program` in the stage, which everyone may execute.
fn staged(program: &Path, name: impl AsRef<Path>) -> PathBuf {
    let copy = stage().join(name);
    super::executable::copy(program, &copy);
    copy
}

static STAGE: OnceLock<(u32, PathBuf)> = OnceLock::new();

/// The one directory in which this test process leaves anything.
pub(crate) fn stage() -> &'static Path {
    let (_, path) = STAGE.get_or_init(|| {
        // What tests make has the modes that they expect, whoever runs them; so has what the tool makes.
        nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o022));
        // Nobody else's: other users run tests beside this one, and a run that was killed leaves its directory behind.
        let path = nix::unistd::mkdtemp("/var/tmp/pinfold-test-XXXXXX").expect("make the test directory");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("open the test directory to all");
        // SAFETY: `sweep` is an `extern "C"` function that neither unwinds nor returns into anything freed.
        unsafe { libc::atexit(sweep) };
        (std::process::id(), path)
    });
    path
}

/// Removes the stage when the test process (not a child of it) exits.
extern "C" fn sweep() {
    if let Some((pid, path)) = STAGE.get()
        && *pid == std::process::id()
    {
        super::fixture::remove(path);
    }
}
