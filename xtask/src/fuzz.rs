//! A short run of every fuzz target of `crates/ws-fuzz`, beginning with the saved corpora. Needs nightly and cargo-fuzz.

use std::fs;
use std::process::Command;
use std::time::Duration;

use crate::outcome::Outcome;
use crate::process;
use crate::workspace::Workspace;

/// Long enough to see that a target works; a minute for all of them.
const SECONDS: &str = "-max_total_time=5";
/// Without them a run prints every input that it keeps.
const QUIET: [&str; 2] = ["-verbosity=0", "-print_funcs=0"];
/// Two cores need two minutes; this is for slow machines.
const BUILD_LIMIT: Duration = Duration::from_secs(1800);
/// A target that takes longer than this hangs.
const LIMIT: Duration = Duration::from_secs(120);

/// Builds all targets, then runs each for five seconds.
pub(crate) fn run(workspace: &Workspace) -> Outcome {
    let names = match targets(workspace) {
        Ok(names) => names,
        Err(reason) => return Outcome::Failed(reason),
    };
    let mut build = cargo_fuzz(workspace, "build");
    if let Err(reason) = process::run("cargo fuzz build", &mut build, BUILD_LIMIT) {
        return Outcome::Failed(reason);
    }
    let complaints: Vec<_> = names
        .iter()
        .filter_map(|name| smoke(workspace, name).err())
        .collect();
    println!("    {} targets", names.len());
    Outcome::of_complaints(&complaints)
}

/// The targets: a file each.
fn targets(workspace: &Workspace) -> Result<Vec<String>, String> {
    let folder = workspace.root().join("crates/ws-fuzz/fuzz_targets");
    let entries = fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut names: Vec<_> = entries
        .filter_map(|entry| entry.ok()?.path().file_stem()?.to_str().map(str::to_owned))
        .collect();
    names.sort();
    if names.is_empty() {
        return Err(format!("{} has no targets", folder.display()));
    }
    Ok(names)
}

/// `cargo fuzz` with nightly Rust, in the crate of the targets.
fn cargo_fuzz(workspace: &Workspace, verb: &str) -> Command {
    let mut fuzz = Command::new("rustup");
    fuzz.args(["run", "nightly", "cargo", "fuzz", verb, "--fuzz-dir", "."]);
    fuzz.current_dir(workspace.root().join("crates/ws-fuzz"))
        .env_remove("RUSTUP_TOOLCHAIN")
        .env_remove("CARGO")
        .env_remove("CARGO_TARGET_DIR");
    fuzz
}

fn smoke(workspace: &Workspace, name: &str) -> Result<(), String> {
    // What is found goes to the first folder, which is not in the repository.
    let found = workspace.root().join("crates/ws-fuzz/target/corpus").join(name);
    fs::create_dir_all(&found).map_err(|error| format!("{}: {error}", found.display()))?;
    let mut fuzz = cargo_fuzz(workspace, "run");
    fuzz.arg(name).arg(&found);
    for owner in ["ws-proto", "ws-handler", "ws-testkit"] {
        let saved = workspace
            .root()
            .join("crates")
            .join(owner)
            .join("tests/corpus")
            .join(name);
        if saved.is_dir() {
            fuzz.arg(saved);
        }
    }
    fuzz.args(["--", SECONDS]).args(QUIET);
    process::run(name, &mut fuzz, LIMIT)
}
