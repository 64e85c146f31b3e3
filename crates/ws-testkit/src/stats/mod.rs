//! What a client run counts and tells: frames, messages, verdicts, round-trip times, how each connection ended.
//!
//! Data only, no I/O. Judging an answer is `workload`, wording is `report`.

mod counts;
mod rtt;

mod outcome;

mod progress;

pub use counts::{Change, Counts};
pub use outcome::{DeflateOutcome, Ending, ExitStatus, Failure, Summary};
pub use progress::{Answer, FrameSeen, Mark, Observer, Started};
pub use rtt::RoundTrips;
