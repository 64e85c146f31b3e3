//! One measurement: a fresh server on core 0, the load on core 1, and what the report of the load says.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::choice::Choice;
use super::contender::{Contender, FLOOR, Programs};
use super::shapes::{Shape, Unit};
use crate::process::Running;

/// Beyond the measured time: connecting 10,000 times, warming up, waiting for answers.
const MORE: Duration = Duration::from_secs(120);

/// A short run is enough to fill caches and grow buffers.
const WARM_UP: &str = "0.3";

/// What was measured of one server.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Measured {
    /// In the unit of the shape.
    pub(super) value: f64,
    /// The part outside the kernel, for CPU time.
    pub(super) user: Option<f64>,
    pub(super) per_second: f64,
    /// Which side had no CPU time left.
    pub(super) bound: String,
}

/// Starts, loads and stops one server.
pub(super) fn one(
    programs: &Programs,
    contender: &Contender,
    shape: &Shape,
    choice: &Choice,
    output: &Path,
) -> Result<Measured, String> {
    let started = contender.start(output)?;
    let name = format!("bench of {}, shape {}", contender.name, shape.name);
    let report = output.join(format!("{}-{}.json", shape.name, contender.name));
    let file = std::fs::File::create(&report).map_err(|error| format!("{}: {error}", report.display()))?;
    let mut command = Command::new("taskset");
    command
        .args(["-c", "1"])
        .arg(&programs.testkit)
        .args(["bench", &started.url, "--json"]);
    command
        .args(shape.arguments)
        .args(["--pid", &started.running.id().to_string()]);
    command.args(["--seconds", &choice.seconds.to_string(), "--warm-up", WARM_UP]);
    if contender.name == FLOOR {
        command.arg("--tcp");
    }
    let mut load = Running::start(&name, command.stdin(Stdio::null()).stdout(file))?;
    let status = load.wait(Duration::from_secs_f64(choice.seconds) + MORE)?;
    // Dropped here, the server is killed.
    drop(started);
    let text = std::fs::read_to_string(&report).map_err(|error| format!("{}: {error}", report.display()))?;
    let report: Value = serde_json::from_str(&text).map_err(|error| format!("{name}: {error}"))?;
    if !status.success() {
        return Err(format!("{name}: {}", report["failure"]["reason"]));
    }
    read(shape, &report).ok_or_else(|| format!("{name}: nothing was answered"))
}

fn read(shape: &Shape, report: &Value) -> Option<Measured> {
    let server = &report["server"];
    Some(Measured {
        value: match shape.unit {
            Unit::Microseconds => server["cpu_us_per_message"].as_f64()?,
            Unit::Bytes => report["idle_bytes_per_connection"].as_f64()?,
        },
        user: server["user_us_per_message"]
            .as_f64()
            .filter(|_| shape.unit == Unit::Microseconds),
        per_second: report["per_second"].as_f64()?,
        bound: report["bound"].as_str().unwrap_or_default().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::read;
    use crate::bench::shapes::shape;

    #[test]
    fn the_report_is_read_in_the_unit_of_the_shape() {
        let report = json!({
            "server": { "cpu_us_per_message": 6.5, "user_us_per_message": 0.5 },
            "per_second": 1000.0, "bound": "server", "idle_bytes_per_connection": 1030.0,
        });
        let of = |name| read(&shape(name).expect("a shape"), &report).expect("a value");
        assert_eq!(
            (of("a").value, of("a").user, of("a").bound),
            (6.5, Some(0.5), "server".to_owned())
        );
        assert_eq!((of("i").value, of("i").user), (1030.0, None));
        assert_eq!(
            read(&shape("a").expect("a shape"), &json!({ "server": {} })),
            None
        );
    }
}
