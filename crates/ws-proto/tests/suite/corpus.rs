//! The corpora of the fuzz targets, replayed. What must hold is said in the targets' bodies.

use std::path::Path;
use std::time::Instant;

use ws_proto::fuzzing;

/// The saved inputs of a target.
pub(crate) fn saved(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/corpus")
        .join(name);
    let files = std::fs::read_dir(&folder).unwrap();
    let inputs: Vec<_> = files
        .map(|file| std::fs::read(file.unwrap().path()).unwrap())
        .collect();
    assert!(!inputs.is_empty(), "the corpus of {name} is empty");
    inputs
}

/// Runs `target` over every file of its corpus.
fn replay(name: &str, target: impl Fn(&[u8])) {
    saved(name).iter().for_each(|input| target(input));
}

#[test]
fn the_corpus_of_frames_holds() {
    replay("frames_of_a_client", fuzzing::frames_of_a_client);
    replay("frames_of_a_server", fuzzing::frames_of_a_server);
}

#[cfg(feature = "deflate")]
#[test]
fn the_corpus_of_compressed_frames_holds() {
    replay("compressed_frames", fuzzing::compressed_frames);
}

#[test]
fn the_corpus_of_extension_headers_holds() {
    replay("extension_header", fuzzing::extension_header);
}

#[test]
fn the_corpus_of_connections_holds() {
    let now = crate::pair::origin();
    let at = |target: fn(&[u8], Instant)| move |data: &[u8]| target(data, now);
    replay("connection_of_a_server", at(fuzzing::connection_of_a_server));
    replay("connection_of_a_client", at(fuzzing::connection_of_a_client));
}

#[test]
fn the_corpus_of_calls_holds() {
    let now = crate::pair::origin();
    replay("calls", |data| fuzzing::calls(data, now));
}

/// More than a corpus holds: calls at random, the same every time.
#[test]
fn whatever_is_called_in_whatever_order_holds() {
    let now = crate::pair::origin();
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    for length in (0..400).chain([2000, 4000]) {
        let data: Vec<u8> = (0..length)
            .map(|_| {
                state ^= state >> 12;
                state ^= state << 25;
                state ^= state >> 27;
                state.wrapping_mul(0x2545_F491_4F6C_DD1D).to_be_bytes()[0]
            })
            .collect();
        fuzzing::calls(&data, now);
    }
}
