//! What is new after a run, and obeyed later: one line says it, and nothing of it is touched.

use crate::Place;
use crate::support::Actor;

/// A place with a home, in a box of `pinfold run`. Returns what it says.
fn said(place: &Place, env: &[(&str, &str)], script: &str) -> String {
    let outcome = place.pinfold(env, "r", script);
    assert_eq!(outcome.ending(), "exit 0", "{outcome}");
    outcome.stderr_text()
}

fn place(name: &str, script: &str) -> Place {
    let place = Place::new(name, Actor::User);
    place.host(".", "mkdir home r");
    place.host("r", script);
    place
}

#[test]
fn names_at_any_depth_are_told_in_one_line() {
    let place = place("news", "mkdir -p a/b node_modules/x/.vscode .venv .mypy_cache; touch .env.old a/.envrc");
    let script = "mkdir -p a/b/c/.vscode node_modules/y .cache; rmdir .venv .mypy_cache; touch a/b/c/.vscode/.envrc a/b/.mcp.json \
                  node_modules/y/.envrc node_modules/x/.vscode/tasks.json a/b/c/plain; rm .env.old";
    let line = "pinfold: new here, and obeyed later: a/b/.mcp.json (commands that an agent starts as servers), \
                a/b/c/.vscode (tasks that run when the folder is opened, programs that settings name), \
                node_modules/y/.envrc (direnv runs it when a shell enters the directory); changed here, and obeyed \
                later: node_modules/x/.vscode (tasks that run when the folder is opened, programs that settings name); \
                new names with a dot: .cache; gone names with a dot: .env.old\n";
    let mut words: Vec<_> = line.split(", ").map(str::to_owned).collect();
    let told = said(&place, &[], script);
    let mut found: Vec<_> = told.split(", ").map(str::to_owned).collect();
    // Directories are visited in no order that counts.
    assert!(told.starts_with("pinfold: new here, and obeyed later: "), "{told}");
    let end = |words: &mut Vec<String>| words.pop();
    assert_eq!((end(&mut found), found.len()), (end(&mut words), words.len()), "{told}");
    for name in ["a/b/.mcp.json (commands", "a/b/c/.vscode (tasks", "node_modules/y/.envrc (direnv"] {
        assert!(told.contains(name), "{told}");
    }
    assert!(!told.contains(".vscode/.envrc"), "what lies in a new directory adds nothing: {told}");
    place.host("r", "test -e a/b/.mcp.json; test -d a/b/c/.vscode; test -e node_modules/y/.envrc");
    // It is old now.
    assert_eq!(said(&place, &[], "true"), "");
}

/// What lies below a directory of dependencies can be removed, and what else a repository has that is obeyed is not
/// changed.
#[test]
fn a_package_manager_can_empty_its_directory() {
    let script = "git init -q; mkdir -p node_modules/x/.vscode src/.vscode; touch src/.vscode/settings.json src/.envrc";
    let place = place("news-remove", script);
    let script = "rm -r node_modules; ! { echo x >src/.envrc; } 2>/dev/null; echo x >src/.vscode/settings.json";
    let kept = "pinfold: not taken over, kept as k1: src/.vscode/settings.json (pinfold kept diff k1)\n";
    assert_eq!(said(&place, &[], script), kept);
    place.host("r", "test ! -e node_modules; test ! -s src/.vscode/settings.json; test ! -s src/.envrc");
}

#[test]
fn ten_names_are_told_and_the_rest_is_counted() {
    let place = place("news-many", "true");
    let told = said(&place, &[], "for n in 1 2 3 4 5 6 7 8 9 10 11 12 13; do mkdir $n; touch $n/.envrc; done");
    assert_eq!(told.matches(".envrc").count(), 10, "{told}");
    assert!(told.ends_with(", and 3 more\n") && told.matches('\n').count() == 1, "{told}");
    let told = said(&place, &[], "mkdir x; touch \"$(printf 'x/\\033[2J\\n.code-workspace')\"");
    assert!(told.matches('\n').count() == 1 && !told.contains('\u{1b}') && told.contains(".code-workspace"), "{told}");
}

/// Waits until files that are changed from now on are newer than those of the place.
fn wait_for_a_tick(place: &Place) {
    place.host(".", "touch old; until touch new; test new -nt old; do :; done; rm old new");
}

/// A name in a place beside the workspace is not one of the workspace.
#[test]
fn names_in_another_writable_directory_are_told_with_their_path() {
    let place = place("news-beside", "mkdir ../lib");
    let lib = place.path.join("lib").display().to_string();
    let words =
        ["run", "--rw", &lib, "--", "/bin/sh", "-ec", "touch .envrc; mkdir -p $0/sub; touch $0/sub/.mcp.json", &lib];
    let launch = crate::support::Launch::program(crate::support::stage::pinfold(), Actor::User, &words);
    let outcome = place.at_home(launch.dir(&place.path.join("r")), &[]).run();
    let told = outcome.stderr_text();
    assert!(told.contains(&format!("obeyed later: {lib}/sub/.mcp.json (")), "{outcome}");
    assert!(told.contains("obeyed later: .envrc ("), "{outcome}");
}

