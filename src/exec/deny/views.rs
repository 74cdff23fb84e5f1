//! Which part of which filesystem each mount of the sandbox shows. Two mounts may show the same file at two paths.
//!
//! A path inside is turned into a place in a filesystem, and the place into every path inside that shows it. A layer of
//! an overlay is seen through the overlay. The kernel's own list of mounts is read for this (`proc_pid_mountinfo(5)`),
//! because a bind brings along what the host has mounted below it.

use std::collections::{BTreeSet, HashMap};
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::exec::root::NewRoot;
use crate::exec::sources::c_string;
use crate::sys::stat::{self, PlaceId};
use crate::sys::{Errno, Result, content, fd, open};

/// A file or directory: device and inode.
pub(super) type File = (u64, u64);

/// A file or directory, by its place in its filesystem.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Spot {
    /// The filesystem's device number in the list of mounts. `stat(2)` may show another: btrfs has one for each
    /// subvolume, but the paths of all subvolumes are one tree.
    pub(super) fs: u64,
    /// The path from the root of the filesystem; empty for that root.
    pub(super) path: Vec<u8>,
}

/// A mounted overlay that the plan asks for, and its layers on the host.
pub(super) struct Overlay {
    pub(super) mount: u64,
    pub(super) layers: Vec<OwnedFd>,
}

/// A copy of a host file.
pub(super) struct Copy {
    pub(super) source: OwnedFd,
    /// The path of the copy inside.
    pub(super) path: CString,
    /// Mount id, device and inode of the copy.
    pub(super) place: PlaceId,
}

/// A part of a filesystem that is seen inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct View {
    /// The id of the mount that shows it.
    pub(super) mount: u64,
    /// The file or directory that is seen.
    pub(super) root: Spot,
    /// The path at which it is seen; empty for the root.
    pub(super) point: Vec<u8>,
    pub(super) is_writable: bool,
    /// Its filesystem shows no files of other filesystems.
    is_plain: bool,
    /// What the host mounts or unmounts below it later, is mounted or unmounted here too (mount_namespaces(7)).
    pub(super) is_changed_by_host: bool,
    pub(super) by: By,
}

/// What makes a part of a filesystem visible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// A mount of it.
    Mount,
    /// An overlay: its number, and the number of its layer.
    Layer(usize, usize),
    /// A copy of the file: its number.
    Copy(usize),
}

/// What shows files of the host without being a mount of their filesystem.
type Shown<'a> = (&'a [Overlay], &'a [Copy]);

/// All views of the sandbox.
#[derive(Default)]
pub(super) struct Views {
    pub(super) inside: Vec<View>,
    /// All mounts, by their ids: also those that only the host shows.
    mounts: HashMap<u64, Mount>,
}

impl Views {
    /// Reads all views. Must be called when everything is mounted and nothing is covered yet.
    pub(super) fn read(proc: BorrowedFd<'_>, root: &NewRoot<'_>, (overlays, copies): Shown<'_>) -> Result<Views> {
        let list = open::read_at(proc, c"self/mountinfo")?;
        let mounts = parse(&content::read_to_end(list.as_fd())?).ok_or(Errno::EBADMSG)?;
        let mut views = inside(&mounts, stat::place_at(root.base(), c"")?.mount);
        let shown_by = |views: &[View], id| views.iter().find(|view| view.mount == id).cloned();
        for (number, overlay) in overlays.iter().enumerate() {
            let Some(shown) = shown_by(&views, overlay.mount) else { continue };
            for (layer, dir) in overlay.layers.iter().enumerate() {
                let root = spot_of(proc, dir.as_fd(), &mounts)?.ok_or(Errno::ESTALE)?;
                views.push(View { root, by: By::Layer(number, layer), ..shown.clone() });
            }
        }
        for (number, copy) in copies.iter().enumerate() {
            let Some(shown) = shown_by(&views, copy.place.mount) else { continue };
            // A source without a path has no place that could be denied.
            let Some(root) = spot_of(proc, copy.source.as_fd(), &mounts)? else { continue };
            views.push(View { root, point: copy.path.to_bytes().to_vec(), by: By::Copy(number), ..shown });
        }
        // Writable views come first: that is where somebody could have made another name.
        views.sort_by_key(|view| !view.is_writable);
        Ok(Views { inside: views, mounts })
    }

