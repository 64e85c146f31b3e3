//! Running the cases under callgrind.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::baseline::Counts;
use crate::process;
use crate::workspace::Workspace;

/// A cold build with LTO on two slow cores, several times over.
const BUILD_LIMIT: Duration = Duration::from_secs(1800);

/// The difference between these two numbers of repetitions is what starting and ending the program does not count in.
const FEW: u64 = 100;
const MANY: u64 = 600;

/// The version and the machine that it makes code for.
pub(super) fn compiler() -> Result<String, String> {
    let told =
        process::answer_of(Command::new("rustc").arg("-vV")).ok_or("rustc does not tell its version")?;
    let version = told.lines().next().unwrap_or_default();
    let host = told.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(format!("{version} {}", host.unwrap_or_default()))
}

/// Builds the program and counts each of its cases.
pub(super) fn count_all(workspace: &Workspace) -> Result<Counts, String> {
    let program = build(workspace)?;
    let names = process::answer_of(&mut Command::new(&program)).ok_or("the program tells no cases")?;
    names
        .lines()
        .map(|name| {
            let instructions = (count(&program, name, MANY)? - count(&program, name, FEW)?) as f64;
            let each = instructions / (MANY - FEW) as f64;
            Ok((name.to_owned(), each.round() as u64))
        })
        .collect()
}

fn build(workspace: &Workspace) -> Result<PathBuf, String> {
    println!("    cargo build --release --package=ws-proto --example=instructions");
    let mut cargo = workspace.cargo();
    cargo.args([
        "build",
        "--release",
        "--package=ws-proto",
        "--example=instructions",
    ]);
    process::run("cargo build", &mut cargo, BUILD_LIMIT)?;
    Ok(workspace.target().join("release/examples/instructions"))
}

fn count(program: &Path, case: &str, repetitions: u64) -> Result<u64, String> {
    let mut valgrind = Command::new("valgrind");
    valgrind
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args([case, &repetitions.to_string()])
        // Nothing of the user's may move the stack.
        .env_clear()
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
        .stdin(Stdio::null());
    let output = valgrind
        .output()
        .map_err(|error| format!("valgrind does not start: {error}"))?;
    let told = String::from_utf8_lossy(&output.stderr);
    collected(&told)
        .filter(|_| output.status.success())
        .ok_or_else(|| format!("callgrind counts nothing of {case}: {told}"))
}

/// The number in `==123== Collected : 456`.
fn collected(told: &str) -> Option<u64> {
    let line = told.lines().find(|line| line.contains("Collected :"))?;
    line.rsplit_once(':')?.1.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::collected;

    #[test]
    fn the_count_is_found_in_what_callgrind_tells() {
        let told = "==1== Callgrind\n==1== \n==1== Events    : Ir\n==1== Collected : 123456\n";
        assert_eq!(collected(told), Some(123_456));
        assert_eq!(collected("==1== nothing"), None);
    }
}
