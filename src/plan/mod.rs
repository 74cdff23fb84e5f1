//! How a [`Spec`] is carried out on a [`Host`]: a pure function of both. Everything that can fail without the kernel
//! fails here, and everything that the half inside needs is laid out here, so that it has nothing left to decide.
#![forbid(unsafe_code)]

mod deny;
pub mod dropped;
mod exec;
mod filter;
pub(crate) mod hint;
mod landlock;
mod lock;
pub(crate) mod names;
mod namespaces;
mod others;
pub(crate) mod pattern;
mod walls;
mod ways_out;

use std::ffi::{CStr, CString};

use crate::error::{About, Error};
use crate::host::{Caller, Host};
use crate::spec::{
    CapSet, FdNumber, Fds, LandlockTier, Lifecycle, Namespaces, NestedUserNs, Op, Process, ProfileText, Report,
    Seccomp, Spec, Unshare, env,
};
use crate::sys::ns::NsSet;

pub(crate) use deny::Denials;
pub use dropped::Dropped;
pub use exec::Exec;
pub(crate) use filter::Filters;
pub(crate) use landlock::{Object, Rules};
pub(crate) use lock::Lock;
use lock::{Own, lock, lock_on_host, second_userns};
pub(crate) use namespaces::{IdMaps, Maps};
pub use namespaces::{Joins, Switch};
use namespaces::{forget_namespaces, maps, new_namespaces, user_namespace};

/// One run, ready to be carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Who called.
    pub caller: Caller,
    /// Namespaces that `clone(2)` makes.
    pub(crate) clone: NsSet,
    /// The network namespace is not made by `clone(2)` but by the supervisor, meanwhile.
    pub(crate) net_meanwhile: bool,
    /// Namespaces that are joined, and when.
    pub joins: Joins,
    /// The id maps of the new user namespace.
    pub(crate) maps: Maps,
    /// The ids that the program sees itself as.
    pub(crate) ids: (u32, u32),
    /// Ids to become in a joined user namespace.
    pub switch: Switch,
    /// The mounts of the new namespace are still peers of the host's and must be cut off.
    pub(crate) make_slave: bool,
    /// What builds the new root.
    pub ops: Vec<Op>,
    /// What is denied, once they are done.
    pub(crate) denials: Denials,
    /// What cannot be enforced is dropped and told to the caller.
    pub(crate) best_effort: bool,
    /// [`Spec::one_tmpfs`].
    pub(crate) one_tmpfs: bool,
    /// There is a new root; otherwise the program sees the host's, and `ops` are only what the rules were made of.
    pub(crate) new_root: bool,
    /// Landlock rules.
    pub(crate) landlock: Option<Rules>,
    /// What the system call filter is called, with what is denied and allowed on top of it.
    pub(crate) filter_name: String,
    /// A system call filter that the rules for ports need; installed before any other.
    pub(crate) tcp_filter: Option<Vec<u8>>,
    /// The filter that keeps the program from changing processes outside, where it shares their namespace.
    pub(crate) others_filter: Option<Vec<u8>>,
    /// What was asked for and is not enforced, because as much as possible is wanted.
    pub dropped: Vec<Dropped>,
    /// Mount a new procfs rather than the host's.
    pub(crate) fresh_proc: bool,
    /// Writable parts of procfs may exist and are covered read-only.
    pub(crate) cover_proc: Cover,
    /// The lists of keyrings in procfs are covered.
    pub(crate) hide_keys: bool,
    /// The host's procfs is read-only: in it are settings of processes outside, such as `oom_score_adj`.
    pub(crate) proc_is_read_only: bool,
    /// The terminal that becomes `/dev/console`.
    pub(crate) console: Option<CString>,
    /// SELinux label for new files.
    pub(crate) file_label: Option<CString>,
    /// Where the program starts.
    pub cwd: Cwd,
    /// The program.
    pub exec: Exec,
    /// Start it in a new session.
    pub(crate) new_session: bool,
    /// Start it in a new process group of this session.
    pub(crate) new_group: bool,
    /// What it may not do.
    pub(crate) lock: Lock,
    /// A process of ours stays inside: it reaps, holds what is to be held and reports the program's end.
    pub(crate) init: bool,
    /// The tools of the caller may look into this process.
    pub(crate) init_is_open: bool,
    /// They may once it has become a copy of its program that nobody can change, because that file is the caller's.
    pub(crate) init_is_sealed: bool,
    /// The name that this process keeps.
    pub(crate) init_name: CString,
    /// Lifetime, and what is held: a `sync_fd` that is not open is none.
    pub life: Lifecycle,
    /// Who is told what.
    pub report: Report,
    /// Descriptors of the caller that the program gets.
    pub(crate) fds: Fds,
}

