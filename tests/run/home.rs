//! What the program writes to places that end with the box: it fails, or it is told in the end.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::support::{Actor, Fd, Launch, Outcome};
use crate::{Place, actors};

/// A project that does not lie directly in the home.
fn below(place: &Place) -> std::path::PathBuf {
    let file = place.file("src/deep/repo/file", "text\n");
    file.parent().unwrap().to_owned()
}

fn sh(place: &Place, dir: &Path, options: &str, script: &str) -> Outcome {
    place.sh(options, script).dir(dir).run()
}

/// Where an archive beside the project would seem to be written, and be gone.
#[test]
fn directories_that_lead_to_the_project_are_read_only() {
    for actor in actors() {
        let place = Place::new("ways", actor);
        let repo = below(&place);
        let said = sh(&place, &repo, "", "tar czf ../backup.tgz . && echo ok");
        assert!(said.ending() != "exit 0" && said.stdout_text().is_empty(), "{said}");
        assert!(said.stderr_text().contains("Read-only file system"), "{said}");
        // The owner of a directory could change its mode.
        for script in ["chmod 777 ..; echo x >../x", "mkdir ../new", "echo x >../../x", "mv ../repo ../other"] {
            let said = sh(&place, &repo, "", script);
            assert!(
                said.ending() != "exit 0" && said.stderr_text().contains("Read-only file system"),
                "{script}: {said}"
            );
        }
        // Everything else is as before: the project, the home, and what programs keep in it.
        let script = "echo x >new && mkdir -p ~/.config/a ~/.cache/b ~/other && echo x >~/.config/a/x && echo fine";
        let said = sh(&place, &repo, "", script);
        assert_eq!(
            (said.ending(), said.stderr_text(), said.stdout_text()),
            ("exit 0".into(), "".into(), "fine\n".into())
        );
        assert_eq!(fs::read_to_string(repo.join("new")).unwrap(), "x\n");
    }
}

#[test]
fn a_place_beside_the_project_is_writable_if_a_word_says_so() {
    let place = Place::new("ways-named", Actor::User);
    let repo = below(&place);
    place.file("src/beside/file", "text\n");
    let home = place.home.display().to_string();
    for (options, script) in [
        (format!("--rw {home}/src/beside"), "echo x >../../beside/new; echo y >>file"),
        (format!("--tmpfs {home}/src/scratch"), "echo x >../../scratch/new"),
        (format!("--tmpfs {home}/src"), "echo x >~/src/new"),
        (format!("--rw {home}/.local/tool"), "echo x >~/.local/tool/x; echo x >~/.local/other"),
    ] {
        place.file(".local/tool/file", "");
        let said = sh(&place, &repo, &format!("--profile base {options} --workspace"), script);
        assert_eq!((said.ending(), said.stderr_text()), ("exit 0".into(), "".into()), "{options}: {said}");
    }
    assert_eq!(fs::read_to_string(place.home.join("src/beside/new")).unwrap(), "x\n");
}

/// The lines that are written to standard error.
fn told(place: &Place, options: &str, script: &str) -> String {
    let said = place.sh(options, script).run();
    assert_eq!(said.ending(), "exit 0", "{said}");
    said.stderr_text()
}

#[test]
fn files_in_the_empty_home_are_told_in_the_end() {
    for actor in actors() {
        let place = Place::new("lost", actor);
        fs::create_dir(place.home.join("Downloads")).unwrap();
        let script = "mkdir ~/Downloads; head -c 12000000 /dev/zero >~/Downloads/x.iso; echo a >~/Downloads/b";
        let wanted = "pinfold: 2 files (12 MB; the largest: ~/Downloads/x.iso) were written to the box's own home and are gone: \
                      --rw ~/Downloads keeps them\n";
        assert_eq!(told(&place, "", script), wanted);
        // Also without the current directory, and while something lives on.
        assert_eq!(told(&place, "--profile base", &format!("{script}; sleep 100 &")), wanted);
        assert_eq!(told(&place, "--quiet", script), wanted, "this is no note");
        let wanted = "pinfold: 1 file (2 bytes, ~/new/x) was written to the box's own home and is gone: mkdir ~/new, and \
                      --rw ~/new keeps it\n";
        assert_eq!(told(&place, "", "mkdir ~/new; echo x >~/new/x"), wanted);
        let wanted = "pinfold: 2 files (6 bytes; the largest: ~/a) were written to the box's own home and are gone: the \
                      current directory keeps files, and so does a directory named with --rw\n";
        assert_eq!(told(&place, "", "mkdir ~/new; echo x >~/new/x; echo abc >~/a"), wanted);
    }
}

