//! The report of one run: reading kosoku's `index.json`, counting it by group, and saying what does not hold.
//! Nothing here starts a process.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use super::cases::Cases;

/// What these probe is left open by RFC 6455, so no peer can do better than `INFORMATIONAL`: data after a close
/// frame (7.1.6), close codes 5000 and 65535 (7.13.1, 7.13.2).
const INFORMATIONAL: [&str; 3] = ["7.1.6", "7.13.1", "7.13.2"];

/// One case: how the messages went, how the closing handshake went.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Case {
    behavior: String,
    close: String,
}

/// All cases of one run, by their id.
#[derive(Debug)]
pub(crate) struct Report {
    cases: BTreeMap<Vec<u32>, Case>,
}

/// Verdicts and how often each occurred.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts(BTreeMap<String, usize>);

impl Report {
    /// Reads `index.json`: `{agent: {case: {behavior, behaviorClose, ..}}}` with exactly one agent.
    pub(crate) fn read(json: &str) -> Result<Self, String> {
        let index: Value = serde_json::from_str(json).map_err(|error| format!("index.json: {error}"))?;
        let agents = index.as_object().ok_or("index.json is no object")?;
        let mut reports = agents.values();
        let (Some(report), None) = (reports.next(), reports.next()) else {
            return Err(format!("index.json holds {} agents, not one", agents.len()));
        };
        let mut cases = BTreeMap::new();
        for (id, case) in report.as_object().ok_or("the agent of index.json is no object")? {
            let word = |name: &str| {
                let value = case.get(name).and_then(Value::as_str).map(str::to_owned);
                value.ok_or_else(|| format!("index.json: case {id} has no {name}"))
            };
            cases.insert(
                numbers(id)?,
                Case {
                    behavior: word("behavior")?,
                    close: word("behaviorClose")?,
                },
            );
        }
        Ok(Self { cases })
    }

    /// How often each verdict occurred.
    pub(crate) fn counts(&self) -> Counts {
        self.counts_where(|_| true)
    }

    /// How often each verdict occurred in one group; nothing where none of its cases ran.
    pub(crate) fn counts_of(&self, group: u32) -> Option<Counts> {
        let counts = self.counts_where(|id| id.first() == Some(&group));
        (!counts.0.is_empty()).then_some(counts)
    }

    /// Everything that keeps this run from being accepted: a case that is not OK (the informational three apart), an
    /// unclean closing handshake, a case that is missing.
    pub(crate) fn complaints(&self, expected: &[Cases]) -> Vec<String> {
        let mut complaints = Vec::new();
        for (id, case) in &self.cases {
            let id = dotted(id);
            let open = INFORMATIONAL.contains(&id.as_str());
            let behavior = if open { "INFORMATIONAL" } else { "OK" };
            let closed = case.close == "OK" || (open && case.close == "INFORMATIONAL");
            if case.behavior != behavior || !closed {
                complaints.push(format!(
                    "case {id}: {} (close: {}), not {behavior}",
                    case.behavior, case.close
                ));
            }
        }
        for Cases { group, count, .. } in expected {
            let ran = self.cases.keys().filter(|id| id.first() == Some(group)).count();
            if ran != *count {
                complaints.push(format!("group {group}: {ran} of {count} cases ran"));
            }
        }
        complaints
    }

    fn counts_where(&self, wanted: impl Fn(&[u32]) -> bool) -> Counts {
        let mut counts = Counts::default();
        for (_, case) in self.cases.iter().filter(|(id, _)| wanted(id)) {
            *counts.0.entry(case.behavior.clone()).or_default() += 1;
            if !matches!(case.close.as_str(), "OK" | "INFORMATIONAL") {
                *counts.0.entry(format!("close {}", case.close)).or_default() += 1;
            }
        }
        counts
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // OK comes first, the rest in the order of the alphabet.
        let (good, other): (Vec<_>, Vec<_>) = self.0.iter().partition(|(word, _)| *word == "OK");
        let parts: Vec<_> = good
            .iter()
            .chain(&other)
            .map(|(word, count)| format!("{count} {word}"))
            .collect();
        formatter.write_str(&parts.join(", "))
    }
}

