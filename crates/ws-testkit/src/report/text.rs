//! Lines for people: the start line, one per message, the statistics at the end.

use std::fmt::Write;
use std::time::Duration;

use crate::stats::{Answer, FrameSeen, Mark, Started, Summary};

/// `WebSocket PING ws://localhost:8080/ (127.0.0.1:8080): 1 client, 10 messages of 64 bytes each`
pub(crate) fn start_line(started: &Started) -> String {
    let mut line = format!("WebSocket {} {}", started.mode.to_uppercase(), started.url);
    if let Some(address) = started.address {
        push(&mut line, format_args!(" ({address})"));
    }
    if let Some(protocol) = &started.protocol {
        push(&mut line, format_args!(" {protocol}"));
    }
    let (clients, messages) = (
        plural(started.clients as u64, "client"),
        plural(started.count, "message"),
    );
    push(
        &mut line,
        format_args!(
            ": {clients}, {messages} of {}",
            plural(started.size as u64, "byte")
        ),
    );
    line.push_str(if started.clients == 1 { "" } else { " each" });
    match started.fragment {
        Some(fragment) if fragment > 0 && fragment < started.size => {
            push(
                &mut line,
                format_args!(", in frames of {}", plural(fragment as u64, "byte")),
            );
        }
        _ => {}
    }
    line
}

/// `64 bytes from localhost: frames=1 seq=1 time=0.123 ms opcode=0x01`
pub(crate) fn answer_line(answer: &Answer, host: &str, clients: usize) -> String {
    let mut line = format!(
        "{} from {host}: frames={}",
        plural(answer.bytes as u64, "byte"),
        answer.frames
    );
    match answer.number {
        Some(number) => push(&mut line, format_args!(" seq={}", number.saturating_add(1))),
        None => line.push_str(" seq=?"),
    }
    if clients > 1 {
        push(&mut line, format_args!(" client={}", answer.client));
        match answer.sender {
            Some(sender) if sender != answer.client => push(&mut line, format_args!(" sender={sender}")),
            _ => {}
        }
    }
    if let Some(round_trip) = answer.round_trip {
        push(
            &mut line,
            format_args!(" time={:.3} ms", milliseconds(round_trip)),
        );
    }
    push(&mut line, format_args!(" opcode={:#04x}", answer.opcode));
    match &answer.mark {
        Mark::Right => {}
        Mark::Wrong(why) => push(&mut line, format_args!(" WRONG: {why}")),
        Mark::Late => line.push_str(" (late: counted as lost)"),
        Mark::Foreign => line.push_str(" (foreign)"),
    }
    line
}

/// `no answer for seq=3 within 10 s`
pub(crate) fn gave_up_line(client: usize, number: u64, clients: usize, timeout: Duration) -> String {
    let whose = if clients > 1 {
        format!(" client={client}")
    } else {
        String::new()
    };
    format!(
        "no answer for seq={}{whose} within {} s",
        number.saturating_add(1),
        timeout.as_secs_f64()
    )
}

/// `client 0: sent frame opcode=0x01 fin=0 4000 bytes`
pub(crate) fn frame_line(frame: &FrameSeen) -> String {
    let direction = if frame.sent { "sent" } else { "received" };
    let (fin, bytes) = (u8::from(frame.fin), plural(frame.bytes as u64, "byte"));
    format!(
        "client {}: {direction} frame opcode={:#04x} fin={fin} {bytes}",
        frame.client, frame.opcode
    )
}

/// The status and headers of the answer to the upgrade, a line each.
pub(crate) fn handshake_lines(client: usize, response: &http::Response<()>) -> Vec<String> {
    let mut lines = vec![format!(
        "client {client}: handshake answered {}",
        response.status()
    )];
    lines.extend(response.headers().iter().map(|(name, value)| {
        format!(
            "client {client}:   {name}: {}",
            String::from_utf8_lossy(value.as_bytes()).escape_debug()
        )
    }));
    lines
}

/// The statistics at the end.
pub(crate) fn summary_lines(summary: &Summary, host: &str) -> Vec<String> {
    let counts = &summary.counts;
    let connections = plural(summary.opened as u64, "connection");
    let mut messages = format!(
        "messages sent/received/lost/wrong {}/{}/{}/{}",
        counts.messages_sent, counts.messages_received, counts.lost, counts.wrong
    );
    if counts.foreign > 0 {
        push(&mut messages, format_args!(", foreign {}", counts.foreign));
    }
    if counts.late > 0 {
        push(&mut messages, format_args!(", late {}", counts.late));
    }
    let rates = format!(
        "elapsed {:.3} ms, {:.1} messages/s, {:.3} MiB/s",
        milliseconds(summary.elapsed),
        summary.messages_per_second(),
        summary.mebibytes_per_second()
    );
    let mut lines = vec![
        format!(
            "--- {host} websocket {} statistics using {connections} ---",
            summary.mode
        ),
        format!(
            "frames sent/received {}/{}, {messages}",
            counts.frames_sent, counts.frames_received
        ),
        rates,
    ];
    lines.extend(deflate_lines(summary));
    lines.extend(round_trip_line(summary));
    lines
}

/// `deflate: permessage-deflate; server_max_window_bits=12`, and how much it saved; `deflate: not negotiated` where it
/// was offered and declined.
fn deflate_lines(summary: &Summary) -> Vec<String> {
    let Some(outcome) = &summary.deflate else {
        return Vec::new();
    };
    let Some(negotiated) = &outcome.negotiated else {
        return vec!["deflate: not negotiated".to_owned()];
    };
    let counts = &summary.counts;
    let ratio = |plain: u64, wire: u64| match wire {
        0 => "-".to_owned(),
        _ => format!("{:.2}", plain as f64 / wire as f64),
    };
    vec![
        format!("deflate: {negotiated}"),
        format!(
            "payload bytes on the wire sent/received {}/{}, ratio of compressed messages {}/{}",
            counts.wire_bytes_sent(),
            counts.wire_bytes_received(),
            ratio(counts.deflated.from, counts.deflated.to),
            ratio(counts.inflated.to, counts.inflated.from)
        ),
    ]
}

