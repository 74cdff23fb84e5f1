//! A profile as its author wrote it: the JSON form of OCI and Docker, read and checked, but not yet for any
//! architecture.
//!
//! The form is that of `linux.seccomp` in the OCI runtime specification, with the additions of Docker and Podman
//! (`archMap`, `includes`, `excludes`, `comment`, `errno`), so that their files load unchanged. Pinfold adds `extends`,
//! a top-level `comment`, and groups among the names.

use std::fmt;

use serde_json::Value;

use super::arch::{self, Arch};
use super::json::{self, Object, refuse};
use super::table::{FOREIGN, Table};
use super::verdict::{ACTIONS, EPERM, MAX_ERRNO, Verdict, errno_number};
use crate::error::{Error, Field};
use crate::suggest::{did_you_mean, nearest};

/// A profile, checked as far as is possible without an architecture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Profile {
    /// The purpose of the profile, in a sentence or two.
    pub(crate) comment: String,
    /// The profile that decides what this one leaves open.
    pub(crate) base: Option<Box<Profile>>,
    /// The verdict on calls without a rule. `None` if a base has it.
    pub(crate) default: Option<Verdict>,
    pub(crate) arches: Arches,
    pub(crate) rules: Vec<Rule>,
}

/// The architectures of a profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Arches {
    /// Not given: only the architecture for which the profile is compiled, without any other calling convention.
    Native,
    /// `architectures`.
    Listed(Vec<String>),
    /// `archMap`: an architecture, and the others that belong to it.
    Mapped(Vec<(String, Vec<String>)>),
}

/// Where a rule stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// In a profile, in the words of a message.
    Profile(String),
    /// In a list of names that stands in front of the profile.
    Name(Field),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Profile(place) => f.write_str(place),
            Place::Name(field) => field.fmt(f),
        }
    }
}

/// An entry of `syscalls`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) place: Place,
    pub(crate) names: Vec<String>,
    pub(crate) verdict: Verdict,
    /// All must hold, unless [`Rule::alternatives`] says otherwise.
    pub(crate) conditions: Vec<Condition>,
    pub(crate) includes: Scope,
    pub(crate) excludes: Scope,
    pub(crate) comment: String,
    /// What is odd about it and counts all the same.
    pub(crate) notes: Vec<String>,
}

impl Profile {
    /// A profile that decides nothing, to be put in front of a program.
    pub(crate) fn open() -> Profile {
        let default = Some(Verdict::Allow);
        Profile { comment: String::new(), base: None, default, arches: Arches::Native, rules: Vec::new() }
    }

    /// The architectures that this profile covers on a kernel of `arch`. A profile that does not say takes those of its
    /// base.
    pub(crate) fn arches_on(&self, arch: Arch) -> Vec<Arch> {
        match (&self.arches, &self.base) {
            (Arches::Native, Some(base)) => base.arches_on(arch),
            (arches, _) => arches.on(arch),
        }
    }
}

impl Rule {
    /// The sets of conditions. The rule applies if all conditions of one set hold.
    ///
    /// Two conditions on the same argument turn every condition into an alternative. runc and other users of libseccomp
    /// have done so since 2017 (runc, libcontainer/seccomp/seccomp_linux.go: "revert to old behavior").
    pub(crate) fn alternatives(&self) -> Vec<&[Condition]> {
        let repeated =
            |condition: &Condition| self.conditions.iter().filter(|c| c.index == condition.index).count() > 1;
        if self.conditions.iter().any(repeated) { self.conditions.chunks(1).collect() } else { vec![&self.conditions] }
    }
}

/// A test of one argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Condition {
    /// From 0 to 5.
    pub(crate) index: u8,
    pub(crate) test: Test,
}

/// A test of an argument. All numbers are unsigned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Test {
    Equal(u64),
    NotEqual(u64),
    Less(u64),
    LessOrEqual(u64),
    Greater(u64),
    GreaterOrEqual(u64),
    /// The bits of `mask` have the value `value`.
    Masked {
        mask: u64,
        value: u64,
    },
}

