//! Endpoint and session together, so that the endpoint hears of the end even if the connection's future is dropped
//! where it waits: at the end of a stop's patience, or with its runtime.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::runtime::Handle;
use ws_handler::{ReadBuffer, Wake};
use ws_proto::{
    CloseCode, CloseReason, Delivery, Initiator, MessageKind, ProtocolError, ReceivePath, Utf8Bytes,
};

use super::End;
use super::assembly::Assembly;
use crate::context::MessageLimits;
use crate::endpoint::Endpoint;
use crate::error::EndpointError;
use crate::session::Session;

/// How long an `on_close` that waits may go on after its connection was dropped.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// How far the callbacks of a connection are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// `on_open` has not been called.
    New,
    /// `on_open` was begun.
    Open,
    /// `on_close` was begun: it is never called again.
    Closed,
}

/// An endpoint on its session, and what belongs to their conversation.
pub(super) struct Actors<E> {
    pub(super) endpoint: E,
    pub(super) session: Session,
    pub(super) assembly: Assembly,
    /// `None`: the codec's own.
    limits: Option<Arc<MessageLimits>>,
    /// The endpoint takes frames.
    pub(super) frames: bool,
    phase: Phase,
}

impl<E> Actors<E> {
    pub(super) fn new(
        endpoint: E,
        session: Session,
        delivery: Delivery,
        limits: Option<Arc<MessageLimits>>,
    ) -> Self {
        let frames = delivery == Delivery::Fragment;
        Self {
            endpoint,
            session,
            assembly: Assembly::default(),
            limits,
            frames,
            phase: Phase::New,
        }
    }

    /// A whole message has come, of so many bytes.
    #[inline]
    pub(super) fn handle_message(&mut self, kind: MessageKind, len: usize) -> Result<(), ProtocolError> {
        self.session.link.handle_data();
        match &self.limits {
            Some(limits) if len > limits.of(kind) => Err(ProtocolError::MessageTooBig),
            _ => Ok(()),
        }
    }

    /// The limits of messages that are assembled here.
    pub(super) fn limits(&self) -> MessageLimits {
        match &self.limits {
            Some(limits) => **limits,
            None => MessageLimits::of_config(self.session.link.config()),
        }
    }

    /// A frame was taken up, and its message was given out if it was the last one.
    pub(super) fn settle_frame(&mut self, fin: bool) {
        if fin {
            self.assembly.clear();
        }
        self.session.link.set_held_beside(self.assembly.held());
    }

    /// What the answer of a callback leads to, if it is the end.
    #[inline]
    pub(super) fn ended(&self, called: Result<(), EndpointError>) -> Option<End> {
        called.err().and_then(|error| self.failure(error))
    }

    /// What an error of a callback leads to. One that failed only because its connection is closing has not failed.
    pub(super) fn failure(&self, error: EndpointError) -> Option<End> {
        (self.session.is_open() || !error.is_closed()).then_some(End::Failed(error))
    }

    /// Notes that `on_close` is called now, and for the only time.
    pub(super) fn close(&mut self) {
        self.phase = Phase::Closed;
    }
}

/// Actors, and what they are told by the peer.
pub(super) struct Scene<E> {
    pub(super) actors: Actors<E>,
    pub(super) receive: ReceivePath,
    pub(super) buffer: ReadBuffer,
}

impl<E> Scene<E> {
    /// Waits for what happens next, as [`Session::poll_wake`].
    pub(super) fn poll_wake(&mut self, cx: &mut Context<'_>) -> Poll<Wake> {
        self.actors
            .session
            .poll_wake(cx, &mut self.receive, &mut self.buffer)
    }
}

/// Actors who are not forgotten.
pub(super) struct Stage<E: Endpoint> {
    /// Taken only by `drop`.
    scene: Option<Scene<E>>,
}

impl<E: Endpoint> Stage<E> {
    pub(super) fn new(scene: Scene<E>) -> Self {
        Self { scene: Some(scene) }
    }

    /// Lends it for the life of the connection. From here on the endpoint is owed an `on_close`.
    pub(super) fn begin(&mut self) -> Option<&mut Scene<E>> {
        let scene = self.scene.as_mut()?;
        scene.actors.phase = Phase::Open;
        Some(scene)
    }

    /// Lends it again, after [`begin`](Self::begin).
    pub(super) fn scene(&mut self) -> Option<&mut Scene<E>> {
        self.scene.as_mut()
    }
}

impl<E: Endpoint> Drop for Stage<E> {
    fn drop(&mut self) {
        // Where nothing is owed, all is dropped in its place.
        let Some(scene) = self.scene.take_if(|scene| scene.actors.phase == Phase::Open) else {
            return;
        };
        let Actors {
            mut endpoint,
            mut session,
            ..
        } = scene.actors;
        session.leave();
        session.link.abandon();
        let reason = session.link.close_reason().cloned().unwrap_or_else(abnormal);
        last_words(Box::pin(
            async move { endpoint.on_close(&mut session, &reason).await },
        ));
    }
}

/// Polls the last callback once, and lets it go on in a task of its own if it waits and there is a runtime.
fn last_words(mut call: Pin<Box<dyn Future<Output = ()> + Send>>) {
    let mut cx = Context::from_waker(Waker::noop());
    // A panic is contained as in every callback; the endpoint is not looked at again.
    match catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(&mut cx))) {
        Ok(Poll::Ready(())) => {}
        Ok(Poll::Pending) => {
            if let Ok(runtime) = Handle::try_current() {
                runtime.spawn(async move {
                    if tokio::time::timeout(LAST_WORDS, call).await.is_err() {
                        tracing::warn!("on_close of a dropped connection took too long");
                    }
                });
            }
        }
        Err(_) => tracing::error!("on_close of a dropped connection panicked"),
    }
}

/// The connection ended without anybody saying why (RFC 6455 §7.1.5).
pub(super) fn abnormal() -> CloseReason {
    CloseReason {
        code: CloseCode::ABNORMAL,
        reason: Utf8Bytes::default(),
        who: Initiator::Local,
        clean: false,
    }
}