impl Plan {
    /// Names of the namespaces that are made, as `unshare(1)` has them.
    pub(crate) fn namespaces(&self) -> Vec<&'static str> {
        let kinds = [
            ("user", NsSet::USER),
            ("mount", NsSet::MOUNT),
            ("pid", NsSet::PID),
            ("ipc", NsSet::IPC),
            ("uts", NsSet::UTS),
            ("cgroup", NsSet::CGROUP),
            ("net", NsSet::NET),
        ];
        let made = |set| self.clone.has(set) || (self.net_meanwhile && set == NsSet::NET);
        kinds.iter().filter(|(_, set)| made(*set)).map(|(name, _)| *name).collect()
    }

    /// The capabilities that the program has.
    pub(crate) fn capabilities(&self) -> CapSet {
        self.lock.caps.unwrap_or_default()
    }

    /// Landlock rule number `index`, in the order in which failures count them.
    pub(crate) fn landlock_rule(&self, index: usize) -> Option<LandlockRule<'_>> {
        let rules = self.landlock.as_ref()?;
        let files = rules.files.iter().map(|rule| LandlockRule::File(&rule.path));
        let descriptors = rules.descriptors.iter().map(|&fd| LandlockRule::Descriptor(fd));
        let ports = rules.connect_tcp.iter().chain(&rules.bind_tcp).map(|&port| LandlockRule::Port(port));
        files.chain(descriptors).chain(ports).nth(index)
    }
}

/// What a Landlock rule is for.
pub(crate) enum LandlockRule<'a> {
    /// A file or directory.
    File(&'a CStr),
    /// What a descriptor of the caller refers to.
    Descriptor(FdNumber),
    /// A TCP port.
    Port(u16),
}

/// Which settings of the kernel in procfs are covered read-only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cover {
    /// None: there is nobody inside who could write to them.
    Nothing,
    /// Those that access(2) says this process can write to, as with bubblewrap. It asks for the mode of a directory, and
    /// does not know that the files in it are root's.
    Writable,
    /// All.
    All,
}

/// Where the program starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cwd {
    /// There, or not at all.
    Exactly(CString),
    /// In the first of these that exists inside.
    FirstOf(Vec<CString>),
}

impl Cwd {
    /// The one that is wanted most.
    pub fn first(&self) -> &CStr {
        self.candidates().first().map_or(c"/", |path| path)
    }

    /// The directories to try, best first.
    pub(crate) fn candidates(&self) -> &[CString] {
        match self {
            Cwd::Exactly(path) => std::slice::from_ref(path),
            Cwd::FirstOf(paths) => paths,
        }
    }
}

