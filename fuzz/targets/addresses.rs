//! See `controller::fuzzing::addresses`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| controller::fuzzing::addresses(bytes));
