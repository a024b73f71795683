//! See `controller::fuzzing::key_pair`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| controller::fuzzing::key_pair(bytes));
