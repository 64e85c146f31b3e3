//! One connection in the hands of a test: send this, expect that. Whole runs with statistics are in `run`.

use std::collections::VecDeque;
use std::error::Error;
use std::fmt;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;
use ws_handler::{Receiver, Sender, SocketError};
use ws_proto::{CloseCode, CloseReason, Fragment, Message, MessageKind};

use super::dial::dial;
use super::options::{ClientOptions, OptionsError};
use crate::stats::Ending;

/// A client for tests: connects, sends, and says what it expects.
///
/// Each expectation waits at most [`ClientOptions::timeout`] (10 s unless changed). The methods are not cancel safe: a
/// dropped one may have sent or received a part.
///
/// ```no_run
/// # async fn example() -> Result<(), ws_testkit::TestClientError> {
/// let mut client = ws_testkit::TestClient::connect("ws://127.0.0.1:8080/", &["echo"]).await?;
/// client.send("hello").await?;
/// client.expect("hello").await?;
/// client.close().await?;
/// # Ok(())
/// # }
/// ```
pub struct TestClient {
    sender: Sender,
    receiver: Receiver,
    /// What arrived while something was being sent: a server that echoes a large message must not have to wait.
    early: VecDeque<Message>,
    response: http::Response<()>,
    timeout: Duration,
}

/// A data message, and the frames it came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedMessage {
    /// Text or binary.
    pub kind: MessageKind,
    /// The payload; of text it is UTF-8.
    pub payload: Bytes,
    /// Payload bytes of each of its frames.
    pub frames: Vec<usize>,
}

/// Why a [`TestClient`] did not get what was expected.
#[derive(Debug)]
#[non_exhaustive]
pub enum TestClientError {
    /// The options make no sense.
    Options(OptionsError),
    /// No connection; the ending tells at which stage.
    NotConnected(Ending),
    /// Nothing that fulfils the expectation came in time.
    TimedOut,
    /// Another message came.
    OtherMessage(ReceivedMessage),
    /// The connection was closed instead.
    Closed(Option<CloseReason>),
    /// The connection failed.
    Socket(SocketError),
}

impl TestClient {
    /// Connects, offering these subprotocols; if there are any, the server must choose one.
    ///
    /// Cancel safe: the connection that was being made is dropped.
    ///
    /// # Errors
    /// The URL makes no sense, or there is no connection.
    pub async fn connect(url: &str, subprotocols: &[&str]) -> Result<Self, TestClientError> {
        let mut options = ClientOptions::new(url);
        options.protocols = subprotocols.iter().map(|name| (*name).to_owned()).collect();
        Self::connect_with(&options).await
    }

