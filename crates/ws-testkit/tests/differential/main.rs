//! Frames that tungstenite, too, has judged.

mod judged_alike;

use std::path::Path;

use judged_alike::judged_alike;

#[test]
fn the_corpus_of_differences_holds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/differential");
    let mut files = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        judged_alike(&std::fs::read(entry.unwrap().path()).unwrap());
        files += 1;
    }
    assert!(files >= 20, "{files} files in the corpus");
}
