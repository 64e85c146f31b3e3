//! RFC 6455 WebSocket framing and connection state, sans-IO.
//!
//! Bytes go in, [events](Event) and bytes come out. There is no socket, task, clock or source of randomness
//! in this crate: the time (`now`) and the [mask generator](MaskGen) are parameters, so a whole connection can
//! be replayed in a test. HTTP is not here either; the opening handshake lives in `ws-handler`.
//!
//! Modules are listed in layers, lowest first; a module uses only layers above its own line.
#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

// 1: words of the RFC; steps of parsers
mod code;
mod role;
mod steps;

// 2: who erred
mod error;

// 3: payload bytes
mod copy;
mod mask;
mod utf8;

// 4: one frame
mod frame;

// 5: extensions
mod ext;

// 6: messages and configuration
mod config;
mod message;

// 7: the two machines
mod recv;
mod send;

// 8: the two glued, with time and the end of TCP
mod connection;

// 9: for tokio-util's `Framed`; bodies of fuzz targets
#[cfg(feature = "codec")]
mod codec;
#[doc(hidden)]
pub mod fuzzing;

pub use code::CloseCode;
#[cfg(feature = "codec")]
pub use codec::{CodecError, Received, WebSocketCodec};
pub use config::{Config, Delivery, Limits, PingBudget, Timeouts, UNLIMITED};
pub use connection::{Connection, TcpAction, TcpClosing, Timeout, Timers};
pub use error::{ProtocolError, UseError};
#[cfg(feature = "deflate")]
pub use ext::{
    CodecPool, DeflateAgreement, DeflateConfig, DeflateParameters, Deflater, DeflaterSettings, Inflater,
    PERMESSAGE_DEFLATE, WindowBits,
};
pub use ext::{
    ExtensionFrame, ExtensionOffer, ExtensionOffers, ExtensionParameter, ExtensionSyntaxError, Extensions,
    FragmentExtension, FrameDecoder, FrameEncoder, FrameExtension, IdentityExtension, ReservedBits,
    ReservedBitsTaken, ReservedOwners, parse_extensions,
};
pub use frame::{CloseEvent, CloseFrame, FrameHeader, MAX_CONTROL_PAYLOAD, MAX_HEADER_LEN, Opcode};
#[cfg(feature = "deflate")]
#[doc(hidden)]
pub use fuzzing::{deflate_there_and_back, inflate_anything};
pub use mask::{MaskGen, MaskKey, apply_mask};
pub use message::{Fragment, Message, MessageKind, Utf8Bytes};
pub use recv::{Event, FragmentEvent, ReceiveMemory, ReceivePath, ReceiveWork};
pub use role::Role;
pub use send::{
    CloseReason, CloseState, Initiator, LARGE_PAYLOAD, PreparedMessage, SendMemory, SendOptions, SendPath,
};
pub use utf8::{Completed, InvalidUtf8, Utf8Validator, Validated};
