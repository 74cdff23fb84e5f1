//! `spec_workspace [--alone] DIR COMMAND...`: runs a command in a box whose workspace is the current directory, and
//! which starts in DIR; with `--alone` the box ends with nobody but its own processes. What a library user writes for
//! that.

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1).peekable();
    let alone = words.next_if(|word| word == "--alone").is_some();
    let dir = words.next().unwrap_or_default();
    let sandbox = pinfold::Sandbox::new(words)
        .ro_bind("/usr", "/usr")
        .symlink("usr/bin", "/bin")
        .symlink("usr/lib", "/lib")
        .symlink("usr/lib64", "/lib64")
        .proc("/proc")
        .dev("/dev")
        .tmpfs("/tmp")
        .workspace(".")
        .chdir(dir);
    let spec = sandbox.spec().map(|mut spec| {
        if alone {
            spec.lifecycle.die_with = pinfold::spec::DieWith::Nobody;
        }
        spec
    });
    match spec.and_then(pinfold::run) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(125)
        }
    }
}
