//! The whole run: one shape after the other, each with a server of its own.

use std::fmt;
use std::time::{Duration, Instant};

use super::findings::{Findings, SoakFigure};
use super::options::{SoakOptions, SoakShape};
use super::{churn, hostile, idle, silent, stop, storm, subscribers};
use crate::descriptors;

/// Descriptors of this process besides the connections of a shape: pipes to the server, and connections that are
/// being replaced while their predecessors end.
const BESIDES: usize = 200;

/// What became of one shape.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ShapeReport {
    /// Which.
    pub shape: SoakShape,
    /// Its numbers, in the order in which they were found.
    pub figures: Vec<SoakFigure>,
    /// Why it could not be run to its end, or what went wrong beside the numbers.
    pub trouble: Option<String>,
    /// How long it took.
    pub elapsed: Duration,
}

impl ShapeReport {
    /// Every number keeps its bound, there is one that has a bound, and nothing else went wrong.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.trouble.is_none()
            && self.figures.iter().any(|figure| figure.bound.is_some())
            && self.figures.iter().all(SoakFigure::holds)
    }
}

/// What became of all of them.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SoakReport {
    /// One for each shape, in the order in which they were run.
    pub shapes: Vec<ShapeReport>,
}

impl SoakReport {
    /// How many shapes passed.
    #[must_use]
    pub fn passed(&self) -> usize {
        self.shapes.iter().filter(|shape| shape.passed()).count()
    }
}

/// Why there is no run.
#[derive(Debug)]
#[non_exhaustive]
pub enum SoakError {
    /// This machine does not allow so many descriptors, with the numbers.
    Descriptors(String),
    /// The options ask for nothing.
    Unusable(&'static str),
}

impl fmt::Display for SoakError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Descriptors(why) => f.write_str(why),
            Self::Unusable(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for SoakError {}

/// A run of load shapes that can be done.
#[derive(Debug)]
pub struct SoakRun {
    options: SoakOptions,
}

impl SoakRun {
    /// Looks whether the run is possible, and raises the limit of descriptors as far as it takes.
    ///
    /// # Errors
    /// No shape is chosen, or this process may not have enough descriptors for one of them.
    pub fn new(options: SoakOptions) -> Result<Self, SoakError> {
        if options.shapes.is_empty() {
            return Err(SoakError::Unusable("no shape is chosen"));
        }
        if !(options.scale > 0.0 && options.scale <= 1.0) {
            return Err(SoakError::Unusable("the scale must be above 0 and at most 1"));
        }
        let needed = options.shapes.iter().map(|shape| connections(*shape, &options));
        let most = needed.max().unwrap_or_default();
        descriptors::make_room(most + BESIDES).map_err(SoakError::Descriptors)?;
        Ok(Self { options })
    }

    /// Runs all shapes; `begins` is told before each, `ended` after it. Needs a tokio runtime with I/O and time.
    ///
    /// Not cancel safe: dropped half way there is no report, and threads of load go on until their load is over. The
    /// server is killed.
    pub async fn run(
        self,
        mut begins: impl FnMut(SoakShape),
        mut ended: impl FnMut(&ShapeReport),
    ) -> SoakReport {
        let mut shapes = Vec::new();
        for shape in &self.options.shapes {
            begins(*shape);
            let report = one(*shape, &self.options).await;
            ended(&report);
            shapes.push(report);
        }
        SoakReport { shapes }
    }
}

/// Connections of this process at the same time.
fn connections(shape: SoakShape, options: &SoakOptions) -> usize {
    match shape {
        SoakShape::Idle => idle::connections(options),
        SoakShape::Storm => storm::connections(options),
        SoakShape::Subscribers => subscribers::connections(options),
        SoakShape::Stop => stop::connections(options),
        SoakShape::Silent => silent::connections(options),
        SoakShape::Hostile => hostile::connections(options),
        SoakShape::Churn => churn::connections(options),
    }
}

async fn one(shape: SoakShape, options: &SoakOptions) -> ShapeReport {
    let begun = Instant::now();
    let mut findings = Findings::default();
    // Boxed: the future of a shape is large, and there is one of it at a time.
    let result = match shape {
        SoakShape::Idle => Box::pin(idle::run(options, &mut findings)).await,
        SoakShape::Storm => Box::pin(storm::run(options, &mut findings)).await,
        SoakShape::Subscribers => Box::pin(subscribers::run(options, &mut findings)).await,
        SoakShape::Stop => Box::pin(stop::run(options, &mut findings)).await,
        SoakShape::Silent => Box::pin(silent::run(options, &mut findings)).await,
        SoakShape::Hostile => Box::pin(hostile::run(options, &mut findings)).await,
        SoakShape::Churn => Box::pin(churn::run(options, &mut findings)).await,
    };
    ShapeReport {
        shape,
        figures: findings.figures,
        trouble: result.err(),
        elapsed: begun.elapsed(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::findings::SoakBound;
    use super::*;

    fn report(figures: &[(f64, Option<SoakBound>)], trouble: Option<&str>) -> ShapeReport {
        let mut findings = Findings::default();
        for (value, bound) in figures {
            match bound {
                Some(bound) => findings.check("x", *value, "", *bound),
                None => findings.tell("x", *value, ""),
            }
        }
        ShapeReport {
            shape: SoakShape::Idle,
            figures: findings.figures,
            trouble: trouble.map(str::to_owned),
            elapsed: Duration::ZERO,
        }
    }

    #[test]
    fn a_shape_passes_only_with_all_its_numbers_and_without_trouble() {
        let most = Some(SoakBound::AtMost(1.0));
        assert!(report(&[(1.0, most), (99.0, None)], None).passed());
        assert!(!report(&[(1.0, most), (1.1, most)], None).passed());
        assert!(!report(&[(1.0, most)], Some("no TCP connection")).passed());
        assert!(!report(&[(99.0, None)], None).passed(), "nothing was judged");
        assert!(!report(&[], None).passed());
    }

    #[test]
    fn what_cannot_be_run_is_said_before_anything_is_started() {
        let mut options = SoakOptions::new("ws-testkit");
        options.shapes.clear();
        assert!(matches!(SoakRun::new(options), Err(SoakError::Unusable(_))));
        let mut options = SoakOptions::new("ws-testkit");
        options.scale = 1e9;
        assert!(matches!(SoakRun::new(options), Err(SoakError::Unusable(_))));
    }

    #[tokio::test]
    async fn a_program_that_is_none_is_trouble_and_no_pass() {
        let mut options = SoakOptions::new("/nowhere/ws-testkit");
        options.quick = true;
        let report = SoakRun::new(options).unwrap().run(|_| {}, |_| {}).await;
        assert_eq!(report.shapes.len(), SoakShape::ALL.len());
        assert_eq!(report.passed(), 0);
        for shape in &report.shapes {
            let trouble = shape.trouble.as_deref().unwrap_or_default();
            assert!(trouble.contains("/nowhere/ws-testkit"), "{trouble}");
        }
    }
}
