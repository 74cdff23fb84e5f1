//! The control socket between the supervisor and the setup process. It sends sequenced packets, so a message is never
//! split.

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};

use nix::sys::socket::{
    self, AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, UnixAddr, sockopt,
};

use super::{Call, Errno, Result, fd};

pub(crate) fn pair() -> Result<(OwnedFd, OwnedFd)> {
    socket::socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)
}

/// The system call of [`send`].
pub(crate) const SEND: Call = Call::new("sendto", libc::SYS_sendto);

/// Sends one message. If the peer has closed the socket, fails with `EPIPE` and raises no signal.
pub(crate) fn send(fd: BorrowedFd<'_>, message: &[u8]) -> Result<()> {
    loop {
        match socket::send(fd.as_raw_fd(), message, MsgFlags::MSG_NOSIGNAL) {
            Err(Errno::EINTR) => {}
            result => return result.map(drop),
        }
    }
}

/// Like [`send`], but fails with `EAGAIN` instead of waiting for room.
pub(crate) fn send_now(fd: BorrowedFd<'_>, message: &[u8]) -> Result<()> {
    socket::send(fd.as_raw_fd(), message, MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT).map(drop)
}

/// Asks the kernel to attach the sender's process id to each message: see [`receive`].
pub(crate) fn pass_credentials(fd: &OwnedFd) -> Result<()> {
    socket::setsockopt(fd, sockopt::PassCred, &true)
}

/// A received message.
pub(crate) struct Received {
    /// Length of the message in bytes. 0 means end of file.
    pub(crate) length: usize,
    /// The sender's process id in the PID namespace of this process, if [`pass_credentials`] was called.
    pub(crate) sender: Option<i32>,
    /// The descriptor that [`send_descriptor`] sent.
    pub(crate) descriptor: Option<OwnedFd>,
}

/// Receives one message.
pub(crate) fn receive(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<Received> {
    let mut space = nix::cmsg_space!(libc::ucred, [RawFd; 1]);
    let mut slices = [IoSliceMut::new(buffer)];
    let message = loop {
        match socket::recvmsg::<UnixAddr>(fd.as_raw_fd(), &mut slices, Some(&mut space), MsgFlags::MSG_CMSG_CLOEXEC) {
            Err(Errno::EINTR) => {}
            result => break result?,
        }
    };
    let mut received = Received { length: message.bytes, sender: None, descriptor: None };
    for control in message.cmsgs()? {
        match control {
            ControlMessageOwned::ScmCredentials(credentials) => received.sender = Some(credentials.pid()),
            ControlMessageOwned::ScmRights(numbers) => {
                received.descriptor = numbers.first().map(|&number| fd::own(number));
            }
            _ => {}
        }
    }
    Ok(received)
}

/// Sends a message with a descriptor. If the peer has closed the socket, fails with `EPIPE` and raises no signal.
pub(crate) fn send_descriptor(fd: BorrowedFd<'_>, message: &[u8], descriptor: BorrowedFd<'_>) -> Result<()> {
    let numbers = [descriptor.as_raw_fd()];
    let control = [ControlMessage::ScmRights(&numbers)];
    loop {
        let data = [IoSlice::new(message)];
        match socket::sendmsg::<UnixAddr>(fd.as_raw_fd(), &data, &control, MsgFlags::MSG_NOSIGNAL, None) {
            Err(Errno::EINTR) => {}
            result => return result.map(drop),
        }
    }
}

/// The family of sockets between processes of one host ([`family`]).
pub(crate) const AF_UNIX: i32 = libc::AF_UNIX;

/// Names of address families for messages: those that a service manager or a network tool may pass on.
const FAMILIES: [(i32, &str); 6] = [
    (libc::AF_INET, "AF_INET"),
    (libc::AF_INET6, "AF_INET6"),
    (libc::AF_NETLINK, "AF_NETLINK"),
    (libc::AF_PACKET, "AF_PACKET"),
    (libc::AF_BLUETOOTH, "AF_BLUETOOTH"),
    (libc::AF_VSOCK, "AF_VSOCK"),
];

/// The name of an address family, if it is a common one.
pub(crate) fn family_name(family: i32) -> Option<&'static str> {
    FAMILIES.iter().find(|(number, _)| *number == family).map(|(_, name)| *name)
}

/// The address family of a socket (`SO_DOMAIN`, socket(7)).
pub(crate) fn family(socket: BorrowedFd<'_>) -> Result<i32> {
    let mut family: libc::c_int = 0;
    let mut length = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: SO_DOMAIN writes one int, which lives through the call, as does its length.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_DOMAIN,
            (&raw mut family).cast(),
            &raw mut length,
        )
    };
    Errno::result(result).map(|_| family)
}

/// Whether `address`, as the kernel writes it, is that of a socket of this machine alone (unix(7)).
pub(crate) fn is_local(address: &[u8]) -> bool {
    address.starts_with(&(libc::AF_UNIX as libc::sa_family_t).to_ne_bytes())
}

/// The address of the peer of a connected socket, in the kernel's format (`getpeername(2)`).
pub(crate) fn peer(socket: BorrowedFd<'_>) -> Result<Vec<u8>> {
    /// The longest address (`struct sockaddr_storage`), in bytes.
    const LONGEST: usize = size_of::<libc::sockaddr_storage>();
    let mut address = [0u8; LONGEST];
    let mut length = LONGEST as libc::socklen_t;
    // SAFETY: the kernel writes no more than `length` bytes into `address`, and both live through the call.
    let result = unsafe { libc::getpeername(socket.as_raw_fd(), address.as_mut_ptr().cast(), &raw mut length) };
    Errno::result(result)?;
    Ok(address[..LONGEST.min(length as usize)].to_vec())
}
