//! The system call filters: which programs are installed, and the check that they allow our own last calls.

use std::borrow::Cow;
use std::ffi::CStr;

use crate::error::{Error, ErrorKind, Field, push_printable};
use crate::seccomp::arch::Arch;
use crate::seccomp::policy::{Policy, Target, resolve};
use crate::seccomp::profile::{Place, Profile, Reader, kernel_version};
use crate::seccomp::table::Table;
use crate::seccomp::verdict::Verdict;
use crate::seccomp::{Program, compile, compile_before, shipped, with_overrides};
use crate::seccompiler_json;
use crate::spec::{CapSet, FdNumber, ProfileText, Seccomp};
use crate::sys::{Call, children, content, fd, poll, process, signals, socket, terminal};

/// The filters that the setup process installs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Filters {
    /// These programs (arrays of `struct sock_filter`), in this order; often none.
    Programs(Vec<Cow<'static, [u8]>>),
    /// One program that init installs once for itself and the program. It must allow all that we do before the program
    /// starts. Installing it once saves time: compiling and loading a filter is a good part of the cost of a launch.
    HandedOn(Cow<'static, [u8]>),
    /// A program that is read from this descriptor after everything else is set up.
    ReadLate(FdNumber),
}

/// The shipped profiles, compiled by build.rs: architecture, name, program.
const READY: &[(&str, &str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/programs.rs"));

/// The calls that the process that becomes the program still makes under the filter, and their purpose
/// (exec/lockdown.rs, `exec_first_found`, and exec/mod.rs, `report`).
const OF_PROGRAM: &[(Call, &str)] = &[
    (process::EXEC, "starting the program"),
    (content::WRITE, "reporting why a program cannot be started"),
    (process::EXIT, "ending where a program cannot be started"),
];

/// The calls that init makes under the filter (exec/pid1.rs, `reap`).
const OF_INIT: &[(Call, &str)] = &[
    (children::WAIT_FOR_ANY, "waiting for the program inside the sandbox"),
    (children::LOOK_FOR_ANY, "looking whether the sandbox is empty"),
    (content::WRITE, "reporting how the program ended"),
    (process::EXIT, "ending the sandbox"),
];

/// The calls that init also makes under the filter to pass signals on (exec/reap.rs, `obey`). Where a filter refuses
/// one, init stays without a filter. It can be reached only by the supervisor, and by signals, which it does not
/// handle.
const OF_FORWARDING: &[Call] =
    &[poll::POLL, content::READ, children::LOOK_FOR_CHANGE, terminal::SIGNAL_GROUP, terminal::WHO_AM_I];

/// The calls that both make before that, if the filter is installed for them together (exec/pid1.rs, `run` and `stay`;
/// exec/lockdown.rs, `shed`). This is the case without capabilities, in a PID namespace of its own, and without
/// `sync_fd`.
const ON_THE_WAY: &[Call] = &[
    process::SPAWN,
    process::DIE_WITH_MAKER,
    process::UNBLOCK,
    terminal::START_GROUP,
    signals::MISS_TYPED_STOP,
    terminal::SET_FOREGROUND,
    socket::SEND,
    fd::CLOSE_RANGE,
    process::MEMORY[0],
    process::MEMORY[1],
    process::MEMORY[2],
    process::MEMORY[3],
];

/// What a filter depends on besides the profile and the architecture.
#[derive(Debug, Clone, Copy)]
pub(super) struct FilterContext<'a> {
    /// The capabilities that the program will have.
    pub(super) caps: CapSet,
    /// The kernel's release, if the profile may depend on it.
    pub(super) kernel: Option<&'a CStr>,
    /// Whether our process stays as init.
    pub(super) init: bool,
    /// Whether it makes only the calls of [`ON_THE_WAY`] before the program starts.
    pub(super) is_plain: bool,
    /// Whether it makes those of [`OF_FORWARDING`] afterwards.
    pub(super) forwards: bool,
}

/// The filters that `wish` asks for.
pub(super) fn filters(wish: Seccomp, around: FilterContext<'_>) -> Result<Filters, Error> {
    let program = match wish {
        Seccomp::Off => return Ok(Filters::Programs(Vec::new())),
        Seccomp::Programs(programs) => {
            return Ok(Filters::Programs(programs.into_iter().map(Cow::Owned).collect()));
        }
        Seccomp::ReadLate(fd) => return Ok(Filters::ReadLate(fd)),
        Seccomp::Profile { text, deny, allow } => of_profile(&text, &deny, &allow, around),
    };
    let program = program.map_err(|error| Error { field: error.field.or(Some(Field::Seccomp)), ..error })?;
    let calls = ON_THE_WAY.iter().chain(if around.forwards { OF_FORWARDING } else { &[] });
    let is_handed_on = around.init && around.is_plain && lets_through_in_silence(&program, calls);
    Ok(if is_handed_on { Filters::HandedOn(program) } else { Filters::Programs(vec![program]) })
}

/// Whether init, if it passes signals on, can do so under these filters.
pub(super) fn let_init_forward(filters: &Filters) -> bool {
    match filters {
        Filters::HandedOn(_) => true,
        Filters::Programs(programs) => programs.iter().all(|one| lets_through_in_silence(one, OF_FORWARDING.iter())),
        // Nobody knows it yet.
        Filters::ReadLate(_) => false,
    }
}

/// Whether a filter allows `calls` without logging them.
fn lets_through_in_silence<'a>(program: &[u8], mut calls: impl Iterator<Item = &'a Call>) -> bool {
    let (Some(arch), program) = (Arch::here(), Program::of_bytes(program)) else { return false };
    let is_allowed = |call: &Call| {
        let answers = program.answers(arch.audit(), call.number, call.args);
        answers.is_some_and(|answers| answers.iter().all(|&code| code == Verdict::Allow.code()))
    };
    calls.all(is_allowed)
}

fn of_profile(
    text: &ProfileText,
    deny: &[String],
    allow: &[String],
    around: FilterContext<'_>,
) -> Result<Cow<'static, [u8]>, Error> {
    let Some(arch) = Arch::here() else {
        let message = "no system call filter can be made for this machine's architecture";
        return Err(Error::new(ErrorKind::Unsupported, message));
    };
    if let (ProfileText::Shipped(name), [], []) = (text, deny, allow)
        && let Some(ready) = ready(arch, name)
    {
        prove(&Program::of_bytes(ready), arch, around.init, None)?;
        return Ok(Cow::Borrowed(ready));
    }
    let table = Table::new();
    let name = name_of(text);
    let behind = program_of(text, &name, arch)?;
    let read = match &behind {
        Some(_) => Profile::open(),
        None => read(text, &name, &table)?,
    };
    let profile = with_overrides(read, deny, allow, &table)?;
    let caps = around.caps.names().map(str::to_owned).collect();
    let target = Target { arch, kernel: kernel(around.kernel)?, caps: &caps };
    let within = |error: Error| Error { message: [name.as_bytes(), b": ", &error.message].concat(), ..error };
    let policies = resolve(&profile, &target, &table).map_err(within)?;
    let program = match &behind {
        Some(behind) => compile_before(&policies, behind),
        None => compile(&policies),
    };
    let program = program.map_err(within)?;
    prove(&program, arch, around.init, policies.first())?;
    Ok(Cow::Owned(program.bytes()))
}

