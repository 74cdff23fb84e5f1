//! From a spec of the library to the plan of a launch.

use std::ffi::{CStr, CString};

use crate::error::Error;
use crate::host::{self, Caller, Host};
use crate::plan::{self, Plan};
use crate::protocol::Descriptors;
use crate::spec::Spec;

/// What `spec` means on this host, and the descriptors that the processes of the launch begin with.
pub(crate) fn prepare(spec: Spec) -> Result<(Plan, Descriptors), Error> {
    let caller = Caller::probe();
    spec.check(caller.uid, caller.gid)?;
    let inherited = host::environment();
    let inherited: Vec<&CStr> = inherited.iter().map(CString::as_c_str).collect();
    let (host, descriptors) = Host::probe(caller, &spec, c"pinfold", &inherited)?;
    Ok((plan::plan(spec, host)?, descriptors))
}
