//! Joins the frames of a message and remembers how they were cut. The codec has checked that they fit together.

use bytes::{Bytes, BytesMut};
use ws_proto::Fragment;

use crate::workload::{Arrived, Shape};

/// The message that is being received.
#[derive(Debug, Default)]
pub(super) struct Assembly {
    open: Option<(BytesMut, Shape)>,
}

impl Assembly {
    /// Takes the next frame; gives the message when it was the last.
    pub(super) fn push(&mut self, fragment: Fragment) -> Option<Arrived> {
        let Fragment {
            kind, fin, payload, ..
        } = fragment;
        let length = payload.len();
        let Some((mut joined, shape)) = self.open.take() else {
            if fin {
                return Some(Arrived {
                    kind,
                    payload,
                    shape: Shape::starting(length),
                });
            }
            self.open = Some((BytesMut::from(payload), Shape::starting(length)));
            return None;
        };
        joined.extend_from_slice(&payload);
        let shape = shape.followed_by(length);
        if fin {
            return Some(Arrived {
                kind,
                payload: joined.freeze(),
                shape,
            });
        }
        self.open = Some((joined, shape));
        None
    }
}

/// The frames in which a message is sent: its payload cut every `fragment` bytes (0: never), and which is last.
pub(super) fn cut(payload: &Bytes, fragment: usize) -> impl Iterator<Item = (Bytes, bool)> {
    let step = if fragment == 0 { payload.len() } else { fragment }.max(1);
    let frames = payload.len().div_ceil(step).max(1);
    (0..frames).map(move |place| {
        let from = place * step;
        let to = (from + step).min(payload.len());
        (payload.slice(from..to), place + 1 == frames)
    })
}

#[cfg(test)]
mod tests {
    use ws_proto::MessageKind;

    use super::*;

    #[test]
    fn what_is_cut_is_joined_again_in_the_same_shape() {
        for size in [0, 1, 4, 5, 8, 9, 10_000] {
            for fragment in [0, 1, 4, 5, 20_000] {
                let payload: Bytes = (0..size).map(|byte| byte as u8).collect();
                let mut assembly = Assembly::default();
                let mut arrived = None;
                for (place, (payload, fin)) in cut(&payload, fragment).enumerate() {
                    assert_eq!(arrived, None, "the last frame comes last");
                    let kind = MessageKind::Binary;
                    arrived = assembly.push(Fragment {
                        kind,
                        first: place == 0,
                        fin,
                        payload,
                    });
                }
                let shape = Shape::cut(size, fragment);
                let expected = Some(Arrived {
                    kind: MessageKind::Binary,
                    payload,
                    shape,
                });
                assert_eq!(arrived, expected, "{size} by {fragment}");
            }
        }
    }
}
