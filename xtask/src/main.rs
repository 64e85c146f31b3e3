//! `cargo xtask TASK`: the checks of this repository. This file holds the table of tasks and reads the command
//! line; what a task does is in the module named after it.

#![forbid(unsafe_code)]

// layer 1: answers, children, files
mod outcome;
mod process;
mod workspace;

// layer 2: what the checks stand on
mod testkit;
mod tools;

// layer 3: the checks, the comparison
mod attack;
mod bench;
mod conformance;
mod fuzz;
mod instructions;
mod interop;
mod soak;
mod tidy;

// layer 4: a check as a step
mod step;

// layer 5: all steps
mod ci;

use std::process::ExitCode;

use outcome::Outcome;
use workspace::Workspace;

/// A task: its name, its arguments, its help line, and what it does with the arguments after the name.
struct Task {
    name: &'static str,
    arguments: &'static str,
    help: &'static str,
    run: fn(&Workspace, &[String]) -> Result<bool, String>,
}

const TASKS: [Task; 7] = [
    Task {
        name: "ci",
        arguments: "[--only STEP]... [--list]",
        help: "run every check, or the steps named; --list prints their names",
        run: run_ci,
    },
    Task {
        name: "tidy",
        arguments: "",
        help: "house rules only",
        run: run_tidy,
    },
    Task {
        name: "conformance",
        arguments: "[--role server|client] [--all] [--program PATH]",
        help: "the Autobahn cases, of groups 12 and 13 a part; --all: every case, and update docs/CONFORMANCE.md",
        run: run_conformance,
    },
    Task {
        name: "interop",
        arguments: "[--program PATH]",
        help: "the Python library `websockets` as client and as server; --program: another build of ws-testkit",
        run: run_interop,
    },
    Task {
        name: "bench",
        arguments: "[SHAPE]... [--against NAME]... [--server NAME[@SHAPE]=COMMAND]... [--repetitions N] [--seconds S] [--force]",
        help: "our server beside rivals under the same load; COMMAND prints its ws:// address, or takes {port}",
        run: run_bench,
    },
    Task {
        name: "instructions",
        arguments: "[--bless]",
        help: "instructions of the codec per message, beside the baseline; --bless: make them the baseline; needs valgrind",
        run: run_instructions,
    },
    Task {
        name: "fuzz",
        arguments: "",
        help: "five seconds of every fuzz target; needs nightly Rust and cargo-fuzz",
        run: run_fuzz,
    },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((name, rest)) = arguments.split_first() else {
        eprint!("{}", usage());
        return ExitCode::from(2);
    };
    if matches!(name.as_str(), "-h" | "--help" | "help") || asks_for_help(rest) {
        print!("{}", usage());
        return ExitCode::SUCCESS;
    }
    let Some(task) = TASKS.iter().find(|task| task.name == name) else {
        eprint!("xtask: there is no task `{name}`\n\n{}", usage());
        return ExitCode::from(2);
    };
    match (task.run)(&Workspace::find(), rest) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(reason) => {
            eprintln!("xtask {name}: {reason}");
            ExitCode::from(2)
        }
    }
}

fn usage() -> String {
    let mut text =
        String::from("Checks and chores of this repository.\n\nUsage: cargo xtask TASK\n\nTasks:\n");
    for task in &TASKS {
        text.push_str(&format!(
            "  {} {}\n      {}\n",
            task.name, task.arguments, task.help
        ));
    }
    text.push_str("\nExit codes: 0 all held; 1 something did not; 2 usage.\n");
    text
}

fn asks_for_help(arguments: &[String]) -> bool {
    arguments
        .iter()
        .any(|argument| argument == "-h" || argument == "--help")
}

fn run_ci(workspace: &Workspace, arguments: &[String]) -> Result<bool, String> {
    if arguments == ["--list"] {
        ci::list();
        return Ok(true);
    }
    let mut only = Vec::new();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match (argument.as_str(), rest.next()) {
            ("--only", Some(name)) => only.push(name.clone()),
            ("--only", None) => return Err("--only needs the name of a step".to_owned()),
            _ => return Err(format!("unexpected argument `{argument}`")),
        }
    }
    ci::run(workspace, &only)
}

fn run_tidy(workspace: &Workspace, arguments: &[String]) -> Result<bool, String> {
    if let Some(argument) = arguments.first() {
        return Err(format!("unexpected argument `{argument}`"));
    }
    Ok(conclude("tidy", &tidy::run(workspace)))
}

fn run_conformance(workspace: &Workspace, arguments: &[String]) -> Result<bool, String> {
    let choice = conformance::Choice::read(arguments)?;
    Ok(conclude("conformance", &conformance::run(workspace, choice)))
}

fn run_interop(workspace: &Workspace, arguments: &[String]) -> Result<bool, String> {
    let program = match arguments {
        [] => None,
        [option, path] if option == "--program" => Some(path.into()),
        [argument, ..] => return Err(format!("unexpected argument `{argument}`")),
    };
    Ok(conclude("interop", &interop::run(workspace, program)))
}

fn run_fuzz(workspace: &Workspace, arguments: &[String]) -> Result<bool, String> {
    if let Some(argument) = arguments.first() {
        return Err(format!("unexpected argument `{argument}`"));
    }
    match tools::Tool::CargoFuzz.missing(workspace) {
        Some(missing) => Err(missing),
        None => Ok(conclude("fuzz", &fuzz::run(workspace))),
    }
}

fn run_instructions(workspace: &Workspace, arguments: &[String]) -> Result<bool, String> {
    let check = match arguments {
        [] => instructions::run,
        [option] if option == "--bless" => instructions::bless,
        [argument, ..] => return Err(format!("unexpected argument `{argument}`")),
    };
    match tools::Tool::Valgrind.missing(workspace) {
        Some(missing) => Err(missing),
        None => Ok(conclude("instructions", &check(workspace))),
    }
}

fn run_bench(workspace: &Workspace, arguments: &[String]) -> Result<bool, String> {
    bench::run(workspace, &bench::Choice::read(arguments)?)
}

fn conclude(name: &str, outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Passed => println!("{name} passed"),
        Outcome::Failed(reason) => println!("{name} FAILED: {reason}"),
        Outcome::Skipped(reason) => println!("{name} SKIPPED: {reason}"),
    }
    *outcome == Outcome::Passed
}
