//! A stream with the faults that networks have, on purpose and repeatable.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What is wrong with a [`FaultyIo`]. The default is nothing.
///
/// Counts are of bytes since the beginning, in one direction each.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    /// Reads give at most this many bytes (1: one byte at a time).
    pub read_chop: Option<usize>,
    /// Writes take at most this many bytes.
    pub write_chop: Option<usize>,
    /// Every other read and write is `Pending` first, and woken at once.
    pub pending_between: bool,
    /// After this many bytes reads see the end of the stream, while writes go on: the other side's half-close.
    pub read_end_after: Option<u64>,
    /// After this many bytes read the stream is gone both ways: reads see its end, writes a broken pipe.
    pub gone_after_read: Option<u64>,
    /// After this many bytes read, reads and writes fail with a connection reset.
    pub reset_after_read: Option<u64>,
    /// After this many bytes written, reads and writes fail with a connection reset.
    pub reset_after_written: Option<u64>,
    /// After this many bytes written no more is taken, until the [`Gate`] opens.
    pub write_capacity: Option<u64>,
}

/// Opens the write side of a [`FaultyIo`] whose [`write_capacity`](Faults::write_capacity) is used up.
#[derive(Debug, Clone, Default)]
pub struct Gate(Arc<Mutex<GateState>>);

#[derive(Debug, Default)]
struct GateState {
    opened: bool,
    waiting: Option<Waker>,
}

impl Gate {
    /// Lets everything through from now on.
    pub fn open(&self) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.opened = true;
        if let Some(waker) = state.waiting.take() {
            waker.wake();
        }
    }

    fn poll_open(&self, context: &Context<'_>) -> Poll<()> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.opened {
            return Poll::Ready(());
        }
        state.waiting = Some(context.waker().clone());
        Poll::Pending
    }
}

/// A stream wrapped in [`Faults`].
#[derive(Debug)]
pub struct FaultyIo<IO> {
    io: IO,
    faults: Faults,
    gate: Gate,
    read: u64,
    written: u64,
    read_paused: bool,
    write_paused: bool,
}

impl<IO> FaultyIo<IO> {
    /// Wraps a stream.
    pub fn new(io: IO, faults: Faults) -> Self {
        let gate = Gate::default();
        Self {
            io,
            faults,
            gate,
            read: 0,
            written: 0,
            read_paused: false,
            write_paused: false,
        }
    }

    /// The gate behind the write capacity.
    pub fn gate(&self) -> Gate {
        self.gate.clone()
    }

    /// Bytes read through it so far.
    pub fn bytes_read(&self) -> u64 {
        self.read
    }

    /// Bytes written through it so far.
    pub fn bytes_written(&self) -> u64 {
        self.written
    }

    fn is_reset(&self) -> bool {
        reached(self.read, self.faults.reset_after_read)
            || reached(self.written, self.faults.reset_after_written)
    }

    /// How many more bytes may be read before one of the faults strikes.
    fn readable(&self) -> usize {
        let limits = [
            self.faults.read_end_after,
            self.faults.gone_after_read,
            self.faults.reset_after_read,
        ];
        allowed(self.read, &limits, self.faults.read_chop)
    }

    fn writable(&self) -> usize {
        allowed(
            self.written,
            &[self.faults.reset_after_written],
            self.faults.write_chop,
        )
    }
}

/// The limit is reached, if there is one.
fn reached(count: u64, limit: Option<u64>) -> bool {
    limit.is_some_and(|limit| count >= limit)
}