const OPERATORS: &[&str] =
    &["SCMP_CMP_EQ", "SCMP_CMP_NE", "SCMP_CMP_LT", "SCMP_CMP_LE", "SCMP_CMP_GT", "SCMP_CMP_GE", "SCMP_CMP_MASKED_EQ"];

/// `includes` or `excludes`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Scope {
    pub(crate) caps: Vec<String>,
    pub(crate) arches: Vec<String>,
    pub(crate) min_kernel: Option<(u32, u32)>,
}

/// What reading a profile needs besides its text.
pub(crate) struct Reader<'a> {
    pub(crate) table: &'a Table,
    /// The text of a shipped profile, by name.
    pub(crate) shipped: &'a dyn Fn(&str) -> Option<&'static str>,
    /// Whether there is a capability of this name.
    pub(crate) is_cap: &'a dyn Fn(&str) -> bool,
}

/// Flags for the code that installs a filter. None changes a verdict, and a compiled filter cannot carry them.
const FLAGS: &[&str] = &[
    "SECCOMP_FILTER_FLAG_TSYNC",
    "SECCOMP_FILTER_FLAG_LOG",
    "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
    "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
];

impl Reader<'_> {
    /// Reads `text`; `file` is its name in messages.
    pub(crate) fn read(&self, file: &str, text: &[u8]) -> Result<Profile, Error> {
        let value = json::read(file, text)?;
        let top = Object::of_file(
            &value,
            file,
            &[
                "comment",
                "extends",
                "defaultAction",
                "defaultErrnoRet",
                "defaultErrno",
                "architectures",
                "archMap",
                "flags",
                "listenerPath",
                "listenerMetadata",
                "syscalls",
            ],
        )?;
        for (place, flag) in top.texts("flags")? {
            one_of(&place, flag, FLAGS)?;
        }
        for name in ["listenerPath", "listenerMetadata"] {
            if top.text(name)?.is_some_and(|text| !text.is_empty()) {
                return refuse(&top.at(name), NO_LISTENER);
            }
        }
        let base = self.base(&top)?.map(Box::new);
        let default = verdict(&top, "defaultAction", "defaultErrnoRet", "defaultErrno")?;
        if default.is_none() && base.is_none() {
            return refuse(&top.at("defaultAction"), "this field is missing");
        }
        let rules = top.list("syscalls")?.into_iter().map(|(place, rule)| self.rule(place, rule));
        Ok(Profile {
            comment: top.text("comment")?.unwrap_or_default().to_owned(),
            base,
            default,
            arches: arches(&top)?,
            rules: rules.collect::<Result<_, _>>()?,
        })
    }

    fn base(&self, top: &Object<'_>) -> Result<Option<Profile>, Error> {
        let Some(name) = top.text("extends")? else { return Ok(None) };
        match (self.shipped)(name) {
            Some(text) => self.read(name, text.as_bytes()).map(Some),
            None => refuse(&top.at("extends"), format!("{name:?} is no shipped profile")),
        }
    }

    fn rule(&self, place: String, value: &Value) -> Result<Rule, Error> {
        let known =
            ["names", "name", "action", "errnoRet", "errno", "args", "includes", "excludes", "comment"].as_slice();
        let mut rule = Object::new(value, place, known)?;
        let names = match (rule.text("name")?, rule.get("names").is_some()) {
            (Some(_), true) => return refuse(&rule.at("name"), "either name or names is wanted, not both"),
            (Some(name), false) => vec![(rule.at("name"), name)],
            (None, _) => rule.texts("names")?,
        };
        let Some((_, first)) = names.first() else { return refuse(&rule.at("names"), "no system call is named") };
        for (place, name) in &names {
            if let Some(reason) = unknown_name(self.table, name) {
                return refuse(place, reason);
            }
        }
        // The place alone is an index to count to. Authors look for the name.
        rule.place = format!("{} ({first}{})", rule.place, if names.len() > 1 { ", …" } else { "" });
        let Some(verdict) = verdict(&rule, "action", "errnoRet", "errno")? else {
            return refuse(&rule.at("action"), "this field is missing");
        };
        let conditions = rule.list("args")?.into_iter().map(|(place, value)| condition(place, value));
        let (conditions, notes): (Vec<_>, Vec<_>) = conditions.collect::<Result<Vec<_>, Error>>()?.into_iter().unzip();
        Ok(Rule {
            names: names.iter().map(|(_, name)| (*name).to_owned()).collect(),
            verdict,
            conditions,
            notes: notes.into_iter().flatten().collect(),
            includes: self.scope(&rule, "includes")?,
            excludes: self.scope(&rule, "excludes")?,
            comment: rule.text("comment")?.unwrap_or_default().to_owned(),
            place: Place::Profile(rule.place),
        })
    }

    fn scope(&self, rule: &Object<'_>, name: &str) -> Result<Scope, Error> {
        let Some(value) = rule.get(name) else { return Ok(Scope::default()) };
        let scope = Object::new(value, rule.at(name), &["caps", "arches", "minKernel"])?;
        let mut out = Scope::default();
        for (place, cap) in scope.texts("caps")? {
            if !(self.is_cap)(cap) {
                return refuse(&place, format!("unknown capability {cap:?}"));
            }
            out.caps.push(cap.to_owned());
        }
        for (place, arch) in scope.texts("arches")? {
            one_of(&place, arch, arch::GO_NAMES)?;
            out.arches.push(arch.to_owned());
        }
        if let Some(text) = scope.text("minKernel")?.filter(|text| !text.is_empty()) {
            let Some(version) = kernel_version(text) else {
                return refuse(&scope.at("minKernel"), format!("{text:?} is no version such as \"4.8\""));
            };
            out.min_kernel = Some(version);
        }
        Ok(out)
    }
}

