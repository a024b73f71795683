//! See `controller::fuzzing::objects`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| controller::fuzzing::objects(bytes));
