//! The test client: whole runs that send, receive and verify, and single connections for other tests.
//!
//! What is sent and how answers are judged is `workload`; words for people are `report`; the command line is
//! `cli`. Framing and handshake are `ws-proto`'s and `ws-handler`'s.

// layer 1
mod assembly;
mod options;
mod progress;

// layer 2
mod ending;
mod shared;

// layer 3
mod dial;

// layer 4
mod messages;
mod ping;
mod single;

// layer 5
mod autobahn;
mod run;

#[cfg(test)]
mod tests;

pub(crate) use dial::ending as connect_ending;

pub use autobahn::{AutobahnOptions, AutobahnRun, AutobahnSummary};
pub use options::{ClientOptions, OptionsError};
pub use run::ClientRun;
pub use single::{ReceivedMessage, TestClient, TestClientError};
