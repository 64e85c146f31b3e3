//! Draws the result of `cargo xtask bench`: for each shape the cost of every server beside ours.

use std::error::Error;

use plotters::prelude::*;
use serde_json::Value;

/// Pixels of one bar with the gap below it, of the column of names, of everything right of it.
const ROW: i32 = 20;
const NAMES: i32 = 200;
const WIDTH: i32 = 900;
const HEAD: i32 = 30;

/// Bars end at this multiple of our cost; a longer one only has its number.
const MOST: f64 = 4.0;

const OURS: RGBColor = RGBColor(31, 119, 180);
const OTHERS: RGBColor = RGBColor(174, 182, 191);

struct Bar {
    name: String,
    value: f64,
}

/// Reads the results and writes the chart.
pub(crate) fn draw(input: &str, output: &str) -> Result<(), Box<dyn Error>> {
    let results: Value = serde_json::from_str(&std::fs::read_to_string(input)?)?;
    let shapes = results["shapes"].as_array().ok_or("no shapes in the results")?;
    let shapes: Vec<_> = shapes.iter().map(|shape| (title(shape), bars(shape))).collect();
    let rows: usize = shapes.iter().map(|(_, bars)| bars.len()).sum();
    let height = HEAD * shapes.len() as i32 + ROW * rows as i32 + ROW;
    let area = SVGBackend::new(output, (WIDTH as u32, height as u32)).into_drawing_area();
    area.fill(&WHITE)?;
    let bold = ("sans-serif", 15).into_font().style(FontStyle::Bold);
    let plain = ("sans-serif", 13).into_font();
    let mut top = ROW / 2;
    for (title, bars) in &shapes {
        area.draw(&Text::new(title.clone(), (8, top + 6), bold.clone()))?;
        top += HEAD;
        let ours = bars
            .iter()
            .find(|bar| bar.name == "ours")
            .map_or(1.0, |bar| bar.value);
        for bar in bars {
            let share = (bar.value / ours / MOST).min(1.0);
            let right = NAMES + (f64::from(WIDTH - NAMES - 160) * share) as i32;
            let colour = if bar.name == "ours" { OURS } else { OTHERS };
            area.draw(&Rectangle::new(
                [(NAMES, top), (right, top + ROW - 5)],
                colour.filled(),
            ))?;
            area.draw(&Text::new(bar.name.clone(), (24, top), plain.clone()))?;
            let label = format!("{:.2} ({:.2})", bar.value, bar.value / ours);
            area.draw(&Text::new(label, (right + 6, top), plain.clone()))?;
            top += ROW;
        }
    }
    area.present()?;
    Ok(())
}

fn title(shape: &Value) -> String {
    let text = |field: &str| shape[field].as_str().unwrap_or_default().to_owned();
    format!(
        "{}: {} ({}, in brackets relative to ours)",
        text("name"),
        text("what"),
        text("unit")
    )
}

/// The cheapest first; who has no value is left out.
fn bars(shape: &Value) -> Vec<Bar> {
    let servers = shape["servers"].as_array().into_iter().flatten();
    let bar = |server: &Value| {
        Some(Bar {
            name: server["name"].as_str()?.to_owned(),
            value: server["median"].as_f64()?,
        })
    };
    let mut bars: Vec<_> = servers.filter_map(bar).collect();
    bars.sort_by(|one, other| one.value.total_cmp(&other.value));
    bars
}
