//! Extensions of a user's own: what they are asked for, frame by frame (RFC 6455 §9).
//!
//! Not here: how they are negotiated (outside this crate), in which order they are asked (`chain`). Control frames
//! are shown to no extension.

use std::fmt;

use super::reserved::ReservedBits;
use crate::error::ProtocolError;
use crate::frame::Opcode;

/// One data frame on its way through extensions, unmasked, its payload complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtensionFrame {
    /// Text, binary or continuation.
    pub opcode: Opcode,
    /// Whether it is the last frame of its message.
    pub fin: bool,
    /// Its reserved bits. Whoever owns a bit sets it on the way out and clears it on the way in.
    pub reserved: ReservedBits,
    /// The payload.
    pub payload: Vec<u8>,
}

/// A negotiated extension that works on frames: makes what each connection needs of it.
///
/// ```
/// use ws_proto::{ExtensionFrame, FrameDecoder, FrameEncoder, FrameExtension, ProtocolError};
///
/// /// Turns every byte around.
/// #[derive(Debug)]
/// struct Inverted;
///
/// impl FrameExtension for Inverted {
///     fn encoder(&self) -> Option<Box<dyn FrameEncoder>> {
///         Some(Box::new(Self))
///     }
///     fn decoder(&self) -> Option<Box<dyn FrameDecoder>> {
///         Some(Box::new(Self))
///     }
/// }
///
/// impl FrameEncoder for Inverted {
///     fn encode(&mut self, mut frame: ExtensionFrame, next: &mut dyn FnMut(ExtensionFrame)) {
///         frame.payload.iter_mut().for_each(|byte| *byte = !*byte);
///         next(frame);
///     }
/// }
///
/// impl FrameDecoder for Inverted {
///     fn decode(&mut self, frame: &mut ExtensionFrame, _limit: usize) -> Result<(), ProtocolError> {
///         frame.payload.iter_mut().for_each(|byte| *byte = !*byte);
///         Ok(())
///     }
/// }
/// ```
pub trait FrameExtension: fmt::Debug + Send + Sync {
    /// What it does to frames that are sent on one connection; `None`: nothing.
    fn encoder(&self) -> Option<Box<dyn FrameEncoder>>;

    /// What it does to frames that are received on one connection; `None`: nothing. With a decoder every data
    /// frame is gathered whole before anything is made of it.
    fn decoder(&self) -> Option<Box<dyn FrameDecoder>>;
}

/// The sending half of an extension on one connection.
pub trait FrameEncoder: Send {
    /// Gives `frame`, changed or not, or several frames for it, to `next`, in order. At least one; the last one with
    /// the FIN bit of `frame`, the others without; the first one with its opcode, the others continuations.
    fn encode(&mut self, frame: ExtensionFrame, next: &mut dyn FnMut(ExtensionFrame));
}

/// The receiving half of an extension on one connection.
pub trait FrameDecoder: Send {
    /// Undoes what the peer's half did to `frame`, and clears the reserved bits it understood. Opcode and FIN stay.
    /// The payload must not grow above `limit` bytes: stop there.
    ///
    /// # Errors
    /// The peer broke a rule: [`ProtocolError::MessageTooBig`] above `limit`, [`ProtocolError::CompressedData`] for
    /// content that makes no sense.
    fn decode(&mut self, frame: &mut ExtensionFrame, limit: usize) -> Result<(), ProtocolError>;
}