fn numbers(id: &str) -> Result<Vec<u32>, String> {
    id.split('.')
        .map(|part| {
            part.parse()
                .map_err(|_| format!("index.json: strange case id {id}"))
        })
        .collect()
}

fn dotted(id: &[u32]) -> String {
    id.iter().map(u32::to_string).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::{Cases, Report};

    fn groups(groups: &[u32]) -> Vec<Cases> {
        groups
            .iter()
            .filter_map(|group| Cases::of_group(*group))
            .collect()
    }

    /// A report of one agent with these cases: id, behavior, close behaviour.
    fn report(cases: &[(&str, &str, &str)]) -> Report {
        let cases: Vec<_> = cases
            .iter()
            .map(|(id, behavior, close)| {
                format!(r#""{id}": {{"behavior": "{behavior}", "behaviorClose": "{close}", "duration": 1}}"#)
            })
            .collect();
        Report::read(&format!(r#"{{"agent": {{{}}}}}"#, cases.join(","))).expect("the sample is well formed")
    }

    #[test]
    fn all_ok_is_accepted() {
        assert_eq!(
            report(&[("10.1.1", "OK", "OK")]).complaints(&groups(&[10])),
            Vec::<String>::new()
        );
    }

    #[test]
    fn anything_but_ok_is_a_complaint() {
        for behavior in ["NON-STRICT", "FAILED", "UNIMPLEMENTED", "INFORMATIONAL", "ERROR"] {
            let complaints = report(&[("10.1.1", behavior, "OK")]).complaints(&groups(&[10]));
            assert_eq!(
                complaints,
                [format!("case 10.1.1: {behavior} (close: OK), not OK")]
            );
        }
        for close in [
            "UNCLEAN",
            "WRONG CODE",
            "FAILED",
            "FAILED BY CLIENT",
            "INFORMATIONAL",
        ] {
            assert_eq!(
                report(&[("10.1.1", "OK", close)])
                    .complaints(&groups(&[10]))
                    .len(),
                1,
                "{close}"
            );
        }
    }

    #[test]
    fn the_three_open_cases_are_informational_and_nothing_else() {
        for id in ["7.1.6", "7.13.1", "7.13.2"] {
            assert!(
                report(&[(id, "INFORMATIONAL", "INFORMATIONAL")])
                    .complaints(&groups(&[]))
                    .is_empty()
            );
            assert_eq!(
                report(&[(id, "NON-STRICT", "OK")]).complaints(&groups(&[])).len(),
                1
            );
            assert_eq!(
                report(&[(id, "INFORMATIONAL", "UNCLEAN")])
                    .complaints(&groups(&[]))
                    .len(),
                1
            );
        }
    }

    #[test]
    fn a_case_that_did_not_run_is_a_complaint() {
        assert_eq!(
            report(&[("10.1.1", "OK", "OK")]).complaints(&groups(&[3, 10])),
            ["group 3: 0 of 7 cases ran"]
        );
    }

    #[test]
    fn a_report_of_no_agent_or_of_two_is_refused() {
        assert!(Report::read("{}").is_err());
        assert!(Report::read(r#"{"a": {}, "b": {}}"#).is_err());
        assert!(Report::read("[]").is_err());
        assert!(Report::read(r#"{"a": {"1.1.1": {"behavior": "OK"}}}"#).is_err());
    }

    #[test]
    fn counts_name_ok_first_and_unclean_closes_apart() {
        let report = report(&[
            ("1.1.1", "FAILED", "UNCLEAN"),
            ("1.1.2", "OK", "OK"),
            ("2.1", "OK", "OK"),
        ]);
        assert_eq!(report.counts().to_string(), "2 OK, 1 FAILED, 1 close UNCLEAN");
        assert_eq!(
            report.counts_of(2).map(|counts| counts.to_string()).as_deref(),
            Some("1 OK")
        );
        assert!(report.counts_of(3).is_none());
    }
}
