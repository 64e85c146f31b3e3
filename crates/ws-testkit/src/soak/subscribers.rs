//! L6: broadcast to many, of whom one in five has stopped reading. The others get everything, in order and in time;
//! those that do not read meet their policy (1013), and are gone in the end although they never answer.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use ws_handler::WebSocket;
use ws_proto::{CloseCode, Message};

use super::child::Server;
use super::dial::Dialer;
use super::findings::{Findings, SoakBound};
use super::leak;
use super::options::SoakOptions;
use crate::stats::RoundTrips;

/// Subscribers, one in five of them not reading.
const SUBSCRIBERS: (usize, usize) = (2_000, 200);

/// Bytes of a message.
const SIZE: usize = 1024;

/// Messages per second: some 32,000 deliveries per second, about half of what one core can do; in short 13,000.
const RATE: (u32, u32) = (20, 80);

/// How many messages: enough to fill the kernel's buffers, the soft queue and the hard one of who does not read.
const MESSAGES: (u64, u64) = (900, 400);

/// The server's limit for what waits for one subscriber, in bytes.
const HARD_QUEUE: (usize, usize) = (128 << 10, 128 << 10);

/// Seconds without progress after which the server drops who does not read: several times as long as it takes to fill
/// the hard queue, so that this policy is met first, and short enough to see the end.
const WRITE_TIMEOUT: (&str, &str) = ("30", "15");

/// What the server's pools may keep once for all connections, in bytes: output buffers and read buffers.
const POOLS: f64 = 4.0 * 1_048_576.0;

/// The soft limit of the output queue in bytes, which comes on top of the mailbox.
const SOFT_QUEUE: usize = 64 << 10;

/// Bytes that the kernel may hold for who does not read, at either end: with megabytes, as is usual, some hundred of
/// them would use up what it has for all connections, and nobody would meet a limit of ours.
const RECEIVE_BUFFER: u32 = 4096;
const SEND_BUFFER: &str = "16384";

/// 99 of 100 deliveries to those that read take so many milliseconds: the catalogue's 100; in short five times as
/// many, since a busy machine gives slices of that length to others.
const P99: (f64, f64) = (100.0, 500.0);

/// For all deliveries to arrive, and for the server to be rid of those that do not read.
const PATIENCE: Duration = Duration::from_secs(60);

/// Handshakes under way at once.
const OPENING_AT_ONCE: usize = 100;

/// What those that read have seen.
#[derive(Debug)]
struct Seen {
    begun: Instant,
    delivered: AtomicU64,
    wrong: AtomicU64,
    times: Mutex<RoundTrips>,
}

pub(super) fn connections(options: &SoakOptions) -> usize {
    options.count(SUBSCRIBERS.0, SUBSCRIBERS.1) + 1
}

