//! Files besides git's that the host executes or obeys later, although the user did not run the project's code: it is
//! enough to open a shell, an editor or an agent in the directory, or to run a tool that only reads. One table for all
//! that asks what such a name is.
//!
//! Files that count only when somebody builds or runs the project are not here (`Makefile`, `package.json`, `build.rs`,
//! `.npmrc`).
//!
//! A name counts in every directory: each of these programs looks where it is started, or from there upwards. Names are
//! compared without case (ASCII), because a filesystem may do the same (ext4 with casefold, vfat, NTFS).

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

/// What a program obeys under a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A file, or a link to one.
    File,
    /// A directory with all that is in it.
    Dir,
}

/// A name that some program obeys.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// The name, in small letters. In [`PATTERNS`] one `*` stands for any bytes.
    name: &'static str,
    /// The directories that it must lie in to count, in small letters; empty if it counts anywhere.
    above: &'static str,
    pub(super) kind: Kind,
    /// The program that obeys it, and how.
    pub(super) by: &'static str,
}

impl Row {
    /// The directory in which the program must be started or look to obey `path`, which has this row: the one above
    /// the names that the row asks for.
    pub(super) fn place_of<'p>(&self, path: &'p Path) -> Option<&'p Path> {
        let names_above = if self.above.is_empty() { 0 } else { self.above.split('/').count() };
        path.ancestors().nth(names_above + 1)
    }
}

/// The longest name in [`NAMES`], in bytes.
const LONGEST: usize = 32;

/// The row for `path`, whose last name is asked about. The names above it may be given in part or in full.
pub(super) fn row(path: &Path) -> Option<&'static Row> {
    let name = path.file_name()?.as_bytes();
    let lies_in = |row: &&Row| row.above.is_empty() || path.parent().is_some_and(|above| ends_with(above, row.above));
    same_name(name).iter().find(lies_in).or_else(|| PATTERNS.iter().filter(|row| matches(name, row.name)).find(lies_in))
}

/// Whether `name` can have a row at all. This is the quick question for each name of a directory.
pub(super) fn may_be_obeyed(name: &OsStr) -> bool {
    let name = name.as_bytes();
    !same_name(name).is_empty() || PATTERNS.iter().any(|row| matches(name, row.name))
}

/// The rows of [`NAMES`] with this name.
fn same_name(name: &[u8]) -> &'static [Row] {
    let mut folded = [0; LONGEST];
    let Some(folded) = folded.get_mut(..name.len()) else { return &[] };
    folded.copy_from_slice(name);
    folded.make_ascii_lowercase();
    let folded: &[u8] = folded;
    let first = NAMES.partition_point(|row| row.name.as_bytes() < folded);
    let end = NAMES.partition_point(|row| row.name.as_bytes() <= folded);
    &NAMES[first..end]
}

fn matches(name: &[u8], pattern: &str) -> bool {
    let (before, after) = pattern.split_once('*').unwrap_or((pattern, ""));
    let (before, after) = (before.as_bytes(), after.as_bytes());
    name.len() >= before.len() + after.len()
        && name[..before.len()].eq_ignore_ascii_case(before)
        && name[name.len() - after.len()..].eq_ignore_ascii_case(after)
}

fn ends_with(path: &Path, above: &str) -> bool {
    let mut names = path.components().rev().filter(|part| matches!(part, Component::Normal(_)));
    above.rsplit('/').all(|wanted| {
        names.next().is_some_and(|name| name.as_os_str().as_bytes().eq_ignore_ascii_case(wanted.as_bytes()))
    })
}

