//! Nothing stays behind: no process, no mount, no file.

use crate::support::running::{gone, pidfd, session};
use crate::support::{Actor, TYPICAL, line, nest, stage};

/// Runs `script` with the tool's typical line in `$@`, where `/tmp`, `/dev/shm` and `/var/tmp` are empty at first. Then
/// lists what is in them, and tells whether the table of mounts is as before.
fn traces_of(actor: Actor, script: &str) {
    if !actor.here() {
        return;
    }
    let kept = stage::stage().file_name().expect("a name").to_str().expect("a plain name");
    let steps = ["tmpfs:/tmp".into(), "tmpfs:/dev/shm".into(), format!("hide:/var/tmp:{kept}")];
    let script = format!(
        "before=$(cat /proc/self/mountinfo); {script}; \
         [ \"$before\" = \"$(cat /proc/self/mountinfo)\" ] || echo mounts differ; \
         find /tmp /dev/shm /var/tmp -mindepth 1 -not -path '/var/tmp/{kept}*'; exit 0"
    );
    let shell = ["/bin/sh", "-c", &script, "sh"].map(String::from);
    let mut running = nest(actor, &steps, &[&shell[..], &line(TYPICAL, &[])].concat()).start();
    let status = running.wait();
    // The last of a box may be on its way out, or dead and not yet reaped by the host's PID 1, as bubblewrap's are.
    assert!(session(running.pid()).into_iter().filter_map(pidfd).all(|process| gone(&process)), "processes are left");
    let outcome = running.finish();
    assert!(status.success(), "{outcome}");
    assert_eq!(outcome.stdout_text(), "done\n", "{outcome}");
    assert_eq!(outcome.stderr_text(), "", "{outcome}");
}

const IN_A_ROW: &str = "for n in $(seq 100); do \"$@\" true || echo failed; done; echo done";

#[test]
fn a_hundred_boxes_in_a_row_leave_nothing() {
    traces_of(Actor::User, IN_A_ROW);
}

#[test]
fn a_hundred_boxes_of_root_in_a_row_leave_nothing() {
    traces_of(Actor::Root, IN_A_ROW);
}

#[test]
fn boxes_side_by_side_leave_nothing() {
    let script = "for round in $(seq 5); do for n in $(seq 8); do \"$@\" sh -c 'exit 0' || echo failed & done; wait; \
                  done; echo done";
    traces_of(Actor::User, script);
}

#[test]
fn boxes_that_fail_leave_nothing() {
    let script = "for n in $(seq 20); do \"$@\" /nonexistent 2>/dev/null && echo ran; \
                  \"$@\" --ro-bind /nonexistent /x true; \"$@\" sh -c 'kill -9 $$' && echo no; done; echo done";
    traces_of(Actor::User, &script.replace("/x true;", "/x true 2>/dev/null && echo ran;"));
}
