//! Package managers, compilers, interpreters, installers; a sandbox in the sandbox.

use std::fs;
use std::path::Path;

use crate::installed;
use crate::support::toolchain::with_toolchain;
use crate::support::{Actor, Launch, Outcome, Place, pinfold, skip, stage};

/// `script` in the box that `options` make, in `place`'s project; it must succeed.
fn sh(place: &Place, options: &str, script: &str) -> Outcome {
    let outcome = place.sh(options, &format!("set -e\n{script}")).run();
    outcome.done();
    outcome
}

#[test]
fn pip_builds_and_installs_a_package() {
    if !installed("/usr/bin/pip3", "python3-pip python3-venv python3-setuptools python3-wheel") {
        return;
    }
    let place = Place::new("pip", Actor::User);
    place.file("project/src/small/__init__.py", "def main(): print('small works')\n");
    place.file(
        "project/pyproject.toml",
        "[build-system]\nrequires = ['setuptools']\nbuild-backend = 'setuptools.build_meta'\n\
         [project]\nname = 'small'\nversion = '1.0'\n[project.scripts]\nsmall = 'small:main'\n",
    );
    let script = "/usr/bin/python3 -m pip wheel -q --no-index --no-build-isolation --no-deps -w dist .
                  /usr/bin/python3 -m venv venv; venv/bin/pip install -q --no-index dist/small-1.0-*.whl; venv/bin/small
                  /usr/bin/python3 -m pip install -q --user --break-system-packages --no-index dist/small-1.0-*.whl
                  ~/.local/bin/small";
    assert_eq!(sh(&place, "", script).stdout_text(), "small works\nsmall works\n");
    assert!(place.project.join("venv/bin/small").exists());
    // What goes into the home is gone with the box.
    assert!(!place.home.join(".local").exists() && !place.home.join(".cache").exists());
}