/// Whole names, in the order of their bytes. Above each stands what documents it.
const NAMES: &[Row] = &[
    // aider.chat/docs/config/aider_conf.html, lint-cmd
    Row { name: ".aider.conf.yml", above: "", kind: Kind::File, by: "commands that an agent runs after each change" },
    // docs.aws.amazon.com/amazonq, .amazonq/mcp.json
    Row { name: ".amazonq", above: "", kind: Kind::Dir, by: "servers of an agent" },
    // ampcode.com/manual, .amp/settings.json
    Row { name: ".amp", above: "", kind: Kind::Dir, by: "settings and servers of an agent" },
    // github.com/bazelbuild/bazelisk, .bazeliskrc
    Row { name: ".bazeliskrc", above: "", kind: Kind::File, by: "says where bazelisk gets bazel from" },
    // bazel.build/run/bazelrc
    Row { name: ".bazelrc", above: "", kind: Kind::File, by: "options of each bazel command" },
    // build-server-protocol.github.io/docs/overview/server-discovery
    Row {
        name: ".bsp",
        above: "",
        kind: Kind::Dir,
        by: "an IDE starts the build server that a file in it names (`argv`)",
    },
    // github.com/deivid-rodriguez/byebug, GUIDE.md
    Row { name: ".byebugrc", above: "", kind: Kind::File, by: "byebug runs it at start" },
    // doc.rust-lang.org/cargo/reference/config.html
    Row {
        name: ".cargo",
        above: "",
        kind: Kind::Dir,
        by: "config.toml names programs that even `cargo metadata` starts, as editors do",
    },
    // code.claude.com/docs/en/settings
    Row { name: ".claude", above: "", kind: Kind::Dir, by: "hooks and permissions of an agent (CVE-2026-25725)" },
    // developers.openai.com/codex/config-basic, .codex/config.toml
    Row { name: ".codex", above: "", kind: Kind::Dir, by: "configuration of an agent" },
    // docs.continue.dev/customize/deep-dives/mcp, .continue/mcpServers
    Row { name: ".continue", above: "", kind: Kind::Dir, by: "servers of an agent" },
    // github.com/charmbracelet/crush, Configuration
    Row { name: ".crush.json", above: "", kind: Kind::File, by: "as crush.json" },
    // cursor.com/docs/agent/hooks, .cursor/hooks.json
    Row { name: ".cursor", above: "", kind: Kind::Dir, by: "hooks and servers of an agent" },
    // containers.dev, initializeCommand
    Row {
        name: ".devcontainer",
        above: "",
        kind: Kind::Dir,
        by: "commands that run on the host when the container is made",
    },
    // containers.dev
    Row { name: ".devcontainer.json", above: "", kind: Kind::File, by: "as .devcontainer" },
    // Emacs manual, Directory Variables
    Row { name: ".dir-locals-2.el", above: "", kind: Kind::File, by: "as .dir-locals.el" },
    // Emacs manual, Directory Variables
    Row { name: ".dir-locals.el", above: "", kind: Kind::File, by: "emacs evaluates forms of it" },
    // direnv-stdlib(1), layout_dir
    Row { name: ".direnv", above: "", kind: Kind::Dir, by: "direnv sources what it keeps there" },
    // direnv(1)
    Row { name: ".envrc", above: "", kind: Kind::File, by: "direnv runs it when a shell enters the directory" },
    // vim, options.txt, 'exrc'
    Row { name: ".exrc", above: "", kind: Kind::File, by: "vim and neovim source it with exrc" },
    // docs.factory.ai/reference/hooks-reference, .factory/hooks.json; .factory/mcp.json
    Row { name: ".factory", above: "", kind: Kind::Dir, by: "hooks and servers of an agent" },
    // gdb manual, Init File in the Current Directory
    Row { name: ".gdbinit", above: "", kind: Kind::File, by: "gdb runs it at start, where auto-load allows it" },
    // geminicli.com/docs/get-started/configuration, .gemini/settings.json
    Row { name: ".gemini", above: "", kind: Kind::Dir, by: "hooks and servers of an agent" },
    // GHC User's Guide, The .ghci files
    Row { name: ".ghci", above: "", kind: Kind::File, by: "ghci runs it at start" },
    // githooks(5)
    Row {
        name: ".githooks",
        above: "",
        kind: Kind::Dir,
        by: "the usual place for core.hooksPath, which may be set for all repositories of the user",
    },
    // docs.x.ai/build/settings, .grok/config.toml; github.com/superagent-ai/grok-cli, .grok/settings.json
    Row { name: ".grok", above: "", kind: Kind::Dir, by: "servers and hooks of an agent" },
    // vim, gui.txt, gui-init
    Row { name: ".gvimrc", above: "", kind: Kind::File, by: "as .vimrc" },
    // docs.helix-editor.com/languages.html
    Row {
        name: ".helix",
        above: "",
        kind: Kind::Dir,
        by: "languages.toml names programs that run when a file is opened",
    },
    // typicode.github.io/husky
    Row { name: ".husky", above: "", kind: Kind::Dir, by: "hooks of git that npm points core.hooksPath at" },
    // jetbrains.com/help/idea/project-security.html
    Row { name: ".idea", above: "", kind: Kind::Dir, by: "run configurations, programs that settings name" },
    // hexdocs.pm/iex, The .iex.exs file
    Row { name: ".iex.exs", above: "", kind: Kind::File, by: "iex runs it at start" },
    // ruby, IRB, Configuration
    Row { name: ".irbrc", above: "", kind: Kind::File, by: "irb runs it at start" },
    // jdb(1)
    Row { name: ".jdbrc", above: "", kind: Kind::File, by: "jdb runs its commands at start" },
    // junie.jetbrains.com/docs, .junie/mcp/mcp.json
    Row { name: ".junie", above: "", kind: Kind::Dir, by: "servers of an agent" },
    // kilo.ai/docs/automate/mcp/using-in-kilo-code, .kilo/kilo.jsonc
    Row { name: ".kilo", above: "", kind: Kind::Dir, by: "servers of an agent" },
    // kilo.ai/docs/automate/mcp/using-in-cli, .kilocode/mcp.json
    Row { name: ".kilocode", above: "", kind: Kind::Dir, by: "servers of an agent" },
    // kiro.dev/docs/hooks, .kiro/settings/mcp.json
    Row { name: ".kiro", above: "", kind: Kind::Dir, by: "hooks and servers of an agent" },
    // github.com/folke/lazy.nvim, release 10.21.0
    Row { name: ".lazy.lua", above: "", kind: Kind::File, by: "lazy.nvim runs it (`local_spec`)" },
    // lefthook.dev/configuration, source_dir
    Row { name: ".lefthook", above: "", kind: Kind::Dir, by: "scripts that lefthook runs at each commit" },
    // lefthook.dev/configuration/source_dir_local.html
    Row { name: ".lefthook-local", above: "", kind: Kind::Dir, by: "as .lefthook" },
    // lldb(1), target.load-cwd-lldbinit
    Row { name: ".lldbinit", above: "", kind: Kind::File, by: "lldb runs it at start, where its setting allows it" },
    // github.com/embear/vim-localvimrc, localvimrc_name
    Row { name: ".lvimrc", above: "", kind: Kind::File, by: "the plugin localvimrc sources it" },
    // code.claude.com/docs/en/mcp
    Row { name: ".mcp.json", above: "", kind: Kind::File, by: "commands that an agent starts as servers" },
    // mise.jdx.dev/configuration.html
    Row {
        name: ".mise",
        above: "",
        kind: Kind::Dir,
        by: "mise runs its hooks and templates when a shell enters the directory",
    },
    // neovim, options.txt, 'exrc'
    Row { name: ".nvim.lua", above: "", kind: Kind::File, by: "neovim runs it with exrc" },
    // neovim, options.txt, 'exrc'
    Row { name: ".nvimrc", above: "", kind: Kind::File, by: "neovim sources it with exrc" },
    // ocaml(1)
    Row { name: ".ocamlinit", above: "", kind: Kind::File, by: "ocaml and utop run it at start" },
    // octave(1), FILES
    Row { name: ".octaverc", above: "", kind: Kind::File, by: "octave runs it at start" },
    // opencode.ai/docs/plugins, .opencode/plugin
    Row { name: ".opencode", above: "", kind: Kind::Dir, by: "plugins of an agent" },
    // docs.openhands.dev/openhands/usage/customization/repository
    Row { name: ".openhands", above: "", kind: Kind::Dir, by: "setup.sh and hooks.json, which an agent runs" },
    // github.com/sds/overcommit, Configuration
    Row { name: ".overcommit.yml", above: "", kind: Kind::File, by: "its hooks run at each commit" },
    // docs.python.org/3/library/pdb.html
    Row { name: ".pdbrc", above: "", kind: Kind::File, by: "pdb runs it at start" },
    // perldebug(1), Debugger Customization
    Row { name: ".perldb", above: "", kind: Kind::File, by: "the debugger of perl runs it at start" },
    // github.com/earendil-works/pi, docs/configuration.md
    Row { name: ".pi", above: "", kind: Kind::Dir, by: "extensions and servers of an agent" },
    // pre-commit.com
    Row { name: ".pre-commit-config.yaml", above: "", kind: Kind::File, by: "its hooks run at each commit" },
    // github.com/pry/pry/wiki/Pry-rc
    Row { name: ".pryrc", above: "", kind: Kind::File, by: "pry runs it at start" },
    // qwenlm.github.io/qwen-code-docs, .qwen/settings.json
    Row { name: ".qwen", above: "", kind: Kind::Dir, by: "as .gemini" },
    // R, ?Startup
    Row {
        name: ".rdata",
        above: "",
        kind: Kind::File,
        by: "R loads it at start; it may hold functions that run then (.First)",
    },
    // github.com/ruby/debug, Initial scripts
    Row { name: ".rdbgrc", above: "", kind: Kind::File, by: "rdbg runs it at start" },
    // R, ?Startup
    Row { name: ".renviron", above: "", kind: Kind::File, by: "R takes its environment from it at start (R_PROFILE)" },
    // docs.roocode.com, .roo/mcp.json
    Row { name: ".roo", above: "", kind: Kind::Dir, by: "servers of an agent" },
    // R, ?Startup
    Row { name: ".rprofile", above: "", kind: Kind::File, by: "R runs it at start" },
    // rvm.io/workflow/rvmrc
    Row { name: ".rvmrc", above: "", kind: Kind::File, by: "rvm sources it when a shell enters the directory" },
    // asdf-vm.com/manage/configuration.html
    Row {
        name: ".tool-versions",
        above: "",
        kind: Kind::File,
        by: "asdf and mise take programs from a directory that it names (`path:`)",
    },
    // coc.nvim, coc-config.txt
    Row {
        name: ".vim",
        above: "",
        kind: Kind::Dir,
        by: "local settings of editors (coc: .vim/coc-settings.json names programs)",
    },
    // vim, options.txt, 'exrc'
    Row { name: ".vimrc", above: "", kind: Kind::File, by: "vim sources it with exrc" },
    // code.visualstudio.com/docs/debugtest/tasks, runOn
    Row {
        name: ".vscode",
        above: "",
        kind: Kind::Dir,
        by: "tasks that run when the folder is opened, programs that settings name",
    },
    // docs.windsurf.com, .windsurf/hooks.json
    Row { name: ".windsurf", above: "", kind: Kind::Dir, by: "hooks of an agent" },
    // classic.yarnpkg.com/docs/yarnrc
    Row { name: ".yarnrc", above: "", kind: Kind::File, by: "yarn-path, the same of older ones" },
    // yarnpkg.com/configuration/yarnrc
    Row { name: ".yarnrc.yml", above: "", kind: Kind::File, by: "yarnPath is executed by each yarn command" },
    // zed.dev/docs/configuring-zed, .zed/settings.json
    Row { name: ".zed", above: "", kind: Kind::Dir, by: "tasks, programs that settings name" },
    // pijul 1.0, pijul/src/commands/hooks.rs: hooks of one user
    Row { name: "config", above: ".pijul", kind: Kind::File, by: "pijul runs the hooks in it" },
    // Sapling, eden/scm/tests: .sl/config with [hooks] and [extensions]
    Row { name: "config", above: ".sl", kind: Kind::File, by: "hooks and extensions of any sl command" },
    // docs.jj-vcs.dev/latest/config
    Row { name: "config.toml", above: ".jj/repo", kind: Kind::File, by: "programs that jj starts" },
    // github.com/charmbracelet/crush, Configuration
    Row { name: "crush.json", above: "", kind: Kind::File, by: "servers of an agent" },
    // darcs manual, Configuring darcs
    Row { name: "defaults", above: "_darcs/prefs", kind: Kind::File, by: "darcs runs the hooks in it (posthook)" },
    // hgrc(5)
    Row { name: "hgrc", above: ".hg", kind: Kind::File, by: "hooks and extensions of any hg command" },
    // hgrc(5)
    Row { name: "hgrc-not-shared", above: ".hg", kind: Kind::File, by: "as .hg/hgrc" },
    // docs.github.com/copilot, about hooks: .github/hooks/*.json
    Row { name: "hooks", above: ".github", kind: Kind::Dir, by: "hooks of an agent (Copilot)" },
    // pijul 0.12, src/commands/hooks.rs
    Row { name: "hooks", above: ".pijul", kind: Kind::Dir, by: "hooks that pijul runs" },
    // kilo.ai/docs/automate/mcp/using-in-kilo-code
    Row { name: "kilo.json", above: "", kind: Kind::File, by: "servers of an agent" },
    // kilo.ai/docs/automate/mcp/using-in-kilo-code
    Row { name: "kilo.jsonc", above: "", kind: Kind::File, by: "as kilo.json" },
    // mise.jdx.dev/configuration.html: mise/config.toml
    Row { name: "mise", above: "", kind: Kind::Dir, by: "as .mise" },
    // mise.jdx.dev/configuration.html: .config/mise/config.toml, conf.d
    Row { name: "mise", above: ".config", kind: Kind::Dir, by: "as .mise" },
    // opencode.ai/docs/config
    Row { name: "opencode.json", above: "", kind: Kind::File, by: "servers of an agent" },
    // opencode.ai/docs/config
    Row { name: "opencode.jsonc", above: "", kind: Kind::File, by: "as opencode.json" },
    // pijul 1.0, pijul/src/commands/hooks.rs: hooks of all users, which run once they are approved in .pijul
    Row { name: "pijul.toml", above: "", kind: Kind::File, by: "pijul runs the hooks in it" },
    // rust-lang.github.io/rustup/overrides.html
    Row { name: "rust-toolchain", above: "", kind: Kind::File, by: "as rust-toolchain.toml" },
    // rust-lang.github.io/rustup/overrides.html
    Row {
        name: "rust-toolchain.toml",
        above: "",
        kind: Kind::File,
        by: "rustup takes cargo and rustc from the directory that its `path` names, for editors too",
    },
];

