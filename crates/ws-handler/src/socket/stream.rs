//! `Stream` and `Sink` for the socket, behind feature `futures`. A leaf: nothing imports it.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use futures_core::stream::FusedStream;
use futures_sink::Sink;
use tokio::io::{AsyncRead, AsyncWrite};
use ws_proto::Message;

use super::error::SocketError;
use super::websocket::WebSocket;

/// Ends when the connection is closed. An error comes once, as the last item.
impl<IO: AsyncRead + AsyncWrite + Unpin> Stream for WebSocket<IO> {
    type Item = Result<Message, SocketError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(ready!(self.get_mut().poll_recv(cx)).transpose())
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> FusedStream for WebSocket<IO> {
    fn is_terminated(&self) -> bool {
        self.is_over()
    }
}

/// Ready while the queue is not above its soft limit (64 KiB). Flushing writes; so does the stream before it waits.
/// Closing sends a Close frame with 1000 and completes the closing handshake, discarding what still arrives.
///
/// Stream and sink are to be polled by one task: the stream below wakes the task that polled last. For two tasks there
/// is [`WebSocket::split`].
impl<IO: AsyncRead + AsyncWrite + Unpin> Sink<Message> for WebSocket<IO> {
    type Error = SocketError;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
        self.get_mut().poll_room(cx)
    }

    fn start_send(self: Pin<&mut Self>, message: Message) -> Result<(), SocketError> {
        self.get_mut().queue(message)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
        self.get_mut().poll_flush(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
        let socket = self.get_mut();
        // A second call does nothing.
        socket.begin_close()?;
        while ready!(socket.poll_recv(cx))?.is_some() {}
        Poll::Ready(Ok(()))
    }
}
