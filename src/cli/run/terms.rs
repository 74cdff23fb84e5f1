//! The terms of `pinfold run` for hints: its options.

use crate::error::{Advice, Hint};
use crate::report::hint::Terms;

pub(super) const TERMS: Terms = Terms {
    skip_missing: "the -try form of the option skips it then",
    skip_missing_layer: Some("--overlay-try skips it then"),
    no_new_procfs: "--best-effort goes on without one",
    new_ipc: "leave out --share ipc",
    tmpfs: "--tmpfs",
};

/// Puts a hint of the engine in terms of this front end.
pub(super) fn worded(hint: Hint) -> Hint {
    let Hint::Advice(advice) = hint else { return hint };
    let words = match advice {
        Advice::BestEffort => "--best-effort goes on without what cannot be enforced, and says so",
        Advice::MountDirectory => "mount the directory (--ro DIR), and give the program its path",
        Advice::MountFile => {
            "open the file for reading or writing (a shell does: <FILE, >FILE), or mount it (--ro FILE) and give the \
             program its path"
        }
        Advice::ShareNetwork => {
            "share the host's network (--net host), or let a relay have the socket and the program a pipe: \
             socat ... | pinfold run ..."
        }
        Advice::OneProject => {
            "cd into the directory of one project, or name what may be written: --profile base --rw DIR"
        }
        Advice::SmallerWorkspace => "make a smaller directory writable, or remove what is not yours there",
        Advice::NamedDirectory => "if the program is to change what is in it: --profile base --rw .",
        Advice::StartElsewhere => {
            "the program starts in what is denied: leave that out, or start elsewhere by --workdir"
        }
        Advice::LeaveProgram => "the program lies in what is denied: leave that --deny out, or deny less",
        Advice::GrantProgram => {
            "the file is not executable for you, or no rule of Landlock lets the sandbox execute it: --ro its directory \
             (and its loader's)"
        }
    };
    Hint::Text(words.into())
}
