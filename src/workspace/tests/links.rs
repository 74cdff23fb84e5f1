//! Links in git directories that are written down before the program starts.

use super::{Place, Workspace};

impl Place {
    /// The links with their targets and ends; those that lead to nothing with `?`.
    fn links(&self, found: &Workspace) -> Vec<String> {
        let links = found.settle.links.iter().map(|link| {
            let end = link.leads_to.to_string_lossy().replace(self.path.to_str().unwrap(), "{}");
            let mark = if link.is_there { "" } else { "?" };
            format!("{} -> {} = {end}{mark}", self.short(&link.path), link.target.to_string_lossy())
        });
        links.collect()
    }
}

#[test]
fn links_of_every_kind() {
    let place = Place::new("links");
    place.git_dir("r/.git");
    place.git_dir("r/s/.git");
    place.dir("r/.git/info/d");
    place.link("/nowhere/x", "r/.git/info/d/a");
    place.link("/tmp", "r/.git/b");
    place.link("../../.git/info", "r/s/.git/info");
    place.dir("r/hop");
    place.link("{}/out", "r/hop/x");
    place.link("../hop/x/y", "r/.git/c");
    place.link("loop", "r/.git/loop");
    // Neither those of the work tree nor those among objects are asked for.
    place.link("/tmp", "r/tmp");
    place.dir("r/.git/objects/ab");
    place.link("/tmp", "r/.git/objects/ab/x");
    place.link("/tmp", "r/.git/objects/x");
    let found = place.find("r").unwrap();
    let mut links = place.links(&found);
    links.sort();
    assert_eq!(
        links,
        [
            "r/.git/b -> /tmp = /tmp",
            "r/.git/c -> ../hop/x/y = {}/out/y?",
            "r/.git/info/d/a -> /nowhere/x = /nowhere/x?",
            "r/.git/objects/x -> /tmp = /tmp",
            "r/s/.git/info -> ../../.git/info = {}/r/.git/info",
        ]
    );
    assert!(!place.mounts_of(&found).iter().any(|mount| mount.starts_with('l')));
}

#[test]
fn a_link_into_the_work_tree_is_held_with_its_end() {
    let place = Place::new("links-held");
    place.git_dir("r/.git");
    place.dir("r/notes");
    place.link("../notes", "r/.git/notes");
    let found = place.find("r").unwrap();
    assert_eq!(place.links(&found), [""; 0]);
    let mounts = place.mounts_of(&found);
    assert!(mounts.contains(&"l r/.git/notes".into()) && mounts.contains(&"r r/notes".into()), "{mounts:?}");
}

/// However many directories there are, the look is short; the upper ones come first.
#[test]
fn the_look_is_short() {
    let place = Place::new("links-many");
    place.git_dir("r/.git");
    for number in 0..300 {
        place.dir(&format!("r/.git/many/{number}/deep"));
        place.link("/tmp", &format!("r/.git/many/{number}/deep/x"));
    }
    place.link("/tmp", "r/.git/many/x");
    let found = place.find("r").unwrap();
    assert_eq!(place.links(&found), ["r/.git/many/x -> /tmp = /tmp"]);
}
