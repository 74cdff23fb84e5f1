//! Files besides git's that the host executes or obeys later, although nobody asked for the project's code: by opening
//! a shell, an editor or an agent in the directory, or by a tool that only looks.

/// Name in the top directory of a project, and who obeys it.
///
/// Not here: what runs when somebody builds or runs the project (`Makefile`, `package.json`, `build.rs`, `.npmrc`).
pub(super) const TABLE: &[(&str, &str)] = &[
    (".envrc", "direnv runs it when a shell enters the directory"),
    (".direnv", "direnv sources what it keeps there"),
    (".mise.toml", "mise runs its hooks and templates when a shell enters the directory"),
    ("mise.toml", "as .mise.toml"),
    (".vscode", "tasks that run when the folder is opened, programs that settings name"),
    (".idea", "run configurations, programs that settings name"),
    (".zed", "tasks, programs that settings name"),
    (".vim", "local settings (exrc, coc)"),
    (".exrc", "vim and neovim source it with exrc"),
    (".nvimrc", "neovim sources it with exrc"),
    (".nvim.lua", "neovim runs it with exrc"),
    (".dir-locals.el", "emacs evaluates forms of it"),
    (".devcontainer", "commands that run on the host when the container is made"),
    (".devcontainer.json", "as .devcontainer"),
    (".claude", "hooks and permissions of an agent (CVE-2026-25725)"),
    (".codex", "configuration of an agent"),
    (".cursor", "hooks and servers of an agent"),
    (".gemini", "configuration of an agent"),
    (".mcp.json", "commands that an agent starts as servers"),
    (".husky", "hooks of git that npm points core.hooksPath at"),
    (".githooks", "the usual place for core.hooksPath, which may be set for all repositories of the user"),
    (".pre-commit-config.yaml", "its hooks run at each commit"),
    ("lefthook.yml", "its hooks run at each commit"),
    (".cargo", "config.toml names programs that even `cargo metadata` starts, as editors do"),
    (".yarnrc.yml", "yarnPath is executed by each yarn command"),
    (".bazelrc", "options of each bazel command"),
    (".gdbinit", "gdb runs it at start"),
    (".lldbinit", "lldb runs it at start"),
];
