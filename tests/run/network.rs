//! No network but a loopback device of its own, and no socket of the host.

use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener, UnixStream};
use std::sync::Arc;

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

use crate::support::{Actor, Fd};
use crate::{Place, actors};

#[test]
fn loopback_is_up_and_nothing_else_is_there() {
    for actor in actors() {
        let place = Place::new("loopback", actor);
        assert_eq!(place.run("", &["/probe", "loopback"]).run().done(), "heard\n");
        let said = place.sh("", "tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '").run().done();
        assert!(
            said.lines().all(|name| [
                "lo", "tunl0", "sit0", "ip6tnl0", "gre0", "gretap0", "erspan0", "ip_vti0", "ip6_vti0", "ip6gre0"
            ]
            .contains(&name)),
            "{said}"
        );
        assert_eq!(place.sh("", "wc -l < /proc/net/route").run().done().trim(), "1");
    }
}

#[test]
fn the_hosts_loopback_is_reached_only_when_it_is_shared() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    for actor in actors() {
        let place = Place::new("host-loopback", actor);
        assert_eq!(place.run("", &["/probe", "connect-tcp", &address]).run().refused(), libc::ECONNREFUSED);
        for options in ["--net host", "--share net", "--net none --net host"] {
            place.run(options, &["/probe", "connect-tcp", &address]).run().done();
        }
        assert_eq!(
            place.run("--net host --net none", &["/probe", "connect-tcp", &address]).run().refused(),
            libc::ECONNREFUSED
        );
    }
}

/// A socket stays in the network that it was made in: whoever has one can connect it to others there.
#[test]
fn no_socket_of_the_hosts_network_reaches_a_network_of_ones_own() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let connected = TcpStream::connect(address).unwrap();
    let netlink = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, None).unwrap();
    let mut sockets: Vec<(OwnedFd, &str)> = vec![
        (connected.into(), "(AF_INET)"),
        (UdpSocket::bind("127.0.0.1:0").unwrap().into(), "(AF_INET)"),
        (listener.try_clone().unwrap().into(), "(AF_INET)"),
        (netlink, "(AF_NETLINK)"),
    ];
    // Hosts without IPv6 have no such socket to pass.
    let inet6 = socket(AddressFamily::Inet6, SockType::Stream, SockFlag::SOCK_CLOEXEC, None);
    sockets.extend(inet6.ok().map(|socket| (socket, "(AF_INET6)")));
    let place = Place::new("passed-socket", Actor::User);
    for (socket, family) in sockets {
        let given = Fd::Given(Arc::new(socket));
        for (number, options) in [(0, ""), (1, ""), (2, ""), (5, "--keep-fd 5"), (0, "--keep-fd 0")] {
            for more in ["", "--landlock off", "--landlock only", "--best-effort"] {
                let launch = place.sh(&format!("{options} {more}"), "touch ran").fd(number, given.clone());
                let outcome = launch.run();
                let about = format!("{family} {number} {options} {more}: {outcome}");
                assert!(!place.project.join("ran").exists(), "{about}");
                // Whoever writes the message to a socket that nobody is connected to may end by SIGPIPE.
                let is_mute = number == 2 && outcome.ending() == "signal 13";
                assert!(is_mute || outcome.ending() == "exit 125", "{about}");
                let said = outcome.stderr_text();
                let has = |text: &str| said.contains(text);
                let name = format!("ile descriptor {number}");
                assert!(number == 2 || has(&name) && has(family) && has("--net host"), "{about}");
            }
        }
        for (number, options) in [(0, ""), (5, "--keep-fd 5")] {
            let launch = place.sh(&format!("{options} --net host"), "echo it ran").fd(number, given.clone());
            assert_eq!(launch.run().done(), "it ran\n", "{family} {number}");
        }
    }
    // Sockets between processes are of no network, but for abstract names, which Landlock holds.
    let (ours, theirs) = UnixStream::pair().unwrap();
    drop(ours);
    let given = Fd::Given(Arc::new(theirs.into()));
    let launch = place.sh("--keep-fd 5", "echo it ran").fd(0, given.clone()).fd(5, given);
    assert_eq!(launch.run().done(), "it ran\n");
}

