//! The corpora of the fuzz targets, replayed. What must hold is said in the targets' bodies.
#![expect(clippy::unwrap_used, reason = "what goes wrong in a test fails it")]

use std::path::Path;

use ws_handler::fuzzing;

/// Runs `target` over every file of its corpus.
fn replay(name: &str, target: impl Fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/corpus")
        .join(name);
    let mut files = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        target(&std::fs::read(entry.unwrap().path()).unwrap());
        files += 1;
    }
    assert!(files > 0, "the corpus of {name} is empty");
}

#[test]
fn the_corpus_of_request_heads_holds() {
    replay("request_head", fuzzing::request_head);
}

#[test]
fn the_corpus_of_response_heads_holds() {
    replay("response_head", fuzzing::response_head);
}
