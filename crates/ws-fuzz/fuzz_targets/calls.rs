//! Runs `ws_proto::fuzzing::calls`, which says what must hold.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ws_proto::fuzzing::calls(data, std::time::Instant::now()));
