//! The manual page and the completions: files of the repository, generated from the option table.
//!
//! `PINFOLD_BLESS=1 cargo test generated` writes them anew. Only tests need any of this, so the program has none of it.

use std::path::Path;
use std::{env, fs};

use super::{plain, push};
use crate::cli::bwrap;
use crate::cli::table::{Table, opts};

/// The prose of the manual page.
const TEMPLATE: &str = include_str!("../../../man/pinfold-bwrap.1.in");

#[test]
fn generated_files_are_up_to_date() {
    let table = bwrap::TABLE;
    for (path, wanted) in [
        ("man/pinfold-bwrap.1", man(table, TEMPLATE)),
        ("packaging/completions/pinfold.bash", bash(table)),
        ("packaging/completions/_pinfold", zsh(table)),
        ("packaging/completions/pinfold.fish", fish(table)),
    ] {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        if env::var_os("PINFOLD_BLESS").is_some_and(|value| value == "1") {
            fs::write(&file, &wanted).unwrap();
        }
        let found = fs::read_to_string(&file).unwrap_or_default();
        assert!(found == wanted, "{path} is not what the table says: PINFOLD_BLESS=1 cargo test generated");
    }
}

#[test]
fn roff_is_escaped() {
    assert_eq!(roff("{--bind} SRC, a-b\\", &["SRC"]), r"\fB\-\-bind\fR \fISRC\fR, a\-b\e");
    assert_eq!(roff(".x", &[]), r"\&.x");
}

/// The manual page: `template`, with the line `@OPTIONS@` replaced by what the table says.
fn man<A>(table: &'static Table<A>, template: &str) -> String {
    let mut options = String::new();
    for group in table {
        push(&mut options, format_args!(".SS {}\n", group.title));
        for opt in group.opts {
            push(&mut options, format_args!(".TP\n{}", roff_name(opt.name)));
            for value in opt.values {
                push(&mut options, format_args!(" \\fI{value}\\fR"));
            }
            push(&mut options, format_args!("\n{}.\n", roff(opt.brief, opt.values)));
            if !opt.text.is_empty() {
                push(&mut options, format_args!("{}\n", roff(opt.text, opt.values)));
            }
        }
    }
    template.replace("@OPTIONS@\n", &options)
}

fn roff_name(name: &str) -> String {
    format!("\\fB{}\\fR", name.replace('-', "\\-"))
}

/// `text` for troff (`groff_man(7)`): references bold, `values` in italics, hyphens as typed ones.
fn roff(text: &str, values: &[&str]) -> String {
    let mut out = String::new();
    for (number, part) in text.split(['{', '}']).enumerate() {
        if number % 2 == 1 {
            out.push_str(&roff_name(part));
            continue;
        }
        for word in part.split_inclusive(|c: char| !c.is_ascii_alphanumeric()) {
            let bare = word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
            let rest = word[bare.len()..].replace('\\', "\\e").replace('-', "\\-");
            match values.contains(&bare) {
                true => push(&mut out, format_args!("\\fI{bare}\\fR{rest}")),
                false => push(&mut out, format_args!("{bare}{rest}")),
            }
        }
    }
    // A control line begins with a dot or an apostrophe.
    if out.starts_with(['.', '\'']) { format!("\\&{out}") } else { out }
}

/// What a value can be completed with.
#[derive(PartialEq, Eq)]
enum Value {
    Path,
    Variable,
    Nothing,
}

fn value(name: &str) -> Value {
    match name {
        "SRC" | "RWSRC" | "WORKDIR" | "DEST" | "PATH" | "DIR" => Value::Path,
        "VAR" => Value::Variable,
        _ => Value::Nothing,
    }
}

/// First lines of a generated file.
fn banner(about: &str) -> String {
    format!("# {about}\n# Generated from the option table (PINFOLD_BLESS=1 cargo test generated); do not edit.\n")
}

