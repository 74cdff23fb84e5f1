//! The loopback device (`netdevice(7)`).

use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

use super::{Errno, Result};

/// From include/uapi/linux/sockios.h: gets the network namespace of a socket as a descriptor (Linux 4.10).
const SIOCGSKNS: libc::Ioctl = 0x894c;

/// A socket of this network namespace, for [`bring_loopback_up`] and [`namespace`].
pub(crate) fn any_socket() -> Result<OwnedFd> {
    socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)
}

/// Brings `lo` up. The kernel then adds 127.0.0.1/8 and ::1 by itself (`inetdev_event` in net/ipv4/devinet.c), so no
/// netlink messages are needed.
pub(crate) fn bring_loopback_up(socket: BorrowedFd<'_>) -> Result<()> {
    // SAFETY: all-zero bytes are a valid `ifreq`.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    request.ifr_name[0] = b'l' as libc::c_char;
    request.ifr_name[1] = b'o' as libc::c_char;
    request.ifr_ifru.ifru_flags = libc::IFF_UP as libc::c_short;
    // SAFETY: SIOCSIFFLAGS reads an `ifreq`, which `request` is.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS as libc::Ioctl, &raw const request) };
    Errno::result(result).map(drop)
}

/// The network namespace that a socket belongs to.
pub(crate) fn namespace(socket: BorrowedFd<'_>) -> Result<OwnedFd> {
    // SAFETY: SIOCGSKNS takes no argument and returns a new descriptor.
    let fd = Errno::result(unsafe { libc::ioctl(socket.as_raw_fd(), SIOCGSKNS) })?;
    Ok(super::fd::own(fd))
}
