//! The plan as text or JSON: the output of `--dry-run` and `--verbose`.

use serde_json::{Value, json};

use super::origin::Origin;
use super::world::is_live;
use crate::error::{printable_json, push_printable, quoted};
use crate::plan::{self, Plan};
use crate::spec::path::to_os;
use crate::spec::{Fds, FsOp};

/// Whether an operation will be skipped.
type IsSkipped<'a> = &'a dyn Fn(&FsOp) -> bool;

/// What is said of an operation that makes writable what the host obeys.
const LIVE: &str = ", live: programs of the host obey what is in it";

/// The plan for people.
pub(super) fn text(plan: &Plan, origins: &[Origin], is_skipped: IsSkipped<'_>) -> String {
    let mut out = Vec::new();
    line(&mut out, "namespaces", plan.launch.namespaces().join(" ").as_bytes());
    line(&mut out, "ids", format!("uid {} gid {}", plan.ids.seen.0, plan.ids.seen.1).as_bytes());
    for op in &plan.root.ops {
        let mut what = op.fs.in_words();
        let is_skipped = is_skipped(&op.fs);
        if is_skipped {
            what.extend_from_slice(b": it does not exist");
        } else if is_live(&op.fs) {
            what.extend_from_slice(LIVE.as_bytes());
        }
        if let Some(origin) = origins.get(op.word) {
            what.extend_from_slice(b"  [");
            origin.push(&mut what);
            what.push(b']');
        }
        line(&mut out, if is_skipped { "skipped" } else { "mounts" }, &what);
    }
    line(&mut out, "capabilities", caps(plan).join(" ").as_bytes());
    line(&mut out, "descriptors", descriptors(plan).as_bytes());
    for one in plan::restrictions(plan) {
        line(&mut out, one.name, one.what.as_bytes());
    }
    for unenforced in &plan.unenforced {
        line(&mut out, "not enforced", &unenforced.line());
    }
    line(&mut out, "directory", &printable(plan.program.cwd.first()));
    for entry in plan.program.exec.environment.iter().filter(|entry| !entry.to_bytes().starts_with(b"PWD=")) {
        line(&mut out, "environment", &printable(entry));
    }
    let command: Vec<String> = plan.program.exec.arguments.iter().map(|word| quoted(to_os(word))).collect();
    line(&mut out, "program", command.join(" ").as_bytes());
    String::from_utf8_lossy(&out).into_owned()
}

/// The plan for programs.
pub(super) fn json(plan: &Plan, origins: &[Origin], is_skipped: IsSkipped<'_>) -> String {
    let ops: Vec<Value> = plan
        .root
        .ops
        .iter()
        .map(|op| {
            let from = origins.get(op.word).map(|origin| {
                let mut out = Vec::new();
                origin.push(&mut out);
                lossy(&out)
            });
            json!({
                "what": lossy(&op.fs.in_words()),
                "from": from,
                "skipped": is_skipped(&op.fs),
                "live": is_live(&op.fs),
            })
        })
        .collect();
    let restrictions: Vec<Value> =
        plan::restrictions(plan).iter().map(|one| json!({ "name": one.name, "what": one.what })).collect();
    let plan = json!({
        "namespaces": plan.launch.namespaces(),
        "uid": plan.ids.seen.0,
        "gid": plan.ids.seen.1,
        "mounts": ops,
        "capabilities": caps(plan),
        "descriptors": kept(plan),
        "restrictions": restrictions,
        "not-enforced": plan.unenforced.iter().map(|unenforced| lossy(&unenforced.line())).collect::<Vec<_>>(),
        "directory": lossy(plan.program.cwd.first().to_bytes()),
        "environment": plan.program.exec.environment.iter().map(|entry| lossy(entry.to_bytes())).collect::<Vec<_>>(),
        "program": plan.program.exec.arguments.iter().map(|word| lossy(word.to_bytes())).collect::<Vec<_>>(),
    });
    printable_json(&format!("{plan:#}\n"))
}

fn line(out: &mut Vec<u8>, name: &str, what: &[u8]) {
    out.extend_from_slice(format!("{name:13} ").as_bytes());
    out.extend_from_slice(if what.is_empty() { b"none" } else { what });
    out.push(b'\n');
}

fn caps(plan: &Plan) -> Vec<String> {
    plan.restrictions.capabilities().numbers().map(crate::spec::CapSet::name).collect()
}

fn kept(plan: &Plan) -> Vec<i32> {
    let mut kept = vec![0, 1, 2];
    if let Fds::Only(more) = &plan.program.fds {
        kept.extend(more);
    }
    kept.sort_unstable();
    kept.dedup();
    kept
}

fn descriptors(plan: &Plan) -> String {
    kept(plan).iter().map(i32::to_string).collect::<Vec<_>>().join(" ")
}

fn printable(text: &std::ffi::CStr) -> Vec<u8> {
    let mut out = Vec::new();
    push_printable(&mut out, to_os(text));
    out
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