    /// The place of `object`, which was opened on the host. `None` if no mount of this namespace contains it.
    pub(super) fn spot_on_host(&self, proc: BorrowedFd<'_>, object: BorrowedFd<'_>) -> Result<Option<Spot>> {
        spot_of(proc, object, &self.mounts)
    }

    /// Whether anything of the filesystem `fs` is seen.
    pub(super) fn show(&self, fs: u64) -> bool {
        self.inside.iter().any(|view| view.root.fs == fs)
    }

    /// The view that is mount `id` itself.
    pub(super) fn of_mount(&self, id: u64) -> Option<&View> {
        self.inside.iter().find(|view| view.mount == id && view.by == By::Mount)
    }

    /// Mounts of objects that were removed from their directories. Such an object has no place that could be compared.
    pub(super) fn removed(&self) -> impl Iterator<Item = &View> {
        self.inside.iter().filter(|view| view.by == By::Mount && view.root.path.ends_with(REMOVED))
    }

    /// Mounts that may show files of any filesystem. The sandbox's own overlays do not count, because their layers are
    /// known.
    pub(super) fn unknown(&self) -> impl Iterator<Item = &View> {
        let is_own = |mount| self.inside.iter().any(|view| view.mount == mount && matches!(view.by, By::Layer(..)));
        self.inside.iter().filter(move |view| !view.is_plain && view.by == By::Mount && !is_own(view.mount))
    }

    /// The names in the directory `dir` that lead to mounts.
    pub(super) fn leading_to_mounts(&self, dir: &CStr) -> BTreeSet<CString> {
        let name = |view: &View| {
            let rest = below(&view.point, dir.to_bytes())?.strip_prefix(b"/")?;
            CString::new(rest.split(|&byte| byte == b'/').next()?).ok()
        };
        self.inside.iter().filter(|view| view.by == By::Mount).filter_map(name).collect()
    }

    /// The views and paths at which `spot` is seen. If it is a directory, also those that show only a part of it.
    pub(super) fn places(&self, spot: &Spot, is_dir: bool) -> impl Iterator<Item = (&View, CString)> {
        let place = move |view: &View, spot: &Spot| {
            if view.root.fs != spot.fs {
                return None;
            }
            match below(&spot.path, &view.root.path) {
                Some(rest) => Some([&view.point, rest].concat()),
                None if is_dir && below(&view.root.path, &spot.path).is_some() => Some(view.point.clone()),
                None => None,
            }
        };
        let spot = spot.clone();
        self.inside.iter().filter_map(move |view| Some((view, CString::new(place(view, &spot)?).ok()?)))
    }
}

impl View {
    /// The path at which it is seen, for messages.
    pub(super) fn path(&self) -> CString {
        CString::new(if self.point.is_empty() { b"/" } else { self.point.as_slice() }).unwrap_or_default()
    }

    /// The place in the filesystem of `path`, a path that leads through this view.
    pub(super) fn spot(&self, path: &[u8]) -> Option<Spot> {
        let rest = below(path, &self.point)?;
        Some(Spot { fs: self.root.fs, path: [&self.root.path, rest].concat() })
    }
}

/// The place of `object` in its filesystem. `None` if no mount of this namespace contains it.
fn spot_of(proc: BorrowedFd<'_>, object: BorrowedFd<'_>, mounts: &HashMap<u64, Mount>) -> Result<Option<Spot>> {
    let Some(mount) = mounts.get(&stat::place_at(object, c"")?.mount) else { return Ok(None) };
    Ok(mount.spot(path_of(proc, object)?.to_bytes()))
}

/// The path of `object`. In the new root that is the path inside, because the new root is mounted over the present one.
pub(super) fn path_of(proc: BorrowedFd<'_>, object: BorrowedFd<'_>) -> Result<CString> {
    content::read_link_at(proc, &c_string(format!("self/fd/{}", fd::number(object))))
}

