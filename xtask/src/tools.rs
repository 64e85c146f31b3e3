//! The tools that steps need: is each there, how to get it, and the Python environment we set up ourselves.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::process;
use crate::workspace::Workspace;

/// The independent peers, in the versions the tables in docs/ were made with.
const PYTHON_PACKAGES: [&str; 2] = ["kosoku==0.1.0", "websockets==17.4"];

/// The npm package that compression is tried with.
const NODE_PACKAGE: &str = "ws@8.23.0";

/// Downloading two small packages takes seconds; this is for slow networks.
const SET_UP_LIMIT: Duration = Duration::from_secs(240);

/// Something that is not part of every Rust installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tool {
    /// The `rustfmt` component.
    Rustfmt,
    /// The `clippy` component.
    Clippy,
    /// Python 3.11 or newer with its `venv` and `ensurepip` modules.
    Python,
    /// Node with npm.
    Node,
    /// The `cargo-deny` subcommand.
    CargoDeny,
    /// The standard library for `wasm32-unknown-unknown`.
    Wasm,
    /// The `cargo-fuzz` subcommand and nightly Rust, through rustup.
    CargoFuzz,
    /// The toolchain of the workspace's `rust-version`, through rustup.
    OldestRust,
    /// Valgrind, with its callgrind.
    Valgrind,
}

impl Tool {
    /// Says what is missing and how to get it; nothing where the tool is there.
    pub(crate) fn missing(self, workspace: &Workspace) -> Option<String> {
        let (there, name, remedy) = match self {
            Self::Rustfmt => (
                subcommand(workspace, "fmt"),
                "rustfmt",
                "rustup component add rustfmt",
            ),
            Self::Clippy => (
                subcommand(workspace, "clippy"),
                "clippy",
                "rustup component add clippy",
            ),
            Self::Python => (
                python_is_complete(),
                "python3 (3.11 or newer) with venv",
                "apt-get install python3-venv",
            ),
            Self::Node => (node_is_complete(), "node with npm", "apt-get install nodejs npm"),
            Self::CargoDeny => (
                subcommand(workspace, "deny"),
                "cargo-deny",
                "cargo install cargo-deny",
            ),
            Self::Wasm => (
                wasm_is_there(),
                "wasm32-unknown-unknown",
                "rustup target add wasm32-unknown-unknown",
            ),
            Self::CargoFuzz => (
                subcommand(workspace, "fuzz") && toolchain_is_there("nightly"),
                "cargo-fuzz with nightly Rust",
                "rustup toolchain install nightly; cargo install cargo-fuzz",
            ),
            Self::OldestRust => (
                oldest_is_there(workspace),
                "the oldest supported Rust",
                "rustup toolchain install, with the rust-version of Cargo.toml",
            ),
            Self::Valgrind => (
                process::answer_of(Command::new("valgrind").arg("--version")).is_some(),
                "valgrind",
                "apt-get install valgrind",
            ),
        };
        (!there).then(|| format!("{name} is missing ({remedy})"))
    }
}

/// The `rust-version` of the workspace: the one place where it is written is the root manifest.
pub(crate) fn oldest_rust(workspace: &Workspace) -> Option<String> {
    let manifest = fs::read_to_string(workspace.root().join("Cargo.toml")).ok()?;
    let line = manifest
        .lines()
        .find(|line| line.trim_start().starts_with("rust-version"))?;
    line.split('"').nth(1).map(str::to_owned)
}

/// Sets up the virtual environment (once) and answers the path of its `bin` directory.
pub(crate) fn python_environment(workspace: &Workspace) -> Result<PathBuf, String> {
    let home = workspace.target().join("xtask-python");
    let programs = home.join(if cfg!(windows) { "Scripts" } else { "bin" });
    let stamp = home.join("installed");
    let wanted = PYTHON_PACKAGES.join("\n");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(programs);
    }
    println!(
        "setting up {} with {}",
        home.display(),
        PYTHON_PACKAGES.join(" and ")
    );
    let mut make = Command::new("python3");
    make.args(["-m", "venv", "--clear"]).arg(&home);
    process::run("python3 -m venv", &mut make, SET_UP_LIMIT)?;
    install(&programs)?;
    fs::write(&stamp, wanted).map_err(|error| format!("{}: {error}", stamp.display()))?;
    Ok(programs)
}