#[test]
fn programs_in_the_path_are_told() {
    let place = place("news-path", "mkdir -p venv/bin; touch venv/bin/old venv/bin/quiet venv/pyvenv.cfg; mkdir bin");
    let path = [("PATH", "{}/r/venv/bin:{}/r/bin:/usr/bin:/bin")];
    wait_for_a_tick(&place);
    let told = said(&place, &path, "touch venv/bin/git venv/other; echo x >>venv/bin/old");
    assert_eq!(told, "pinfold: new or changed programs in your PATH: venv/bin/git, venv/bin/old\n");
    // Another directory in its place, with files that are older than the run.
    assert_eq!(said(&place, &path, "mkdir later; touch later/ls"), "");
    wait_for_a_tick(&place);
    let told = said(&place, &path, "rmdir bin; mv later bin");
    assert_eq!(told, "pinfold: new or changed programs in your PATH: bin\n");
    assert_eq!(said(&place, &path, "true"), "");
}

/// Dot files of the home are often links into a repository.
#[test]
fn what_links_of_the_home_lead_to_is_told() {
    let place = place(
        "news-links",
        "touch bashrc zshrc tool; mkdir -p nvim/lua; touch nvim/lua/init.lua; mkdir -p ../home/.config ../home/bin
         ln -s ../r/bashrc ../home/.bashrc; ln -s ../r/zshrc ../home/.zshrc; ln -s /etc/passwd ../home/.other
         ln -s ../../r/nvim ../home/.config/nvim; ln -s ../../r/tool ../home/bin/tool",
    );
    let path = [("PATH", "{}/home/bin:/usr/bin:/bin")];
    wait_for_a_tick(&place);
    assert_eq!(said(&place, &path, "cat bashrc nvim/lua/init.lua; touch other"), "");
    let told = said(&place, &path, "echo x >>bashrc; echo x >nvim/lua/init.lua; echo x >t; chmod +x t; mv t tool");
    let shown = |name: &str| format!("{}/home/{name}", place.path.display());
    let expected = format!(
        "pinfold: changed here, and used by way of a link: bashrc ({} leads to it), nvim ({} leads to it), tool ({} leads \
         to it)\n",
        shown(".bashrc"),
        shown(".config/nvim"),
        shown("bin/tool")
    );
    assert_eq!(told, expected);
}

/// The next run would be by what the program has put in its place.
#[test]
fn another_file_in_the_place_of_pinfold_is_told() {
    let place = place("news-own", "mkdir bin");
    let own = place.path.join("r/bin/pinfold");
    std::fs::copy(crate::support::pinfold(), &own).unwrap();
    wait_for_a_tick(&place);
    let run = |script: &str| {
        let command = format!("./bin/pinfold run sh -c '{script}' 2>&1");
        place.host("r", &command)
    };
    assert_eq!(run("true"), "");
    let told = run("rm bin/pinfold; echo x >bin/pinfold");
    assert_eq!(told, "pinfold: changed here, and obeyed later: bin/pinfold (the program that has made this box)\n");
}

/// In a tree that has a record, what did not change is not read. All that is new is found all the same.
#[test]
fn a_record_hides_nothing() {
    let place =
        place("news-record", "git init -q; for n in $(seq 100); do mkdir -p d/$n/in/deep; touch d/$n/in/file; done");
    place.host(".", "sleep 2.1");
    assert_eq!(said(&place, &[], "true"), "");
    let stored = place.host(".", "ls home/.local/state/pinfold/trees | wc -l");
    if stored.trim() != "1" {
        crate::support::skip("the filesystem of /var/tmp has no times that count");
        return;
    }
    assert_eq!(said(&place, &[], "true"), "");
    // A new name, a repository in a directory that the program closes, and one that is moved around unread ones.
    let told = said(
        &place,
        &[],
        "touch d/7/in/deep/.envrc; git init -q d/8/in/deep; echo x >d/8/in/deep/.git/hooks/pre-commit; chmod 0 d/8/in
         mkdir g; mv d/9 g/; touch g/9/HEAD; mkdir g/9/objects g/9/refs g/9/hooks; echo x >g/9/hooks/update",
    );
    assert!(told.contains("new here, and obeyed later: d/7/in/deep/.envrc"), "{told}");
    assert!(told.contains("d/8/in/deep/.git: hooks holds what git would execute"), "{told}");
    assert!(told.contains("g/9: hooks holds what git would execute"), "{told}");
    assert_eq!(
        place.host("r", "stat -c %a d/8/in; chmod 700 d/8/in; ls d/8/in/deep/.git | grep hooks.from"),
        "0\nhooks.from-sandbox\n"
    );
    // The same as seen by the next start: a name that came with a directory from elsewhere is held.
    place.host("r", "touch d/10/in/.envrc; mv d/10 e");
    assert_eq!(said(&place, &[], "! { echo x >e/in/.envrc; } 2>/dev/null; ! rm d/7/in/deep/.envrc 2>/dev/null"), "");
}
