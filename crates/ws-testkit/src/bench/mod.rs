//! The load generator behind `ws-testkit bench`: echoes under load, connecting under load, idle connections.
//!
//! It must cost less than the server it measures, so it does without tasks: each thread has one poll loop over raw
//! sockets, sends frames that were built before the run, and looks at answers where they lie in the read buffer.
//! The handshake is `ws-handler`'s. The command line is `cli/bench`. RFC 6455 §5.2 (frames).

// layer 1: what is asked for, what is sent, what the machine tells
mod alarm;
mod options;
mod reply;
mod schedule;
mod shared;

// layer 2: built from the options
mod frames;
mod inflated;
mod measured;
mod payload;
mod source;

// layer 3: all that is sent
mod batch;

// layer 4: connections
mod connection;
mod open;

// layer 5: load
mod cycle;
mod worker;

// layer 6: the whole run
mod json;
mod run;
mod text;

pub(crate) use json::report_json;
pub(crate) use measured::Report;
pub(crate) use options::{BenchOptions, Load, Payload, Until};
pub(crate) use run::{Phase, run};
pub(crate) use text::report_lines;
