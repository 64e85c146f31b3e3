//! The load shapes in their cut-down versions, on the release binary, which is its own server.

use std::process::Command;
use std::time::Duration;

use crate::outcome::Outcome;
use crate::process;
use crate::testkit;
use crate::workspace::Workspace;

/// All shapes together take a good minute on two cores; three is what they may take.
const LIMIT: Duration = Duration::from_secs(180);

/// Builds the release binary and runs `ws-testkit soak --quick`.
pub(crate) fn run(workspace: &Workspace) -> Outcome {
    if !cfg!(target_os = "linux") {
        return Outcome::Skipped("memory and descriptors are read in /proc, which only Linux has".to_owned());
    }
    let program = match testkit::build(workspace) {
        Ok(program) => program,
        Err(reason) => return Outcome::Failed(reason),
    };
    let mut soak = Command::new(program);
    soak.args(["soak", "--quick"]);
    process::run("ws-testkit soak", &mut soak, LIMIT).into()
}
