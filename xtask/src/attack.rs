//! The attack and the panic on the release binary, where only the profile keeps panics unwinding: the tests of the
//! catalogue that run the program, told which one.

use std::time::Duration;

use crate::outcome::Outcome;
use crate::process;
use crate::testkit;
use crate::workspace::Workspace;

/// The tests take seconds; this is for building them.
const LIMIT: Duration = Duration::from_secs(1800);

/// Builds the release binary and runs `catalogue program::` on it.
pub(crate) fn run(workspace: &Workspace) -> Outcome {
    let program = match testkit::build(workspace) {
        Ok(program) => program,
        Err(reason) => return Outcome::Failed(reason),
    };
    let mut cargo = workspace.cargo();
    cargo.env("WS_TESTKIT_PROGRAM", program);
    cargo.args([
        "test",
        "--package=ws-testkit",
        "--all-features",
        "--test=catalogue",
        "program::",
    ]);
    process::run("cargo test", &mut cargo, LIMIT).into()
}
