//! The rules about single files: head, length, unsafe code, left-over words.

use crate::workspace::TextFile;

use super::code::code_only;

/// Longest file, its unit tests included.
const LINES: usize = 500;

/// The library that cannot forbid unsafe code; the lints of the workspace deny it everywhere but in [`UNSAFE`].
const MAY_LIFT: &str = "crates/ws-proto/src/lib.rs";

/// Files that may have unsafe code: masking with wide registers, and the counting allocators of tests.
const UNSAFE: [&str; 3] = [
    "crates/ws-proto/src/mask/simd.rs",
    "crates/ws-handler/tests/counting/mod.rs",
    "crates/ws-testkit/tests/catalogue/heap.rs",
];

/// Words that belong to work in progress or to one machine. Written in two parts, so that this file is clean.
const WORDS: [&str; 9] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("to", "do!("),
    concat!("unimple", "mented!("),
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("/Use", "rs/"),
    concat!("../sha", "red"),
];

/// Every Rust file opens with what lives in it.
pub(super) fn heads(files: &[TextFile]) -> Vec<String> {
    let headless = |file: &&TextFile| !file.text.starts_with("//! ");
    rust(files)
        .filter(headless)
        .map(|file| format!("{} does not open with `//!`", file.path))
        .collect()
}

/// No Rust file is longer than can be read in one go.
pub(super) fn lengths(files: &[TextFile]) -> Vec<String> {
    let counted = rust(files).map(|file| (file, file.text.lines().count()));
    let long = counted.filter(|(_, lines)| *lines > LINES);
    long.map(|(file, lines)| format!("{} has {lines} lines, more than {LINES}", file.path))
        .collect()
}

/// Every library forbids unsafe code, but for the one that has some in a single file; beside that, the counting allocators
/// of tests have some.
pub(super) fn unsafe_forbidden(files: &[TextFile]) -> Vec<String> {
    let libraries = rust(files).filter(|file| file.path.ends_with("src/lib.rs") && file.path != MAY_LIFT);
    let open = libraries.filter(|file| !code_only(&file.text).contains("#![forbid(unsafe_code)]"));
    let lacking = open.map(|file| format!("{} lacks #![forbid(unsafe_code)]", file.path));
    let others = rust(files).filter(|file| !UNSAFE.contains(&file.path.as_str()));
    let lifting = others.filter(|file| {
        let code: String = code_only(&file.text).split_whitespace().collect();
        code.contains("expect(unsafe_code") || code.contains("allow(unsafe_code")
    });
    let lifted = lifting.map(|file| format!("{} lifts the ban on unsafe code", file.path));
    lacking.chain(lifted).collect()
}

/// No left-overs in any text file.
pub(super) fn words(files: &[TextFile]) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in files.iter().filter(|file| !file.path.ends_with("Cargo.lock")) {
        for (number, line) in file.text.lines().enumerate() {
            let found = WORDS.iter().filter(|word| holds_word(line, word));
            complaints.extend(found.map(|word| format!("{}:{}: {word}", file.path, number + 1)));
        }
    }
    complaints
}

/// Whether the line holds the word, not as the end of a longer one.
fn holds_word(line: &str, word: &str) -> bool {
    let starts = line
        .match_indices(word)
        .map(|(at, _)| line.get(..at).unwrap_or_default());
    starts
        .into_iter()
        .any(|before| !before.ends_with(|c: char| c.is_alphanumeric() || c == '_'))
}

fn rust(files: &[TextFile]) -> impl Iterator<Item = &TextFile> {
    files.iter().filter(|file| file.path.ends_with(".rs"))
}

#[cfg(test)]
mod tests {
    use super::{LINES, MAY_LIFT, UNSAFE, WORDS, heads, lengths, unsafe_forbidden, words};
    use crate::tidy::sample;

    #[test]
    fn a_rust_file_without_a_head_is_refused() {
        assert!(
            heads(&sample(&[
                ("a.rs", "//! What lives here.\n"),
                ("b.py", "import os\n")
            ]))
            .is_empty()
        );
        for text in ["", "fn main() {}\n", "// no head\n", "\n//! too late\n"] {
            assert_eq!(
                heads(&sample(&[("a.rs", text)])),
                ["a.rs does not open with `//!`"]
            );
        }
    }

    #[test]
    fn a_rust_file_of_501_lines_is_refused() {
        assert!(lengths(&sample(&[("a.rs", &"\n".repeat(LINES))])).is_empty());
        assert_eq!(lengths(&sample(&[("a.rs", &"\n".repeat(LINES + 1))])).len(), 1);
        assert!(lengths(&sample(&[("a.md", &"\n".repeat(LINES + 1))])).is_empty());
    }

    #[test]
    fn a_library_that_does_not_forbid_unsafe_code_is_refused() {
        let good = ("crates/a/src/lib.rs", "//! A.\n#![forbid(unsafe_code)]\n");
        assert!(unsafe_forbidden(&sample(&[good])).is_empty());
        let only_said = ("crates/a/src/lib.rs", "//! A.\n// #![forbid(unsafe_code)]\n");
        assert_eq!(
            unsafe_forbidden(&sample(&[only_said])),
            ["crates/a/src/lib.rs lacks #![forbid(unsafe_code)]"]
        );
    }

    #[test]
    fn the_ban_on_unsafe_code_is_lifted_in_named_files_only() {
        let lift = "#![expect(\n    unsafe_code,\n    reason = \"fast\"\n)]\n";
        let named: Vec<_> = UNSAFE.iter().map(|path| (*path, lift)).collect();
        assert!(unsafe_forbidden(&sample(&named)).is_empty());
        assert!(unsafe_forbidden(&sample(&[(MAY_LIFT, "//! Map.\n")])).is_empty());
        for text in [lift, "#[allow(unsafe_code)]\n"] {
            assert_eq!(
                unsafe_forbidden(&sample(&[("crates/ws-proto/src/utf8.rs", text)])),
                ["crates/ws-proto/src/utf8.rs lifts the ban on unsafe code"]
            );
        }
    }

    #[test]
    fn left_overs_are_found_in_any_file_with_their_line() {
        for word in WORDS {
            let text = format!("first\nsee {word} here\n");
            assert_eq!(
                words(&sample(&[("docs/a.md", &text)])),
                [format!("docs/a.md:2: {word}")]
            );
        }
        let fine = [
            ("a.md", concat!("mas", "TO", "DON network", "/ro", "ot of all\n")),
            ("Cargo.lock", WORDS[0]),
        ];
        assert!(words(&sample(&fine)).is_empty());
    }
}
