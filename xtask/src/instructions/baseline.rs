//! The committed counts, and what has changed since.

use std::fs;
use std::path::PathBuf;

use serde_json::{Map, Value};

use crate::workspace::Workspace;

/// A count may be larger by this factor: the same code differs a little with the libraries of the system.
const TOLERANCE: f64 = 1.02;

/// Name and count of every case.
pub(super) type Counts = Vec<(String, u64)>;

/// Counts by compiler, then by case.
#[derive(Debug, Default)]
pub(super) struct Baseline(Map<String, Value>);

impl Baseline {
    pub(super) fn read(workspace: &Workspace) -> Result<Self, String> {
        let path = path(workspace);
        let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let counts = serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self(counts))
    }

    pub(super) fn write(&self, workspace: &Workspace) -> Result<(), String> {
        let path = path(workspace);
        let text = format!("{:#}\n", Value::Object(self.0.clone()));
        fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))
    }

    pub(super) fn knows(&self, compiler: &str) -> bool {
        self.0.contains_key(compiler)
    }

    /// Prints old and new, and answers what has grown beyond the tolerance or is new.
    pub(super) fn compare(&self, compiler: &str, counts: &Counts) -> Vec<String> {
        println!(
            "  instructions per message, {compiler}\n  {:<20} {:>10} {:>10}",
            "", "baseline", "now"
        );
        let mut complaints = Vec::new();
        for (name, new) in counts {
            let old = self.0.get(compiler).and_then(|counts| counts[name].as_u64());
            let Some(old) = old else {
                println!("  {name:<20} {:>10} {new:>10}", "–");
                complaints.push(format!(
                    "{name} has no baseline (cargo xtask instructions --bless)"
                ));
                continue;
            };
            let change = (*new as f64 / old.max(1) as f64 - 1.0) * 100.0;
            println!("  {name:<20} {old:>10} {new:>10} {change:>+7.1} %");
            if *new as f64 > old as f64 * TOLERANCE {
                complaints.push(format!(
                    "{name} takes {new} instructions instead of {old} (wanted? cargo xtask instructions --bless)"
                ));
            }
        }
        complaints
    }

    pub(super) fn replace(&mut self, compiler: &str, counts: &Counts) {
        let counts: Map<String, Value> = counts
            .iter()
            .map(|(name, count)| (name.clone(), (*count).into()))
            .collect();
        self.0.insert(compiler.to_owned(), counts.into());
    }
}

fn path(workspace: &Workspace) -> PathBuf {
    workspace.root().join("xtask/src/instructions/baseline.json")
}

#[cfg(test)]
mod tests {
    use super::{Baseline, Workspace};

    fn counts(decode: u64) -> super::Counts {
        vec![("decode".to_owned(), decode), ("mask".to_owned(), 10_000)]
    }

    #[test]
    fn growth_beyond_the_tolerance_and_cases_without_a_baseline_are_told() {
        let mut baseline = Baseline::default();
        assert!(!baseline.knows("rustc 1"));
        assert_eq!(baseline.compare("rustc 1", &counts(1000)).len(), 2);
        baseline.replace("rustc 1", &counts(1000));
        for fine in [1020, 1000, 10] {
            assert!(baseline.compare("rustc 1", &counts(fine)).is_empty(), "{fine}");
        }
        let told = baseline.compare("rustc 1", &counts(1021));
        assert_eq!(told.len(), 1);
        assert!(
            told.iter()
                .all(|told| told.contains("1021 instructions instead of 1000")),
            "{told:?}"
        );
        assert_eq!(baseline.compare("rustc 2", &counts(1)).len(), 2);
    }

    #[test]
    fn the_committed_baseline_can_be_read() {
        let baseline = Baseline::read(&Workspace::find()).expect("the file is there");
        assert!(baseline.0.values().all(serde_json::Value::is_object));
    }
}
