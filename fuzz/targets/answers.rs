//! See `controller::fuzzing::answers`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| controller::fuzzing::answers(bytes));
