//! Plans how to carry out a [`Spec`] on a [`Host`], as a pure function of both. Everything that can fail without the
//! kernel fails here. Everything that the setup process needs is prepared here, so that it makes no decisions.
#![forbid(unsafe_code)]

mod deny;
mod exec;
mod filter;
mod landlock;
mod lock;
pub(crate) mod names;
mod namespaces;
mod others;
mod parts;
pub(crate) mod pattern;
mod restrictions;
mod together;
pub mod unenforced;
mod ways_out;

use std::ffi::{CStr, CString};

use crate::error::{Error, ErrorKind, Field};
use crate::host::{Caller, Host};
use crate::spec::{
    CapSet, Conflict, Fds, FsOp, LandlockTier, Lifecycle, Namespaces, NestedUserNs, OnSignal, Op, Process, ProfileText,
    Seccomp, Spec, Unshare, env,
};
use crate::sys::ns::NsSet;

pub(crate) use deny::{Denials, denies};
pub use exec::Exec;
pub(crate) use filter::Filters;
pub(crate) use landlock::{Object, Rules};
pub(crate) use lock::Lock;
use lock::{Own, lock, lock_on_host, second_userns};
pub(crate) use namespaces::{IdMaps, Maps, Start};
pub use namespaces::{Joins, Switch};
use namespaces::{forget_namespaces, maps, new_namespaces, user_namespace};
pub(crate) use parts::{Cover, LandlockRule};
pub use parts::{Cwd, Init, Launch, Program, Restrictions, Root, UserIds};
pub(crate) use restrictions::restrictions;
pub use unenforced::Unenforced;

/// A complete plan of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Who called pinfold.
    pub caller: Caller,
    /// How the processes are made.
    pub launch: Launch,
    /// The ids of the sandbox.
    pub ids: UserIds,
    /// The files that the program sees.
    pub root: Root,
    /// The other restrictions.
    pub restrictions: Restrictions,
    /// The program.
    pub program: Program,
    /// Our process in the sandbox.
    pub init: Init,
    /// How long the sandbox lives, and what it holds. `sync_fd` is `None` if the descriptor is not open.
    pub lifecycle: Lifecycle,
    /// What was asked for and is not enforced, because of [`Spec::best_effort`].
    pub unenforced: Vec<Unenforced>,
}

