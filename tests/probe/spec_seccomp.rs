//! Starts a program under a seccomp profile, through the library: `spec_seccomp [KEY=VALUE]... -- PROGRAM [WORD...]`.
//!
//! Values of `deny`, `allow`, `caps` and `bind` (SOURCE:DEST, read-only) are lists with commas.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::process::ExitCode;

use pinfold::spec::{CapSet, LAST_KNOWN_CAP, ProfileText, Seccomp};
use pinfold::{Error, ErrorKind, Sandbox};

fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    match run(&words) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("spec_seccomp: {error}");
            ExitCode::from(1)
        }
    }
}

fn run(words: &[OsString]) -> Result<u8, Error> {
    let wrong = || Error::new(ErrorKind::Invalid, "usage: spec_seccomp [KEY=VALUE]... -- PROGRAM [WORD...]");
    let end = words.iter().position(|word| word == "--").ok_or_else(wrong)?;
    let (options, command) = (&words[..end], &words[end + 1..]);
    let value = |key: &str| {
        let of = |word: &OsString| word.to_str()?.strip_prefix(key)?.strip_prefix('=').map(str::to_owned);
        options.iter().find_map(of).unwrap_or_default()
    };
    let list = |key: &str| {
        let value = value(key);
        value.split(',').filter(|one| !one.is_empty()).map(str::to_owned).collect::<Vec<_>>()
    };
    let mut sandbox = Sandbox::new(command).ro_bind("/usr", "/usr").proc("/proc").dev("/dev").tmpfs("/tmp");
    for (target, dest) in [("usr/lib", "/lib"), ("usr/lib64", "/lib64")] {
        sandbox = sandbox.symlink(target, dest);
    }
    for bind in list("bind") {
        let (source, dest) = bind.split_once(':').ok_or_else(wrong)?;
        sandbox = sandbox.ro_bind(source, dest);
    }
    if !value("path").is_empty() {
        sandbox = sandbox.env("PATH", value("path"));
    }
    let mut spec = sandbox.spec()?;
    match value("first").as_str() {
        "program" => spec.lifecycle.as_pid_1 = true,
        "nobody" => spec.namespaces.pid = false,
        _ => {}
    }
    if let Some(cap) = CapSet::parse(value("cap").as_bytes(), LAST_KNOWN_CAP) {
        spec.lockdown.caps = Some(cap);
    }
    let profile = value("profile");
    let text = if profile.contains('/') {
        let text =
            std::fs::read(&profile).map_err(|error| Error::new(ErrorKind::Invalid, format!("{profile}: {error}")))?;
        let name = std::ffi::CString::new(OsString::from(profile).into_vec()).map_err(|_| wrong())?;
        ProfileText::File { name, text, thread: None }
    } else {
        ProfileText::Shipped(profile)
    };
    spec.lockdown.seccomp = Seccomp::Profile { text, deny: list("deny"), allow: list("allow") };
    pinfold::run(spec)
}
