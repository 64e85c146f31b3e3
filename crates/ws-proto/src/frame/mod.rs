//! One frame: its opcode, its header, and the payload of a Close frame (RFC 6455 §5.2, §5.5).
//! Masking is in `mask`, sequences of frames in `recv` and `send`.

mod opcode;

mod header;

mod close;

pub use close::{CloseEvent, CloseFrame};
pub(crate) use header::Lead;
pub use header::{FrameHeader, MAX_HEADER_LEN};
pub use opcode::{MAX_CONTROL_PAYLOAD, Opcode};