/// The name of the filter, for people.
pub(super) fn name(wish: &Seccomp) -> String {
    match wish {
        Seccomp::Off | Seccomp::Programs(_) | Seccomp::ReadLate(_) => "a program of the caller's".into(),
        Seccomp::Profile { text, deny, allow } => {
            let mut name = format!("profile {}", name_of(text));
            for (what, names) in [("denied", deny), ("allowed", allow)] {
                if !names.is_empty() {
                    name.push_str(&format!(", {what}: {}", names.join(" ")));
                }
            }
            name
        }
    }
}

/// The compiled program of the shipped profile `name`, if there is one.
fn ready(arch: Arch, name: &str) -> Option<&'static [u8]> {
    let found = READY.iter().find(|(of, known, _)| (*of, *known) == (arch.name(), name));
    found.map(|(.., program)| *program)
}

fn name_of(text: &ProfileText) -> String {
    match text {
        ProfileText::Shipped(name) => name.clone(),
        ProfileText::Program(_) => "a program of seccompiler's".into(),
        ProfileText::File { name, .. } => {
            let mut out = Vec::new();
            push_printable(&mut out, name.to_string_lossy().as_ref());
            String::from_utf8_lossy(&out).into_owned()
        }
    }
}

/// The program that seccompiler makes of `text`, or has already made. `None` if `text` is a profile in the form of
/// pinfold or OCI.
fn program_of(text: &ProfileText, name: &str, arch: Arch) -> Result<Option<Program>, Error> {
    match text {
        ProfileText::Shipped(_) => Ok(None),
        ProfileText::File { text, thread, name: _ } => seccompiler_json::compile(name, text, thread.as_deref(), arch),
        ProfileText::Program(program) => Ok(Some(seccompiler_json::of_seccompiler(program))),
    }
}