/// What is wrong with a name that no architecture knows. One that only others know is skipped later, as OCI has it.
pub(super) fn unknown_name(table: &Table, name: &str) -> Option<String> {
    let is_group = name.starts_with('@');
    let known = if is_group { name != FOREIGN && table.group(name).is_some() } else { table.find(name).is_some() };
    let what = if is_group { "group" } else { "system call" };
    (!known).then(|| format!("unknown {what} {name:?}{}", did_you_mean(table.suggestion(name))))
}

const NO_LISTENER: &str = "a filter that asks another process needs that process, and pinfold starts none; use \
    SCMP_ACT_ERRNO, SCMP_ACT_TRAP or SCMP_ACT_TRACE";

/// The verdict of the field `action`. The fields `number` and `name` give its number; without them it is EPERM.
fn verdict(object: &Object<'_>, action: &str, number: &str, name: &str) -> Result<Option<Verdict>, Error> {
    let given = object.number(number, MAX_ERRNO.into())?.map(|number| number as u16);
    // Podman writes the errno's name beside its number, because numbers differ on alpha, mips, parisc and sparc.
    let named = match object.text(name)?.filter(|text| !text.is_empty()) {
        None => None,
        Some(text) => match errno_number(text) {
            Some(number) => Some(number),
            None => return refuse(&object.at(name), format!("unknown errno {text:?}; give its number in {number}")),
        },
    };
    if let (Some(a), Some(b)) = (given, named)
        && a != b
    {
        return refuse(&object.at(name), format!("{number} says {a}, this is {b}"));
    }
    let errno = given.or(named);
    let Some(word) = object.text(action)? else { return Ok(None) };
    if word == "SCMP_ACT_NOTIFY" {
        return refuse(&object.at(action), NO_LISTENER);
    }
    one_of(&object.at(action), word, ACTIONS)?;
    let verdict = Verdict::from_action(word, errno.unwrap_or(EPERM));
    if errno.is_some() && verdict.is_some_and(|verdict| !verdict.takes_number()) {
        return refuse(&object.at(number), format!("{word} carries no number"));
    }
    Ok(verdict)
}

