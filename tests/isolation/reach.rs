//! Network, System V objects, the host's name, the terminal outside.
#![allow(unsafe_code)] // shmget, msgget and semget have no wrapper

use std::net::{Ipv4Addr, TcpListener};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};

use crate::errno;
use crate::support::{Actor, TYPICAL, inside, skip, terminal};

/// [`TYPICAL`] with one namespace of the host after all.
fn sharing(namespace: &str) -> String {
    TYPICAL
        .replace("--unshare-all", "--unshare-user --unshare-pid --unshare-ipc --unshare-net --unshare-uts")
        .replace(&format!("--unshare-{namespace} "), "")
}

#[test]
fn a_listener_on_the_hosts_loopback_cannot_be_reached() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let connect = &["/probe", "connect-tcp", &address];
    for actor in [Actor::User, Actor::Root] {
        if actor.here() {
            assert_eq!(inside(actor, TYPICAL, connect).run().refused(), libc::ECONNREFUSED);
        }
    }
    inside(Actor::User, &sharing("net"), connect).run().done();
}

#[test]
fn other_addresses_cannot_be_reached() {
    let refused = inside(Actor::User, TYPICAL, &["/probe", "connect-tcp", "192.0.2.1:80"]).run().refused();
    assert_eq!(refused, libc::ENETUNREACH);
}

#[test]
fn an_abstract_socket_of_the_host_cannot_be_reached() {
    let name = format!("pinfold-test-{}", std::process::id());
    let _listener = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    let name = format!("@{name}");
    let connect = &["/probe", "connect-unix", &name];
    for actor in [Actor::User, Actor::Root] {
        if actor.here() {
            assert_eq!(inside(actor, TYPICAL, connect).run().refused(), libc::ECONNREFUSED);
        }
    }
    inside(Actor::User, &sharing("net"), connect).run().done();
}

#[test]
fn the_boxs_own_loopback_is_up() {
    for actor in [Actor::User, Actor::Root] {
        if actor.here() {
            assert_eq!(inside(actor, TYPICAL, &["/probe", "loopback"]).run().done(), "heard\n");
        }
    }
}

/// One of each, removed when dropped.
struct SystemV {
    key: i32,
    ids: [i32; 3],
}

impl SystemV {
    fn new() -> SystemV {
        let key = 0x5046_0000 | (std::process::id() & 0xffff).cast_signed();
        let flags = libc::IPC_CREAT | libc::IPC_EXCL | 0o666;
        // SAFETY: these take numbers only.
        let ids = unsafe { [libc::shmget(key, 4096, flags), libc::msgget(key, flags), libc::semget(key, 1, flags)] };
        assert!(ids.iter().all(|id| *id >= 0), "{ids:?}");
        SystemV { key, ids }
    }
}

impl Drop for SystemV {
    fn drop(&mut self) {
        let [shm, msg, sem] = self.ids;
        // SAFETY: IPC_RMID takes no pointer.
        unsafe {
            libc::shmctl(shm, libc::IPC_RMID, std::ptr::null_mut());
            libc::msgctl(msg, libc::IPC_RMID, std::ptr::null_mut());
            libc::semctl(sem, 0, libc::IPC_RMID);
        }
    }
}

#[test]
fn system_v_objects_of_the_host_are_invisible() {
    let objects = SystemV::new();
    let key = objects.key.to_string();
    let look = &["/probe", "ipc", &key];
    for actor in [Actor::User, Actor::Root] {
        if actor.here() {
            assert_eq!(inside(actor, TYPICAL, look).run().done(), "shm absent\nmsg absent\nsem absent\n");
        }
    }
    assert_eq!(inside(Actor::User, &sharing("ipc"), look).run().done(), "shm found\nmsg found\nsem found\n");
}

#[test]
fn the_hosts_name_is_neither_changed_nor_changeable() {
    let name = || nix::unistd::gethostname().unwrap();
    let before = name();
    let options = format!("{TYPICAL} --hostname inner");
    let state = inside(Actor::User, &options, &["/probe", "state"]).run().done();
    assert!(state.contains("\nhostname inner\n"), "{state}");
    assert_eq!(name(), before);
    let change = &["/probe", "sethostname", "changed"];
    for options in [TYPICAL.to_owned(), sharing("uts"), format!("{} --uid 0 --gid 0", sharing("uts"))] {
        assert_eq!(inside(Actor::User, &options, change).run().refused(), errno::PERM);
    }
    let able = format!("{TYPICAL} --cap-add CAP_SYS_ADMIN");
    inside(Actor::User, &able, change).run().done();
    assert_eq!(name(), before);
}

/// Bytes that wait in a terminal after a box has tried to type there (CVE-2017-5226).
fn typed(options: &str) -> i32 {
    terminal::typed(inside(Actor::User, &format!("{TYPICAL} {options}"), &["sh", "-c", terminal::TYPING]))
}

#[test]
fn a_new_session_cannot_type_into_the_terminal_outside() {
    assert_eq!(typed("--new-session"), 0);
    let legacy = std::fs::read_to_string("/proc/sys/dev/tty/legacy_tiocsti");
    if legacy.is_ok_and(|value| value.trim() == "0") {
        skip("dev.tty.legacy_tiocsti is 0: nobody can type into a terminal, so --new-session is not put to the test");
    } else {
        assert!(typed("") > 0, "typing does not work even without --new-session: the test proves nothing");
    }
}