/// Names of which a part varies.
const PATTERNS: &[Row] = &[
    // code.visualstudio.com/docs/editing/workspaces/multi-root-workspaces
    Row { name: "*.code-workspace", above: "", kind: Kind::File, by: "as .vscode: settings and tasks of a workspace" },
    // mise.jdx.dev/configuration.html: .mise.toml, .mise.local.toml, .mise.ENV.toml
    Row { name: ".mise.*toml", above: "", kind: Kind::File, by: "as .mise" },
    // mise.jdx.dev/configuration.html: mise.toml, mise.local.toml, mise.ENV.toml
    Row { name: "mise.*toml", above: "", kind: Kind::File, by: "as .mise" },
    // mise.jdx.dev/configuration.html: .config/mise.toml
    Row { name: "mise.*toml", above: ".config", kind: Kind::File, by: "as .mise" },
    // github.com/Tarrasch/zsh-autoenv; github.com/hyperupcall/autoenv
    Row {
        name: ".autoenv*",
        above: "",
        kind: Kind::File,
        by: "autoenv sources it when a shell enters or leaves the directory",
    },
    // lefthook.dev/configuration, Config file name
    Row { name: "lefthook.*", above: "", kind: Kind::File, by: "its hooks run at each commit" },
    // lefthook.dev/configuration, Config file name
    Row { name: ".lefthook.*", above: "", kind: Kind::File, by: "as lefthook.yml" },
    // lefthook.dev/configuration, Config file name
    Row { name: "lefthook-local.*", above: "", kind: Kind::File, by: "as lefthook.yml" },
    // lefthook.dev/configuration, Config file name
    Row { name: ".lefthook-local.*", above: "", kind: Kind::File, by: "as lefthook.yml" },
    // github.com/typicode/husky, v4, Supported config files
    Row { name: ".huskyrc*", above: "", kind: Kind::File, by: "its hooks run at each commit (husky 4)" },
];

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(path: &str) -> Option<Kind> {
        row(Path::new(path)).map(|row| row.kind)
    }

    #[test]
    fn the_table_is_in_order_and_in_small_letters() {
        assert!(NAMES.is_sorted_by(|a, b| (a.name, a.above) < (b.name, b.above)), "binary search needs this order");
        for row in NAMES.iter().chain(PATTERNS) {
            let text = [row.name, row.above].concat();
            assert_eq!(text, text.to_ascii_lowercase());
            assert!(row.name.len() <= LONGEST && !row.name.contains('/') && !row.by.is_empty(), "{}", row.name);
        }
        assert!(NAMES.iter().all(|row| !row.name.contains('*')));
        assert!(PATTERNS.iter().all(|row| row.name.matches('*').count() == 1));
    }

    #[test]
    fn names_count_at_any_depth_and_without_case() {
        for (path, wanted) in [
            (".vscode", Kind::Dir),
            ("a/b/.VSCode", Kind::Dir),
            ("/home/x/p/.Envrc", Kind::File),
            ("x.code-workspace", Kind::File),
            (".code-workspace", Kind::File),
            (".RData", Kind::File),
            (".Renviron", Kind::File),
            ("lefthook.toml", Kind::File),
            (".lefthook-local.json", Kind::File),
            (".config/lefthook.yaml", Kind::File),
            (".config/mise", Kind::Dir),
            (".config/mise.toml", Kind::File),
            (".mise.prod.toml", Kind::File),
            (".autoenv.zsh", Kind::File),
            (".huskyrc.js", Kind::File),
            ("sub/.GitHub/Hooks", Kind::Dir),
            ("a/.hg/hgrc", Kind::File),
            ("_darcs/prefs/defaults", Kind::File),
            (".jj/repo/config.toml", Kind::File),
        ] {
            assert_eq!(kind(path), Some(wanted), "{path}");
            assert!(may_be_obeyed(Path::new(path).file_name().unwrap()), "{path}");
        }
    }

    #[test]
    fn other_names_and_names_at_other_places_do_not_count() {
        for path in [
            "",
            "/",
            "..",
            "hooks",
            "github/hooks",
            "x.github/hooks",
            "config",
            "hgrc",
            "config.toml",
            "repo/config.toml",
            ".github",
            ".editorconfig",
            ".gitignore",
            "envrc",
            ".envrc.example",
            ".vscode-test",
            "mise.lock",
            "autoenv",
            "a-name-that-is-longer-than-every-one-in-the-table",
        ] {
            assert_eq!(kind(path), None, "{path}");
        }
        assert!(!may_be_obeyed(OsStr::new("main.rs")) && !may_be_obeyed(OsStr::new("")));
    }
}
