//! Interop: scripts built on the Python library `websockets` and on the npm package `ws`, in `xtask/interop/`. This file starts our servers, hands
//! their addresses and the path of our program to the scripts, and reads how many of their checks held.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::outcome::Outcome;
use crate::process;
use crate::testkit::{self, Server};
use crate::tools;
use crate::workspace::Workspace;

/// One of the checks waits for the ping that `echo-broadcast-ping` sends every 10 s.
const SCRIPT_LIMIT: Duration = Duration::from_secs(240);

/// Runs both directions. `program`: another build of `ws-testkit` than the one of this checkout.
pub(crate) fn run(workspace: &Workspace, program: Option<PathBuf>) -> Outcome {
    let programs = match tools::python_environment(workspace) {
        Ok(programs) => programs,
        Err(reason) => return Outcome::Skipped(format!("no Python environment: {reason}")),
    };
    run_both(workspace, &programs.join("python"), program)
        .map_or_else(Outcome::Failed, |complaints| Outcome::of_complaints(&complaints))
}

/// What `cargo xtask ci` runs.
pub(crate) fn run_required(workspace: &Workspace) -> Outcome {
    run(workspace, None)
}

/// What `cargo xtask ci` runs where Node is there: compression with the npm package `ws`.
pub(crate) fn run_node(workspace: &Workspace) -> Outcome {
    match tools::node_environment(workspace) {
        Ok(modules) => run_ws(workspace, &modules).map_or_else(Outcome::Failed, |complaint| {
            Outcome::of_complaints(complaint.as_slice())
        }),
        Err(reason) => Outcome::Skipped(format!("no `ws` for Node: {reason}")),
    }
}

fn run_ws(workspace: &Workspace, modules: &Path) -> Result<Option<String>, String> {
    let output = workspace.fresh_output("interop-node")?;
    let program = testkit::build(workspace)?;
    let scripts = Scripts {
        interpreter: Path::new("node"),
        directory: workspace.root().join("xtask/interop"),
        output: &output,
    };
    scripts.run(
        "deflate_under_test.mjs",
        &[&program.to_string_lossy(), &modules.to_string_lossy()],
    )
}

fn run_both(workspace: &Workspace, python: &Path, program: Option<PathBuf>) -> Result<Vec<String>, String> {
    let output = workspace.fresh_output("interop")?;
    let program = program.map_or_else(|| testkit::build(workspace), Ok)?;
    let scripts = Scripts {
        interpreter: python,
        directory: workspace.root().join("xtask/interop"),
        output: &output,
    };
    let mut complaints = Vec::new();

    let silent = Server::start(&program, &[], &output, "server")?;
    let echo = Server::start(
        &program,
        &["--default-protocol", "echo-assemble"],
        &output,
        "server-default",
    )?;
    complaints.extend(scripts.run("server_under_test.py", &[silent.url(), echo.url()])?);
    complaints.extend([silent.stop(), echo.stop()].into_iter().filter_map(Result::err));

    for script in ["client_under_test.py", "deflate_under_test.py"] {
        complaints.extend(scripts.run(script, &[&program.to_string_lossy()])?);
    }
    println!("    logs: {}", output.display());
    Ok(complaints)
}

struct Scripts<'a> {
    interpreter: &'a Path,
    directory: PathBuf,
    output: &'a Path,
}

impl Scripts<'_> {
    /// Runs one script; a complaint where a check failed, none ran, or the script broke.
    fn run(&self, script: &str, arguments: &[&str]) -> Result<Option<String>, String> {
        let log = self.output.join(format!("{script}.log"));
        let mut command = Command::new(self.interpreter);
        command
            .arg(self.directory.join(script))
            .args(arguments)
            .env("PYTHONDONTWRITEBYTECODE", "1");
        let ended = process::run_into(script, &mut command, &log, SCRIPT_LIMIT);
        let text = fs::read_to_string(&log).map_err(|error| format!("{}: {error}", log.display()))?;
        print!("{text}");
        Ok(complaint(script, ended?.success(), &text))
    }
}

/// A script has passed where it ended well, and its last line is `N passed, 0 failed` with an N above 0.
fn complaint(script: &str, ended_well: bool, text: &str) -> Option<String> {
    let last = text.lines().last().unwrap_or_default();
    let (passed, failed) = counts(last).unwrap_or_default();
    if ended_well && passed > 0 && failed == 0 {
        None
    } else {
        Some(format!("{script}: {last}"))
    }
}

/// The numbers in `N passed, N failed`.
fn counts(line: &str) -> Option<(u32, u32)> {
    let (passed, failed) = line.strip_suffix(" failed")?.split_once(" passed, ")?;
    Some((passed.parse().ok()?, failed.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::complaint;

    #[test]
    fn a_script_passes_only_with_checks_that_ran_and_none_that_failed() {
        assert_eq!(complaint("a.py", true, "ok one\n3 passed, 0 failed\n"), None);
        assert!(complaint("a.py", true, "2 passed, 1 failed\n").is_some());
        assert!(complaint("a.py", true, "0 passed, 0 failed\n").is_some());
        assert!(complaint("a.py", false, "3 passed, 0 failed\n").is_some());
        assert!(complaint("a.py", true, "3 passed, 0 failed\nTraceback\n").is_some());
        assert!(complaint("a.py", true, "").is_some());
    }
}
