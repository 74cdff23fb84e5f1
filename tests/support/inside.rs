//! A program in the box that most programs run in, and what it said.

use super::{Actor, Launch, Outcome, probe, tool};

/// Everything unshared, the system read-only, and the probe as `/probe`.
pub(crate) const TYPICAL: &str = "--unshare-all --ro-bind /usr /usr --symlink usr/lib /lib --symlink usr/lib64 /lib64 \
                                  --symlink usr/bin /bin --proc /proc --dev /dev --tmpfs /tmp --ro-bind {probe} /probe";

/// The words that run `command` in a box: the tool, `options`, which are separated by blanks and in which `{probe}` is
/// the path of the probe, and `--`.
pub(crate) fn line(options: &str, command: &[&str]) -> Vec<String> {
    let program = tool().path().display().to_string();
    let options = options.replace("{probe}", &probe().display().to_string());
    let words = [&*program].into_iter().chain(options.split_whitespace()).chain(["--"]);
    words.chain(command.iter().copied()).map(String::from).collect()
}

/// A launch of the tool; see [`line`].
pub(crate) fn inside(actor: Actor, options: &str, command: &[&str]) -> Launch {
    tool().launch(actor, line(options, command).split_off(1))
}

/// A launch of any program in a user and a mount namespace that `steps` have changed: see `nest` of tests/probe. No
/// privilege is needed for that.
pub(crate) fn nest(actor: Actor, steps: &[String], command: &[String]) -> Launch {
    let (steps, command) = (steps.iter().map(String::as_str), command.iter().map(String::as_str));
    let words: Vec<&str> = ["nest"].into_iter().chain(steps).chain(["--"]).chain(command).collect();
    Launch::program(probe(), actor, &words)
}

/// As [`inside`], but the tool's host is one that `steps` have changed.
pub(crate) fn inside_nest(actor: Actor, steps: &[String], options: &str, command: &[&str]) -> Launch {
    nest(actor, steps, &line(options, command))
}

impl Outcome {
    /// What it printed; it must have succeeded.
    pub(crate) fn done(&self) -> String {
        assert_eq!(self.ending(), "exit 0", "{self}");
        self.stdout_text()
    }

    /// The number of the error with which the kernel refused what the probe tried; it must have done so.
    pub(crate) fn refused(&self) -> i32 {
        let said = self.stdout_text();
        let number = said.trim().strip_prefix("refused errno ").and_then(|number| number.parse().ok());
        number.unwrap_or_else(|| panic!("not refused: {self}"))
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, stdout {:?}, stderr {:?}", self.ending(), self.stdout_text(), self.stderr_text())
    }
}
