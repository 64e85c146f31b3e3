//! The extensions of one connection, in the order of the negotiation, and what each direction makes of them.
//!
//! RFC 6455 §9.1: with "foo, bar" in the response, what is sent goes through foo first, then bar; what is received
//! the other way round.

use std::fmt;
use std::sync::Arc;

#[cfg(not(feature = "deflate"))]
use super::absent::{Compressor, Decompressor};
#[cfg(feature = "deflate")]
use super::deflate::{CodecPool, Compressor, Decompressor, DeflateAgreement, PERMESSAGE_DEFLATE};
use super::frames::{ExtensionFrame, FrameDecoder, FrameEncoder, FrameExtension};
use super::reserved::{ReservedBits, ReservedBitsTaken, ReservedOwners};
use crate::error::ProtocolError;
use crate::frame::Opcode;

/// What a handshake agreed on, as a connection needs it. Empty for nearly everybody.
#[derive(Clone, Default)]
pub struct Extensions {
    list: Vec<Agreed>,
    owners: ReservedOwners,
    #[cfg(feature = "deflate")]
    pool: Option<&'static dyn CodecPool>,
}

#[derive(Debug, Clone)]
enum Agreed {
    #[cfg(feature = "deflate")]
    Deflate(DeflateAgreement),
    Frames(ReservedBits, Arc<dyn FrameExtension>),
}

impl Extensions {
    /// None.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds permessage-deflate behind those that are there. It owns RSV1 (RFC 7692 §6).
    ///
    /// # Errors
    /// RSV1 has an owner already; nothing is added then.
    #[cfg(feature = "deflate")]
    pub fn add_deflate(&mut self, agreement: DeflateAgreement) -> Result<(), ReservedBitsTaken> {
        self.owners.claim(ReservedBits::RSV1, PERMESSAGE_DEFLATE)?;
        self.list.push(Agreed::Deflate(agreement));
        Ok(())
    }

    /// Adds an extension that works on frames behind those that are there. It owns `bits`.
    ///
    /// # Errors
    /// One of the bits has an owner already (RFC 6455 §9.1); nothing is added then.
    pub fn add_frames(
        &mut self,
        name: &str,
        bits: ReservedBits,
        extension: Arc<dyn FrameExtension>,
    ) -> Result<(), ReservedBitsTaken> {
        self.owners.claim(bits, name)?;
        self.list.push(Agreed::Frames(bits, extension));
        Ok(())
    }

    /// Where codecs come from and go to between messages. Default: each connection makes its own.
    #[cfg(feature = "deflate")]
    #[must_use]
    pub fn with_pool(mut self, pool: &'static dyn CodecPool) -> Self {
        self.pool = Some(pool);
        self
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Every reserved bit that has an owner.
    #[must_use]
    pub fn reserved(&self) -> ReservedBits {
        self.owners.claimed()
    }

    /// What was agreed about permessage-deflate, if it is in use.
    #[cfg(feature = "deflate")]
    #[must_use]
    pub fn deflate(&self) -> Option<&DeflateAgreement> {
        self.list.iter().find_map(|agreed| match agreed {
            Agreed::Deflate(agreement) => Some(agreement),
            Agreed::Frames(..) => None,
        })
    }

    /// Which reserved bits received frames may carry: those of extensions that look at received frames.
    pub(crate) fn legal(&self) -> LegalBits {
        let mut legal = LegalBits::default();
        for agreed in &self.list {
            match agreed {
                // RFC 7692 §6.1: the bit is set on the first frame of a message and on no other.
                #[cfg(feature = "deflate")]
                Agreed::Deflate(_) => legal.first = legal.first | ReservedBits::RSV1,
                Agreed::Frames(bits, extension) if extension.decoder().is_some() => {
                    legal.first = legal.first | *bits;
                    legal.later = legal.later | *bits;
                }
                Agreed::Frames(..) => {}
            }
        }
        legal
    }

    /// The receiving direction of one connection; `None` if there is nothing to do.
    pub(crate) fn incoming(&self) -> Option<Box<Incoming>> {
        let mut incoming = Incoming::default();
        for agreed in &self.list {
            match agreed {
                #[cfg(feature = "deflate")]
                Agreed::Deflate(agreement) => {
                    incoming.deflate = Some(Decompressor::new(agreement, self.pool));
                }
                Agreed::Frames(_, extension) => {
                    if let Some(decoder) = extension.decoder() {
                        let outer = incoming.deflate.is_some();
                        let frames = incoming.frames.get_or_insert_default();
                        let list = if outer {
                            &mut frames.outer
                        } else {
                            &mut frames.inner
                        };
                        list.push(decoder);
                    }
                }
            }
        }
        // What is received goes the other way round.
        if let Some(frames) = &mut incoming.frames {
            frames.inner.reverse();
            frames.outer.reverse();
        }
        incoming.legal = self.legal();
        (incoming.deflate.is_some() || incoming.gathers()).then(|| Box::new(incoming))
    }

    /// The sending direction of one connection; `None` if there is nothing to do.
    pub(crate) fn outgoing(&self) -> Option<Box<Outgoing>> {
        let mut outgoing = Outgoing::default();
        for agreed in &self.list {
            match agreed {
                #[cfg(feature = "deflate")]
                Agreed::Deflate(agreement) => outgoing.deflate = Some(Compressor::new(agreement, self.pool)),
                Agreed::Frames(_, extension) => {
                    if let Some(encoder) = extension.encoder() {
                        let outer = outgoing.deflate.is_some();
                        let frames = outgoing.frames.get_or_insert_default();
                        let list = if outer {
                            &mut frames.outer
                        } else {
                            &mut frames.inner
                        };
                        list.push(encoder);
                    }
                }
            }
        }
        (outgoing.deflate.is_some() || outgoing.has_frames()).then(|| Box::new(outgoing))
    }
}

impl fmt::Debug for Extensions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.list).finish()
    }
}

