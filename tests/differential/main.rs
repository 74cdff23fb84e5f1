//! The same words to Debian's `bwrap` and to ours: exit code, output, state of the process inside, files afterwards.
//!
//! `cases/` holds the argument lines, `live.rs` what needs several processes, `known.rs` the wanted differences.
//! `PINFOLD_TEST_CASE=part-of-a-name` runs only those rows.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a script that cannot go on must stop its test

mod case;
mod cases;
mod join;
mod kinds;
mod known;
mod law;
mod live;
mod names;
mod random;
mod run;
#[path = "../support/mod.rs"]
mod support;

use support::Actor;

/// One test for a table and a user, so that the harness runs them side by side.
macro_rules! tables {
    ($($table:ident: $user:ident, $root:ident;)*) => {$(
        #[test]
        fn $user() {
            run::table(stringify!($table), cases::$table::CASES, Actor::User);
        }

        #[test]
        fn $root() {
            run::table(stringify!($table), cases::$table::CASES, Actor::Root);
        }
    )*};
}

tables! {
    binds: binds_as_user, binds_as_root;
    conflicts: conflicts_as_user, conflicts_as_root;
    dest: dest_as_user, dest_as_root;
    fds: fds_as_user, fds_as_root;
    ids: ids_as_user, ids_as_root;
    missing: missing_as_user, missing_as_root;
    nodes: nodes_as_user, nodes_as_root;
    overlay: overlay_as_user, overlay_as_root;
    parsing: parsing_as_user, parsing_as_root;
    process: process_as_user, process_as_root;
    special: special_as_user, special_as_root;
}
