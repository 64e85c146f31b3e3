//! The JSON object of `ws-testkit bench --json`, documented in docs/BENCH-JSON.md.

use std::time::Duration;

use serde_json::{Value, json};

use super::measured::{Report, Trouble};
use super::options::{Load, Until};
use crate::process::Used;
use crate::stats::{Ending, RoundTrips};

/// The value of the object's `schema` field. Fields may be added under the same name; when one is removed or
/// changes its meaning the number rises.
const SCHEMA: &str = "ws-testkit.bench/1";

/// The whole run as one object.
pub(crate) fn report_json(report: &Report) -> Value {
    json!({
        "schema": SCHEMA,
        "url": report.options.url,
        "address": report.address.map(|address| address.to_string()),
        "protocol": report.protocol,
        "deflate": report.deflate,
        "load": report.options.load.name(),
        "options": options(report),
        "opened": report.opened,
        "answered": report.answered,
        "lost": report.lost,
        "elapsed_ms": milliseconds(report.elapsed),
        "per_second": report.per_second(),
        "mebibytes_per_second": report.mebibytes_per_second(),
        "wire_bytes_per_message": report.wire().map(|(sent, received)| json!({ "sent": sent, "received": received })),
        "latency_ms": latency(&report.times),
        "rate": report.options.load.rate().map(|_| json!({
            "intended": report.intended,
            "achieved": report.achieved,
            "missed": report.missed,
        })),
        "server": report.server.map(|used| side(report, &used, used.busiest_share())),
        "client": report.client.map(|used| side(report, &used, report.client_share().unwrap_or_default())),
        "bound": report.bound().map(super::measured::Bound::name),
        "idle_bytes_per_connection": report.idle_bytes(),
        "failure": report.trouble.as_ref().map(failure),
        "interrupted": report.interrupted,
        "exit_code": report.status().code(),
    })
}

fn options(report: &Report) -> Value {
    let options = &report.options;
    let (seconds, warm_up, count) = match options.until {
        Until::Time { warm_up, measured } => {
            (Some(measured.as_secs_f64()), Some(warm_up.as_secs_f64()), None)
        }
        Until::Count(count) => (None, None, Some(count)),
    };
    let sends = !matches!(options.load, Load::Connect(_));
    json!({
        "connections": options.connections,
        "threads": options.threads,
        "pipeline": sends.then_some(options.pipeline),
        "size": sends.then_some(options.size),
        "payload": sends.then_some(options.payload.name()),
        "fragments": sends.then_some(options.fragments),
        "deflate": options.deflate.is_some(),
        "idle_after": match options.load {
            Load::Idle(messages) => Some(messages),
            _ => None,
        },
        "verify": options.verify,
        "tcp": options.tcp,
        "rate": options.load.rate(),
        "seconds": seconds,
        "warm_up": warm_up,
        "count": count,
        "pid": options.pid,
    })
}

fn latency(times: &RoundTrips) -> Value {
    let at = |quantile| times.quantile(quantile).map(milliseconds);
    json!({
        "count": times.count(),
        "min": times.min().map(milliseconds),
        "avg": times.mean().map(milliseconds),
        "p50": at(0.5),
        "p90": at(0.9),
        "p99": at(0.99),
        "p99_9": at(0.999),
        "max": times.max().map(milliseconds),
    })
}

fn side(report: &Report, used: &Used, busiest_share: f64) -> Value {
    json!({
        "user_ms": milliseconds(used.user),
        "system_ms": milliseconds(used.system),
        "cpu_us_per_message": report.per_message(used.cpu()),
        "user_us_per_message": report.per_message(used.user),
        "busiest_thread": busiest_share,
        "rss_before": used.resident_before,
        "rss_after": used.resident_after,
        "descriptors": used.descriptors,
    })
}

fn failure(trouble: &Trouble) -> Value {
    let (http_status, close_code) = match trouble {
        Trouble::Ended(Ending::Refused { status, .. }) => (*status, None),
        Trouble::Ended(Ending::Closed { code, .. }) => (None, Some(*code)),
        _ => (None, None),
    };
    json!({
        "ending": trouble.name(),
        "http_status": http_status,
        "close_code": close_code,
        "reason": trouble.to_string(),
    })
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
