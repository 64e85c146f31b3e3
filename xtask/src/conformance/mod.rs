//! Conformance: the Autobahn cases, run by kosoku, against our server and our client. Running one role is in
//! `role`, judging a report in `verdict`, the table of docs/CONFORMANCE.md in `table`.

// layer 1: what there is to run
mod cases;

// layer 2: the report of one run
mod verdict;

// layer 3: making reports, showing them
mod role;
mod table;

use std::path::PathBuf;

use crate::outcome::Outcome;
use crate::testkit;
use crate::tools;
use crate::workspace::Workspace;

use cases::Cases;
use role::{Kosoku, Run};

/// What the command line chose.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Choice {
    server_only: bool,
    client_only: bool,
    all: bool,
    program: Option<PathBuf>,
}

impl Choice {
    /// Reads the arguments of `cargo xtask conformance`.
    pub(crate) fn read(arguments: &[String]) -> Result<Self, String> {
        let mut choice = Self::default();
        let mut rest = arguments.iter().map(String::as_str);
        while let Some(argument) = rest.next() {
            match argument {
                "--all" => choice.all = true,
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
        Ok(choice)
    }

    /// Whether it is everything, and of this checkout: worth being written down.
    fn is_whole(&self) -> bool {
        *self
            == Self {
                all: true,
                ..Self::default()
            }
    }

    /// The runs that this choice asks for.
    fn runs(&self) -> Vec<Run> {
        let whole = || {
            let mut cases = Cases::up_to(10);
            cases.extend(Cases::of_compression(self.all));
            cases
        };
        let mut runs = Vec::new();
        if !self.client_only {
            runs.push(Run::server("echo-assemble", whole()));
            runs.push(Run::server("test-echo", Cases::up_to(7)));
        }
        if !self.server_only {
            runs.push(Run::client(whole()));
        }
        runs
    }
}

/// What `cargo xtask ci` runs: both roles, groups 1 to 10 and a part of 12 and 13.
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
    let write = choice.is_whole();
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
                .complaints(run.cases())
                .into_iter()
                .map(|one| format!("{}: {one}", run.title())),
        );
        columns.push((run.title(), report));
    }
    print!("{}", table::of(&columns));
    println!("    reports: {}", output.display());
    if write {
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
    fn only_a_whole_run_is_written_down() {
        let whole = |arguments: &[&str]| read(arguments).map(|choice| choice.is_whole());
        assert_eq!(whole(&["--all"]), Ok(true));
        assert_eq!(whole(&[]), Ok(false));
        assert_eq!(whole(&["--all", "--role", "client"]), Ok(false));
        assert_eq!(whole(&["--all", "--program", "other"]), Ok(false));
    }

    #[test]
    fn all_compression_cases_join_on_request() {
        let count = |arguments: &[&str]| {
            let runs = read(arguments).expect("both are known").runs();
            let first = runs.first().expect("the server runs first");
            first.cases().iter().map(|cases| cases.count).sum::<usize>()
        };
        assert_eq!((count(&[]), count(&["--all"])), (385, 517));
    }
}
