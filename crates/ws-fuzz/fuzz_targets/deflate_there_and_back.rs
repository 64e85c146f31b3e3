//! Runs `ws_proto::fuzzing::deflate_there_and_back`, which says what must hold.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ws_proto::fuzzing::deflate_there_and_back(data));
