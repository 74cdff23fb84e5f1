//! Options about signals and the end of a run.

use crate::cli::run::args::RunArgs;
use crate::cli::run::value;
use crate::cli::table::Action::{Flag, One};
use crate::cli::table::{self, Reach};

type Opt = table::Opt<RunArgs>;

pub(super) const ENDING: &[Opt] = &[
    Opt::new(
        "--kill-after",
        &["TIME"],
        One(|args, value| value::time(value).map(|time| args.kill_after = Some(time))),
        "Kill the sandbox if the program runs on TIME after TERM",
        "TIME is a number of seconds, such as 1.5, or of minutes, hours or days with m, h or d behind it. It counts from \
         the first TERM that pinfold gets; the program has got that too. INT, HUP and QUIT do not start it. Otherwise \
         the program may take as long as it wants. The exit code is 137 then.",
    )
    .reach(Reach::Neutral),
    Opt::new(
        "--wait-all",
        &[],
        Flag(|args| args.wait_all = true),
        "Wait for everything that the program has started",
        "Otherwise the sandbox ends with the program, and with it whatever the program has left running. The exit code is \
         the program's in both cases.",
    )
    .reach(Reach::Neutral),
];
