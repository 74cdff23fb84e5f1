//! What refused something, and what to do about it: a table of error numbers and facts. No side effects.
//!
//! The first advice never switches off a protection for everybody. That is a decision for whoever runs the host, and
//! published ways around a protection are no reason to give it up.

use super::facts::{Facts, Launcher};
use super::finding::{Finding, blocks};
use super::sysctl;
use super::trials::Tried;
use crate::error::quoted;
use crate::sys::{Errno, error_text};

/// The system calls that a sandbox needs and that container engines forbid.
const CALLS: &str = "clone, unshare, setns, mount, umount2, pivot_root, open_tree, move_mount, fsopen, fsconfig, \
                     fsmount, mount_setattr";

/// The first advice if the only remedy would be a decision for all programs.
const LESS: &str = "without any change of the host: pinfold run --landlock only --best-effort takes no namespaces (see the tiers below)";

/// What to do about a limit of 0, which somebody has set on purpose.
pub(super) fn raise_limit(facts: &Facts, kind: &str) -> Vec<String> {
    let name = format!("user.max_{kind}_namespaces");
    if facts.in_userns {
        return vec!["start pinfold outside of the sandbox that this runs in, which has set this limit".into()];
    }
    vec![LESS.into(), sysctl::advice(&facts.settings, &name, "15000")]
}

/// Why no user namespace could be made. `None` if one could, or if it was not tried.
pub(super) fn no_user_namespace(facts: &Facts, tried: Tried) -> Option<Finding> {
    let errno = match tried {
        Tried::Works | Tried::Not => return None,
        Tried::Killed => return Some(filter(facts, "a new user namespace", KILLS)),
        Tried::Fails(errno) => errno,
    };
    Some(match errno {
        Errno::ENOSYS | Errno::EINVAL if facts.userns_module_off => blocks(
            "userns-module-off",
            "user namespaces are switched off by the parameter user_namespace.enable of the kernel",
            vec!["as root: grubby --update-kernel=ALL --args=user_namespace.enable=1, then restart the machine".into()],
        ),
        Errno::ENOSYS | Errno::EINVAL => blocks(
            "userns-not-built",
            "this kernel has no user namespaces",
            vec!["use a kernel that is built with CONFIG_USER_NS=y, as those of all large distributions are".into()],
        ),
        Errno::ENOSPC | Errno::EUSERS => exhausted(facts),
        Errno::EPERM | Errno::EACCES => refused_user_namespace(facts, errno),
        errno => refused(facts, errno, "user-namespace", "a new user namespace"),
    })
}

fn exhausted(facts: &Facts) -> Finding {
    match facts.limit("user") {
        Some(0) if facts.in_userns => blocks(
            "userns-limit-of-sandbox",
            "the limit of user namespaces (user.max_user_namespaces) is 0 in the sandbox that this runs in",
            vec![
                "start pinfold outside of that sandbox, or the sandbox without the option that forbids user \
                 namespaces (--disable-userns of bwrap)"
                    .into(),
            ],
        ),
        Some(0) => blocks(
            "userns-limit-zero",
            "user namespaces are off on this host: the sysctl user.max_user_namespaces is 0",
            raise_limit(facts, "user"),
        ),
        limit => {
            let limit = limit.map_or("unknown".into(), |limit| limit.to_string());
            blocks(
                "userns-limit-reached",
                format!(
                    "no further user namespace may be made: they are nested 32 deep, or there are as many as \
                     user.max_user_namespaces allows ({limit}) here or in a namespace above"
                ),
                vec![
                    "start pinfold outside of the sandbox that this runs in, or end other sandboxes (lsns -t user lists \
                     them)"
                        .into(),
                ],
            )
        }
    }
}

fn refused_user_namespace(facts: &Facts, errno: Errno) -> Finding {
    if !facts.is_mapped {
        let what = format!("user {} is not mapped in the user namespace that this runs in", facts.caller.uid);
        let fix =
            "map this id where that namespace is made, or run as one that is mapped (/proc/self/uid_map lists them)";
        return blocks("ids-unmapped", what, vec![fix.into()]);
    }
    if facts.is_chrooted {
        return blocks(
            "chroot",
            "this runs in a chroot, where the kernel allows nobody a user namespace (user_namespaces(7))",
            vec![
                "make the directory the root of its own mount namespace instead of a chroot: \
                 systemd-nspawn -D DIRECTORY, or bwrap --bind DIRECTORY / ... from outside"
                    .into(),
            ],
        );
    }
    if facts.obstacles.userns_clone_off && facts.caller.uid != 0 {
        return blocks(
            "userns-sysctl-off",
            "user namespaces are off for ordinary users: the sysctl kernel.unprivileged_userns_clone is 0",
            vec![LESS.into(), sysctl::advice(&facts.settings, "kernel.unprivileged_userns_clone", "1")],
        );
    }
    refused(facts, errno, "user-namespace", "a new user namespace")
}

/// Why `what` does not work. `id` is the name of the finding. `None` if it works, or if it was not tried.
pub(super) fn why_not(facts: &Facts, tried: Tried, id: &'static str, what: &str) -> Option<Finding> {
    match tried {
        Tried::Works | Tried::Not => None,
        Tried::Killed => Some(filter(facts, what, KILLS)),
        Tried::Fails(errno) => Some(refused(facts, errno, id, what)),
    }
}

/// A filter may kill instead of returning an error number.
const KILLS: &str = "it kills whoever tries";

