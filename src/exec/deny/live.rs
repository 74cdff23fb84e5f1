//! How far the patterns have matched on the way down a tree: which of their parts the next name can match.

use std::ffi::CStr;
use std::rc::Rc;

use crate::plan::names::{Names, Set};
use crate::plan::pattern::{Part, Pattern};
use crate::sys::open::For;

/// A pattern, and its part that comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct State {
    pub(super) pattern: usize,
    part: usize,
}

/// What to look for in a directory. Most directories of a tree share one of these.
pub(super) struct Live {
    pub(super) states: Vec<State>,
    /// States whose pattern is complete once a name matches.
    last: Vec<State>,
    /// States at a name that has more parts behind it.
    names: Vec<State>,
    /// States at a `**` that has more parts behind it.
    any: Vec<State>,
    /// The parts that a name can match.
    sought: Set,
    /// Below a directory whose name matches no part, the same is looked for.
    is_steady: bool,
    pub(super) purpose: For,
}

/// All patterns.
pub(super) struct Matcher<'p> {
    pub(super) patterns: &'p [Pattern],
    names: Names<'p>,
}

impl<'p> Matcher<'p> {
    pub(super) fn of(patterns: &'p [Pattern]) -> Matcher<'p> {
        Matcher { patterns, names: Names::of(patterns) }
    }

    /// What to look for in the root.
    pub(super) fn start(&self) -> Rc<Live> {
        let states: Vec<State> = (0..self.patterns.len()).map(|pattern| State { pattern, part: 0 }).collect();
        self.live(&states)
    }

    fn part(&self, state: State) -> &'p Part {
        &self.patterns[state.pattern].parts[state.part]
    }

    fn is_last(&self, state: State) -> bool {
        state.part + 1 == self.patterns[state.pattern].parts.len()
    }

    /// These states, and those behind each `**`, which may stand for nothing.
    fn closure(&self, states: &[State]) -> Vec<State> {
        let mut all: Vec<State> = Vec::with_capacity(states.len());
        for &state in states {
            let is_any = *self.part(state) == Part::AnyDirs && !self.is_last(state);
            let behind = is_any.then_some(State { part: state.part + 1, ..state });
            for state in [Some(state), behind].into_iter().flatten() {
                if !all.contains(&state) {
                    all.push(state);
                }
            }
        }
        all
    }

    pub(super) fn live(&self, states: &[State]) -> Rc<Live> {
        let states = self.closure(states);
        let (last, others): (Vec<State>, Vec<State>) = states.iter().partition(|state| self.is_last(**state));
        let (any, names): (Vec<State>, Vec<State>) =
            others.into_iter().partition(|state| *self.part(*state) == Part::AnyDirs);
        let is_known = |state: &State| matches!(self.part(*state), Part::Exactly(_));
        let purpose = if states.iter().all(is_known) { For::Names } else { For::Listing };
        let sought = self.names.set(last.iter().chain(&names).map(|state| (state.pattern, state.part)));
        Rc::new(Live { is_steady: self.closure(&any) == states, states, last, names, any, sought, purpose })
    }

    /// Whether a name might match a part. False is certain, true is not.
    pub(super) fn is_sought(&self, name: &CStr, live: &Live) -> bool {
        self.names.is_in(name.to_bytes(), &live.sought)
    }

    /// The states that this name completes.
    pub(super) fn hits(&self, name: &CStr, live: &Live) -> Vec<State> {
        live.last.iter().filter(|state| self.part(**state).matches(name.to_bytes())).copied().collect()
    }

    /// The names to look for, where all of them are known.
    pub(super) fn known_names(&self, live: &Live) -> Vec<&'p CStr> {
        let mut known: Vec<&CStr> = Vec::new();
        for state in &live.states {
            if let Part::Exactly(name) = self.part(*state)
                && !known.contains(&name.as_c_str())
            {
                known.push(name);
            }
        }
        known
    }

    /// What to look for below the directory `name`.
    pub(super) fn below(&self, name: &CStr, live: &Rc<Live>) -> Rc<Live> {
        let behind = self.behind(name, live);
        if behind.is_empty() && live.is_steady {
            return live.clone();
        }
        self.live(&[live.any.as_slice(), &behind].concat())
    }

    /// The states behind the parts that `name` matches.
    pub(super) fn behind(&self, name: &CStr, live: &Live) -> Vec<State> {
        let fits = live.names.iter().filter(|state| self.part(**state).matches(name.to_bytes()));
        fits.map(|state| State { part: state.part + 1, ..*state }).collect()
    }
}
