//! The usual message in one go: whole, uncompressed, too short to be lent, from a server that waits for nothing. What
//! could stand against it is asked all at once; whatever is not of this kind takes the general way, which also knows
//! what to say if it is wrong.

use crate::copy::append;
use crate::frame::MAX_CONTROL_PAYLOAD;
use crate::message::MessageKind;

use super::closing::Closing;
use super::{LARGE_PAYLOAD, SendPath};

/// FIN (RFC 6455 §5.2).
const FIN: u8 = 0x80;
/// The length follows in two bytes (RFC 6455 §5.2).
const MEDIUM: u8 = 126;

impl SendPath {
    /// Queues a whole message of less than [`LARGE_PAYLOAD`] bytes, if nothing has to be waited for, made or worked out
    /// first: the path has memory and is not above its soft limit, no extension was agreed on, this is a server, it is
    /// open, and no message of fragments is. `false`: nothing was done; the other verbs take any message.
    #[inline]
    #[must_use]
    pub fn short_message(&mut self, kind: MessageKind, payload: &[u8]) -> bool {
        let plain = self.masks.is_none() && self.extensions.is_none();
        let open = matches!(self.closing, Closing::Open) && self.open_message.is_none();
        if payload.len() >= LARGE_PAYLOAD || !plain || !open {
            return false;
        }
        let Some(chunk) = self
            .queue
            .short_tail(4 + payload.len(), self.config.limits.soft_queue)
        else {
            return false;
        };
        // RFC 6455 §5.2: one byte of length up to 125, two more above; both hold any length below `LARGE_PAYLOAD`.
        let first = FIN | kind.opcode().bits();
        if payload.len() <= MAX_CONTROL_PAYLOAD {
            chunk.extend_from_slice(&[first, payload.len() as u8]);
            chunk.extend_from_slice(payload);
        } else {
            let [high, low] = (payload.len() as u16).to_be_bytes();
            chunk.extend_from_slice(&[first, MEDIUM, high, low]);
            append(chunk, payload);
        }
        self.data_frames = self.data_frames.wrapping_add(1);
        true
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Buf;

    use crate::config::Config;
    use crate::mask::MaskKey;
    use crate::message::MessageKind;
    use crate::send::{LARGE_PAYLOAD, SendMemory, SendPath};

    /// What was used and is empty again.
    fn memory() -> SendMemory {
        let mut send = SendPath::server(Arc::new(Config::server()));
        send.binary(&[0; 200]).unwrap();
        send.advance(send.remaining());
        send.detach().unwrap()
    }

    fn with_memory(mut send: SendPath) -> SendPath {
        assert!(send.attach(memory()).is_none());
        send
    }

    fn server() -> SendPath {
        with_memory(SendPath::server(Arc::new(Config::server())))
    }

    /// Nothing was queued, and nothing counted.
    fn refuses(mut send: SendPath, payload: &[u8]) {
        let before = (send.queued_bytes(), send.data_frames());
        assert!(!send.short_message(MessageKind::Binary, payload));
        assert_eq!((send.queued_bytes(), send.data_frames()), before);
    }

    #[test]
    fn it_queues_what_the_general_way_queues() {
        for len in (0..=127).chain([1024, 1025, 4096, 16_383]) {
            let (mut short, mut general) = (server(), server());
            let text = "x".repeat(len);
            assert!(short.short_message(MessageKind::Text, text.as_bytes()));
            assert!(short.short_message(MessageKind::Binary, text.as_bytes()));
            general
                .send_fragment(MessageKind::Text, text.as_bytes(), true)
                .unwrap();
            general
                .send_fragment(MessageKind::Binary, text.as_bytes(), true)
                .unwrap();
            assert_eq!(short.chunk(), general.chunk());
            assert_eq!(short.data_frames(), 2);
        }
    }

    #[test]
    fn what_is_not_of_its_kind_is_left_alone() {
        refuses(server(), &[0; LARGE_PAYLOAD]);
        refuses(SendPath::server(Arc::new(Config::server())), b"without memory");
        let masks = || MaskKey([1; 4]);
        refuses(
            with_memory(SendPath::client(Arc::new(Config::client()), Box::new(masks))),
            b"masked",
        );
        let mut open = server();
        open.send_fragment(MessageKind::Text, b"a", false).unwrap();
        refuses(open, b"amid another");
        let mut closed = server();
        closed.close(None).unwrap();
        refuses(closed, b"after Close");
    }

    #[test]
    fn it_waits_like_others_above_the_soft_limit() {
        let mut config = Config::server();
        config.limits.soft_queue = 10;
        let mut send = with_memory(SendPath::server(Arc::new(config)));
        assert!(send.short_message(MessageKind::Binary, &[0; 8]));
        assert!(!send.above_soft_limit(), "10 bytes are not above 10");
        assert!(send.short_message(MessageKind::Binary, b""));
        assert!(send.above_soft_limit());
        refuses(send, b"");
    }
}
