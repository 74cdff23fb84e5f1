//! Who commits.

use super::Place;
use crate::spec::FsOp;
use crate::workspace::identity;

/// Path below the home, and text, of each file.
fn said(place: &Place) -> Vec<(String, String)> {
    let home = place.path.join("home");
    let file = |op: FsOp| {
        let FsOp::Text { text, dest, mode: 0o600 } = op else { panic!("{op:?}") };
        (place.short(&dest), String::from_utf8(text).unwrap())
    };
    identity(&home, &home.join("config")).into_iter().map(file).collect()
}

#[test]
fn names_are_passed_on_and_secrets_are_not() {
    let place = Place::new("identity");
    assert_eq!(said(&place), []);
    place.file("home/config/git/config", "[User]\n  Email = a@b ; c\n[user \"x\"]\n  name = not this one\n");
    let secrets = "[user]\n\tname = \"A \\\"B\\\" \\\\\"\n\tsigningKey = KEY\n[commit]\n\tgpgSign = true\n\
                   [url \"https://TOKEN@example.org/\"]\n\tinsteadOf = x\n[credential]\n\thelper = !echo TOKEN\n\
                   [core]\n\thooksPath = ~/h\n[alias]\n\tname = !evil\n";
    place.file("home/.gitconfig", secrets);
    let expected = [
        ("home/.config/git/config", "[User]\n\temail = \"a@b\"\n"),
        ("home/.gitconfig", "[user]\n\tname = \"A \\\"B\\\" \\\\\"\n"),
    ];
    assert_eq!(said(&place), expected.map(|(path, text)| (path.to_owned(), text.to_owned())));
}

#[test]
fn includes_are_files_of_their_own() {
    let place = Place::new("identity-includes");
    let text = "[include]\n\tpath = one\n\tpath = missing\n\tpath = ../outside\n[includeIf \"gitdir:~/a]b/\"]\n\tpath = ~/two\n";
    place.file("home/.gitconfig", text);
    place.file("home/one", "[user]\n\tname = One\n[include]\n\tpath = .gitconfig\n\tpath = {}/outside\n");
    place.file("home/two", "[user]\n\tname = Two\n[http]\n\textraHeader = TOKEN\n");
    place.file("outside", "[user]\n\tname = Outside\n");
    place.dir("home/missing");
    let home = place.path.join("home").display().to_string();
    let files = said(&place);
    let paths: Vec<&str> = files.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(paths, ["home/one", "home/two", "home/.gitconfig"]);
    assert_eq!(files[1].1, "[user]\n\tname = \"Two\"\n");
    let top = &files[2].1;
    assert!(top.contains(&format!("[includeIf \"gitdir:~/a]b/\"]\n\tpath = \"{home}/two\"\n")), "{top}");
    assert!(top.starts_with(&format!("[include]\n\tpath = \"{home}/one\"\n")), "{top}");
}

#[test]
fn what_decides_about_the_content_of_commits_is_passed_on_without_secrets() {
    let place = Place::new("identity-content");
    place.file("home/ignored", "*.log\n");
    let text = "[core]\n\texcludesFile = ~/ignored\n\tattributesFile = ~/missing\n\tautocrlf = input\n\teditor = evil\n\
                [filter \"lfs\"]\n\tclean = git-lfs clean -- %f\n\tprocess = git-lfs filter-process\n\trequired = true\n\
                [filter \"crypt\"]\n\tsmudge = openssl enc -k PASSWORD\n\textra = TOKEN\n\
                [filter \"home\"]\n\tclean = ~/bin/filter\n";
    place.file("home/.gitconfig", text);
    let home = place.path.join("home").display().to_string();
    let wanted = format!(
        "[core]\n\texcludesfile = \"{home}/ignored\"\n[core]\n\tattributesfile = \"{home}/missing\"\n\
         [core]\n\tautocrlf = \"input\"\n\
         [filter \"lfs\"]\n\tclean = \"git-lfs clean -- %f\"\n\
         [filter \"lfs\"]\n\tprocess = \"git-lfs filter-process\"\n[filter \"lfs\"]\n\trequired = \"true\"\n\
         [filter \"crypt\"]\n\tsmudge = \"pinfold-does-not-pass-this-filter-on\"\n\
         [filter \"crypt\"]\n\trequired = \"true\"\n\
         [filter \"home\"]\n\tclean = \"pinfold-does-not-pass-this-filter-on\"\n\
         [filter \"home\"]\n\trequired = \"true\"\n"
    );
    let expected = [("home/ignored".to_owned(), "*.log\n".to_owned()), ("home/.gitconfig".to_owned(), wanted)];
    assert_eq!(said(&place), expected);
}
