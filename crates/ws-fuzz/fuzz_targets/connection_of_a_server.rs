//! Runs `ws_proto::fuzzing::connection_of_a_server`, which says what must hold.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ws_proto::fuzzing::connection_of_a_server(data, std::time::Instant::now()));
