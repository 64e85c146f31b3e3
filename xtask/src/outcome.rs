//! What a check answers: passed, failed or skipped. Printing it is the business of `step`.

/// The answer of one check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It ran and everything held.
    Passed,
    /// It ran and something did not hold; the text says what.
    Failed(String),
    /// It did not run, because this machine lacks a tool; the text names it and says how to get it.
    Skipped(String),
}

impl Outcome {
    /// Passed where `complaints` is empty, else failed with their number; prints each of them.
    pub(crate) fn of_complaints(complaints: &[String]) -> Self {
        for complaint in complaints {
            println!("  {complaint}");
        }
        match complaints.len() {
            0 => Self::Passed,
            1 => Self::Failed("1 complaint".to_owned()),
            several => Self::Failed(format!("{several} complaints")),
        }
    }
}

impl From<Result<(), String>> for Outcome {
    fn from(result: Result<(), String>) -> Self {
        match result {
            Ok(()) => Self::Passed,
            Err(reason) => Self::Failed(reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Outcome;

    #[test]
    fn complaints_decide_between_passed_and_failed() {
        assert_eq!(Outcome::of_complaints(&[]), Outcome::Passed);
        let two = ["a".to_owned(), "b".to_owned()];
        assert_eq!(
            Outcome::of_complaints(&two),
            Outcome::Failed("2 complaints".to_owned())
        );
    }
}
