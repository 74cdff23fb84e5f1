//! What the engine says: words of its own, from which no front end has to take anything away.

use std::collections::BTreeSet;

use crate::source::{Source, sources, tokens};

/// Front ends, and what only they use: here options are called by their names.
const FRONT_ENDS: &[&str] = &["cli", "doctor", "main", "report"];
/// The table of what can fail has a column of bubblewrap's own words.
const WITH_WORDS_OF_BUBBLEWRAP: &str = "protocol/stage.rs";

/// Sources of the engine, which has several front ends.
fn engine() -> impl Iterator<Item = Source> {
    let is_test = |source: &Source| source.path.contains("tests/") || source.path.ends_with("tests.rs");
    let is_engine = move |source: &Source| !FRONT_ENDS.contains(&source.module()) && !is_test(source);
    sources().into_iter().filter(is_engine).filter(|source| source.path != WITH_WORDS_OF_BUBBLEWRAP)
}

/// The names of the options of both front ends, from their tables.
fn options() -> BTreeSet<String> {
    let tables = ["cli/run/table.rs", "cli/bwrap/table.rs", "cli/bwrap/files.rs"];
    let is_name =
        |name: &&str| name.starts_with("--") && name[2..].contains(|letter: char| letter != '-') && !name.contains(' ');
    let mut names = BTreeSet::new();
    for source in sources().into_iter().filter(|source| tables.contains(&&*source.path)) {
        let strings = source.tokens.iter().map(|token| token.content.trim_matches('"'));
        names.extend(strings.filter(is_name).map(String::from));
    }
    names
}

/// The options of ours that `text` names, but for those of a command that it quotes: \``pinfold run --x`\`.
fn named<'a>(text: &'a str, options: &BTreeSet<String>) -> Vec<&'a str> {
    let quoted = |part: usize| part % 2 == 1;
    let mut found = Vec::new();
    for (part, text) in text.split('`').enumerate() {
        let is_command = quoted(part) && text.starts_with("pinfold run ");
        let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-');
        found.extend(words.filter(|word| !is_command && options.contains(*word)));
    }
    found
}

/// A hint for which front ends have options of their own is an `Advice`, and what an error is about is a `Field`.
#[test]
fn the_engine_knows_no_option() {
    let options = options();
    assert!(options.contains("--best-effort") && options.contains("--unshare-user"), "{options:?}");
    let mut wrong = Vec::new();
    for source in engine() {
        for token in source.own_tokens() {
            let names = named(&token.content, &options);
            wrong.extend(names.into_iter().map(|name| format!("{}:{}: names {name}", source.path, token.line)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The library is no stand-in for bubblewrap, and a front end puts its own name before what it says.
#[test]
fn the_engine_is_not_called_by_the_name_of_a_front_end() {
    for source in engine() {
        for token in source.own_tokens() {
            let is_named = ["bwrap:", "bwrap "]
                .iter()
                .any(|name| token.content.trim_start_matches(['b', 'c', '"']).starts_with(name));
            assert!(!is_named, "{}:{}: {}", source.path, token.line, token.content);
        }
    }
}

/// An error has fields for what it is about. Whoever looks for that in the text is wrong once the text changes.
#[test]
fn nobody_reads_our_own_messages() {
    let reads =
        ["contains", "ends_with", "find", "rsplit", "split", "starts_with", "strip_prefix", "strip_suffix", "windows"];
    for source in sources() {
        let own = source.own_tokens();
        for window in own.windows(4) {
            let [message, dot, call, _] = window else { unreachable!() };
            let is_read = message.text == "message" && dot.text == "." && reads.contains(&&*call.text);
            assert!(!is_read, "{}:{}: message.{}", source.path, message.line, call.text);
        }
    }
}

#[test]
fn an_option_is_found_in_a_text() {
    let options: BTreeSet<String> = ["--net", "--landlock"].map(String::from).into();
    assert_eq!(named("share it (--net host), or not", &options), ["--net"]);
    assert_eq!(named("begin that by `pinfold run --landlock off`; --landlock is that", &options), ["--landlock"]);
    assert!(named("git config --list, --network, landlock", &options).is_empty());
    let text = "fn f() { g(\"--net\") } #[cfg(test)] mod tests { const A: &str = \"--landlock\"; } const B: u8 = 1;";
    let source = Source { path: String::new(), text: String::new(), tokens: tokens(text) };
    let own: Vec<&str> =
        source.own_tokens().iter().map(|token| &*token.content).filter(|text| !text.is_empty()).collect();
    assert_eq!(own, ["\"--net\""]);
}
