//! Refuses descriptors of the caller that would give the program more of the host than the open file itself. Mounts and
//! namespaces restrict only what the program opens itself, so no other restriction helps against them.

use crate::error::{Advice, Error, ErrorKind, Field};
use crate::host::{LeadsTo, WayOut};
use crate::spec::FdNumber;
use crate::sys::socket;

/// The error about the first of `found`, if any. `named` are the descriptors in the spec.
pub(super) fn refusal(found: &[WayOut], named: &[FdNumber]) -> Option<Error> {
    let WayOut { fd, leads_to } = *found.first()?;
    let (what, advice) = match leads_to {
        LeadsTo::Directory => {
            ("is a directory of the host, which would be open to the program".to_owned(), Advice::MountDirectory)
        }
        LeadsTo::Place => (
            "is a place in the host's file system (O_PATH), which would be open to the program".to_owned(),
            Advice::MountFile,
        ),
        LeadsTo::Network(family) => (
            format!("is a socket of the host's network ({}), which would be open to the program", name_of(family)),
            Advice::ShareNetwork,
        ),
    };
    let field = named.iter().position(|&named| named == fd).map(Field::KeepFd);
    let error = Error::new(ErrorKind::Unsafe, format!("{} {what}", name(fd))).with_advice(advice);
    Some(Error { field, ..error })
}

fn name(fd: FdNumber) -> String {
    match fd {
        0 => "Standard input (file descriptor 0)".into(),
        1 => "Standard output (file descriptor 1)".into(),
        2 => "Standard error (file descriptor 2)".into(),
        _ => format!("File descriptor {fd}"),
    }
}

fn name_of(family: i32) -> String {
    socket::family_name(family).map_or_else(|| format!("address family {family}"), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_names_the_descriptor_and_what_it_is() {
        /// include/linux/socket.h
        const AF_VSOCK: i32 = 40;
        let said = |fd, leads_to, named: &[FdNumber]| refusal(&[WayOut { fd, leads_to }], named).unwrap();
        assert!(refusal(&[], &[7]).is_none());
        let input = said(0, LeadsTo::Directory, &[7]);
        assert!(input.to_string().starts_with("Standard input (file descriptor 0) is a directory of the host"));
        assert_eq!(input.field, None);
        let named = said(7, LeadsTo::Network(AF_VSOCK), &[6, 7]);
        assert!(
            named.to_string().contains("File descriptor 7 is a socket of the host's network (AF_VSOCK)"),
            "{named}"
        );
        assert_eq!(named.field, Some(Field::KeepFd(1)));
        assert!(said(2, LeadsTo::Network(99), &[]).to_string().contains("(address family 99)"));
    }
}
