//! What can be reached: processes, the network, System V objects, the host's name.

use std::ffi::OsString;
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};

use crate::{Answer, checked, number, operand};

/// Every process id in `/proc`.
pub(crate) fn pids(_: &[OsString]) -> Answer {
    let names = fs::read_dir("/proc")?.flatten().map(|entry| entry.file_name());
    let mut pids: Vec<u32> = names.filter_map(|name| name.to_str()?.parse().ok()).collect();
    pids.sort_unstable();
    Ok(format!("{pids:?}\n").into_bytes())
}

/// A word to itself over 127.0.0.1.
pub(crate) fn loopback(_: &[OsString]) -> Answer {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let mut sender = TcpStream::connect(listener.local_addr()?)?;
    let (mut receiver, _) = listener.accept()?;
    sender.write_all(b"heard\n")?;
    drop(sender);
    let mut heard = Vec::new();
    receiver.read_to_end(&mut heard)?;
    Ok(heard)
}

/// Looks for a shared memory segment, a message queue and a semaphore set called KEY.
pub(crate) fn ipc(words: &[OsString]) -> Answer {
    let key: libc::key_t = number(words, 0)?;
    // SAFETY: these take numbers only; without IPC_CREAT they only look.
    let found = unsafe { [libc::shmget(key, 0, 0), libc::msgget(key, 0), libc::semget(key, 0, 0)] };
    let names = ["shm", "msg", "sem"];
    let lines =
        names.iter().zip(found).map(|(name, id)| format!("{name} {}\n", if id < 0 { "absent" } else { "found" }));
    Ok(lines.collect::<String>().into_bytes())
}

pub(crate) fn sethostname(words: &[OsString]) -> Answer {
    let name = operand(words, 0)?;
    // SAFETY: the name lives through the call, and the kernel is told its length.
    let result = unsafe { libc::sethostname(name.as_ptr().cast(), name.len()) };
    checked(result.into())?;
    Ok(b"named\n".to_vec())
}
