//! Conformance: the Autobahn cases, run by kosoku, against our server and our client. Running one role is in
//! `role`, judging a report in `verdict`, the table of docs/CONFORMANCE.md in `table`.

// layer 1: the report of one run
mod verdict;

// layer 2: making reports, showing them
mod role;
mod table;

use std::path::PathBuf;

use crate::outcome::Outcome;
use crate::testkit;
use crate::tools;
use crate::workspace::Workspace;

use role::{Kosoku, Run};

/// What the command line chose.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Choice {
    server_only: bool,
    client_only: bool,
    compression_too: bool,
    write: bool,
    program: Option<PathBuf>,
}

impl Choice {
    /// Reads the arguments of `cargo xtask conformance`.
    pub(crate) fn read(arguments: &[String]) -> Result<Self, String> {
        let mut choice = Self::default();
        let mut rest = arguments.iter().map(String::as_str);
        while let Some(argument) = rest.next() {
            match argument {
                "--all" => choice.compression_too = true,
                "--write" => choice.write = true,
                "--role" => match rest.next() {
                    Some("server") => choice.server_only = true,
                    Some("client") => choice.client_only = true,
                    _ => return Err("--role needs `server` or `client`".to_owned()),
                },
                "--program" => match rest.next() {
                    Some(path) => choice.program = Some(PathBuf::from(path)),
                    None => return Err("--program needs a path".to_owned()),
                },
                other => return Err(format!("unexpected argument `{other}`")),
            }
        }
        if choice.server_only && choice.client_only {
            return Err("give --role once, or not at all for both".to_owned());
        }
        if choice.write
            && choice
                != (Self {
                    write: true,
                    ..Self::default()
                })
        {
            return Err("--write goes with no other option: the table is of a whole run".to_owned());
        }
        Ok(choice)
    }

    /// The runs that this choice asks for.
    fn runs(&self) -> Vec<Run> {
        let whole: Vec<u32> = (1..=10)
            .chain(if self.compression_too {
                vec![12, 13]
            } else {
                Vec::new()
            })
            .collect();
        let mut runs = Vec::new();
        if !self.client_only {
            runs.push(Run::server("echo-assemble", whole.clone()));
            runs.push(Run::server("test-echo", (1..=7).collect()));
        }
        if !self.server_only {
            runs.push(Run::client(whole));
        }
        runs
    }
}

/// What `cargo xtask ci` runs: both roles, groups 1 to 10.
pub(crate) fn run_required(workspace: &Workspace) -> Outcome {
    run(workspace, Choice::default())
}

/// Runs what was chosen.
pub(crate) fn run(workspace: &Workspace, choice: Choice) -> Outcome {
    let programs = match tools::python_environment(workspace) {
        Ok(programs) => programs,
        Err(reason) => return Outcome::Skipped(format!("no Python environment: {reason}")),
    };
    run_all(workspace, &programs.join("kosoku"), choice)
        .map_or_else(Outcome::Failed, |complaints| Outcome::of_complaints(&complaints))
}

fn run_all(workspace: &Workspace, kosoku: &std::path::Path, choice: Choice) -> Result<Vec<String>, String> {
    let output = workspace.fresh_output("conformance")?;
    let runs = choice.runs();
    let program = choice.program.map_or_else(|| testkit::build(workspace), Ok)?;
    let kosoku = Kosoku {
        program: kosoku.to_path_buf(),
        output: output.clone(),
    };
    let mut complaints = Vec::new();
    let mut columns = Vec::new();
    for run in runs {
        let report = kosoku.report_of(&run, &program)?;
        println!("    {}: {}", run.title(), report.counts());
        complaints.extend(
            report
                .complaints(&run.groups())
                .into_iter()
                .map(|one| format!("{}: {one}", run.title())),
        );
        columns.push((run.title(), report));
    }
    print!("{}", table::of(&columns));
    println!("    reports: {}", output.display());
    if choice.write {
        table::write(workspace, &columns)?;
    }
    Ok(complaints)
}

#[cfg(test)]
mod tests {
    use super::Choice;

    fn read(arguments: &[&str]) -> Result<Choice, String> {
        let owned: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        Choice::read(&owned)
    }

    #[test]
    fn without_arguments_both_roles_run() {
        let titles: Vec<_> = read(&[])
            .expect("no argument is fine")
            .runs()
            .iter()
            .map(|run| run.title())
            .collect();
        assert_eq!(titles, ["server (echo-assemble)", "server (test-echo)", "client"]);
    }

    #[test]
    fn a_role_is_chosen_alone() {
        assert_eq!(
            read(&["--role", "server"]).map(|choice| choice.runs().len()),
            Ok(2)
        );
        assert_eq!(
            read(&["--role", "client"]).map(|choice| choice.runs().len()),
            Ok(1)
        );
        assert!(read(&["--role", "proxy"]).is_err());
        assert!(read(&["--role", "server", "--role", "client"]).is_err());
    }

    #[test]
    fn a_partial_run_never_writes_the_table() {
        assert!(read(&["--write"]).is_ok());
        assert!(read(&["--write", "--role", "client"]).is_err());
        assert!(read(&["--write", "--all"]).is_err());
    }

    #[test]
    fn compression_groups_join_on_request() {
        let runs = read(&["--all"]).expect("--all is known").runs();
        assert!(
            runs.first()
                .is_some_and(|run| run.groups().ends_with(&[10, 12, 13]))
        );
    }
}
