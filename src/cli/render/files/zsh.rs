//! Completions for zsh (`_arguments`, `_describe` and `_values` in `zshcompsys(1)`).

use std::fmt::Write as _;

use super::completion::{Context, Kind, Switch, contexts};
use super::shell::{banner, quoted};
use crate::cli::commands::COMMANDS;

/// Removes brackets from `text` and escapes colons: either would end it.
fn escaped(text: &str) -> String {
    text.replace(['[', ']'], "").replace(':', "\\:")
}

/// The completion of a value: the last part of a specification.
fn action(kind: &Kind) -> String {
    match kind {
        Kind::Path => "_files".into(),
        // After a blank, `_arguments` adds no words to the call.
        Kind::Paths => " _pinfold_paths".into(),
        Kind::Variable => "_parameters -g \"*export*\"".into(),
        Kind::Word(words) => format!("({})", words.join(" ")),
        Kind::List(words) => format!("_values -s , word {}", words.join(" ")),
        Kind::WordOrPath(words) => format!(" _pinfold_or_path {}", words.join(" ")),
        Kind::Profile => " _pinfold_profiles".into(),
        Kind::Command => "_command_names -e".into(),
        Kind::Anything => " ".into(),
    }
}

fn switch(context: &Context, switch: &Switch) -> String {
    // bubblewrap has no values after a `=`.
    let joint = match (switch.is_joined, switch.values.as_slice()) {
        (true, _) => "=-",
        (false, [_]) if context.words != "bwrap" && switch.name.starts_with("--") => "=",
        _ => "",
    };
    let colon = if switch.is_joined { "::" } else { ":" };
    let mut spec = format!("*{}{joint}[{}]", switch.name, escaped(&switch.brief));
    for (name, kind) in &switch.values {
        write!(spec, "{colon}{}:{}", escaped(name), action(kind)).unwrap();
    }
    quoted(&spec)
}

/// The call that completes the words after a command.
fn arguments(context: &Context) -> String {
    let is_launch = context.operands.first().is_some_and(|(_, kind)| *kind == Kind::Command);
    // The options of a launch end at the first word that is not an option.
    let mut out = String::from(if is_launch { "    _arguments -S -A '-*'" } else { "    _arguments -S" });
    for each in &context.switches {
        write!(out, " \\\n        {}", switch(context, each)).unwrap();
    }
    for (index, (name, kind)) in context.operands.iter().enumerate() {
        let optional = if *kind == Kind::Command { "(-)" } else { "" };
        let spec = format!("{optional}{}:{}:{}", index + 1, escaped(name), action(kind));
        write!(out, " \\\n        {}", quoted(&spec)).unwrap();
        if *kind == Kind::Command {
            out.push_str(" \\\n        '*::arguments:_normal'");
        }
    }
    out
}

/// An array for `_describe`.
fn described<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    pairs.map(|(name, brief)| format!("        {}\n", quoted(&format!("{name}:{brief}")))).collect()
}

/// The completions for `pinfold` and for `bwrap`.
pub(super) fn zsh() -> String {
    let mut subs = String::new();
    for command in COMMANDS.iter().filter(|command| !command.subs.is_empty()) {
        let list = described(command.subs.iter().map(|sub| (sub.name, sub.brief)));
        writeln!(subs, "{})\n    commands=(\n{list}    ) ;;", command.name).unwrap();
    }
    let mut cases = String::new();
    for context in contexts() {
        writeln!(cases, "'{}')\n{} ;;", context.words, arguments(&context)).unwrap();
    }
    let commands = described(COMMANDS.iter().map(|command| (command.name, command.brief)));
    let banner = banner("zsh completion for pinfold");
    format!("#compdef pinfold bwrap\n{banner}\n")
        + &SCRIPT.replace("@COMMANDS@\n", &commands).replace("@SUBS@\n", &subs).replace("@CASES@\n", &cases)
}

const SCRIPT: &str = r#"# A path, and behind a colon another one.
_pinfold_paths() {
    compset -P '*:'
    _files
}

# One of the words, or a path. A file is written with a slash: without one only directories are offered.
_pinfold_or_path() {
    local expl
    local -a choices=("$@")
    _wanted names expl name compadd -a choices
    if [[ $PREFIX == */* ]]; then
        _files
    else
        _files -/
    fi
}

# A profile of `pinfold run`, or a path.
_pinfold_profiles() {
    local -a lines=(${(f)"$(_call_program profiles ${(q)pinfold} profile list 2>/dev/null)"})
    _pinfold_or_path ${lines%% *}
}

local pinfold=$words[1] verb=bwrap
local -a commands
if [[ $service != bwrap ]]; then
    if ((CURRENT == 2)); then
        commands=(
@COMMANDS@
        )
        _describe command commands
        return
    fi
    shift words
    ((CURRENT--))
    verb=$words[1]
fi
case $verb in
@SUBS@
esac
if ((#commands)); then
    if ((CURRENT == 2)); then
        _describe command commands
        return
    fi
    shift words
    ((CURRENT--))
    verb+=" $words[1]"
fi
case $verb in
@CASES@
esac
"#;