pub(super) async fn run(options: &SoakOptions, findings: &mut Findings) -> Result<(), String> {
    let count = options.count(SUBSCRIBERS.0, SUBSCRIBERS.1).max(5);
    let (slow, messages) = (count / 5, options.pick(MESSAGES.0, MESSAGES.1));
    let hard_queue = options.pick(HARD_QUEUE.0, HARD_QUEUE.1);
    let limit = hard_queue.to_string();
    let arguments = [
        "--send-buffer",
        SEND_BUFFER,
        "--hard-queue",
        &limit,
        "--write-timeout",
        options.pick(WRITE_TIMEOUT.0, WRITE_TIMEOUT.1),
        "--close-timeout",
        "2",
    ];
    let mut server = Server::start(options, &arguments, Duration::from_millis(250)).await?;
    let reading = Arc::new(Dialer::new(server.address(), "echo-broadcast")?);
    let deaf = Dialer::new(server.address(), "echo-broadcast")?.receive_buffer(RECEIVE_BUFFER);
    let quiet = |now: &crate::gauges::ServerGauges| now.connections == 0 && now.read_buffers == 0;
    drop(reading.socket().await?);
    let before = server.gauges_when(quiet, PATIENCE).await?;

    let mut silent = Vec::with_capacity(slow);
    for _ in 0..slow {
        silent.push(deaf.raw().await?);
    }
    let seen = Arc::new(Seen {
        begun: Instant::now(),
        delivered: AtomicU64::new(0),
        wrong: AtomicU64::new(0),
        times: Mutex::default(),
    });
    let mut readers = open_readers(&reading, count - slow, messages, &seen).await?;
    let publisher = reading.socket().await?;
    let all = (count + 1) as u64;
    let full = server.gauges_when(|now| now.subscribers == all, PATIENCE).await?;
    findings.check(
        "subscribers",
        full.subscribers as f64,
        "",
        SoakBound::Exactly(all as f64),
    );
    let from = server.now();
    publish(publisher, messages, options.pick(RATE.0, RATE.1), &seen).await?;
    let waiting = async { while readers.join_next().await.is_some() {} };
    let complete = timeout(PATIENCE, waiting).await.is_ok();
    let until = server.now();
    // Those that do not read are still there; only the server can end them.
    let after = server.gauges_back_at(&before).await?;
    judge(
        options,
        findings,
        &seen,
        (count - slow) as u64 * messages,
        complete,
    );
    findings.check(
        "closed with 1013 for not reading",
        after.closed_as_slow as f64,
        "",
        SoakBound::Exactly(slow as f64),
    );
    let most = |value: fn(&crate::gauges::ServerGauges) -> Option<u64>| {
        let values = server.samples(from, until);
        let values = values.iter().filter_map(|sample| value(&sample.gauges));
        values.max().map_or(f64::NAN, |value| value as f64)
    };
    // What waits is shared by all that wait for it, so this is far from tight; more would be copies.
    let base = full.resident_bytes.map_or(f64::NAN, |bytes| bytes as f64);
    findings.check(
        "RSS at most",
        most(|now| now.resident_bytes),
        "bytes",
        SoakBound::AtMost(base + (slow * (hard_queue + SOFT_QUEUE)) as f64 + POOLS),
    );
    findings.check(
        "queued bytes at most",
        most(|now| Some(now.queued_bytes)),
        "",
        SoakBound::AtMost((count * hard_queue) as f64),
    );
    leak::counts_gone(findings, &before, &after);
    drop(silent);
    server.stop().await?.judge(findings);
    Ok(())
}

fn judge(options: &SoakOptions, findings: &mut Findings, seen: &Seen, wanted: u64, complete: bool) {
    findings.check(
        "deliveries to those that read",
        seen.delivered.load(Ordering::Relaxed) as f64,
        "",
        SoakBound::Exactly(wanted as f64),
    );
    findings.check(
        "out of order, changed or cut off",
        seen.wrong.load(Ordering::Relaxed) as f64 + f64::from(u8::from(!complete)),
        "",
        SoakBound::Exactly(0.0),
    );
    let times = seen.times.lock().unwrap_or_else(PoisonError::into_inner);
    let milliseconds = |quantile| {
        let time = times.quantile(quantile);
        time.map_or(f64::NAN, |time| time.as_secs_f64() * 1000.0)
    };
    findings.tell("delivery p50", milliseconds(0.5), "ms");
    findings.check(
        "delivery p99",
        milliseconds(0.99),
        "ms",
        SoakBound::AtMost(options.pick(P99.0, P99.1)),
    );
}

async fn open_readers(
    dialer: &Arc<Dialer>,
    count: usize,
    messages: u64,
    seen: &Arc<Seen>,
) -> Result<JoinSet<()>, String> {
    let door = Arc::new(Semaphore::new(OPENING_AT_ONCE));
    let mut opening = JoinSet::new();
    for _ in 0..count {
        let (dialer, door) = (Arc::clone(dialer), Arc::clone(&door));
        opening.spawn(async move {
            let _permit = door.acquire().await;
            dialer.socket().await
        });
    }
    let mut readers = JoinSet::new();
    while let Some(opened) = opening.join_next().await {
        let socket = opened.map_err(|error| error.to_string())??;
        readers.spawn(read_all(socket, messages, Arc::clone(seen)));
    }
    Ok(readers)
}

