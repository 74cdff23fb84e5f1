//! pinfold: a rootless sandbox for Linux.
//!
//! An ordinary user runs a program in a box of namespaces, with a root of its own, without capabilities. The `pinfold`
//! program is a thin shell around this library; as `bwrap` it stands in for bubblewrap. Library users begin with
//! [`Sandbox`], or fill in a [`spec::Spec`] and [`run`] or [`spawn`] it.
//!
//! # Where do I change …?
//!
//! Data passes through each room once, in this direction:
//!
//! ```text
//! words ─► cli ─► Spec ─► plan (+ Host) ─► Plan ─┬─► supervise   the supervisor: clone, reports, exit code
//!                                                └─► exec        the setup process: ids, root, lockdown, program
//!                                                        both ─► protocol ─► sys
//! ```
//!
//! | … | in |
//! |---|---|
//! | an option: its name, values, help text, what it sets | `cli/run/table.rs`; of bubblewrap: `cli/bwrap/table.rs`, `cli/bwrap/files.rs` |
//! | how words are read | `cli/run/read.rs`; `--args`, warnings of bubblewrap: `cli/bwrap/parse.rs` |
//! | what options mean together, defaults | `cli/run/lower.rs`, `cli/bwrap/lower.rs`; rules over several fields: `spec/check.rs` |
//! | a shipped profile; where profiles are found | `profiles/`; `cli/run/profile.rs` |
//! | `pinfold profile` | `cli/profile.rs`, `cli/run/look.rs`; what `check` finds: `cli/run/lint.rs`, `cli/run/view.rs` |
//! | the plan in print, the line for bubblewrap | `cli/run/dry_run.rs`, `cli/run/as_bwrap.rs` |
//! | a command of `pinfold` | `cli/commands.rs` (the table) |
//! | help | `cli/render.rs` (all from the tables) |
//! | manual pages, shell completions | `cli/render/files.rs` and `man/*.in` (the same; written by a test) |
//! | what can fail, and its words in both dialects | `protocol/stage.rs` |
//! | the text of an error | `report/failure.rs`; of bubblewrap: `cli/bwrap/messages.rs`; an operation in words: `spec/words.rs`; the `hint:` line below it: `report/hint.rs`, `cli/run/terms.rs` |
//! | what the library says by itself | `report/library.rs` |
//! | a suggestion for a word that nothing is called | `suggest.rs`; for an option of `run`: `cli/run/guess.rs`; for an option of a small command: `cli/commands.rs` |
//! | which profiles may decide about a box | `cli/run/trust.rs`; what this box could write to: `cli/run/world.rs` |
//! | which field of the spec an error is about, which word asked for it | `error.rs`, `Field`; `cli/run/origin.rs` |
//! | how text is shown, how a shell is given a word | `error.rs` |
//! | what a command prints, exit codes of ours | `cli/console.rs`, `cli/exit_code.rs` |
//! | what can be asked for at all | `spec/` |
//! | what is asked of the host | `host.rs` |
//! | how a wish is carried out on this host | `plan/`; which stage gets what of it: `plan/parts.rs` |
//! | the order of setting up | `exec/mod.rs`, `set_up` |
//! | how a path in the new root is found or made | `exec/root.rs` |
//! | mounts, `/dev`, `/proc`, overlays | `exec/mounts.rs`, `exec/devices.rs`, `exec/layers.rs`; their sources: `exec/sources.rs`; which binds are made together: `plan/together.rs`, `exec/listing.rs` |
//! | a file as standard input | `exec/input.rs` |
//! | what is denied | `exec/deny/mod.rs`; what patterns mean: `plan/pattern.rs`; what they find: `exec/deny/scan.rs`; its other names: `exec/deny/twins.rs`, `exec/deny/views.rs`, `exec/deny/hardlinks.rs`; what stays where it is for it: `exec/deny/pinned_ancestors.rs` |
//! | capabilities, filters, how the program is found | `exec/lockdown.rs` |
//! | what a program that shares the processes may not do to them | `plan/others.rs` |
//! | Landlock: what the rules are, when they are made | `plan/landlock.rs`, `plan/landlock/only.rs`, `plan/landlock/tcp.rs`; `exec/landlock.rs` |
//! | what the processes of a launch say to each other | `protocol/`; how those inside say it: `exec/tell.rs` |
//! | what a host cannot enforce, by name | `plan/unenforced.rs` |
//! | signals to the tool | `sys/signals.rs`; what each means: `supervise/forwarding.rs`; how the program gets it: `exec/reap.rs` |
//! | the program at a terminal: ^C, ^Z, `fg` | `supervise/job.rs`, `sys/terminal.rs` |
//! | what stays inside and reaps | `exec/pid1.rs`, `exec/reap.rs`; its copy in memory: `exec/sealed.rs` |
//! | what the supervisor listens to, and what ends a box | `supervise/attend.rs`; the event loop: `supervise/events.rs` |
//! | how the first process of a box is made, and begins | `supervise/make.rs`; in joined namespaces: `exec/joins.rs` |
//! | a box for a library user who goes on beside it | `spawn.rs`; what its supervisor tells: `protocol/told.rs` |
//! | what a spec of the library becomes | `prepare.rs` |
//! | what a front end is told by the supervisor | `supervise/frontend.rs` |
//! | which descriptors a process of a launch has | `protocol/descriptors.rs` |
//! | the network of a box | by a helper: `supervise/network.rs`; by the setup process: `exec/mod.rs` |
//! | `--info-fd`, `--json-status-fd` | `supervise/status.rs` |
//! | which filters a program gets, what they must let through | `plan/filter.rs` |
//! | what is compiled before the library is | `build.rs` |
//! | which functions lie together in the release binary | `launch.ld` |
//! | seccomp profiles, how they become filters | `seccomp/`; the command: `cli/seccomp.rs` |
//! | filters in the form of seccompiler | `seccompiler_json.rs` |
//! | what `pinfold doctor` looks at, finds and advises | `doctor/`; the command: `cli/doctor.rs` |
//! | what is mounted for a workspace, what is held in it | `workspace/`; what is there: `workspace/walk.rs` |
//! | what is set aside of repositories that the program makes | `workspace/settle/`; settings that may stay: `workspace/settle/settings.rs`; bounds: `workspace/settle/judge.rs`; what is said: `workspace/settle/told.rs` |
//! | what is kept apart of a run, from its start to its end | `workspace/keeping.rs`; the store: `workspace/kept/`; the command: `cli/kept.rs` |
//! | which files git tracks | `workspace/tracked.rs` |
//! | which names are obeyed later, and by what | `workspace/obeyed.rs`; which of them are new: `workspace/settle/news.rs` |
//! | who may use pinfold's own directories | `state.rs` |
//! | which directories need not be read again | `workspace/tree.rs`; where that is kept: `workspace/stored.rs` |
//! | how git's configuration is read and written; which settings name code | `workspace/config.rs`; `workspace/commands.rs`; of a stranger: `workspace/settle/harmless.rs` |
//! | what a git directory is | `workspace/git_dir.rs` |
//! | what of a git directory that was an overlay is taken over | `workspace/takeover/` |
//! | how a path is followed over links on the host | `spec/path.rs`, `Follow` |
//! | how much is looked at before the program starts | `workspace/bounds.rs` |
//! | who commits in a workspace | `workspace/identity.rs` |
//! | what must not be made on the host | `cli/run/footprint.rs` |
//! | links that an earlier box may have left | `cli/run/links.rs` |
//! | what is looked for after the run | `supervise/afterwards.rs`, `supervise/sweep.rs`; files in the home that ends with the box: `supervise/lost.rs` |
//! | directories of the box's own that are made read-only | `cli/run/own.rs` |
//! | notes after a command that failed | `cli/run/after.rs` |
//! | descriptors that must not reach the program | `host.rs`; in words: `plan/ways_out.rs` |
//! | how findings are told, whatever the program did to standard error | `supervise/findings.rs`; `sys/output.rs` |
//! | what must hold of the parsers whatever they read | `fuzzing.rs`, which names the bodies beside them; seeds: `tests/fuzz/seeds` |
//! | a system call | `sys/`, the only place with `unsafe`, `libc` and `nix` |
//!
//! Two rules hold everything together. What was asked and cannot be enforced ends the run before the program starts.
//! And the setup process decides nothing and says nothing: it follows the plan and reports a failure as numbers
//! (`protocol/`), of which the supervisor makes words.
#![deny(unsafe_op_in_unsafe_fn)]

