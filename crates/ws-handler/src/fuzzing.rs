//! Bodies of fuzz targets, run on random input by `crates/ws-fuzz` and on the saved corpus by `cargo test`. Each holds a
//! property, and panics when it does not hold. No part of the public API.

use crate::handshake::{ServerHandshake, is_upgrade_attempt};
use crate::http1::{HeadLimits, HeadReader};

/// Small limits, so that short inputs reach them.
const LIMITS: HeadLimits = HeadLimits {
    total: 1024,
    first_line: 256,
    headers: 16,
};

/// Feeds `bytes` in pieces of `size` until `next` has a result, as text; with what is left over then.
fn outcome<T: std::fmt::Debug, E: std::fmt::Debug>(
    bytes: &[u8],
    size: usize,
    next: impl Fn(&mut HeadReader) -> Result<Option<T>, E>,
) -> (String, Option<Vec<u8>>) {
    let mut reader = HeadReader::new(LIMITS);
    let mut pieces = bytes.chunks(size.max(1));
    while let Some(piece) = pieces.next() {
        reader.handle_data(piece);
        match next(&mut reader) {
            Ok(None) => {}
            Ok(Some(head)) => {
                let mut rest = reader.into_leftover().to_vec();
                pieces.for_each(|piece| rest.extend_from_slice(piece));
                return (format!("{head:?}"), Some(rest));
            }
            Err(error) => return (format!("{error:?}"), None),
        }
    }
    ("incomplete".to_owned(), None)
}

/// Whole or cut, the head is the same and nothing behind it is lost; the judgement on it does not panic, and takes no
/// upgrade that is none.
pub fn request_head(data: &[u8]) {
    let Some((size, bytes)) = data.split_first() else {
        return;
    };
    let next = |reader: &mut HeadReader| {
        let head = reader.next_request()?;
        if let Some(head) = &head {
            // As its lines say it, and as the map of its headers does.
            let accepted = ServerHandshake::new().accept(head).map(drop);
            assert_eq!(accepted, ServerHandshake::new().accept(head.request()).map(drop));
            assert_eq!(
                head.is_upgrade_attempt(),
                is_upgrade_attempt(head.request().headers())
            );
            assert!(accepted.is_err() || head.is_upgrade_attempt());
        }
        Ok::<_, crate::error::HeadError>(head.map(|head| head.into_request()))
    };
    let whole = outcome(bytes, bytes.len(), next);
    assert_eq!(
        whole,
        outcome(bytes, usize::from(*size), next),
        "it depends on the cut"
    );
    assert_eq!(whole, outcome(bytes, 1, next), "it depends on the cut");
}

/// As [`request_head`], of responses.
pub fn response_head(data: &[u8]) {
    let Some((size, bytes)) = data.split_first() else {
        return;
    };
    let whole = outcome(bytes, bytes.len(), HeadReader::next_response);
    let cut = outcome(bytes, usize::from(*size), HeadReader::next_response);
    assert_eq!(whole, cut, "it depends on the cut");
    assert_eq!(
        whole,
        outcome(bytes, 1, HeadReader::next_response),
        "it depends on the cut"
    );
}
