//! What an unknown option probably stands for.

use super::args::RunArgs;
use super::table::TABLE;
use crate::cli::table::{Opt, Reach, opts};
use crate::suggest::distance;

/// A hint for an unknown option `name`: the option here for one of bubblewrap, or for a common guess, or a similar
/// name.
pub(super) fn suggestion(name: &[u8]) -> Option<String> {
    const ELSEWHERE: &[(&str, &str)] = &[
        ("--bind", "--rw PATH:DEST"),
        ("--bind-try", "--rw-try PATH:DEST"),
        ("--ro-bind", "--ro PATH:DEST"),
        ("--ro-bind-try", "--ro-try PATH:DEST"),
        ("--dev-bind", "--dev PATH:DEST"),
        ("--setenv", "--env NAME=VALUE"),
        ("--chdir", "--workdir DIR"),
        ("--share-net", "--net host"),
        ("--tmp-overlay", "--overlay PATH:DEST"),
        ("--dev-bind-try", "--dev-try PATH:DEST"),
        ("--dir", "--tmpfs PATH"),
        ("--bind-fd", "--rw PATH:DEST"),
        ("--ro-bind-fd", "--ro PATH:DEST"),
    ];
    const GUESSED: &[(&str, &str)] = &[
        ("--readonly", "--ro PATH"),
        ("--read-only", "--ro PATH"),
        ("--writable", "--rw PATH"),
        ("--volume", "--ro PATH[:DEST], or --rw PATH[:DEST] to let the program write"),
        ("--mount", "--ro PATH[:DEST], or --rw PATH[:DEST] to let the program write"),
        ("--network", "--net none, or --net host"),
        ("--cwd", "--workdir DIR"),
        ("--directory", "--workdir DIR"),
    ];
    const NEEDLESS: &[(&str, &str)] = &[
        ("--unshare-", "every namespace is new unless it is shared by --share"),
        ("--clearenv", "only variables named by --env get in"),
        ("--unsetenv", "only variables named by --env get in"),
        ("--cap-drop", "there are no capabilities but those of --cap-add"),
        ("--disable-userns", "user namespaces cannot be made inside unless --allow-userns is given"),
    ];
    let name = std::str::from_utf8(name).ok()?;
    if let Some((_, ours)) = ELSEWHERE.iter().find(|(theirs, _)| *theirs == name) {
        return Some(format!("bubblewrap's {name} is {ours} here; `pinfold bwrap` takes bubblewrap's own words"));
    }
    if let Some((_, ours)) = GUESSED.iter().find(|(guess, _)| *guess == name) {
        return Some(format!("that is {ours} here"));
    }
    if let Some((theirs, why)) = NEEDLESS.iter().find(|(theirs, _)| name.starts_with(theirs)) {
        let theirs = if theirs.ends_with('-') { name } else { theirs };
        return Some(format!("bubblewrap's {theirs} is not needed here: {why}"));
    }
    similar(name).map(|near| format!("did you mean {}?", near.name))
}

/// The option that a misspelt `name` stands for, if that can be said without opening more than was meant.
///
/// What was meant is unknown. So an option is suggested only if no option that opens less is about as near, if it opens
/// no more than the option that `name` begins with (`--deny-all` is about `--deny`), and, if it opens something, only
/// for a slip of one letter.
fn similar(name: &str) -> Option<&'static Opt<RunArgs>> {
    let most = (name.len() / 3).max(1);
    let near = opts(TABLE).map(|opt| (distance(name, opt.name), opt)).filter(|(steps, _)| *steps <= most);
    let near: Vec<(usize, &Opt<RunArgs>)> = near.collect();
    let (steps, nearest) = near.iter().copied().min_by_key(|(steps, opt)| (*steps, opt.reach))?;
    let begins = |opt: &&Opt<RunArgs>| name.strip_prefix(opt.name).is_some_and(|rest| rest.starts_with('-'));
    let stem = opts(TABLE).filter(begins).max_by_key(|opt| opt.name.len()).map_or(Reach::Opens, |stem| stem.reach);
    let is_safe = |(other, opt): &(usize, &'static Opt<RunArgs>)| {
        let opens = opt.reach > Reach::Neutral;
        opt.reach <= stem && (!opens || *other == 1)
    };
    let narrower = near.into_iter().filter(|(other, opt)| *other <= steps + 1 && opt.reach < nearest.reach);
    let narrowest = narrower.min_by_key(|(other, opt)| (opt.reach, *other)).unwrap_or((steps, nearest));
    Some(narrowest).filter(is_safe).map(|(_, opt)| opt)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suggested(name: &str) -> Option<&'static str> {
        similar(name).map(|opt| opt.name)
    }

    #[test]
    fn a_slip_of_a_finger_is_put_right() {
        for (name, meant) in [
            ("--deny-tyr", "--deny-try"),
            ("--dney", "--deny"),
            ("--rr-try", "--ro-try"),
            ("--overlya", "--overlay"),
            ("--bets-effort", "--best-effort"),
            ("--tmpf", "--tmpfs"),
            ("--hostnmae", "--hostname"),
        ] {
            assert_eq!(suggested(name), Some(meant), "{name}");
        }
    }

    #[test]
    fn no_suggestion_opens_more_than_was_meant() {
        // As near to one that opens as to one that does less.
        assert_eq!(suggested("--rp"), Some("--ro"));
        // Far from what it would open.
        for name in ["--keep-env", "--allow-user", "--no-dev"] {
            assert_eq!(suggested(name).filter(|near| opens(near)), None, "{name}");
        }
        // Every option that closes, with each single letter changed, leads to none that opens more.
        for opt in opts(TABLE).filter(|opt| opt.reach == Reach::Closes) {
            for at in 2..opt.name.len() {
                for letter in "abcdefghijklmnopqrstuvwxyz-".chars() {
                    let mut name = opt.name.to_owned();
                    name.replace_range(at..=at, &letter.to_string());
                    if opts(TABLE).all(|known| known.name != name) {
                        assert_eq!(suggested(&name).filter(|near| opens(near)), None, "{name}");
                    }
                }
            }
            for more in ["-try", "-all", "-rw", "-dev", "-tyr", "x"] {
                let name = format!("{}{more}", opt.name);
                assert_eq!(suggested(&name).filter(|near| opens(near)), None, "{name}");
            }
        }
    }

    fn opens(name: &str) -> bool {
        opts(TABLE).any(|opt| opt.name == name && opt.reach > Reach::Neutral)
    }
}
