//! Runs `ws_handler::fuzzing::response_head`, which says what must hold.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ws_handler::fuzzing::response_head(data));
