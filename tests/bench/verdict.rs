//! What was promised, what was measured, and whether it holds. Printed, never asserted.

use crate::rounds::Ratio;

/// What is promised of a number.
#[derive(Clone, Copy)]
pub(crate) enum Bound {
    AtMost(f64),
    AtLeast(f64),
    Below(f64),
    /// Nothing; the number is there to compare another with.
    None,
}

impl Bound {
    fn words(self) -> String {
        match self {
            Bound::AtMost(bound) => format!("≤ {bound:.2}"),
            Bound::AtLeast(bound) => format!("≥ {bound:.2}"),
            Bound::Below(bound) => format!("< {bound:.2}"),
            Bound::None => String::new(),
        }
    }

    fn holds(self, measured: f64) -> Option<bool> {
        match self {
            Bound::AtMost(bound) => Some(measured <= bound),
            Bound::AtLeast(bound) => Some(measured >= bound),
            Bound::Below(bound) => Some(measured < bound),
            Bound::None => None,
        }
    }
}

impl Ratio {
    /// A number that was measured only once.
    pub(crate) fn alone(number: f64) -> Ratio {
        Ratio { median: number, of_minima: number }
    }
}

/// The table at the end.
#[derive(Default)]
pub(crate) struct Verdicts {
    rows: Vec<(&'static str, Bound, Option<Ratio>)>,
}

impl Verdicts {
    pub(crate) fn at_most(&mut self, what: &'static str, bound: f64, measured: Option<Ratio>) {
        self.add(what, Bound::AtMost(bound), measured);
    }

    pub(crate) fn at_least(&mut self, what: &'static str, bound: f64, measured: Option<Ratio>) {
        self.add(what, Bound::AtLeast(bound), measured);
    }

    pub(crate) fn note(&mut self, what: &'static str, measured: Option<Ratio>) {
        self.add(what, Bound::None, measured);
    }

    pub(crate) fn add(&mut self, what: &'static str, bound: Bound, measured: Option<Ratio>) {
        self.rows.push((what, bound, measured));
    }

    /// The median decides; where the minima say otherwise, both are named.
    pub(crate) fn print(&self) {
        println!("\n{:52} {:>8}  {:>8} {:>10}  holds", "", "bound", "measured", "(minima)");
        for &(what, bound, measured) in &self.rows {
            let number = |number: Option<f64>| number.map_or("-".into(), |number| format!("{number:.3}"));
            let holds = match measured.map(|ratio| (bound.holds(ratio.median), bound.holds(ratio.of_minima))) {
                None => "not measured",
                Some((Some(true), Some(true))) => "yes",
                Some((Some(false), Some(false))) => "NO",
                Some((Some(true), _)) => "yes (not by the minima)",
                Some((Some(false), _)) => "NO (but by the minima)",
                Some((None, _)) => "",
            };
            let (median, minima) = (measured.map(|ratio| ratio.median), measured.map(|ratio| ratio.of_minima));
            println!("{what:52} {:>8}  {:>8} {:>10}  {holds}", bound.words(), number(median), number(minima));
        }
    }
}
