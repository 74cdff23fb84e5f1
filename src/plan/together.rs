//! Which binds are made together, at the beginning of the new root.
//!
//! A bind takes several calls: its source is copied, given flags, checked, attached and closed. The default profile
//! begins with some forty binds of `/usr` and of files in `/etc`. These are made by path (`mount(2)`), with one call
//! each. One more call then sets the flags of all. This is safe only because:
//!
//! * They are the first mounts: the flags are set on everything that is mounted by then.
//! * They are read-only and have no devices: all get the same flags.
//! * They are optional: a missing source is no error, so nothing needs to be checked before the first mount.
//! * No destination lies in another, or leads through a link that was made before. Until the flags are set, creating
//!   something there would create it on the host.

use std::ffi::CStr;

use crate::spec::path::is_at_or_below;
use crate::spec::{BindFlags, FsOp, Op, Source};

/// With fewer binds than this, nothing is saved.
const FEWEST: usize = 4;

/// How many of `ops`, from the first on, are made together. `has_rule` says whether a Landlock rule is made for the
/// bind with an index: such a rule needs the mount's descriptor.
pub(super) fn together(ops: &[Op], has_rule: impl Fn(usize) -> bool) -> usize {
    let mut made: Vec<&[u8]> = Vec::new();
    let (mut binds, mut count) = (0, 0);
    for (index, op) in ops.iter().enumerate() {
        let is_bind = is_bind(op) && !has_rule(index);
        let is_link = matches!(op.fs, FsOp::Symlink { .. });
        let Some(dest) = op.fs.dest().filter(|_| is_bind || is_link).and_then(plain) else { break };
        if made.iter().any(|known| is_at_or_below(dest, known) || is_at_or_below(known, dest)) {
            break;
        }
        made.push(dest);
        if is_bind {
            binds += 1;
            count = index + 1;
        }
    }
    if binds < FEWEST { 0 } else { count }
}

fn is_bind(op: &Op) -> bool {
    const FLAGS: BindFlags = BindFlags { read_only: true, devices: false, optional: true };
    match &op.fs {
        // A relative source would depend on the current directory, which changes meanwhile.
        FsOp::Bind { source: Source::Path(source), flags, dest: _ } => {
            *flags == FLAGS && op.real.is_empty() && source.to_bytes().starts_with(b"/")
        }
        _ => false,
    }
}

/// Returns `path` if it is absolute and consists of names only, so that it cannot lead elsewhere.
fn plain(path: &CStr) -> Option<&[u8]> {
    let path = path.to_bytes();
    let mut names = path.strip_prefix(b"/")?.split(|&byte| byte == b'/');
    names.all(|name| !matches!(name, b"" | b"." | b"..")).then_some(path)
}

#[cfg(test)]
mod tests {
    use std::ffi::CString;

    use super::*;

    fn bind(dest: &str) -> Op {
        let flags = BindFlags { read_only: true, devices: false, optional: true };
        let [source, dest] = [dest, dest].map(|path| CString::new(path).unwrap());
        Op::new(FsOp::Bind { source: Source::Path(source), dest, flags }, 0)
    }

    fn link(dest: &str) -> Op {
        Op::new(FsOp::Symlink { target: c"usr/bin".into(), dest: CString::new(dest).unwrap() }, 0)
    }

    fn binds(dests: &[&str]) -> Vec<Op> {
        dests.iter().map(|dest| bind(dest)).collect()
    }

    const FOUR: [&str; 4] = ["/usr", "/etc/a", "/etc/b", "/etc/ssl/c"];

    #[test]
    fn binds_at_the_beginning_are_made_together_with_links_between_them() {
        let mut ops = binds(&FOUR);
        assert_eq!(together(&ops, |_| false), 4);
        ops.insert(1, link("/bin"));
        ops.push(link("/lib"));
        assert_eq!(together(&ops, |_| false), 5, "the link behind the last bind is none of them");
        assert_eq!(together(&ops[1..], |_| false), 0, "too few");
    }

    #[test]
    fn the_first_operation_of_another_kind_ends_them() {
        let flags = |change: fn(&mut BindFlags)| {
            let mut op = bind("/x");
            if let FsOp::Bind { flags, .. } = &mut op.fs {
                change(flags);
            }
            op
        };
        let source = |source: Source| {
            Op::new(
                FsOp::Bind {
                    source,
                    dest: c"/x".into(),
                    flags: BindFlags { read_only: true, devices: false, optional: true },
                },
                0,
            )
        };
        let guarded = Op { real: vec![c"/x".into()], ..bind("/x") };
        let others = [
            flags(|flags| flags.read_only = false),
            flags(|flags| flags.devices = true),
            flags(|flags| flags.optional = false),
            source(Source::Path(c"x".into())),
            source(Source::Real(c"/x".into())),
            source(Source::Fd(3)),
            guarded,
            Op::new(FsOp::Proc { dest: c"/x".into() }, 0),
        ];
        for other in others {
            let text = format!("{other:?}");
            let mut ops = binds(&FOUR);
            ops.push(other);
            ops.push(bind("/z"));
            assert_eq!(together(&ops, |_| false), 4, "{text}");
        }
        let mut ops = binds(&FOUR);
        ops.push(bind("/z"));
        assert_eq!(together(&ops, |index| index == 4), 4, "a rule needs the mount");
    }

    #[test]
    fn nothing_is_made_in_what_was_mounted_or_linked_before() {
        for dest in
            ["/usr", "/usr/local", "/etc", "/etc/a", "/bin/x", "/bin", "/", "/y/../usr/x", "/./usr/x", "//usr/x", "y"]
        {
            let mut ops = binds(&FOUR);
            ops.push(link("/bin"));
            ops.push(bind(dest));
            assert_eq!(together(&ops, |_| false), 4, "{dest}");
        }
        for dest in ["/usrx", "/etc/ab", "/etc/ssl/d", "/binary"] {
            let mut ops = binds(&FOUR);
            ops.push(link("/bin"));
            ops.push(bind(dest));
            assert_eq!(together(&ops, |_| false), 6, "{dest}");
        }
    }
}
