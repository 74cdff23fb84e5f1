//! A file where a directory would have to be, and the reverse: 0.11 and 0.12 have other words for it, and programs look
//! for either.

use crate::case::words;
use crate::support::{Actor, Fd, Fixture, Tool, references, tool};

const LINES: &[&str] = &[
    "R --bind {d}/dir {d}/file true",
    "R --ro-bind {d}/file {d}/dir true",
    "R --dev-bind {d}/dir {d}/link true",
    "R --tmpfs {d}/file true",
    "R --dir {d}/file true",
    "R --unshare-pid --proc {d}/file true",
    "R --dev {d}/file true",
    "R --ro-bind-data 6 {d}/dir true",
    "R --file 6 {d}/dir true",
];

#[test]
fn the_first_line_has_the_words_of_0_11_and_the_second_those_of_0_12() {
    let fixture = Fixture::new("kinds", Actor::User);
    let said = |tool: &Tool, line: &str| {
        let args = words(line).into_iter().map(|word| fixture.expand(&word));
        let outcome = tool.launch(Actor::User, args).fd(6, Fd::Text("x")).run();
        assert_eq!(outcome.ending(), "exit 1", "{line}");
        outcome.stderr_text()
    };
    for line in LINES {
        let ours = said(tool(), line);
        let (first, rest) = ours.split_once('\n').expect("a line");
        for reference in references() {
            let theirs = said(&reference.tool, line);
            let theirs = theirs.trim_end();
            // 0.12 refuses every link; ours leads into the box, and is a file there.
            let is_link = theirs.contains("symlink destination");
            let has_both = first == theirs || rest.trim_end() == theirs.replace("bwrap: ", "hint: ");
            assert!(has_both || is_link, "{line}: {ours}{theirs}");
        }
    }
}