#[test]
fn caches_and_what_the_set_up_has_made_are_not_told() {
    let place = Place::new("lost-nothing", Actor::User);
    let file = place.file("notes.txt", "text\n").display().to_string();
    place.file("copied/file", "text\n");
    let copy = format!("--file {0}/copied/file:{0}/copied/file", place.home.display());
    for (options, script) in [
        (
            "".to_owned(),
            "mkdir -p ~/.cache/x ~/go/pkg/mod; echo x >~/.cache/x/x; echo x >~/.rc; echo x >~/go/pkg/mod/x",
        ),
        ("".to_owned(), ": >~/empty; ln -s /etc/passwd ~/link; mkfifo ~/pipe; mkdir ~/dir"),
        ("".to_owned(), "echo x >/tmp/x; echo x >/var/tmp/y; echo x >new"),
        (format!("--rw {file}"), "echo more >>~/notes.txt"),
        (copy, "echo more >>~/copied/file"),
        (format!("--tmpfs {}/scratch", place.home.display()), "echo x >~/scratch/x"),
    ] {
        assert_eq!(told(&place, &options, script), "", "{options}: {script}");
    }
    assert_eq!(fs::read_to_string(file).unwrap(), "text\nmore\n");
}

/// The program chooses the names, and how many there are.
#[test]
fn the_look_at_a_hostile_home_is_bounded_and_its_names_are_escaped() {
    let place = Place::new("lost-hostile", Actor::User);
    let said = place.sh("--json-status-fd 5", "mkdir \"$HOME/a;b\"; echo x >\"$HOME/a;b/c\nd\"").fd(5, Fd::Out).run();
    let home = place.home.display();
    let wanted = format!(
        "pinfold: 1 file (2 bytes, ~/a;b/c\\nd) was written to the box's own home and is gone: mkdir '{home}/a;b', and --rw \
         '{home}/a;b' keeps it\n"
    );
    assert_eq!(said.stderr_text(), wanted);
    let status = String::from_utf8_lossy(&said.outs[&5]).into_owned();
    let last: serde_json::Value = serde_json::from_str(status.lines().last().unwrap()).unwrap();
    let largest = format!("{home}/a;b/c\nd");
    assert_eq!(last, serde_json::json!({ "lost": 1, "bytes": 2, "largest": largest, "all": true }), "{status}");
    let deep = "cd; for i in $(seq 100); do mkdir d; cd d; done; echo x >x; echo x >~/top";
    assert!(told(&place, "", deep).starts_with("pinfold: at least 1 file (2 bytes, ~/top) was written"));
    let many = "cd; echo x >first; mkdir m; cd m; seq 60000 | xargs touch";
    assert!(told(&place, "", many).starts_with("pinfold: at least 1 file "));
    // Nobody can be asked what is in there.
    assert_eq!(told(&place, "", "mkdir ~/shut; echo x >~/shut/x; chmod 0 ~/shut"), "");
}

