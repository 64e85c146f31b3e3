//! Load shapes behind `ws-testkit soak`: a server of our own as a child process, load, and a verdict with its numbers.
//!
//! Each shape is a file and says there why its bounds are what they are. What the server holds it tells itself
//! (`gauges`); what must be flat or back at the start is judged in `leak`. The command line is `cli/soak`. Linux
//! only: memory and descriptors are read in /proc.

// layer 1: what is asked for, what is found, how a line is laid through samples
mod findings;
mod fit;
mod options;

// layer 2: what must not grow
mod leak;

// layer 3: the server
mod child;

// layer 4: connections to it
mod dial;

// layer 5: many at once
mod crowd;

// layer 6: shapes
mod churn;
mod hostile;
mod idle;
mod silent;
mod stop;
mod storm;
mod subscribers;

// layer 7: the whole run
mod run;

// layer 8: its report
mod json;
mod text;

pub use findings::{SoakBound, SoakFigure};
pub use json::SOAK_SCHEMA;
pub(crate) use json::report_json;
pub use options::{SoakOptions, SoakShape, UnknownShape};
pub use run::{ShapeReport, SoakError, SoakReport, SoakRun};
pub(crate) use text::{end_line, shape_lines};
