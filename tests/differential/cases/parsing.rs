//! From words to options: where they end, files of arguments, numbers, what is unknown.

use crate::case::{Case, V0_9, V0_11, V0_12, case, line};
use crate::support::Fd::{Bytes, Pipe, Text};

/// 3,000 times `--setenv A b`, which is 9,000 words: with the words of argv more than are taken.
const MANY: &[u8] = &repeat::<39_000>(b"--setenv\0A\0b\0");

const fn repeat<const LENGTH: usize>(part: &[u8]) -> [u8; LENGTH] {
    let mut bytes = [0; LENGTH];
    let mut at = 0;
    while at < LENGTH {
        bytes[at] = part[at % part.len()];
        at += 1;
    }
    bytes
}

pub(crate) const CASES: &[Case] = &[
    case("no-words", "").first_line(),
    case("no-command", "R").first_line(),
    case("only-the-end", "--").first_line(),
    case("help", "--help").first_line(),
    case("help-with-more", "R --help --bogus").first_line(),
    case("version", "--version"),
    case("version-with-more", "--version true"),
    line("--bogus"),
    line("--bogus --help"),
    line("-"),
    line("-x"),
    line("--bind=/ / true"),
    line("--ro-bind / / --unshare-pi true"),
    case("options-end", "R -- P args a --bind -- b"),
    case("command-ends-options", "R P args --bind x --version --"),
    case("command-like-an-option", "R -- --bind x"),
    case("words-unchanged", "R P args '' ' ' 'a  b' $HOME * \\ \" é"),
    // `--args`
    case("args", "--args 6 P args a").fds(&[(6, Text("--ro-bind\0/\0/\0"))]),
    case("args-last-nul-optional", "--args 6 P args a").fds(&[(6, Text("--ro-bind\0/\0/"))]),
    case("args-empty", "--args 6 R P args a").fds(&[(6, Text(""))]),
    case("args-pipe", "--args 6 P args a").fds(&[(6, Pipe("--ro-bind\0/\0/\0"))]),
    case("args-twice", "--args 6 --args 7 S").fds(&[(6, Text("--ro-bind\0/\0/\0")), (7, Text("--setenv\0A\0b\0"))]),
    case("args-nested", "--args 6 true").fds(&[(6, Text("--args\x007\0")), (7, Text("--ro-bind\0/\0/\0"))]),
    case("args-end-at-word", "--args 6 S").fds(&[(6, Text("--ro-bind\0/\0/\0word\0--setenv\0A\0b\0"))]),
    case("args-end-at-dashes", "--args 6 S").fds(&[(6, Text("--ro-bind\0/\0/\0--\0--setenv\0A\0b\0"))]),
    case("args-empty-word", "--args 6 R S").fds(&[(6, Text("\0--setenv\0A\0b\0"))]),
    case("args-only-in-file", "--args 6").fds(&[(6, Text("--ro-bind\0/\0/\0true\0"))]).first_line(),
    case("args-missing-value", "--args 6 / R true").fds(&[(6, Text("--ro-bind\0/\0"))]),
    case("args-perms-across", "--args 6 --dir /tmp/x true").fds(&[(6, Text("--ro-bind\0/\0/\0--perms\x000700\0"))]),
    case("args-size-across", "--args 6 --tmpfs /tmp true").fds(&[(6, Text("--ro-bind\0/\0/\0--size\x00100\0"))]),
    case("args-overlay-src-across", "--args 6 --tmp-overlay /tmp true")
        .fds(&[(6, Text("--ro-bind\0/\0/\0--overlay-src\0/usr\0"))])
        .since(V0_11),
    case("args-unknown", "--args 6 true").fds(&[(6, Text("--bogus\0"))]),
    case("args-same-fd-twice", "--args 6 --args 6 true").fds(&[(6, Text("--ro-bind\0/\0/\0"))]),
    case("args-too-many", "--args 6 R true").fds(&[(6, Bytes(MANY))]).gives(
        1,
        "",
        "bwrap: Exceeded maximum number of arguments 9000",
    ),
    case("args-not-open", "--args 99 true"),
    case("args-bytes", "--args 6 P args a").fds(&[(6, Bytes(b"--ro-bind\0/\0/\0--setenv\0A\0\xff\xfe\0--chdir\0/\0"))]),
    // Descriptor numbers.
    line("--args x true"),
    line("--args -1 true"),
    line("--args '' true"),
    line("--sync-fd 0a true"),
    line("--block-fd -2 true"),
    line("--userns-block-fd x true"),
    line("--info-fd 1.5 true"),
    line("--json-status-fd x true"),
    line("--seccomp x true"),
    line("--add-seccomp-fd x true"),
    line("--file x /tmp/f true"),
    line("--bind-data x /tmp/f true"),
    line("--ro-bind-data x /tmp/f true"),
    line("--userns x true"),
    line("--userns2 x true"),
    line("--pidns x true"),
    line("--bind-fd x / true").since((0, 10, 0)),
    line("--ro-bind-fd x / true").since((0, 10, 0)),
    // Numbers of users.
    line("R --unshare-user --uid x true"),
    line("R --unshare-user --uid -1 true"),
    line("R --unshare-user --uid '' true"),
    line("R --unshare-user --uid 1x true"),
    line("R --unshare-user --gid x true"),
    line("R --unshare-user --gid -1 true"),
    line("R --unshare-user --gid 0x true"),
    case("uid-with-blank", "R --unshare-user --uid ' 5' true").gives(1, "", "bwrap: Invalid uid: "),
    case("uid-with-plus", "R --unshare-user --uid +5 true").gives(1, "", "bwrap: Invalid uid: +5"),
    case("uid-too-large", "R --unshare-user --uid 4294967301 true").gives(1, "", "bwrap: Invalid uid: 4294967301"),
    case("uid-of-nobody", "R --unshare-user --uid 4294967295 true").gives(1, "", "bwrap: Invalid uid: 4294967295"),
    case("gid-too-large", "R --unshare-user --gid 4294967301 true").gives(1, "", "bwrap: Invalid gid: 4294967301"),
    // Levels.
    line("--level-prefix --bogus").since(V0_11),
    case("level-of-warnings", "R --level-prefix --chdir / --chdir /usr P args").since(V0_11),
    case("level-from-there-on", "R --chdir / --chdir /usr --level-prefix nonexist").since(V0_11),
    case("level-of-late-errors", "--level-prefix R --bind /none /mnt true").since(V0_11),
    case("argv0", "R --argv0 other S").since(V0_9),
    case("argv0-empty", "R --argv0 '' S").since(V0_9),
    case("argv0-twice", "R --argv0 a --argv0 b true").since(V0_9),
    case("argv0-script", "R --argv0 other {d}/script a").since(V0_9),
    case("not-a-boundary", "R --not-a-security-boundary S").since(V0_12),
];