    /// Connects with the URL, subprotocols, headers and timeout of these options.
    ///
    /// Cancel safe: the connection that was being made is dropped.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn connect_with(options: &ClientOptions) -> Result<Self, TestClientError> {
        options.check().map_err(TestClientError::Options)?;
        let opened = dial(options).await.map_err(TestClientError::NotConnected)?;
        let (sender, receiver) = opened.socket.split();
        let (response, timeout) = (opened.response, options.timeout);
        Ok(Self {
            sender,
            receiver,
            early: VecDeque::new(),
            response,
            timeout,
        })
    }

    /// The subprotocol that the server chose.
    pub fn subprotocol(&self) -> Option<&str> {
        self.receiver.subprotocol()
    }

    /// The head of the server's answer to the upgrade.
    pub fn response(&self) -> &http::Response<()> {
        &self.response
    }

    /// Sends a message in one frame, or a ping or pong.
    ///
    /// Not cancel safe: the message may have been queued, and is then sent whole.
    ///
    /// # Errors
    /// The connection is closed or fails, or takes nothing for the whole timeout.
    pub async fn send(&mut self, message: impl Into<Message>) -> Result<(), TestClientError> {
        let mut sending = pin!(async {
            self.sender.send(message).await?;
            self.sender.flush().await
        });
        let deadline = Instant::now() + self.timeout;
        loop {
            tokio::select! {
                biased;
                sent = &mut sending => return sent.map_err(TestClientError::Socket),
                received = self.receiver.recv() => match received {
                    Ok(Some(message)) => self.early.push_back(message),
                    Ok(None) => return Err(TestClientError::Closed(self.receiver.close_reason())),
                    Err(error) => return Err(TestClientError::Socket(error)),
                },
                () = tokio::time::sleep_until(deadline) => return Err(TestClientError::TimedOut),
            }
        }
    }

    /// Sends a message in these frames (at least one).
    ///
    /// Not cancel safe: some of the frames may have been sent.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn send_frames(&mut self, kind: MessageKind, frames: &[&[u8]]) -> Result<(), TestClientError> {
        for (place, frame) in frames.iter().enumerate() {
            let (first, fin) = (place == 0, place + 1 == frames.len());
            let payload = Bytes::copy_from_slice(frame);
            self.send(Message::Fragment(Fragment {
                kind,
                first,
                fin,
                payload,
            }))
            .await?;
        }
        Ok(())
    }

    /// The next data message, whatever it is. Pings are answered, pongs skipped.
    ///
    /// Not cancel safe: frames of a message whose last one has not come are lost.
    ///
    /// # Errors
    /// Time is over, or the connection is closed or fails.
    pub async fn next_message(&mut self) -> Result<ReceivedMessage, TestClientError> {
        let deadline = Instant::now() + self.timeout;
        let mut received: Option<(MessageKind, Vec<u8>, Vec<usize>)> = None;
        loop {
            let Message::Fragment(fragment) = self.receive(deadline).await? else {
                continue;
            };
            let (kind, payload, frames) =
                received.get_or_insert_with(|| (fragment.kind, Vec::new(), Vec::new()));
            payload.extend_from_slice(&fragment.payload);
            frames.push(fragment.payload.len());
            if fragment.fin {
                let (payload, frames) = (std::mem::take(payload).into(), std::mem::take(frames));
                return Ok(ReceivedMessage {
                    kind: *kind,
                    payload,
                    frames,
                });
            }
        }
    }

    /// The next data message must be this one, in whatever frames it comes.
    ///
    /// Not cancel safe, as [`next_message`](Self::next_message).
    ///
    /// # Errors
    /// Another message comes, or none.
    pub async fn expect(&mut self, message: impl Into<Message>) -> Result<ReceivedMessage, TestClientError> {
        let expected = message.into();
        let kind = match expected {
            Message::Text(_) => MessageKind::Text,
            _ => MessageKind::Binary,
        };
        let found = self.next_message().await?;
        if found.kind == kind && found.payload == expected.payload() {
            Ok(found)
        } else {
            Err(TestClientError::OtherMessage(found))
        }
    }

    /// Sends a ping and waits for the pong with the same payload; gives the time that took. Data messages that
    /// arrive meanwhile are skipped.
    ///
    /// Not cancel safe: the ping may be out, and messages skipped.
    ///
    /// # Errors
    /// Time is over, or the connection is closed or fails.
    pub async fn ping(&mut self, payload: impl Into<Bytes>) -> Result<Duration, TestClientError> {
        let payload = payload.into();
        let sent_at = Instant::now();
        self.send(Message::Ping(payload.clone())).await?;
        loop {
            let message = self.receive(sent_at + self.timeout).await?;
            if matches!(message, Message::Pong(pong) if pong == payload) {
                return Ok(sent_at.elapsed());
            }
        }
    }

    /// Closes with 1000 and waits for the end of the closing handshake.
    ///
    /// Cancel safe: a second call goes on with the closing handshake.
    ///
    /// # Errors
    /// The handshake does not end in time, or the connection fails.
    pub async fn close(&mut self) -> Result<(), TestClientError> {
        let closing = self.receiver.close(CloseCode::NORMAL, "");
        match tokio::time::timeout(self.timeout, closing).await {
            Ok(result) => result.map_err(TestClientError::Socket),
            Err(_) => Err(TestClientError::TimedOut),
        }
    }

    /// The server must close the connection properly, before any further message.
    ///
    /// Not cancel safe, as [`next_message`](Self::next_message).
    ///
    /// # Errors
    /// A message comes instead, or nothing in time, or the connection fails.
    pub async fn expect_close(&mut self) -> Result<Option<CloseReason>, TestClientError> {
        match self.next_message().await {
            Ok(message) => Err(TestClientError::OtherMessage(message)),
            Err(TestClientError::Closed(close)) => Ok(close),
            Err(error) => Err(error),
        }
    }

    /// The two halves of the socket, for whatever else a test needs.
    pub fn into_halves(self) -> (Sender, Receiver) {
        (self.sender, self.receiver)
    }

    async fn receive(&mut self, deadline: Instant) -> Result<Message, TestClientError> {
        if let Some(message) = self.early.pop_front() {
            return Ok(message);
        }
        match tokio::time::timeout_at(deadline, self.receiver.recv()).await {
            Ok(Ok(Some(message))) => Ok(message),
            Ok(Ok(None)) => Err(TestClientError::Closed(self.receiver.close_reason())),
            Ok(Err(error)) => Err(TestClientError::Socket(error)),
            Err(_) => Err(TestClientError::TimedOut),
        }
    }
}

impl fmt::Debug for TestClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestClient")
            .field("subprotocol", &self.subprotocol())
            .finish_non_exhaustive()
    }
}

impl fmt::Display for TestClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Options(_) => f.write_str("the options make no sense"),
            Self::NotConnected(ending) => write!(f, "not connected: {ending}"),
            Self::TimedOut => f.write_str("nothing that was expected came in time"),
            Self::OtherMessage(found) => {
                let (bytes, frames) = (found.payload.len(), found.frames.len());
                write!(
                    f,
                    "another message came: {:?}, {bytes} bytes in {frames} frames",
                    found.kind
                )
            }
            Self::Closed(Some(close)) => write!(f, "closed with {}: {}", close.code, close.reason),
            Self::Closed(None) => f.write_str("closed without a code"),
            Self::Socket(_) => f.write_str("the connection failed"),
        }
    }
}

impl Error for TestClientError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Options(error) => Some(error),
            Self::Socket(error) => Some(error),
            _ => None,
        }
    }
}