fn install(programs: &Path) -> Result<(), String> {
    let mut pip = Command::new(programs.join("python"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
        .args(PYTHON_PACKAGES);
    process::run("pip install", pip.stdin(Stdio::null()), SET_UP_LIMIT)
}

/// Installs the npm package (once) and answers the directory that holds `node_modules`.
pub(crate) fn node_environment(workspace: &Workspace) -> Result<PathBuf, String> {
    let home = workspace.target().join("xtask-node");
    let stamp = home.join("installed");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == NODE_PACKAGE) {
        return Ok(home);
    }
    println!("setting up {} with {NODE_PACKAGE}", home.display());
    fs::create_dir_all(&home).map_err(|error| format!("{}: {error}", home.display()))?;
    let mut npm = Command::new("npm");
    npm.args(["install", "--silent", "--no-audit", "--no-fund", "--prefix"])
        .arg(&home)
        .arg(NODE_PACKAGE);
    process::run("npm install", npm.stdin(Stdio::null()), SET_UP_LIMIT)?;
    fs::write(&stamp, NODE_PACKAGE).map_err(|error| format!("{}: {error}", stamp.display()))?;
    Ok(home)
}

fn node_is_complete() -> bool {
    ["node", "npm"]
        .iter()
        .all(|program| process::answer_of(Command::new(program).arg("--version")).is_some())
}

fn subcommand(workspace: &Workspace, name: &str) -> bool {
    process::answer_of(workspace.cargo().args([name, "--version"])).is_some()
}

fn python_is_complete() -> bool {
    let complete = "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))";
    process::answer_of(Command::new("python3").args(["-c", complete])).is_some()
}

fn wasm_is_there() -> bool {
    let arguments = ["--print", "target-libdir", "--target", "wasm32-unknown-unknown"];
    process::answer_of(Command::new("rustc").args(arguments)).is_some_and(|path| Path::new(&path).exists())
}

/// Asks for the list, because `cargo +VERSION` would make rustup download what is missing.
fn toolchain_is_there(name: &str) -> bool {
    process::answer_of(Command::new("rustup").args(["toolchain", "list"]))
        .is_some_and(|list| list.lines().any(|line| names_version(line, name)))
}

fn oldest_is_there(workspace: &Workspace) -> bool {
    let Some(version) = oldest_rust(workspace) else {
        return false;
    };
    toolchain_is_there(&version)
}

/// Whether a toolchain such as `1.85.0-x86_64-unknown-linux-gnu` is of this version.
fn names_version(toolchain: &str, version: &str) -> bool {
    toolchain
        .strip_prefix(version)
        .is_some_and(|rest| rest.starts_with(['.', '-']))
}

#[cfg(test)]
mod tests {
    use super::{Workspace, names_version, oldest_rust, process, subcommand};

    #[test]
    fn a_toolchain_is_known_by_its_version() {
        assert!(names_version("1.85.0-x86_64-unknown-linux-gnu", "1.85"));
        assert!(names_version("1.85-x86_64-unknown-linux-gnu (default)", "1.85"));
        assert!(!names_version("1.95.0-x86_64-unknown-linux-gnu", "1.9"));
        assert!(!names_version("stable-x86_64-unknown-linux-gnu", "1.85"));
    }

    #[test]
    fn the_oldest_rust_is_read_from_the_root_manifest() {
        let version = oldest_rust(&Workspace::find()).expect("the manifest names a rust-version");
        assert!(version.starts_with("1."), "{version}");
    }

    #[test]
    fn a_subcommand_that_does_not_exist_is_missing() {
        let workspace = Workspace::find();
        assert!(process::answer_of(workspace.cargo().arg("--version")).is_some());
        assert!(!subcommand(&workspace, "no-such-subcommand"));
    }
}
