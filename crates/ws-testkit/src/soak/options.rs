//! Which shapes are run, and how large. As typed on a command line it is in `cli/soak`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use super::cores::SoakCores;

/// A load shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SoakShape {
    /// L1: idle connections, and what each of them costs.
    Idle,
    /// L3: connections that come in a storm.
    Storm,
    /// L6: broadcast to many, of whom one in five does not read.
    Subscribers,
    /// L8: SIGTERM under numbered traffic.
    Stop,
    /// L9: peers that have gone silent.
    Silent,
    /// L10: one peer in ten is hostile.
    Hostile,
    /// S1: connections that come, talk and end in every way there is.
    Churn,
}

impl SoakShape {
    /// All of them, in the order in which they are run.
    pub const ALL: [Self; 7] = [
        Self::Idle,
        Self::Storm,
        Self::Subscribers,
        Self::Stop,
        Self::Silent,
        Self::Hostile,
        Self::Churn,
    ];

    /// The short name: that of docs/PERFORMANCE.md.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::Idle => "L1",
            Self::Storm => "L3",
            Self::Subscribers => "L6",
            Self::Stop => "L8",
            Self::Silent => "L9",
            Self::Hostile => "L10",
            Self::Churn => "S1",
        }
    }

    /// What it is, in words.
    #[must_use]
    pub fn what(self) -> &'static str {
        match self {
            Self::Idle => "idle connections",
            Self::Storm => "a storm of connections",
            Self::Subscribers => "broadcast, one subscriber in five not reading",
            Self::Stop => "SIGTERM under numbered traffic",
            Self::Silent => "peers that have gone silent",
            Self::Hostile => "one peer in ten is hostile",
            Self::Churn => "connections that come, talk and end in every way",
        }
    }
}

impl fmt::Display for SoakShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

/// A name that no shape has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownShape(String);

impl fmt::Display for UnknownShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown shape {:?}; known are", self.0)?;
        SoakShape::ALL.iter().try_for_each(|shape| write!(f, " {shape}"))
    }
}

impl std::error::Error for UnknownShape {}

impl FromStr for SoakShape {
    type Err = UnknownShape;

    /// The short name, in any case.
    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL
            .into_iter()
            .find(|shape| shape.id().eq_ignore_ascii_case(name));
        found.ok_or_else(|| UnknownShape(name.to_owned()))
    }
}

/// What is run.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SoakOptions {
    /// The `ws-testkit` program whose `server` command is put under load.
    pub program: PathBuf,
    /// The shapes, in this order. Default: all.
    pub shapes: Vec<SoakShape>,
    /// The cut-down versions, of some seconds each. Default no.
    pub quick: bool,
    /// Share of the connections (and of the rates that go with them), above 0 and at most 1. Default 1.
    pub scale: f64,
    /// How long idle connections are held and churn goes on. Default: the shape's own (10 minutes; some seconds where
    /// quick).
    pub hold: Option<Duration>,
    /// More options for the server, after those of the shape: what is typed last counts.
    pub server_arguments: Vec<String>,
    /// The server's own core. Default none: it runs beside the load.
    pub cores: Option<SoakCores>,
}

impl SoakOptions {
    /// All shapes at full size, with this program.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            shapes: SoakShape::ALL.to_vec(),
            quick: false,
            scale: 1.0,
            hold: None,
            server_arguments: Vec::new(),
            cores: None,
        }
    }

    /// A number of connections or a rate: that of the full shape or of the cut-down one, scaled.
    pub(super) fn count(&self, full: usize, quick: usize) -> usize {
        let whole = if self.quick { quick } else { full };
        ((whole as f64 * self.scale) as usize).max(1)
    }

    /// Whatever else differs between the full shape and the cut-down one.
    pub(super) fn pick<T>(&self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_found_by_their_short_names() {
        for shape in SoakShape::ALL {
            assert_eq!(shape.id().parse(), Ok(shape));
            assert_eq!(shape.id().to_ascii_lowercase().parse(), Ok(shape));
        }
        let error = "L99".parse::<SoakShape>().unwrap_err().to_string();
        assert!(error.contains("L99") && error.contains("S1"), "{error}");
    }

    #[test]
    fn sizes_are_scaled_and_never_nothing() {
        let mut options = SoakOptions::new("ws-testkit");
        assert_eq!((options.count(19_000, 1000), options.pick(5, 1)), (19_000, 5));
        options.scale = 0.1;
        assert_eq!(options.count(19_000, 1000), 1900);
        options.quick = true;
        assert_eq!((options.count(19_000, 1000), options.pick(5, 1)), (100, 1));
        options.scale = 1e-9;
        assert_eq!(options.count(19_000, 1000), 1);
    }
}
