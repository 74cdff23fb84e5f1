//! Overlays, and binds of descriptors.

use crate::case::{Case, V0_10, V0_11, case};
use crate::support::Fd::{Open, Path, Text};

const fn overlay(name: &'static str, line: &'static str) -> Case {
    case(name, line).since(V0_11)
}

const fn descriptor(name: &'static str, line: &'static str) -> Case {
    case(name, line).since(V0_10)
}

pub(crate) const CASES: &[Case] = &[
    overlay(
        "tmp-overlay",
        "R --overlay-src {d}/low --tmp-overlay {d}/empty sh -c 'cd {d}/empty && echo new >a && cat a both'",
    ),
    overlay("tmp-overlay-state", "R --overlay-src {d}/low --tmp-overlay {d}/empty S"),
    overlay(
        "tmp-overlay-order",
        "R --overlay-src {d}/low --overlay-src {d}/high --tmp-overlay {d}/empty sh -c 'cd {d}/empty && cat a b both'",
    ),
    overlay(
        "tmp-overlay-two",
        "R --overlay-src {d}/low --tmp-overlay {d}/empty --overlay-src {d}/high --tmp-overlay {d}/up sh -c 'cat {d}/empty/both {d}/up/both'",
    ),
    overlay("tmp-overlay-new-dest", "R --tmpfs /tmp --overlay-src {d}/low --tmp-overlay /tmp/a/b P tree /tmp"),
    overlay("tmp-overlay-root", "--overlay-src {d}/dir --tmp-overlay / --ro-bind {probe} /p /p tree /"),
    overlay("tmp-overlay-odd-name", "R --overlay-src '{d}/od,d:na\\me' --tmp-overlay {d}/empty P tree {d}/empty"),
    overlay("tmp-overlay-link", "R --overlay-src {d}/dirlink --tmp-overlay {d}/empty P tree {d}/empty"),
    overlay("tmp-overlay-relative", "R --overlay-src low --tmp-overlay {d}/empty P tree {d}/empty"),
    overlay("tmp-overlay-missing", "R --overlay-src {d}/none --tmp-overlay {d}/empty true"),
    overlay("tmp-overlay-file", "R --overlay-src {d}/file --tmp-overlay {d}/empty true"),
    overlay("tmp-overlay-over-file", "R --overlay-src {d}/low --tmp-overlay {d}/file true"),
    overlay(
        "overlay",
        "R --overlay-src {d}/low --overlay {d}/up {d}/wk {d}/empty sh -c 'cd {d}/empty && echo new >a && cat a both'",
    ),
    overlay("overlay-state", "R --overlay-src {d}/low --overlay {d}/up {d}/wk {d}/empty S"),
    overlay(
        "overlay-two-sources",
        "R --overlay-src {d}/low --overlay-src {d}/high --overlay {d}/up {d}/wk {d}/empty P cat {d}/empty/both",
    ),
    overlay("overlay-upper-missing", "R --overlay-src {d}/low --overlay {d}/none {d}/wk {d}/empty true"),
    overlay("overlay-work-missing", "R --overlay-src {d}/low --overlay {d}/up {d}/none {d}/empty true"),
    overlay(
        "overlay-overlap",
        "R --overlay-src {d}/dir/sub --overlay-src {d}/dir --overlay {d}/up {d}/wk {d}/empty true",
    )
    .gives(1, "", "Overlay directories may not overlap"),
    overlay("overlay-same-twice", "R --overlay-src {d}/dir --overlay-src {d}/dir --tmp-overlay {d}/empty true"),
    overlay(
        "ro-overlay",
        "R --overlay-src {d}/low --overlay-src {d}/high --ro-overlay {d}/empty sh -c 'cd {d}/empty && cat a b both; echo no >a'",
    ),
    overlay("ro-overlay-state", "R --overlay-src {d}/low --overlay-src {d}/high --ro-overlay {d}/empty S"),
    overlay("ro-overlay-missing", "R --overlay-src {d}/low --overlay-src {d}/none --ro-overlay {d}/empty true"),
    overlay("overlay-link-dest", "R --overlay-src {d}/low --tmp-overlay {d}/dirlink P tree {d}/dir").gives(
        0,
        "{d}/dir/a mode 100644",
        "",
    ),
    descriptor("bind-fd", "R --bind-fd 6 {d}/empty P write {d}/empty/new x").fds(&[(6, Open("dir"))]),
    descriptor("bind-fd-state", "R --bind-fd 6 {d}/empty S").fds(&[(6, Open("dir"))]),
    descriptor("bind-fd-path", "R --bind-fd 6 {d}/empty P tree {d}/empty").fds(&[(6, Path("dir"))]),
    descriptor("bind-fd-file", "R --bind-fd 6 {d}/orig P cat {d}/orig").fds(&[(6, Open("file"))]),
    descriptor("bind-fd-file-path", "R --bind-fd 6 {d}/orig P cat {d}/orig").fds(&[(6, Path("file"))]),
    descriptor("bind-fd-new-dest", "R --tmpfs /tmp --bind-fd 6 /tmp/a/b P tree /tmp").fds(&[(6, Open("dir"))]),
    descriptor("bind-fd-not-open", "R --bind-fd 99 {d}/empty true"),
    descriptor("bind-fd-unlinked", "R --bind-fd 6 {d}/orig true").fds(&[(6, Text("x"))]),
    descriptor("bind-fd-twice", "R --bind-fd 6 {d}/empty --bind-fd 6 {d}/up true").fds(&[(6, Open("dir"))]),
    descriptor("ro-bind-fd", "R --ro-bind-fd 6 {d}/empty P write {d}/empty/new x").fds(&[(6, Open("dir"))]),
    descriptor("ro-bind-fd-state", "R --ro-bind-fd 6 {d}/empty S").fds(&[(6, Open("dir"))]),
    descriptor("ro-bind-fd-not-open", "R --ro-bind-fd 99 {d}/empty true"),
];
