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

// layer 4
mod measure;

// layer 5
mod table;

use std::fs;
use std::process::Command;
use std::time::Duration;

use crate::process;
use crate::workspace::Workspace;

pub(crate) use choice::Choice;
use contender::Contender;
use table::Row;

/// A busy machine measures its other work. The load generator itself is not in this number yet.
const MOST_LOAD: f64 = 0.7;

/// Drawing takes milliseconds.
const CHART_LIMIT: Duration = Duration::from_secs(60);

/// Builds, measures, prints, and writes `results.json` and `chart.svg` below `target/xtask/bench`.
pub(crate) fn run(workspace: &Workspace, choice: &Choice) -> Result<bool, String> {
    ready(choice)?;
    let programs = contender::build(workspace)?;
    let contenders = contender::all(&programs, choice)?;
    // Building is load, too; it takes a minute until the average has forgotten it.
    ready(choice)?;
    let output = workspace.fresh_output("bench")?;
    let mut results = Vec::new();
    for shape in &choice.shapes {
        println!("\n{}: {}", shape.name, shape.what);
        let taking_part: Vec<&Contender> = contenders.iter().filter(|one| one.takes_part(shape)).collect();
        let mut rows: Vec<Row> = taking_part.iter().map(|one| Row::new(&one.name)).collect();
        for turn in 0..choice.repetitions {
            for place in 0..taking_part.len() {
                let number = (place + turn) % taking_part.len();
                let measured = measure::one(&programs, taking_part[number], shape, choice, &output)?;
                rows[number].measured.push(measured);
            }
        }
        table::print(shape, &rows);
        results.push(table::json(shape, &rows));
    }
    let results = table::whole(choice, &results);
    let (file, chart) = (output.join("results.json"), output.join("chart.svg"));
    fs::write(&file, results).map_err(|error| format!("{}: {error}", file.display()))?;
    let mut draw = Command::new(&programs.rivals);
    process::run(
        "ws-bench chart",
        draw.arg("chart").args([&file, &chart]),
        CHART_LIMIT,
    )?;
    println!("\n{}\n{}", file.display(), chart.display());
    Ok(true)
}

/// Refuses a machine that cannot measure.
fn ready(choice: &Choice) -> Result<(), String> {
    if !cfg!(target_os = "linux") {
        return Err("only Linux tells what a server's process costs, and has taskset".to_owned());
    }
    if process::answer_of(Command::new("taskset").arg("--version")).is_none() {
        return Err("taskset is missing (apt-get install util-linux)".to_owned());
    }
    let average = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    match load(&average) {
        Some(load) if load > MOST_LOAD && !choice.force => Err(format!(
            "the machine is busy: load average {load}, more than {MOST_LOAD} (--force measures all the same)"
        )),
        _ => Ok(()),
    }
}

/// The average of the last minute.
fn load(average: &str) -> Option<f64> {
    average.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::load;

    #[test]
    fn the_load_of_the_last_minute_counts() {
        assert_eq!(load("0.71 2.00 3.00 1/234 5678\n"), Some(0.71));
        assert_eq!(load(""), None);
    }
}
