//! What the completions of the three shells have in common.

use crate::cli::commands::COMMANDS;

/// First lines of a generated file of a shell.
pub(super) fn banner(about: &str) -> String {
    format!("# {about}\n# Generated from the tables of options (PINFOLD_BLESS=1 cargo test generated); do not edit.\n")
}

/// `text` in single quotes, for a shell.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// What the first word after `pinfold` can be.
pub(super) fn first_words() -> String {
    let commands = COMMANDS.iter().map(|command| command.name);
    commands.chain(["--help", "--version"]).collect::<Vec<_>>().join(" ")
}

/// The commands that have commands of their own, and these.
pub(super) fn sub_words() -> Vec<(&'static str, String)> {
    let with_subs = COMMANDS.iter().filter(|command| !command.subs.is_empty());
    with_subs
        .map(|command| (command.name, command.subs.iter().map(|sub| sub.name).collect::<Vec<_>>().join(" ")))
        .collect()
}
