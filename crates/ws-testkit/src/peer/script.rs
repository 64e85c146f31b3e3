//! A whole peer as a list of steps.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};

use super::error::PeerError;
use super::frame::RawFrame;
use super::raw::RawPeer;

/// One step of a [`FrameScript`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Step {
    /// Send a frame as it is.
    Send(RawFrame),
    /// Send bytes as they are.
    SendBytes(Vec<u8>),
    /// Send bytes in pieces of this length.
    SendChopped(Vec<u8>, usize),
    /// The next frame must be this one (masking key aside).
    Expect(RawFrame),
    /// The next frame must be a close frame with this code; None: without one.
    ExpectClose(Option<u16>),
    /// The other side must end the stream.
    ExpectEnd,
    /// Read an HTTP head and drop it.
    SkipHead,
    /// End the own direction of the stream.
    HalfClose,
    /// Do nothing for this long.
    Wait(Duration),
}

/// The steps of a peer, run in order; the first that fails ends the script.
///
/// ```
/// use ws_testkit::{FrameScript, RawFrame};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let (one, other) = tokio::io::duplex(1024);
/// let asks = FrameScript::new().send(RawFrame::ping("x")).expect(RawFrame::pong("x"));
/// let answers = FrameScript::new().expect(RawFrame::ping("x")).send(RawFrame::pong("x"));
/// let (asked, answered) = tokio::join!(asks.run(one), answers.run(other));
/// assert!(asked.is_ok() && answered.is_ok());
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct FrameScript {
    steps: Vec<Step>,
}

impl FrameScript {
    /// An empty script.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds any step.
    #[must_use]
    pub fn step(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    /// Adds: send this frame.
    #[must_use]
    pub fn send(self, frame: RawFrame) -> Self {
        self.step(Step::Send(frame))
    }

    /// Adds: the next frame must be this one.
    #[must_use]
    pub fn expect(self, frame: RawFrame) -> Self {
        self.step(Step::Expect(frame))
    }

    /// Adds: the next frame must be a close frame with this code.
    #[must_use]
    pub fn expect_close(self, code: u16) -> Self {
        self.step(Step::ExpectClose(Some(code)))
    }

    /// Adds: the other side must end the stream.
    #[must_use]
    pub fn expect_end(self) -> Self {
        self.step(Step::ExpectEnd)
    }

    /// Runs the script over one end of a connection; gives it back to go on with.
    ///
    /// Not cancel safe: the stream is dropped where the script was.
    ///
    /// # Errors
    /// The number of the step that failed, from 0, and why.
    pub async fn run<IO: AsyncRead + AsyncWrite + Unpin>(
        self,
        io: IO,
    ) -> Result<RawPeer<IO>, (usize, PeerError)> {
        let mut peer = RawPeer::new(io);
        for (place, step) in self.steps.into_iter().enumerate() {
            take(&mut peer, step).await.map_err(|error| (place, error))?;
        }
        Ok(peer)
    }
}

async fn take<IO: AsyncRead + AsyncWrite + Unpin>(
    peer: &mut RawPeer<IO>,
    step: Step,
) -> Result<(), PeerError> {
    match step {
        Step::Send(frame) => peer.send(&frame).await,
        Step::SendBytes(bytes) => peer.send_bytes(&bytes).await,
        Step::SendChopped(bytes, chop) => peer.send_chopped(&bytes, chop).await,
        Step::Expect(frame) => peer.expect(&frame).await.map(drop),
        Step::ExpectClose(code) => peer.expect_close(code).await.map(drop),
        Step::ExpectEnd => peer.expect_end().await,
        Step::SkipHead => peer.expect_head().await.map(drop),
        Step::HalfClose => peer.half_close().await,
        Step::Wait(time) => {
            tokio::time::sleep(time).await;
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_script_names_the_step_that_failed() {
        let (one, other) = tokio::io::duplex(1024);
        let sends = FrameScript::new()
            .send(RawFrame::text("a"))
            .send(RawFrame::text("c"));
        let expects = FrameScript::new()
            .expect(RawFrame::text("a"))
            .expect(RawFrame::text("b"))
            .expect_end();
        let (sent, expected) = tokio::join!(sends.run(one), expects.run(other));
        assert!(sent.is_ok());
        assert!(matches!(expected, Err((1, PeerError::OtherFrame { .. }))));
    }
}
