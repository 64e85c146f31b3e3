//! What reaches which callback, and what an answer of "handled" changes.

use std::time::Duration;

use ws_proto::{Delivery, MessageKind, Opcode};
use ws_servlet::{Endpoint, EndpointError, Frame, Handled, Route, Session, WebSocketServlet};

use crate::rig::{BINARY, CLOSE, FIN, Log, PING, PONG, Peer, Rig, TEXT, frame, upgrade};

async fn rig<E: Endpoint>(make: impl Fn(Log) -> E + Send + Sync + 'static) -> (Rig, Log) {
    let log = Log::default();
    let theirs = log.clone();
    let servlet = WebSocketServlet::builder()
        .endpoint("/", move |_| make(theirs.clone()))
        .build()
        .unwrap();
    (Rig::new(servlet), log)
}

struct Echo(Log);

impl Endpoint for Echo {
    async fn on_open(&mut self, session: &mut Session) -> Result<(), EndpointError> {
        if session.query() == Some("greet") {
            session.text("welcome").await?;
        }
        Ok(())
    }

    async fn on_text(&mut self, session: &mut Session, text: &str) -> Result<(), EndpointError> {
        self.0.add(format!("text {}", text.len()));
        Ok(session.text(text).await?)
    }

    async fn on_binary(&mut self, session: &mut Session, payload: &[u8]) -> Result<(), EndpointError> {
        self.0.add(format!("binary {}", payload.len()));
        Ok(session.binary(payload).await?)
    }
}

