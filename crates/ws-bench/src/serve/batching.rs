//! The loops of crates that offer a stream and a sink: a flush for each message, or one for all that are ready.

use futures_util::{FutureExt, Sink, SinkExt, Stream, StreamExt};

use super::Failure;

/// What a message asks for.
pub(super) enum Todo<M> {
    Echo(M),
    Nothing,
    Close,
}

/// Answers each message before the next is read.
pub(super) async fn each<S, M, E>(mut socket: S, todo: fn(M) -> Todo<M>) -> Result<(), Failure>
where
    S: Stream<Item = Result<M, E>> + Sink<M, Error = E> + Unpin,
    E: Into<Failure>,
{
    while let Some(message) = socket.next().await {
        match todo(message.map_err(Into::into)?) {
            Todo::Echo(message) => socket.send(message).await.map_err(Into::into)?,
            Todo::Nothing => {}
            Todo::Close => break,
        }
    }
    socket.close().await.map_err(Into::into)
}

/// Feeds the answers to all messages that are ready, and flushes once.
pub(super) async fn batched<S, M, E>(mut socket: S, todo: fn(M) -> Todo<M>) -> Result<(), Failure>
where
    S: Stream<Item = Result<M, E>> + Sink<M, Error = E> + Unpin,
    E: Into<Failure>,
{
    'connection: while let Some(message) = socket.next().await {
        let mut next = Some(message);
        while let Some(message) = next.take() {
            match todo(message.map_err(Into::into)?) {
                Todo::Echo(message) => socket.feed(message).await.map_err(Into::into)?,
                Todo::Nothing => {}
                Todo::Close => break 'connection,
            }
            next = socket.next().now_or_never().flatten();
        }
        socket.flush().await.map_err(Into::into)?;
    }
    socket.close().await.map_err(Into::into)
}
