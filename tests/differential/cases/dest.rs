//! Where a destination lies: relative, dotted, through links. Links are resolved inside the new root and work there;
//! whatever they say, nothing outside it changes (rows called `escape-…` check the host's files).

use crate::case::{Case, V0_10, case};
use crate::support::Fd::{Open, Text};

pub(crate) const CASES: &[Case] = &[
    case("relative", "R --tmpfs tmp --dir tmp/a P tree /tmp"),
    case("relative-dev", "R --dev-bind /dev dev S"),
    case("relative-proc", "R --unshare-pid --proc proc S"),
    case("dots", "R --tmpfs /tmp --bind {d}/dir /tmp/./a//b/ P tree /tmp"),
    case("dot-dot", "R --tmpfs /tmp --dir /tmp/a --bind {d}/dir /tmp/a/../c P tree /tmp"),
    case("dot-dot-above-root", "R --tmpfs /tmp --dir /../../tmp/a P tree /tmp"),
    case("dot-dot-missing", "R --tmpfs /tmp --dir /tmp/none/../a P tree /tmp"),
    case("trailing-slash", "R --tmpfs /tmp --dir /tmp/a/ P tree /tmp"),
    case("trailing-slash-file", "R --tmpfs /tmp --bind {d}/file /tmp/a/ true"),
    case("trailing-slash-file-existing", "--bind / / --file 6 {d}/file/ P args").fds(&[(6, Text("x"))]),
    case("trailing-slash-bind-existing", "R --ro-bind {d}/orig {d}/file/ P cat {d}/file"),
    case("trailing-slash-in-ro", "R --dir {d}/none/ true"),
    case("trailing-slash-remount", "R --remount-ro {d}/file/ true"),
    case("dot-behind-dir", "R --tmpfs /tmp --perms 0750 --dir /tmp/a/. P tree /tmp"),
    case("dot-behind-file", "R --tmpfs /tmp --dir /tmp/a --ro-bind {d}/file /tmp/a/. true"),
    case("dot-behind-file-new", "R --tmpfs /tmp --ro-bind {d}/file /tmp/a/. true"),
    case("dot-behind-symlink", "R --tmpfs /tmp --dir /tmp/a --symlink usr /tmp/a/. true"),
    case("dot-behind-symlink-file", "R --tmpfs /tmp --file 6 /tmp/f --symlink usr /tmp/f/. true")
        .fds(&[(6, Text("x"))]),
    case("dot-dot-behind-file", "R --tmpfs /tmp --file 6 /tmp/f --dir /tmp/f/.. true").fds(&[(6, Text("x"))]),
    case("dot-dot-behind-new", "R --tmpfs /tmp --bind {d}/dir /tmp/a/.. P tree /tmp"),
    case("dot-dot-to-root", "R --tmpfs /.. P args"),
    case("double-slash-remount", "R --remount-ro //none true"),
    case("double-slash-remount-no-mount", "R --remount-ro //{d} true"),
    case("dot-dot-remount", "R --remount-ro {d}/dir/../low true"),
    case("link-remount", "R --remount-ro {d}/dirlink/sub true"),
    case("relative-mqueue", "--mqueue rel/p true").user(),
    case("relative-remount", "R --remount-ro none true"),
    case("mqueue-below-file", "R --mqueue {d}/file/x true"),
    case("empty-mqueue", "--mqueue '' true").user(),
    case("empty-source-try", "R --tmpfs /tmp --ro-bind-try '' /tmp/a P exists /tmp/a"),
    case("relative-source-try", "R --tmpfs /tmp --ro-bind-try usr /tmp/a P exists /tmp/a"),
    case("root-closed", "R --perms 0 --tmpfs / true").user(),
    case("empty-bind", "--bind /usr '' true"),
    case("empty-dir", "R --dir '' true"),
    case("empty-tmpfs", "R --tmpfs '' true"),
    case("empty-file", "R --file 6 '' true").fds(&[(6, Text("x"))]),
    case("empty-symlink", "R --symlink a '' true"),
    case("empty-remount", "R --remount-ro '' true"),
    case("empty-chmod", "R --chmod 0755 '' true"),
    case(
        "long-name",
        "R --dir /tmp/0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789/x true",
    ),
    // A link above the last part.
    case("link-parent", "R --tmpfs /tmp --dir /tmp/a --symlink a /tmp/l --dir /tmp/l/x P tree /tmp"),
    case(
        "link-parent-chain",
        "R --tmpfs /tmp --dir /tmp/a --symlink a /tmp/l --symlink l /tmp/m --dir /tmp/m/x/y P tree /tmp",
    ),
    case("link-parent-dangling", "R --tmpfs /tmp --symlink a /tmp/l --dir /tmp/l/x P tree /tmp").gives(
        0,
        "/tmp/a/x mode 40755",
        "",
    ),
    case("link-parent-absolute", "R --tmpfs /tmp --dir /tmp/a --symlink /tmp/a /tmp/l --dir /tmp/l/x P tree /tmp")
        .gives(0, "/tmp/a/x mode 40755", ""),
    case("link-parent-absolute-dangling", "R --tmpfs /tmp --symlink /tmp/a /tmp/l --dir /tmp/l/x P tree /tmp").gives(
        0,
        "/tmp/a/x mode 40755",
        "",
    ),
    case(
        "link-parent-bind",
        "R --tmpfs /tmp --bind {d}/tree /tmp/t --ro-bind {d}/dir /tmp/t/rel/new P tree /tmp/t/sub",
    ),
    case("link-parent-file", "R --tmpfs /tmp --bind {d}/tree /tmp/t --file 6 /tmp/t/chain/f P tree /tmp/t/sub")
        .fds(&[(6, Text("x"))]),
    case(
        "link-parent-usr-merge",
        "--ro-bind /usr /usr --symlink usr/lib /lib --symlink usr/lib64 /lib64 --symlink usr/bin /bin --ro-bind {d}/file /lib/os-release sh -c 'cat /usr/lib/os-release'",
    ),
    case("link-loop", "R --tmpfs /tmp --symlink l /tmp/l --dir /tmp/l/x true"),
    // The last part is a link.
    case("link-dir", "R --tmpfs /tmp --dir /tmp/a --symlink a /tmp/l --dir /tmp/l P tree /tmp").gives(
        0,
        "/tmp/l link a",
        "",
    ),
    case("link-tmpfs", "R --tmpfs /tmp --dir /tmp/a --symlink a /tmp/l --tmpfs /tmp/l P write /tmp/a/x")
        .gives(0, "written", ""),
    case("link-tmpfs-absolute", "R --tmpfs /tmp --dir /tmp/a --symlink /tmp/a /tmp/l --tmpfs /tmp/l P write /tmp/a/x")
        .gives(0, "written", ""),
    case("link-bind", "R --tmpfs /tmp --dir /tmp/a --symlink a /tmp/l --ro-bind {d}/dir /tmp/l P tree /tmp").gives(
        0,
        "/tmp/a/inner mode 100644",
        "",
    ),
    case(
        "link-bind-absolute",
        "R --tmpfs /tmp --dir /tmp/a --symlink /tmp/a /tmp/l --ro-bind {d}/dir /tmp/l P tree /tmp",
    )
    .gives(0, "/tmp/a/inner mode 100644", ""),
    case("link-bind-dangling", "R --tmpfs /tmp --symlink a /tmp/l --ro-bind {d}/dir /tmp/l P tree /tmp").gives(
        0,
        "/tmp/a/inner mode 100644",
        "",
    ),
    case("link-bind-file", "R --tmpfs /tmp --file 6 /tmp/a --symlink a /tmp/l --ro-bind {d}/file /tmp/l P cat /tmp/a")
        .fds(&[(6, Text("x"))])
        .gives(0, "file\n", ""),
    case("link-bind-file-dangling", "R --tmpfs /tmp --symlink a /tmp/l --ro-bind {d}/file /tmp/l P cat /tmp/a")
        .gives(0, "file\n", ""),
    case("link-bind-fd", "R --tmpfs /tmp --dir /tmp/a --symlink a /tmp/l --bind-fd 6 /tmp/l true")
        .fds(&[(6, Open("dir"))])
        .since(V0_10)
        .gives(1, "", "bwrap: Can't mount on symlink destination /tmp/l\n"),
    case("link-bind-fd-file", "R --ro-bind-fd 6 {d}/link true").fds(&[(6, Open("file"))]).since(V0_10).gives(
        1,
        "",
        "bwrap: Can't mount on symlink destination {d}/link\n",
    ),
    case("link-bind-fd-other-kind", "R --ro-bind-fd 6 {d}/link true").fds(&[(6, Open("dir"))]).since(V0_10),
    case("link-bind-fd-dangling", "--bind / / --bind-fd 6 {d}/dangling true").fds(&[(6, Open("dir"))]).since(V0_10),
    case("link-bind-fd-slash", "R --bind-fd 6 {d}/dirlink/ P tree {d}/dir")
        .fds(&[(6, Open("low"))])
        .since(V0_10)
        .gives(0, "/dir/both mode 100644", ""),
    case("link-parent-bind-fd", "R --bind-fd 6 {d}/dirlink/sub P tree {d}/dir/sub")
        .fds(&[(6, Open("low"))])
        .since(V0_10),
    case("link-data", "R --tmpfs /tmp --file 6 /tmp/a --symlink a /tmp/l --ro-bind-data 7 /tmp/l P cat /tmp/a")
        .fds(&[(6, Text("x")), (7, Text("y"))])
        .gives(0, "y", ""),
    case("link-file", "R --tmpfs /tmp --file 6 /tmp/a --symlink a /tmp/l --file 7 /tmp/l P tree /tmp")
        .fds(&[(6, Text("x")), (7, Text("yz"))]),
    case("link-file-dangling", "R --tmpfs /tmp --symlink a /tmp/l --file 7 /tmp/l P tree /tmp").fds(&[(7, Text("yz"))]),
    case("link-file-absolute", "R --tmpfs /tmp --file 6 /tmp/a --symlink /tmp/a /tmp/l --file 7 /tmp/l P tree /tmp")
        .fds(&[(6, Text("x")), (7, Text("yz"))]),
    case(
        "link-proc",
        "R --tmpfs /tmp --dir /tmp/a --symlink a /tmp/l --unshare-pid --proc /tmp/l P exists /tmp/a/self",
    ),
    case("link-dev", "R --tmpfs /tmp --dir /tmp/a --symlink a /tmp/l --dev /tmp/l P exists /tmp/a/null"),
    case("link-of-host", "R --ro-bind {d}/file {d}/link P cat {d}/orig").gives(0, "file\n", ""),
    case("link-of-host-dir", "R --tmpfs {d}/dirlink P tree {d}/dir"),
    case("link-of-host-chain", "R --tmpfs {d}/chain P tree {d}/dir"),
    case("link-of-host-absolute", "R --tmpfs {d}/abslink P tree {d}/dir"),
    // Links that point out of the box.
    case("escape-dir", "R --tmpfs /tmp --bind {d}/tree /tmp/t --dir /tmp/t/out/x true"),
    case("escape-dir-visible", "R --bind {d}/tree {d}/tree --dir {d}/tree/out/x true"),
    case("escape-file", "R --bind {d}/tree {d}/tree --file 6 {d}/tree/out/kept true").fds(&[(6, Text("x"))]),
    case("escape-staging-dir", "R --bind {d}/tree {d}/tree --dir {d}/tree/staging/x true"),
    case("escape-staging-file", "--bind {d}/tree /t --file 6 /t/staging/kept true").fds(&[(6, Text("x"))]),
    case("escape-staging-bind", "--bind {d}/tree /t --bind {d}/file /t/staging/x true"),
    case("escape-staging-tmpfs", "--bind {d}/tree /t --tmpfs /t/staging/x/y true"),
    case("escape-staging-symlink", "--bind {d}/tree /t --symlink a /t/staging/x true"),
    case("escape-staging-chmod", "--bind {d}/tree /t --chmod 0700 /t/staging true"),
    case("escape-staging-own-link", "--symlink ../../oldroot{d}/victim /tmp/ln --dir /tmp/ln/x true"),
    case("escape-proc", "--proc /proc --bind {d}/tree /t --dir /t/proc/x true"),
    case("escape-up", "R --tmpfs /tmp --bind {d}/tree /tmp/t --dir /tmp/t/up/x true"),
    case("escape-dangling", "--bind {d}/tree /t --ro-bind {probe} /p --dir /t/absdangling/x /p tree /"),
    case("escape-dev", "--bind {d}/tree /t --dev /t/staging true"),
];
