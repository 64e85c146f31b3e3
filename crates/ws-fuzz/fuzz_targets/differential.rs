//! Frames, judged by tungstenite and by us. What must hold stands where the corpus is replayed.
#![no_main]

#[path = "../../ws-testkit/tests/differential/judged_alike.rs"]
mod judged_alike;

libfuzzer_sys::fuzz_target!(|data: &[u8]| judged_alike::judged_alike(data));