/// A condition, and what is odd about it.
fn condition(place: String, value: &Value) -> Result<(Condition, Option<String>), Error> {
    let object = Object::new(value, place, &["index", "value", "valueTwo", "op"])?;
    let Some(index) = object.number("index", 5)? else {
        return refuse(&object.at("index"), "this field is missing");
    };
    let value = object.number("value", u64::MAX)?.unwrap_or(0);
    let two = object.number("valueTwo", u64::MAX)?.unwrap_or(0);
    let op = object.text("op")?.unwrap_or_default();
    one_of(&object.at("op"), op, OPERATORS)?;
    let test = match op {
        "SCMP_CMP_NE" => Test::NotEqual(value),
        "SCMP_CMP_LT" => Test::Less(value),
        "SCMP_CMP_LE" => Test::LessOrEqual(value),
        "SCMP_CMP_GT" => Test::Greater(value),
        "SCMP_CMP_GE" => Test::GreaterOrEqual(value),
        // libseccomp cuts the value down to the mask (`_db_rule_gen_*` in src/db.c), and so do those who use it.
        "SCMP_CMP_MASKED_EQ" => Test::Masked { mask: value, value: two & value },
        _ => Test::Equal(value),
    };
    let note = (op == "SCMP_CMP_MASKED_EQ" && two & !value != 0).then(|| {
        let (place, cut) = (object.at("valueTwo"), two & value);
        format!("{place}: {two:#x} has bits that the mask {value:#x} in value has not: {cut:#x} counts")
    });
    Ok((Condition { index: index as u8, test }, note))
}

fn arches(top: &Object<'_>) -> Result<Arches, Error> {
    let checked = |(place, name): (String, &str)| one_of(&place, name, arch::OCI_NAMES).map(|()| name.to_owned());
    let map = top.list("archMap")?;
    if map.is_empty() {
        let listed: Vec<String> = top.texts("architectures")?.into_iter().map(checked).collect::<Result<_, _>>()?;
        return Ok(if listed.is_empty() { Arches::Native } else { Arches::Listed(listed) });
    }
    if !top.list("architectures")?.is_empty() {
        return refuse(&top.at("archMap"), "either architectures or archMap is wanted, not both");
    }
    let entry = |(place, value): (String, &Value)| {
        let entry = Object::new(value, place, &["architecture", "subArchitectures"])?;
        let main = entry.text("architecture")?.unwrap_or_default();
        let main = checked((entry.at("architecture"), main))?;
        let sub = entry.texts("subArchitectures")?.into_iter().map(checked).collect::<Result<_, _>>()?;
        Ok((main, sub))
    };
    map.into_iter().map(entry).collect::<Result<_, _>>().map(Arches::Mapped)
}

impl Arches {
    /// The calling conventions that a filter for a kernel of `arch` covers; empty if the profile is for other kernels.
    pub(crate) fn on(&self, arch: Arch) -> Vec<Arch> {
        // The native architecture comes first, whatever the order in the file.
        let family = [Some(arch), arch.compat()].into_iter().flatten();
        let is_in = |names: &[String], arch: Arch| names.iter().any(|name| name == arch.oci_name());
        match self {
            Arches::Native => vec![arch],
            Arches::Listed(names) => family.filter(|known| is_in(names, *known)).collect(),
            // Without an entry for `arch`, Docker leaves the list empty, which means the native architecture.
            Arches::Mapped(map) => match map.iter().find(|(main, _)| main == arch.oci_name()) {
                Some((_, sub)) => family.filter(|known| *known == arch || is_in(sub, *known)).collect(),
                None => vec![arch],
            },
        }
    }
}

fn one_of(place: &str, word: &str, known: &[&str]) -> Result<(), Error> {
    if known.contains(&word) {
        return Ok(());
    }
    refuse(place, format!("unknown word {word:?}{}", did_you_mean(nearest(word, known.iter().copied()))))
}

/// Reads `major.minor`. Ignores what follows a further dot or dash (`6.18.44-generic`).
pub(crate) fn kernel_version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.trim().split(['.', '-']);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}
