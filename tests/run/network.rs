//! No network but a loopback device of its own, and no socket of the host.

use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};

use crate::support::Actor;
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
        for net in ["", "--net host"] {
            let by_path = place.run(net, &["/probe", "connect-unix", path.to_str().unwrap()]).run();
            assert_eq!(by_path.refused(), libc::ENOENT, "{net}");
            let by_name = place.run(net, &["/probe", "connect-unix", &format!("@{name}")]).run();
            let wanted = if net.is_empty() { libc::ECONNREFUSED } else { libc::EPERM };
            assert_eq!(by_name.refused(), wanted, "{net}: {by_name}");
        }
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
