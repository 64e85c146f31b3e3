//! The JSON object of `ws-testkit client --json`, documented in docs/CLIENT-JSON.md.

use std::time::Duration;

use serde_json::{Value, json};

use crate::stats::{Ending, Failure, RoundTrips, Summary};

/// The value of the object's `schema` field. Fields may be added under the same name; when one is removed or
/// changes its meaning the number rises.
pub const JSON_SCHEMA: &str = "ws-testkit.client/1";

/// The whole run as one object.
pub(crate) fn summary_json(summary: &Summary) -> Value {
    let counts = &summary.counts;
    json!({
        "schema": JSON_SCHEMA,
        "url": summary.url,
        "address": summary.address.map(|address| address.to_string()),
        "mode": summary.mode,
        "offered": summary.offered,
        "protocol": summary.protocol,
        "options": {
            "clients": summary.clients,
            "count": summary.count,
            "size": summary.size,
            "fragment": summary.fragment,
            "binary": summary.binary,
        },
        "opened": summary.opened,
        "frames": { "sent": counts.frames_sent, "received": counts.frames_received },
        "messages": {
            "sent": counts.messages_sent,
            "received": counts.messages_received,
            "right": counts.right,
            "lost": counts.lost,
            "wrong": counts.wrong,
            "foreign": counts.foreign,
            "late": counts.late,
        },
        "bytes": { "sent": counts.bytes_sent, "received": counts.bytes_received },
        "deflate": summary.deflate.as_ref().map(|outcome| json!({
            "negotiated": outcome.negotiated,
            "wire_bytes": { "sent": counts.wire_bytes_sent(), "received": counts.wire_bytes_received() },
            "compressed_from": counts.deflated.from,
            "compressed_to": counts.deflated.to,
            "inflated_from": counts.inflated.from,
            "inflated_to": counts.inflated.to,
        })),
        "elapsed_ms": milliseconds(summary.elapsed),
        "messages_per_second": summary.messages_per_second(),
        "mebibytes_per_second": summary.mebibytes_per_second(),
        "rtt_ms": round_trips(&summary.round_trips),
        "failures": summary.failures.iter().map(failure).collect::<Vec<_>>(),
        "interrupted": summary.interrupted,
        "exit_code": summary.status().code(),
    })
}

fn round_trips(times: &RoundTrips) -> Value {
    let in_milliseconds = |time: Option<Duration>| time.map(milliseconds);
    json!({
        "count": times.count(),
        "min": in_milliseconds(times.min()),
        "avg": in_milliseconds(times.mean()),
        "p50": in_milliseconds(times.quantile(0.5)),
        "p99": in_milliseconds(times.quantile(0.99)),
        "max": in_milliseconds(times.max()),
    })
}

fn failure(failure: &Failure) -> Value {
    let (http_status, close_code, reason) = match &failure.ending {
        Ending::Refused { status, reason } => (*status, None, Some(reason)),
        Ending::Closed { code, reason } => (None, Some(*code), Some(reason)),
        Ending::NoConnection { reason } => (None, None, Some(reason)),
        _ => (None, None, None),
    };
    json!({
        "client": failure.client,
        "ending": failure.ending.name(),
        "exit_code": failure.ending.status().code(),
        "http_status": http_status,
        "close_code": close_code,
        "reason": reason,
    })
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
