//! See `controller::fuzzing::owned_secrets`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| controller::fuzzing::owned_secrets(bytes));
