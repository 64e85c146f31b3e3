//! From measurements to medians, ratios and their spread: the table, and the same as JSON.

use serde_json::{Value, json};

use super::choice::Choice;
use super::contender::OURS;
use super::measure::Measured;
use super::shapes::Shape;
use crate::process;

/// The measurements of one server in one shape, a turn each.
#[derive(Debug)]
pub(super) struct Row {
    name: String,
    pub(super) measured: Vec<Measured>,
}

/// A median and the range around it.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Spread {
    median: f64,
    least: f64,
    most: f64,
}

impl Row {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            measured: Vec::new(),
        }
    }

    fn spread(&self, of: impl Fn(&Measured) -> Option<f64>) -> Option<Spread> {
        Spread::of(self.measured.iter().filter_map(of).collect())
    }

    /// Our value by this server's of the same turn.
    fn ratio(&self, ours: &Self) -> Option<Spread> {
        let turns = ours.measured.iter().zip(&self.measured);
        Spread::of(turns.map(|(ours, other)| ours.value / other.value).collect())
    }

    fn client_was_bound(&self) -> bool {
        self.measured
            .iter()
            .any(|one| one.bound == "client" || one.bound == "both")
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
pub(super) fn print(shape: &Shape, rows: &[Row]) {
    println!(
        "  {:<20} {:>24}   {:>9}   {:<20} {:>10}",
        "server",
        shape.unit.name(),
        "user",
        "ours / this",
        "per second"
    );
    let ours = rows.iter().find(|row| row.name == OURS);
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
        let range = format!("{:.2} ({:.2} to {:.2})", value.median, value.least, value.most);
        let remark = if row.client_was_bound() {
            "  load generator at its limit"
        } else {
            ""
        };
        println!(
            "  {:<20} {range:>24}   {user:>9}   {ratio:<20} {rate:>10.0}{remark}",
            row.name
        );
    }
}

/// One shape's results.
pub(super) fn json(shape: &Shape, rows: &[Row]) -> Value {
    let ours = rows.iter().find(|row| row.name == OURS);
    let spread = |spread: Option<Spread>| {
        spread.map(|spread| json!({ "median": spread.median, "least": spread.least, "most": spread.most }))
    };
    let server = |row: &Row| {
        json!({
            "name": row.name,
            "median": row.spread(|one| Some(one.value)).map(|value| value.median),
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
        "unit": shape.unit.name(),
        "arguments": shape.arguments,
        "servers": rows.iter().map(server).collect::<Vec<_>>(),
    })
}

/// The whole comparison as text.
pub(super) fn whole(choice: &Choice, shapes: &[Value]) -> String {
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
    use super::{Measured, OURS, Row, Spread, json};
    use crate::bench::shapes::SHAPES;

    fn row(name: &str, values: &[f64], bound: &str) -> Row {
        let measured = |value: &f64| Measured {
            value: *value,
            user: Some(value / 10.0),
            per_second: 1e6 / value,
            bound: bound.to_owned(),
        };
        Row {
            name: name.to_owned(),
            measured: values.iter().map(measured).collect(),
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
        let rows = [
            row(OURS, &[1.0, 2.0, 3.0], "server"),
            row("wtx", &[4.0], "server"),
        ];
        let json = json(&SHAPES[0], &rows);
        assert_eq!(json["name"], "a");
        assert_eq!(json["servers"][0]["median"], 2.0);
        assert_eq!(json["servers"][1]["ours_by_this"]["median"], 0.25);
    }
}
