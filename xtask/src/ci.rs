//! The steps of `cargo xtask ci`, as data, in the order in which they run: the cheapest complaint comes first.

use std::env;

use crate::attack;
use crate::conformance;
use crate::fuzz;
use crate::instructions;
use crate::interop;
use crate::outcome::Outcome;
use crate::process;
use crate::soak;
use crate::step::{self, Action, Need, Step};
use crate::tidy;
use crate::tools::{self, Tool};
use crate::workspace::Workspace;

/// Every step. Few different builds: debug with all features, debug with default features, and one release
/// build of ws-testkit, which conformance and interop share with `cargo run --release`.
const STEPS: [Step; 18] = [
    Step {
        name: "fmt",
        shows: "the code is formatted",
        need: Need::Required,
        tools: &[Tool::Rustfmt],
        action: cargo(&[&["fmt", "--all", "--check"]]),
    },
    Step {
        name: "tidy",
        shows: "house rules: crate direction, layers, file heads and lengths, cited tests, words",
        need: Need::Required,
        tools: &[],
        action: Action::Check(tidy::run),
    },
    Step {
        name: "clippy",
        shows: "no lint fires, all features",
        need: Need::Required,
        tools: &[Tool::Clippy],
        action: cargo(&[&[
            "clippy",
            "--workspace",
            "--all-targets",
            "--all-features",
            "--",
            "-Dwarnings",
        ]]),
    },
    Step {
        name: "clippy-bare",
        shows: "each library alone, no features: builds and no lint fires",
        need: Need::Required,
        tools: &[Tool::Clippy],
        action: cargo(&[
            // One by one: together they would turn on each other's features.
            &[
                "clippy",
                "--package=ws-proto",
                "--all-targets",
                "--no-default-features",
                "--",
                "-Dwarnings",
            ],
            &[
                "clippy",
                "--package=ws-handler",
                "--all-targets",
                "--no-default-features",
                "--",
                "-Dwarnings",
            ],
            &[
                "clippy",
                "--package=ws-servlet",
                "--all-targets",
                "--no-default-features",
                "--",
                "-Dwarnings",
            ],
            &[
                "clippy",
                "--package=ws-testkit",
                "--all-targets",
                "--no-default-features",
                "--",
                "-Dwarnings",
            ],
        ]),
    },
    Step {
        name: "docs",
        shows: "the documentation builds without a warning",
        need: Need::Required,
        tools: &[],
        action: Action::Cargo {
            variables: &[("RUSTDOCFLAGS", "-Dwarnings")],
            commands: &[&[
                "doc",
                "--keep-going",
                "--workspace",
                "--no-deps",
                "--all-features",
            ]],
        },
    },
    Step {
        name: "test",
        shows: "unit and integration tests, all features, the checks' own included",
        need: Need::Required,
        tools: &[],
        action: cargo(&[&[
            "test",
            "--no-fail-fast",
            "--workspace",
            "--all-targets",
            "--all-features",
        ]]),
    },
    Step {
        name: "doctest",
        shows: "examples in the documentation, all features",
        need: Need::Required,
        tools: &[],
        action: cargo(&[&["test", "--no-fail-fast", "--workspace", "--doc", "--all-features"]]),
    },
    Step {
        name: "test-default",
        shows: "`cargo test` as a newcomer types it: default features, doc tests too",
        need: Need::Required,
        tools: &[],
        action: cargo(&[&["test"]]),
    },
    Step {
        name: "conformance",
        shows: "the Autobahn cases, our server and our client",
        need: Need::Required,
        tools: &[Tool::Python],
        action: Action::Check(conformance::run_required),
    },
    Step {
        name: "interop",
        shows: "the Python library `websockets` as client and as server",
        need: Need::Required,
        tools: &[Tool::Python],
        action: Action::Check(interop::run_required),
    },
    Step {
        name: "interop-node",
        shows: "the npm package `ws` as client and as server, compression on",
        need: Need::Optional,
        tools: &[Tool::Node],
        action: Action::Check(interop::run_node),
    },
    Step {
        name: "oldest-rust",
        shows: "the workspace builds with the `rust-version` it claims",
        need: Need::Optional,
        tools: &[Tool::OldestRust],
        action: Action::Check(check_with_oldest_rust),
    },
    Step {
        name: "attack",
        shows: "the release binary survives what `ws-testkit attack` sends, and a panic in a callback",
        need: Need::Required,
        tools: &[],
        action: Action::Check(attack::run),
    },
    Step {
        name: "fuzz",
        shows: "no fuzz target finds anything within five seconds",
        need: Need::Optional,
        tools: &[Tool::CargoFuzz],
        action: Action::Check(fuzz::run),
    },
    Step {
        name: "soak",
        shows: "cut-down load shapes on the release binary: nothing leaks, nobody waits for others, nothing is lost",
        need: Need::Required,
        tools: &[],
        action: Action::Check(soak::run),
    },
    Step {
        name: "instructions",
        shows: "the codec takes no more instructions per message than its baseline",
        need: Need::Optional,
        tools: &[Tool::Valgrind],
        action: Action::Check(instructions::run),
    },
    Step {
        name: "wasm",
        shows: "ws-proto needs no operating system",
        need: Need::Optional,
        tools: &[Tool::Wasm],
        action: cargo(&[&["check", "--package=ws-proto", "--target=wasm32-unknown-unknown"]]),
    },
    Step {
        name: "deny",
        shows: "licences, sources and known holes of the dependencies",
        need: Need::Optional,
        tools: &[Tool::CargoDeny],
        action: cargo(&[&["deny", "--all-features", "check", "--config", ".deny.toml"]]),
    },
];

