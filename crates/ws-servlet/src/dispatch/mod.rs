//! Events become callbacks, and failures close codes: the life of one connection after the 101.
//!
//! Here: the loop, and its end. Beside it: frames put together (`assembly`), panics (`caught`), the last callback of
//! a connection that is dropped (`stage`). Not here: who is let in (`servlet`), reading and writing
//! (`ws_handler::Link`), what is legal on the wire (`ws_proto::ReceivePath`).

mod assembly;
mod caught;

mod stage;

mod converse;

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use ws_handler::{ConnectionFuture, ReadBuffer, Registration, SocketError};
use ws_proto::{CloseCode, Delivery, ProtocolError, ReceivePath};

use self::caught::Caught;
use self::converse::converse;
use self::stage::{Stage, abnormal};
use crate::context::MessageLimits;
use crate::endpoint::{Endpoint, SessionError};
use crate::error::EndpointError;
use crate::session::Session;

/// What a connection begins with.
pub(crate) struct Start {
    pub(crate) session: Session,
    pub(crate) receive: ReceivePath,
    pub(crate) buffer: ReadBuffer,
    pub(crate) delivery: Delivery,
    pub(crate) limits: MessageLimits,
    pub(crate) registration: Registration,
}

/// Everything of a connection, in one place from its first poll to its last: locals that are only borrowed take no
/// second place in the future.
struct Connection<E: Endpoint> {
    stage: Stage<E>,
    receive: ReceivePath,
    buffer: ReadBuffer,
    delivery: Delivery,
    limits: MessageLimits,
    /// Freed last: the factory counts the connection until all callbacks are through.
    _registration: Registration,
}

/// Why the loop of callbacks ended.
enum End {
    /// Both Close frames exist, or the connection is through already.
    Closed,
    /// The transport is gone, or was given up.
    Lost(SocketError),
    /// The peer broke a rule; it has not been told.
    Broken(ProtocolError),
    /// The peer broke a rule that only time shows; its Close frame is queued.
    Stalled(ProtocolError),
    /// A callback returned an error.
    Failed(EndpointError),
}

/// The future of a connection: its only allocation.
pub(crate) fn start<E: Endpoint>(endpoint: E, start: Start) -> ConnectionFuture {
    let Start {
        session,
        receive,
        buffer,
        delivery,
        limits,
        registration,
    } = start;
    let stage = Stage::new(endpoint, session);
    let mut connection = Connection {
        stage,
        receive,
        buffer,
        delivery,
        limits,
        _registration: registration,
    };
    Box::pin(async move {
        let Connection {
            stage,
            receive,
            buffer,
            delivery,
            limits,
            ..
        } = &mut connection;
        let Some((endpoint, session, phase)) = stage.begin() else {
            return;
        };
        let end = {
            let mut conversation = pin!(converse(endpoint, session, receive, buffer, *delivery, *limits));
            Caught(conversation.as_mut()).await
        };
        let error = match end {
            Ok(end) => settle(session, end),
            Err(panic) => {
                fail(session, CloseCode::INTERNAL_ERROR, "");
                Some(SessionError::from_panic(&*panic))
            }
        };
        if error.is_some() {
            // RFC 6455 §7.1.7: after failing a connection "an endpoint MUST NOT continue to attempt to process data".
            receive.stop();
        }
        // Nobody finds the session and nothing is published to it from here on.
        session.leave();
        push_out(session).await;
        if let Some(error) = &error {
            report(session, error);
            let mut call = pin!(endpoint.on_error(session, error));
            log_panic(Caught(call.as_mut()).await);
        }
        let reason = session.link.close_reason().cloned().unwrap_or_else(abnormal);
        phase.close();
        {
            let mut call = pin!(endpoint.on_close(session, &reason));
            log_panic(Caught(call.as_mut()).await);
        }
        session.link.finish(receive, buffer).await;
    })
}

/// The one place where the end of the callbacks becomes a close code.
fn settle(session: &mut Session, end: End) -> Option<SessionError> {
    match end {
        End::Closed => None,
        End::Lost(error) => Some(SessionError::Lost(error)),
        End::Stalled(error) => Some(SessionError::Protocol(error)),
        End::Broken(error) => {
            session.link.fail(error);
            Some(SessionError::Protocol(error))
        }
        End::Failed(error) => {
            fail(session, error.code(), error.reason());
            Some(SessionError::Endpoint(error))
        }
    }
}

/// The code of an [`EndpointError`] can always be sent; it was judged when the error was made.
fn fail(session: &mut Session, code: CloseCode, reason: &str) {
    if let Err(error) = session.link.fail_with(code, reason) {
        tracing::debug!(session = session.id(), %error, "could not fail the connection");
    }
}

/// Writes what can be written without waiting, the Close frame above all: callbacks that follow may take their time.
async fn push_out(session: &mut Session) {
    poll_fn(|cx| {
        // A transport that fails now has nothing more to tell.
        let _ = session.link.poll_flush(cx);
        Poll::Ready(())
    })
    .await;
}

/// Errors of the application are its maker's business, errors of peers are daily life.
fn report(session: &Session, error: &SessionError) {
    let (session, route) = (session.id(), session.route());
    if matches!(error, SessionError::Endpoint(_) | SessionError::Panic(_)) {
        tracing::error!(session, route, "{error}");
    } else {
        let cause = std::error::Error::source(error);
        tracing::debug!(session, route, cause, "{error}");
    }
}

fn log_panic(caught: Result<(), Box<dyn std::any::Any + Send>>) {
    if let Err(panic) = caught {
        tracing::error!("last {}", SessionError::from_panic(&*panic));
    }
}