/// Sockets of the host's services: by path they are not there, by abstract name Landlock holds them off even where the
/// network is shared.
#[test]
fn sockets_of_the_host_are_out_of_reach() {
    for actor in actors() {
        let place = Place::new("sockets", actor);
        let path = place.home.join("agent.sock");
        let _by_path = UnixListener::bind(&path).unwrap();
        let name = format!("pinfold-test-{}-{actor:?}", std::process::id());
        let _abstract = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        // A datagram needs no connection.
        let datagrams = format!("{name}-datagrams");
        let _datagrams = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&datagrams).unwrap()).unwrap();
        let beside = place.home.join("datagrams");
        let _beside = UnixDatagram::bind(&beside).unwrap();
        let send = format!(
            "import socket\ns = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n\
             print(*(s.connect_ex(name) for name in ['\\0{datagrams}', '{}']))",
            beside.display()
        );
        let sent = |options: &str| place.run(options, &["python3", "-c", &send]).run().done();
        // Without Landlock the names are in sight in the host's network, and in no other.
        assert_eq!(sent("--landlock off"), format!("{} 2\n", libc::ECONNREFUSED));
        assert_eq!(sent("--landlock off --net host"), "0 2\n");
        for net in ["", "--net host"] {
            let by_path = place.run(net, &["/probe", "connect-unix", path.to_str().unwrap()]).run();
            assert_eq!(by_path.refused(), libc::ENOENT, "{net}");
            let by_name = place.run(net, &["/probe", "connect-unix", &format!("@{name}")]).run();
            let wanted = if net.is_empty() { libc::ECONNREFUSED } else { libc::EPERM };
            assert_eq!(by_name.refused(), wanted, "{net}: {by_name}");
            assert_eq!(sent(net), format!("{wanted} 2\n"), "{net}");
        }
    }
}

/// Whoever types ports and forgets the network must not look for the mistake elsewhere.
#[test]
fn ports_without_a_network_are_refused() {
    let place = Place::new("no-network", Actor::User);
    place.file(".config/pinfold/profiles/web.profile", "profile workspace\ntcp-connect 443\n");
    place.file(".config/pinfold/profiles/net.profile", "profile workspace\nnet host\ntcp-bind 8000\n");
    let said = |options: &str| {
        let outcome = place.sh(options, "echo it ran").run();
        (outcome.ending(), outcome.stdout_text(), outcome.stderr_text())
    };
    for options in [
        "--tcp-connect 443",
        "--tcp-bind 80 --net none",
        "--tcp-connect 1 --dry-run",
        "--profile web",
        "--profile web --tcp-bind 1 --net none",
    ] {
        let (ending, out, told) = said(options);
        assert_eq!((ending.as_str(), out.as_str()), ("exit 125", ""), "{options}: {told}");
        assert!(told.contains("no run can start: there is no network"), "{options}: {told}");
        assert!(told.contains("hint: --net host "), "{options}: {told}");
    }
    for options in [
        "--net host --tcp-connect 443",
        "--tcp-connect none",
        "--tcp-connect 443 --tcp-connect none",
        "--profile web --net none",
        "--profile web --net host",
        "--profile net --net none",
        "",
    ] {
        assert_eq!(said(options), ("exit 0".into(), "it ran\n".into(), String::new()), "{options}");
    }
}