fn allowed(count: u64, limits: &[Option<u64>], chop: Option<usize>) -> usize {
    let before_fault = limits
        .iter()
        .flatten()
        .map(|limit| limit.saturating_sub(count))
        .min();
    let before_fault = before_fault.map_or(usize::MAX, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
    before_fault.min(chop.map_or(usize::MAX, |chop| chop.max(1)))
}

/// `Pending` every other time, woken at once.
fn poll_pause(between: bool, paused: &mut bool, context: &Context<'_>) -> Poll<()> {
    *paused = between && !*paused;
    if *paused {
        context.waker().wake_by_ref();
        return Poll::Pending;
    }
    Poll::Ready(())
}

impl<IO: AsyncRead + Unpin> AsyncRead for FaultyIo<IO> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(poll_pause(
            this.faults.pending_between,
            &mut this.read_paused,
            context
        ));
        if this.is_reset() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let ended =
            reached(this.read, this.faults.read_end_after) || reached(this.read, this.faults.gone_after_read);
        if ended {
            return Poll::Ready(Ok(()));
        }
        let mut scratch = vec![0; buffer.remaining().min(this.readable()).min(64 * 1024)];
        let mut part = ReadBuf::new(&mut scratch);
        ready!(Pin::new(&mut this.io).poll_read(context, &mut part))?;
        this.read += part.filled().len() as u64;
        buffer.put_slice(part.filled());
        Poll::Ready(Ok(()))
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for FaultyIo<IO> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(poll_pause(
            this.faults.pending_between,
            &mut this.write_paused,
            context
        ));
        if this.is_reset() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        if reached(this.read, this.faults.gone_after_read) {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let mut taken = bytes.len().min(this.writable());
        if let Some(capacity) = this.faults.write_capacity {
            let left = usize::try_from(capacity.saturating_sub(this.written)).unwrap_or(usize::MAX);
            if left == 0 {
                ready!(this.gate.poll_open(context));
                this.faults.write_capacity = None;
            } else {
                taken = taken.min(left);
            }
        }
        let part = bytes.get(..taken).unwrap_or(bytes);
        let count = ready!(Pin::new(&mut this.io).poll_write(context, part))?;
        this.written += count as u64;
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    fn pair(faults: Faults) -> (FaultyIo<tokio::io::DuplexStream>, tokio::io::DuplexStream) {
        let (one, other) = tokio::io::duplex(1024);
        (FaultyIo::new(one, faults), other)
    }

    #[tokio::test(start_paused = true)]
    async fn one_byte_at_a_time_with_pending_between_loses_nothing() -> io::Result<()> {
        let faults = Faults {
            read_chop: Some(1),
            write_chop: Some(1),
            pending_between: true,
            ..Faults::default()
        };
        let (mut faulty, mut other) = pair(faults);
        other.write_all(b"abc").await?;
        let mut buffer = [0; 8];
        for byte in *b"abc" {
            assert_eq!(faulty.read(&mut buffer).await?, 1);
            assert_eq!(buffer[0], byte);
        }
        assert_eq!(faulty.write(b"xyz").await?, 1);
        faulty.write_all(b"yz").await?;
        other.read_exact(&mut buffer[..3]).await?;
        assert_eq!(&buffer[..3], b"xyz");
        assert_eq!((faulty.bytes_read(), faulty.bytes_written()), (3, 3));
        Ok(())
    }

    #[tokio::test(start_paused = true)]
    async fn the_other_sides_half_close_leaves_writes_alone_and_a_gone_peer_does_not() -> io::Result<()> {
        let (mut faulty, mut other) = pair(Faults {
            read_end_after: Some(2),
            ..Faults::default()
        });
        other.write_all(b"abc").await?;
        let mut received = Vec::new();
        faulty.read_to_end(&mut received).await?;
        assert_eq!(received, b"ab");
        faulty.write_all(b"still here").await?;

        let (mut faulty, mut other) = pair(Faults {
            gone_after_read: Some(2),
            ..Faults::default()
        });
        other.write_all(b"abc").await?;
        faulty.write_all(b"still here").await?;
        received.clear();
        faulty.read_to_end(&mut received).await?;
        assert_eq!(received, b"ab");
        let error = faulty.write_all(b"x").await.map_err(|error| error.kind());
        assert_eq!(error, Err(io::ErrorKind::BrokenPipe));
        Ok(())
    }

    #[tokio::test(start_paused = true)]
    async fn resets_strike_after_their_byte_in_both_directions() -> io::Result<()> {
        let (mut faulty, _other) = pair(Faults {
            reset_after_written: Some(2),
            ..Faults::default()
        });
        let reset = Err(io::ErrorKind::ConnectionReset);
        assert_eq!(faulty.write(b"abc").await?, 2);
        assert_eq!(faulty.write(b"c").await.map_err(|error| error.kind()), reset);
        assert_eq!(
            faulty
                .read_u8()
                .await
                .map(usize::from)
                .map_err(|error| error.kind()),
            reset
        );

        let (mut faulty, mut other) = pair(Faults {
            reset_after_read: Some(1),
            ..Faults::default()
        });
        other.write_all(b"abc").await?;
        assert_eq!(faulty.read_u8().await?, b'a');
        assert_eq!(
            faulty
                .read_u8()
                .await
                .map(usize::from)
                .map_err(|error| error.kind()),
            reset
        );
        Ok(())
    }

    #[tokio::test(start_paused = true)]
    async fn without_capacity_writes_wait_for_the_gate() -> io::Result<()> {
        let (mut faulty, mut other) = pair(Faults {
            write_capacity: Some(2),
            ..Faults::default()
        });
        let gate = faulty.gate();
        let task = tokio::spawn(async move { faulty.write_all(b"abcd").await.map(|()| faulty) });
        let mut buffer = [0; 8];
        assert_eq!(other.read(&mut buffer).await?, 2);
        tokio::time::sleep(std::time::Duration::from_secs(60)).await;
        assert!(!task.is_finished());
        gate.open();
        assert_eq!(other.read(&mut buffer).await?, 2);
        assert!(task.await?.is_ok());
        Ok(())
    }
}