/// `rtt min/avg/p50/p99/max = 0.101/0.150/0.149/0.201/0.203 ms`; none when nothing was timed.
fn round_trip_line(summary: &Summary) -> Option<String> {
    let times = &summary.round_trips;
    let [min, avg, p50, p99, max] = [
        times.min()?,
        times.mean()?,
        times.quantile(0.5)?,
        times.quantile(0.99)?,
        times.max()?,
    ]
    .map(milliseconds);
    Some(format!(
        "rtt min/avg/p50/p99/max = {min:.3}/{avg:.3}/{p50:.3}/{p99:.3}/{max:.3} ms"
    ))
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn plural(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

fn push(line: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = line.write_fmt(text);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::{Change, Counts, DeflateOutcome, RoundTrips};

    fn answer() -> Answer {
        Answer {
            client: 0,
            sender: Some(0),
            number: Some(0),
            bytes: 64,
            frames: 1,
            opcode: 0xa,
            round_trip: Some(Duration::from_micros(123)),
            mark: Mark::Right,
        }
    }

    #[test]
    fn the_start_line_names_url_address_protocol_and_load() {
        let mut started = Started {
            url: "ws://localhost:8080/".into(),
            address: Some(([127, 0, 0, 1], 8080).into()),
            mode: "ping",
            protocol: None,
            clients: 1,
            count: 10,
            size: 64,
            fragment: None,
        };
        let line = "WebSocket PING ws://localhost:8080/ (127.0.0.1:8080): 1 client, 10 messages of 64 bytes";
        assert_eq!(start_line(&started), line);
        started.mode = "echo";
        started.protocol = Some("lws-mirror-protocol".into());
        (started.clients, started.count, started.fragment) = (2, 1, Some(7));
        let line = "WebSocket ECHO ws://localhost:8080/ (127.0.0.1:8080) lws-mirror-protocol: \
                    2 clients, 1 message of 64 bytes each, in frames of 7 bytes";
        assert_eq!(start_line(&started), line);
    }

    #[test]
    fn a_line_per_message_like_pings() {
        let line = "64 bytes from localhost: frames=1 seq=1 time=0.123 ms opcode=0x0a";
        assert_eq!(answer_line(&answer(), "localhost", 1), line);
        let other = Answer {
            client: 1,
            sender: Some(2),
            round_trip: None,
            bytes: 1,
            opcode: 1,
            mark: Mark::Wrong("byte 7 differs".into()),
            ..answer()
        };
        let line =
            "1 byte from localhost: frames=1 seq=1 client=1 sender=2 opcode=0x01 WRONG: byte 7 differs";
        assert_eq!(answer_line(&other, "localhost", 3), line);
        let foreign = Answer {
            number: None,
            round_trip: None,
            mark: Mark::Foreign,
            ..answer()
        };
        assert_eq!(
            answer_line(&foreign, "h", 1),
            "64 bytes from h: frames=1 seq=? opcode=0x0a (foreign)"
        );
        assert_eq!(
            gave_up_line(0, 2, 1, Duration::from_millis(1500)),
            "no answer for seq=3 within 1.5 s"
        );
    }

    #[test]
    fn statistics_end_with_the_round_trips() {
        let mut round_trips = RoundTrips::new();
        round_trips.record(Duration::from_millis(2));
        let mut summary = Summary {
            url: "ws://localhost/".into(),
            address: None,
            mode: "echo",
            offered: vec!["echo".into()],
            protocol: Some("echo".into()),
            clients: 2,
            opened: 2,
            count: 1,
            size: 1024,
            fragment: Some(0),
            binary: false,
            deflate: None,
            counts: Counts {
                frames_sent: 2,
                frames_received: 2,
                messages_sent: 2,
                messages_received: 2,
                right: 1,
                lost: 3,
                wrong: 1,
                foreign: 4,
                late: 5,
                bytes_sent: 2048,
                bytes_received: 1 << 20,
                deflated: Change { from: 2000, to: 500 },
                inflated: Change { from: 300, to: 1000 },
            },
            round_trips,
            elapsed: Duration::from_millis(500),
            failures: vec![],
            interrupted: false,
        };
        let lines = summary_lines(&summary, "localhost");
        assert_eq!(
            lines,
            [
                "--- localhost websocket echo statistics using 2 connections ---",
                "frames sent/received 2/2, messages sent/received/lost/wrong 2/2/3/1, foreign 4, late 5",
                "elapsed 500.000 ms, 4.0 messages/s, 2.000 MiB/s",
                "rtt min/avg/p50/p99/max = 2.000/2.000/2.000/2.000/2.000 ms",
            ]
        );
        summary.deflate = Some(DeflateOutcome {
            negotiated: Some("permessage-deflate; server_max_window_bits=12".into()),
        });
        assert_eq!(
            summary_lines(&summary, "localhost")[3..5],
            [
                "deflate: permessage-deflate; server_max_window_bits=12",
                "payload bytes on the wire sent/received 548/1047876, ratio of compressed messages 4.00/3.33",
            ]
        );
        summary.deflate = Some(DeflateOutcome { negotiated: None });
        assert_eq!(summary_lines(&summary, "localhost")[3], "deflate: not negotiated");
        summary.deflate = None;
        summary.round_trips = RoundTrips::new();
        assert_eq!(
            summary_lines(&summary, "localhost").len(),
            3,
            "nothing timed, no line of times"
        );
    }
}
