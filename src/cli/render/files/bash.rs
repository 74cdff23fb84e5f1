//! Completions for bash.

use std::fmt::Write as _;

use super::completion::{Context, Kind, contexts};
use super::shell::{banner, first_words, sub_words};

/// The letter for a kind of value in the script, and its words.
fn letter(kind: &Kind) -> (char, Option<&[String]>) {
    match kind {
        Kind::Path => ('p', None),
        Kind::Paths => ('P', None),
        Kind::Variable => ('v', None),
        Kind::Word(words) => ('w', Some(words)),
        Kind::List(words) => ('l', Some(words)),
        Kind::WordOrPath(words) => ('f', Some(words)),
        Kind::Profile => ('n', None),
        Kind::Command => ('c', None),
        Kind::Anything => ('-', None),
    }
}

/// `kinds=… choices=…` for values.
fn assignment(values: &[(String, Kind)]) -> String {
    let letters: String = values.iter().map(|(_, kind)| letter(kind).0).collect();
    let words = values.iter().find_map(|(_, kind)| letter(kind).1);
    let words = words.map(|words| format!(" choices='{}'", words.join(" "))).unwrap_or_default();
    format!("kinds={letters}{words}")
}

fn cases(contexts: &[Context]) -> (String, String) {
    let (mut values, mut operands) = (String::new(), String::new());
    for context in contexts {
        for switch in context.switches.iter().filter(|switch| !switch.values.is_empty()) {
            let joined = if switch.is_joined { "=" } else { "" };
            let name = format!("{} {}{joined}", context.words, switch.name);
            writeln!(values, "    '{name}') {} ;;", assignment(&switch.values)).unwrap();
        }
        let names: Vec<&str> = context.switches.iter().map(|switch| switch.name.as_str()).collect();
        let set = assignment(&context.operands);
        writeln!(operands, "    '{}') {set} options='{}' ;;", context.words, names.join(" ")).unwrap();
    }
    (values, operands)
}

/// The completions for `pinfold`, and for `bwrap` if the file is also installed under that name.
pub(super) fn bash() -> String {
    let (values, operands) = cases(&contexts());
    let subs: String =
        sub_words().iter().map(|(command, words)| format!("    {command}) choices='{words}' ;;\n")).collect();
    let first = first_words();
    let banner = banner("bash completion for pinfold -*- shell-script -*-");
    format!("{banner}\n{HEAD}").replace("@VALUES@\n", &values)
        + &MAIN.replace("@OPERANDS@\n", &operands).replace("@SUBS@\n", &subs).replace("@FIRST@", &first)
}

const HEAD: &str = r#"# Kinds of words, a letter each: p a path, P a path and another one behind a colon, v a variable, w one of $choices, l some
# of them with commas between, f one of them or a path with a slash, n a profile, c a command, - anything.

# Sets kinds and choices for the values of an option: "run --net".
_pinfold_values() {
    kinds= choices=
    case $1 in
@VALUES@
    esac
}

