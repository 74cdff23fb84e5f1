//! Programs that must not notice that they are under a filter.

use super::support::{Actor, skip};
use super::{PROFILES, boxed, built, data, filter, tools};

/// What is run, and what it prints; `{uid}` is the user id.
const SCRIPTS: &[(&str, &[&str], &str)] = &[
    (
        "/usr/bin/bash",
        &[
            "-c",
            "set -e; echo a >f; cp f g; mkdir d; mv g d; (cd d; cat g | tr a b); rm -r d f; kill -0 $$; ulimit -c 0; echo $(id -u)",
        ],
        "b\n{uid}\n",
    ),
    (
        "/usr/bin/python3",
        &["-c", PYTHON],
        "{'thread': 1, 'child': 2, 'select': True, 'time': True, 'temp': 3, 'mmap': 4}\n",
    ),
];

/// Threads, children, pipes, files, memory: what every profile lets through.
const PYTHON: &str = r"
import threading, subprocess, select, os, time, tempfile, mmap, sys
out = {}
t = threading.Thread(target=lambda: out.update(thread=1)); t.start(); t.join()
out['child'] = int(subprocess.run([sys.executable, '-c', 'print(2)'], capture_output=True, text=True, check=True).stdout)
r, w = os.pipe(); os.write(w, b'x'); p = select.epoll(); p.register(r); out['select'] = bool(p.poll(5))
start = time.monotonic(); time.sleep(0.01); out['time'] = time.monotonic() > start
with tempfile.NamedTemporaryFile() as f: f.write(b'xyz'); f.flush(); out['temp'] = os.path.getsize(f.name)
m = mmap.mmap(-1, 4096); m[0] = 4; out['mmap'] = m[0]
print(out)
";

/// Sockets of the box's own, which `strict` has not.
const SOCKETS: &str = r"
import socket, multiprocessing
s = socket.create_server(('127.0.0.1', 0)); c = socket.create_connection(s.getsockname()); a, _ = s.accept()
c.sendall(b'tcp'); print(a.recv(3).decode())
a, b = socket.socketpair(); a.sendmsg([b'unix']); print(b.recv(4).decode())
with multiprocessing.Pool(2) as pool: print(sum(pool.map(abs, [-1, -2])))
";

#[test]
fn ordinary_programs_run() {
    for profile in PROFILES.iter().map(|name| (*name).to_owned()).chain(["docker.json", "podman.json"].map(data)) {
        for (program, args, wanted) in SCRIPTS {
            if !std::path::Path::new(program).exists() {
                skip(&format!("no {program} on this machine"));
                continue;
            }
            let wanted = wanted.replace("{uid}", &Actor::User.uid().to_string());
            let command: Vec<&str> = [program].into_iter().chain(args.iter()).copied().collect();
            for tool in tools() {
                let outcome = boxed(tool, Some(filter(&profile, std::env::consts::ARCH)), "", &command).run();
                assert_eq!(outcome.done(), wanted, "{profile} in {}", tool.name);
                assert_eq!(outcome.stderr_text(), "", "{profile} in {}", tool.name);
            }
        }
    }
}

#[test]
fn sockets_work_where_they_are_let_through() {
    if !std::path::Path::new("/usr/bin/python3").exists() {
        return skip("no /usr/bin/python3 on this machine");
    }
    for profile in ["default", "build", "desktop"] {
        for tool in tools() {
            let filter = filter(profile, std::env::consts::ARCH);
            let outcome = boxed(tool, Some(filter), "", &["/usr/bin/python3", "-c", SOCKETS]).run();
            assert_eq!(outcome.done(), "tcp\nunix\n3\n", "{profile} in {}", tool.name);
        }
    }
    let outcome =
        boxed(tools()[0], Some(filter("strict", std::env::consts::ARCH)), "", &["/usr/bin/python3", "-c", SOCKETS]);
    let said = outcome.run().stderr_text();
    assert!(said.contains("PermissionError: [Errno 1]"), "{said}");
}

/// A program of 32 bits with a C library, where the machine can build one.
#[test]
fn a_program_of_32_bits_with_a_c_library_runs() {
    if std::env::consts::ARCH != "x86_64" {
        return skip("32-bit programs are tested on x86_64");
    }
    let Some(program) = built("hello.c", "hello32", &["-m32", "-static", "-pthread"]) else { return };
    let options = format!("--ro-bind {} /hello", program.display());
    for profile in PROFILES {
        for tool in tools() {
            let outcome = boxed(tool, Some(filter(profile, "x86_64")), &options, &["/hello"]).run();
            assert_eq!(
                outcome.done(),
                "hello from 32 bits\nmount: Operation not permitted\n",
                "{profile} in {}",
                tool.name
            );
        }
    }
}
