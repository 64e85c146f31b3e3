//! Lines about a soak run for people.

use super::options::SoakOptions;
use super::run::{ShapeReport, SoakReport};

/// One shape: its verdict, then its numbers, one line each.
pub(crate) fn shape_lines(report: &ShapeReport) -> Vec<String> {
    let mut lines = vec![format!(
        "{} {}: {} ({:.1} s)",
        report.shape,
        verdict(report.passed()),
        report.shape.what(),
        report.elapsed.as_secs_f64()
    )];
    for figure in &report.figures {
        let mark = match figure.bound {
            None => "    ",
            Some(_) if figure.holds() => "pass",
            Some(_) => "FAIL",
        };
        lines.push(format!("  {mark}  {figure}"));
    }
    lines.extend(
        report
            .trouble
            .as_ref()
            .map(|trouble| format!("  FAIL  {trouble}")),
    );
    lines
}

/// The last line.
pub(crate) fn end_line(options: &SoakOptions, report: &SoakReport) -> String {
    let failed: Vec<_> = report
        .shapes
        .iter()
        .filter(|shape| !shape.passed())
        .map(|shape| shape.shape.id())
        .collect();
    let mut line = format!("{} shapes: {} PASS", report.shapes.len(), report.passed());
    if !failed.is_empty() {
        line.push_str(&format!(", {} FAIL ({})", failed.len(), failed.join(", ")));
    }
    match &options.cores {
        Some(cores) => line.push_str(&format!("; server alone on core {}", cores.server())),
        None => line.push_str("; nothing pinned"),
    }
    line
}

fn verdict(passed: bool) -> &'static str {
    if passed { "PASS" } else { "FAIL" }
}
