//! The way past a link, straight to its stream, for who sends the same to many connections that wait.
//!
//! Not here: what is written there, and the lock that keeps the link away meanwhile (the mailboxes of `ws-servlet`).

use std::io;
use std::time::Instant;

use bytes::Bytes;

use super::Link;
use crate::io::{Bypass, Io};

impl Link<Io> {
    /// A way to the stream past this link; see [`Bypass`]. `None` if the stream is not TCP, or if there is one already.
    pub fn bypass(&mut self) -> Option<Bypass> {
        self.io.bypass()
    }

    /// Whether frames of prepared messages may be written past this link until it is polled again. To be asked when
    /// [`poll_wake`](Self::poll_wake) has returned pending. See
    /// [`SendPath::may_be_bypassed`](ws_proto::SendPath::may_be_bypassed).
    pub fn may_be_bypassed(&self) -> bool {
        self.send.may_be_bypassed()
    }

    /// To be called before the link is polled again: frames were written past it, last `at` that time; what the stream has
    /// not taken of the last one, if anything, is sent before everything else. An error is that of the stream, and ends
    /// the connection.
    pub fn handle_bypassed(&mut self, at: Option<Instant>, rest: io::Result<Bytes>) {
        if let Some(at) = at {
            self.timers.on_data_bypassed(at);
        }
        match rest {
            Ok(rest) if rest.is_empty() => {}
            Ok(rest) => {
                self.prepare();
                self.send.handle_bypassed(rest);
            }
            Err(error) => self.lose(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::task::{Context, Waker};
    use std::time::Duration;

    use tokio::net::{TcpListener, TcpStream};
    use tokio::time::advance;
    use ws_proto::{Config, PreparedMessage, ReceivePath, Role, SendPath};

    use super::*;
    use crate::socket::input::ReadBuffer;
    use crate::socket::signal::Signal;

    /// A message that goes past the connection puts its idle timeout off from when it was written, whenever it is told.
    #[tokio::test(start_paused = true)]
    async fn who_is_written_to_past_its_link_is_not_idle() {
        let mut config = Config::server();
        config.timeouts.idle = Some(Duration::from_secs(10));
        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let _far = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (near, _) = listener.accept().await.unwrap();
        let mut receive = ReceivePath::new(Role::Server, Arc::clone(&config));
        let mut buffer = ReadBuffer::new();
        let mut link = Link::new(Io::from(near), SendPath::server(config), Arc::new(Signal::new()));
        let mut cx = Context::from_waker(Waker::noop());
        let bypass = link.bypass().unwrap();
        let frame = PreparedMessage::text("tea");

        let mut wake = |link: &mut Link<Io>| link.poll_wake(&mut cx, &mut receive, &mut buffer).is_pending();
        assert!(wake(&mut link) && link.may_be_bypassed());
        advance(Duration::from_secs(7)).await;
        let slices = [io::IoSlice::new(frame.frame())];
        assert_eq!(bypass.try_write(&slices).unwrap(), frame.frame().len());
        let at = tokio::time::Instant::now().into_std();
        // Its old deadline passes.
        advance(Duration::from_secs(9)).await;
        link.handle_bypassed(Some(at), Ok(Bytes::new()));
        assert!(wake(&mut link) && link.is_open());
        advance(Duration::from_millis(1_100)).await;
        // The ticker of the wheel rings.
        tokio::task::yield_now().await;
        let _ = wake(&mut link);
        assert!(!link.is_open());
        assert!(!link.may_be_bypassed());
    }
}
