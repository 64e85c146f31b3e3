//! How far back references of a received message reach while it is inflated (RFC 7692 §7.1.2). What may be referred to
//! from one message to the next is in `receive`.

use super::receive::{BINARY, all, corrupt, frame, reference, server, stored};
use super::{Terms, noise};
use crate::pair::Seen;

/// Looser than the RFC: the backend has no window below 32 KiB, so inside one message what is in hand can be referred
/// to. Beyond that, or beyond the beginning, nothing can.
#[test]
fn inside_one_message_references_reach_what_is_in_hand() {
    let length = 40_000;
    for takeover in [true, false] {
        for bits in 8..=15 {
            let window = 1 << bits;
            let beyond = (bits < 15).then_some(window + 1);
            for distance in [window, 32_768].into_iter().chain(beyond) {
                let bytes = noise(length, 5);
                let payload = [stored(&bytes), reference(distance)].concat();
                let mut path = server(Terms::of(bits, takeover), |_| {});
                let seen = all(&mut path, &frame(BINARY, &payload));
                let start = length - distance;
                let whole = [&bytes, &bytes[start..start + 3]].concat();
                assert!(seen == [Seen::Binary(whole)], "{bits} bits, distance {distance}");
            }
        }
        // Before the first byte of the first message.
        let payload = [stored(&noise(100, 5)), reference(101)].concat();
        let seen = all(
            &mut server(Terms::of(12, takeover), |_| {}),
            &frame(BINARY, &payload),
        );
        assert_eq!(seen, corrupt());
    }
}
