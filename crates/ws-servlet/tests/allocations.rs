//! Receiving and answering a small message allocates nothing, through a real socket and the router.
//!
//! The client lives in a thread of its own and is not counted.
#![expect(clippy::unwrap_used, reason = "what goes wrong in a test fails it")]

#[path = "../../ws-handler/tests/counting/mod.rs"]
mod counting;

use std::cell::Cell;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use ws_handler::Server;
use ws_servlet::{Endpoint, EndpointError, Session, WebSocketServlet};

const WARM_UP: usize = 100;
const MEASURED: usize = 1000;

struct Echo;

impl Endpoint for Echo {
    async fn on_text(&mut self, session: &mut Session, text: &str) -> Result<(), EndpointError> {
        note(text.as_bytes());
        Ok(session.text(text).await?)
    }

    async fn on_binary(&mut self, session: &mut Session, payload: &[u8]) -> Result<(), EndpointError> {
        note(payload);
        Ok(session.binary(payload).await?)
    }
}

/// Allocates for every message, to show that the counter counts.
struct Wasteful;

impl Endpoint for Wasteful {
    async fn on_text(&mut self, session: &mut Session, text: &str) -> Result<(), EndpointError> {
        note(text.as_bytes());
        let copy = std::hint::black_box(text.to_owned());
        Ok(session.text(&copy).await?)
    }
}

thread_local! {
    /// The server thread's counter at the last warm-up message and at the last message.
    static SEEN: Cell<(u64, u64)> = const { Cell::new((0, 0)) };
}

/// Messages carry their number in four digits.
fn note(payload: &[u8]) {
    let digits = payload.first_chunk::<4>().unwrap();
    let number = digits
        .iter()
        .fold(0, |sum, digit| sum * 10 + usize::from(digit - b'0'));
    let now = counting::allocations();
    let (start, _) = SEEN.get();
    SEEN.set((if number < WARM_UP { now } else { start }, now));
}

/// Runs the server on this thread while a client sends `batch` messages at a time and reads as many; returns the
/// allocations of the server's thread between the last warm-up message and the last message.
fn allocations(path: &'static str, opcode: u8, batch: usize) -> u64 {
    SEEN.set((0, 0));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let servlet = WebSocketServlet::builder()
            .endpoint("/echo/{id}", |_| Echo)
            .endpoint("/waste", |_| Wasteful)
            .build();
        let server = Server::new().bind("127.0.0.1:0").await.unwrap();
        let (address, handle) = (server.local_addr().unwrap(), server.handle());
        let serving = tokio::spawn(server.serve(servlet.unwrap()));
        let (done, finished) = tokio::sync::oneshot::channel();
        let client = std::thread::spawn(move || {
            // Told even if the client fails.
            let _done = done;
            talk(address, path, opcode, batch);
        });
        let _: Result<(), _> = finished.await;
        client.join().unwrap();
        handle.shutdown(std::time::Duration::from_secs(5)).await;
        serving.await.unwrap();
    });
    let (start, end) = SEEN.get();
    assert!(start > 0, "the warm-up was seen");
    end - start
}

fn talk(address: SocketAddr, path: &str, opcode: u8, batch: usize) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "));
    for round in 0..(WARM_UP + MEASURED).div_ceil(batch) {
        let (mut sent, mut expected) = (Vec::new(), Vec::new());
        for number in round * batch..(round + 1) * batch {
            let payload = format!("{number:04} is the number of this message");
            sent.extend([0x80 | opcode, 0x80 | payload.len() as u8, 0, 0, 0, 0]);
            sent.extend(payload.as_bytes());
            expected.extend([0x80 | opcode, payload.len() as u8]);
            expected.extend(payload.as_bytes());
        }
        stream.write_all(&sent).unwrap();
        let mut answer = vec![0; expected.len()];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(answer, expected);
    }
}

#[test]
fn an_echo_of_small_messages_allocates_nothing() {
    for (opcode, batch) in [(1, 1), (1, 16), (2, 1), (2, 16)] {
        assert_eq!(
            allocations("/echo/7", opcode, batch),
            0,
            "opcode {opcode}, batches of {batch}"
        );
    }
    assert!(
        allocations("/waste", 1, 1) >= MEASURED as u64,
        "the counter counts"
    );
}