/// The same extensions in the same order. Two that work on frames are the same if they are one object.
impl PartialEq for Extensions {
    fn eq(&self, other: &Self) -> bool {
        self.list == other.list && self.owners == other.owners
    }
}

impl Eq for Extensions {}

impl PartialEq for Agreed {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            #[cfg(feature = "deflate")]
            (Self::Deflate(one), Self::Deflate(two)) => one == two,
            (Self::Frames(_, one), Self::Frames(_, two)) => Arc::ptr_eq(one, two),
            #[cfg(feature = "deflate")]
            _ => false,
        }
    }
}

/// The reserved bits that data frames may carry: the first of a message, and those after it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct LegalBits {
    pub(crate) first: ReservedBits,
    pub(crate) later: ReservedBits,
}

/// What is done to received frames. All that a connection remembers of it between messages.
#[derive(Default)]
pub(crate) struct Incoming {
    pub(crate) deflate: Option<Decompressor>,
    /// Extensions beside permessage-deflate; `None` for nearly everybody.
    frames: Option<Box<IncomingFrames>>,
    /// The reserved bits that received frames may carry.
    pub(crate) legal: LegalBits,
    /// Bytes that came out of the open message so far: never above the message limit.
    pub(crate) made: usize,
}

/// Extensions that see received frames whole.
#[derive(Default)]
struct IncomingFrames {
    /// Between the wire and permessage-deflate, in the order of application.
    outer: Vec<Box<dyn FrameDecoder>>,
    /// Between permessage-deflate and the application.
    inner: Vec<Box<dyn FrameDecoder>>,
    /// The payload of the frame that is being gathered.
    gathered: Vec<u8>,
}

impl Incoming {
    /// Whether frames must be whole before anything is made of them.
    pub(crate) fn gathers(&self) -> bool {
        self.frames.is_some()
    }

    /// Keeps a part of a frame until it is whole.
    pub(crate) fn gather(&mut self, part: &[u8]) {
        if let Some(frames) = &mut self.frames {
            frames.gathered.extend_from_slice(part);
        }
    }

    /// Bytes that are gathered.
    pub(crate) fn gathered(&self) -> usize {
        self.frames.as_ref().map_or(0, |frames| frames.gathered.len())
    }

    /// The frame that is whole now.
    pub(crate) fn take_gathered(&mut self) -> Vec<u8> {
        let frames = self.frames.as_mut();
        frames.map_or_else(Vec::new, |frames| std::mem::take(&mut frames.gathered))
    }

    /// Bytes of compressed messages so far, both ways of counting: on the wire, and inflated.
    pub(crate) fn inflated_bytes(&self) -> (u64, u64) {
        self.deflate.as_ref().map_or((0, 0), |deflate| deflate.counted())
    }

    /// Whether a frame with these bits begins a compressed message.
    pub(crate) fn begins_compressed(&self, reserved: ReservedBits) -> bool {
        self.deflate.is_some() && reserved.contains(ReservedBits::RSV1)
    }

