//! The comparison: our server and others under the same load, in turn, on cores of their own.
//!
//! The server runs on core 0, the load on core 1 (`taskset`). Every measurement is of a fresh server; the servers take
//! turns, in another order each time, because a machine's speed drifts: only ratios within one turn tell anything.
//! Loads are data in `shapes`. Load generator: `ws-testkit bench`; rivals and chart: crates/ws-bench.

// layer 1
mod shapes;

// layer 2
mod choice;

// layer 3
mod contender;
mod load;

// layer 4
mod measure;

// layer 5
mod table;

// layer 6
mod markdown;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::process;
use crate::workspace::Workspace;

pub(crate) use choice::Choice;
use contender::Programs;
use shapes::{SHAPES, Shape};
use table::{Measurements, Row};

/// Drawing takes milliseconds.
const CHART_LIMIT: Duration = Duration::from_secs(60);

/// Builds, measures, prints, and writes `results.json`, `table.md` and `chart.svg` below `target/xtask/bench`. Answers
/// whether everybody could be measured.
pub(crate) fn run(workspace: &Workspace, choice: &Choice) -> Result<bool, String> {
    load::ready(choice)?;
    let programs = contender::build(workspace)?;
    contender::check(&programs, choice, &SHAPES)?;
    load::calm(choice)?;
    let output = workspace.fresh_output("bench")?;
    let begin = Instant::now();
    let (mut all, mut failures) = (Vec::new(), Vec::new());
    for shape in &choice.shapes {
        println!("\n{}: {}", shape.name, shape.what);
        let measurements = one_shape(&programs, shape, choice, &output, &mut failures)?;
        table::print(&measurements);
        all.push(measurements);
        // What there is so far is worth keeping, whatever happens to the rest.
        write(&programs, choice, &all, &output)?;
    }
    println!("\n{} in {:.0} s", output.display(), begin.elapsed().as_secs_f64());
    failures.iter().for_each(|failure| println!("FAILED {failure}"));
    Ok(failures.is_empty())
}

/// Everybody in turn; who fails is left out of the turns that follow.
fn one_shape(
    programs: &Programs,
    shape: &Shape,
    choice: &Choice,
    output: &Path,
    failures: &mut Vec<String>,
) -> Result<Measurements, String> {
    let contenders = contender::of(shape, programs, choice)?;
    let mut rows: Vec<Row> = contenders.iter().map(|one| Row::new(&one.name)).collect();
    for turn in 0..choice.repetitions {
        for place in 0..contenders.len() {
            let number = (place + turn) % contenders.len();
            let (Some(contender), Some(row)) = (contenders.get(number), rows.get_mut(number)) else {
                continue;
            };
            if row.failed {
                continue;
            }
            match measure::one(programs, contender, shape, choice, output) {
                Ok(measured) => row.measured.push(measured),
                Err(reason) => {
                    println!("  {reason}");
                    failures.push(reason);
                    row.failed = true;
                }
            }
        }
    }
    Ok(Measurements { shape: *shape, rows })
}

fn write(programs: &Programs, choice: &Choice, all: &[Measurements], output: &Path) -> Result<(), String> {
    let (file, chart) = (output.join("results.json"), output.join("chart.svg"));
    let failed = |error: std::io::Error| format!("{}: {error}", output.display());
    fs::write(&file, table::json(choice, all)).map_err(failed)?;
    fs::write(output.join("table.md"), markdown::tables(all)).map_err(failed)?;
    let mut draw = Command::new(&programs.rivals);
    process::run(
        "ws-bench chart",
        draw.arg("chart").args([&file, &chart]),
        CHART_LIMIT,
    )
}