/// A step of cargo commands in the unchanged environment.
const fn cargo(commands: &'static [&'static [&'static str]]) -> Action {
    Action::Cargo {
        variables: &[],
        commands,
    }
}

/// Runs all steps, or those named; answers whether the run is good. An error: a name that no step has.
pub(crate) fn run(workspace: &Workspace, only: &[String]) -> Result<bool, String> {
    let chosen = choose(only)?;
    let finished: Vec<_> = chosen.into_iter().map(|step| step.run(workspace)).collect();
    let strict = env::var_os("CI").is_some_and(|value| value == "true" || value == "1");
    Ok(step::report(&finished, strict))
}

/// Prints the names and what each step shows.
pub(crate) fn list() {
    for step in STEPS {
        let need = if step.need == Need::Required {
            "required"
        } else {
            "optional"
        };
        println!("  {:<14} {need}  {}", step.name, step.shows);
    }
}

fn choose(only: &[String]) -> Result<Vec<Step>, String> {
    if let Some(unknown) = only
        .iter()
        .find(|name| !STEPS.iter().any(|step| step.name == **name))
    {
        return Err(format!("there is no step `{unknown}` (cargo xtask ci --list)"));
    }
    let wanted = |step: &Step| only.is_empty() || only.iter().any(|name| name == step.name);
    Ok(STEPS.into_iter().filter(wanted).collect())
}

fn check_with_oldest_rust(workspace: &Workspace) -> Outcome {
    let Some(version) = tools::oldest_rust(workspace) else {
        return Outcome::Failed("the root manifest names no rust-version".to_owned());
    };
    let mut rustup = std::process::Command::new("rustup");
    rustup.args(["run", &version, "cargo", "check", "--workspace", "--all-features"]);
    rustup
        .current_dir(workspace.root())
        .env_remove("RUSTUP_TOOLCHAIN")
        .env_remove("CARGO");
    process::run("cargo check", &mut rustup, step::CARGO_LIMIT).into()
}

#[cfg(test)]
mod tests {
    use super::{STEPS, choose};

    #[test]
    fn names_are_unique_and_the_promised_steps_are_there() {
        let names: Vec<_> = STEPS.iter().map(|step| step.name).collect();
        for name in [
            "fmt",
            "clippy",
            "clippy-bare",
            "test",
            "doctest",
            "docs",
            "tidy",
            "conformance",
            "interop",
            "soak",
        ] {
            assert_eq!(names.iter().filter(|other| **other == name).count(), 1, "{name}");
        }
    }

    #[test]
    fn steps_are_chosen_by_name_and_an_unknown_name_is_refused() {
        assert_eq!(choose(&[]).map(|all| all.len()), Ok(STEPS.len()));
        let tidy = choose(&["tidy".to_owned()]).expect("tidy is a step");
        assert_eq!(tidy.len(), 1);
        assert!(choose(&["tidyy".to_owned()]).is_err());
    }
}
