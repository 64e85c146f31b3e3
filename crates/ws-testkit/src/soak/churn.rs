//! S1: connections that come, talk, and end in every way there is, beside idle ones that stay.
//!
//! Whatever ends a connection, nothing of it may stay. The first quarter of the time does not count: pools fill, and
//! the allocator finds its size.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use ws_handler::WebSocket;
use ws_proto::{CloseCode, Message};

use super::child::Server;
use super::crowd::Crowd;
use super::dial::Dialer;
use super::findings::{Findings, SoakBound};
use super::leak;
use super::options::SoakOptions;
use crate::peer::RawFrame;

/// For the server to do what it must, on a machine that is busy on purpose.
const PATIENCE: Duration = Duration::from_secs(30);

/// Connections that stay: 1,000; in short 100.
const STAY: (usize, usize) = (1_000, 100);

/// How long it goes on: 10 minutes; in short 10 seconds.
const HOLD: (Duration, Duration) = (Duration::from_secs(600), Duration::from_secs(10));

/// So many come and go at the same time, one after the other each.
const AT_ONCE: usize = 16;

/// So many connections at least must have come and gone in a second, or the run shows nothing: one for each of those
/// that do it. Two busy cores do a hundred times as many.
const FEWEST_PER_SECOND: f64 = AT_ONCE as f64;

/// The key of masked frames; a run must be repeatable, not unpredictable.
const KEY: [u8; 4] = [0x21, 0x43, 0x65, 0x87];

/// How a connection ends.
#[derive(Debug, Clone, Copy)]
enum End {
    /// A closing handshake (RFC 6455 §7.1.2).
    Close,
    /// TCP is reset while an answer is unread.
    Reset,
    /// FIN without a close frame.
    HalfClose,
    /// Bytes that are no frame.
    Garbage,
    /// A message that is begun and left.
    Unfinished,
    /// Gone in the middle of the request.
    Handshake,
}

const ENDS: [End; 6] = [
    End::Close,
    End::Reset,
    End::HalfClose,
    End::Garbage,
    End::Unfinished,
    End::Handshake,
];

#[derive(Debug, Default)]
struct Counts {
    done: AtomicU64,
    wrong: AtomicU64,
    over: AtomicBool,
}

pub(super) fn connections(options: &SoakOptions) -> usize {
    options.count(STAY.0, STAY.1) + AT_ONCE
}

pub(super) async fn run(options: &SoakOptions, findings: &mut Findings) -> Result<(), String> {
    let stay = options.count(STAY.0, STAY.1);
    let hold = options.hold.unwrap_or(options.pick(HOLD.0, HOLD.1));
    let every = (hold / 60).clamp(Duration::from_millis(100), Duration::from_secs(1));
    let mut server = Server::start(options, &["--deflate=threshold=0"], every).await?;
    let plain = Arc::new(Dialer::new(server.address(), "echo-assemble")?);
    let deflated = Arc::new(Dialer::new(server.address(), "echo-assemble")?.deflate());

    // Everything once, so that what stays for good is there.
    for (number, end) in ENDS.into_iter().enumerate() {
        once(&plain, end, number).await?;
        once(&deflated, end, number).await?;
    }
    let before = server
        .gauges_when(|now| now.connections == 0 && now.read_buffers == 0, PATIENCE)
        .await?;
    let crowd = Crowd::open(&plain, stay).await?;
    let counts = Arc::new(Counts::default());
    let mut tasks = JoinSet::new();
    for number in 0..AT_ONCE {
        let dialer = Arc::clone(if number % 2 == 0 { &plain } else { &deflated });
        tasks.spawn(churn(dialer, number, Arc::clone(&counts)));
    }
    let begun = server.now();
    tokio::time::sleep(hold).await;
    let until = server.now();
    counts.over.store(true, Ordering::Relaxed);
    let mut first_wrong = None;
    while let Some(ended) = tasks.join_next().await {
        first_wrong = first_wrong.or(ended.map_err(|error| error.to_string())?);
    }
    let stayed = crowd.leave().await;
    report(findings, &counts, until - begun);
    findings.check(
        "idle ones that stayed",
        stayed as f64,
        "",
        SoakBound::Exactly(stay as f64),
    );
    leak::steady(findings, &server.samples(begun + (until - begun) / 4.0, until));
    // Memory is judged while the crowd is there: it was not before.
    leak::counts_gone(findings, &before, &server.gauges_back_at(&before).await?);
    server.stop().await?.judge(findings);
    first_wrong.map_or(Ok(()), Err)
}

