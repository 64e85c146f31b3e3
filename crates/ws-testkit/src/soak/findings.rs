//! What a shape found out: numbers, each with the bound it must keep, if it has one. Data only.

use std::fmt;

/// What a number must be.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum SoakBound {
    /// This or less.
    AtMost(f64),
    /// This or more.
    AtLeast(f64),
    /// This.
    Exactly(f64),
}

impl SoakBound {
    /// Whether a number keeps it. What is no number keeps none.
    #[must_use]
    pub fn holds(self, value: f64) -> bool {
        match self {
            Self::AtMost(most) => value <= most,
            Self::AtLeast(least) => value >= least,
            Self::Exactly(wanted) => value == wanted,
        }
    }
}

impl fmt::Display for SoakBound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(most) => write!(f, "at most {}", short(*most)),
            Self::AtLeast(least) => write!(f, "at least {}", short(*least)),
            Self::Exactly(wanted) => write!(f, "exactly {}", short(*wanted)),
        }
    }
}

/// One number.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct SoakFigure {
    /// What it is, in words.
    pub name: String,
    /// How much; NaN where it could not be measured.
    pub value: f64,
    /// Of what; empty for plain numbers.
    pub unit: &'static str,
    /// What it must be; None for what is only told.
    pub bound: Option<SoakBound>,
}

impl SoakFigure {
    /// Whether it keeps its bound; one without a bound always does.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.bound.is_none_or(|bound| bound.holds(self.value))
    }
}

impl fmt::Display for SoakFigure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, short(self.value))?;
        if !self.unit.is_empty() {
            write!(f, " {}", self.unit)?;
        }
        match self.bound {
            Some(bound) => write!(f, " ({bound})"),
            None => Ok(()),
        }
    }
}

/// No more digits than anybody reads.
fn short(value: f64) -> String {
    if value.fract() == 0.0 || value.abs() >= 1000.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.2}")
    }
}

/// The numbers of one shape, in the order in which they were found.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) figures: Vec<SoakFigure>,
}

impl Findings {
    /// A number that is only told.
    pub(super) fn tell(&mut self, name: impl Into<String>, value: f64, unit: &'static str) {
        self.add(name, value, unit, None);
    }

    /// A number that must keep a bound.
    pub(super) fn check(
        &mut self,
        name: impl Into<String>,
        value: f64,
        unit: &'static str,
        bound: SoakBound,
    ) {
        self.add(name, value, unit, Some(bound));
    }

    fn add(&mut self, name: impl Into<String>, value: f64, unit: &'static str, bound: Option<SoakBound>) {
        self.figures.push(SoakFigure {
            name: name.into(),
            value,
            unit,
            bound,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_kept_at_the_limit_and_broken_beyond_it() {
        assert!(SoakBound::AtMost(3.0).holds(3.0) && !SoakBound::AtMost(3.0).holds(3.1));
        assert!(SoakBound::AtLeast(3.0).holds(3.0) && !SoakBound::AtLeast(3.0).holds(2.9));
        assert!(SoakBound::Exactly(3.0).holds(3.0) && !SoakBound::Exactly(3.0).holds(4.0));
        for bound in [
            SoakBound::AtMost(3.0),
            SoakBound::AtLeast(3.0),
            SoakBound::Exactly(3.0),
        ] {
            assert!(!bound.holds(f64::NAN), "what was not measured passes nothing");
        }
    }

    #[test]
    fn a_figure_is_one_line() {
        let mut findings = Findings::default();
        findings.check("open", 5.0, "", SoakBound::Exactly(6.0));
        findings.tell("RSS per connection", 1034.25, "bytes");
        let lines: Vec<_> = findings.figures.iter().map(ToString::to_string).collect();
        assert_eq!(lines, ["open: 5 (exactly 6)", "RSS per connection: 1034 bytes"]);
        let holds: Vec<_> = findings.figures.iter().map(SoakFigure::holds).collect();
        assert_eq!(holds, [false, true]);
    }
}
