//! Frames that are written to the transport past the queue, while there is nothing in it.
//!
//! Not here: who writes them (`ws_handler::Bypass`), how they are encoded (`prepared`).

use bytes::Bytes;

use super::SendPath;
use super::closing::Closing;

impl SendPath {
    /// Whether the [frame](super::PreparedMessage::frame) of a prepared message may be written to the transport past this
    /// path, because it would be the next thing written anyway, byte for byte: nothing is queued, no message of
    /// fragments is open (RFC 6455 §5.4), no Close frame was sent (RFC 6455 §5.5.1), and the frame needs neither a mask
    /// (RFC 6455 §5.3) nor an extension.
    ///
    /// Whoever writes so must hold this path still meanwhile, and report a rest with
    /// [`handle_bypassed`](Self::handle_bypassed) before anything else is queued.
    #[must_use]
    pub fn may_be_bypassed(&self) -> bool {
        matches!(self.closing, Closing::Open)
            && self.open_message.is_none()
            && self.masks.is_none()
            && self.extensions.is_none()
            && !self.has_output()
    }

    /// Of a frame that was written past this path the transport took only a part: the `rest` goes before everything else.
    pub fn handle_bypassed(&mut self, rest: Bytes) {
        self.queue.push_shared(rest);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Buf;

    use super::*;
    use crate::code::CloseCode;
    use crate::config::Config;
    use crate::ext::{Extensions, FragmentExtension, ReservedBits};
    use crate::mask::MaskKey;
    use crate::message::MessageKind;
    use crate::send::PreparedMessage;

    fn server() -> SendPath {
        SendPath::server(Arc::new(Config::server()))
    }

    #[test]
    fn a_path_with_something_to_say_first_is_not_bypassed() {
        let mut send = server();
        assert!(send.may_be_bypassed());
        send.text("Hello").unwrap();
        assert!(!send.may_be_bypassed(), "something is queued");
        send.advance(7);
        assert!(send.may_be_bypassed());
        send.send_fragment(MessageKind::Text, b"x", false).unwrap();
        send.advance(3);
        assert!(!send.may_be_bypassed(), "a message is open");
        send.send_fragment(MessageKind::Text, b"", true).unwrap();
        send.advance(2);
        assert!(send.may_be_bypassed());
        send.close(Some((CloseCode::NORMAL, ""))).unwrap();
        send.advance(send.remaining());
        assert!(!send.may_be_bypassed(), "a Close frame was the last");
    }

    #[test]
    fn frames_that_are_masked_or_changed_go_the_usual_way() {
        let masks = || MaskKey([1; 4]);
        let client = SendPath::client(Arc::new(Config::client()), Box::new(masks));
        assert!(!client.may_be_bypassed());
        let mut extensions = Extensions::new();
        assert!(server().with_extensions(&extensions).may_be_bypassed());
        extensions
            .add_frames(
                "fragment",
                ReservedBits::NONE,
                Arc::new(FragmentExtension::new(Some(100), 1)),
            )
            .unwrap();
        assert!(!server().with_extensions(&extensions).may_be_bypassed());
    }

    #[test]
    fn the_rest_of_a_frame_comes_before_everything_else() {
        let mut send = server();
        let frame = PreparedMessage::text("Hello").frame().clone();
        send.handle_bypassed(frame.slice(3..));
        assert!(!send.may_be_bypassed());
        send.text("x").unwrap();
        let mut written = Vec::new();
        while send.has_output() {
            written.extend_from_slice(send.chunk());
            send.advance(send.chunk().len());
        }
        assert_eq!(written, b"ello\x81\x01x");
    }
}
