//! Lines about a bench run for people.

use std::time::Duration;

use super::measured::{Bound, Report};
use super::options::Load;
use crate::process::Used;
use crate::stats::RoundTrips;

/// The result of a run, line by line.
pub(crate) fn report_lines(report: &Report) -> Vec<String> {
    let mut lines = vec![what(report)];
    lines.extend(report.options.deflate.as_ref().map(|_| match &report.deflate {
        Some(agreed) => format!("deflate: {agreed}"),
        None => "deflate: not negotiated".to_owned(),
    }));
    if report.options.is_idle() {
        lines.push(format!(
            "{} of {} connections held",
            report.opened, report.options.connections
        ));
    } else {
        lines.push(throughput(report));
        lines.extend(latency(&report.times));
    }
    lines.extend(wire(report));
    if let Some(rate) = report.options.load.rate() {
        lines.push(format!(
            "{rate} per second asked for: intended {}, achieved {}, missed {}",
            report.intended, report.achieved, report.missed
        ));
    }
    if report.lost > 0 {
        lines.push(format!("{} messages never answered", report.lost));
    }
    lines.extend(
        report
            .server
            .map(|used| side("server", report, &used, used.busiest_share())),
    );
    let client = report.client.filter(|_| !report.options.is_idle());
    lines.extend(client.map(|used| side("client", report, &used, report.client_share().unwrap_or_default())));
    if let Some(bytes) = report.idle_bytes() {
        lines.push(format!("server: {bytes:.0} bytes of RSS per idle connection"));
    }
    lines.extend(report.bound().map(|bound| verdict(bound).to_owned()));
    if let Some(trouble) = &report.trouble {
        lines.push(format!("FAILED: {trouble}"));
    }
    lines
}

/// `WebSocket BENCH ws://localhost/ closed: 200 connections, 1 in flight, text of 20 bytes`
fn what(report: &Report) -> String {
    let options = &report.options;
    let mut line = format!(
        "WebSocket BENCH {} {}: {} connections",
        options.url,
        options.load.name(),
        options.connections
    );
    if !matches!(options.load, Load::Connect(_)) {
        line.push_str(&format!(
            ", {} in flight, {} of {} bytes",
            options.pipeline,
            options.payload.name(),
            options.size
        ));
        if options.fragments > 1 {
            line.push_str(&format!(" in {} fragments", options.fragments));
        }
    }
    line
}

fn throughput(report: &Report) -> String {
    let seconds = report.elapsed.as_secs_f64();
    if matches!(report.options.load, Load::Connect(_)) {
        return format!(
            "{} connects in {seconds:.3} s, {:.0} per second",
            report.answered,
            report.per_second()
        );
    }
    format!(
        "{} messages answered in {seconds:.3} s, {:.0} per second, {:.3} MiB/s",
        report.answered,
        report.per_second(),
        report.mebibytes_per_second()
    )
}

/// What went over the wire for each message; of fan-out one is sent and everybody gets it.
fn wire(report: &Report) -> Option<String> {
    let (sent, received) = report.wire()?;
    let size = report.options.size as f64;
    let share = if size > 0.0 && report.deflate.is_some() {
        format!(", {:.1} % of its payload", received / size * 100.0)
    } else {
        String::new()
    };
    Some(format!(
        "on the wire per message: {sent:.1} bytes sent, {received:.1} received{share}"
    ))
}

/// None when nothing was timed.
fn latency(times: &RoundTrips) -> Option<String> {
    let at = |quantile| times.quantile(quantile);
    let values = [
        times.min()?,
        at(0.5)?,
        at(0.9)?,
        at(0.99)?,
        at(0.999)?,
        times.max()?,
    ];
    let values: Vec<_> = values
        .into_iter()
        .map(|time| format!("{:.3}", milliseconds(time)))
        .collect();
    Some(format!(
        "latency min/p50/p90/p99/p99.9/max = {} ms",
        values.join("/")
    ))
}

fn side(name: &str, report: &Report, used: &Used, busiest_share: f64) -> String {
    let per_message = report.per_message(used.cpu()).zip(report.per_message(used.user));
    let per_message = per_message.map_or(String::new(), |(cpu, user)| {
        format!(", {cpu:.2} us CPU per message ({user:.2} user)")
    });
    format!(
        "{name}: CPU {:.0} ms user + {:.0} ms system, busiest thread {:.0} %{per_message}, RSS {:.1} MiB, {} descriptors",
        milliseconds(used.user),
        milliseconds(used.system),
        busiest_share * 100.0,
        used.resident_after as f64 / f64::from(1 << 20),
        used.descriptors
    )
}

fn verdict(bound: Bound) -> &'static str {
    match bound {
        Bound::Server => "the server was CPU-bound",
        Bound::Client => "the client was CPU-bound: this is no measure of the server's throughput",
        Bound::Both => "server and client were both CPU-bound",
        Bound::Neither => "neither side was CPU-bound",
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