fn read(text: &ProfileText, name: &str, table: &Table) -> Result<Profile, Error> {
    let bytes = match text {
        ProfileText::Shipped(name) => shipped::find(name)?.as_bytes(),
        ProfileText::File { text, .. } => text,
        ProfileText::Program(_) => return Ok(Profile::open()),
    };
    Reader { table, shipped: &shipped::text, is_cap: &CapSet::is_name }.read(name, bytes)
}

/// The kernel version. Without `release` it is (0, 0): shipped profiles do not depend on it, which build.rs checks.
fn kernel(release: Option<&CStr>) -> Result<(u32, u32), Error> {
    let Some(release) = release else { return Ok((0, 0)) };
    let release = release.to_string_lossy();
    kernel_version(&release).ok_or_else(|| {
        let message = format!("the kernel's release {release:?} does not begin with a version");
        Error::new(ErrorKind::Unsupported, message)
    })
}

/// Checks that `program` allows every call that we make under it. A refused call would end a run that has already
/// begun, without the program or without a message.
fn prove(program: &Program, arch: Arch, init: bool, policy: Option<&Policy<'_>>) -> Result<(), Error> {
    for (call, purpose) in OF_PROGRAM.iter().chain(if init { OF_INIT } else { &[] }) {
        let Some(answers) = program.answers(arch.audit(), call.number, call.args) else {
            let message = "the compiled system call filter is broken; please report this";
            return Err(Error::new(ErrorKind::Internal, message));
        };
        if let Some(&refused) = answers.iter().find(|code| !Verdict::lets_through(**code)) {
            let rule = policy.and_then(|policy| policy.rule_for(call.number, refused));
            let (field, by) = match rule.map(|rule| &rule.place) {
                // The field names the rule.
                Some(Place::Name(field)) => (*field, String::new()),
                Some(Place::Profile(place)) => (Field::Seccomp, format!(": {place}")),
                None => (Field::Seccomp, ": no rule allows it".to_owned()),
            };
            let name = call.name;
            let message = format!("the system call filter refuses {name}, which {purpose} needs{by}");
            let hint = format!("allow {name} in the profile, or by name, and do not deny it");
            return Err(Error::new(ErrorKind::Invalid, message).about(field).with_hint(Some(hint)));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(text: &str) -> ProfileText {
        ProfileText::File { name: c"./mine.json".into(), text: text.into(), thread: None }
    }

    fn around(init: bool) -> FilterContext<'static> {
        FilterContext { caps: CapSet::EMPTY, kernel: Some(c"6.18.44-generic"), init, is_plain: false, forwards: true }
    }

    fn planned(text: ProfileText, deny: &[&str], around: FilterContext<'_>) -> Result<Filters, String> {
        let deny = deny.iter().map(|&name| name.to_owned()).collect();
        let wish = Seccomp::Profile { text, deny, allow: Vec::new() };
        filters(wish, around).map_err(|error| error.to_string())
    }

    /// For every profile and architecture, build.rs has compiled what would be compiled now.
    #[test]
    fn ready_programs_are_those_of_the_compiler() {
        let table = Table::new();
        for arch in Arch::KERNELS {
            for name in shipped::names() {
                let profile = read(&ProfileText::Shipped(name.into()), name, &table).unwrap();
                // A ready program is used with any capabilities and any kernel version.
                for (caps, kernel) in [(CapSet::EMPTY, (5, 12)), (CapSet::all(40), (7, 0))] {
                    let caps = caps.names().map(str::to_owned).collect();
                    let policies = resolve(&profile, &Target { arch, kernel, caps: &caps }, &table).unwrap();
                    let program = compile(&policies).unwrap();
                    assert_eq!(ready(arch, name), Some(&*program.bytes()), "{name} {arch}");
                    assert_eq!(Program::of_bytes(&program.bytes()), program);
                }
            }
        }
        assert_eq!(READY.len(), Arch::KERNELS.len() * shipped::names().count());
    }

    #[test]
    fn a_shipped_profile_is_taken_as_it_is_and_compiled_where_names_are_denied() {
        for name in shipped::names() {
            let text = || ProfileText::Shipped(name.into());
            let Ok(Filters::Programs(plain)) = planned(text(), &[], around(true)) else { panic!("{name}") };
            assert!(matches!(&*plain, [Cow::Borrowed(_)]), "{name}: nothing is compiled at a launch");
            let Ok(Filters::Programs(denied)) = planned(text(), &["mkdirat"], around(true)) else { panic!("{name}") };
            assert!(matches!(&*denied, [Cow::Owned(_)]) && denied != plain, "{name}");
        }
    }

    #[test]
    fn a_filter_is_handed_on_where_it_lets_us_pass_in_silence() {
        let plain = FilterContext { is_plain: true, ..around(true) };
        let is_handed_on = |text: ProfileText, deny: &[&str], around| {
            matches!(planned(text, deny, around).unwrap(), Filters::HandedOn(_))
        };
        let default = || ProfileText::Shipped("default".into());
        assert!(is_handed_on(default(), &[], plain));
        assert!(!is_handed_on(default(), &[], around(true)), "something special is done on the way");
        assert!(!is_handed_on(default(), &[], FilterContext { init: false, ..plain }), "nobody hands it on");
        for call in [
            "clone",
            "prctl",
            "rt_sigprocmask",
            "setpgid",
            "ioctl",
            "sendto",
            "close_range",
            "brk",
            "mmap",
            "munmap",
            "mremap",
        ] {
            assert!(!is_handed_on(default(), &[call], plain), "{call}");
        }
        assert!(is_handed_on(default(), &["clone3", "mkdirat", "recvfrom"], plain));
        let log =
            r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["prctl"], "action": "SCMP_ACT_LOG"}]}"#;
        assert!(!is_handed_on(profile(log), &[], plain), "our own calls would be in the log");
    }

    #[test]
    fn a_filter_that_refuses_our_own_calls_is_refused() {
        let text = || ProfileText::Shipped("default".into());
        let refused = |deny: &str, init| planned(text(), &[deny], around(init)).unwrap_err();
        let says = |deny: &str, init, words: &str| {
            let error = refused(deny, init);
            assert!(
                error.starts_with(&format!("lockdown.seccomp.deny[0]: the system call filter refuses {words}\n")),
                "{error}"
            );
        };
        says("execve", false, "execve, which starting the program needs");
        says("@process", true, "execve, which starting the program needs");
        says("write", false, "write, which reporting why a program cannot be started needs");
        says("exit_group", false, "exit_group, which ending where a program cannot be started needs");
        says("wait4", true, "wait4, which waiting for the program inside the sandbox needs");
        // Without init, nobody of ours waits.
        assert!(planned(text(), &["wait4"], around(false)).is_ok());
        // Calls that we do not make may be denied.
        assert!(
            planned(text(), &["execveat", "exit", "waitid", "writev", "@memory", "@signal", "@file"], around(true))
                .is_ok()
        );
    }

    /// An allow list, as users of seccompiler write it for programs that start no other program.
    #[test]
    fn a_filter_of_seccompiler_is_held_to_the_same() {
        let text = r#"{"x": {"default_action": "trap", "filter_action": "allow", "filter": [{"syscall": "write"}]}}"#;
        let program =
            seccompiler::compile_from_json(text.as_bytes(), seccompiler::TargetArch::x86_64).unwrap().remove("x");
        for text in [profile(text), ProfileText::Program(program.unwrap())] {
            let error = planned(text.clone(), &[], around(true)).unwrap_err();
            assert!(
                error.contains(": the system call filter refuses execve, which starting the program needs: no rule")
            );
            let allow = ["execve", "exit_group", "wait4", "waitid"].map(str::to_owned).into();
            let wish = |deny: &[&str]| Seccomp::Profile {
                text: text.clone(),
                deny: deny.iter().map(|&name| name.to_owned()).collect(),
                allow: Vec::clone(&allow),
            };
            let Ok(Filters::Programs(programs)) = filters(wish(&[]), around(true)) else { panic!("it is refused") };
            let answer = |number| Program::of_bytes(&programs[0]).answers(Arch::X86_64.audit(), number, [None; 6]);
            assert_eq!(answer(59), Some([Verdict::Allow.code()].into()), "execve, which is allowed in front");
            assert_eq!(answer(101), Some([Verdict::Trap.code()].into()), "ptrace");
            assert_eq!(answer(0x4000_0001), Some([Verdict::Errno(38).code()].into()), "write of x32");
            let error = filters(wish(&["read", "write"]), around(true)).unwrap_err();
            assert_eq!(error.field, Some(Field::SyscallDeny(1)));
            assert!(error.to_string().contains("refuses write"), "{error}");
        }
        assert!(
            planned(ProfileText::Program(Vec::new()), &[], around(true)).unwrap_err().contains("without instructions")
        );
    }

    #[test]
    fn the_rule_of_a_profile_that_is_in_the_way_is_named() {
        let refused = |rules: &str| {
            let text = format!(r#"{{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{rules}]}}"#);
            planned(profile(&text), &[], around(true)).err().map(|error| error.lines().next().unwrap().to_owned())
        };
        let trap = r#"{"names": ["read", "execve"], "action": "SCMP_ACT_TRAP"}"#;
        let place = "./mine.json: syscalls[0] (read, …)";
        assert_eq!(
            refused(trap).unwrap(),
            format!(
                "lockdown.seccomp: the system call filter refuses execve, which starting the program needs: {place}"
            )
        );
        // A descriptor or an address can have any value. That the rusage argument is null is known.
        let where_arg = |name: &str, index: u8, value: u64| {
            refused(&format!(
                r#"{{"name": "{name}", "action": "SCMP_ACT_ERRNO", "args": [{{"index": {index}, "value": {value}, "op": "SCMP_CMP_EQ"}}]}}"#
            ))
        };
        assert!(where_arg("write", 0, 7).unwrap().ends_with("needs: ./mine.json: syscalls[0] (write)"));
        assert!(where_arg("wait4", 2, 2).is_some() && where_arg("wait4", 3, 0).is_some());
        assert_eq!(where_arg("wait4", 2, 4), None);
        let log = r#"{"names": ["write", "execve"], "action": "SCMP_ACT_LOG"}"#;
        assert_eq!(refused(log), None, "what is logged is let through");
        assert!(refused(r#"{"names": ["write"], "action": "SCMP_ACT_TRACE"}"#).is_some(), "there may be no tracer");
        let nothing = planned(profile(r#"{"defaultAction": "SCMP_ACT_ERRNO"}"#), &[], around(false)).unwrap_err();
        assert!(nothing.contains("refuses execve, which starting the program needs: no rule allows it"), "{nothing}");
    }

    #[test]
    fn capabilities_and_kernel_decide_which_rules_are_there() {
        let rule = |scope: &str| {
            profile(&format!(
                r#"{{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
                    {{"name": "write", "action": "SCMP_ACT_ERRNO", "includes": {{{scope}}}}}]}}"#
            ))
        };
        let holds = |scope: &str, around| planned(rule(scope), &[], around).is_err();
        let with =
            |caps, kernel| FilterContext { caps, kernel: Some(kernel), init: false, is_plain: false, forwards: false };
        let admin = CapSet::parse(b"CAP_SYS_ADMIN", 40).unwrap();
        assert!(holds(r#""caps": ["CAP_SYS_ADMIN"]"#, with(admin, c"6.1")));
        assert!(!holds(r#""caps": ["CAP_SYS_ADMIN"]"#, with(CapSet::all(40).without(admin), c"6.1")));
        assert!(holds(r#""minKernel": "6.1""#, with(CapSet::EMPTY, c"6.1.0-50-amd64")));
        assert!(!holds(r#""minKernel": "6.2""#, with(CapSet::EMPTY, c"6.1.0-50-amd64")));
        let error = planned(rule(""), &[], with(CapSet::EMPTY, c"unknown")).unwrap_err();
        assert_eq!(error, "lockdown.seccomp: the kernel's release \"unknown\" does not begin with a version");
    }

    #[test]
    fn what_is_wrong_is_an_error_of_a_run() {
        let wish = |text| Seccomp::Profile { text, deny: Vec::new(), allow: Vec::new() };
        let error = |text| filters(wish(text), around(true)).unwrap_err();
        let missing = error(ProfileText::Shipped("defualt".into()));
        assert_eq!((missing.kind, missing.field), (ErrorKind::Invalid, Some(Field::Seccomp)));
        assert_eq!(missing.message, b"no seccomp profile is called \"defualt\", did you mean default?");
        let broken = error(profile("{"));
        assert!(broken.message.starts_with(b"./mine.json: this is no JSON"), "{broken}");
        let foreign = error(profile(r#"{"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_S390X"]}"#));
        assert!(foreign.message.starts_with(b"./mine.json: architectures: this profile is not for "), "{foreign}");
        let name = c"/x\x1b[2J".to_owned();
        let tricky = error(ProfileText::File { name, text: b"[]".to_vec(), thread: None });
        assert!(tricky.message.starts_with(b"/x\\x1b[2J: an object"), "{tricky}");
    }
}
