//! Events become callbacks, and failures close codes: the life of one connection after the 101.
//!
//! Here: the loop, and its end. Beside it: frames put together (`assembly`), panics (`caught`), the last callback of
//! a connection that is dropped (`stage`). Not here: who is let in (`servlet`), reading and writing
//! (`ws_handler::Link`), what is legal on the wire (`ws_proto::ReceivePath`).

mod assembly;
mod caught;

mod stage;

mod converse;

use std::any::Any;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use ws_handler::{ConnectionFuture, ReadBuffer, Registration, SocketError};
use ws_proto::{CloseCode, Delivery, ProtocolError, ReceivePath};

use self::caught::Caught;
use self::converse::converse;
use self::stage::{Actors, Scene, Stage, abnormal};
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
    pub(crate) limits: Option<Arc<MessageLimits>>,
    pub(crate) registration: Registration,
}

/// Everything of a connection, in one place from its first poll to its last: what is only borrowed takes no second
/// place in the future.
struct Connection<E: Endpoint> {
    stage: Stage<E>,
    /// Freed last: the factory counts the connection until all callbacks are through.
    _registration: Registration,
}

impl<E: Endpoint> Connection<E> {
    fn begin(&mut self) -> Option<&mut Scene<E>> {
        self.stage.begin()
    }

    fn scene(&mut self) -> Option<&mut Scene<E>> {
        self.stage.scene()
    }
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

/// The future of a connection: one allocation, and another one at its end.
pub(crate) fn start<E: Endpoint>(endpoint: E, start: Start) -> ConnectionFuture {
    let Start {
        session,
        receive,
        buffer,
        delivery,
        limits,
        registration,
    } = start;
    let scene = Scene {
        actors: Actors::new(endpoint, session, delivery, limits),
        receive,
        buffer,
    };
    let mut connection = Connection {
        stage: Stage::new(scene),
        _registration: registration,
    };
    Box::pin(async move {
        // By a method of the whole: named by its field, that field is all that the block would keep.
        let Some(scene) = connection.begin() else { return };
        let end = Caught(pin!(converse(scene))).await;
        // In a box, so that an open connection keeps no place for it; and borrowed anew, so that it keeps none for the
        // reference meanwhile.
        Box::pin(part(&mut connection, end)).await;
    })
}

/// The last callbacks, and the end of the stream.
async fn part<E: Endpoint>(connection: &mut Connection<E>, end: Result<End, Box<dyn Any + Send>>) {
    let Some(scene) = connection.scene() else { return };
    let Scene {
        actors,
        receive,
        buffer,
    } = scene;
    let error = match end {
        Ok(end) => settle(&mut actors.session, end),
        Err(panic) => {
            fail(&mut actors.session, CloseCode::INTERNAL_ERROR, "");
            Some(SessionError::from_panic(&*panic))
        }
    };
    if error.is_some() {
        // RFC 6455 §7.1.7: after failing a connection "an endpoint MUST NOT continue to attempt to process data".
        receive.stop();
    }
    // Nobody finds the session and nothing is published to it from here on.
    actors.session.leave();
    push_out(&mut actors.session).await;
    if let Some(error) = &error {
        report(&actors.session, error);
        let mut call = pin!(actors.endpoint.on_error(&mut actors.session, error));
        log_panic(Caught(call.as_mut()).await);
    }
    let reason = actors
        .session
        .link
        .close_reason()
        .cloned()
        .unwrap_or_else(abnormal);
    actors.close();
    {
        let mut call = pin!(actors.endpoint.on_close(&mut actors.session, &reason));
        log_panic(Caught(call.as_mut()).await);
    }
    actors.session.link.finish(receive, buffer).await;
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

fn log_panic(caught: Result<(), Box<dyn Any + Send>>) {
    if let Err(panic) = caught {
        tracing::error!("last {}", SessionError::from_panic(&*panic));
    }
}

#[cfg(test)]
mod tests {
    use ws_handler::{Io, Link, RequestHead, WebSocketFactory};
    use ws_proto::{Config, Role, SendPath};

    use super::*;
    use crate::context::{Agreed, RouteContext};
    use crate::hub::Hub;
    use crate::pattern::PathPattern;
    use crate::registry::Sessions;
    use crate::session::{Head, Parts};

    /// What a connection of an endpoint without state may take, its session, receive path and timers included.
    /// Each byte here is a byte per open connection: raise it knowingly.
    const CONNECTION: usize = 584;

    struct Echo;

    impl Endpoint for Echo {
        async fn on_text(&mut self, session: &mut Session, text: &str) -> Result<(), EndpointError> {
            Ok(session.text(text).await?)
        }

        async fn on_binary(&mut self, session: &mut Session, payload: &[u8]) -> Result<(), EndpointError> {
            Ok(session.binary(payload).await?)
        }
    }

    #[test]
    fn a_connection_is_small() {
        let config = Arc::new(Config::server());
        let registration = WebSocketFactory::default().register().unwrap();
        let signal = Arc::clone(registration.signal());
        let (near, _far) = tokio::io::duplex(1);
        let request = RequestHead::from_request(http::Request::new(()));
        let parts = Parts {
            link: Link::new(Io::boxed(near), SendPath::server(Arc::clone(&config)), signal),
            route: Arc::new(RouteContext {
                pattern: PathPattern::parse("/").unwrap(),
                sessions: Sessions::new(Hub::new()),
                open: 0.into(),
                agreed: Agreed::default(),
            }),
            head: Head::new(&request, None),
            extensions: Vec::new(),
            remote: None,
            attributes: http::Extensions::new(),
        };
        let start = Start {
            session: Session::open(parts, Arc::clone(&config)),
            receive: ReceivePath::new(Role::Server, Arc::clone(&config)),
            buffer: ReadBuffer::new(),
            delivery: Delivery::Message,
            limits: None,
            registration,
        };
        let kept = size_of::<Connection<Echo>>();
        let future = super::start(Echo, start);
        let size = size_of_val(&*future);
        assert!(
            size <= CONNECTION,
            "{size} bytes, of which {kept} are kept and the rest is for callbacks"
        );
    }
}