#[test]
fn npm_runs_tests() {
    if !installed("/usr/bin/npm", "nodejs npm") {
        return;
    }
    let place = Place::new("npm", Actor::User);
    place.file("project/package.json", r#"{"name":"small","version":"1.0.0","scripts":{"test":"node test.js"}}"#);
    place.file(
        "project/test.js",
        "const assert = require('assert'), { execSync } = require('child_process'), http = require('http');
         const { Worker } = require('worker_threads');
         assert.equal(execSync('echo hi').toString(), 'hi\\n');
         const worker = new Worker(\"require('worker_threads').parentPort.postMessage(6 * 7)\", { eval: true });
         worker.on('message', number => { assert.equal(number, 42);
           const server = http.createServer((_, answer) => answer.end('ok'));
           server.listen(0, 'localhost', () => http.get('http://localhost:' + server.address().port, answer =>
             answer.on('data', data => { console.log(`heard ${data}`); server.close(); }))); });\n",
    );
    assert!(sh(&place, "", "npm test --silent").stdout_text().ends_with("heard ok\n"));
    assert!(!place.home.join(".npm").exists());
}

/// Root's home is closed to others: what an ordinary user has in `~/.cargo` and `~/.rustup` is here a copy of what a
/// build needs of the toolchain that builds these tests, in another directory, and so one option more.
#[test]
fn cargo_builds_offline() {
    if !installed("/usr/bin/cc", "gcc") {
        return;
    }
    let place = Place::new("cargo", Actor::User);
    place.file("project/Cargo.toml", "[package]\nname = \"small\"\nversion = \"0.1.0\"\nedition = \"2021\"\n");
    place.file("project/src/main.rs", "fn main() { println!(\"built\"); }\n#[test]\nfn works() {}\n");
    let built = with_toolchain(|toolchain| {
        let options = format!("--profile build --ro {0} --env PATH={0}/bin:/usr/bin", toolchain.display());
        let script = "cargo build --offline -q; target/debug/small; cargo test --offline -q";
        let said = sh(&place, &options, script).stdout_text();
        assert!(said.starts_with("built\n") && said.contains("1 passed"), "{said}");
    });
    assert!(built.is_none() || place.project.join("target/debug/small").exists());
}

#[test]
fn a_program_that_is_only_outside_is_said_to_be_there() {
    let place = Place::new("outside", Actor::User);
    let tool = place.file(".cargo/bin/tool", "");
    crate::support::executable::write(&tool, b"#!/bin/sh\necho tool\n");
    let path = format!("{}:/usr/bin", tool.parent().unwrap().display());
    let with = |options: &[&str], program: &str| {
        let words = [&["run"], options, &["--", program]].concat();
        place.pinfold(&words).env("PATH", &path).run()
    };
    let refused = with(&[], "tool");
    assert_eq!(refused.ending(), "exit 127");
    let wanted = format!("outside it is {}", tool.display());
    assert!(refused.stderr_text().contains(&wanted) && refused.stderr_text().contains("--profile build"), "{refused}");
    assert_eq!(with(&["--profile", "build"], "tool").done(), "tool\n");
    let refused = with(&[], "no-such-tool");
    assert!(refused.ending() == "exit 127" && !refused.stderr_text().contains("outside it is"), "{refused}");
}

const C: &str = "#include <pthread.h>\n#include <stdio.h>\nint x; void *f(void *a) { x++; return a; }\n\
                 int main(void) { pthread_t t; pthread_create(&t, 0, f, 0); pthread_join(t, 0); puts(\"c works\"); }\n";

#[test]
fn make_compiles_for_two_architectures_and_statically() {
    if !installed("/usr/bin/make", "make") || !installed("/usr/bin/cc", "gcc") {
        return;
    }
    let place = Place::new("make", Actor::User);
    let source = place.file("project/a.c", C);
    let makefile = "a: a.c\n\tcc -g -o $@ $<\na32: a.c\n\tcc -m32 -o $@ $<\nas: a.c\n\tcc -static -o $@ $<\n\
                    check: $(ALL)\n\tfor i in $^; do ./$$i; done\n";
    place.file("project/Makefile", makefile);
    // What cannot be built outside, because the machine lacks the libraries for it, cannot be built in a box.
    let mut programs = vec!["a"];
    for (name, option, package) in [("a32", "-m32", "gcc-multilib"), ("as", "-static", "libc6-dev")] {
        let trial = stage().join(format!("make-{name}"));
        let mut cc = std::process::Command::new("/usr/bin/cc");
        let built = cc.arg(option).arg("-o").arg(&trial).arg(&source).output().unwrap();
        let runs = || std::process::Command::new(&trial).output().is_ok_and(|ran| ran.stdout == b"c works\n");
        if built.status.success() && runs() {
            programs.push(name);
        } else {
            let said = String::from_utf8_lossy(&built.stderr).into_owned();
            skip(&format!("cc {option} makes no program that runs here (Debian: apt-get install {package}): {said}"));
        }
    }
    let said = sh(&place, "", &format!("make -s -j2 check ALL='{}'", programs.join(" "))).stdout_text();
    assert!(said.ends_with(&"c works\n".repeat(programs.len())), "{said}");
}

#[test]
fn debuggers_work_with_the_build_profile_and_say_no_without() {
    if !installed("/usr/bin/gdb", "gdb") || !installed("/usr/bin/strace", "strace") || !installed("/usr/bin/cc", "gcc")
    {
        return;
    }
    let place = Place::new("gdb", Actor::User);
    place.file("project/a.c", C);
    let script =
        "cc -g -o a a.c; gdb -q -batch -ex 'break f' -ex run -ex 'print x' -ex continue ./a; strace -fo out ./a
                  grep -c exited out";
    let said = sh(&place, "--profile build", script).stdout_text();
    assert!(said.contains("$1 = 0") && said.contains("exited normally") && said.ends_with("c works\n2\n"), "{said}");
    let refused = place.sh("", "strace ./a").run();
    assert!(refused.ending() != "exit 0" && refused.stderr_text().contains("not permitted"), "{refused}");
}

#[test]
fn an_installer_gets_its_own_home_and_no_keys() {
    let place = Place::new("installer", Actor::User);
    place.file(".ssh/id_ed25519", "the key\n");
    place.file(
        "project/install.sh",
        "#!/bin/sh
         mkdir -p ~/.local/bin ~/.config/tool; echo 'echo tool works' >~/.local/bin/tool; chmod +x ~/.local/bin/tool
         echo 'PATH=~/.local/bin:$PATH' >>~/.profile; tmp=$(mktemp -d); echo x >$tmp/x; mkdir -p vendor; cp $tmp/x vendor/
         ~/.local/bin/tool; cat ~/.ssh/id_ed25519 2>&1; touch /usr/bin/tool 2>&1; true\n",
    );
    let said = sh(&place, "", "sh install.sh").stdout_text();
    assert!(said.starts_with("tool works\n"), "{said}");
    assert!(said.contains("id_ed25519: No such file") && said.contains("Read-only file system"), "{said}");
    assert_eq!(fs::read_to_string(place.project.join("vendor/x")).unwrap(), "x\n");
    assert!(!place.home.join(".local").exists() && !place.home.join(".profile").exists());
}

#[test]
fn python_runs_threads_processes_and_terminals() {
    if !installed("/usr/bin/python3", "python3") {
        return;
    }
    let place = Place::new("python", Actor::User);
    place.file(
        "project/a.py",
        "import asyncio, getpass, multiprocessing as mp, os, pty, tempfile
from multiprocessing import shared_memory
def square(n): return n * n
if __name__ == '__main__':
    for way in ['fork', 'spawn', 'forkserver']:
        with mp.get_context(way).Pool(2) as pool: assert pool.map(square, [3]) == [9]
    async def main():
        process = await asyncio.create_subprocess_shell('echo sub', stdout=-1)
        assert (await process.communicate())[0] == b'sub\\n'
    asyncio.run(main())
    memory = shared_memory.SharedMemory(create=True, size=99); memory.unlink()
    assert pty.spawn(['sh', '-c', 'tty >/dev/null']) == 0
    with tempfile.TemporaryDirectory() as temporary: assert temporary.startswith('/tmp/')
    assert os.path.expanduser('~') == os.environ['HOME'] and getpass.getuser() == 'somebody'
    import sqlite3, ssl; sqlite3.connect('x.db').execute('create table t(a)')
    print('all')\n",
    );
    // A user without an entry in the host's database, as in many containers, has a name all the same.
    assert_eq!(sh(&place, "--env LOGNAME=somebody", "/usr/bin/python3 a.py").stdout_text(), "all\n");
}

#[test]
fn programs_find_what_they_read_in_etc() {
    let place = Place::new("etc", Actor::User);
    // A user of the host's database, the same inside.
    let uid = Actor::User.uid().to_string();
    let entry = fs::read_to_string("/etc/passwd").unwrap();
    if let Some(entry) = entry.lines().find(|line| line.split(':').nth(2) == Some(&uid)) {
        assert_eq!(sh(&place, "", "getent passwd $(id -u); getent hosts localhost >&2").stdout_text().trim(), entry);
    }
    if installed("/usr/bin/man", "man-db") {
        let said = sh(&place, "", "man nothing-like-this || true");
        assert!(!said.stderr_text().contains("manpath configuration"), "{said}");
    }
    // Debian's has links from /usr to /etc for what it cannot run without.
    if Path::new("/usr/bin/java").exists() {
        let text = "public class A { public static void main(String[] a) throws Exception { System.out.println(
                    new java.security.SecureRandom().nextInt(1) + javax.crypto.Cipher.getInstance(\"AES\").getAlgorithm()); } }";
        place.file("project/A.java", text);
        assert_eq!(sh(&place, "", "java A.java").stdout_text(), "0AES\n");
    }
}

#[test]
fn a_browser_keeps_its_own_sandbox_with_one_option() {
    if !installed("/usr/bin/chromium", "chromium") {
        return;
    }
    let place = Place::new("browser", Actor::User);
    let page = "data:text/html,<p id=x>no</p><script>document.getElementById('x').textContent=6*7</script>";
    let words = ["chromium", "--headless", "--disable-gpu", "--dump-dom", page];
    let said = place.run("--profile desktop --allow-userns", &words).run().done();
    assert!(said.contains(">42<"), "{said}");
    let refused = place.run("--profile desktop", &words).run();
    assert!(refused.ending() != "exit 0" && refused.stderr_text().contains("sandbox"), "{refused}");
}

/// What tools do with set-user-ID and set-group-ID bits: mostly nothing, and else they say that they may not.
#[test]
fn tools_go_on_without_set_id_bits() {
    let place = Place::new("set-id-tools", Actor::User);
    place.file("project/prepare", "chmod 4755 tool; tar cf both.tar tool; mkdir shared tree; chmod 2775 shared tree");
    place.file("project/tool", "#!/bin/sh\n");
    // Outside.
    let outside = Launch::program(Path::new("/bin/sh"), place.actor, &["-e", "prepare"]).dir(&place.project).run();
    outside.done();
    let usual = "cp tool copy; install -m 755 tool installed; mkdir x; tar xf both.tar -C x; cp -r tree copied
                 cd shared; mkdir -p -m 755 below; install -d -m 755 also; git init -q own; git clone -q own cloned
                 /usr/bin/python3 -c 'import shutil; shutil.copy2(\"../copy\", \"mine\")'
                 stat -c %A ../copy ../installed ../x/tool below own/.git";
    let modes = "-rwxr-xr-x\n-rwxr-xr-x\n-rwxr-xr-x\ndrwxr-sr-x\ndrwxr-sr-x\n";
    assert_eq!(sh(&place, "", &format!("umask 022; {usual}")).stdout_text(), modes);
    for refused in [
        "cp -p tool $to",
        "install -m 4755 tool $to/set",
        "tar xpf both.tar -C $to",
        "cp -a tree $to",
        "chmod 2750 $to",
        "git init -q --shared $to/team",
    ] {
        let outcome = place.sh("", &format!("to=$(mktemp -d ./XXXXXX); {refused}")).run();
        let said = outcome.stderr_text();
        assert!(outcome.ending() != "exit 0", "{refused}: {outcome}");
        assert!(said.contains("Operation not permitted") || said.contains("writable by group"), "{refused}: {outcome}");
        let allowed = "--syscall-allow chmod,fchmod,fchmodat,fchmodat2";
        sh(&place, allowed, &format!("to=$(mktemp -d ./XXXXXX); {refused}"));
    }
    // What builds packages as if it were root asks for them, and is content without.
    if installed("/usr/bin/fakeroot", "fakeroot") {
        let said = sh(&place, "", "fakeroot sh -c 'cp copy fake; chmod 4755 fake; stat -c %A fake'; stat -c %A fake");
        assert_eq!(said.stdout_text(), "-rwsr-xr-x\n-rwxr-xr-x\n");
    }
}

#[test]
fn a_box_in_a_box_says_what_it_needs() {
    let place = Place::new("nested", Actor::User);
    let nested = |options: &str| {
        let options = format!("--ro {}:/opt/pinfold {options}", pinfold().display());
        place.run(&options, &["/opt/pinfold", "run", "echo", "inner"]).run()
    };
    for (options, hint) in [("", "--allow-userns --landlock off"), ("--allow-userns", "--landlock off")] {
        let refused = nested(options);
        assert_eq!((refused.ending(), refused.stdout_text()), ("exit 125".into(), String::new()), "{refused}");
        assert!(refused.stderr_text().contains(hint), "{refused}");
    }
    assert_eq!(nested("--allow-userns --landlock off").done(), "inner\n");
}
