//! The results as tables for docs/PERFORMANCE.md: one for each kind of load, a row for each server, a column for each
//! shape.

use std::fmt::Write as _;

use super::contender::FLOOR;
use super::shapes::Unit;
use super::table::{Measurements, Row};

/// All tables, in the order in which the shapes were measured.
pub(super) fn tables(all: &[Measurements]) -> String {
    let mut text = String::new();
    let mut done: Vec<&str> = Vec::new();
    for measurements in all {
        let name = measurements.shape.table;
        if !done.contains(&name) {
            let shapes: Vec<_> = all.iter().filter(|one| one.shape.table == name).collect();
            table(&mut text, name, &shapes);
            done.push(name);
        }
    }
    text
}

fn table(text: &mut String, name: &str, shapes: &[&Measurements]) {
    let unit = shapes.first().map_or("", |one| one.shape.unit.name());
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "### {name}\n\n{unit}; in brackets our value relative to this server's, median of the turns.\n"
    );
    for one in shapes {
        let _ = writeln!(text, "* {}: {}", one.shape.name, one.shape.what);
    }
    line(
        text,
        "\n| server",
        shapes.iter().map(|one| one.shape.name.to_owned()),
    );
    line(text, "|---", shapes.iter().map(|_| "---:".to_owned()));
    for server in servers(shapes) {
        let cells = shapes.iter().map(|one| {
            one.rows
                .iter()
                .find(|row| row.name == server)
                .map_or_else(dash, |row| cell(one, row))
        });
        line(text, &format!("| {server}"), cells);
    }
    if shapes.iter().any(|one| one.best_rival().is_some()) {
        let best = shapes.iter().map(|one| compared(one, one.best_rival()));
        line(text, "| **ours / best rival**", best);
    }
    if shapes.iter().any(|one| one.shape.has_floor) {
        let floor = |one: &Measurements| compared(one, one.rows.iter().find(|row| row.name == FLOOR));
        line(text, "| **ours / floor**", shapes.iter().map(|one| floor(one)));
    }
    text.push('\n');
}

fn line(text: &mut String, first: &str, cells: impl Iterator<Item = String>) {
    text.push_str(first);
    for cell in cells {
        let _ = write!(text, " | {cell}");
    }
    text.push_str(" |\n");
}

/// Every name in these shapes, in order of appearance: ours is first.
fn servers<'a>(shapes: &[&'a Measurements]) -> Vec<&'a str> {
    let mut names: Vec<&str> = Vec::new();
    for row in shapes.iter().flat_map(|one| &one.rows) {
        if !names.contains(&row.name.as_str()) {
            names.push(&row.name);
        }
    }
    names
}

/// `131 (0.70), 285 B`.
fn cell(measurements: &Measurements, row: &Row) -> String {
    let Some(value) = row.value() else {
        return "failed".to_owned();
    };
    let mut cell = match measurements.shape.unit {
        Unit::Bytes => format!("{value:.0}"),
        Unit::Microseconds if value >= 100.0 => format!("{value:.0}"),
        Unit::Microseconds if value >= 10.0 => format!("{value:.1}"),
        Unit::Microseconds => format!("{value:.2}"),
    };
    let ours = measurements.ours().filter(|ours| ours.name != row.name);
    if let Some(ratio) = ours.and_then(|ours| row.ratio(ours)) {
        let _ = write!(cell, " ({:.2})", ratio.median);
    }
    if let Some(bytes) = row
        .wire()
        .filter(|_| measurements.shape.unit == Unit::Microseconds)
    {
        let _ = write!(cell, ", {bytes:.0} B");
    }
    cell
}

/// `0.97 (0.95 to 1.01) of wtx`.
fn compared(measurements: &Measurements, other: Option<&Row>) -> String {
    let ratio = measurements.ours().zip(other).and_then(|(ours, other)| {
        let ratio = other.ratio(ours)?;
        Some(format!(
            "{:.2} ({:.2} to {:.2}) of {}",
            ratio.median, ratio.least, ratio.most, other.name
        ))
    });
    ratio.unwrap_or_else(dash)
}

fn dash() -> String {
    "–".to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::measure::Measured;
    use super::*;
    use crate::bench::shapes::shape;

    fn row(name: &str, values: &[f64], wire: Option<f64>) -> Row {
        let mut row = Row::new(name);
        row.measured = values
            .iter()
            .map(|value| Measured {
                value: *value,
                user: None,
                per_second: 1.0,
                wire,
                bound: String::new(),
            })
            .collect();
        row
    }

    #[test]
    fn a_table_for_each_kind_with_ours_compared() {
        let of = |name| shape(name).expect("a shape");
        let echo = |name, rows| Measurements {
            shape: of(name),
            rows,
        };
        let all = [
            echo(
                "a",
                vec![
                    row("ours", &[5.0], None),
                    row("floor", &[4.0], None),
                    row("wtx", &[10.0], None),
                ],
            ),
            echo(
                "h1",
                vec![row("ours", &[90.0], Some(280.4)), row("yawc", &[], None)],
            ),
            echo("b", vec![row("ours", &[0.5], None), row("yawc", &[1.0], None)]),
        ];
        let text = tables(&all);
        for line in [
            "| server | a | b |",
            "| ours | 5.00 | 0.50 |",
            "| wtx | 10.0 (0.50) | – |",
            "| **ours / best rival** | 0.50 (0.50 to 0.50) of wtx | 0.50 (0.50 to 0.50) of yawc |",
            "| **ours / floor** | 1.25 (1.25 to 1.25) of floor | – |",
            "| ours | 90.0, 280 B |",
            "| yawc | failed |",
        ] {
            assert!(text.lines().any(|one| one == line), "{line}\n{text}");
        }
    }
}