/// Plans `spec` on `host`.
pub fn plan(mut spec: Spec, host: Host) -> Result<Plan, Error> {
    check_host(&spec, &host)?;
    let (landlock, dropped) = landlock_rules(&spec, &host)?;
    let has_ports = landlock.as_ref().is_some_and(|rules| rules.handled.connect_tcp || rules.handled.bind_tcp);
    let tcp_filter = has_ports.then(landlock::tcp_filter).transpose()?;
    let others_filter = others::filter(&spec)?;
    let filter_name = filter::name(&spec.lockdown.seccomp);
    let new_root = spec.lockdown.landlock.tier != LandlockTier::Only;
    if !new_root {
        forget_namespaces(&mut spec);
    }
    // No `..`: a field that is added does not compile until it is planned.
    let Spec { namespaces, ids, ops, process, lockdown, lifecycle, report, best_effort, one_tmpfs } = spec;
    let Host { caller, mut environment, program, cwd, pwd_is_cwd, tty, descriptors, kernel, .. } = host;
    let Process { command, argv0, env: _, chdir, new_session, new_group, exec_label, file_label, fds } = process;

    let (new_user, joined_user) =
        if new_root { user_namespace(namespaces.user, caller, host.has_user_ns) } else { (false, None) };
    let held = report.is_wanted() || namespaces.user_maps_from.is_some();
    let (clone, net_meanwhile) = new_namespaces(&namespaces, (new_root, new_user), host.has_cgroup_ns, held);
    let Namespaces { user_inner, user_maps_from, pid, pid_join, user: _, net: _, ipc: _, uts: _, cgroup: _ } =
        namespaces;
    let cwd = match chdir {
        Some(path) => Cwd::Exactly(path),
        None => Cwd::FirstOf(default_cwd(&environment, cwd, pwd_is_cwd)),
    };
    let init = !lifecycle.as_pid_1 && (pid || lifecycle.sync_fd.is_some() || !lifecycle.lock_files.is_empty());
    let userns = new_user || joined_user.is_some();
    let wants_open = report.is_wanted() && report.is_open;
    // Root's tools look into any process.
    let init_is_sealed = wants_open && host.owns_program && init && caller.uid != 0;
    Ok(Plan {
        clone,
        net_meanwhile,
        joins: Joins { user: joined_user, inner_user: user_inner, pid: pid_join, pid_below: pid && pid_join.is_some() },
        maps: maps(ids, caller, user_maps_from, second_userns(&lockdown), new_user),
        ids: (ids.uid.unwrap_or(caller.uid), ids.gid.unwrap_or(caller.gid)),
        switch: Switch {
            uid: ids.uid.filter(|_| joined_user.is_some()),
            gid: ids.gid.filter(|_| joined_user.is_some()),
        },
        make_slave: !new_user,
        fresh_proc: pid || pid_join.is_some(),
        cover_proc: match lockdown.settings_covered {
            true if caller.uid == 0 || joined_user.is_some() => Cover::All,
            false if caller.uid == 0 || joined_user.is_some() => Cover::Writable,
            _ => Cover::Nothing,
        },
        // Where user namespaces can be made inside, the lists are a procfs of one's own away. And of a covered procfs the
        // kernel gives nobody a new one ("mount too revealing").
        hide_keys: lockdown.settings_covered && lockdown.nested_userns != NestedUserNs::Allow,
        proc_is_read_only: lockdown.settings_covered && !pid && pid_join.is_none(),
        console: tty,
        file_label,
        exec: Exec::new(command, argv0, &mut environment, cwd.candidates()),
        cwd,
        new_session,
        new_group: new_group && !new_session,
        fds,
        lock: {
            // The filter for ports is another one that would have to let us pass.
            let is_plain =
                clone.has(NsSet::PID) && lifecycle.sync_fd.is_none() && tcp_filter.is_none() && !init_is_sealed;
            let own = Own { userns, caps: host.capabilities, kernel: kernel.as_deref(), init, is_plain };
            if new_root { lock(lockdown, caller, own, exec_label)? } else { lock_on_host(lockdown, own, exec_label)? }
        },
        init,
        // Whoever can look into the half inside can open its program, by /proc/1/exe on the host's mount, and write to it once it
        // does not run any more, where it belongs to the caller (CVE-2019-5736). Otherwise a caller that asks for its
        // id may want to enter the box by it (nsenter, flatpak enter), which bubblewrap allows: see exec/sealed.rs.
        init_is_open: wants_open && !host.owns_program,
        init_is_sealed,
        init_name: program,
        denials: Denials::of(&ops)?,
        best_effort,
        one_tmpfs,
        ops,
        new_root,
        landlock,
        tcp_filter,
        others_filter,
        filter_name,
        dropped,
        life: Lifecycle { sync_fd: lifecycle.sync_fd.filter(|fd| descriptors.contains(fd)), ..lifecycle },
        report,
        caller,
    })
}

