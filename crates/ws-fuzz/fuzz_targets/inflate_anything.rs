//! Runs `ws_proto::fuzzing::inflate_anything`, which says what must hold.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ws_proto::fuzzing::inflate_anything(data));
