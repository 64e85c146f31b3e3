//! What a connection tells its owner, borrowed from the input or the assembly buffer.

use crate::frame::CloseEvent;
use crate::message::MessageKind;

/// Something that arrived and passed every check. The payload is valid until the next call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'a> {
    /// A whole text message. Under [`Delivery::Message`](crate::Delivery::Message) only.
    Text(&'a str),
    /// A whole binary message. Under [`Delivery::Message`](crate::Delivery::Message) only.
    Binary(&'a [u8]),
    /// One data frame. Under [`Delivery::Fragment`](crate::Delivery::Fragment) only.
    Fragment(FragmentEvent<'a>),
    /// A ping; it wants a pong with the same payload (RFC 6455 §5.5.2).
    Ping(&'a [u8]),
    /// A pong (RFC 6455 §5.5.3).
    Pong(&'a [u8]),
    /// The peer's Close frame; `None` if its payload was empty (RFC 6455 §5.5.1). It is the last event: all
    /// input after it is discarded.
    Close(Option<CloseEvent<'a>>),
}

/// One data frame of a message, unmasked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FragmentEvent<'a> {
    /// The kind of the message that the frame belongs to.
    pub kind: MessageKind,
    /// Whether it is the first frame of its message.
    pub first: bool,
    /// Whether it is the last frame of its message.
    pub fin: bool,
    /// The whole payload; of text it may begin and end inside a character.
    pub payload: &'a [u8],
}
