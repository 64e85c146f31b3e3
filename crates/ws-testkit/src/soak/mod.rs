//! Load shapes behind `ws-testkit soak`: a server of our own as a child process, load, and a verdict with its numbers.
//!
//! Each shape is a file and says there why its bounds are what they are. What the server holds it tells itself
//! (`gauges`); what must be flat or back at the start is judged in `leak`. The command line is `cli/soak`. Linux
//! only: memory and descriptors are read in /proc.

// layer 1: where each side runs, what is found, how a line is laid through samples
mod cores;
mod findings;
mod fit;

// layer 2: what is asked for
mod options;

// layer 3: what must not grow
mod leak;

// layer 4: the server
mod child;

// layer 5: connections to it
mod dial;

// layer 6: many at once
mod crowd;

// layer 7: shapes
mod churn;
mod hostile;
mod idle;
mod silent;
mod stop;
mod storm;
mod subscribers;

// layer 8: the whole run
mod run;

// layer 9: its report
mod json;
mod text;

pub use cores::SoakCores;
pub use findings::{SoakBound, SoakFigure};
pub use json::SOAK_SCHEMA;
pub(crate) use json::report_json;
pub use options::{SoakOptions, SoakShape, UnknownShape};
pub use run::{ShapeReport, SoakError, SoakReport, SoakRun};
pub(crate) use text::{end_line, shape_lines};
