//! One step of the run: is it possible here, run it, time it, and report. Which steps there are is in `ci`.

use std::time::{Duration, Instant};

use crate::outcome::Outcome;
use crate::process;
use crate::tools::Tool;
use crate::workspace::Workspace;

/// The longest a single cargo command may take: a cold release build on two slow cores, several times over.
pub(crate) const CARGO_LIMIT: Duration = Duration::from_secs(1800);

/// Whether a run without this step is a complete run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// Under `CI=true` the run fails where the step's tool is missing.
    Required,
    /// A missing tool is only reported.
    Optional,
}

/// What a step does.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Action {
    /// Cargo commands, one after another, with additional environment variables.
    Cargo {
        variables: &'static [(&'static str, &'static str)],
        commands: &'static [&'static [&'static str]],
    },
    /// A check of this program.
    Check(fn(&Workspace) -> Outcome),
}

/// A step as data.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    /// The name for `--only`.
    pub(crate) name: &'static str,
    /// What it shows, in a few words.
    pub(crate) shows: &'static str,
    /// Required or optional.
    pub(crate) need: Need,
    /// What has to be there before it can run.
    pub(crate) tools: &'static [Tool],
    /// What it does.
    pub(crate) action: Action,
}

/// What became of one step.
#[derive(Debug)]
pub(crate) struct Finished {
    step: Step,
    outcome: Outcome,
    took: Duration,
}

impl Step {
    /// Runs the step and prints its frame lines.
    pub(crate) fn run(self, workspace: &Workspace) -> Finished {
        println!("\n=== {}: {}", self.name, self.shows);
        let begin = Instant::now();
        let missing = self.tools.iter().find_map(|tool| tool.missing(workspace));
        let outcome = missing.map_or_else(|| self.act(workspace), Outcome::Skipped);
        let finished = Finished {
            step: self,
            outcome,
            took: begin.elapsed(),
        };
        println!("--- {}", finished.line());
        finished
    }

    fn act(self, workspace: &Workspace) -> Outcome {
        let (variables, commands) = match self.action {
            Action::Check(check) => return check(workspace),
            Action::Cargo { variables, commands } => (variables, commands),
        };
        for arguments in commands {
            println!("    cargo {}", arguments.join(" "));
            let mut cargo = workspace.cargo();
            cargo.args(*arguments).envs(variables.iter().copied());
            if let Err(reason) = process::run("cargo", &mut cargo, CARGO_LIMIT) {
                return Outcome::Failed(format!("{reason}: cargo {}", arguments.join(" ")));
            }
        }
        Outcome::Passed
    }
}

impl Finished {
    fn line(&self) -> String {
        let seconds = self.took.as_secs_f64();
        let (word, reason) = match &self.outcome {
            Outcome::Passed => ("passed", ""),
            Outcome::Failed(reason) => ("FAILED", reason.as_str()),
            Outcome::Skipped(reason) => ("SKIPPED", reason.as_str()),
        };
        format!("{:<18} {word:<8} {seconds:>7.1} s  {reason}", self.step.name)
            .trim_end()
            .to_owned()
    }
}

/// Prints the whole table, then what was skipped, then the verdict. `strict`: a skipped required step fails.
/// Answers whether the run counts as good.
pub(crate) fn report(finished: &[Finished], strict: bool) -> bool {
    println!("\n=== summary");
    for one in finished {
        println!("    {}", one.line());
    }
    let of = |wanted: fn(&Finished) -> bool| finished.iter().filter(move |one| wanted(one));
    let failed = of(|one| matches!(one.outcome, Outcome::Failed(_))).count();
    let skipped = of(|one| matches!(one.outcome, Outcome::Skipped(_))).count();
    let lacking = of(is_lacking).count();
    if skipped > 0 {
        println!("    not run:");
    }
    for one in finished {
        if let Outcome::Skipped(reason) = &one.outcome {
            let need = if one.step.need == Need::Required {
                "REQUIRED"
            } else {
                "optional"
            };
            println!("      {} ({need}): {reason}", one.step.name);
        }
    }
    let total: Duration = finished.iter().map(|one| one.took).sum();
    let passed = finished.len() - failed - skipped;
    let good = failed == 0 && (lacking == 0 || !strict);
    let verdict = match (good, lacking) {
        (true, 0) if passed == 0 => "ci ran nothing",
        (true, 0) => "ci passed",
        (true, _) => "ci INCOMPLETE: required steps did not run",
        (false, 0) => "ci FAILED",
        (false, _) => "ci FAILED, and required steps did not run",
    };
    println!(
        "{verdict}: {passed} passed, {failed} failed, {skipped} skipped, {:.0} s",
        total.as_secs_f64()
    );
    good
}

/// A required step that did not run.
fn is_lacking(one: &Finished) -> bool {
    one.step.need == Need::Required && matches!(one.outcome, Outcome::Skipped(_))
}

#[cfg(test)]
mod tests {
    use super::{Action, Duration, Finished, Need, Outcome, Step, report};

    fn finished(need: Need, outcome: Outcome) -> Finished {
        let action = Action::Check(|_| Outcome::Passed);
        let step = Step {
            name: "one",
            shows: "nothing",
            need,
            tools: &[],
            action,
        };
        Finished {
            step,
            outcome,
            took: Duration::ZERO,
        }
    }

    #[test]
    fn a_failed_step_fails_the_run_even_where_it_is_optional() {
        for need in [Need::Required, Need::Optional] {
            assert!(!report(
                &[finished(need, Outcome::Failed("why".to_owned()))],
                false
            ));
        }
    }

    #[test]
    fn a_missing_tool_reads_skipped_and_fails_a_strict_run_only_where_required() {
        let skipped = |need| finished(need, Outcome::Skipped("no tool".to_owned()));
        assert!(skipped(Need::Required).line().contains("SKIPPED"));
        assert!(!skipped(Need::Required).line().contains("passed"));
        assert!(report(&[skipped(Need::Required)], false));
        assert!(!report(&[skipped(Need::Required)], true));
        assert!(report(&[skipped(Need::Optional)], true));
    }

    #[test]
    fn all_passed_is_a_good_run() {
        assert!(report(&[finished(Need::Required, Outcome::Passed)], true));
    }
}
