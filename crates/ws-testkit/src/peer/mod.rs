//! Bad peers and bad networks for tests: raw frames with any header bits, frame scripts, and faulty I/O.
//!
//! Written apart from `ws-proto` on purpose: it must be able to send what the codec never would, and to judge what
//! the codec sends without trusting it. RFC 6455 §5.2 is the layout.

mod frame;

mod error;

mod raw;

mod opening;
mod script;

mod faulty;

pub use error::PeerError;
pub use faulty::{Faults, FaultyIo, Gate};
pub use frame::{LengthForm, RawFrame};
pub use raw::RawPeer;
pub use script::{FrameScript, Step};
