//! Receiving owned messages, for the socket in one piece and for its receiving half alike.
//!
//! Here: events become messages, and what the protocol asks for is done on the way: pongs, the answer to a Close
//! frame, the Close frame after a violation. Not here: reading and waiting (`link`), parsing (`ws_proto`).

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite};
use ws_proto::{CloseEvent, CloseFrame, Event, Extensions, Fragment, Message, ProtocolError, ReceivePath};

use super::error::SocketError;
use super::input::ReadBuffer;
use super::link::{Link, Wake};

/// The receiving side of a socket with owned messages.
pub(super) struct Inbound {
    receive: ReceivePath,
    buffer: ReadBuffer,
    /// What comes next, if it has arrived: so it is known whether a message is the last of its batch.
    next: Option<Item>,
    /// The peer broke this rule; told when the connection has been brought to its end.
    fault: Option<ProtocolError>,
    /// The connection is over, and nobody has been told yet.
    end: Option<Result<(), SocketError>>,
    /// The connection is over, and that was told.
    over: bool,
}

/// Something that arrived.
enum Item {
    /// Not answered yet, if it is a ping.
    Message(Message),
    /// A message for which everything is done but handing it out.
    Done(Message),
    Close(Option<Box<CloseFrame>>),
    Fault(ProtocolError),
}

impl Item {
    fn of(event: Result<Event<'_>, ProtocolError>) -> Self {
        match event {
            Ok(Event::Text(text)) => Self::Message(Message::text(text)),
            Ok(Event::Binary(bytes)) => Self::Message(Message::Binary(Bytes::copy_from_slice(bytes))),
            Ok(Event::Fragment(event)) => Self::Message(Message::Fragment(Fragment {
                kind: event.kind,
                first: event.first,
                fin: event.fin,
                payload: Bytes::copy_from_slice(event.payload),
            })),
            Ok(Event::Ping(bytes)) => Self::Message(Message::Ping(Bytes::copy_from_slice(bytes))),
            Ok(Event::Pong(bytes)) => Self::Message(Message::Pong(Bytes::copy_from_slice(bytes))),
            Ok(Event::Close(close)) => Self::Close(close.map(|close| Box::new(close.to_owned()))),
            Err(error) => Self::Fault(error),
        }
    }
}

/// A way to the link for a moment: it is ours, or it is shared.
pub(super) trait Access<IO> {
    fn with<R>(&mut self, act: impl FnOnce(&mut Link<IO>) -> R) -> R;
}

impl<IO> Access<IO> for Link<IO> {
    fn with<R>(&mut self, act: impl FnOnce(&mut Self) -> R) -> R {
        act(self)
    }
}

impl Inbound {
    pub(super) fn new<IO>(link: &Link<IO>, leftover: &BytesMut, extensions: &Extensions) -> Self {
        Self {
            receive: ReceivePath::new(link.role(), Arc::clone(link.config())).with_extensions(extensions),
            buffer: ReadBuffer::with_leftover(leftover),
            next: None,
            fault: None,
            end: None,
            over: false,
        }
    }

    /// Bytes of compressed messages received so far: on the wire, and inflated.
    pub(super) fn inflated_bytes(&self) -> (u64, u64) {
        self.receive.inflated_bytes()
    }

    /// Whether another message has arrived already and waits to be received.
    pub(super) fn has_next(&self) -> bool {
        self.next.is_some()
    }

    /// Whether the end has been told.
    #[cfg(feature = "futures")]
    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    /// Whether memory is held for input.
    #[cfg(test)]
    pub(super) fn holds_memory(&self) -> bool {
        self.buffer.holds_memory()
    }

    /// The next message; `None` after the end. Cancel safe.
    pub(super) fn poll_recv<IO: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        link: &mut impl Access<IO>,
    ) -> Poll<Result<Option<Message>, SocketError>> {
        while !self.over {
            if let Some(item) = self.next.take().or_else(|| self.parse()) {
                if let Some(message) = link.with(|link| self.apply(item, link)) {
                    self.next = self.parse();
                    return Poll::Ready(Ok(Some(message)));
                }
            } else if let Some(end) = self.end.take() {
                self.over = true;
                return Poll::Ready(end.map(|()| None));
            } else {
                ready!(self.poll_wake(cx, link));
            }
        }
        Poll::Ready(Ok(None))
    }

    /// Goes on with the connection while nobody receives: answers pings and the peer's Close frame. Data is thrown
    /// away if `discard`, else the first message waits to be received and nothing after it is looked at.
    /// `Ready`: the connection is over, or a message waits.
    pub(super) fn poll_background<IO: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        link: &mut impl Access<IO>,
        discard: bool,
    ) -> Poll<()> {
        while self.end.is_none() && !self.over {
            match self.next.take().or_else(|| self.parse()) {
                Some(Item::Done(_)) if discard => {}
                Some(Item::Done(message)) => {
                    self.next = Some(Item::Done(message));
                    return Poll::Ready(());
                }
                Some(item) => self.next = link.with(|link| self.apply(item, link)).map(Item::Done),
                None => ready!(self.poll_wake(cx, link)),
            }
        }
        Poll::Ready(())
    }

    fn parse(&mut self) -> Option<Item> {
        self.buffer
            .next_event(&mut self.receive)
            .transpose()
            .map(Item::of)
    }

    /// Does what the protocol asks for, and lets messages through.
    fn apply<IO>(&mut self, item: Item, link: &mut Link<IO>) -> Option<Message> {
        match item {
            Item::Message(message) => {
                let judged = match &message {
                    Message::Ping(payload) => link.handle_ping(payload),
                    Message::Pong(payload) => {
                        link.handle_pong(payload);
                        Ok(())
                    }
                    _ => {
                        link.handle_data();
                        Ok(())
                    }
                };
                match judged {
                    Ok(()) => return Some(message),
                    Err(fault) => self.fail(fault, link),
                }
            }
            Item::Done(message) => return Some(message),
            Item::Close(close) => link.handle_close(close.as_deref().map(|close| CloseEvent {
                code: close.code,
                reason: &close.reason,
            })),
            Item::Fault(fault) => self.fail(fault, link),
        }
        None
    }

    fn fail<IO>(&mut self, fault: ProtocolError, link: &mut Link<IO>) {
        link.fail(fault);
        self.receive.stop();
        self.fault = Some(fault);
    }

    fn poll_wake<IO: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        link: &mut impl Access<IO>,
    ) -> Poll<()> {
        match ready!(link.with(|link| link.poll_wake(cx, &mut self.receive, &mut self.buffer))) {
            Wake::Data | Wake::Mail | Wake::Stop => {}
            Wake::Failed(fault) => self.fault = Some(fault),
            Wake::Finished => self.end = Some(self.fault.map_or(Ok(()), |fault| Err(fault.into()))),
            Wake::Lost(error) => self.end = Some(Err(self.fault.map_or(error, SocketError::from))),
        }
        Poll::Ready(())
    }
}
