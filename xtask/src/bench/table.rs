//! From measurements to medians, ratios and their spread: the table, and the same as JSON.

use serde_json::{Value, json};

use super::choice::Choice;
use super::contender::FLOOR;
use super::measure::Measured;
use super::shapes::{OURS, Shape, Unit};
use crate::process;

/// The measurements of one server in one shape, a turn each.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) measured: Vec<Measured>,
    /// Whether it could not be measured to the end.
    pub(super) failed: bool,
}

/// All of one shape, ours first.
#[derive(Debug)]
pub(super) struct Measurements {
    pub(super) shape: Shape,
    pub(super) rows: Vec<Row>,
}

/// A median and the range around it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Spread {
    pub(super) median: f64,
    pub(super) least: f64,
    pub(super) most: f64,
}

impl Row {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            measured: Vec::new(),
            failed: false,
        }
    }

    /// The median of what was compared.
    pub(super) fn value(&self) -> Option<f64> {
        self.spread(|one| Some(one.value)).map(|spread| spread.median)
    }

    /// Bytes on the wire per answer.
    pub(super) fn wire(&self) -> Option<f64> {
        self.spread(|one| one.wire).map(|spread| spread.median)
    }

    fn spread(&self, of: impl Fn(&Measured) -> Option<f64>) -> Option<Spread> {
        Spread::of(self.measured.iter().filter_map(of).collect())
    }

    /// Our value by this server's of the same turn.
    pub(super) fn ratio(&self, ours: &Self) -> Option<Spread> {
        let turns = ours.measured.iter().zip(&self.measured);
        Spread::of(turns.map(|(ours, other)| ours.value / other.value).collect())
    }

    fn client_was_bound(&self) -> bool {
        self.measured
            .iter()
            .any(|one| one.bound == "client" || one.bound == "both")
    }
}

impl Measurements {
    /// The server that all others are compared with.
    pub(super) fn ours(&self) -> Option<&Row> {
        self.rows.iter().find(|row| row.name == OURS)
    }

    /// The cheapest of the others, the floor and our variants apart.
    pub(super) fn best_rival(&self) -> Option<&Row> {
        let rivals = self
            .rows
            .iter()
            .filter(|row| row.name != FLOOR && !row.name.starts_with(OURS));
        let valued = rivals.filter_map(|row| Some((row.value()?, row)));
        let best = valued.min_by(|(one, _), (other, _)| one.total_cmp(other));
        best.map(|(_, row)| row)
    }
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Option<Self> {
        values.retain(|value| value.is_finite());
        values.sort_by(f64::total_cmp);
        let (least, most) = (*values.first()?, *values.last()?);
        let (low, high) = (values.get((values.len() - 1) / 2)?, values.get(values.len() / 2)?);
        Some(Self {
            median: f64::midpoint(*low, *high),
            least,
            most,
        })
    }
}

/// The table of one shape, the cheapest server first.
pub(super) fn print(measurements: &Measurements) {
    let (shape, rows) = (&measurements.shape, &measurements.rows);
    let digits = if shape.unit == Unit::Bytes { 0 } else { 2 };
    println!(
        "  {:<20} {:>24}   {:>9}   {:<20} {:>10}",
        "server",
        shape.unit.name(),
        "user",
        "ours / this",
        "per second"
    );
    let ours = measurements.ours();
    let mut sorted: Vec<_> = rows
        .iter()
        .filter_map(|row| Some((row.spread(|one| Some(one.value))?, row)))
        .collect();
    sorted.sort_by(|(one, _), (other, _)| one.median.total_cmp(&other.median));
    for (value, row) in sorted {
        let user = row
            .spread(|one| one.user)
            .map_or(String::new(), |user| format!("{:.2}", user.median));
        let ratio = ours
            .filter(|ours| ours.name != row.name)
            .and_then(|ours| row.ratio(ours));
        let ratio = ratio.map_or(String::new(), |ratio| {
            format!("{:.2} ({:.2} to {:.2})", ratio.median, ratio.least, ratio.most)
        });
        let rate = row
            .spread(|one| Some(one.per_second))
            .map_or(0.0, |rate| rate.median);
        let range = format!(
            "{:.digits$} ({:.digits$} to {:.digits$})",
            value.median, value.least, value.most
        );
        let mut remark = row
            .wire()
            .map_or(String::new(), |bytes| format!("  {bytes:.0} bytes on the wire"));
        if row.client_was_bound() {
            remark.push_str("  load generator at its limit");
        }
        println!(
            "  {:<20} {range:>24}   {user:>9}   {ratio:<20} {rate:>10.0}{remark}",
            row.name
        );
    }
}

