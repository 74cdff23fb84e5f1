//! The tree of modules, and which file uses which.
//!
//! A path counts for the file that defines what it names, also where it goes through a `mod.rs` that re-exports it. Two
//! things are no use: `mod x;`, and a `pub use` of what the file itself does not name again. What stands behind
//! `#[cfg(test)]` in a file does not count: a test may use whatever uses what it tests. What has no path cannot be
//! seen: the call of a method.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::{Source, Token};

/// Which file uses which, and the first line that says so.
pub(crate) type Uses = BTreeMap<(String, String), usize>;

/// A module: a file, or a part of one.
#[derive(Default)]
struct Module {
    file: String,
    parent: Option<usize>,
    children: BTreeMap<String, usize>,
    /// What is defined here: types, functions, constants, macros.
    items: BTreeSet<String>,
    /// Names that `use` brings in, each with the path it stands for.
    imports: BTreeMap<String, Vec<String>>,
    /// Paths of `use …::*`.
    globs: Vec<Vec<String>>,
    /// Paths that are named here, and where.
    paths: Vec<(Vec<String>, usize)>,
}

/// What a path leads to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Target {
    Module(usize),
    /// Something that this module defines.
    Item(usize),
}

/// Paths that lead from one `use` to the next are followed this far.
const MOST_STEPS: usize = 16;

/// The files that use each other.
pub(crate) fn uses(sources: &[Source]) -> Uses {
    let tree = Tree::new(sources);
    let mut found = Uses::new();
    for (index, module) in tree.modules.iter().enumerate() {
        for (path, line) in &module.paths {
            let Some(target) = tree.resolve(index, path, MOST_STEPS) else { continue };
            let used = &tree.modules[target.module()].file;
            if *used != module.file {
                found.entry((module.file.clone(), used.clone())).or_insert(*line);
            }
        }
    }
    found
}

impl Target {
    fn module(self) -> usize {
        match self {
            Target::Module(index) | Target::Item(index) => index,
        }
    }
}

/// All modules; the first is the crate.
struct Tree {
    modules: Vec<Module>,
}

impl Tree {
    fn new(sources: &[Source]) -> Tree {
        let mut tree = Tree { modules: vec![Module { file: "lib.rs".into(), ..Module::default() }] };
        let files: Vec<usize> = sources.iter().map(|source| tree.module_of(&source.path)).collect();
        for (source, module) in sources.iter().zip(files) {
            Reader { tree: &mut tree, source, at: 0, test_ends: 0 }.module(module);
        }
        tree
    }

    /// The module of a file; those above it are made with it.
    fn module_of(&mut self, file: &str) -> usize {
        let path = file.strip_suffix(".rs").unwrap_or(file);
        let path = path.strip_suffix("/mod").unwrap_or(path);
        if path == "lib" {
            return 0;
        }
        let module = path.split('/').fold(0, |parent, name| self.child(parent, name));
        self.modules[module].file = file.into();
        module
    }

    fn child(&mut self, parent: usize, name: &str) -> usize {
        if let Some(&known) = self.modules[parent].children.get(name) {
            return known;
        }
        let file = self.modules[parent].file.clone();
        self.modules.push(Module { file, parent: Some(parent), ..Module::default() });
        let new = self.modules.len() - 1;
        self.modules[parent].children.insert(name.into(), new);
        new
    }

    /// What `path` means where `module` names it. Nothing where it is of another crate.
    fn resolve(&self, module: usize, path: &[String], steps: usize) -> Option<Target> {
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" => self.walk(0, rest, steps),
            // The library, as the binary calls it.
            "pinfold" if self.modules[module].file == "main.rs" => self.walk(0, rest, steps),
            "self" => self.walk(module, rest, steps),
            "super" => self.walk(self.modules[module].parent?, rest, steps),
            _ => self.named(module, path, steps),
        }
    }

    /// What `path` means inside `module`. What it does not declare is taken for its own: a variant, or a mistake that
    /// the compiler finds.
    fn walk(&self, module: usize, path: &[String], steps: usize) -> Option<Target> {
        match path.first().map(String::as_str) {
            None | Some("self") => Some(Target::Module(module)),
            Some("super") => self.walk(self.modules[module].parent?, &path[1..], steps),
            Some(_) => self.named(module, path, steps).or(Some(Target::Item(module))),
        }
    }

    /// What `path` means if `module` declares its first word.
    fn named(&self, module: usize, path: &[String], steps: usize) -> Option<Target> {
        let steps = steps.checked_sub(1)?;
        let (first, rest) = path.split_first()?;
        let here = &self.modules[module];
        if let Some(&child) = here.children.get(first) {
            return self.walk(child, rest, steps);
        }
        if here.items.contains(first) {
            return Some(Target::Item(module));
        }
        if let Some(import) = here.imports.get(first) {
            // `use landlock::X` in a module `landlock` of ours names the crate.
            if import == path {
                return None;
            }
            return self.resolve(module, &[import, rest].concat(), steps);
        }
        here.globs.iter().find_map(|glob| match self.resolve(module, glob, steps)? {
            Target::Module(other) if other != module => self.named(other, path, steps),
            _ => None,
        })
    }
}

/// Reads the tokens of a file into its modules.
struct Reader<'a> {
    tree: &'a mut Tree,
    source: &'a Source,
    at: usize,
    /// Where the last item for tests alone ends.
    test_ends: usize,
}

