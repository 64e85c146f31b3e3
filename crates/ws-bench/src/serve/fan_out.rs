//! Broadcast as it is written with crates that have none: a channel for each connection and a loop over all of them.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::{Sink, SinkExt, Stream, StreamExt};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::Failure;
use super::batching::Todo;

/// Everybody who gets what is published.
pub(super) struct Room<M> {
    members: Arc<Mutex<Vec<UnboundedSender<M>>>>,
}

impl<M: Clone> Room<M> {
    pub(super) fn new() -> Self {
        Self {
            members: Arc::default(),
        }
    }

    /// A member from before its handshake on, so that it misses nothing that comes after.
    pub(super) fn enter(&self) -> UnboundedReceiver<M> {
        let (sender, receiver) = unbounded_channel();
        self.lock().push(sender);
        receiver
    }

    /// The loop. A clone of a message shares its payload.
    fn publish(&self, message: &M) {
        // A channel that nobody reads any more belongs to a connection that has gone.
        self.lock().retain(|member| member.send(message.clone()).is_ok());
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<UnboundedSender<M>>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<M> Clone for Room<M> {
    fn clone(&self) -> Self {
        Self {
            members: Arc::clone(&self.members),
        }
    }
}

/// One connection: what it sends goes to all, what is published goes to it; a flush for all that is ready.
pub(super) async fn member<S, M, E>(
    mut socket: S,
    room: Room<M>,
    mut inbox: UnboundedReceiver<M>,
    todo: fn(M) -> Todo<M>,
) -> Result<(), Failure>
where
    S: Stream<Item = Result<M, E>> + Sink<M, Error = E> + Unpin,
    E: Into<Failure>,
    M: Clone,
{
    loop {
        tokio::select! {
            message = socket.next() => match message.map(|message| message.map(todo)) {
                Some(Ok(Todo::Echo(message))) => room.publish(&message),
                Some(Ok(Todo::Nothing)) => {}
                Some(Ok(Todo::Close)) | None => return socket.close().await.map_err(Into::into),
                Some(Err(error)) => return Err(error.into()),
            },
            message = inbox.recv() => {
                let mut next = message;
                while let Some(message) = next {
                    socket.feed(message).await.map_err(Into::into)?;
                    next = inbox.try_recv().ok();
                }
                socket.flush().await.map_err(Into::into)?;
            }
        }
    }
}
