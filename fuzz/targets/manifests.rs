//! See `controller::fuzzing::manifests`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| controller::fuzzing::manifests(bytes));
