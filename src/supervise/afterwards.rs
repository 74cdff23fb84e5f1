//! The look at what the program has left on the host: what must be noted before it runs, what is done when no process
//! lives inside any more, and how the findings are reported.

use std::cell::Cell;
use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use super::attend::Ended;
use super::child::{SuperviseError, outlast};
use super::findings::{Findings, Found, Outlet};
use super::frontend::Frontend;
use super::sweep::Sweep;
use super::{lost, status};
use crate::plan::Plan;
use crate::protocol::{At, Failure, Stage};
use crate::sys::process::{self, Child};
use crate::sys::signals;
use crate::workspace;
use crate::workspace::keeping::{Keeping, With};
use crate::workspace::takeover;

/// What is noted before the program can change anything.
pub(super) struct Before {
    sweep: Sweep,
    stderr: Outlet,
    /// The descriptor of the status reports, if there are any.
    status: Option<Outlet>,
    /// The mount of the program's home, once there is one that ends with the box.
    pub(super) own_home: Option<OwnedFd>,
}

impl Before {
    pub(super) fn look(plan: &Plan, proc: BorrowedFd<'_>) -> Result<Before, Failure> {
        let sweep = Sweep::before(&plan.lifecycle)?;
        let stderr = Outlet::before(&plan.lifecycle, proc, 2);
        let status = plan.launch.report.json_status_fd.map(|fd| Outlet::before(&plan.lifecycle, proc, fd));
        Ok(Before { sweep, stderr, status, own_home: None })
    }

    /// Looks at what the program has left on the host, and puts it in order. Returns what was found.
    pub(super) fn look_again(
        &self,
        plan: &Plan,
        (keeping, frontend): (Option<&Keeping>, &dyn Frontend),
        child: &Child,
        outcome: &Result<Ended, SuperviseError>,
    ) -> Vec<Found> {
        let lifecycle = &plan.lifecycle;
        if !outcome.as_ref().is_ok_and(|ended| ended.is_empty) {
            outlast(lifecycle, child);
        }
        let mut found = self.sweep.after(lifecycle);
        let mut kept = Vec::new();
        // Before new repositories are put in order: a new worktree belongs to a repository that is taken over here.
        if let Some(keeping) = keeping {
            // git runs in boxes of its own, which cannot be made for a process that nobody may look into.
            let _looked_into = process::set_dumpable(true).is_ok();
            let run_box = frontend.run_box();
            // One signal waits for the end. With the one that has ended the box, or another one, nobody wants to wait.
            // One that has come before the first look meant the program.
            let was_asked = usize::from(matches!(outcome, Ok(Ended { signal: Some(_), .. })));
            let asked = Cell::new(None);
            let go_on = || {
                let now = signals::take_asking();
                let all = asked.get().map_or(was_asked, |before| before + now);
                asked.set(Some(all));
                all < 2
            };
            let with = With {
                path: OsStr::from_bytes(lifecycle.keep.search.to_bytes()),
                run_box: run_box.as_ref().map(|run_box| run_box as takeover::RunBox<'_>),
                go_on: &go_on,
            };
            kept = keeping.end(&with);
        }
        let mut all_news = Vec::new();
        for wish in &lifecycle.settle {
            let (settled, news) = workspace::settle(wish, plan.program.cwd.first());
            found.extend(settled.into_iter().map(Found::Settled));
            all_news.extend(Some(news).filter(|news| !news.is_empty()));
            workspace::remember(wish);
        }
        found.extend(kept.into_iter().map(Found::Kept));
        found.extend(all_news.into_iter().map(Found::News));
        let home = lifecycle.own_home.as_deref().zip(self.own_home.as_ref());
        found.extend(home.and_then(|(path, mount)| lost::look(path, mount.as_fd(), &plan.root.ops)).map(Found::Lost));
        found
    }

    /// Reports how the program has ended and what was found. Returns false if part of the findings may not have reached
    /// standard error.
    pub(super) fn tell(
        &self,
        proc: BorrowedFd<'_>,
        outcome: &Result<Ended, SuperviseError>,
        findings: &Findings,
    ) -> Result<bool, Failure> {
        let mut status = match outcome {
            Ok(Ended { end, is_own: true, .. }) => status::end(end.exit_code()).into_bytes(),
            _ => Vec::new(),
        };
        status.extend_from_slice(&findings.status);
        let reported = self.status.as_ref().map_or(Ok(()), |outlet| outlet.tell(proc, &status));
        let is_told = self.stderr.tell(proc, &findings.text).is_ok();
        let is_said = is_told && (findings.text.is_empty() || !self.stderr.is_network());
        reported.stage(Stage::Report)?;
        if let Some(outlet) = self.status.as_ref().filter(|_| !is_said) {
            outlet.tell(proc, status::unsaid(findings).as_bytes()).stage(Stage::Report)?;
        }
        Ok(is_said)
    }
}
