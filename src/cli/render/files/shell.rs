//! The common parts of the completions of the three shells.

use crate::cli::commands::COMMANDS;

/// The first lines of a generated completion file.
pub(super) fn banner(about: &str) -> String {
    format!("# {about}\n# Generated from the tables of options (PINFOLD_BLESS=1 cargo test generated); do not edit.\n")
}

/// Puts `text` in single quotes for a shell.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// The possible first words after `pinfold`.
pub(super) fn first_words() -> String {
    let commands = COMMANDS.iter().map(|command| command.name);
    commands.chain(["--help", "--version"]).collect::<Vec<_>>().join(" ")
}

/// The commands with subcommands, and their subcommands.
pub(super) fn sub_words() -> Vec<(&'static str, String)> {
    let with_subs = COMMANDS.iter().filter(|command| !command.subs.is_empty());
    with_subs
        .map(|command| (command.name, command.subs.iter().map(|sub| sub.name).collect::<Vec<_>>().join(" ")))
        .collect()
}
