//! How many instructions the codec takes for one message, counted by valgrind's callgrind: a number that does not depend
//! on what else the machine does, beside a committed baseline.
//!
//! The work is in `crates/ws-proto/examples/instructions.rs`. The baseline, `baseline.json` beside this file, holds
//! counts for each compiler, because each makes other code.

// layer 1
mod baseline;

mod callgrind;

use crate::outcome::Outcome;
use crate::workspace::Workspace;
use baseline::Baseline;

/// The step of ci: fails where a count has grown.
pub(crate) fn run(workspace: &Workspace) -> Outcome {
    let compiler = match callgrind::compiler() {
        Ok(compiler) => compiler,
        Err(reason) => return Outcome::Failed(reason),
    };
    let baseline = match Baseline::read(workspace) {
        Ok(baseline) => baseline,
        Err(reason) => return Outcome::Failed(reason),
    };
    if !baseline.knows(&compiler) {
        return Outcome::Skipped(format!(
            "there is no baseline for {compiler} (cargo xtask instructions --bless)"
        ));
    }
    match callgrind::count_all(workspace) {
        Ok(counts) => Outcome::of_complaints(&baseline.compare(&compiler, &counts)),
        Err(reason) => Outcome::Failed(reason),
    }
}

/// Counts, shows old and new, and makes the new counts the baseline of this compiler.
pub(crate) fn bless(workspace: &Workspace) -> Outcome {
    let blessed = || {
        let compiler = callgrind::compiler()?;
        let counts = callgrind::count_all(workspace)?;
        let mut baseline = Baseline::read(workspace)?;
        // Whatever has grown is wanted: the reason belongs into the commit.
        let _ = baseline.compare(&compiler, &counts);
        baseline.replace(&compiler, &counts);
        baseline.write(workspace)
    };
    blessed().into()
}
