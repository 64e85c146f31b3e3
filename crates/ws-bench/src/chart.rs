//! Draws the result of `cargo xtask bench`: for each shape the cost of every server beside ours.

use std::error::Error;

use plotters::coord::Shift;
use plotters::prelude::*;
use serde_json::Value;

/// Pixels of one bar with the gap below it, of the column of names, of a whole panel, of its title.
const ROW: i32 = 18;
const NAMES: i32 = 150;
const WIDTH: i32 = 600;
const HEAD: i32 = 28;

/// Room for the number behind the longest bar.
const LABEL: i32 = 170;

/// Panels go to whichever column is shorter.
const COLUMNS: usize = 2;

/// Bars end at this multiple of our cost; a longer one only has its number.
const MOST: f64 = 4.0;

const OURS: RGBColor = RGBColor(31, 119, 180);
const FLOOR: RGBColor = RGBColor(220, 180, 90);
const OTHERS: RGBColor = RGBColor(174, 182, 191);

struct Panel {
    title: String,
    bars: Vec<Bar>,
}

struct Bar {
    name: String,
    value: f64,
    wire: Option<f64>,
}

/// Reads the results and writes the chart.
pub(crate) fn draw(input: &str, output: &str) -> Result<(), Box<dyn Error>> {
    let results: Value = serde_json::from_str(&std::fs::read_to_string(input)?)?;
    let shapes = results["shapes"].as_array().ok_or("no shapes in the results")?;
    let panels: Vec<_> = shapes.iter().map(Panel::new).collect();
    let mut heights = [ROW / 2; COLUMNS];
    let mut placed = Vec::new();
    for panel in &panels {
        let column = (0..COLUMNS)
            .min_by_key(|column| heights[*column])
            .unwrap_or_default();
        placed.push((panel, column, heights[column]));
        heights[column] += panel.height();
    }
    let height = heights.into_iter().max().unwrap_or(ROW);
    let size = (WIDTH as u32 * COLUMNS as u32, height as u32);
    let area = SVGBackend::new(output, size).into_drawing_area();
    area.fill(&WHITE)?;
    for (panel, column, top) in placed {
        panel.draw(&area, WIDTH * column as i32, top)?;
    }
    area.present()?;
    Ok(())
}

impl Panel {
    /// The cheapest first; who has no value is left out.
    fn new(shape: &Value) -> Self {
        let text = |field: &str| shape[field].as_str().unwrap_or_default();
        let servers = shape["servers"].as_array().into_iter().flatten();
        let bar = |server: &Value| {
            Some(Bar {
                name: server["name"].as_str()?.to_owned(),
                value: server["median"].as_f64()?,
                wire: server["wire_bytes"].as_f64(),
            })
        };
        let mut bars: Vec<_> = servers.filter_map(bar).collect();
        bars.sort_by(|one, other| one.value.total_cmp(&other.value));
        Self {
            title: format!("{}: {} ({})", text("name"), text("what"), text("unit")),
            bars,
        }
    }

    fn height(&self) -> i32 {
        HEAD + ROW * self.bars.len() as i32 + ROW / 2
    }

    fn draw(
        &self,
        area: &DrawingArea<SVGBackend<'_>, Shift>,
        left: i32,
        top: i32,
    ) -> Result<(), Box<dyn Error>> {
        let bold = ("sans-serif", 12).into_font().style(FontStyle::Bold);
        let plain = ("sans-serif", 12).into_font();
        area.draw(&Text::new(self.title.clone(), (left + 8, top + 6), bold))?;
        let ours = self.bars.iter().find(|bar| bar.name == "ours");
        let ours = ours.map_or(1.0, |bar| bar.value);
        let mut top = top + HEAD;
        for bar in &self.bars {
            let share = (bar.value / ours / MOST).min(1.0);
            let right = left + NAMES + (f64::from(WIDTH - NAMES - LABEL) * share) as i32;
            let colour = match bar.name.as_str() {
                "floor" => FLOOR,
                name if name.starts_with("ours") => OURS,
                _ => OTHERS,
            };
            let corners = [(left + NAMES, top), (right, top + ROW - 4)];
            area.draw(&Rectangle::new(corners, colour.filled()))?;
            area.draw(&Text::new(bar.name.clone(), (left + 16, top + 1), plain.clone()))?;
            area.draw(&Text::new(bar.label(ours), (right + 6, top + 1), plain.clone()))?;
            top += ROW;
        }
        Ok(())
    }
}

impl Bar {
    /// The value, and in brackets how many times ours it is.
    fn label(&self, ours: f64) -> String {
        let value = if self.value >= 1000.0 {
            format!("{:.0}", self.value)
        } else {
            format!("{:.2}", self.value)
        };
        let wire = self
            .wire
            .map_or(String::new(), |bytes| format!(", {bytes:.0} B on the wire"));
        format!("{value} ({:.2} of ours){wire}", self.value / ours)
    }
}
