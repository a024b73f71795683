//! See `controller::fuzzing::credentials`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| controller::fuzzing::credentials(bytes));