    /// Nothing more comes of the message that is open.
    pub(crate) fn abandon(&mut self) {
        drop(self.take_gathered());
        if let Some(deflate) = &mut self.deflate {
            deflate.abandon();
        }
    }

    /// Undoes every extension on a whole frame, which then is what the application sees. `limit`: bytes that the
    /// message may still have.
    pub(crate) fn decode(
        &mut self,
        frame: &mut ExtensionFrame,
        compressed: bool,
        limit: usize,
    ) -> Result<(), ProtocolError> {
        if let Some(frames) = &mut self.frames {
            undo(&mut frames.outer, frame, limit)?;
        }
        if let (true, Some(deflate)) = (compressed, &mut self.deflate) {
            let mut inflated: Vec<u8> = Vec::new();
            let mut sink = |piece: &[u8]| {
                if piece.len() > limit - inflated.len().min(limit) {
                    return Err(ProtocolError::MessageTooBig);
                }
                // As the assembly buffer grows: doubling would take up to twice the limit.
                let wanted = inflated.len() + piece.len();
                if wanted > inflated.capacity() {
                    let room = (inflated.capacity() * 2).min(limit).max(wanted);
                    inflated.reserve_exact(room - inflated.len());
                }
                inflated.extend_from_slice(piece);
                Ok(())
            };
            deflate.push(&frame.payload, usize::MAX, &mut sink)?;
            if frame.fin {
                deflate.finish(usize::MAX, &mut sink)?;
            }
            frame.payload = inflated;
            frame.reserved = frame.reserved.without(ReservedBits::RSV1);
        }
        if let Some(frames) = &mut self.frames {
            undo(&mut frames.inner, frame, limit)?;
        }
        // A bit whose owner did not understand it here has no meaning (RFC 6455 §5.2).
        if frame.reserved.is_empty() {
            Ok(())
        } else {
            Err(ProtocolError::ReservedBits)
        }
    }
}

fn undo(
    decoders: &mut [Box<dyn FrameDecoder>],
    frame: &mut ExtensionFrame,
    limit: usize,
) -> Result<(), ProtocolError> {
    for decoder in decoders {
        decoder.decode(frame, limit)?;
        if frame.payload.len() > limit {
            return Err(ProtocolError::MessageTooBig);
        }
    }
    Ok(())
}

impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming").finish_non_exhaustive()
    }
}

/// What is done to frames that are sent.
#[derive(Default)]
pub(crate) struct Outgoing {
    pub(crate) deflate: Option<Compressor>,
    /// Extensions beside permessage-deflate; `None` for nearly everybody.
    frames: Option<Box<OutgoingFrames>>,
}

/// Extensions that see frames before they are sent.
#[derive(Default)]
struct OutgoingFrames {
    /// Between the application and permessage-deflate, in the order of application.
    inner: Vec<Box<dyn FrameEncoder>>,
    /// Between permessage-deflate and the wire.
    outer: Vec<Box<dyn FrameEncoder>>,
}

impl Outgoing {
    /// Whether an extension other than permessage-deflate wants to see frames.
    pub(crate) fn has_frames(&self) -> bool {
        self.frames.is_some()
    }

    /// Sends `frame` through every extension; what comes out goes to `next`.
    pub(crate) fn encode(
        &mut self,
        frame: ExtensionFrame,
        compressed: bool,
        next: &mut dyn FnMut(ExtensionFrame),
    ) {
        let Self { deflate, frames } = self;
        let (inner, outer): (&mut [_], &mut [_]) = match frames.as_deref_mut() {
            Some(OutgoingFrames { inner, outer }) => (inner, outer),
            None => (&mut [], &mut []),
        };
        pass(inner, frame, &mut |mut frame| {
            if let (true, Some(deflate)) = (compressed, &mut *deflate) {
                let mut payload = Vec::new();
                deflate.compress(&frame.payload, frame.fin, &mut payload);
                frame.payload = payload;
                if frame.opcode != Opcode::Continuation {
                    frame.reserved = frame.reserved | ReservedBits::RSV1;
                }
            }
            pass(outer, frame, next);
        });
    }
}

fn pass(encoders: &mut [Box<dyn FrameEncoder>], frame: ExtensionFrame, next: &mut dyn FnMut(ExtensionFrame)) {
    match encoders {
        [] => next(frame),
        [first, rest @ ..] => first.encode(frame, &mut |frame| pass(rest, frame, next)),
    }
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing").finish_non_exhaustive()
    }
}