/// Finds what of `spec` is wrong by itself, whatever it will run on: filters and patterns. `kernel` is the release of
/// the running one.
pub(crate) fn look_over(spec: &Spec, kernel: Option<&CStr>) -> Result<(), Error> {
    let caps = spec.lockdown.caps.unwrap_or_default();
    let around = filter::Surroundings { caps, kernel, init: spec.namespaces.pid, is_plain: false };
    filter::filters(spec.lockdown.seccomp.clone(), around)?;
    Denials::of(&spec.ops).map(drop)
}

/// Finds what in a seccomp profile keeps every program from starting under it, on this architecture.
pub(crate) fn look_over_profile(text: ProfileText, caps: CapSet, kernel: &CStr) -> Result<(), Error> {
    let around = filter::Surroundings { caps, kernel: Some(kernel), init: true, is_plain: false };
    let wish = Seccomp::Profile { text, deny: Vec::new(), allow: Vec::new() };
    filter::filters(wish, around).map(drop)
}

/// Refuses what this host cannot do.
fn check_host(spec: &Spec, host: &Host) -> Result<(), Error> {
    let refuse = |message: String| Err(Error::new(1, message));
    if (spec.process.exec_label.is_some() || spec.process.file_label.is_some()) && !host.has_selinux {
        return refuse("labeling not supported on this system".into());
    }
    let kept = if let Fds::Only(kept) = &spec.process.fds { kept.as_slice() } else { &[] };
    if let Some((nth, fd)) = kept.iter().enumerate().find(|(_, fd)| !host.descriptors.contains(fd)) {
        let message = format!("The program is to get file descriptor {fd}, which is not open");
        let hint = "a shell opens it in front of the program: N<FILE, N>FILE";
        return Err(Error::new(1, message).concerning(About::Wish("keep-fd", Some(nth))).with_hint(Some(hint.into())));
    }
    if let Some(error) = ways_out::refusal(&host.ways_out, kept) {
        return Err(error);
    }
    if spec.lockdown.landlock.tier == LandlockTier::Only {
        // No namespace is made; what asks for one is refused by that name.
        return Ok(());
    }
    if spec.namespaces.cgroup == Unshare::New && !host.has_cgroup_ns {
        return refuse("Cannot create new cgroup namespace because the kernel does not support it".into());
    }
    if user_namespace(spec.namespaces.user, host.caller, host.has_user_ns) != (false, None) {
        return Ok(());
    }
    // The namespace that was to be tried is not to be had; then there is nothing that could map an id.
    let Caller { uid, gid } = host.caller;
    for (option, wanted, own) in [("--uid", spec.ids.uid, uid), ("--gid", spec.ids.gid, gid)] {
        if wanted.is_some_and(|id| id != own) {
            return refuse(format!("Specifying {option} requires --unshare-user or --userns"));
        }
    }
    Ok(())
}

/// The Landlock rules, and what of all wishes is dropped for the want of them. Without
/// [`Spec::best_effort`] nothing is dropped: it is an error that names each.
fn landlock_rules(spec: &Spec, host: &Host) -> Result<(Option<Rules>, Vec<Dropped>), Error> {
    let abi = host.landlock_abi;
    let (rules, dropped) = match spec.lockdown.landlock.tier {
        LandlockTier::Off | LandlockTier::Mirror => landlock::beside_mounts(spec, abi),
        // What is the only wall is never dropped.
        LandlockTier::Only if abi == 0 => return Err(dropped::refusal(&[landlock::missing()], &spec.ops)),
        LandlockTier::Only => {
            let (rules, dropped) = landlock::only(spec, host.caller, abi);
            (Some(rules), dropped)
        }
    };
    match dropped.is_empty() || spec.best_effort {
        true => Ok((rules, dropped)),
        false => Err(dropped::refusal(&dropped, &spec.ops)),
    }
}

/// The caller's directory by the name that the caller uses for it, then home, then the root.
fn default_cwd(environment: &[CString], cwd: Option<CString>, pwd_is_cwd: bool) -> Vec<CString> {
    let variable = |name: &CStr| env::value(environment, name).and_then(|value| CString::new(value).ok());
    let logical = if pwd_is_cwd { variable(c"PWD") } else { None };
    [logical.or(cwd), variable(c"HOME"), Some(c"/".into())].into_iter().flatten().collect()
}
