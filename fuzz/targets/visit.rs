//! See `controller::fuzzing::visit`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| controller::fuzzing::visit(bytes));