fn report(findings: &mut Findings, counts: &Counts, seconds: f64) {
    let done = counts.done.load(Ordering::Relaxed) as f64;
    findings.tell("connections that came and went", done, "");
    findings.check(
        "per second",
        done / seconds,
        "",
        SoakBound::AtLeast(FEWEST_PER_SECOND),
    );
    findings.check(
        "that went wrong",
        counts.wrong.load(Ordering::Relaxed) as f64,
        "",
        SoakBound::Exactly(0.0),
    );
}

/// One connection after the other; answers what went wrong first.
async fn churn(dialer: Arc<Dialer>, number: usize, counts: Arc<Counts>) -> Option<String> {
    let mut first_wrong = None;
    for (round, end) in ENDS.into_iter().cycle().skip(number).enumerate() {
        if counts.over.load(Ordering::Relaxed) {
            break;
        }
        counts.done.fetch_add(1, Ordering::Relaxed);
        if let Err(error) = once(&dialer, end, round).await {
            counts.wrong.fetch_add(1, Ordering::Relaxed);
            first_wrong.get_or_insert(format!("{end:?}: {error}"));
        }
    }
    first_wrong
}

/// One connection from beginning to end.
async fn once(dialer: &Dialer, end: End, round: usize) -> Result<(), String> {
    if matches!(end, End::Handshake) {
        let mut stream = dialer.tcp().await?;
        let part = b"GET / HTTP/1.1\r\nHost: here\r\nUpgra";
        return stream.write_all(part).await.map_err(|error| error.to_string());
    }
    let mut socket = dialer.socket().await?;
    // From a byte to a few read buffers' worth of text, all of it looked at.
    let text = "churn and churn again ".repeat(1 + (round * 37) % 400);
    echo(&mut socket, &text).await?;
    match end {
        End::Close => close(socket).await,
        End::Reset => reset(socket, text).await,
        End::HalfClose => raw_end(dialer, Bytes::new()).await,
        End::Garbage => raw_end(dialer, Bytes::from_static(b"\xff\xff garbage is no frame")).await,
        End::Unfinished | End::Handshake => {
            let begun = RawFrame::text(text).unfinished().masked(KEY).encode();
            let mut raw = dialer.raw().await?.0;
            raw.write_all(&begun).await.map_err(|error| error.to_string())
        }
    }
}

async fn echo(socket: &mut WebSocket<TcpStream>, text: &str) -> Result<(), String> {
    let exchange = async {
        socket.send(text).await.map_err(|error| error.to_string())?;
        socket.recv().await.map_err(|error| error.to_string())
    };
    match timeout(PATIENCE, exchange).await {
        Ok(Ok(Some(message))) if message == Message::text(text) => Ok(()),
        Ok(Ok(other)) => Err(format!(
            "another message came back: {} bytes",
            other.map_or(0, |message| message.payload().len())
        )),
        Ok(Err(error)) => Err(error),
        Err(_) => Err("no echo".into()),
    }
}

async fn close(mut socket: WebSocket<TcpStream>) -> Result<(), String> {
    let closing = async {
        socket.close(CloseCode::NORMAL, "").await?;
        while socket.recv().await?.is_some() {}
        Ok::<_, ws_handler::SocketError>(())
    };
    match timeout(PATIENCE, closing).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => return Err(error.to_string()),
        Err(_) => return Err("no answer to the close frame".into()),
    }
    match socket.close_reason() {
        Some(reason) if reason.code == CloseCode::NORMAL => Ok(()),
        other => Err(format!("closed as {other:?}")),
    }
}

/// What has come and is not read makes the kernel send a reset.
async fn reset(mut socket: WebSocket<TcpStream>, text: String) -> Result<(), String> {
    socket.send(text).await.map_err(|error| error.to_string())?;
    socket.flush().await.map_err(|error| error.to_string())?;
    let readable = timeout(PATIENCE, socket.io().readable()).await;
    readable
        .map_err(|_| "no echo")?
        .map_err(|error| error.to_string())
}

/// Sends what is no frame, or nothing, then FIN; the server must end the connection.
async fn raw_end(dialer: &Dialer, last: Bytes) -> Result<(), String> {
    let (mut stream, _) = dialer.raw().await?;
    let deadline = Instant::now() + PATIENCE;
    let ending = async {
        stream.write_all(&last).await?;
        if last.is_empty() {
            stream.shutdown().await?;
        }
        let mut rest = BytesMut::new();
        while stream.read_buf(&mut rest).await? > 0 {}
        Ok::<_, std::io::Error>(())
    };
    match tokio::time::timeout_at(deadline, ending).await {
        // A reset is an end as well: the server need not read what is no frame to its end.
        Ok(_) => Ok(()),
        Err(_) => Err("the server does not end the connection".into()),
    }
}