/// What follows `dir` in `path`, with the slash. `None` if `path` does not lie in `dir`.
pub(super) fn below<'a>(path: &'a [u8], dir: &[u8]) -> Option<&'a [u8]> {
    let path = if path == b"/" { b"" } else { path };
    path.strip_prefix(dir).filter(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

/// A line of the list of mounts.
#[derive(Clone)]
struct Mount {
    parent: u64,
    root: Spot,
    point: Vec<u8>,
    is_writable: bool,
    is_plain: bool,
    is_changed_by_host: bool,
}

/// Filesystems that store their files themselves. Others (overlay, FUSE, network filesystems) may show files of another
/// one. A filesystem that is missing here is reported to the caller as one of those.
const PLAIN: &[&[u8]] = &[
    b"autofs",
    b"bcachefs",
    b"binfmt_misc",
    b"bpf",
    b"btrfs",
    b"cgroup",
    b"cgroup2",
    b"configfs",
    b"debugfs",
    b"devpts",
    b"devtmpfs",
    b"efivarfs",
    b"erofs",
    b"exfat",
    b"ext2",
    b"ext3",
    b"ext4",
    b"f2fs",
    b"fusectl",
    b"hugetlbfs",
    b"iso9660",
    b"mqueue",
    b"nsfs",
    b"ntfs3",
    b"proc",
    b"pstore",
    b"ramfs",
    b"securityfs",
    b"squashfs",
    b"sysfs",
    b"tmpfs",
    b"tracefs",
    b"vfat",
    b"xfs",
    b"zfs",
];

/// The kernel adds this to the path of an object that was removed from its directory (`dentry_path` in fs/d_path.c). No
/// other path has two slashes.
const REMOVED: &[u8] = b"//deleted";

impl Mount {
    fn spot(&self, path: &[u8]) -> Option<Spot> {
        let rest = below(path, &self.point)?;
        Some(Spot { fs: self.root.fs, path: [&self.root.path, rest].concat() })
    }
}

fn parse(list: &[u8]) -> Option<HashMap<u64, Mount>> {
    list.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).map(line).collect()
}

/// Parses id, parent, device, root, mount point, options, and the type of the filesystem.
fn line(line: &[u8]) -> Option<(u64, Mount)> {
    let mut fields = line.split(|&byte| byte == b' ');
    let mut next = || fields.next();
    let (id, parent) = (number(next()?)?, number(next()?)?);
    let device = next()?;
    let colon = device.iter().position(|&byte| byte == b':')?;
    let fs = number(&device[..colon])? << 32 | number(&device[colon + 1..])?;
    let (path, point) = (unescaped(next()?), unescaped(next()?));
    let is_writable = next()?.split(|&byte| byte == b',').any(|option| option == b"rw");
    // Optional fields, any number of them, and a dash.
    let mut is_changed_by_host = false;
    for field in fields.by_ref().take_while(|field| *field != b"-") {
        is_changed_by_host |= field.starts_with(b"master:") || field.starts_with(b"shared:");
    }
    let is_plain = PLAIN.contains(&fields.next()?);
    Some((id, Mount { parent, root: Spot { fs, path }, point, is_writable, is_plain, is_changed_by_host }))
}

