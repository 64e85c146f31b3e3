//! Closing so that the last answer arrives.
//!
//! Here: [`linger`] and [`Linger`]. Closing a TCP socket while bytes of the peer lie unread makes the kernel send a
//! reset, and a reset may destroy the answer before the peer has read it (RFC 9112 §9.6 describes the problem and
//! this cure): say that nothing more will come, read on until the peer closes, and only then close.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// How much is read and thrown away. A peer that sends more is not waiting for the answer.
const DRAINED_BYTES: usize = 64 * 1024;
/// How long the peer may take to close its side.
const DRAINED_TIME: Duration = Duration::from_secs(2);

/// The state of one lingering close.
#[derive(Debug, Default)]
pub(crate) struct Linger {
    stage: Stage,
}

#[derive(Debug, Default)]
enum Stage {
    #[default]
    Finish,
    Drain {
        remaining: usize,
        patience: Pin<Box<Sleep>>,
    },
    Done(Lingered),
}

/// How a lingering close ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lingered {
    /// The peer closed too, or is gone.
    PeerClosed,
    /// The peer went on sending, or just stayed.
    CutShort,
}

impl Linger {
    /// Sends what is still buffered and the end of the stream, then reads until the peer has closed too, has sent
    /// 64 KiB more, or 2 s are over. After that the stream can be dropped.
    pub(crate) fn poll<IO>(&mut self, cx: &mut Context<'_>, io: &mut IO) -> Poll<io::Result<Lingered>>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        loop {
            match &mut self.stage {
                Stage::Finish => {
                    let finished = ready!(Pin::new(&mut *io).poll_shutdown(cx));
                    self.stage = match finished {
                        Ok(()) => Stage::Drain {
                            remaining: DRAINED_BYTES,
                            patience: Box::pin(sleep(DRAINED_TIME)),
                        },
                        Err(_) => Stage::Done(Lingered::PeerClosed),
                    };
                    finished?;
                }
                Stage::Drain { remaining, patience } => {
                    let patient = patience.as_mut().poll(cx).is_pending() && *remaining > 0;
                    if patient {
                        let read = ready!(poll_discard(cx, io, *remaining));
                        *remaining -= read;
                        if read > 0 {
                            continue;
                        }
                    }
                    self.stage = Stage::Done(if patient {
                        Lingered::PeerClosed
                    } else {
                        Lingered::CutShort
                    });
                }
                Stage::Done(how) => return Poll::Ready(Ok(*how)),
            }
        }
    }
}

/// Closes a stream so that what was written arrives. Bounded by 2 s after the end of the stream was sent, and by
/// whatever bounds the caller puts on sending it.
pub(crate) async fn linger<IO: AsyncRead + AsyncWrite + Unpin>(io: &mut IO) -> Lingered {
    let mut linger = Linger::default();
    // An error means that the connection is gone, and with it the reason to linger.
    poll_fn(|cx| linger.poll(cx, io))
        .await
        .unwrap_or(Lingered::PeerClosed)
}

/// Reads at most `limit` bytes and forgets them. 0: the peer has closed, or the connection is gone.
fn poll_discard<IO: AsyncRead + Unpin>(cx: &mut Context<'_>, io: &mut IO, limit: usize) -> Poll<usize> {
    let mut scratch = [0; 4096];
    let wanted = limit.min(scratch.len());
    let mut buffer = ReadBuf::new(scratch.get_mut(..wanted).unwrap_or_default());
    match ready!(Pin::new(io).poll_read(cx, &mut buffer)) {
        Ok(()) => Poll::Ready(buffer.filled().len()),
        Err(_) => Poll::Ready(0),
    }
}
