//! One connection with very much to say does not keep others on its thread waiting.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use ws_proto::{Config, UNLIMITED};
use ws_testkit::{RawFrame, RawPeer};

use crate::scene::Scene;

/// What a connection may read in its turn.
const TURN: usize = 256 * 1024;
/// One read more may begin within the turn; into a large message it is as long as this.
const READ: usize = 256 * 1024;
/// What is read at once from a peer of tiny messages: as many frames as make a turn.
const SHORT_READ: usize = 8 * 1024;
/// Words that are said during a flood.
const WORDS: usize = 5;

/// The server's end of a connection, which counts what the server has read.
struct Counted {
    io: DuplexStream,
    read: Arc<AtomicUsize>,
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(cx, buf))?;
        self.read
            .fetch_add(buf.filled().len() - before, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// Opens a connection with room for everything, fills it with `flood`, and then has somebody else say a word, and when it
/// is answered the next: each answer must be there after three turns of the flood of so many bytes: one had begun, one more
/// passes until the word is read, one until the answer is. Nothing is left of either.
async fn answered_within_a_turn(turn: usize, flood: &[u8]) {
    let most = 3 * turn;
    let mut config = Config::server();
    config.limits.ping_budget = None;
    config.limits.max_fragments = UNLIMITED;
    Scene::with(config, ws_handler::Server::new())
        .leaves_nothing(0, async |scene| flooded(scene, most, flood).await)
        .await;
}

async fn flooded(scene: &Scene, most: usize, flood: &[u8]) {
    let (near, far) = tokio::io::duplex(16 << 20);
    let read = Arc::new(AtomicUsize::new(0));
    scene.accept(Counted {
        io: far,
        read: Arc::clone(&read),
    });
    let all = Arc::clone(&read);
    let mut loud = RawPeer::new(near);
    loud.request_upgrade("ws://test/", &[]).await.unwrap();
    let mut quiet = scene.open("/").await;
    let before = read.load(Ordering::Relaxed);
    loud.send_bytes(flood).await.unwrap();
    // In a task, since the runtime looks after the test itself only now and then.
    let asked = tokio::spawn(async move {
        let mut since = before;
        for word in 0..WORDS {
            quiet
                .send(&RawFrame::text("a word").masked([7; 4]))
                .await
                .unwrap();
            quiet.expect(&RawFrame::text("a word")).await.unwrap();
            let now = read.load(Ordering::Relaxed);
            let first = now - since;
            assert!(
                first <= most,
                "{first} bytes of the flood came before word {word}"
            );
            since = now;
        }
    });
    asked.await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(
        all.load(Ordering::Relaxed) - before,
        flood.len(),
        "the flood is served, too"
    );
}

/// Whoever sends tiny frames is read in short pieces, from the first one on: nothing is known then of a peer.
#[tokio::test(start_paused = true)]
async fn f29_a_firehose_of_tiny_frames_lets_others_have_their_turn() {
    let frame = RawFrame::text("").masked([7; 4]).encode();
    answered_within_a_turn(SHORT_READ, &frame.repeat((8 << 20) / frame.len())).await;
}

/// One message, cut into bytes: nothing of it is handed out or answered, and yet each frame is work. 8 KiB of them count
/// as 81 KiB, so that four reads are a turn.
#[tokio::test(start_paused = true)]
async fn f29_a_firehose_of_tiny_fragments_lets_others_have_their_turn() {
    let frame = |frame: RawFrame| frame.masked([7; 4]).encode();
    let mut flood = frame(RawFrame::text("x").unfinished());
    let more = frame(RawFrame::continuation("y").unfinished());
    flood.extend_from_slice(&more.repeat((1 << 20) / more.len()));
    flood.extend_from_slice(&frame(RawFrame::continuation("z")));
    answered_within_a_turn(5 * SHORT_READ, &flood).await;
}

/// Pongs are not answered, and count as messages nevertheless.
#[tokio::test(start_paused = true)]
async fn a_firehose_of_pongs_is_read_8_kib_at_a_time() {
    let frame = RawFrame::pong("p").masked([7; 4]).encode();
    answered_within_a_turn(2 * SHORT_READ, &frame.repeat((1 << 20) / frame.len())).await;
}

#[tokio::test(start_paused = true)]
async fn a_firehose_of_pings_lets_others_have_their_turn() {
    let frame = RawFrame::ping("p").masked([7; 4]).encode();
    answered_within_a_turn(SHORT_READ, &frame.repeat((8 << 20) / frame.len())).await;
}

#[tokio::test(start_paused = true)]
async fn a_firehose_of_large_messages_lets_others_have_their_turn() {
    let frame = RawFrame::binary(vec![1; 1 << 20]).masked([7; 4]).encode();
    answered_within_a_turn(TURN + READ, &frame.repeat(12)).await;
}