/// Plans `spec` on `host`.
pub fn plan(mut spec: Spec, host: Host) -> Result<Plan, Error> {
    check_host(&spec, &host)?;
    let (landlock, unenforced) = landlock_rules(&spec, &host)?;
    let has_ports = landlock.as_ref().is_some_and(|rules| rules.handled.connect_tcp || rules.handled.bind_tcp);
    let tcp_filter = has_ports.then(landlock::tcp_filter).transpose()?;
    let others_filter = others::filter(&spec)?;
    let filter_name = filter::name(&spec.lockdown.seccomp);
    let new_root = spec.lockdown.landlock.tier != LandlockTier::Only;
    if !new_root {
        forget_namespaces(&mut spec);
    }
    // No `..` here: a new field does not compile until it is planned for.
    let Spec { namespaces, ids, ops, process, lockdown, lifecycle, report, best_effort, one_tmpfs } = spec;
    let Host { caller, mut environment, program, cwd, pwd_is_cwd, tty, descriptors, kernel, .. } = host;
    let Process { command, argv0, env: _, chdir, new_session, new_group, exec_label, file_label, fds } = process;

    let (new_user, joined_user) =
        if new_root { user_namespace(namespaces.user, caller, host.has_user_ns) } else { (false, None) };
    let (clone, start) = new_namespaces(&namespaces, (new_root, new_user), host.has_cgroup_ns, report.is_wanted());
    let Namespaces { user_inner, user_maps_from, pid, pid_join, user: _, net: _, ipc: _, uts: _, cgroup: _ } =
        namespaces;
    let cwd = match chdir {
        Some(path) => Cwd::Exactly(path),
        None => Cwd::FirstOf(default_cwd(&environment, cwd, pwd_is_cwd)),
    };
    let init = !lifecycle.as_pid_1 && (pid || lifecycle.sync_fd.is_some() || !lifecycle.lock_files.is_empty());
    let forwards = lifecycle.on_signal == OnSignal::Forward;
    let new_group = new_group || forwards;
    let userns = new_user || joined_user.is_some();
    let wants_open = report.is_wanted() && report.is_open;
    // Root's tools may inspect any process.
    let init_is_sealed = wants_open && host.owns_program && init && caller.uid != 0;
    let maps = maps(ids, caller, user_maps_from, second_userns(&lockdown), new_user);
    let joins =
        Joins { user: joined_user, inner_user: user_inner, pid: pid_join, pid_below: pid && pid_join.is_some() };
    let is_new_proc = pid || pid_join.is_some();
    let (settings_covered, nested_userns) = (lockdown.settings_covered, lockdown.nested_userns);
    let lock = {
        // The filter for ports is one more filter that would have to allow our own calls.
        let is_plain = clone.has(NsSet::PID) && lifecycle.sync_fd.is_none() && tcp_filter.is_none() && !init_is_sealed;
        let own = Own { userns, caps: host.capabilities, kernel: kernel.as_deref(), init, is_plain, forwards };
        if new_root { lock(lockdown, caller, own, exec_label)? } else { lock_on_host(lockdown, own, exec_label)? }
    };
    let is_filtered = !(init && forwards) || filter::let_init_forward(&lock.seccomp);
    let has_rule =
        |op| landlock.as_ref().is_some_and(|rules| rules.files.iter().any(|rule| rule.object == Object::Mount(op)));
    let is_own_home = |op: &Op| matches!(&op.fs, FsOp::Tmpfs { dest, .. } if Some(dest) == lifecycle.own_home.as_ref());
    let root = Root {
        is_new: new_root,
        own_home: ops.iter().rposition(is_own_home).filter(|_| new_root),
        together: together::together(&ops, has_rule),
        has_user_ns: userns,
        make_slave: !new_user,
        denials: Denials::of(&ops)?,
        ops,
        best_effort,
        one_tmpfs,
        fresh_proc: is_new_proc,
        cover_proc: match settings_covered {
            true if caller.uid == 0 || joined_user.is_some() => Cover::All,
            false if caller.uid == 0 || joined_user.is_some() => Cover::Writable,
            _ => Cover::Nothing,
        },
        // If the program can make user namespaces, it can mount a procfs of its own and read the lists there, so
        // covering them is no use. Besides, the kernel allows no new procfs if a visible one is partly covered ("mount
        // too revealing").
        hide_keys: settings_covered && nested_userns != NestedUserNs::Allow,
        proc_is_read_only: settings_covered && !is_new_proc,
        console: tty,
        file_label,
    };
    Ok(Plan {
        caller,
        launch: Launch { clone, start, joins, report },
        ids: UserIds {
            maps,
            seen: (ids.uid.unwrap_or(caller.uid), ids.gid.unwrap_or(caller.gid)),
            switch: Switch {
                uid: ids.uid.filter(|_| joined_user.is_some()),
                gid: ids.gid.filter(|_| joined_user.is_some()),
            },
        },
        root,
        restrictions: Restrictions { lock, landlock, filter_name, tcp_filter, others_filter },
        program: Program {
            exec: Exec::new(command, argv0, &mut environment, cwd.candidates()),
            cwd,
            fds,
            new_session,
            // Whoever starts a session also leads a group.
            new_group: new_group && (!new_session || init),
        },
        init: Init {
            stays: init,
            obeys: init && forwards,
            is_filtered,
            // Whoever can inspect the setup process can open its program, through /proc/1/exe on the host's mount. If
            // the file belongs to the caller, they can write to it once it no longer runs (CVE-2019-5736). Otherwise, a
            // caller that asks for the process id may want to enter the sandbox with it (nsenter, flatpak enter), which
            // bubblewrap allows: see exec/sealed.rs.
            is_open: wants_open && !host.owns_program,
            is_sealed: init_is_sealed,
            name: program,
        },
        lifecycle: Lifecycle { sync_fd: lifecycle.sync_fd.filter(|fd| descriptors.contains(fd)), ..lifecycle },
        unenforced,
    })
}

/// Checks the parts of `spec` that can be wrong on any host: filters and patterns. `kernel` is the release of the
/// running kernel.
pub(crate) fn look_over(spec: &Spec, kernel: Option<&CStr>) -> Result<(), Error> {
    let caps = spec.lockdown.caps.unwrap_or_default();
    let around = filter::FilterContext { caps, kernel, init: spec.namespaces.pid, is_plain: false, forwards: false };
    filter::filters(spec.lockdown.seccomp.clone(), around)?;
    Denials::of(&spec.ops).map(drop)
}