/// What a line of `use` names: a path, and the name it gets here (`*` for all that is there).
type Import = (Vec<String>, String);

impl<'a> Reader<'a> {
    /// Reads `module` up to the brace that closes it, or the end of the file.
    fn module(&mut self, module: usize) {
        let mut depth = 0;
        // Names that are passed on: used only where they are named once more.
        let mut passed_on = BTreeSet::new();
        let mut words = Vec::new();
        while let Some(Token { text, line, .. }) = self.source.tokens.get(self.at) {
            match text.as_str() {
                "#" if self.source.has(self.at, &["#", "[", "cfg", "(", "test", ")", "]"]) => {
                    self.at += 6;
                    self.test_ends = self.test_ends.max(self.source.end_of_item(self.at + 1));
                }
                "{" => depth += 1,
                "}" if depth == 0 => break,
                "}" => depth -= 1,
                "mod" if self.ahead(2) == "{" => {
                    let inner = self.tree.child(module, self.ahead(1));
                    self.at += 3;
                    self.module(inner);
                }
                "mod" if self.ahead(2) == ";" => self.at += 1,
                "use" if self.ahead(1) != "<" => {
                    let is_test = self.at < self.test_ends;
                    let is_public = ["pub", ")"].contains(&self.behind());
                    self.at += 1;
                    for (path, name) in self.imports() {
                        let here = &mut self.tree.modules[module];
                        match (is_public, is_test) {
                            (true, _) => {
                                passed_on.insert(name.clone());
                            }
                            (false, false) => here.paths.push((path.clone(), *line)),
                            // It still says what the name means.
                            (false, true) => {}
                        }
                        match name.as_str() {
                            "*" => here.globs.push(path),
                            _ => drop(here.imports.insert(name, path)),
                        }
                    }
                }
                "struct" | "enum" | "union" | "trait" | "fn" | "const" | "static" | "type" if depth == 0 => {
                    let name = self.ahead(1 + usize::from(self.ahead(1) == "mut")).to_owned();
                    self.tree.modules[module].items.insert(name);
                    self.at += 1;
                }
                // Who may see something: `pub(in path)`.
                "in" if self.behind() == "(" => {
                    self.at += 1;
                    self.path();
                }
                word if is_name(word) && !["::", "."].contains(&self.behind()) => {
                    let is_test = self.at < self.test_ends;
                    let path = self.path();
                    if !is_test {
                        words.push((path, *line));
                    }
                }
                _ => {}
            }
            self.at += 1;
        }
        let here = &mut self.tree.modules[module];
        for (path, line) in words {
            // A word alone may be a variable. What it means is said by the `use` that brings it in, if there is one.
            let matters = path.len() > 1 || passed_on.contains(&path[0]) || !here.globs.is_empty();
            let is_child = path.len() == 1 && here.children.contains_key(&path[0]);
            if matters && !is_child {
                here.paths.push((path, line));
            }
        }
    }

    fn ahead(&self, by: usize) -> &'a str {
        self.source.text_at(self.at + by)
    }

    fn behind(&self) -> &'a str {
        self.at.checked_sub(1).map_or("", |before| self.source.text_at(before))
    }

    /// The path that begins here; afterwards its last word is the present token.
    fn path(&mut self) -> Vec<String> {
        let mut path = vec![self.ahead(0).to_owned()];
        while self.ahead(1) == "::" && is_name(self.ahead(2)) {
            self.at += 2;
            path.push(self.ahead(0).to_owned());
        }
        path
    }

    /// The tree of a `use` that begins here, up to what ends it: `;`, `,` or `}`.
    fn imports(&mut self) -> Vec<Import> {
        let mut path = Vec::new();
        loop {
            match self.ahead(0) {
                "{" => return self.group(&path),
                "*" => {
                    self.at += 1;
                    return vec![(path, "*".into())];
                }
                "::" => self.at += 1,
                "as" => {
                    let name = self.ahead(1).to_owned();
                    self.at += 2;
                    return vec![(path, name)];
                }
                "self" if !path.is_empty() => self.at += 1,
                word if is_name(word) => {
                    path.push(word.to_owned());
                    self.at += 1;
                }
                _ => {
                    let name = path.last().cloned().unwrap_or_default();
                    return vec![(path, name)];
                }
            }
        }
    }

    /// The group in braces that begins here, each path with `prefix` before it.
    fn group(&mut self, prefix: &[String]) -> Vec<Import> {
        let mut found = Vec::new();
        self.at += 1;
        while !["}", ""].contains(&self.ahead(0)) {
            if self.ahead(0) == "," {
                self.at += 1;
                continue;
            }
            // `{self}` is the path before the braces.
            let of_each = self.imports().into_iter();
            found.extend(of_each.map(|(path, name)| match path.first().map(String::as_str) {
                Some("self") if path.len() == 1 => {
                    let own = if name == "self" { prefix.last().cloned().unwrap_or_default() } else { name };
                    (prefix.to_vec(), own)
                }
                _ => ([prefix, &path].concat(), name),
            }));
        }
        self.at += 1;
        found
    }
}

fn is_name(word: &str) -> bool {
    word.starts_with(|first: char| first.is_alphabetic() || first == '_')
}
