//! Completions for fish. Fish knows one value for each option; more values are completed as paths.

use std::fmt::Write as _;

use super::completion::{Context, Kind, Switch, contexts};
use super::shell::{banner, quoted};
use crate::cli::commands::COMMANDS;

/// The completion of a value.
fn value(kind: &Kind) -> String {
    let words = |words: &[String]| quoted(&words.join(" "));
    match kind {
        Kind::Path | Kind::Paths => " -r -F".into(),
        Kind::Variable => " -x -a '(set -xn)'".into(),
        Kind::Word(choices) => format!(" -x -a {}", words(choices)),
        Kind::List(choices) => format!(" -x -a '(__fish_append , {})'", choices.join(" ")),
        Kind::WordOrPath(choices) => format!(" -x -a {}", quoted(&format!("{} (__pinfold_slash)", choices.join(" ")))),
        Kind::Profile => " -x -a '(__pinfold_profiles) (__pinfold_slash)'".into(),
        Kind::Command | Kind::Anything => " -x".into(),
    }
}

fn switch(context: &Context, switch: &Switch) -> String {
    let kind = switch.values.first().map(|(_, kind)| value(kind)).unwrap_or_default();
    // fish cannot express an optional value. So the form with `=` is a word of its own.
    let kind = if switch.is_joined { String::new() } else { kind };
    let (form, bare) = match switch.name.strip_prefix("--") {
        Some(bare) => ("-l", bare),
        None => ("-s", switch.name.trim_start_matches('-')),
    };
    let brief = quoted(&switch.brief);
    let mut out = format!("complete -c pinfold -n '__pinfold_at {}' {form} {bare}{kind} -d {brief}\n", context.words);
    if let (true, Some((_, Kind::Word(words)))) = (switch.is_joined, switch.values.first()) {
        for word in words {
            writeln!(
                out,
                "complete -c pinfold -n '__pinfold_at {}' -f -a '{}={word}' -d {brief}",
                context.words, switch.name
            )
            .unwrap();
        }
    }
    out
}

fn operand(context: &Context, index: usize, kind: &Kind) -> String {
    let at = format!("'__pinfold_operand {index} {}'", context.words);
    match kind {
        // The helper functions at the top of the file do this.
        Kind::Command => String::new(),
        kind => format!("complete -c pinfold -n {at}{}\n", value(kind).replace(" -r -F", " -F").replace(" -x", " -f")),
    }
}

/// The completions for `pinfold` and for `bwrap`.
pub(super) fn fish() -> String {
    let mut lines = String::new();
    for command in COMMANDS {
        let brief = quoted(command.brief);
        writeln!(lines, "complete -c pinfold -n '__pinfold_count 1' -f -a {} -d {brief}", command.name).unwrap();
        for sub in command.subs {
            let (at, brief) = (format!("'__pinfold_count 2 {}'", command.name), quoted(sub.brief));
            writeln!(lines, "complete -c pinfold -n {at} -f -a {} -d {brief}", sub.name).unwrap();
        }
    }
    let (mut arities, mut launches) = (String::new(), String::new());
    for context in contexts() {
        if let Some(at) = context.operands.iter().position(|(_, kind)| *kind == Kind::Command) {
            writeln!(launches, "        case '{}'\n            set launch {at}", context.words).unwrap();
        }
        for count in 1..=3 {
            let names: Vec<&str> = context
                .switches
                .iter()
                .filter(|switch| !switch.is_joined && switch.values.len() == count)
                .map(|switch| switch.name.as_str())
                .collect();
            for names in names.chunks(8) {
                let names: Vec<String> = names.iter().map(|name| format!("'{} {name}'", context.words)).collect();
                writeln!(arities, "        case {}\n            echo {count}", names.join(" ")).unwrap();
            }
        }
        lines.extend(context.switches.iter().map(|each| switch(&context, each)));
        lines.extend(context.operands.iter().enumerate().map(|(at, (_, kind))| operand(&context, at, kind)));
    }
    let with_subs: Vec<&str> =
        COMMANDS.iter().filter(|command| !command.subs.is_empty()).map(|command| command.name).collect();
    let head = HEAD
        .replace("@ARITIES@\n", &arities)
        .replace("@LAUNCHES@\n", &launches)
        .replace("@WITH_SUBS@", &with_subs.join(" "));
    let banner = banner("fish completion for pinfold");
    format!("{banner}\n{head}{lines}complete -c bwrap -w 'pinfold bwrap'\n")
}

const HEAD: &str = r#"# How many values the option $argv[2] of the command $argv[1] takes.
function __pinfold_values
    switch "$argv"
@ARITIES@
        case '*'
            echo 0
    end
end

# What has been typed before the cursor: the command, the number of its operands, whether options may still follow, and
# where the words of the program begin that it launches (0 where they cannot).
function __pinfold_state
    set -l words (commandline -opc)
    set -l verb "$words[2]"
    set -l at 3
    if contains -- "$verb" @WITH_SUBS@
        set verb "$verb $words[3]"
        set at 4
    end
    set -l operands 0
    set -l options 1
    set -l launch -1
    switch $verb
@LAUNCHES@
    end
    while test $at -le (count $words)
        if test $options = 1 -a "$words[$at]" = --
            set options 0
        else if test $options = 1; and string match -q -- '-?*' $words[$at]
            set -l option $at
            set at (math $at + (__pinfold_values $verb $words[$at]))
            if test $at -gt (count $words)
                # A value stands at the cursor. The first one is completed where the option is.
                test $option = (count $words); and set options 1; or set options 0
                printf '%s\n' $verb -1 $options 0
                return
            end
        else if test $operands = $launch
            printf '%s\n' $verb $operands 0 $at
            return
        else
            set operands (math $operands + 1)
        end
        set at (math $at + 1)
    end
    test $operands = $launch; or set at 0
    printf '%s\n' $verb $operands $options $at
end

# Whether the command is $argv[2..], operand number $argv[1] (from 0) comes next, and its program has not begun.
function __pinfold_operand
    set -l state (__pinfold_state)
    test "$state[1]" = "$argv[2..]" -a "$state[2]" = $argv[1]
end

# Whether the command is $argv, and options of its own may follow.
function __pinfold_at
    set -l state (__pinfold_state)
    test "$state[1]" = "$argv" -a "$state[3]" = 1
end

# Whether the program has begun, or may begin here.
function __pinfold_launched
    set -l state (__pinfold_state)
    test "$state[4]" != 0; or return
    test "$state[3]" = 0; or not string match -q -- '-*' (commandline -ct)
end

# What completes the program and its words.
function __pinfold_program
    set -l state (__pinfold_state)
    set -l words (commandline -opc)
    set -l own $words[$state[4]..-1]
    complete "-C$(string join ' ' -- (string escape -- $own) "$(commandline -ct)")"
end

# Whether $argv[1] words have been typed, of which the second is $argv[2].
function __pinfold_count
    set -l words (commandline -opc)
    test (count $words) = $argv[1]; and test (count $argv) = 1 -o "$words[2]" = "$argv[2]"
end

# Files where a word can be a name too: they are written with a slash. Without one, directories are offered.
function __pinfold_slash
    set -l word (commandline -ct | string replace -r -- '^--[a-z-]+=' '')
    if string match -q '*/*' -- $word
        __fish_complete_path $word
    else
        __fish_complete_directories $word ''
    end
end

function __pinfold_profiles
    set -l words (commandline -opc)
    command $words[1] profile list 2>/dev/null | string replace -r '^(\S+)\s+' '$1\t'
end

complete -c pinfold -n __pinfold_launched -f -a '(__pinfold_program)'
"#;
