//! What is timed, and the files that it needs, in one directory that everybody may read.

use std::env;
use std::fs::{self, Permissions};
use std::io::Result;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// As many directories wait to be bound.
pub(crate) const SOURCES: usize = 10_000;
/// The C library of this build, which the limit program gets too: what differs is then pinfold.
pub(crate) const C_LIBRARY: &str = if cfg!(target_env = "musl") { "musl" } else { "glibc" };
/// The compiler that has it.
const CC: &str = if cfg!(target_env = "musl") { "musl-gcc" } else { "cc" };

/// The directory. Whoever made it removes it.
pub(crate) struct Stage {
    path: PathBuf,
}

impl Stage {
    /// Makes a new one below `/var/tmp`, with copies of both tools, so that they lie on the same filesystem.
    pub(crate) fn make() -> Result<Stage> {
        let stage = Stage { path: format!("/var/tmp/pinfold-bench-{}", std::process::id()).into() };
        fs::create_dir(&stage.path)?;
        fs::set_permissions(&stage.path, Permissions::from_mode(0o755))?;
        // Under the name `bwrap`, so that both tools get the same words.
        place(env!("CARGO_BIN_EXE_pinfold").as_ref(), &stage.pinfold())?;
        fs::hard_link(stage.pinfold(), stage.native())?;
        fs::create_dir_all(stage.project())?;
        place(&env::current_exe()?, &stage.this_program())?;
        match reference() {
            Some(path) => place(&path, &stage.bubblewrap())?,
            None => println!("SKIPPED: there is no bwrap in PATH, so nothing is compared with bubblewrap"),
        }
        stage.compile_limit();
        fs::create_dir(stage.sources())?;
        for number in 1..=SOURCES {
            fs::create_dir(stage.sources().join(number.to_string()))?;
        }
        Ok(stage)
    }

    /// The one that another process has made.
    pub(crate) fn at(path: PathBuf) -> Stage {
        Stage { path }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The tool that is measured.
    pub(crate) fn pinfold(&self) -> PathBuf {
        self.path.join("bwrap")
    }

    /// The same under its own name.
    pub(crate) fn native(&self) -> PathBuf {
        self.path.join("pinfold")
    }

    /// The project in somebody's home.
    pub(crate) fn project(&self) -> PathBuf {
        self.path.join("home/project")
    }

    /// bubblewrap. The file is missing where there is none.
    pub(crate) fn bubblewrap(&self) -> PathBuf {
        self.path.join("reference")
    }

    /// The limit program, with the C library that pinfold has here. The file is missing where there is no C compiler.
    pub(crate) fn limit(&self) -> PathBuf {
        self.path.join("limit")
    }

    /// This benchmark itself.
    pub(crate) fn this_program(&self) -> PathBuf {
        self.path.join("launch")
    }

    /// The directory with the directories `1`, `2`, … to bind.
    pub(crate) fn sources(&self) -> PathBuf {
        self.path.join("sources")
    }

    fn compile_limit(&self) {
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/bench/limit.c");
        let mut cc = Command::new(CC);
        // musl-gcc brings no headers of the kernel.
        cc.args(["-O2", "-static", "-idirafter", "/usr/include", "-idirafter", "/usr/include/x86_64-linux-gnu"]);
        cc.args([source, "-o"]).arg(self.limit());
        let said = match cc.status() {
            Ok(status) if status.success() => return,
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        };
        println!("SKIPPED: {CC} cannot build the limit program ({said}), so nothing is compared with the limit");
    }

    /// Takes everything away again.
    pub(crate) fn remove(self) -> Result<()> {
        fs::remove_dir_all(&self.path)
    }
}

/// A copy of `from` that everybody may run.
fn place(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to)?;
    fs::set_permissions(to, Permissions::from_mode(0o755))
}

/// `PINFOLD_TEST_BWRAP`, or the first `bwrap` in `PATH`.
fn reference() -> Option<PathBuf> {
    let named = env::var_os("PINFOLD_TEST_BWRAP").map(PathBuf::from);
    let in_path = || env::split_paths(&env::var_os("PATH")?).map(|dir| dir.join("bwrap")).find(|path| path.is_file());
    named.or_else(in_path)
}