# Sets words to those of the line, and starts to where they begin in COMP_WORDS: bash takes words apart at = and :.
_pinfold_words() {
    local rest=$COMP_LINE index
    words=() starts=()
    for ((index = 0; index <= COMP_CWORD; index++)); do
        if [[ $index == 0 || $rest == [[:blank:]]* ]]; then
            words+=('') starts+=("$index")
        fi
        rest=${rest#"${rest%%[![:blank:]]*}"}
        words[-1]+=${COMP_WORDS[index]}
        rest=${rest#"${COMP_WORDS[index]}"}
    done
}

# Names that `profile` takes. compgen -W would carry out what stands in other ones.
_pinfold_profiles() {
    local name rest
    "${words[0]}" profile list 2>/dev/null | while read -r name rest; do
        [[ $name == *[!A-Za-z0-9._+-]* ]] || printf '%s ' "$name"
    done
}

# Completes the end $2 of the word $1, which is of the kind $3.
_pinfold_reply() {
    local word=$1 value=$2 kind=$3 head piece=${COMP_WORDS[COMP_CWORD]}
    local -a found=()
    head=${word%"$value"}
    case $kind in
    n) choices=$(_pinfold_profiles) kind=f ;;
    P) head=${word%"${word##*:}"} value=${word##*:} kind=p
        [[ $head ]] || { value=$2 head=${word%"$2"}; } ;;
    l) head+=${value%"${value##*,}"} value=${value##*,} kind=w ;;
    esac
    case $kind in
    w | f) mapfile -t found < <(compgen -W "$choices" -- "$value") ;;
    v) mapfile -t found < <(compgen -v -- "$value") ;;
    c) mapfile -t found < <(compgen -c -- "$value") ;;
    esac
    # A file is written with a slash: without one only directories are offered, in which there may be one.
    case $kind:$value in
    p:* | f:*/*) compopt -o filenames; mapfile -t -O "${#found[@]}" found < <(compgen -f -- "$value") ;;
    f:*) compopt -o filenames; mapfile -t -O "${#found[@]}" found < <(compgen -d -- "$value") ;;
    esac
    # bash replaces what stands behind the last = or : only.
    [[ $piece == [=:]* ]] && piece=
    found=("${found[@]/#/"$head"}")
    COMPREPLY=("${found[@]#"${word%"$piece"}"}")
}
"#;

const MAIN: &str = r#"
_pinfold() {
    local words starts cur last verb i ended= kinds choices= options operands
    COMPREPLY=()
    _pinfold_words
    last=$((${#words[@]} - 1)) cur=${words[-1]}
    if [[ ${words[0]##*/} == bwrap ]]; then
        verb=bwrap i=1
    elif ((last == 1)); then
        choices='@FIRST@'
        _pinfold_reply "$cur" "$cur" w
        return
    else
        verb=${words[1]} i=2
    fi
    case $verb in
@SUBS@
    esac
    if [[ $choices ]]; then
        if ((last == 2)); then
            _pinfold_reply "$cur" "$cur" w
            return
        fi
        verb+=" ${words[2]}" i=3
    fi
    # Options, their values, operands, up to the word to complete.
    _pinfold_operands "$verb"
    operands=$kinds
    for (( ; i < last; i++)); do
        if [[ ! $ended && ${words[i]} == -- ]]; then
            ended=1
        elif [[ ! $ended && ${words[i]} == -?* ]]; then
            _pinfold_values "$verb ${words[i]}"
            if ((last - i <= ${#kinds})); then
                _pinfold_reply "$cur" "$cur" "${kinds:last-i-1:1}"
                return
            fi
            ((i += ${#kinds}))
        elif [[ $operands == c* ]]; then
            _pinfold_command "${starts[i]}"
            return
        else
            operands=${operands:1}
        fi
    done
    if [[ ! $ended && $verb != bwrap && $cur == --*=* ]]; then
        _pinfold_values "$verb ${cur%%=*}"
        [[ $kinds ]] || _pinfold_values "$verb ${cur%%=*}="
        _pinfold_reply "$cur" "${cur#*=}" "$kinds"
    elif [[ ! $ended && $cur == -* ]]; then
        choices=$options
        _pinfold_reply "$cur" "$cur" w
    else
        _pinfold_operands "$verb"
        _pinfold_reply "$cur" "$cur" "${operands:0:1}"
    fi
}

# Sets kinds and choices for the operands of a command, and its options.
_pinfold_operands() {
    kinds= choices= options=
    case $1 in
@OPERANDS@
    esac
}

# Completes the words of the command that begins at COMP_WORDS[$1].
_pinfold_command() {
    if declare -F _command_offset >/dev/null; then
        _command_offset "$1"
    else
        _pinfold_reply "$cur" "$cur" p
    fi
}

complete -F _pinfold pinfold bwrap
"#;
