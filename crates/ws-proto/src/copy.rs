//! Copying payloads. One thing only: long copies are made in pieces.
//!
//! From 2 KiB on glibc's `memcpy` uses `rep movsb`, and on current AMD cores that crawls (a tenth of the speed) when
//! source and destination stand a few bytes apart modulo a page. Ours do as a rule: payloads follow headers of a few
//! bytes in page-aligned buffers. Pieces below 2 KiB are copied with vector instructions (docs/PERFORMANCE.md).

use crate::steps;

/// Bytes in a piece.
const PIECE: usize = 1024;

/// Appends `bytes` to `buffer`.
#[inline]
pub(crate) fn append(buffer: &mut Vec<u8>, bytes: &[u8]) {
    steps::steps(bytes.len());
    if bytes.len() <= PIECE {
        return buffer.extend_from_slice(bytes);
    }
    buffer.reserve(bytes.len());
    for piece in bytes.chunks(PIECE) {
        buffer.extend_from_slice(piece);
    }
}

/// Appends `text` to `buffer`.
#[inline]
pub(crate) fn append_text(buffer: &mut String, text: &str) {
    steps::steps(text.len());
    buffer.reserve(text.len());
    let mut rest = text;
    while rest.len() > PIECE {
        // A character has at most four bytes, so one of these is a boundary.
        let cut = (PIECE - 3..=PIECE)
            .find(|at| rest.is_char_boundary(*at))
            .unwrap_or(rest.len());
        let (piece, after) = rest.split_at(cut);
        buffer.push_str(piece);
        rest = after;
    }
    buffer.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::{append, append_text};

    #[test]
    fn nothing_is_lost_at_any_length() {
        let bytes: Vec<u8> = (0..5000_u32).map(|n| n.to_le_bytes()[0]).collect();
        let text: String = "aé€😀".chars().cycle().take(2000).collect();
        for length in [0, 1, 1023, 1024, 1025, 2048, 5000] {
            let mut copy = b"before".to_vec();
            append(&mut copy, &bytes[..length]);
            assert_eq!(copy, [b"before", &bytes[..length]].concat());
            let end = (0..=length.min(text.len()))
                .rev()
                .find(|at| text.is_char_boundary(*at))
                .unwrap();
            let mut copy = String::from("before");
            append_text(&mut copy, &text[..end]);
            assert_eq!(copy, format!("before{}", &text[..end]));
        }
    }
}
