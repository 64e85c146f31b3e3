//! A WebSocket test server, a test client, and the command line around them.
//!
//! [`TestServer`] serves the test subprotocols that [`Protocol`] lists, for anybody's tests. [`TestClient`] is one
//! connection in the hands of a test, [`ClientRun`] a whole run that verifies what comes back. Tools for other
//! tests: [`RawPeer`] and [`FrameScript`] are peers that may break every rule, [`FaultyIo`] is a network that does.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

// layer 1
mod deflate_options;
mod descriptors;
mod process;
mod protocol;
mod stats;

// layer 2
mod docroot;
mod every_path;
mod gauges;
mod observation;
mod peer;
mod report;
mod workload;

// layer 3
mod attack;
mod client;
mod echo;

// layer 4
mod bench;
mod server;

// layer 5
#[cfg(target_os = "linux")]
mod soak;

// layer 6
mod cli;

pub use attack::{AttackError, AttackOptions, AttackReport, AttackRun, CaseResult, Verdict};
pub use client::{
    AutobahnOptions, AutobahnRun, AutobahnSummary, ClientOptions, ClientRun, OptionsError, ReceivedMessage,
    TestClient, TestClientError,
};
pub use gauges::ServerGauges;
pub use observation::{Happening, Observation};
pub use peer::{Faults, FaultyIo, FrameScript, Gate, LengthForm, PeerError, RawFrame, RawPeer, Step};
pub use protocol::{Protocol, UnknownProtocol};
pub use report::JSON_SCHEMA;
pub use server::{TestServer, TestServerBuilder};
#[cfg(target_os = "linux")]
pub use soak::{
    SOAK_SCHEMA, ShapeReport, SoakBound, SoakCores, SoakError, SoakFigure, SoakOptions, SoakReport, SoakRun,
    SoakShape, UnknownShape,
};
pub use stats::{
    Answer, Change, Counts, DeflateOutcome, Ending, ExitStatus, Failure, FrameSeen, Mark, Observer,
    RoundTrips, Started, Summary,
};

#[doc(hidden)]
pub use cli::run;

/// The examples of the README are compiled as doc tests.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
