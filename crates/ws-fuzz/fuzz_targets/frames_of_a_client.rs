//! Runs `ws_proto::fuzzing::frames_of_a_client`, which says what must hold.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ws_proto::fuzzing::frames_of_a_client(data));
