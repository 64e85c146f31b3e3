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

/// A server has core 0.
const LOAD_CORE: &str = "1";

/// A short run is enough to fill caches and grow buffers.
const WARM_UP: &str = "0.3";

/// Memory is looked at after so long a silence: compressors are given back after a second, and no sooner than the
/// next look at the timers.
const SILENCE: f64 = 3.0;

/// What was measured of one server.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Measured {
    /// In the unit of the shape.
    pub(super) value: f64,
    /// The part outside the kernel, for CPU time.
    pub(super) user: Option<f64>,
    pub(super) per_second: f64,
    /// Bytes on the wire per answer.
    pub(super) wire: Option<f64>,
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
    let file_name = contender.name.replace([' ', ','], "-");
    let report = output.join(format!("{}-{file_name}.json", shape.name));
    let file = std::fs::File::create(&report).map_err(|error| format!("{}: {error}", report.display()))?;
    let mut command = Command::new("taskset");
    command
        .args(["-c", LOAD_CORE])
        .arg(&programs.testkit)
        .args(["bench", &started.url, "--json"]);
    command
        .args(shape.arguments)
        .args(["--pid", &started.running.id().to_string()]);
    let seconds = match shape.unit {
        Unit::Microseconds => choice.seconds,
        Unit::Bytes => choice.seconds.max(SILENCE),
    };
    command.args(["--seconds", &seconds.to_string(), "--warm-up", WARM_UP]);
    if contender.name == FLOOR {
        command.arg("--tcp");
    }
    let mut load = Running::start(&name, command.stdin(Stdio::null()).stdout(file))?;
    let status = load.wait(Duration::from_secs_f64(seconds) + MORE)?;
    // Dropped here, the server is killed.
    drop(started);
    let text = std::fs::read_to_string(&report).map_err(|error| format!("{}: {error}", report.display()))?;
    let report: Value = serde_json::from_str(&text).map_err(|error| format!("{name}: {error}"))?;
    if !status.success() {
        return Err(format!("{name}: {}", report["failure"]["reason"]));
    }
    if shape.deflates && report["deflate"].is_null() {
        return Err(format!("{name}: no compression was agreed on"));
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
        wire: report["wire_bytes_per_message"]["received"]
            .as_f64()
            .filter(|_| shape.deflates),
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
            "wire_bytes_per_message": { "sent": 1.0, "received": 285.0 },
        });
        let of = |name| read(&shape(name).expect("a shape"), &report).expect("a value");
        assert_eq!(
            (of("a").value, of("a").user, of("a").bound),
            (6.5, Some(0.5), "server".to_owned())
        );
        assert_eq!((of("i").value, of("i").user), (1030.0, None));
        assert_eq!((of("h1").wire, of("a").wire), (Some(285.0), None));
        assert_eq!(
            read(&shape("a").expect("a shape"), &json!({ "server": {} })),
            None
        );
    }
}
