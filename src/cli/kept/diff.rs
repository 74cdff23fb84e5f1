//! What differs between two texts, line by line.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use crate::error::push_printable;

/// How many equal lines are shown around what differs.
const AROUND: usize = 3;

/// Appends what differs: `-` before lines of the present text, `+` before those of the kept one. Everything between the
/// first and the last difference counts as one. A stranger may have written both, so they are shown escaped.
pub(super) fn diff(out: &mut Vec<u8>, present: &[u8], kept: &[u8]) {
    if present.contains(&0) || kept.contains(&0) {
        out.extend_from_slice(b"  (the content is no text)\n");
        return;
    }
    let (present, kept) = (lines(present), lines(kept));
    let before = present.iter().zip(&kept).take_while(|(a, b)| a == b).count();
    let rest = |lines: &[&[u8]]| lines.len() - before;
    let most = rest(&present).min(rest(&kept));
    let after = present.iter().rev().zip(kept.iter().rev()).take(most).take_while(|(a, b)| a == b).count();
    let end = present.len() - after;
    let mut put = |sign: u8, lines: &[&[u8]]| lines.iter().for_each(|line| one(out, sign, line));
    put(b' ', &present[before.saturating_sub(AROUND)..before]);
    put(b'-', &present[before..end]);
    put(b'+', &kept[before..kept.len() - after]);
    put(b' ', &present[end..present.len().min(end + AROUND)]);
}

fn lines(text: &[u8]) -> Vec<&[u8]> {
    text.split_inclusive(|&byte| byte == b'\n').collect()
}

fn one(out: &mut Vec<u8>, sign: u8, line: &[u8]) {
    let (line, is_whole) = line.strip_suffix(b"\n").map_or((line, false), |line| (line, true));
    out.push(sign);
    for (index, piece) in line.split(|&byte| byte == b'\t').enumerate() {
        if index > 0 {
            out.push(b'\t');
        }
        push_printable(out, OsStr::from_bytes(piece));
    }
    out.extend_from_slice(if is_whole { b"\n" } else { b"\n (no newline at the end)\n" });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(present: &str, kept: &str) -> String {
        let mut out = Vec::new();
        diff(&mut out, present.as_bytes(), kept.as_bytes());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_differs_is_shown_with_what_is_around() {
        assert_eq!(shown("a\nb\nc\nd\ne\nf\n", "a\nb\nc\nd\nX\tY\nf\n"), " b\n c\n d\n-e\n+X\tY\n f\n");
        assert_eq!(shown("", "a\n"), "+a\n");
        assert_eq!(shown("a\n", ""), "-a\n");
        assert_eq!(shown("a\na\n", "a\n"), " a\n-a\n");
        assert_eq!(shown("a\n", "a"), "-a\n+a\n (no newline at the end)\n");
    }

    #[test]
    fn nothing_that_a_terminal_obeys_is_printed() {
        let text = shown("", "\u{1b}[2J\r\u{9b}x\n");
        assert!(text.chars().all(|letter| letter == '\n' || !letter.is_control()), "{text:?}");
        assert_eq!(shown("a", "\0"), "  (the content is no text)\n");
    }
}
