//! cargo-fuzz calls this with every input that it makes.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| pinfold::fuzzing::run("profile", input));