pub mod cli;
mod doctor;
mod error;
mod exec;
#[cfg(any(test, fuzzing))]
#[doc(hidden)] // for the programs of tests/fuzz
pub mod fuzzing;
pub mod host;
pub mod plan;
mod prepare;
mod protocol;
mod report;
mod sandbox;
mod seccomp;
mod seccompiler_json;
mod spawn;
pub mod spec;
mod state;
mod suggest;
mod supervise;
mod sys;
mod workspace;

pub use error::{Advice, Error, ErrorKind, Field, Hint, Part};
pub use sandbox::Sandbox;
pub use spawn::{Child, Event, Stdio, spawn, spawn_with};
#[doc(hidden)] // for the binary: a library does not choose the allocator
pub use sys::Arena;
#[doc(hidden)] // for tests
pub use workspace::takeover;

/// Runs the program that `spec` asks for and waits until it has ended. Returns its exit code, 128 + n where signal n
/// ended it; 125 where there is something to say about what it has left, and standard error could not take it.
///
/// The calling process becomes the one that looks after the box, and must have one thread (an error otherwise). For
/// good it loses the right to gain privileges by exec (`no_new_privs`), and its descriptors above 2, as the program
/// that has nothing else to do. A caller that has uses [`spawn`]. Everything else is as before when this returns, so it
/// can run the next box: during the run nobody may look into the process (`PR_SET_DUMPABLE`, prctl(2)), and signals are
/// read.
///
/// # Errors
/// Everything that keeps the program from starting, and then it has not run: two wishes that exclude each other, a
/// source that is missing, a call that the kernel refuses. The kind of the error says which.
pub fn run(spec: spec::Spec) -> Result<u8, Error> {
    let (plan, mut descriptors) = prepare::prepare(spec)?;
    let _until_it_returns = sys::callers::Callers::note();
    supervise::run(&plan, &mut descriptors, None, &report::Library { run_box: Some(spawn::run_to_end) })
}
