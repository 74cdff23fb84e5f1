//! The tables, by subject. Read a row as: under this line, in this surrounding, both do the same.

pub(crate) mod binds;
pub(crate) mod conflicts;
pub(crate) mod dest;
pub(crate) mod fds;
pub(crate) mod ids;
pub(crate) mod missing;
pub(crate) mod nodes;
pub(crate) mod overlay;
pub(crate) mod parsing;
pub(crate) mod process;
pub(crate) mod special;

use crate::case::Case;

/// Every table with its name.
pub(crate) const TABLES: &[(&str, &[Case])] = &[
    ("binds", binds::CASES),
    ("conflicts", conflicts::CASES),
    ("dest", dest::CASES),
    ("fds", fds::CASES),
    ("ids", ids::CASES),
    ("missing", missing::CASES),
    ("nodes", nodes::CASES),
    ("overlay", overlay::CASES),
    ("parsing", parsing::CASES),
    ("process", process::CASES),
    ("special", special::CASES),
];