fn number(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// A path of the list without its escapes (`\040`). The root becomes the empty path.
fn unescaped(field: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = if field == b"/" { b"" } else { field };
    while let Some((&byte, behind)) = rest.split_first() {
        let digits = behind.get(..3).filter(|digits| byte == b'\\' && digits.iter().all(|d| (b'0'..b'8').contains(d)));
        let value = digits.map(|digits| digits.iter().fold(0u32, |value, digit| value * 8 + u32::from(digit - b'0')));
        out.push(value.map_or(byte, |value| value as u8));
        rest = if value.is_some() { &behind[3..] } else { behind };
    }
    out
}

/// The views of mount `base` and of every mount on it. All other mounts are the host's.
fn inside(mounts: &HashMap<u64, Mount>, base: u64) -> Vec<View> {
    let is_inside = |mut id: u64| {
        while id != base {
            match mounts.get(&id) {
                Some(mount) if mount.parent != id => id = mount.parent,
                _ => return false,
            }
        }
        true
    };
    let mut found: Vec<u64> = mounts.keys().copied().filter(|&id| is_inside(id)).collect();
    found.sort_unstable();
    let view = |id: u64| {
        let Mount { root, point, is_writable, is_plain, is_changed_by_host, parent: _ } = mounts.get(&id)?.clone();
        Some(View { mount: id, root, point, is_writable, is_plain, is_changed_by_host, by: By::Mount })
    };
    found.into_iter().filter_map(view).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &[u8] = b"21 1 254:0 / / rw,relatime shared:1 - ext4 /dev/root rw\n\
        30 21 0:40 / / rw,nosuid - tmpfs tmpfs rw\n\
        31 30 254:0 /home/a/p\\040q /w rw,nosuid master:1 - ext4 /dev/root rw\n\
        28 30 254:0 /home /h ro,nosuid - ext4 /dev/root rw\n\
        33 31 254:0 /home/a/p\\040q/.git /w/.git ro - ext4 /dev/root rw\n\
        34 21 0:41 / /proc rw - proc proc rw\n";

    fn of_list(list: &[u8]) -> Views {
        let mounts = parse(list).unwrap();
        Views { inside: inside(&mounts, 30), mounts }
    }

    fn views() -> Views {
        of_list(LIST)
    }

    fn places(path: &str, is_dir: bool) -> Vec<String> {
        let spot = Spot { fs: 254 << 32, path: path.into() };
        views().places(&spot, is_dir).map(|(_, place)| place.into_string().unwrap()).collect()
    }

    #[test]
    fn the_mounts_of_the_box_are_told_from_the_hosts() {
        let ids: Vec<u64> = views().inside.iter().map(|view| view.mount).collect();
        assert_eq!(ids, [28, 30, 31, 33]);
        assert_eq!(views().of_mount(31).unwrap().root.path, b"/home/a/p q");
        assert!(views().of_mount(31).unwrap().is_writable && !views().of_mount(28).unwrap().is_writable);
        let changing = [28, 31].map(|id| views().of_mount(id).unwrap().is_changed_by_host);
        assert_eq!(changing, [false, true]);
    }

    #[test]
    fn a_file_is_found_wherever_it_is_seen() {
        let spot = views().of_mount(31).unwrap().spot(b"/w/.env").unwrap();
        assert_eq!(spot, Spot { fs: 254 << 32, path: b"/home/a/p q/.env".to_vec() });
        assert_eq!(places("/home/a/p q/.env", false), ["/h/a/p q/.env", "/w/.env"]);
        assert_eq!(places("/home/a/p q/.git/x", false), ["/h/a/p q/.git/x", "/w/.git/x", "/w/.git/x"]);
        assert_eq!(places("/home/a/p", false), ["/h/a/p"]);
        assert_eq!(places("/srv", true), [""; 0]);
        // A denied directory is denied wherever a part of it is seen.
        assert_eq!(places("/home/a", true), ["/h/a", "/w", "/w/.git"]);
        assert_eq!(places("/home/a", false), ["/h/a"]);
    }

    #[test]
    fn filesystems_that_show_others_are_told() {
        let unknown = |views: &Views| views.unknown().map(View::path).collect::<Vec<_>>();
        assert!(unknown(&views()).is_empty());
        let list =
            [LIST, b"40 30 0:50 / /m\\040n rw shared:1 - fuse.sshfs x rw\n41 30 8:1 /a//deleted /gone rw - xfs x rw\n"];
        let mut views = of_list(&list.concat());
        assert_eq!(unknown(&views), [c"/m n".to_owned()]);
        assert_eq!(views.removed().map(|view| view.mount).collect::<Vec<_>>(), [41]);
        // The layers of the sandbox's own overlays are known.
        let layer = View { by: By::Layer(0, 0), ..views.of_mount(40).unwrap().clone() };
        views.inside.push(layer);
        assert!(unknown(&views).is_empty());
    }

    #[test]
    fn a_malformed_list_is_refused() {
        for list in [&b"x"[..], b"1 2 3", b"1 2 8:0 / /", b"1 2 8 / / rw", b"1 2 8:0 / / rw master:1 ext4 x rw"] {
            assert!(parse(list).is_none());
        }
        assert_eq!(unescaped(b"/a\\040b\\134c\\9\\"), b"/a b\\c\\9\\");
    }
}