#[test]
fn tcp_ports_can_be_named() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, port) = (listener.local_addr().unwrap().to_string(), listener.local_addr().unwrap().port());
    let place = Place::new("ports", Actor::User);
    let connect =
        |options: &str| place.run(&format!("--net host {options}"), &["/probe", "connect-tcp", &address]).run();
    connect(&format!("--tcp-connect 1,{port}")).done();
    assert_eq!(connect("--tcp-connect 1").refused(), libc::EACCES);
    assert_eq!(connect("--tcp-connect none").refused(), libc::EACCES);
    connect("--tcp-bind none").done();
    assert_eq!(place.run("--tcp-bind none", &["/probe", "loopback"]).run().refused(), libc::EACCES);
}

/// Doors of the kernel that go round rules for ports: what they are, the call as x86_64 has it and as i386 has it, and
/// the answer of the filter.
#[cfg(target_arch = "x86_64")]
const ROUND: &[(&str, &str, &str, i32)] = &[
    ("socket MPTCP", "41 2 1 262", "359 2 1 262", libc::EPROTONOSUPPORT),
    ("socket MPTCP over IPv6, with SOCK_CLOEXEC", "41 10 0x80001 262", "359 10 0x80001 262", libc::EPROTONOSUPPORT),
    ("socket SMC by its protocol", "41 2 1 256", "359 2 1 256", libc::EPROTONOSUPPORT),
    ("socket SCTP", "41 2 1 132", "359 2 1 132", libc::EPROTONOSUPPORT),
    ("socket SCTP as a sequence of packets", "41 10 5 132", "359 10 5 132", libc::EPROTONOSUPPORT),
    ("socket DCCP", "41 2 6 33", "359 2 6 33", libc::EPROTONOSUPPORT),
    ("socket UDP-Lite", "41 2 2 136", "359 2 2 136", libc::EPROTONOSUPPORT),
    ("socket of raw packets", "41 2 3 255", "359 2 3 255", libc::EPROTONOSUPPORT),
    ("socket AF_PACKET", "41 17 3 0", "359 17 3 0", libc::EAFNOSUPPORT),
    ("socket AF_RDS", "41 21 5 0", "359 21 5 0", libc::EAFNOSUPPORT),
    ("socket AF_TIPC", "41 30 1 0", "359 30 1 0", libc::EAFNOSUPPORT),
    ("socket AF_VSOCK", "41 40 1 0", "359 40 1 0", libc::EAFNOSUPPORT),
    ("socket AF_KCM", "41 41 5 0", "359 41 5 0", libc::EAFNOSUPPORT),
    ("socket AF_QIPCRTR", "41 42 2 0", "359 42 2 0", libc::EAFNOSUPPORT),
    ("socket AF_SMC", "41 43 1 0", "359 43 1 0", libc::EAFNOSUPPORT),
    ("socket AF_XDP", "41 44 3 0", "359 44 3 0", libc::EAFNOSUPPORT),
    ("socketpair AF_SMC", "53 43 1 0 0", "360 43 1 0 0", libc::EAFNOSUPPORT),
    ("socketpair AF_VSOCK", "53 40 1 0 0", "360 40 1 0 0", libc::EAFNOSUPPORT),
    ("socketpair AF_TIPC", "53 30 1 0 0", "360 30 1 0 0", libc::EAFNOSUPPORT),
    ("socketpair MPTCP", "53 2 1 262 0", "360 2 1 262 0", libc::EPROTONOSUPPORT),
    // Of a descriptor that is not open: only the filter can say anything but EBADF.
    ("setsockopt IP_LOCAL_PORT_RANGE", "54 99 0 51 @port 4", "366 99 0 51 @port 4", libc::ENOPROTOOPT),
    ("setsockopt TCP_ULP", "54 99 6 31 @smc 4", "366 99 6 31 @smc 4", libc::ENOPROTOOPT),
    ("sendto MSG_FASTOPEN", "44 99 @x 1 0x20000000", "369 99 @x 1 0x20000000", libc::EOPNOTSUPP),
    ("sendmsg MSG_FASTOPEN", "46 99 0 0x20004000", "370 99 0 0x20004000", libc::EOPNOTSUPP),
    ("sendmmsg MSG_FASTOPEN", "307 99 0 1 0x20000000", "345 99 0 1 0x20000000", libc::EOPNOTSUPP),
    ("io_uring_setup", "425 1 0", "425 1 0", libc::ENOSYS),
    ("io_uring_enter", "426 99 0 0 0 0", "426 99 0 0 0 0", libc::ENOSYS),
    ("io_uring_register", "427 99 0 0 0", "427 99 0 0 0", libc::ENOSYS),
    ("x32: socket", "0x40000029 2 1 262", "102 1 0", libc::ENOSYS),
    ("x32: setsockopt (or socketcall)", "0x4000021d 99 6 31 @smc 4", "102 14 0", libc::ENOSYS),
    ("x32: connect (or socketcall)", "0x4000002a 99 0 0", "102 3 0", libc::ENOSYS),
];

