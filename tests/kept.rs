//! `pinfold kept`: what earlier runs have kept apart is listed, shown, taken over and dropped.
#![allow(clippy::unwrap_used)] // a test ends at the first surprise

use std::fs::{self, File, Permissions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A state directory with an entry of a run that was killed, and the directory that the run worked in.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Place {
        let place = Place(PathBuf::from(format!("/var/tmp/pinfold-kept-cli-{}-{name}", std::process::id())));
        fs::create_dir_all(place.0.join("work/.vscode")).unwrap();
        for dir in ["files", "0/upper", "0/work"] {
            fs::create_dir_all(place.entry().join(dir)).unwrap();
        }
        for dir in ["state/pinfold", "state/pinfold/kept"] {
            fs::set_permissions(place.0.join(dir), Permissions::from_mode(0o700)).unwrap();
        }
        fs::write(place.entry().join("0/base"), "").unwrap();
        fs::write(place.entry().join("0/upper/tasks.json"), "evil\u{1b}[2J\n").unwrap();
        fs::write(place.entry().join("files/0"), "old\n").unwrap();
        fs::write(place.0.join("work/.envrc"), "new\n").unwrap();
        let work = place.0.join("work").display().to_string();
        let record = format!(
            r#"{{"version":1,"started":0,"command":"make \u001b[2J","place":"{work}","first":null,"writable":["{work}"],
            "put_back":false,"overlays":[{{"path":"{work}/.vscode","device":1,"inode":2,"born":null,"git":false}}],
            "files":[{{"path":"{work}/.envrc","mode":420,"modified":[1,0]}}]}}"#
        );
        fs::write(place.entry().join("record.json"), record).unwrap();
        place
    }

    /// The same with a repository, whose settings were changed by the run, and not all of them were taken over.
    fn with_settings(name: &str) -> Place {
        let place = Place::new(name);
        let old = "[core]\n\tbare = false\n[alias]\n\tst = status\n\tgone = log\n";
        let new = "[core]\n\tbare = false\n\thooksPath = .husky/_\n[alias]\n\tst = \"!sh -c \\\"x\\\"\"\n\tlist = a\n\tlist = b\n\
                   [pull]\n\trebase = true\n";
        let module = format!("{old}[core]\n\thooksPath = h\n\tfsmonitor = f\n");
        let place_of = |name: &str| place.entry().join("1").join(name);
        for dir in ["upper/modules/m", "work"] {
            fs::create_dir_all(place_of(dir)).unwrap();
        }
        Command::new("git").args(["init", "-q"]).arg(place.0.join("work")).status().unwrap();
        fs::create_dir_all(place.work(".git/modules/m")).unwrap();
        for git in [place.work(".git"), place.work(".git/modules/m")] {
            fs::create_dir_all(git.join("objects")).unwrap();
            fs::create_dir_all(git.join("refs")).unwrap();
            fs::write(git.join("HEAD"), "ref: refs/heads/main\n").unwrap();
            // This one was taken over.
            fs::write(git.join("config"), format!("{old}[pull]\n\trebase = true\n")).unwrap();
        }
        fs::write(place_of("upper/config"), new).unwrap();
        fs::write(place_of("upper/modules/m/config"), module).unwrap();
        let config = format!("config {}\n{old}", old.len());
        fs::write(place_of("base"), format!("unit 0\n{config}unit 9\nmodules/m{config}")).unwrap();
        let record = read(&place.entry().join("record.json"));
        let work = place.0.join("work").display().to_string();
        let overlay = format!(
            r#""overlays":[{{"path":"{work}/.vscode","device":1,"inode":2,"born":null,"git":false}},
            {{"path":"{work}/.git","device":1,"inode":2,"born":null,"git":true}}],"files""#
        );
        let start = record.find(r#""overlays""#).unwrap();
        let end = record.find(r#""files""#).unwrap() + 7;
        fs::write(place.entry().join("record.json"), format!("{}{overlay}{}", &record[..start], &record[end..]))
            .unwrap();
        place
    }

    /// The same with what `make` does in the upper layer of `.git` instead.
    fn of_git(name: &str, make: impl Fn(&Path)) -> Place {
        let place = Place::with_settings(name);
        fs::write(place.work(".envrc"), "old\n").unwrap();
        for name in ["0/upper/tasks.json", "1/upper/config", "1/upper/modules/m/config"] {
            fs::remove_file(place.entry().join(name)).unwrap();
        }
        make(&place.entry().join("1/upper"));
        place
    }

    fn config(&self, key: &str) -> String {
        let file = self.work(".git/config");
        let output = Command::new("git").args(["config", "--get-all", "-f"]).arg(file).arg(key).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    /// Where the entry is now: it gets its name once its run was put in order.
    fn entry(&self) -> PathBuf {
        let kept = self.0.join("state/pinfold/kept");
        Some(kept.join("k7")).filter(|closed| closed.exists()).unwrap_or(kept.join("k7.run"))
    }

    fn work(&self, name: &str) -> PathBuf {
        self.0.join("work").join(name)
    }

    /// The exit code, and what was said on standard output and standard error.
    fn kept(&self, words: &[&str]) -> (i32, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pinfold"));
        command.arg("kept").args(words).env("XDG_STATE_HOME", self.0.join("state")).current_dir(self.0.join("work"));
        let output = command.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let (out, said) = (text(output.stdout), text(output.stderr));
        for text in [&out, &said] {
            assert!(text.chars().all(|letter| letter == '\n' || !letter.is_control()), "{text:?}");
        }
        (output.status.code().unwrap(), out, said)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

#[test]
fn a_list_puts_the_files_of_a_killed_run_back_and_names_what_is_kept() {
    let place = Place::new("list");
    for words in [&[][..], &["list"]] {
        let (code, out, said) = place.kept(words);
        assert!(code == 0 && out.starts_with("k7  ") && out.contains("days ago, in "), "{out}{said}");
        assert!(out.contains("/work/.envrc\n") && out.contains("/work/.vscode/tasks.json\n"), "{out}");
        // The first command has put it in order, and says so.
        let said: Vec<&str> = said.lines().collect();
        if let [killed, back, kept] = said[..] {
            assert!(words.is_empty() && killed.starts_with("pinfold: the run of make "), "{said:?}");
            assert!(killed.ends_with("/work was killed; what it has left:"), "{said:?}");
            assert_eq!(
                back,
                "pinfold: .envrc is as before: what the host obeys had changed during the run, by the box or outside"
            );
            assert!(kept.contains("kept as k7: ") && kept.contains(".vscode/tasks.json"), "{said:?}");
        } else {
            assert!(said.is_empty() && !words.is_empty(), "{said:?}");
        }
        assert_eq!(read(&place.work(".envrc")), "old\n");
    }
}

#[test]
fn differences_are_shown_and_taken_and_undone() {
    let place = Place::new("take");
    let (code, out, _) = place.kept(&["diff", "k7", ".vscode"]);
    assert!(code == 0 && out.contains("file: ") && out.contains("/tasks.json\n+evil"), "{out}");
    let (_, out, _) = place.kept(&["diff", "k7"]);
    assert!(out.contains("/.envrc\n-old\n+new\n"), "{out}");
    assert_eq!(place.kept(&["take", "k7", ".envrc"]).0, 0);
    assert_eq!(read(&place.work(".envrc")), "new\n");
    assert!(!place.work(".vscode/tasks.json").exists());
    assert_eq!(place.kept(&["take", "k7", "./x/../.envrc"]).0, 0);
    assert_eq!(read(&place.work(".envrc")), "old\n");
    let (code, out, _) = place.kept(&["take", "k7"]);
    assert_eq!((code, out.matches("taken: ").count()), (0, 2), "{out}");
    assert!(place.work(".vscode/tasks.json").exists());
    fs::remove_file(place.work(".envrc")).unwrap();
    fs::create_dir(place.work(".envrc")).unwrap();
    let (code, out, _) = place.kept(&["take", "k7"]);
    assert!(code == 1 && out.contains("not taken ("), "{out}");
}

#[test]
fn an_entry_is_dropped_and_its_old_files_are_not_lost() {
    let place = Place::new("drop");
    assert_eq!(place.kept(&["drop", "k7"]).0, 0);
    assert!(!place.entry().exists());
    assert_eq!(read(&place.work(".envrc")), "old\n");
    assert_eq!(place.kept(&[]), (0, String::new(), String::new()));
    // What cannot be put in order can be dropped too.
    let place = Place::new("drop-unfinished");
    fs::remove_file(place.entry().join("files/0")).unwrap();
    let (code, _, said) = place.kept(&["drop", "k7"]);
    assert!(code == 0 && said.contains("cannot put ") && said.contains("the next run tries again"), "{said}");
    assert!(!place.entry().exists(), "{said}");
}

/// What cannot be put in order is not tried for ever, and is listed with the reason.
#[test]
fn after_two_attempts_an_entry_stays_as_it_is() {
    let place = Place::new("attempts");
    fs::remove_file(place.entry().join("files/0")).unwrap();
    let (_, out, said) = place.kept(&[]);
    assert!(out.contains("could not be put in order yet") && said.contains("was killed"), "{out}{said}");
    let (_, out, said) = place.kept(&[]);
    assert!(out.contains("tasks.json") && said.contains("cannot be put back"), "{out}{said}");
    let (_, out, said) = place.kept(&[]);
    assert!(out.contains("tasks.json") && said.is_empty(), "{out}{said}");
    // Of an attempt that did not come to its end nobody has heard.
    let place = Place::new("attempts-killed");
    let record = place.entry().join("record.json");
    fs::write(&record, read(&record).replace(r#""put_back""#, r#""attempts":2,"ended":true,"put_back""#)).unwrap();
    let (_, out, said) = place.kept(&[]);
    assert!(out.contains("not taken over: two runs have tried to") && !said.contains("was killed"), "{out}{said}");
    assert_eq!(read(&place.work(".envrc")), "old\n");
}

/// A box can make anything of the directory of a file that is put back.
#[test]
fn what_has_no_directory_any_more_is_kept_and_all_is_done() {
    type Make = fn(&Path);
    let makes: [(&str, Make); 4] = [
        ("file", |dir| fs::write(dir, "").unwrap()),
        ("link", |dir| symlink("/etc", dir).unwrap()),
        ("closed", |dir| {
            fs::create_dir(dir).unwrap();
            fs::write(dir.join(".envrc"), "new\n").unwrap();
            fs::set_permissions(dir, Permissions::from_mode(0o000)).unwrap();
        }),
        ("in-the-way", |dir| {
            fs::create_dir_all(dir.join(".pinfold-k7-0/a/b")).unwrap();
            fs::create_dir(dir.join(".envrc")).unwrap();
            let names = (2..2000).map(|n| format!(".envrc.from-sandbox.{n}")).chain([".envrc.from-sandbox".into()]);
            names.for_each(|name| fs::write(dir.join(name), "").unwrap());
        }),
    ];
    for (name, make) in makes {
        let place = Place::new(&format!("way-{name}"));
        let record = place.entry().join("record.json");
        fs::write(&record, read(&record).replace("/.envrc", "/sub/.envrc")).unwrap();
        make(&place.work("sub"));
        let (code, out, said) = place.kept(&[]);
        assert!(code == 0 && place.entry().ends_with("k7"), "{name}: {out}{said}");
        if ["closed", "in-the-way"].contains(&name) {
            assert_eq!(read(&place.work("sub/.envrc")), "old\n", "{name}: {out}{said}");
        } else {
            assert!(said.contains("sub/.envrc cannot be put back") && out.contains("sub/.envrc\n"), "{name}: {said}");
            assert_eq!(read(&place.entry().join("files/0.new")), "old\n");
        }
        let (_, _, said) = place.kept(&[]);
        assert_eq!(said, "", "{name}");
        assert_eq!(place.kept(&["drop", "k7"]).0, 0);
    }
}

/// What is of a directory and of no other; several entries at once, or all.
#[test]
fn entries_are_listed_by_their_place_and_dropped_together() {
    let place = Place::new("several");
    let work = place.0.join("work").display().to_string();
    for path in [&work[..], ".", "../work", ".vscode"] {
        assert!(place.kept(&["list", path]).1.starts_with("k7  "), "{path}");
    }
    for path in ["/usr", "../state", "nothing"] {
        assert_eq!(place.kept(&["list", path]).1, "", "{path}");
    }
    let copy = |name: &str| {
        let kept = place.0.join("state/pinfold/kept");
        assert!(Command::new("cp").arg("-r").arg(kept.join("k7")).arg(kept.join(name)).status().unwrap().success());
    };
    let left = || place.kept(&["-q"]).1.lines().filter(|line| line.starts_with('k')).count();
    copy("k8");
    copy("k9");
    assert_eq!((place.kept(&["drop", "k7", "k6"]).0, left()), (125, 3), "a slip drops nothing");
    assert_eq!((place.kept(&["drop", "k7", "k9", "k7", "--quiet"]).0, left()), (0, 1));
    let (code, out, _) = place.kept(&["drop", "--all"]);
    assert_eq!((code, &*out), (0, ""));
    assert_eq!(left(), 0);
}

#[test]
fn a_run_that_lives_is_left_alone() {
    let place = Place::new("alive");
    let lock = File::open(place.entry()).unwrap();
    lock.try_lock().unwrap();
    assert_eq!(place.kept(&["list"]).1, "k7  its run has not ended\n");
    for words in [&["diff", "k7"][..], &["take", "k7"], &["drop", "k7"]] {
        let (code, _, said) = place.kept(words);
        assert!(code == 125 && said.contains("has not ended"), "{said}");
    }
    assert_eq!(place.kept(&["drop", "--all"]).1, "k7  its run has not ended\n");
    assert_eq!(read(&place.work(".envrc")), "new\n");
    assert!(place.entry().exists() && lock.as_raw_fd() > 2);
}

#[test]
fn wrong_words_are_told() {
    let place = Place::new("words");
    for (words, wanted) in [
        (&["lst"][..], "unknown command lst\nhint: did you mean list?"),
        (&["diff"], "a word is missing\nhint: pinfold kept diff ID [PATH|KEY]"),
        (&["drop"], "a word is missing\nhint: pinfold kept drop [ID...] [--all]"),
        (&["drop", "k7", "x"], "nothing is kept as x"),
        (&["drop", "k7", "--all"], "one word too many: k7"),
        (&["drop", "k8"], "nothing is kept as k8"),
        (&["drop", "../kept"], "nothing is kept as ../kept"),
        (&["take", "k7", "nothing"], "k7 keeps nothing of "),
        (&["take", "--all"], "unknown option --all\nhint: did you mean --all? It is for drop"),
    ] {
        let (code, out, said) = place.kept(words);
        assert!(code == 125 && out.is_empty() && said.contains(wanted), "{words:?}: {said}");
    }
}

#[test]
fn a_store_that_is_not_the_users_alone_is_refused() {
    let place = Place::new("refused");
    let kept = place.0.join("state/pinfold/kept");
    fs::set_permissions(&kept, Permissions::from_mode(0o755)).unwrap();
    assert!(place.kept(&[]).2.contains("mode 755"));
    fs::rename(&kept, place.0.join("moved")).unwrap();
    symlink(place.0.join("moved"), &kept).unwrap();
    let (code, _, said) = place.kept(&["drop", "k7"]);
    assert!(code == 125 && said.contains("it is a link"), "{said}");
    assert!(place.0.join("moved/k7.run").exists());
}

#[test]
fn a_setting_is_listed_shown_and_taken_by_its_key() {
    let place = Place::with_settings("settings");
    let (_, out, said) = place.kept(&[]);
    let lines: Vec<&str> = out.lines().map(str::trim).collect();
    for line in ["core.hookspath = .husky/_", "alias.st = !sh -c \"x\"", "alias.list = a", "removed: alias.gone"] {
        assert!(lines.contains(&line), "{line}: {out}{said}");
    }
    // Those that are taken over, or were never changed.
    assert!(!out.contains("pull.rebase") && !out.contains("core.bare"), "{out}");
    let (code, out, _) = place.kept(&["diff", "k7", "alias.st"]);
    assert!(code == 0 && out.ends_with("/.git/config:\n-alias.st = status\n+alias.st = !sh -c \"x\"\n"), "{out}");
    let (code, out, said) = place.kept(&["take", "k7", "alias.ST", "alias.list", "alias.gone"]);
    assert!(code == 0 && out.contains("taken: alias.st of ") && out.contains(", which was status\n"), "{out}{said}");
    assert!(out.contains("/.git/config, which was not set\n"), "{out}");
    let now = [place.config("alias.st"), place.config("alias.list"), place.config("alias.gone")];
    assert_eq!(now, ["!sh -c \"x\"\n", "a\nb\n", ""]);
    // The rest of the file is as it was, and what was taken is not kept any more.
    assert_eq!((place.config("core.hooksPath"), place.config("pull.rebase")), (String::new(), "true\n".into()));
    assert!(!place.kept(&[]).1.contains("alias.list"));
    let (code, _, said) = place.kept(&["take", "k7", "alias.list"]);
    assert!(code == 125 && said.contains("no setting alias.list (one that was taken is not kept any more)"), "{said}");
    // A file is still a file.
    assert_eq!(place.kept(&["take", "k7", ".git/config"]).0, 0);
    assert_eq!(place.config("core.hooksPath"), ".husky/_\n");
}

/// The host's configuration may have got other settings since, which `take` leaves there.
#[test]
fn a_difference_of_settings_is_what_taking_them_would_change() {
    let place = Place::with_settings("settings-diff");
    let config = read(&place.work(".git/config")) + "[remote \"new\"]\n\turl = x\n";
    fs::write(place.work(".git/config"), config).unwrap();
    let (code, out, said) = place.kept(&["diff", "k7"]);
    assert!(code == 0 && out.contains("/.git/config:\n-alias.st = status\n+alias.st = !sh"), "{out}{said}");
    assert!(!out.contains("remote") && !out.contains("rebase"), "{out}");
    assert_eq!(place.kept(&["take", "k7"]).0, 0);
    assert_eq!((place.config("remote.new.url"), place.config("core.hooksPath")), ("x\n".into(), ".husky/_\n".into()));
    // What stays is what the user had of `.envrc`; the configurations have nothing left.
    let (_, out, _) = place.kept(&[]);
    assert!(out.contains("/.envrc\n") && !out.contains("config"), "{out}");
}

#[test]
fn data_of_git_is_taken_by_its_path_alone_and_an_entry_with_nothing_left_goes() {
    let place = Place::of_git("data", |upper| fs::write(upper.join("ORIG_HEAD"), "x\n").unwrap());
    assert_eq!(place.kept(&["take", "k7"]).1, "left out: git's own data; name a path\n");
    assert!(!place.work(".git/ORIG_HEAD").exists());
    let (code, out, said) = place.kept(&["take", "k7", ".git"]);
    assert!(code == 0 && out.ends_with("\nnothing is left of k7, so it is dropped\n"), "{out}{said}");
    assert_eq!(read(&place.work(".git/ORIG_HEAD")), "x\n");
    assert_eq!(place.kept(&[]), (0, String::new(), String::new()));
}

/// A box has removed all that is in `.git`: its files could be removed outside too, but not its directories.
#[test]
fn half_of_a_git_directory_is_not_taken() {
    let place = Place::of_git("half", |upper| {
        for name in ["HEAD", "objects"] {
            // As overlayfs notes a removal. Any user may make such a node (mknod(2)).
            assert!(Command::new("mknod").arg(upper.join(name)).args(["c", "0", "0"]).status().unwrap().success());
        }
    });
    let (code, out, _) = place.kept(&["take", "k7", ".git"]);
    assert!(code == 1 && out.contains("/.git/objects\nso nothing was taken"), "{out}");
    assert!(place.work(".git/HEAD").exists());
    assert_eq!(place.kept(&["take", "k7", ".git/HEAD"]).0, 0);
    assert!(!place.work(".git/HEAD").exists());
    assert_eq!(place.kept(&["take", "k7", ".git/HEAD"]).0, 0);
    assert!(place.work(".git/HEAD").exists());
}

#[test]
fn a_setting_of_two_files_is_taken_from_the_one_that_is_named() {
    let place = Place::with_settings("two");
    let (code, _, said) = place.kept(&["take", "k7", "core.hooksPath"]);
    assert!(code == 125 && said.contains("more than one file") && said.contains("/config:core.hookspath"), "{said}");
    assert_eq!(place.kept(&["take", "k7", ".git/config:core.hooksPath"]).0, 0);
    assert_eq!(place.config("core.hooksPath"), ".husky/_\n");
    assert!(!read(&place.work(".git/modules/m/config")).contains("hooksPath"));
    assert_eq!(place.kept(&["take", "k7", "core.fsmonitor"]).0, 0);
    assert!(read(&place.work(".git/modules/m/config")).contains("fsmonitor = f"));
}

#[test]
fn a_setting_that_cannot_be_written_is_said() {
    let place = Place::with_settings("not");
    fs::write(place.work(".git/config.lock"), "").unwrap();
    let (code, out, _) = place.kept(&["take", "k7", "alias.st"]);
    assert!(code == 1 && out.contains("not taken (git refuses it, or the file is locked): alias.st"), "{out}");
    assert_eq!(place.config("alias.st"), "status\n");
}

/// A box may have left a program of this name where it could write.
#[test]
fn git_is_not_taken_from_where_the_run_could_write() {
    let place = Place::with_settings("path");
    let git = place.work("bin/git");
    fs::create_dir(place.work("bin")).unwrap();
    fs::write(&git, format!("#!/bin/sh\ntouch {}\n", place.work("mark").display())).unwrap();
    fs::set_permissions(&git, Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_pinfold"));
    command.args(["kept", "take", "k7", "alias.st"]).env("XDG_STATE_HOME", place.0.join("state"));
    let output = command.env("PATH", place.work("bin")).output().unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    assert!(out.contains("not taken (there is no git in PATH)") && !place.work("mark").exists(), "{out}");
}

/// A run does not keep anything in a place that is no place for it, and so looks in the next one.
#[test]
fn what_is_kept_is_looked_for_where_a_run_keeps_it() {
    let place = Place::new("where");
    let home = place.0.join("home");
    fs::create_dir_all(home.join(".local")).unwrap();
    fs::rename(place.0.join("state"), home.join(".local/state")).unwrap();
    for state in ["/", "relative", ""] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pinfold"));
        let output = command.arg("kept").env("HOME", &home).env("XDG_STATE_HOME", state).output().unwrap();
        let out = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && out.starts_with("k7"), "{state}: {out}");
    }
}

#[test]
fn what_a_newer_version_has_left_is_not_dropped() {
    let place = Place::new("unordered");
    // It knows what to do with its own.
    let record = place.entry().join("record.json");
    fs::write(&record, read(&record).replace(r#""version":1"#, r#""version":2"#)).unwrap();
    let (code, out, _) = place.kept(&[]);
    assert_eq!((code, &*out), (0, "k7  it has no record that this version understands\n"));
    assert!(place.kept(&["drop", "k7"]).0 == 125 && place.entry().join("files/0").exists());
    // Without a record its program has not run, and there is nothing to put in order.
    fs::remove_file(record).unwrap();
    assert_eq!(place.kept(&[]), (0, String::new(), String::new()));
    assert!(!place.entry().exists());
}