#[tokio::test(start_paused = true)]
async fn messages_of_every_size_come_back() {
    let (rig, _) = rig(Echo).await;
    let mut peer = rig.open("/").await;
    for size in [0, 1, 125, 126, 65_535, 65_536, 1 << 20] {
        for first in [FIN | TEXT, FIN | BINARY] {
            let payload = vec![b'a'; size];
            let (mut reader, mut writer) = tokio::io::split(&mut peer.stream);
            let mut echo = vec![0; frame(first, &payload).len() - 4];
            let sent = frame(first, &payload);
            let (written, read) = tokio::join!(
                tokio::io::AsyncWriteExt::write_all(&mut writer, &sent),
                tokio::io::AsyncReadExt::read_exact(&mut reader, &mut echo)
            );
            written.unwrap();
            read.unwrap();
            assert_eq!(echo[0], first);
            assert!(echo.ends_with(&payload), "{size}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn frames_in_the_segment_of_the_request_come_after_what_on_open_sends() {
    let (rig, _) = rig(Echo).await;
    let mut peer = rig.dial(1 << 16).await;
    let mut segment = upgrade("/?greet", "").into_bytes();
    segment.extend(frame(FIN | TEXT, b"early"));
    segment.extend(&frame(FIN | TEXT, b"cut")[..4]);
    peer.write(&segment).await;
    assert!(peer.head().await.starts_with("HTTP/1.1 101 "));
    assert_eq!(peer.read_text().await, "welcome");
    assert_eq!(peer.read_text().await, "early");
    peer.write(&frame(FIN | TEXT, b"cut")[4..]).await;
    assert_eq!(peer.read_text().await, "cut");
}

/// What one byte at a time brings is what one segment brings.
#[tokio::test(start_paused = true)]
async fn input_cut_anywhere_gives_the_same_answers() {
    let (rig, _) = rig(Echo).await;
    let mut input = frame(FIN | TEXT, "κόσμε".as_bytes());
    input.extend(frame(TEXT, b"a"));
    input.extend(frame(FIN | PING, b"p"));
    input.extend(frame(FIN, b"b"));
    input.extend(frame(FIN | BINARY, &[7; 200]));
    let mut whole = rig.open("/").await;
    whole.write(&input).await;
    let mut bytes = rig.open("/").await;
    for byte in input {
        bytes.write(&[byte]).await;
        tokio::task::yield_now().await;
    }
    for _ in 0..4 {
        assert_eq!(whole.frame().await.unwrap(), bytes.frame().await.unwrap());
    }
}

/// Nobody reads what it sends back, so it stops reading; nothing is lost when somebody does.
#[tokio::test(start_paused = true)]
async fn an_echo_that_cannot_write_stops_reading() {
    let (rig, log) = rig(Echo).await;
    let mut peer = rig.dial(8 * 1024).await;
    peer.write(upgrade("/", "").as_bytes()).await;
    peer.head().await;
    let message = frame(FIN | BINARY, &[9; 1000]);
    let mut sent = 0;
    while tokio::time::timeout(Duration::from_millis(100), peer.write(&message))
        .await
        .is_ok()
    {
        sent += 1;
        assert!(sent < 400, "the server reads without end");
    }
    // The queue, one batch that was being answered, and what lies in the pipes.
    let answered = log.count("binary");
    assert!((64..200).contains(&answered), "{answered}");
    for _ in 0..sent {
        assert_eq!(peer.frame().await.unwrap().1.len(), 1000);
    }
}

/// Takes frames; answers pings itself, handles what begins with a capital letter, says which callbacks came.
struct Frames(Log);

impl Endpoint for Frames {
    fn delivery(&self) -> Delivery {
        Delivery::Fragment
    }

    async fn on_frame(&mut self, session: &mut Session, frame: Frame<'_>) -> Result<Handled, EndpointError> {
        let Frame {
            opcode, fin, payload, ..
        } = frame;
        self.0
            .add(format!("frame {opcode:?} {fin} {}", payload.escape_ascii()));
        let handled = payload.first().is_some_and(u8::is_ascii_uppercase);
        if handled && opcode == Opcode::Ping {
            session.pong(b"mine")?;
        }
        Ok(if handled || opcode == Opcode::Close {
            Handled::Yes
        } else {
            Handled::No
        })
    }

    async fn on_text(&mut self, _: &mut Session, text: &str) -> Result<(), EndpointError> {
        self.0.add(format!("text {text}"));
        Ok(())
    }

    async fn on_binary(&mut self, _: &mut Session, payload: &[u8]) -> Result<(), EndpointError> {
        self.0.add(format!("binary {}", payload.escape_ascii()));
        Ok(())
    }

    async fn on_ping(&mut self, _: &mut Session, payload: &[u8]) -> Result<Handled, EndpointError> {
        self.0.add(format!("ping {}", payload.escape_ascii()));
        Ok(Handled::No)
    }

    async fn on_pong(&mut self, _: &mut Session, payload: &[u8]) -> Result<Handled, EndpointError> {
        self.0.add(format!("pong {}", payload.escape_ascii()));
        Ok(Handled::No)
    }
}

#[tokio::test(start_paused = true)]
async fn frames_come_first_and_unhandled_ones_become_messages() {
    let (rig, log) = rig(Frames).await;
    let mut peer = rig.open("/").await;
    peer.send(TEXT, "a\u{e9}".as_bytes().get(..2).unwrap()).await;
    peer.send(FIN | PING, b"between").await;
    peer.send(FIN, "\u{e9}".as_bytes().get(1..).unwrap()).await;
    peer.send(FIN | BINARY, b"one").await;
    peer.send(BINARY, b"Mine").await;
    peer.send(FIN, b"rest of it").await;
    peer.send(FIN | PING, b"Mine").await;
    peer.send(FIN | PONG, b"unasked").await;
    peer.send(FIN | PONG, b"Unasked").await;
    peer.close(1000, "x").await;
    assert_eq!(peer.frame().await.unwrap(), (FIN | PONG, b"between".to_vec()));
    assert_eq!(peer.frame().await.unwrap(), (FIN | PONG, b"mine".to_vec()));
    let (first, _) = peer.frame().await.unwrap();
    assert_eq!(first, FIN | CLOSE, "the closing handshake is always completed");
    assert_eq!(
        log.lines(),
        [
            r"frame Text false a\xc3",
            "frame Ping true between",
            "ping between",
            r"frame Continuation true \xa9",
            "text aé",
            "frame Binary true one",
            "binary one",
            "frame Binary false Mine",
            "frame Continuation true rest of it",
            "frame Ping true Mine",
            "frame Pong true unasked",
            "pong unasked",
            "frame Pong true Unasked",
            r"frame Close true \x03\xe8x",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_fails_a_check_reaches_no_callback() {
    let (rig, log) = rig(Frames).await;
    for (bad, code) in [
        (frame(FIN | TEXT, b"\xC3"), 1007),
        (frame(0xC0 | TEXT, b"x"), 1002),
        (frame(FIN, b"x"), 1002),
        (frame(PING, b"x"), 1002),
        (frame(FIN | 3, b"x"), 1002),
        (frame(FIN | CLOSE, b"x"), 1002),
        // Judged by its header alone.
        (frame(FIN | BINARY, &[0; (1 << 20) + 1])[..14].to_vec(), 1009),
    ] {
        let mut peer = rig.open("/").await;
        peer.write(&bad).await;
        assert_eq!(peer.read_close().await, code);
    }
    assert_eq!(log.lines(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn what_is_put_together_from_frames_has_the_limits_of_the_route() {
    let log = Log::default();
    let theirs = log.clone();
    let route = Route::new(move |_| Frames(theirs.clone()))
        .init_parameter("maxTextMessageSize", "4")
        .init_parameter("maxBinaryMessageSize", "8");
    let rig = Rig::new(WebSocketServlet::builder().route("/", route).build().unwrap());
    let open = async || rig.open("/").await;
    let try_it = async |mut peer: Peer, first: u8, parts: [&[u8]; 2]| {
        peer.send(first, parts[0]).await;
        peer.send(FIN, parts[1]).await;
        peer.send(FIN | PING, b"x").await;
        peer.frame().await.unwrap().0
    };
    assert_eq!(try_it(open().await, TEXT, [b"ab", b"cd"]).await, FIN | PONG);
    assert_eq!(try_it(open().await, TEXT, [b"ab", b"cde"]).await, FIN | CLOSE);
    assert_eq!(try_it(open().await, BINARY, [b"abcd", b"efgh"]).await, FIN | PONG);
    assert_eq!(
        try_it(open().await, BINARY, [b"abcd", b"efghi"]).await,
        FIN | CLOSE
    );
    assert_eq!((log.count("text abcd"), log.count("binary abcdefgh")), (1, 1));
    assert_eq!(log.count("text") + log.count("binary"), 2);
}

/// Sends frames back as they come.
struct FrameEcho;

impl Endpoint for FrameEcho {
    fn delivery(&self) -> Delivery {
        Delivery::Fragment
    }

    async fn on_frame(&mut self, session: &mut Session, frame: Frame<'_>) -> Result<Handled, EndpointError> {
        let kind = match frame.opcode {
            Opcode::Text => MessageKind::Text,
            Opcode::Binary => MessageKind::Binary,
            Opcode::Continuation => session.open_message().unwrap_or(MessageKind::Binary),
            _ => return Ok(Handled::No),
        };
        session.send_fragment(kind, frame.payload, frame.fin).await?;
        Ok(Handled::Yes)
    }
}

#[tokio::test(start_paused = true)]
async fn frames_can_be_sent_back_as_they_came_while_the_message_is_open() {
    let (rig, _) = rig(|_| FrameEcho).await;
    let mut peer = rig.open("/").await;
    for (first, payload) in [
        (TEXT, &b"\xC3"[..]),
        (0, b"\xA9"),
        (FIN, b""),
        (FIN | BINARY, b"x"),
        (BINARY, b""),
        (FIN, b"y"),
    ] {
        peer.send(first, payload).await;
        assert_eq!(peer.frame().await.unwrap(), (first, payload.to_vec()));
    }
}

/// Answers pings with its own pong only when it says so.
struct Pinger(Log);

impl Endpoint for Pinger {
    async fn on_frame(&mut self, _: &mut Session, _: Frame<'_>) -> Result<Handled, EndpointError> {
        self.0.add("frame");
        Ok(Handled::Yes)
    }

    async fn on_ping(&mut self, session: &mut Session, payload: &[u8]) -> Result<Handled, EndpointError> {
        if payload == b"leave it" {
            return Ok(Handled::Yes);
        }
        if payload == b"ours" {
            session.pong(b"theirs")?;
            return Ok(Handled::Yes);
        }
        Ok(Handled::No)
    }

    async fn on_pong(&mut self, session: &mut Session, payload: &[u8]) -> Result<Handled, EndpointError> {
        session.ping(payload)?;
        Ok(Handled::Yes)
    }
}

#[tokio::test(start_paused = true)]
async fn a_handled_ping_is_the_applications_to_answer() {
    let (rig, log) = rig(Pinger).await;
    let mut peer = rig.open("/").await;
    for payload in [&b"leave it"[..], b"ours", b"yours"] {
        peer.send(FIN | PING, payload).await;
    }
    peer.send(FIN | PONG, b"again").await;
    assert_eq!(peer.frame().await.unwrap(), (FIN | PONG, b"theirs".to_vec()));
    assert_eq!(peer.frame().await.unwrap(), (FIN | PONG, b"yours".to_vec()));
    assert_eq!(peer.frame().await.unwrap(), (FIN | PING, b"again".to_vec()));
    assert_eq!(log.count("frame"), 0, "whole messages were asked for");
}

/// A ping that the application answers counts in the budget like every other.
#[tokio::test(start_paused = true)]
async fn handled_pings_count() {
    let (rig, _) = rig(Pinger).await;
    let mut peer = rig.open("/").await;
    for _ in 0..1000 {
        peer.send(FIN | PING, b"leave it").await;
    }
    assert_eq!(peer.read_close().await, 1008);
}