#[cfg(target_arch = "x86_64")]
#[test]
fn where_ports_are_named_every_door_around_is_shut() {
    for actor in actors() {
        for bits in ["64", "32"] {
            let Some(program) = super::seccomp::calls(bits) else { continue };
            let place = Place::new(&format!("doors-{bits}"), actor);
            let ask = |options: &str, words: &str| {
                let options = format!("--ro {}:/calls --net host {options}", program.display());
                let command: Vec<&str> = ["/calls"].into_iter().chain(words.split(' ')).collect();
                let said = place.run(&options, &command).run().done();
                said.lines().map(|answer| answer.parse().unwrap()).collect::<Vec<i32>>()
            };
            let is_64 = bits == "64";
            let calls: Vec<&str> =
                ROUND.iter().map(|&(_, wide, narrow, _)| if is_64 { wide } else { narrow }).collect();
            // Whatever other filter there is or is not.
            for options in ["--tcp-connect 1 --seccomp off", "--tcp-bind none --seccomp off", "--tcp-connect none"] {
                for ((what, .., wanted), answer) in ROUND.iter().zip(ask(options, &calls.join(" -- "))) {
                    assert_eq!(-answer, *wanted, "{options}, {bits} bits: {what}");
                }
                // TCP, UDP, ping over both, UNIX and netlink, which the kernel may refuse but no filter does.
                let (socket, pair, option) = if is_64 { (41, 53, 54) } else { (359, 360, 366) };
                let open = format!(
                    "{socket} 2 1 0 -- {socket} 10 0x80801 6 -- {socket} 2 2 17 -- {socket} 1 5 0 -- {socket} 16 3 0 \
                     -- {pair} 1 1 0 0 -- {option} 99 6 1 0 0"
                );
                let answers = ask(options, &open);
                let (made, others) = answers.split_at(5);
                let is_made = |answer: &i32| *answer >= 3 || *answer == -libc::EAFNOSUPPORT;
                assert!(made.iter().all(is_made) && made[0] >= 3, "{options}, {bits} bits: {answers:?}");
                assert_eq!(others, [-libc::EFAULT, -libc::EBADF], "{options}, {bits} bits");
            }
        }
    }
}

/// `TCP_ULP` makes a socket of TCP one of SMC, which Landlock asks nothing about.
#[test]
fn a_connected_socket_of_tcp_stays_one() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let program = format!(
        r#"
import socket
def attempt(name):
    s = socket.socket()
    s.connect(("127.0.0.1", {port}))
    try: s.setsockopt(socket.IPPROTO_TCP, 31, name); print("turned")
    except OSError as e: print(e.errno)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1); s.sendall(b"x")
attempt(b"smc"); attempt(b"tls")
"#
    );
    let place = Place::new("ulp", Actor::User);
    for options in ["", "--seccomp off"] {
        let options = format!("--net host --tcp-connect {port} {options}");
        assert_eq!(place.run(&options, &["/usr/bin/python3", "-c", &program]).run().done(), "92\n92\n", "{options}");
    }
}