/// One shape's results.
fn shape_json(measurements: &Measurements) -> Value {
    let (shape, rows) = (&measurements.shape, &measurements.rows);
    let ours = measurements.ours();
    let spread = |spread: Option<Spread>| {
        spread.map(|spread| json!({ "median": spread.median, "least": spread.least, "most": spread.most }))
    };
    let server = |row: &Row| {
        json!({
            "name": row.name,
            "median": row.spread(|one| Some(one.value)).map(|value| value.median),
            "wire_bytes": row.wire(),
            "failed": row.failed,
            "values": row.measured.iter().map(|one| one.value).collect::<Vec<_>>(),
            "user": spread(row.spread(|one| one.user)),
            "per_second": spread(row.spread(|one| Some(one.per_second))),
            "bound": row.measured.iter().map(|one| one.bound.as_str()).collect::<Vec<_>>(),
            "ours_by_this": spread(ours.and_then(|ours| row.ratio(ours))),
        })
    };
    json!({
        "name": shape.name,
        "what": shape.what,
        "table": shape.table,
        "unit": shape.unit.name(),
        "arguments": shape.arguments,
        "servers": rows.iter().map(server).collect::<Vec<_>>(),
    })
}

/// The whole comparison as text.
pub(super) fn json(choice: &Choice, all: &[Measurements]) -> String {
    let shapes: Vec<_> = all.iter().map(shape_json).collect();
    let ask = |program: &str, arguments: &[&str]| {
        process::answer_of(std::process::Command::new(program).args(arguments))
    };
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let results = json!({
        "schema": "ws-bench.comparison/1",
        "kernel": ask("uname", &["-sr"]),
        "cpu": model.map(|(_, model)| model),
        "rustc": ask("rustc", &["--version"]),
        "repetitions": choice.repetitions,
        "seconds": choice.seconds,
        "forced": choice.force,
        "shapes": shapes,
    });
    format!("{results:#}\n")
}

#[cfg(test)]
mod tests {
    use super::{Measured, Measurements, OURS, Row, Spread, shape_json};
    use crate::bench::shapes::SHAPES;

    fn row(name: &str, values: &[f64], bound: &str) -> Row {
        let measured = |value: &f64| Measured {
            value: *value,
            user: Some(value / 10.0),
            per_second: 1e6 / value,
            wire: None,
            bound: bound.to_owned(),
        };
        Row {
            name: name.to_owned(),
            measured: values.iter().map(measured).collect(),
            failed: false,
        }
    }

    #[test]
    fn medians_and_ranges() {
        let spread = |median, least, most| Some(Spread { median, least, most });
        assert_eq!(Spread::of(vec![3.0, 1.0, 2.0]), spread(2.0, 1.0, 3.0));
        assert_eq!(Spread::of(vec![4.0, 1.0, 2.0, 3.0]), spread(2.5, 1.0, 4.0));
        assert_eq!(Spread::of(vec![f64::NAN]), None);
    }

    #[test]
    fn ratios_are_of_the_same_turn() {
        // The machine slows down from turn to turn; the ratio stays.
        let (ours, other) = (
            row(OURS, &[1.0, 2.0, 4.0], "server"),
            row("wtx", &[2.0, 4.0, 8.0], "both"),
        );
        assert_eq!(other.ratio(&ours), Spread::of(vec![0.5, 0.5, 0.5]));
        assert!(other.client_was_bound() && !ours.client_was_bound());
    }

    #[test]
    fn json_has_what_the_chart_reads() {
        let measurements = Measurements {
            shape: SHAPES[0],
            rows: vec![
                row(OURS, &[1.0, 2.0, 3.0], "server"),
                row("wtx", &[4.0], "server"),
                row("yawc", &[5.0], "server"),
                row("floor", &[1.0], "server"),
            ],
        };
        let json = shape_json(&measurements);
        assert_eq!(json["name"], "a");
        assert_eq!(json["servers"][0]["median"], 2.0);
        assert_eq!(json["servers"][1]["ours_by_this"]["median"], 0.25);
        assert_eq!(
            measurements.best_rival().map(|row| row.name.as_str()),
            Some("wtx")
        );
    }
}
