//! Ports, abstract sockets and signals.

use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};

use crate::support::{Actor, Launch, probe};
use crate::{APART, TYPICAL, actors, errno, through};

#[test]
fn only_the_ports_that_are_named_can_be_connected_to() {
    let (open, shut) = (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
    let address = |listener: &TcpListener| listener.local_addr().unwrap().to_string();
    let port = open.local_addr().unwrap().port();
    for actor in actors() {
        for tier in ["", "mirror"] {
            let wishes = format!("{tier} pid connect {port} {TYPICAL}");
            let connect = |to: &TcpListener| through(actor, &wishes, &["/probe", "connect-tcp", &address(to)]).run();
            connect(&open).done();
            assert_eq!(connect(&shut).refused(), errno::ACCESS);
        }
        let none = format!("pid no-port {TYPICAL}");
        let said = through(actor, &none, &["/probe", "connect-tcp", &address(&open)]).run();
        assert_eq!(said.refused(), errno::ACCESS);
        let free = format!("mirror pid {TYPICAL}");
        through(actor, &free, &["/probe", "connect-tcp", &address(&shut)]).run().done();
    }
}

#[test]
fn only_the_ports_that_are_named_can_be_bound() {
    let program = "import socket\nfor port in (8080, 8081):\n  try: socket.socket().bind((\"127.0.0.1\", port)); print(\"ok\")\n  except OSError as e: print(e.errno)";
    for actor in actors() {
        let bound = |wishes: &str| {
            let wishes = format!("{wishes} {APART} {TYPICAL}");
            through(actor, &wishes, &["python3", "-c", program]).run().done()
        };
        assert_eq!(bound("bind-port 8080"), "ok\n13\n");
        assert_eq!(bound("mirror bind-port 8081"), "13\nok\n");
        assert_eq!(bound("no-port"), "13\n13\n");
        assert_eq!(bound("mirror"), "ok\nok\n");
    }
}

/// Other protocols fall back to TCP, a socket of TCP can be turned into one of SMC, and data can be sent along with the
/// first packet: nothing of it asks at connect(2).
#[test]
fn there_is_no_other_way_to_speak_tcp() {
    let shut = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = shut.local_addr().unwrap().port();
    let program = format!(
        r#"
import socket
def attempt(what):
    try: what(); print("through")
    except OSError as e: print(e.errno)
to = ("127.0.0.1", {port})
def connect_later():
    s = socket.socket()
    s.setsockopt(socket.IPPROTO_TCP, 30, 1)  # TCP_FASTOPEN_CONNECT
    s.connect(to)
    s.sendall(b"x")
attempt(lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262).connect(to))
attempt(lambda: socket.socket().sendto(b"x", socket.MSG_FASTOPEN, to))
attempt(lambda: socket.socket().sendmsg([b"x"], [], socket.MSG_FASTOPEN, to))
attempt(lambda: socket.socket(43, socket.SOCK_STREAM, 0))
attempt(lambda: socket.socketpair(43, socket.SOCK_STREAM, 0))
attempt(lambda: socket.socket().setsockopt(socket.IPPROTO_TCP, 31, b"smc"))
attempt(lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM, 132))
attempt(connect_later)
attempt(lambda: socket.socket().connect(to))
attempt(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(to))
attempt(lambda: socket.socket(socket.AF_UNIX))
"#
    );
    for actor in actors() {
        let run = |wishes: &str| {
            let wishes = format!("{wishes} pid {TYPICAL}");
            through(actor, &wishes, &["python3", "-c", &program]).run().done()
        };
        assert_eq!(run("no-port"), "93\n95\n95\n97\n97\n92\n93\n13\n13\nthrough\nthrough\n");
        let free = run("mirror");
        assert!(
            free.starts_with("through\nthrough\nthrough\n") && free.ends_with("through\nthrough\nthrough\nthrough\n"),
            "{free}"
        );
    }
}

/// In the host's network namespace its abstract sockets are in sight.
#[test]
fn abstract_sockets_outside_are_out_of_reach() {
    let name = format!("pinfold-landlock-{}", std::process::id());
    let _listener = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    for actor in actors() {
        let connect = |tier: &str| {
            let wishes = format!("{tier} pid {TYPICAL}");
            through(actor, &wishes, &["/probe", "connect-unix", &format!("@{name}")]).run()
        };
        connect("").done();
        assert_eq!(connect("mirror").refused(), errno::PERM);
    }
}

/// In the host's PID namespace its processes are in sight, and those of the same user could be killed.
#[test]
fn processes_outside_get_no_signal() {
    for actor in actors() {
        let outside = Launch::program(probe(), actor, &["pause"]).start();
        let pid = outside.pid().to_string();
        let signal = |tier: &str| {
            let wishes = format!("{tier} net {TYPICAL}");
            through(actor, &wishes, &["/probe", "kill", &pid, "0"]).run()
        };
        signal("").done();
        assert_eq!(signal("mirror").refused(), errno::PERM);
        drop(outside);
    }
    let wishes = format!("mirror net {TYPICAL}");
    let own = "sleep 100 & kill $!; wait $!; echo $?";
    assert_eq!(through(Actor::User, &wishes, &["/bin/sh", "-c", own]).run().done(), "143\n");
}

/// Two domains that were made from the same rules are strangers to each other: neither may signal or trace the other.
/// So the process of ours that stays inside enters one, and the program, with all that is started there later, is born
/// in it.
#[test]
fn the_program_is_in_the_domain_of_its_init() {
    let wishes = format!("mirror net {TYPICAL}");
    for actor in actors() {
        let signal = |wishes: &str| through(actor, wishes, &["/bin/sh", "-c", "kill -0 $PPID && echo same"]).run();
        assert_eq!(signal(&format!("{wishes} lock /usr/bin/sh")).done(), "same\n", "{actor:?}");
        // Without such a process its maker is outside.
        assert_ne!(signal(&wishes).ending(), "exit 0", "{actor:?}");
    }
}
