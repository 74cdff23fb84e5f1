//! Sources as tokens: without comments, and without what strings and characters hold.

use std::fs;
use std::path::PathBuf;

/// A file of Rust.
pub(crate) struct Source {
    /// Below `src/` (or `tests/`).
    pub(crate) path: String,
    pub(crate) text: String,
    pub(crate) tokens: Vec<Token>,
}

/// A word, or a sign; a string is `"` alone.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) text: String,
    /// What a string or a character says, as it is written; of other tokens, nothing.
    pub(crate) content: String,
    pub(crate) line: usize,
}

impl Source {
    /// The top-level module that this file belongs to.
    pub(crate) fn module(&self) -> &str {
        let first = self.path.split('/').next().unwrap_or_default();
        first.strip_suffix(".rs").unwrap_or(first)
    }

    /// How far below the crate the module of this file lies.
    pub(crate) fn depth(&self) -> usize {
        self.path.split('/').filter(|&part| part != "mod.rs").count()
    }

    pub(crate) fn text_at(&self, index: usize) -> &str {
        self.tokens.get(index).map_or("", |token| &token.text)
    }

    /// The line where `words` follow each other, if they do.
    pub(crate) fn sequence(&self, words: &[&str]) -> Option<usize> {
        let is_it = |window: &[Token]| window.iter().zip(words).all(|(token, word)| token.text == *word);
        self.tokens.windows(words.len()).find(|window| is_it(window)).map(|window| window[0].line)
    }

    /// Whether `words` follow each other from token `start` on.
    pub(crate) fn has(&self, start: usize, words: &[&str]) -> bool {
        words.iter().enumerate().all(|(index, word)| self.text_at(start + index) == *word)
    }

    /// The tokens that are compiled into the program, and not into its tests alone.
    pub(crate) fn own_tokens(&self) -> Vec<&Token> {
        let (mut own, mut index) = (Vec::new(), 0);
        while let Some(token) = self.tokens.get(index) {
            if self.has(index, &["#", "[", "cfg", "(", "test", ")", "]"]) {
                index = self.end_of_item(index + 7);
            } else {
                own.push(token);
                index += 1;
            }
        }
        own
    }

    /// The token after the item that begins at token `start`: after its `;`, or the brace that closes it.
    pub(crate) fn end_of_item(&self, start: usize) -> usize {
        let mut depth = 0;
        for index in start..self.tokens.len() {
            match self.text_at(index) {
                "{" | "(" | "[" => depth += 1,
                "}" if depth == 1 => return index + 1,
                "}" | ")" | "]" => depth -= 1,
                ";" if depth == 0 => return index + 1,
                _ => {}
            }
        }
        self.tokens.len()
    }

    /// The first words of the paths that begin at token `start`: one, or those of a group in braces.
    pub(crate) fn heads(&self, start: usize) -> Vec<(&str, usize)> {
        if self.text_at(start) != "{" {
            return self.tokens.get(start).map(|token| (token.text.as_str(), token.line)).into_iter().collect();
        }
        let (mut depth, mut heads) = (0, Vec::new());
        for index in start..self.tokens.len() {
            match self.text_at(index) {
                "{" => depth += 1,
                "}" => depth -= 1,
                word if depth == 1 && word != "," && ["{", ","].contains(&self.text_at(index - 1)) => {
                    heads.push((word, self.tokens[index].line));
                }
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
        heads
    }
}

pub(crate) fn root() -> PathBuf {
    env!("CARGO_MANIFEST_DIR").into()
}

pub(crate) fn sources() -> Vec<Source> {
    read("src")
}

/// Every file of Rust below `folder`.
pub(crate) fn read(folder: &str) -> Vec<Source> {
    let top = root().join(folder);
    let mut folders = vec![top.clone()];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("read a folder") {
            let path = entry.expect("read a folder").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("read a source");
                let path = path.strip_prefix(&top).expect("below the folder").display().to_string();
                found.push(Source { path, tokens: tokens(&text), text });
            }
        }
    }
    assert!(!found.is_empty(), "no sources in {folder}");
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// `text` without blanks and comments, and without what strings and characters hold.
pub(crate) fn tokens(text: &str) -> Vec<Token> {
    let mut out = Vec::new();
    let (mut rest, mut line) = (text, 1);
    while let Some(first) = rest.chars().next() {
        let length = if first.is_whitespace() {
            first.len_utf8()
        } else if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(length) = string(rest).or_else(|| character(rest)) {
            out.push(Token { text: "\"".into(), content: rest[..length].into(), line });
            length
        } else {
            let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            let length = if word > 0 {
                word
            } else if rest.starts_with("::") {
                2
            } else {
                first.len_utf8()
            };
            out.push(Token { text: rest[..length].into(), content: String::new(), line });
            length
        };
        line += rest[..length].bytes().filter(|&byte| byte == b'\n').count();
        rest = &rest[length..];
    }
    out
}

/// Length of the string literal that `text` begins with, prefix (`b`, `c`, `r#`) included.
fn string(text: &str) -> Option<usize> {
    let prefix = text.find(|c| !matches!(c, 'b' | 'c' | 'r'))?;
    let raw = text[..prefix].ends_with('r');
    let hashes = if raw { text[prefix..].len() - text[prefix..].trim_start_matches('#').len() } else { 0 };
    let start = prefix + hashes + 1;
    if prefix > 2 || !text[start - 1..].starts_with('"') {
        return None;
    }
    if raw {
        let end = format!("\"{}", "#".repeat(hashes));
        return text[start..].find(&end).map(|found| start + found + end.len());
    }
    let mut escaped = false;
    for (index, byte) in text[start..].bytes().enumerate() {
        match byte {
            b'"' if !escaped => return Some(start + index + 1),
            b'\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    None
}

/// Length of the character literal that `text` begins with; a lifetime is none.
fn character(text: &str) -> Option<usize> {
    let start = text.strip_prefix('b').unwrap_or(text);
    let inner = start.strip_prefix('\'')?;
    let content = match inner.strip_prefix('\\') {
        Some(escaped) => {
            1 + escaped.char_indices().nth(1).map_or(0, |(at, _)| at + escaped[at..].find('\'').unwrap_or(0))
        }
        None => inner.chars().next()?.len_utf8(),
    };
    inner[content..].starts_with('\'').then(|| text.len() - inner.len() + content + 1)
}

#[test]
fn tokens_are_read_as_rust_reads_them() {
    let read = |text: &str| tokens(text).into_iter().map(|token| token.text).collect::<Vec<_>>().join(" ");
    assert_eq!(read("use crate::{a, b}; // unsafe"), "use crate :: { a , b } ;");
    assert_eq!(read(r##"x("unsafe \" {", b'\'', '\u{7f}', r#"a"b"#, c"q") y"##), "x ( \" , \" , \" , \" , \" ) y");
    assert_eq!(read("fn f<'a>(b: &'a str, c: char) /* unsafe */ {}"), "fn f < ' a > ( b : & ' a str , c : char ) { }");
    let source =
        Source { path: "x.rs".into(), text: String::new(), tokens: tokens("use crate::{a, b::{c, d}, e as f};") };
    assert_eq!(source.heads(3).iter().map(|head| head.0).collect::<Vec<_>>(), ["a", "b", "e"]);
}
