//! The table of what can fail while a sandbox is set up. It has one row for each stage, and one for each step of an
//! operation.
//!
//! The numbers on the wire, the lists of all values and the words are generated from these rows. What a failure is
//! about (a path, an id) is in the plan, so the front ends add it to the words.

use super::wire::wire_enum;

/// Makes [`Stage`] from rows `Stage: words of the native front end, words of bubblewrap`, grouped by step.
macro_rules! stages {
    ($($step:literal { $($(#[$doc:meta])* $stage:ident: $native:literal, $bubblewrap:literal;)* })*) => {
        wire_enum! {
            /// The stage that failed. If it concerns one of several items, [`super::Failure::index`] says which.
            Stage { $($($(#[$doc])* $stage,)*)* }
        }

        impl Stage {
            /// The step of the set-up to which the stage belongs, in one word. Reports use it, for people and for
            /// programs.
            pub(crate) fn step(self) -> &'static str {
                match self {
                    $($(Stage::$stage)|* => $step,)*
                }
            }

            /// What failed, in the words of the native front end. If the text ends with a space, the subject follows.
            pub(crate) fn native(self) -> &'static str {
                match self {
                    $($(Stage::$stage => $native,)*)*
                }
            }

            /// What failed, exactly in bubblewrap's words, because programs look for some of them. If the text ends
            /// with a space, the subject follows.
            pub(crate) fn bubblewrap(self) -> &'static str {
                match self {
                    $($(Stage::$stage => $bubblewrap,)*)*
                }
            }
        }
    };
}

/// Makes [`Act`] from rows `Act: words of the native front end`. They follow the words of the operation. The words of
/// bubblewrap also depend on the operation: `cli/bwrap/messages.rs` has them.
macro_rules! acts {
    ($($(#[$doc:meta])* $act:ident: $native:literal,)*) => {
        wire_enum! {
            /// The step of an operation that failed.
            Act { $($(#[$doc])* $act,)* }
        }

        impl Act {
            /// What failed, as the native front end says it after the words of the operation.
            pub(crate) fn native(self) -> &'static str {
                match self {
                    $(Act::$act => $native,)*
                }
            }
        }
    };
}

stages! {
    "supervision" {
        /// Making the control socket, or another step of the supervisor before it has a child.
        Prepare: "cannot prepare the supervisor", "Can't prepare the sandbox";
        /// Writing to `info_fd` or `json_status_fd`.
        Report: "cannot write the report", "Write to info_fd";
        /// Communication between the supervisor and the setup process.
        Control: "cannot talk to the setup process", "Can't talk to the other half of the sandbox";
        /// Waiting for the program's end.
        Reap: "cannot wait for the program", "Can't wait for the command";
        /// Looking for watched name number `index` before the start.
        Watch: "cannot look for names in ", "Can't look for names in ";
        /// Making the entry in which changes are kept apart: [`super::Failure::detail`].
        KeepApart: "cannot keep apart what the program changes in ", "Can't keep apart what the command changes in ";
    }
    "lockdown" {
        /// `PR_SET_NO_NEW_PRIVS`.
        NoNewPrivs: "cannot set no_new_privs", "prctl(PR_SET_NO_NEW_PRIVS) failed";
        /// Letting the caller's tools inspect this process again (`PR_SET_DUMPABLE`).
        Dumpable: "cannot change whether this process can be traced", "prctl(PR_SET_DUMPABLE) failed";
        /// Reducing the bounding set.
        BoundingSet: "cannot reduce the bounding set", "Dropping capability from bounds";
        /// Setting the capability sets.
        SetCaps: "cannot set capabilities", "capset failed";
        /// Raising ambient capabilities.
        AmbientCaps: "cannot raise ambient capabilities", "Adding ambient capability";
        /// A restriction was set, but did not hold when it was read back.
        Unproven: "a restriction did not hold when it was read back",
            "A restriction that was set did not hold when it was read back";
    }
    "namespaces" {
        /// Joining the given user namespace.
        JoinUser: "cannot join a user namespace", "Joining specified user namespace failed";
        /// Joining the given PID namespace.
        JoinPid: "cannot join a PID namespace", "Setting pidns failed";
        /// `clone(2)` with the new namespaces.
        Clone: "cannot make the namespaces", "Creating new namespace failed";
        /// `clone(2)` of the process in a new PID namespace below the joined one.
        CloneBelow: "cannot make the namespaces", "Creating the process in the new pid namespace failed";
        /// Joining the second user namespace.
        JoinInnerUser: "cannot join a user namespace", "Setting userns2 failed";
        /// Writing `max_user_namespaces`.
        LimitUserNs: "cannot limit the number of user namespaces",
            "Cannot write to /proc/sys/user/max_user_namespaces";
        /// Making the second user namespace.
        InnerUser: "cannot make the inner user namespace", "unshare user ns";
        /// Another user namespace could still be made.
        UserNsNotDisabled: "another user namespace could still be made",
            "creation of new user namespaces was not disabled as requested";
    }
    "network" {
        /// Making the network namespace.
        Net: "cannot make a network namespace", "Creating new namespace failed";
        /// Entering the network namespace.
        JoinNet: "cannot enter the network namespace", "Can't enter the new network namespace";
        /// Bringing the loopback device up.
        Loopback: "cannot bring the loopback device up", "loopback: Failed RTM_NEWADDR";
    }
    "ids" {
        /// Writing `uid_map`.
        UidMap: "cannot write uid_map", "setting up uid map";
        /// Writing `setgroups`.
        SetGroups: "cannot write setgroups", "error writing to setgroups";
        /// Writing `gid_map`.
        GidMap: "cannot write gid_map", "setting up gid map";
        /// Switching to the requested user id in a joined user namespace.
        SwitchUid: "cannot change the user id", "unable to switch to uid ";
        /// Switching to the requested group id in a joined user namespace.
        SwitchGid: "cannot change the group id", "unable to switch to gid ";
        /// Keeping capabilities while the ids change.
        SwitchCaps: "cannot keep capabilities over a change of ids", "Can't keep capabilities while switching ids";
    }
    "mounts" {
        /// Cutting the mounts off from the host's propagation.
        Slave: "cannot cut the mounts off from the host's", "Failed to make / slave";
        /// Raising the limit of open descriptors to the number of sources.
        DescriptorLimit: "cannot make room for as many open descriptors as there are sources",
            "Can't raise the limit of open files to hold every source";
        /// Making the tmpfs that is the new root.
        Root: "cannot make the new root", "Creating newroot failed";
        /// Operation number `index` of the plan. [`super::Failure::act`] is the step that failed.
        Op: "cannot carry out an operation", "Can't set up the sandbox";
        /// `pivot_root(2)`.
        Pivot: "cannot pivot_root", "pivot_root";
        /// Detaching the host's root.
        DetachRoot: "cannot detach the host's root", "unmount old root";
    }
    "landlock" {
        /// Making the Landlock ruleset.
        Ruleset: "cannot make the ruleset", "Can't make the Landlock ruleset";
        /// Adding Landlock rule number `index`. The order is: files, descriptors, ports to connect to, ports to bind
        /// to.
        Rule: "cannot add a rule", "Can't add a Landlock rule";
        /// `landlock_restrict_self(2)`.
        Restrict: "cannot restrict the sandbox by all of its rules", "Can't restrict the sandbox by Landlock";
    }
    "seccomp" {
        /// Reading the filter from its descriptor.
        ReadFilter: "cannot read the filter", "Can't read seccomp data";
        /// The length of the filter is not a multiple of 8.
        FilterLength: "the filter is no sequence of instructions", "Invalid seccomp data, must be multiple of 8";
        /// Installing filter number `index`.
        InstallFilter: "cannot install the filter", "prctl(PR_SET_SECCOMP)";
    }
    "labels" {
        /// Setting the SELinux label for new files.
        FileLabel: "cannot set the label of new files", "Unable to set up file label";
        /// Setting the SELinux label for the program.
        ExecLabel: "cannot set the label of the program", "Unable to set up exec label";
    }
    "program" {
        /// Entering the working directory.
        Chdir: "cannot enter the directory ", "Can't chdir to ";
        /// `setsid(2)`.
        NewSession: "cannot start a session", "setsid";
        /// Starting a process group (`setpgid(2)`).
        NewGroup: "cannot start a process group", "setpgid";
        /// Opening lock file number `index`.
        OpenLock: "cannot take a lock", "Unable to open lock file ";
        /// Locking lock file number `index`.
        TakeLock: "cannot take a lock", "Unable to lock file ";
        /// `PR_SET_PDEATHSIG`.
        DieWithParent: "cannot tie the sandbox to its caller",
            "Can't tie the sandbox to its caller for --die-with-parent";
        /// Making the process that becomes the program.
        Spawn: "cannot make the program's process", "fork for child";
        /// Setting up the program's signals.
        Signals: "cannot set signals", "Can't set up signals";
        /// `execve(2)`.
        Exec: "cannot execute ", "execvp ";
    }
}

acts! {
    /// The operation as a whole.
    Whole: "",
    /// Finding the source.
    Source: ": the source",
    /// The file at the source is no longer the one that the descriptor refers to.
    Race: ": the source was exchanged meanwhile",
    /// Making the parents of the destination.
    Parents: ": the directories above the destination",
    /// Making the destination directory.
    MakeDir: ": the destination directory",
    /// Making the destination file.
    MakeFile: ": the destination file",
    /// Reading the descriptor with the content.
    ReadData: ": reading the content",
    /// Writing the content.
    WriteData: ": writing the content",
    /// Making a new filesystem.
    NewFs: "",
    /// Attaching the mount.
    Attach: "",
    /// Setting the flags of a mount.
    Flags: ": its mount flags",
    /// The destination is not a mount point.
    NotAMount: ": it is no mount",
    /// Making a link.
    MakeLink: ": making the link",
    /// The link exists with different content, which is [`super::Failure::detail`].
    LinkDiffers: ": there is a link that says something else",
    /// The destination of a link exists and is not a link.
    NotALink: ": there is something already",
    /// Making a part of it, named by [`super::Failure::detail`].
    Part: ": its part",
    /// The source of a copy is not a regular file.
    NotAFile: ": the source is not a regular file",
    /// A denied path does not exist, and the program could create it.
    Missing: ": it does not exist, and the program could make it",
    /// What is denied does not exist, neither inside nor on the host. That is held, and may be a slip.
    Nowhere: ": nothing is there, inside or outside",
    /// A pattern matches nothing.
    NoMatch: ": nothing matches it",
    /// Looking for matches in a directory or behind a link: [`super::Failure::detail`].
    Look: ": looking into",
    /// Covering a match of a pattern: [`super::Failure::detail`].
    Match: ": covering the match",
    /// A denied file belongs to one of many processes.
    OfProcess: ": it belongs to one process, and every other has its own",
    /// Keeping a directory or link above a denied path in its place: [`super::Failure::detail`].
    Keep: ": keeping in its place",
    /// Covering a denied file at another path: [`super::Failure::detail`].
    Elsewhere: ": covering the same at",
    /// [`super::Failure::count`] denied files have hard links that were not found. They may lie in a directory that
    /// cannot be listed: [`super::Failure::detail`].
    Unlisted: ": ",
    /// [`super::Failure::count`] denied files have hard links outside of what the sandbox shows.
    Outside: ": ",
    /// [`super::Failure::count`] denied files have hard links that were not found. A mount at
    /// [`super::Failure::detail`] may hide them until the host unmounts it.
    Hidden: ": ",
    /// [`super::Failure::count`] denied files have hard links that were not found. A filesystem of another kind may
    /// show them, at [`super::Failure::detail`].
    NotFound: ": ",
    /// A filesystem of another kind than the one on which the denied file lies may show it, at
    /// [`super::Failure::detail`].
    OtherKind: ": a filesystem of another kind may show it too, at",
    /// The kernel makes no overlay here, and so the layer is shown read-only.
    NotApart: ": it is shown read-only, because the kernel makes no overlay here",
    /// The destination is a link, which this operation does not follow.
    OnLink: ": the destination must not be a link",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_are_in_the_order_of_the_numbers() {
        assert!(Stage::ALL.iter().enumerate().all(|(number, &stage)| stage as usize == number));
        assert!(Act::ALL.iter().enumerate().all(|(number, &act)| act as usize == number));
    }

    #[test]
    fn every_stage_has_its_words() {
        for stage in Stage::ALL {
            assert!(!stage.step().is_empty() && !stage.native().is_empty() && !stage.bubblewrap().is_empty());
        }
    }
}
