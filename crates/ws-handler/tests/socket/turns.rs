//! Who has its turn when: a connection with endless input, and another socket on the same thread.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use ws_proto::Role;

use crate::support::{BINARY, frame, socket};

/// What a connection may read in its turn.
const TURN: usize = 256 * 1024;

/// Empty messages without end.
struct Firehose {
    frame: Vec<u8>,
    read: Arc<AtomicUsize>,
}

impl AsyncRead for Firehose {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        while buf.remaining() >= self.frame.len() {
            buf.put_slice(&self.frame);
            self.read.fetch_add(self.frame.len(), Ordering::Relaxed);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Firehose {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A runtime with busy tasks looks at sockets after 61 of their turns, unless those that yield tell it so: a word on
/// another connection was noticed a quarter of a second late.
#[tokio::test]
async fn after_a_turn_the_runtime_looks_at_other_sockets() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let far = TcpStream::connect(listener.local_addr().unwrap());
    let (far, near) = tokio::join!(far, listener.accept());
    let (mut far, (mut near, _)) = (far.unwrap(), near.unwrap());

    let read = Arc::new(AtomicUsize::new(0));
    let firehose = Firehose {
        frame: frame(Role::Client, BINARY, true, b""),
        read: Arc::clone(&read),
    };
    let mut server = socket(firehose, Role::Server);
    let busy = tokio::spawn(async move { while let Ok(Some(_)) = server.recv().await {} });
    let heard_at = Arc::clone(&read);
    let listening = tokio::spawn(async move {
        near.read_u8().await.unwrap();
        heard_at.load(Ordering::Relaxed)
    });
    // Both have begun when this one is back.
    tokio::task::yield_now().await;
    assert!(read.load(Ordering::Relaxed) > 0);

    far.write_all(b"x").await.unwrap();
    let said = read.load(Ordering::Relaxed);
    let heard = listening.await.unwrap();
    // Each of these messages counts more than its six bytes, so that a turn is over after one read buffer.
    assert!(
        heard - said < TURN,
        "{} turns of another went by",
        (heard - said) / TURN
    );
    busy.abort();
}

/// Beside many connections with endless input a word was noticed when each of them had had its turn.
#[tokio::test]
async fn few_of_those_whose_turn_is_over_have_another_before_the_runtime_looks_at_other_sockets() {
    const LOUD: usize = 50;
    /// What is read at once of tiny messages.
    const READ: usize = 8 * 1024;

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let far = TcpStream::connect(listener.local_addr().unwrap());
    let (far, near) = tokio::join!(far, listener.accept());
    let (mut far, (mut near, _)) = (far.unwrap(), near.unwrap());

    let read = Arc::new(AtomicUsize::new(0));
    let busy: Vec<_> = (0..LOUD)
        .map(|_| {
            let mut server = socket(
                Firehose {
                    frame: frame(Role::Client, BINARY, true, b""),
                    read: Arc::clone(&read),
                },
                Role::Server,
            );
            tokio::spawn(async move { while let Ok(Some(_)) = server.recv().await {} })
        })
        .collect();
    let heard_at = Arc::clone(&read);
    let listening = tokio::spawn(async move {
        near.read_u8().await.unwrap();
        heard_at.load(Ordering::Relaxed)
    });
    // Each has had a first turn, of unknown messages, and stands in line.
    while read.load(Ordering::Relaxed) < LOUD * (TURN / 2 + READ) {
        tokio::task::yield_now().await;
    }

    far.write_all(b"x").await.unwrap();
    let said = read.load(Ordering::Relaxed);
    let heard = listening.await.unwrap();
    assert!(
        heard - said < LOUD / 2 * READ,
        "{} turns of others went by",
        (heard - said) / READ
    );
    busy.iter().for_each(tokio::task::JoinHandle::abort);
}
