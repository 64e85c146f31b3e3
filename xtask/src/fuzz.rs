//! A short run of every fuzz target of `crates/ws-fuzz`, beginning with the saved corpora. Needs nightly and cargo-fuzz.

use std::fs;
use std::process::Command;
use std::time::Duration;

use crate::outcome::Outcome;
use crate::process;
use crate::workspace::Workspace;

/// Long enough to see that a target works.
const SECONDS: &str = "-max_total_time=10";
/// The first target builds everything.
const LIMIT: Duration = Duration::from_secs(900);

/// Runs every target for ten seconds.
pub(crate) fn run(workspace: &Workspace) -> Outcome {
    match targets(workspace) {
        Ok(names) => {
            let complaints: Vec<_> = names
                .iter()
                .filter_map(|name| smoke(workspace, name).err())
                .collect();
            println!("    {} targets", names.len());
            Outcome::of_complaints(&complaints)
        }
        Err(reason) => Outcome::Failed(reason),
    }
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

fn smoke(workspace: &Workspace, name: &str) -> Result<(), String> {
    let folder = workspace.root().join("crates/ws-fuzz");
    // What is found goes to the first folder, which is not in the repository.
    let found = folder.join("corpus").join(name);
    fs::create_dir_all(&found).map_err(|error| format!("{}: {error}", found.display()))?;
    let mut fuzz = Command::new("rustup");
    fuzz.args(["run", "nightly", "cargo", "fuzz", "run", "--fuzz-dir", ".", name]);
    fuzz.arg(&found);
    for owner in ["ws-proto", "ws-handler"] {
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
    fuzz.args(["--", SECONDS]);
    fuzz.current_dir(folder)
        .env_remove("RUSTUP_TOOLCHAIN")
        .env_remove("CARGO")
        .env_remove("CARGO_TARGET_DIR");
    process::run(name, &mut fuzz, LIMIT)
}
