//! The JSON object of `ws-testkit soak --json`, documented in docs/SOAK-JSON.md.

use serde_json::{Value, json};

use super::cores::SoakCores;
use super::findings::{SoakBound, SoakFigure};
use super::options::SoakOptions;
use super::run::{ShapeReport, SoakReport};

/// The value of the object's `schema` field. Fields may be added under the same name; when one is removed or changes
/// its meaning the number rises.
pub const SOAK_SCHEMA: &str = "ws-testkit.soak/1";

/// The whole run as one object.
pub(crate) fn report_json(options: &SoakOptions, report: &SoakReport) -> Value {
    json!({
        "schema": SOAK_SCHEMA,
        "quick": options.quick,
        "scale": options.scale,
        "server_core": options.cores.as_ref().map(SoakCores::server),
        "passed": report.passed(),
        "failed": report.shapes.len() - report.passed(),
        "shapes": report.shapes.iter().map(shape).collect::<Vec<_>>(),
    })
}

fn shape(report: &ShapeReport) -> Value {
    json!({
        "shape": report.shape.id(),
        "what": report.shape.what(),
        "passed": report.passed(),
        "elapsed_ms": report.elapsed.as_secs_f64() * 1000.0,
        "figures": report.figures.iter().map(figure).collect::<Vec<_>>(),
        "trouble": report.trouble,
    })
}

/// A number that is none becomes null.
fn figure(figure: &SoakFigure) -> Value {
    let bound = match figure.bound {
        None => Value::Null,
        Some(SoakBound::AtMost(most)) => json!({ "at_most": most }),
        Some(SoakBound::AtLeast(least)) => json!({ "at_least": least }),
        Some(SoakBound::Exactly(wanted)) => json!({ "exactly": wanted }),
    };
    json!({
        "name": figure.name,
        "value": figure.value,
        "unit": figure.unit,
        "bound": bound,
        "holds": figure.holds(),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::soak::SoakShape;
    use crate::soak::findings::Findings;

    /// The names of all fields, as docs/SOAK-JSON.md writes them.
    fn names(value: &Value, prefix: &str, found: &mut Vec<String>) {
        for (name, value) in value.as_object().into_iter().flatten() {
            let name = format!("{prefix}{name}");
            if let Some(first) = value.as_array().and_then(|items| items.first()) {
                names(first, &format!("{name}[]."), found);
            }
            found.push(name);
        }
    }

    #[test]
    fn every_field_is_documented_and_what_is_no_number_is_null() {
        let mut findings = Findings::default();
        findings.check("p99", f64::NAN, "ms", SoakBound::AtMost(3.0));
        findings.tell("connects", 5.0, "");
        let shape = ShapeReport {
            shape: SoakShape::Storm,
            figures: findings.figures,
            trouble: None,
            elapsed: Duration::from_millis(1500),
        };
        let report = SoakReport { shapes: vec![shape] };
        let value = report_json(&SoakOptions::new("ws-testkit"), &report);
        let document = include_str!("../../../../docs/SOAK-JSON.md");
        let mut found = Vec::new();
        names(&value, "", &mut found);
        assert_eq!(found.len(), 18);
        for name in found {
            assert!(document.contains(&format!("| `{name}` |")), "{name}");
        }
        for schema in [SOAK_SCHEMA, crate::gauges::SCHEMA] {
            assert!(document.contains(&format!("`{schema}`")), "{schema}");
        }
        assert_eq!((&value["passed"], &value["failed"]), (&json!(0), &json!(1)));
        let figures = &value["shapes"][0]["figures"];
        assert_eq!(figures[0]["value"], Value::Null);
        assert_eq!(figures[0]["bound"], json!({ "at_most": 3.0 }));
        assert_eq!(
            (&figures[0]["holds"], &figures[1]["holds"]),
            (&json!(false), &json!(true))
        );
    }
}
