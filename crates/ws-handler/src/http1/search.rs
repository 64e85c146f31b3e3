//! Looking for the bytes that end a line or have no place in it, eight at a time.

/// One in each of eight bytes.
const ONES: u64 = u64::from_ne_bytes([1; 8]);
/// The highest bit of each.
const HIGHEST: u64 = ONES << 7;

/// Where the first byte below `limit` (at most 128) is.
pub(super) fn position_below(bytes: &[u8], limit: u8) -> Option<usize> {
    position(bytes, |byte| byte < limit, |eight| below(eight, limit))
}

/// Where the first `wanted` is.
pub(super) fn position_of(bytes: &[u8], wanted: u8) -> Option<usize> {
    position(
        bytes,
        |byte| byte == wanted,
        |eight| below(eight ^ (ONES * u64::from(wanted)), 1),
    )
}

/// Where the first control character is: a byte below a space, or DEL. RFC 5234 appendix B.1.
pub(super) fn position_of_control(bytes: &[u8]) -> Option<usize> {
    position(
        bytes,
        |byte| byte.is_ascii_control(),
        |eight| below(eight, b' ') | below(eight ^ (ONES * 0x7f), 1),
    )
}

/// Where the first byte is that is wanted. `in_eight` marks the wanted ones among eight bytes by their highest bit; what it
/// marks behind the first one does not matter.
fn position(bytes: &[u8], wanted: impl Fn(u8) -> bool, in_eight: impl Fn(u64) -> u64) -> Option<usize> {
    let mut rest = bytes;
    while let Some((eight, behind)) = rest.split_first_chunk() {
        let marks = in_eight(u64::from_le_bytes(*eight));
        if marks != 0 {
            return Some(bytes.len() - rest.len() + marks.trailing_zeros() as usize / 8);
        }
        rest = behind;
    }
    let at = rest.iter().position(|byte| wanted(*byte))?;
    Some(bytes.len() - rest.len() + at)
}

/// Marks the bytes below `limit`. Subtracting borrows from the next byte only where there is one, so the first mark is
/// right.
fn below(eight: u64, limit: u8) -> u64 {
    eight.wrapping_sub(ONES * u64::from(limit)) & !eight & HIGHEST
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_a_loop_finds() {
        let mut random = 1_u64;
        let mut bytes = [0_u8; 40];
        for round in 0..20_000 {
            for byte in &mut bytes {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let any = (random >> 56) as u8;
                // Mostly letters, so that the first one is anywhere.
                *byte = if random >> 33 & 31 < 30 {
                    b'a' + any % 26
                } else {
                    any
                };
            }
            let bytes = &bytes[..round % 41];
            for limit in [1, 14, 32, 128] {
                let expected = bytes.iter().position(|byte| *byte < limit);
                assert_eq!(position_below(bytes, limit), expected, "{}", bytes.escape_ascii());
            }
            for wanted in [b'a', 0, 255] {
                let expected = bytes.iter().position(|byte| *byte == wanted);
                assert_eq!(position_of(bytes, wanted), expected, "{}", bytes.escape_ascii());
            }
            let expected = bytes.iter().position(u8::is_ascii_control);
            assert_eq!(position_of_control(bytes), expected, "{}", bytes.escape_ascii());
        }
        for byte in 0..=u8::MAX {
            let bytes = [b'a', byte, b'b', b'c', b'd', b'e', b'f', b'g'];
            assert_eq!(position_of_control(&bytes) == Some(1), byte.is_ascii_control());
            assert_eq!(position_below(&bytes, b'a') == Some(1), byte < b'a');
        }
    }
}
