//! Bad peers of many kinds against any echo server, over the wire: does it refuse what it must, and does it live?
//!
//! What is sent and what must come of it is data (`handshake`, `frames`, `deflate`, `closing`, `floods`), taken from the RFCs and
//! from published advisories, never from what our own server does; docs/SECURITY.md has the list. The verdict on one
//! case is in `play`, the whole run in `run`. RFC 6455 §4.2, §5, §7, §10.

// layer 1
mod case;
mod inbox;
mod target;

// layer 2
mod closing;
mod deflate;
mod floods;
mod frames;
mod handshake;

// layer 3
mod play;

// layer 4
mod catalogue;

// layer 5
mod run;

pub use play::Verdict;
pub use run::{AttackReport, AttackRun, CaseResult};
pub use target::{AttackError, AttackOptions};
