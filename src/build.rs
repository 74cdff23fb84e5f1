//! Runs before the library is built: compiles the seccomp profiles that come with it, so that a launch that uses one
//! neither reads JSON nor compiles.
#![allow(dead_code, unreachable_pub, unused_imports)] // the library uses more of the modules than this does

mod error;
mod seccomp;
mod suggest;

use std::fmt::Write as _;
use std::path::Path;

use crate::error::{Error, ErrorKind};
use crate::seccomp::arch::Arch;
use crate::seccomp::policy::{Target, resolve};
use crate::seccomp::profile::Reader;
use crate::seccomp::table::Table;
use crate::seccomp::{compile, shipped};

fn main() -> Result<(), String> {
    let out = std::env::var_os("OUT_DIR").ok_or("cargo gives no OUT_DIR")?;
    let programs = programs().map_err(|error| error.to_string())?;
    // Everything else that this depends on is part of it, and cargo runs it again when it had to be built again.
    let run_again: &[u8] = b"cargo::rerun-if-changed=src/build.rs\ncargo::rerun-if-changed=src/launch.ld\n";
    let run_again = [run_again, static_or_warning(), &order_of_functions()].concat();
    std::fs::write(Path::new(&out).join("programs.rs"), programs)
        .and_then(|()| std::io::Write::write_all(&mut std::io::stdout(), &run_again))
        .map_err(|error| error.to_string())
}

/// A warning for who builds without the flags of `.cargo/config.toml`: `cargo install`, or another directory.
fn static_or_warning() -> &'static [u8] {
    let of_target = |name: &str| std::env::var(name).unwrap_or_default();
    let is_static = of_target("CARGO_CFG_TARGET_FEATURE").split(',').any(|feature| feature == "crt-static");
    // A program for musl is static unless somebody asks for another.
    if is_static || of_target("CARGO_CFG_TARGET_ENV") == "musl" {
        b""
    } else {
        b"cargo::warning=this pinfold will not be static, so it starts slowly and needs its libraries: build for a *-linux-musl \
          target, or set RUSTFLAGS='-C target-feature=+crt-static' and name a --target\n"
    }
}

/// Gives the linker `launch.ld`, which puts the code of a launch together. Only the toolchain's own linkers are sure to
/// understand it. An unoptimised program is not measured, so it is linked as it comes.
fn order_of_functions() -> Vec<u8> {
    let of_build = |name: &str| std::env::var(name).unwrap_or_default();
    let chosen = !of_build("RUSTC_LINKER").is_empty() || of_build("CARGO_ENCODED_RUSTFLAGS").contains("fuse-ld");
    if chosen || of_build("OPT_LEVEL") == "0" {
        return Vec::new();
    }
    let script = Path::new(&of_build("CARGO_MANIFEST_DIR")).join("src/launch.ld");
    format!("cargo::rustc-link-arg-bin=pinfold=-Wl,-T,{}\n", script.display()).into_bytes()
}

/// The text of an array of architecture, name and program.
fn programs() -> Result<String, Error> {
    let table = Table::new();
    let mut out = String::from("&[\n");
    for arch in Arch::KERNELS {
        for name in shipped::names() {
            let bytes = program(name, arch, &table)?;
            let arch = arch.name();
            // Tests compare all of them; a program needs those of its own machine.
            let entry = format!("#[cfg(any(test, target_arch = {arch:?}))]\n({arch:?}, {name:?}, &{bytes:?}),\n");
            // A string takes whatever is written to it.
            let _infallible = out.write_str(&entry);
        }
    }
    out.push(']');
    Ok(out)
}

/// The shipped profile `name`, compiled. It must hold for every kernel and every set of capabilities.
fn program(name: &str, arch: Arch, table: &Table) -> Result<Vec<u8>, Error> {
    // One that asks for a capability does not get past this.
    let reader = Reader { table, shipped: &shipped::text, is_cap: &|_| false };
    let profile = reader.read(name, shipped::find(name)?.as_bytes())?;
    let on = |kernel| {
        let policies = resolve(&profile, &Target { arch, kernel, caps: &Default::default() }, table)?;
        compile(&policies).map(|program| program.bytes())
    };
    let (oldest, newest) = (on((0, 0))?, on((u32::MAX, 0))?);
    if oldest != newest {
        return Err(Error::new(
            ErrorKind::Internal,
            format!("{name}: a shipped profile may not depend on the kernel's version"),
        ));
    }
    Ok(newest)
}