/// The user's git configuration, an executable `git-lfs` if there is to be one, and a repository with a large file.
fn lfs(place: &Place, with_program: bool) -> bool {
    if !Path::new("/usr/bin/git").exists() {
        crate::support::skip("no /usr/bin/git on this machine");
        return false;
    }
    let text = "[user]\n\tname = N\n\temail = n@x\n[commit]\n\tgpgSign = true\n[core]\n\texcludesFile = ~/ignored\n\
                [filter \"lfs\"]\n\tclean = git-lfs clean -- %f\n\tsmudge = git-lfs smudge -- %f\n\trequired = true\n";
    place.file(".gitconfig", text);
    place.file("ignored", "*.log\n");
    place.file("project/.gitattributes", "*.bin filter=lfs\n");
    place.file("project/a.bin", "large\n");
    place.file("project/x.log", "log\n");
    if with_program {
        let program = place.file("project/bin/git-lfs", "#!/bin/sh\nread line; echo \"pointer of $line\"\n");
        fs::set_permissions(program, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let words = ["-ec", "git init -q -b main"];
    Launch::program(Path::new("/bin/sh"), place.actor, &words).dir(&place.project).env("HOME", "/none").run().done();
    true
}

/// Without the filter, git would commit the large file itself and say nothing.
#[test]
fn git_without_a_required_filter_fails_and_with_it_uses_it() {
    let place = Place::new("lfs-missing", Actor::User);
    if !lfs(&place, false) {
        return;
    }
    let said = place.sh("", "git add a.bin").run();
    assert!(said.ending() != "exit 0" && said.stderr_text().contains("git-lfs"), "{said}");
    let place = Place::new("lfs-there", Actor::User);
    lfs(&place, true);
    let path = format!("{}/bin:/usr/bin:/bin", place.project.display());
    let script = "git add a.bin .gitattributes && git commit -qm one && git cat-file -p HEAD:a.bin; git status --short";
    let said = place.sh("", script).env("PATH", &path).run();
    assert_eq!((said.ending(), said.stdout_text()), ("exit 0".into(), "pointer of large\n?? bin/\n".into()), "{said}");
    // The user's git would have signed it.
    let note = "pinfold: note: commits made in the box are not signed, though commit.gpgSign is on: it has no key\n";
    let taken = "pinfold: git: branch main new, taken over from the box\n";
    assert_eq!(said.stderr_text(), format!("{taken}{note}"));
    assert_eq!(place.sh("", "git log -1 >/dev/null").env("PATH", &path).run().stderr_text(), "");
    let said = place.sh("--quiet", "git commit -q --allow-empty -m two").env("PATH", &path).run();
    assert!(said.ending() == "exit 0" && !said.stderr_text().contains("note: "), "{said}");
}

/// As on systems where `/home` leads to `/var/home`.
#[test]
fn a_home_by_the_name_of_a_link_has_both_names_inside() {
    for actor in actors() {
        let place = Place::new("linked", actor);
        let link = place.home.with_file_name(format!("link-to-{actor:?}"));
        std::os::unix::fs::symlink(&place.home, &link).unwrap();
        let shown = link.display();
        let tool = place.file("project/tool", &format!("#!{shown}/project/interp\n"));
        fs::copy("/bin/true", place.project.join("interp")).unwrap();
        for file in [&tool, &place.project.join("interp")] {
            fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
        }
        place.file("data/x", "of the host\n");
        let run = |options: &str, script: &str| place.sh(options, script).env("HOME", link.to_str().unwrap()).run();
        let said = run("", "./tool && cd ~/project && ls && echo lost >~/made && readlink ~ || pwd");
        assert!(said.done().starts_with("interp\ntool\n"), "{said}");
        assert!(said.stderr_text().contains("1 file (5 bytes, "), "{said}");
        assert_eq!(
            run(&format!("--ro {shown}/data"), &format!("cat {shown}/data/x ~/data/x")).done(),
            "of the host\n".repeat(2)
        );
        assert_eq!(run(&format!("--symlink /x:{shown}/other"), &format!("readlink {shown}/other")).done(), "/x\n");
        fs::remove_file(link).unwrap();
    }
}

/// To name an output that is not there yet saves nothing.
#[test]
fn an_output_that_is_only_tried_is_counted_among_what_is_lost() {
    let place = Place::new("tried", Actor::User);
    let output = place.home.join("report.txt");
    let said = place.sh(&format!("--rw-try {}", output.display()), "echo important >~/report.txt").run();
    assert!(said.ending() == "exit 0" && !output.exists(), "{said}");
    assert!(said.stderr_text().starts_with("pinfold: 1 file (10 bytes, "), "{said}");
    place.file("report.txt", "");
    let said = place.sh(&format!("--rw-try {}", output.display()), "echo important >~/report.txt").run();
    assert_eq!((said.ending(), said.stderr_text()), ("exit 0".into(), String::new()), "{said}");
}

/// The repository's own configuration counts inside, but there is no key.
#[test]
fn a_repository_that_wants_signatures_gets_commits_without_and_a_note() {
    let place = Place::new("gpg", Actor::User);
    place.file(".gitconfig", "[user]\n\tname = T\n\temail = t@x\n[filter \"up\"]\n\tclean = tr a-z A-Z\n");
    let script = "git init -q -b main; git config commit.gpgSign true; git config tag.gpgSign true";
    Launch::program(Path::new("/bin/sh"), place.actor, &["-ec", script]).dir(&place.project).run().done();
    let said = place.sh("", "git commit -q --allow-empty -m one; git tag -a v1 -m v1").run();
    let note = "pinfold: note: commits made in the box are not signed, though commit.gpgSign is on: it has no key\n";
    assert!(said.ending() == "exit 0" && said.stderr_text().ends_with(note), "{said}");
    // A filter that is not passed on makes git fail: it would commit the content as it is.
    place.file("project/.gitattributes", "*.txt filter=up\n");
    place.file("project/a.txt", "abc\n");
    let said = place.sh("", "git add a.txt").run();
    assert!(said.ending() != "exit 0" && said.stderr_text().contains("does-not-pass-this-filter-on"), "{said}");
}

/// The words of the command name a file that the box holds, and the command failed.
#[test]
fn a_failed_command_about_a_held_file_is_told_why() {
    let place = Place::new("after", Actor::User);
    place.file("project/.envrc", "a\n");
    let notes = place.file("notes.txt", "a\n");
    let shown = notes.display();
    let said = place.run("", &["sed", "-i", "s/a/b/", ".envrc"]).run();
    let held = format!("pinfold: note: {}/.envrc is read-only in the box, because", place.project.display());
    assert!(said.ending() != "exit 0" && said.stderr_text().contains(&held), "{said}");
    let said = place.run(&format!("--rw {shown}"), &["sed", "-i", "s/a/b/", notes.to_str().unwrap()]).run();
    let alone = format!("pinfold: note: {shown} is mounted by itself: a program can write to it, but not replace it");
    assert!(said.ending() != "exit 0" && said.stderr_text().contains(&alone), "{said}");
    // Where its directory is writable, and where the file is not the caller's.
    place.file("project/out.txt", "a\n");
    let said = place.run("--rw out.txt", &["sed", "-i", "s/a/b/", "out.txt"]).run();
    assert!(said.stderr_text().contains("out.txt is mounted by itself, and so cannot be replaced"), "{said}");
    assert!(said.stderr_text().contains("its directory is writable already: leave --rw out"), "{said}");
    let said = place.sh("--rw /etc/hosts", "echo x >>/etc/hosts").run();
    let wanted = "note: /etc/hosts is not writable for you outside, and so not in the box\n";
    assert!(said.ending() != "exit 0" && said.stderr_text().contains(wanted), "{said}");
    for (options, script) in [
        ("", "cat .envrc"),
        ("", "exit 3"),
        ("--quiet", "echo x >.envrc"),
        (&*format!("--rw {shown}"), "exit 3"),
        (&*format!("--rw {shown}"), "echo b >>~/notes.txt"),
    ] {
        let said = place.sh(options, script).run();
        assert!(!said.stderr_text().contains("note: "), "{options} {script}: {said}");
    }
}

/// The same of a directory that cannot be moved or removed, because it is a mount.
#[test]
fn a_failed_command_that_moves_a_held_directory_is_told_why() {
    let place = Place::new("after-moved", Actor::User);
    place.file("project/.vscode/tasks.json", "{}\n");
    let note = format!("pinfold: note: {}/.vscode is a mount in the box, because", place.project.display());
    for words in [&["mv", ".vscode", "vs"][..], &["rm", "-r", "./.vscode/"], &["sh", "-c", "mv .vscode vs"]] {
        let said = place.run("", words).run();
        assert!(said.ending() != "exit 0" && said.stderr_text().contains(&note), "{words:?}: {said}");
        place.file("project/.vscode/tasks.json", "{}\n");
    }
    for words in [&["grep", "nothing", ".vscode/tasks.json"][..], &["rm", "nothing"]] {
        let said = place.run("", words).run();
        assert!(said.ending() != "exit 0" && !said.stderr_text().contains("note: "), "{words:?}: {said}");
    }
    if !Path::new("/usr/bin/git").exists() {
        return crate::support::skip("no /usr/bin/git on this machine");
    }
    let project = place.project.clone();
    let script =
        "git init -q && git -c user.name=n -c user.email=e commit -q --allow-empty -m x && git worktree add -q wt";
    let made = Launch::program(Path::new("/bin/sh"), Actor::User, &["-ec", script]).dir(&project);
    made.env("HOME", "/nonexistent").run().done();
    let said = place.run("", &["git", "worktree", "remove", "wt"]).run();
    let note = format!("pinfold: note: {}/wt/.git is read-only in the box, because", project.display());
    assert!(said.ending() != "exit 0" && said.stderr_text().contains(&note), "{said}");
    let said = place.run("", &["mv", ".git", "g"]).run();
    let note = format!("pinfold: note: {}/.git is a mount in the box, because", project.display());
    assert!(said.ending() != "exit 0" && said.stderr_text().contains(&note), "{said}");
}

/// uv keeps such files in its cache. An empty one leads nowhere, so it need not be held.
#[test]
fn a_cache_with_an_empty_git_file_can_be_cleaned() {
    let place = Place::new("empty-pointer", Actor::User);
    place.file("project/uv-cache/sdists-v9/.git", "");
    assert_eq!(told(&place, "", "rm -r uv-cache"), "");
    assert!(!place.project.join("uv-cache").exists());
    // A repository that it comes to name is put in order as any new one.
    place.file("project/q/.git", "");
    if !Path::new("/usr/bin/git").exists() {
        return crate::support::skip("no /usr/bin/git on this machine");
    }
    let script = "git init -q --bare q/evil; git -C q/evil config core.fsmonitor evil; echo 'gitdir: evil' >q/.git";
    let said = told(&place, "", script);
    assert!(said.contains("core.fsmonitor"), "{said}");
    assert!(!fs::read_to_string(place.project.join("q/evil/config")).unwrap_or_default().contains("fsmonitor"));
}
