//! WebSocket beside another service, without routes.
//!
//! Here: [`WebSocketHandler`]. Not here: routes and callbacks (ws-servlet), plain HTTP (`hyper_upgrade`).

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use crate::factory::WebSocketFactory;
use crate::http1::RequestHead;
use crate::server::{NoService, Outcome, PeerInfo, PlainConnection, Service};
use crate::socket::WebSocket;

/// Accepts upgrade attempts on every path and runs an async function over each connection; anything else goes to the
/// next service.
///
/// # Examples
///
/// ```
/// use ws_handler::{WebSocketFactory, WebSocketHandler};
///
/// let handler = WebSocketHandler::new(WebSocketFactory::default(), |mut socket, _request| async move {
///     while let Ok(Some(message)) = socket.recv().await {
///         if message.is_data() && socket.send(message).await.is_err() {
///             break;
///         }
///     }
/// });
/// # let _ = handler;
/// ```
pub struct WebSocketHandler<F, N = NoService> {
    factory: WebSocketFactory,
    run: Arc<F>,
    next: N,
}

impl<F, Fut> WebSocketHandler<F>
where
    F: Fn(WebSocket, RequestHead) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    /// Runs `run` over every connection that the factory accepts. What is no upgrade is answered with 426 or 404.
    ///
    /// The connection is dropped when the future ends: close it first to say goodbye. When `run` panics, the peer is
    /// told with 1011, and only this connection ends.
    pub fn new(factory: WebSocketFactory, run: F) -> Self {
        Self {
            factory,
            run: Arc::new(run),
            next: NoService,
        }
    }
}

impl<F, N> WebSocketHandler<F, N> {
    /// Passes everything that is no upgrade attempt to `next`.
    pub fn next<S: Service>(self, next: S) -> WebSocketHandler<F, S> {
        WebSocketHandler {
            factory: self.factory,
            run: self.run,
            next,
        }
    }

    /// The factory whose rules apply.
    pub fn factory(&self) -> &WebSocketFactory {
        &self.factory
    }
}

impl<F, Fut, N> Service for WebSocketHandler<F, N>
where
    F: Fn(WebSocket, RequestHead) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
    N: Service,
{
    async fn call(&self, request: &RequestHead, peer: &PeerInfo) -> Outcome {
        if !request.is_upgrade_attempt() {
            return self.next.call(request, peer).await;
        }
        let run = Arc::clone(&self.run);
        Outcome::upgrade(&self.factory, request, move |upgraded| {
            let (socket, request, registration) = upgraded.into_socket();
            // In a box of its own: awaited by value it would lie in the outer future twice.
            let conversation = Box::pin(run(socket, request));
            Box::pin(async move {
                let _registered = registration;
                conversation.await;
            })
        })
    }

    async fn handover(&self, connection: PlainConnection) {
        self.next.handover(connection).await;
    }
}

impl<F, N: fmt::Debug> fmt::Debug for WebSocketHandler<F, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocketHandler")
            .field("factory", &self.factory)
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}