/// Checks that programs can start under a seccomp profile on this architecture.
pub(crate) fn look_over_profile(text: ProfileText, caps: CapSet, kernel: &CStr) -> Result<(), Error> {
    let around = filter::FilterContext { caps, kernel: Some(kernel), init: true, is_plain: false, forwards: false };
    let wish = Seccomp::Profile { text, deny: Vec::new(), allow: Vec::new() };
    filter::filters(wish, around).map(drop)
}

/// Fails if this host cannot do what `spec` asks for.
fn check_host(spec: &Spec, host: &Host) -> Result<(), Error> {
    let unsupported = |field, message: &str| Err(Error::new(ErrorKind::Unsupported, message).about(field));
    let labels = [(&spec.process.exec_label, Field::ExecLabel), (&spec.process.file_label, Field::FileLabel)];
    if let Some((_, field)) = labels.iter().find(|(label, _)| label.is_some() && !host.has_selinux) {
        return unsupported(*field, "there are no labels: SELinux is not enabled on this host");
    }
    let kept = if let Fds::Only(kept) = &spec.process.fds { kept.as_slice() } else { &[] };
    if let Some((nth, fd)) = kept.iter().enumerate().find(|(_, fd)| !host.descriptors.contains(fd)) {
        let message = format!("The program is to get file descriptor {fd}, which is not open");
        let hint = "a shell opens it in front of the program: N<FILE, N>FILE";
        return Err(Error::new(ErrorKind::Invalid, message).about(Field::KeepFd(nth)).with_hint(Some(hint.into())));
    }
    if let Some(error) = ways_out::refusal(&host.ways_out, kept) {
        return Err(error);
    }
    if spec.lockdown.landlock.tier == LandlockTier::Only {
        // No namespace is made. A request that needs one is refused by its own name.
        return Ok(());
    }
    if spec.namespaces.cgroup == Unshare::New && !host.has_cgroup_ns {
        return unsupported(Field::CgroupNs, "this kernel has no cgroup namespaces");
    }
    if user_namespace(spec.namespaces.user, host.caller, host.has_user_ns) != (false, None) {
        return Ok(());
    }
    // There is no user namespace (`UserNs::Try` found none), so no id can be mapped.
    let Caller { uid, gid } = host.caller;
    let ids = [(spec.ids.uid, uid, Conflict::UidNeedsUser), (spec.ids.gid, gid, Conflict::GidNeedsUser)];
    match ids.into_iter().find(|(wanted, own, _)| wanted.is_some_and(|id| id != *own)) {
        Some((.., conflict)) => Err(conflict.into()),
        None => Ok(()),
    }
}

/// The Landlock rules, and everything that cannot be enforced. Without [`Spec::best_effort`] the latter is an error
/// that names each item.
fn landlock_rules(spec: &Spec, host: &Host) -> Result<(Option<Rules>, Vec<Unenforced>), Error> {
    let abi = host.landlock_abi;
    let (rules, unenforced) = match spec.lockdown.landlock.tier {
        LandlockTier::Off | LandlockTier::Mirror => landlock::beside_mounts(spec, abi),
        // The only restriction must never be dropped.
        LandlockTier::Only if abi == 0 => return Err(refusal(&[landlock::missing()])),
        LandlockTier::Only => {
            let (rules, unenforced) = landlock::only(spec, host.caller, abi);
            (Some(rules), unenforced)
        }
    };
    if unenforced.is_empty() || spec.best_effort { Ok((rules, unenforced)) } else { Err(refusal(&unenforced)) }
}

fn refusal(unenforced: &[Unenforced]) -> Error {
    unenforced::refusal(unenforced, crate::host::older_than_needed())
}

/// The candidates: the caller's directory by the name that the caller uses, then the home directory, then the root.
fn default_cwd(environment: &[CString], cwd: Option<CString>, pwd_is_cwd: bool) -> Vec<CString> {
    let variable = |name: &CStr| env::value(environment, name).and_then(|value| CString::new(value).ok());
    let logical = if pwd_is_cwd { variable(c"PWD") } else { None };
    [logical.or(cwd), variable(c"HOME"), Some(c"/".into())].into_iter().flatten().collect()
}