/// Receives every message, then closes.
async fn read_all(mut socket: WebSocket<TcpStream>, messages: u64, seen: Arc<Seen>) {
    for expected in 0..messages {
        let Some(payload) = next_binary(&mut socket).await else {
            seen.wrong.fetch_add(1, Ordering::Relaxed);
            return;
        };
        let now = seen.begun.elapsed();
        match content(&payload) {
            Some((number, sent)) if number == expected => {
                seen.delivered.fetch_add(1, Ordering::Relaxed);
                let mut times = seen.times.lock().unwrap_or_else(PoisonError::into_inner);
                times.record(now.saturating_sub(sent));
            }
            _ => {
                seen.wrong.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
    // How this ends is for others to test.
    if socket.close(CloseCode::NORMAL, "").await.is_ok() {
        while let Ok(Some(_)) = socket.recv().await {}
    }
}

/// The next message; the server's pings are told as well, and are no news here.
async fn next_binary(socket: &mut WebSocket<TcpStream>) -> Option<Bytes> {
    loop {
        match socket.recv().await {
            Ok(Some(Message::Binary(payload))) => return Some(payload),
            Ok(Some(message)) if !message.is_data() => {}
            _ => return None,
        }
    }
}

/// A message: its number, its moment, and something to carry.
fn message(number: u64, sent: Duration) -> BytesMut {
    let mut payload = BytesMut::with_capacity(SIZE);
    payload.extend_from_slice(&number.to_be_bytes());
    payload.extend_from_slice(&(sent.as_nanos() as u64).to_be_bytes());
    payload.resize(SIZE, number as u8);
    payload
}

fn content(payload: &[u8]) -> Option<(u64, Duration)> {
    let (number, rest) = payload.split_first_chunk::<8>()?;
    let (sent, rest) = rest.split_first_chunk::<8>()?;
    let number = u64::from_be_bytes(*number);
    let whole = rest.len() == SIZE - 16 && rest.iter().all(|byte| *byte == number as u8);
    whole.then(|| (number, Duration::from_nanos(u64::from_be_bytes(*sent))))
}

/// Publishes at a steady rate. The publisher is a subscriber too, and reads.
async fn publish(
    mut socket: WebSocket<TcpStream>,
    messages: u64,
    rate: u32,
    seen: &Seen,
) -> Result<(), String> {
    let mut ticks = interval(Duration::from_secs(1) / rate);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut sent, mut received) = (0, 0);
    while received < messages {
        tokio::select! {
            _ = ticks.tick(), if sent < messages => {
                let payload = message(sent, seen.begun.elapsed()).freeze();
                socket.send(Message::Binary(payload)).await.map_err(|error| error.to_string())?;
                sent += 1;
            }
            message = socket.recv() => match message {
                Ok(Some(message)) => received += u64::from(message.is_data()),
                Ok(None) => return Err("the publisher was closed".into()),
                Err(error) => return Err(format!("the publisher was cut off: {error}")),
            }
        }
    }
    if socket.close(CloseCode::NORMAL, "").await.is_ok() {
        while let Ok(Some(_)) = socket.recv().await {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_tells_its_number_and_moment_and_a_changed_one_nothing() {
        let sent = Duration::from_micros(1234);
        let mut payload = message(300, sent);
        assert_eq!(content(&payload), Some((300, sent)));
        assert_eq!(content(&payload[..SIZE - 1]), None);
        payload[SIZE - 1] ^= 1;
        assert_eq!(content(&payload), None);
        assert_eq!(content(b"short"), None);
    }

    #[tokio::test]
    async fn what_is_late_wrong_or_missing_fails() {
        let seen = |delivered, wrong, milliseconds| {
            let mut times = RoundTrips::new();
            times.record(Duration::from_millis(milliseconds));
            Seen {
                begun: Instant::now(),
                delivered: AtomicU64::new(delivered),
                wrong: AtomicU64::new(wrong),
                times: Mutex::new(times),
            }
        };
        let passes = |seen: &Seen, complete| {
            let mut findings = Findings::default();
            judge(&SoakOptions::new("x"), &mut findings, seen, 10, complete);
            findings.figures.iter().all(super::super::SoakFigure::holds)
        };
        assert!(passes(&seen(10, 0, 50), true));
        assert!(!passes(&seen(10, 0, 150), true));
        assert!(!passes(&seen(10, 1, 50), true));
        assert!(!passes(&seen(9, 0, 50), true));
        assert!(!passes(&seen(10, 0, 50), false));
    }
}
