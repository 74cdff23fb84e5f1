//! Computes the environment of the program.

use std::ffi::{CStr, CString};

use super::{EnvOp, Process};

impl Process {
    /// Applies the operations of this spec to `inherited`, in order, and returns the resulting environment.
    ///
    /// A variable that is set again keeps its place, as with `setenv(3)`.
    pub fn environment(&self, inherited: &[&CStr]) -> Vec<CString> {
        let mut variables: Vec<CString> = Vec::with_capacity(inherited.len() + self.env.len() + 1);
        variables.extend(inherited.iter().map(|&entry| entry.to_owned()));
        for operation in &self.env {
            match operation {
                EnvOp::Clear => variables.clear(),
                EnvOp::Unset(name) => variables.retain(|entry| !is_named(entry, name)),
                EnvOp::Set(name, value) => set(&mut variables, name, value),
            }
        }
        variables
    }
}

/// The value of variable `name` in `environment`.
pub fn value<'a>(environment: &'a [CString], name: &CStr) -> Option<&'a [u8]> {
    let entry = environment.iter().find(|entry| is_named(entry, name))?;
    Some(&entry.to_bytes()[name.count_bytes() + 1..])
}

/// Sets `name` to `value`, in its old place or at the end.
pub fn set(environment: &mut Vec<CString>, name: &CStr, value: &CStr) {
    let entry = entry(name, value);
    match environment.iter_mut().find(|known| is_named(known, name)) {
        Some(known) => *known = entry,
        None => environment.push(entry),
    }
}

/// `NAME=VALUE`.
pub fn entry(name: &CStr, value: &CStr) -> CString {
    let mut bytes = Vec::with_capacity(name.count_bytes() + value.count_bytes() + 2);
    bytes.extend_from_slice(name.to_bytes());
    bytes.push(b'=');
    bytes.extend_from_slice(value.to_bytes_with_nul());
    // Both parts come from C strings, so the only NUL is the last byte.
    CString::from_vec_with_nul(bytes).unwrap_or_default()
}

fn is_named(entry: &CStr, name: &CStr) -> bool {
    entry.to_bytes().strip_prefix(name.to_bytes()).is_some_and(|rest| rest.starts_with(b"="))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Spec;

    fn result(inherited: &[&CStr], env: Vec<EnvOp>) -> Vec<CString> {
        let mut spec = Spec::new(vec![c"true".into()]);
        spec.process.env = env;
        spec.process.environment(inherited)
    }

    #[test]
    fn operations_apply_in_order_and_a_variable_keeps_its_place() {
        let set = |name: &CStr, value: &CStr| EnvOp::Set(name.into(), value.into());
        let inherited = [c"A=1", c"AB=2", c"C=3"];
        assert_eq!(
            result(&inherited, vec![set(c"A", c"x"), EnvOp::Unset(c"C".into()), set(c"D", c"")]),
            [c"A=x".to_owned(), c"AB=2".into(), c"D=".into()]
        );
        assert_eq!(result(&inherited, vec![set(c"A", c"x"), EnvOp::Clear]), Vec::<CString>::new());
        assert_eq!(result(&inherited, vec![EnvOp::Clear, set(c"A", c"x")]), [c"A=x".to_owned()]);
    }

    #[test]
    fn a_name_matches_whole_or_not_at_all() {
        let environment = [c"AB=2".to_owned(), c"A=1=2".into()];
        assert_eq!(value(&environment, c"A"), Some(&b"1=2"[..]));
        assert_eq!(value(&environment, c"B"), None);
    }
}
