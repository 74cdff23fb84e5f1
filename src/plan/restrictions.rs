//! The restrictions besides mounts and namespaces in words, for the printed plan.

use super::{Filters, Plan, Restrictions};

/// One restriction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Restriction {
    /// Its subject, in one word.
    pub(crate) name: &'static str,
    /// What it restricts.
    pub(crate) what: String,
}

/// What the program may not do, besides what mounts and namespaces prevent.
pub(crate) fn restrictions(plan: &Plan) -> Vec<Restriction> {
    let mut all = Vec::new();
    let mut add = |name, what: String| all.push(Restriction { name, what });
    add("privileges", "no_new_privs: no setuid program and no file capability counts".into());
    if plan.restrictions.lock.assert_no_userns {
        add("userns", "no further user namespace can be made inside".into());
    }
    if plan.program.new_session {
        add("terminal", "a session of its own, without a controlling terminal".into());
    }
    if plan.program.new_group {
        add("terminal", "a process group of its own".into());
    }
    add("seccomp", filters_in_words(&plan.restrictions));
    let Some(rules) = &plan.restrictions.landlock else { return all };
    for rule in &rules.files {
        add("landlock", rule.to_string());
    }
    let ports = |ports: &[u16]| match ports {
        [] => "none".to_owned(),
        ports => ports.iter().map(u16::to_string).collect::<Vec<_>>().join(" "),
    };
    if rules.handled.connect_tcp {
        add("landlock", format!("TCP ports to connect to: {}", ports(&rules.connect_tcp)));
    }
    if rules.handled.bind_tcp {
        add("landlock", format!("TCP ports to listen on: {}", ports(&rules.bind_tcp)));
    }
    if rules.handled.abstract_sockets {
        add("landlock", "no abstract socket of the outside can be reached".into());
    }
    if rules.handled.signals {
        add("landlock", "no process outside can be signalled".into());
    }
    all
}

fn filters_in_words(restrictions: &Restrictions) -> String {
    // An instruction is a struct sock_filter of 8 bytes.
    let words = |program: &[u8]| format!("{}, {} instructions", restrictions.filter_name, program.len() / 8);
    let programs: Vec<String> = match &restrictions.lock.seccomp {
        Filters::Programs(programs) => programs.iter().map(|program| words(program)).collect(),
        Filters::HandedOn(program) => vec![words(program)],
        Filters::ReadLate(fd) => vec![format!("the filter that descriptor {fd} yields")],
    };
    let for_ports = restrictions.tcp_filter.as_ref().map(|_| {
        "for ports: no sockets but of UNIX, netlink, TCP, UDP and ping, no TCP Fast Open, TCP_ULP and io_uring".into()
    });
    let of_others = restrictions
        .others_filter
        .as_ref()
        .map(|_| "no limits, priorities and processors of other processes".to_owned());
    let all: Vec<String> = programs.into_iter().chain(for_ports).chain(of_others).collect();
    if all.is_empty() { "no filter".into() } else { all.join("; ") }
}