/// Completions for bash: for `pinfold bwrap`, and for `bwrap` where the file is also installed under that name.
fn bash<A>(table: &'static Table<A>) -> String {
    let mut kinds = String::new();
    for opt in opts(table).filter(|opt| !opt.values.is_empty()) {
        let letters = opt.values.iter().map(|name| match value(name) {
            Value::Path => "p",
            Value::Variable => "v",
            Value::Nothing => "-",
        });
        push(&mut kinds, format_args!("            {}) values={} ;;\n", opt.name, letters.collect::<String>()));
    }
    let names = opts(table).map(|opt| opt.name).collect::<Vec<_>>().join("\n            ");
    let banner = banner("bash completion for pinfold -*- shell-script -*-");
    format!(
        r#"{banner}
_pinfold() {{
    local cur=${{COMP_WORDS[COMP_CWORD]}} i=1 values
    COMPREPLY=()
    if [[ ${{COMP_WORDS[0]##*/}} != bwrap ]]; then
        if ((COMP_CWORD == 1)); then
            mapfile -t COMPREPLY < <(compgen -W bwrap -- "$cur")
            return
        fi
        [[ ${{COMP_WORDS[1]}} == bwrap ]] || return
        i=2
    fi
    # Step over the options and their values, one letter of $values each, up to the word to complete.
    while ((i < COMP_CWORD)); do
        case ${{COMP_WORDS[i]}} in
{kinds}            --) ((i++)); break ;;
            -*) values= ;;
            *) break ;;
        esac
        ((i++))
        if ((COMP_CWORD < i + ${{#values}})); then
            case ${{values:COMP_CWORD - i:1}} in
                p) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
                v) mapfile -t COMPREPLY < <(compgen -v -- "$cur") ;;
            esac
            return
        fi
        ((i += ${{#values}}))
    done
    if ((i < COMP_CWORD)); then
        compopt -o filenames
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
    elif [[ $cur == -* && ${{COMP_WORDS[i - 1]}} != -- ]]; then
        mapfile -t COMPREPLY < <(compgen -W '
            {names}
        ' -- "$cur")
    else
        mapfile -t COMPREPLY < <(compgen -c -- "$cur")
    fi
}}
complete -F _pinfold pinfold bwrap
"#
    )
}

/// `text` in single quotes, for a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Completions for zsh (`_arguments` in `zshcompsys(1)`).
fn zsh<A>(table: &'static Table<A>) -> String {
    let mut specs = String::new();
    for opt in opts(table) {
        let brief = plain(opt.brief).replace(['[', ']'], "").replace(':', "\\:");
        let mut spec = format!("*{}[{brief}]", opt.name);
        for name in opt.values {
            let action = match value(name) {
                Value::Path => "_files",
                Value::Variable => "_parameters -g \"*export*\"",
                Value::Nothing => " ",
            };
            push(&mut spec, format_args!(":{name}:{action}"));
        }
        push(&mut specs, format_args!("        {} \\\n", quoted(&spec)));
    }
    let banner = banner("zsh completion for pinfold");
    format!(
        r#"#compdef pinfold bwrap
{banner}
if [[ $service == pinfold ]]; then
    if ((CURRENT == 2)); then
        _values 'dialect' 'bwrap[take the options of bubblewrap]'
        return
    fi
    [[ $words[2] == bwrap ]] || return
    shift words
    ((CURRENT--))
fi
_arguments -S -A '-*' \
{specs}        '(-)1:command:_command_names -e' \
        '*::arguments:_normal'
"#
    )
}

/// Completions for fish. It knows one value for each option; the others are completed as words of the command are.
fn fish<A>(table: &'static Table<A>) -> String {
    let mut lines = String::new();
    for opt in opts(table) {
        let kind = match opt.values.first().map(|name| value(name)) {
            None => "",
            Some(Value::Path) => " -r -F",
            Some(Value::Variable) => " -x -a '(set -xn)'",
            Some(Value::Nothing) => " -x",
        };
        let bare = opt.name.trim_start_matches('-');
        push(
            &mut lines,
            format_args!("complete -c pinfold -n __pinfold_bwrap -l {bare}{kind} -d {}\n", quoted(&plain(opt.brief))),
        );
    }
    let banner = banner("fish completion for pinfold");
    format!(
        r#"{banner}
function __pinfold_bwrap
    set -l words (commandline -opc)
    test "$words[2]" = bwrap
end

complete -c pinfold -n 'test (count (commandline -opc)) -eq 1' -f -a bwrap -d 'Take the options of bubblewrap'
{lines}complete -c bwrap -w 'pinfold bwrap'
"#
    )
}