/// Why `what` was refused with this error number.
pub(super) fn refused(facts: &Facts, errno: Errno, id: &'static str, what: &str) -> Finding {
    let is_denial = [Errno::EPERM, Errno::EACCES].contains(&errno);
    let said = error_text(errno as i32);
    if is_denial && facts.obstacles.apparmor_restricts && facts.security.confined().is_none() && facts.caller.uid != 0 {
        return apparmor(facts);
    }
    if let (Errno::EACCES, Some(label)) = (errno, facts.security.confined()) {
        return confined(facts, label, what);
    }
    if is_denial && facts.obstacles.filtered {
        return filter(facts, what, said);
    }
    if let (true, Some(label)) = (is_denial, facts.security.confined()) {
        return confined(facts, label, what);
    }
    if is_denial && facts.security.selinux == Some(true) {
        return blocks(
            "selinux",
            format!("SELinux probably refuses {what} ({said})"),
            vec![
                "allow what was refused for this program only: ausearch -m AVC,USER_AVC -ts recent | audit2allow -M \
                 pinfold && semodule -i pinfold.pp"
                    .into(),
            ],
        );
    }
    let modules = match facts.security.modules.join(", ") {
        none if none.is_empty() => String::new(),
        modules => format!(" (active here: {})", super::printable(&modules)),
    };
    let (reason, fix) = match errno {
        Errno::ENOSYS | Errno::EINVAL | Errno::ENODEV => (
            "the kernel was built without it".to_owned(),
            "use a kernel that has it (namespaces(7) and user_namespaces(7) name the options)",
        ),
        Errno::ENOSPC | Errno::EUSERS => (
            "there are as many as the sysctls user.max_*_namespaces allow, here or in a namespace above".to_owned(),
            "end other sandboxes, or start pinfold outside of the one that this runs in",
        ),
        Errno::EAGAIN => (
            "this user, or the control group, has as many processes as it may have".to_owned(),
            "end some of them, or raise the limit (ulimit -u, pids.max of the control group)",
        ),
        _ => (
            format!("a security module{modules}, or a chroot on a mount point of its own"),
            "look for the refusal in the kernel's log (journalctl -k -g denied) and allow it for this program only",
        ),
    };
    blocks(id, format!("{what} was refused ({said}): {reason}"), vec![fix.into()])
}

/// Ubuntu's restriction. A profile can lift it for this program.
fn apparmor(facts: &Facts) -> Finding {
    let program = &facts.program;
    let mut fix = vec![format!(
        "allow it to this program only: sed {} packaging/apparmor/pinfold > \
         /etc/apparmor.d/pinfold && apparmor_parser -r /etc/apparmor.d/pinfold (as root; the file is in pinfold's \
         source)",
        quoted(format!("s|/usr/bin/pinfold|{program}|"))
    )];
    if facts.security.has_profile {
        fix.insert(
            0,
            format!(
                "/etc/apparmor.d/pinfold is there but does not cover {}: name this path in its line `profile \
                 pinfold`, and load it with apparmor_parser -r /etc/apparmor.d/pinfold",
                quoted(program)
            ),
        );
    }
    let what = "AppArmor takes the powers of new user namespaces away from programs without a profile (sysctl \
                kernel.apparmor_restrict_unprivileged_userns is 1)";
    blocks("apparmor-userns", what, fix)
}

/// An AppArmor profile that confines this process.
fn confined(facts: &Facts, label: &str, what: &str) -> Finding {
    let label = super::printable(label);
    let fix = match facts.launcher {
        Launcher::Docker | Launcher::Kubernetes | Launcher::Podman => {
            "start the container under a profile of its own that allows `userns, mount, umount, pivot_root,`: \
             docker run --security-opt apparmor=NAME ..."
        }
        Launcher::Plain | Launcher::Service(_) => {
            "allow `userns, mount, umount, pivot_root,` in that profile, or start pinfold from a program that is not \
             under it"
        }
    };
    blocks(
        "apparmor-profile",
        format!("the AppArmor profile {label}, which this runs under, refuses {what}"),
        vec![fix.into()],
    )
}

/// A system call filter around this program.
fn filter(facts: &Facts, what: &str, said: &str) -> Finding {
    let fix = match &facts.launcher {
        Launcher::Docker => format!(
            "start the container with a filter that allows the calls of a box: add {{\"names\": [...], \"action\": \
             \"SCMP_ACT_ALLOW\"}} with {CALLS} to `syscalls` of Docker's default profile, and docker run \
             --security-opt seccomp=FILE ..."
        ),
        Launcher::Podman => format!(
            "start the container with a filter that allows the calls of a box: add {{\"names\": [...], \"action\": \
             \"SCMP_ACT_ALLOW\"}} with {CALLS} to `syscalls` of a copy of /usr/share/containers/seccomp.json, and \
             podman run --security-opt seccomp=FILE ..."
        ),
        Launcher::Kubernetes => format!(
            "give the pod a filter that allows the calls of a box: securityContext.seccompProfile with type Localhost \
             and a profile that allows {CALLS}"
        ),
        Launcher::Service(unit) => format!(
            "systemctl edit {}, and in [Service]: RestrictNamespaces=no and SystemCallFilter=@mount setns unshare (this \
             service only)",
            quoted(unit)
        ),
        Launcher::Plain => format!("allow these calls in the filter of whatever starts this program: {CALLS}"),
    };
    blocks("seccomp-around", format!("a system call filter around this program refuses {what} ({said})"), vec![fix])
}
