//! The control socket between the two halves: sequenced packets, so that a message is never torn.

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    self, AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, UnixAddr, sockopt,
};

use super::{Call, Errno, Result, file};

pub(crate) fn pair() -> Result<(OwnedFd, OwnedFd)> {
    socket::socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)
}

/// What [`send`] does.
pub(crate) const SEND: Call = Call::new("sendto", libc::SYS_sendto);

/// Sends one message; a peer that is gone is `EPIPE`, never a signal.
pub(crate) fn send(fd: BorrowedFd<'_>, message: &[u8]) -> Result<()> {
    loop {
        match socket::send(fd.as_raw_fd(), message, MsgFlags::MSG_NOSIGNAL) {
            Err(Errno::EINTR) => {}
            result => return result.map(drop),
        }
    }
}

/// Asks the kernel to attach the sender's process id to each message, see [`receive_with_pid`].
pub(crate) fn pass_credentials(fd: &OwnedFd) -> Result<()> {
    socket::setsockopt(fd, sockopt::PassCred, &true)
}

/// Receives one message with the sender's process id as this process sees it. No bytes: end of file.
pub(crate) fn receive_with_pid(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<(usize, Option<i32>)> {
    let mut space = nix::cmsg_space!(libc::ucred);
    let mut slices = [IoSliceMut::new(buffer)];
    let message = loop {
        match socket::recvmsg::<UnixAddr>(fd.as_raw_fd(), &mut slices, Some(&mut space), MsgFlags::MSG_CMSG_CLOEXEC) {
            Err(Errno::EINTR) => {}
            result => break result?,
        }
    };
    let pid = message.cmsgs()?.find_map(|control| match control {
        ControlMessageOwned::ScmCredentials(credentials) => Some(credentials.pid()),
        _ => None,
    });
    Ok((message.bytes, pid))
}

/// Sends a descriptor; a peer that is gone is `EPIPE`, never a signal.
pub(crate) fn send_descriptor(fd: BorrowedFd<'_>, descriptor: BorrowedFd<'_>) -> Result<()> {
    let numbers = [descriptor.as_raw_fd()];
    let control = [ControlMessage::ScmRights(&numbers)];
    loop {
        let data = [IoSlice::new(&[0])];
        match socket::sendmsg::<UnixAddr>(fd.as_raw_fd(), &data, &control, MsgFlags::MSG_NOSIGNAL, None) {
            Err(Errno::EINTR) => {}
            result => return result.map(drop),
        }
    }
}

/// What [`receive_descriptor`] found.
pub(crate) enum Received {
    Descriptor(OwnedFd),
    /// A message without one.
    Nothing,
    /// The other end is closed.
    End,
}

/// Receives what [`send_descriptor`] sent.
pub(crate) fn receive_descriptor(fd: BorrowedFd<'_>) -> Result<Received> {
    let mut space = nix::cmsg_space!([RawFd; 1]);
    let mut byte = [0];
    let mut slices = [IoSliceMut::new(&mut byte)];
    let message = loop {
        match socket::recvmsg::<UnixAddr>(fd.as_raw_fd(), &mut slices, Some(&mut space), MsgFlags::MSG_CMSG_CLOEXEC) {
            Err(Errno::EINTR) => {}
            result => break result?,
        }
    };
    let number = message.cmsgs()?.find_map(|control| match control {
        ControlMessageOwned::ScmRights(numbers) => numbers.first().copied(),
        _ => None,
    });
    Ok(match (message.bytes, number) {
        (_, Some(number)) => Received::Descriptor(file::own(number)),
        (0, None) => Received::End,
        (_, None) => Received::Nothing,
    })
}

/// Which of the descriptors given to [`wait_any`] can be read or has ended, in order.
pub(crate) fn wait_any<const N: usize>(fds: [Option<BorrowedFd<'_>>; N], now: bool) -> Result<[bool; N]> {
    // A descriptor that is not waited for is one that never becomes ready: poll(2) ignores events of 0 but would
    // still report POLLHUP, so absent ones are left out.
    let mut ready = [false; N];
    let mut asked: Vec<PollFd<'_>> = Vec::with_capacity(N);
    asked.extend(fds.iter().flatten().map(|fd| PollFd::new(*fd, PollFlags::POLLIN)));
    let timeout = if now { PollTimeout::ZERO } else { PollTimeout::NONE };
    loop {
        match poll(&mut asked, timeout) {
            Err(Errno::EINTR) => {}
            result => {
                result?;
                break;
            }
        }
    }
    let mut answers = asked.iter();
    for (slot, fd) in ready.iter_mut().zip(&fds) {
        if fd.is_some() {
            *slot = answers.next().and_then(|answer| answer.any()).unwrap_or(false);
        }
    }
    Ok(ready)
}
