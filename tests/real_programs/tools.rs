//! Python, git, cargo, a browser.

use std::path::Path;

use crate::support::toolchain::with_toolchain;
use crate::support::{Actor, Fixture, skip};
use crate::{actors, installed, program};

#[test]
fn python_runs_threads_and_processes() {
    const SCRIPT: &str = "
import multiprocessing as mp, threading, concurrent.futures as futures, tempfile, socket, os
def square(n): return n * n
if __name__ == '__main__':
    found = []
    threads = [threading.Thread(target=lambda n=n: found.append(square(n))) for n in range(20)]
    [t.start() for t in threads]; [t.join() for t in threads]
    assert sorted(found) == [n * n for n in range(20)]
    for way in ['fork', 'spawn', 'forkserver']:
        context = mp.get_context(way)
        with context.Pool(3) as pool: assert pool.map(square, range(50)) == [n * n for n in range(50)]
        with futures.ProcessPoolExecutor(2, mp_context=context) as pool: assert pool.submit(square, 9).result() == 81
        lock, queue = context.Lock(), context.Queue()
        with lock: queue.put(way)
        assert queue.get() == way
    with tempfile.NamedTemporaryFile() as file: file.write(b'x')
    a, b = socket.socketpair(); a.send(b'y'); assert b.recv(1) == b'y'
    print('all', os.getpid() > 0)
";
    if !installed("/usr/bin/python3") {
        return;
    }
    for actor in actors() {
        let fixture = Fixture::new(&format!("python-{actor:?}"), actor);
        std::fs::write(fixture.path.join("orig"), SCRIPT).unwrap();
        let options = format!("--ro-bind {}/orig /script.py", fixture.path.display());
        assert_eq!(program(actor, &options, &["python3", "/script.py"]).run().done(), "all True\n");
    }
}

#[test]
fn git_clones_a_repository() {
    if !installed("/usr/bin/git") {
        return;
    }
    for actor in actors() {
        let fixture = Fixture::new(&format!("git-{actor:?}"), actor);
        let dir = fixture.path.display();
        let git = "git -c user.name=n -c user.email=e -c init.defaultBranch=main";
        let make = format!("cd /src && {git} init -q && {git} add . && {git} commit -qm first && git tag one");
        program(actor, &format!("--bind {dir}/dir /src"), &["sh", "-ec", &make]).run().done();
        let clone = "git clone -q /src /out/copy; git clone -q file:///src /out/far; cd /out/far; git log --format=%s; \
                     git describe --tags; cat sub/deep; git fsck";
        let options = format!("--ro-bind {dir}/dir /src --bind {dir}/empty /out");
        assert_eq!(program(actor, &options, &["sh", "-ec", clone]).run().done(), "first\none\ndeep\n");
        assert!(fixture.path.join("empty/copy/.git").is_dir());
        assert_eq!(std::fs::read_to_string(fixture.path.join("empty/far/inner")).unwrap(), "inner\n");
    }
}

#[test]
fn cargo_builds_and_tests_a_crate() {
    if !installed("/usr/bin/cc") {
        return;
    }
    for actor in actors() {
        let fixture = Fixture::new(&format!("cargo-{actor:?}"), actor);
        let dir = fixture.path.join("dir");
        std::fs::create_dir(dir.join("src")).unwrap();
        let manifest = "[package]\nname = \"small\"\nversion = \"0.1.0\"\nedition = \"2021\"\n";
        std::fs::write(dir.join("Cargo.toml"), manifest).unwrap();
        let main = "fn main() { println!(\"built in a box\"); }\n#[test]\nfn works() {}\n";
        std::fs::write(dir.join("src/main.rs"), main).unwrap();
        let outcome = with_toolchain(|toolchain| {
            let options = format!(
                "--ro-bind {} /toolchain --ro-bind {} /crate --ro-bind-try /etc/alternatives /etc/alternatives \
                 --setenv PATH /toolchain/bin:/usr/bin \
                 --setenv CARGO_HOME /tmp/cargo --setenv CARGO_TARGET_DIR /tmp/target",
                toolchain.display(),
                dir.display()
            );
            let script = "cargo generate-lockfile --offline 2>/dev/null; cp -r /crate /tmp/crate; cd /tmp/crate; \
                          cargo build --offline --quiet; /tmp/target/debug/small; cargo test --offline --quiet";
            program(actor, &options, &["bash", "-c", script]).run()
        });
        let Some(outcome) = outcome else { return };
        let said = outcome.done();
        assert!(said.starts_with("built in a box\n") && said.contains("1 passed"), "{outcome}");
    }
}

#[test]
fn a_headless_browser_renders_a_page() {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let Some(browser) = names.iter().map(|name| format!("/usr/bin/{name}")).find(|path| Path::new(path).exists())
    else {
        skip("no Chromium on this machine (Debian: apt-get install chromium)");
        return;
    };
    // Its own sandbox makes user namespaces, which a box allows unless told otherwise.
    let page = "data:text/html,<p id=x>no</p><script>document.getElementById('x').textContent=6*7</script>";
    let words = [&*browser, "--headless", "--disable-gpu", "--user-data-dir=/tmp/chromium", "--dump-dom", page];
    let options = "--ro-bind-try /etc/fonts /etc/fonts --ro-bind-try /etc/chromium /etc/chromium \
                   --ro-bind-try /etc/chromium.d /etc/chromium.d --ro-bind-try /etc/alternatives /etc/alternatives \
                   --ro-bind-try /etc/passwd /etc/passwd --dir /tmp/chromium \
                   --perms 1777 --tmpfs /dev/shm";
    let said = program(Actor::User, options, &words).run().done();
    assert!(said.contains(">42<"), "{said}");
}
