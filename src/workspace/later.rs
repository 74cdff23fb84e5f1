//! Files besides git's that the host executes or obeys later, although the user did not run the project's code. It is
//! enough to open a shell, an editor or an agent in the directory, or to run a tool that only reads.

use std::collections::BTreeSet;
use std::ffi::CStr;

/// The existing ones of the first parts of the paths in [`TABLE`].
pub(super) type Names = BTreeSet<&'static CStr>;

/// Directories in [`TABLE`] in which only certain files are obeyed.
const AROUND: [&CStr; 2] = [c".hg", c".jj"];

/// The first part of a path in [`TABLE`].
pub(super) fn first_part(path: &'static CStr) -> &'static CStr {
    let is_around =
        |dir: &&CStr| path.to_bytes().strip_prefix(dir.to_bytes()).is_some_and(|rest| rest.first() == Some(&b'/'));
    AROUND.into_iter().find(is_around).unwrap_or(path)
}

/// A name in the top directory of a project, or a path below it, and which tool obeys it.
///
/// Files that count only when somebody builds or runs the project are not here (`Makefile`, `package.json`, `build.rs`,
/// `.npmrc`).
pub(super) const TABLE: &[(&CStr, &str)] = &[
    (c".envrc", "direnv runs it when a shell enters the directory"),
    (c".direnv", "direnv sources what it keeps there"),
    (c".mise.toml", "mise runs its hooks and templates when a shell enters the directory"),
    (c"mise.toml", "as .mise.toml"),
    (c".mise.local.toml", "as .mise.toml"),
    (c"mise.local.toml", "as .mise.toml"),
    (c".mise", "as .mise.toml"),
    (c".tool-versions", "asdf and mise take programs from a directory that it names (`path:`)"),
    (c".vscode", "tasks that run when the folder is opened, programs that settings name"),
    (c".idea", "run configurations, programs that settings name"),
    (c".zed", "tasks, programs that settings name"),
    (c".vim", "local settings (exrc, coc)"),
    (c".exrc", "vim and neovim source it with exrc"),
    (c".vimrc", "vim sources it with exrc"),
    (c".gvimrc", "as .vimrc"),
    (c".nvimrc", "neovim sources it with exrc"),
    (c".nvim.lua", "neovim runs it with exrc"),
    (c".dir-locals.el", "emacs evaluates forms of it"),
    (c".dir-locals-2.el", "as .dir-locals.el"),
    (c".helix", "languages.toml names programs that run when a file is opened"),
    (c".devcontainer", "commands that run on the host when the container is made"),
    (c".devcontainer.json", "as .devcontainer"),
    (c".claude", "hooks and permissions of an agent (CVE-2026-25725)"),
    (c".codex", "configuration of an agent"),
    (c".cursor", "hooks and servers of an agent"),
    (c".gemini", "configuration of an agent"),
    (c".qwen", "configuration of an agent"),
    (c".kiro", "hooks and servers of an agent"),
    (c".roo", "servers of an agent"),
    (c".amazonq", "servers of an agent"),
    (c".windsurf", "hooks of an agent"),
    (c".opencode", "plugins of an agent"),
    (c"opencode.json", "servers of an agent"),
    (c"opencode.jsonc", "as opencode.json"),
    (c"crush.json", "servers of an agent"),
    (c".crush.json", "as crush.json"),
    (c".aider.conf.yml", "commands that an agent runs after each change"),
    (c".mcp.json", "commands that an agent starts as servers"),
    (c".husky", "hooks of git that npm points core.hooksPath at"),
    (c".githooks", "the usual place for core.hooksPath, which may be set for all repositories of the user"),
    (c".pre-commit-config.yaml", "its hooks run at each commit"),
    (c"lefthook.yml", "its hooks run at each commit"),
    (c".lefthook.yml", "as lefthook.yml"),
    (c"lefthook-local.yml", "as lefthook.yml"),
    (c".lefthook-local.yml", "as lefthook.yml"),
    (c".hg/hgrc", "hooks and extensions of any hg command"),
    (c".jj/repo/config.toml", "programs that jj starts"),
    (c"rust-toolchain.toml", "rustup takes cargo and rustc from the directory that its `path` names, for editors too"),
    (c"rust-toolchain", "as rust-toolchain.toml"),
    (c".cargo", "config.toml names programs that even `cargo metadata` starts, as editors do"),
    (c".yarnrc.yml", "yarnPath is executed by each yarn command"),
    (c".yarnrc", "yarn-path, the same of older ones"),
    (c".bazelrc", "options of each bazel command"),
    (c".bazeliskrc", "says where bazelisk gets bazel from"),
    (c".Rprofile", "R runs it at start"),
    (c".irbrc", "irb runs it at start"),
    (c".pryrc", "pry runs it at start"),
    (c".pdbrc", "pdb runs it at start"),
    (c".gdbinit", "gdb runs it at start"),
    (c".lldbinit", "lldb runs it at start"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_parts_are_names() {
        assert!(TABLE.iter().all(|(path, _)| !first_part(path).to_bytes().contains(&b'/')));
        assert_eq!((first_part(c".hg/hgrc"), first_part(c".hgrc")), (c".hg", c".hgrc"));
    }
}
