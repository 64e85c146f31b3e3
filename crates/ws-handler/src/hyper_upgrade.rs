//! Plain HTTP through hyper, beside WebSocket on one port.
//!
//! Here: [`HyperService`], the last service of a chain, which serves plain HTTP with keep-alive. Every later request
//! of a connection is judged by the server's service like the first one, so an upgrade works there too, and a
//! refusal closes. Feature `hyper`. Not here: the first request of a connection (`server`).

use std::error::Error;
use std::future::{self, Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use bytes::BytesMut;
use http::{Request, Response, StatusCode};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1::{self, Parts};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;

use crate::http1::RequestHead;
use crate::server::{
    Entrance, Outcome, PeerInfo, PlainConnection, Rewound, Service, carry_out, catch_panic, linger, one_line,
};

/// The longest time for a request's head to arrive, also the longest an unused connection is kept.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// The largest head, as for a first request.
const HEAD_SIZE: usize = 16 * 1024;
/// The largest number of header lines, as for a first request.
const HEADERS: usize = 100;

/// Serves plain HTTP/1.1 with hyper. Put it at the end of a chain of services.
///
/// The [`PeerInfo`] of the connection is among the request's extensions. A panic of the inner service while it makes
/// a response is answered with 500 and closes the connection.
///
/// # Examples
///
/// ```
/// use std::convert::Infallible;
///
/// use http_body_util::Full;
/// use hyper::body::{Bytes, Incoming};
/// use hyper::service::service_fn;
/// use hyper::{Request, Response};
/// use ws_handler::{HyperService, WebSocketFactory, WebSocketHandler};
///
/// let http = service_fn(|_: Request<Incoming>| async {
///     Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"plain HTTP"))))
/// });
/// let handler = WebSocketHandler::new(WebSocketFactory::default(), |mut socket, _| async move {
///     let _end = socket.recv().await;
/// });
/// let service = handler.next(HyperService::new(http));
/// # let _ = service;
/// ```
#[derive(Debug, Clone)]
pub struct HyperService<H> {
    http: Arc<H>,
}

impl<H> HyperService<H> {
    /// Serves with a hyper service.
    pub fn new(http: H) -> Self {
        Self { http: Arc::new(http) }
    }
}

impl<T> HyperService<TowerToHyperService<T>> {
    /// Serves with a tower service, such as those of tower-http.
    pub fn from_tower(http: T) -> Self {
        Self::new(TowerToHyperService::new(http))
    }
}

impl<H, B> Service for HyperService<H>
where
    H: hyper::service::Service<Request<Incoming>, Response = Response<B>> + Send + Sync + 'static,
    H::Future: Send + 'static,
    H::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    async fn call(&self, _request: &RequestHead, _peer: &PeerInfo) -> Outcome {
        Outcome::Handover
    }

    async fn handover(&self, connection: PlainConnection) {
        serve(Arc::clone(&self.http), connection).await;
    }
}

/// A request that takes the connection away from hyper, and what becomes of it.
type Decision = (RequestHead, Outcome);

/// What the connection and its requests share.
struct Shared {
    entrance: Entrance,
    /// The first request was judged before the connection came here.
    first_seen: AtomicBool,
    decision: Mutex<Option<Decision>>,
}

impl Shared {
    /// Takes the connection away from hyper: it is taken apart before anything polls this again.
    async fn decide<T>(&self, request: RequestHead, outcome: Outcome) -> T {
        *self.decision() = Some((request, outcome));
        future::pending().await
    }

    fn decision(&self) -> MutexGuard<'_, Option<Decision>> {
        self.decision.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Serves until the peer leaves, the server stops, or a request ends plain HTTP on this connection.
async fn serve<H, B>(http: Arc<H>, connection: PlainConnection)
where
    H: hyper::service::Service<Request<Incoming>, Response = Response<B>> + Send + Sync + 'static,
    H::Future: Send + 'static,
    H::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let (stream, entrance) = connection.into_parts();
    let stopping = entrance.stop_token();
    let shared = Arc::new(Shared {
        entrance,
        first_seen: AtomicBool::new(false),
        decision: Mutex::new(None),
    });
    let judged = Judged {
        http,
        shared: Arc::clone(&shared),
    };
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        // A peer that has nothing more to ask still wants its answer.
        .half_close(true)
        .max_buf_size(HEAD_SIZE)
        .max_headers(HEADERS)
        .serve_connection(TokioIo::new(stream), judged);
    let mut stopped = pin!(stopping.cancelled());
    let mut told = false;
    let decision = poll_fn(|cx| {
        if !told && stopped.as_mut().poll(cx).is_ready() {
            told = true;
            Pin::new(&mut connection).graceful_shutdown();
        }
        let ended = Pin::new(&mut connection).poll(cx);
        match shared.decision().take() {
            Some(decision) => Poll::Ready(Some(decision)),
            // An error of the connection is its end; there is nobody left to tell.
            None => ended.map(|_| None),
        }
    })
    .await;
    // From here on hyper reads and writes nothing more: whatever the peer sends behind the deciding request is never
    // taken for another one. All earlier responses are out, since hyper reads a request only after that.
    let Parts {
        io,
        read_buf,
        service,
        ..
    } = connection.into_parts();
    drop(service);
    let Rewound { mut io, read } = io.into_inner();
    match (decision, Arc::try_unwrap(shared)) {
        (Some((request, outcome)), Ok(Shared { entrance, .. })) => {
            let mut leftover = BytesMut::from(read_buf);
            leftover.unsplit(read);
            if let Some(switched) = carry_out(entrance, io, leftover, request, outcome).await {
                switched.in_a_fresh_task();
            }
        }
        _ => drop(linger(&mut io).await),
    }
}

/// The inner service, asked only for what the server's own service hands over.
struct Judged<H> {
    http: Arc<H>,
    shared: Arc<Shared>,
}

impl<H, B> hyper::service::Service<Request<Incoming>> for Judged<H>
where
    H: hyper::service::Service<Request<Incoming>, Response = Response<B>> + Send + Sync + 'static,
    H::Future: Send + 'static,
    H::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Response = Response<B>;
    type Error = Box<dyn Error + Send + Sync>;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let http = Arc::clone(&self.http);
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let request = RequestHead::from_request(Request::from_parts(parts, ()));
            if shared.first_seen.swap(true, Ordering::Relaxed) {
                match shared.entrance.judge(&request).await {
                    Outcome::Handover => {}
                    decided => return shared.decide(request, decided).await,
                }
            }
            let (mut parts, ()) = request.into_request().into_parts();
            parts.extensions.insert(shared.entrance.peer);
            let method = parts.method.clone();
            let response = catch_panic(async move {
                let response = http.call(Request::from_parts(parts, body)).await;
                response.map_err(Into::into)
            });
            if let Some(response) = response.await {
                return response;
            }
            let mut request = Request::new(());
            *request.method_mut() = method;
            let failed = one_line(StatusCode::INTERNAL_SERVER_ERROR, "The service failed.");
            shared
                .decide(RequestHead::from_request(request), Outcome::Respond(failed))
                .await
        })
    }
}
