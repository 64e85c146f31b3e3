//! A route as it is written down: who takes its connections, within which limits, past which filters.
//!
//! Here: [`Route`] and [`Selected`], the answer of its acceptor. Which route a path takes is in `router`.

use std::fmt;
use std::sync::Arc;

use ws_handler::{ConnectionFuture, ExtensionRegistry, Link, OriginPolicy, ReadBuffer, Upgraded};
use ws_proto::{Config, Delivery, ReceivePath, Role, SendPath};

use crate::context::{MessageLimits, RouteContext};
use crate::dispatch::{self, Start};
use crate::endpoint::Endpoint;
use crate::filter::{AnyFilter, Filter};
use crate::opening::{Opening, Refusal};
use crate::parameters::InitParameters;
use crate::session::{Head, Parts, Session};

/// Chooses an endpoint for a request and a subprotocol.
type Acceptor = dyn Fn(&Opening<'_>, Option<&str>) -> Result<Option<Selected>, Refusal> + Send + Sync;

/// What happens to connections on one path pattern.
///
/// ```
/// use ws_servlet::{Endpoint, Quota, Route, Selected};
///
/// struct ChatV1;
/// impl Endpoint for ChatV1 {}
/// struct ChatV2;
/// impl Endpoint for ChatV2 {}
///
/// let route = Route::choosing(|_opening, subprotocol| {
///     Ok(match subprotocol {
///         Some("chat.v2") => Some(Selected::new(ChatV2)),
///         Some("chat.v1") | None => Some(Selected::new(ChatV1)),
///         Some(_) => None, // not spoken here: the client's next choice
///     })
/// })
/// .init_parameter("maxTextMessageSize", "16384")
/// .filter(Quota::sessions(10_000));
/// # let _ = route;
/// ```
pub struct Route {
    pub(crate) acceptor: Box<Acceptor>,
    pub(crate) parameters: InitParameters,
    pub(crate) config: Option<Config>,
    pub(crate) origin: Option<OriginPolicy>,
    pub(crate) extensions: Option<ExtensionRegistry>,
    pub(crate) filters: Vec<Box<dyn AnyFilter>>,
}

impl Route {
    /// Connections get what `make` makes, without a subprotocol, whatever subprotocols they offer.
    pub fn new<E: Endpoint>(make: impl Fn(&Opening<'_>) -> E + Send + Sync + 'static) -> Self {
        Self::choosing(move |opening, subprotocol| match subprotocol {
            Some(_) => Ok(None),
            None => Ok(Some(Selected::new(make(opening)))),
        })
    }

    /// Connections get what `accept` chooses. It is called with each subprotocol that the client offers, in the
    /// client's order, and then with `None`, until it returns an endpoint; the subprotocol of that call is the one
    /// of the connection (RFC 6455 §4.2.2 item 5.5). If it never does, the request is answered with 503; if it
    /// refuses, with the refusal.
    pub fn choosing(
        accept: impl Fn(&Opening<'_>, Option<&str>) -> Result<Option<Selected>, Refusal> + Send + Sync + 'static,
    ) -> Self {
        Self {
            acceptor: Box::new(accept),
            parameters: InitParameters::default(),
            config: None,
            origin: None,
            extensions: None,
            filters: Vec::new(),
        }
    }

    /// Sets an init parameter for this route, over that of the servlet. The names are Jetty's:
    ///
    /// | name | value | without it |
    /// |---|---|---|
    /// | `bufferSize` | bytes queued for the peer above which senders wait; at least 1 | 65536 |
    /// | `maxIdleTime` | milliseconds without data until the connection is closed with 1001; -1 or 0: never | never |
    /// | `maxTextMessageSize` | bytes in a text message; more is answered with 1009; -1: unlimited | 1 MiB |
    /// | `maxBinaryMessageSize` | bytes in a binary message, likewise | 1 MiB |
    /// | `minVersion` | the lowest protocol version: 13. Lower ones are accepted and change nothing: no older draft is spoken | 13 |
    ///
    /// Danger: without a limit one peer can use up the memory, so -1 is logged as a warning. A value that is no
    /// number, and a name that does not exist, are errors when the servlet is built.
    #[must_use]
    pub fn init_parameter(mut self, name: &str, value: &str) -> Self {
        self.parameters.set(name, value);
        self
    }

    /// Limits and timeouts of this route instead of the factory's; [`Config::jetty_profile`] has the numbers of
    /// Jetty 12. Init parameters are applied on top.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.config = Some(config);
        self
    }

    /// Which origins may connect (RFC 6455 §10.2), instead of the factory's policy.
    #[must_use]
    pub fn origin(mut self, policy: OriginPolicy) -> Self {
        self.origin = Some(policy);
        self
    }

    /// The extensions that may be agreed on (RFC 6455 §9.1), instead of the factory's: compression for this route
    /// only, or with other parameters, or none.
    #[must_use]
    pub fn extensions(mut self, registry: ExtensionRegistry) -> Self {
        self.extensions = Some(registry);
        self
    }

    /// Adds a filter behind those that are there.
    #[must_use]
    pub fn filter(mut self, filter: impl Filter) -> Self {
        self.filters.push(Box::new(filter));
        self
    }
}

impl fmt::Debug for Route {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Route")
            .field("parameters", &self.parameters)
            .finish_non_exhaustive()
    }
}

/// The endpoint that will serve a connection, of whatever type.
pub struct Selected {
    run: Box<dyn FnOnce(Opened) -> ConnectionFuture + Send>,
    pub(crate) delivery: Delivery,
    pub(crate) config: Option<Arc<Config>>,
}

/// A connection past its 101.
pub(crate) struct Opened {
    pub(crate) upgraded: Upgraded,
    pub(crate) route: Arc<RouteContext>,
    pub(crate) sizes: Option<Arc<MessageLimits>>,
    pub(crate) attributes: http::Extensions,
}

impl Selected {
    /// This endpoint.
    pub fn new<E: Endpoint>(endpoint: E) -> Self {
        let delivery = endpoint.delivery();
        Self {
            run: Box::new(move |opened| run(endpoint, delivery, opened)),
            delivery,
            config: None,
        }
    }

    /// Limits and timeouts of this connection, instead of its route's. Its delivery is the endpoint's; a
    /// configuration that says the same is shared and not copied.
    #[must_use]
    pub fn config(mut self, config: Arc<Config>) -> Self {
        let fits = config.delivery == self.delivery;
        let config = if fits {
            config
        } else {
            Arc::new(Config::clone(&config).with_delivery(self.delivery))
        };
        self.config = Some(config);
        self
    }

    pub(crate) fn run(self, opened: Opened) -> ConnectionFuture {
        (self.run)(opened)
    }
}

impl fmt::Debug for Selected {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Selected")
            .field("delivery", &self.delivery)
            .finish_non_exhaustive()
    }
}

/// Makes the future of a connection out of what the server hands over.
fn run<E: Endpoint>(endpoint: E, delivery: Delivery, opened: Opened) -> ConnectionFuture {
    let Opened {
        upgraded,
        route,
        sizes,
        attributes,
    } = opened;
    let Upgraded {
        io,
        leftover,
        negotiated,
        request,
        config,
        peer,
        registration,
        ..
    } = upgraded;
    let signal = Arc::clone(registration.signal());
    let send = SendPath::server(Arc::clone(&config)).with_extensions(&negotiated.chain);
    let link = Link::new(io, send, signal);
    let parts = Parts {
        link,
        route,
        head: Head::new(&request, negotiated.subprotocol.as_deref()),
        extensions: negotiated.extensions,
        remote: peer.remote,
        attributes,
    };
    let start = Start {
        session: Session::open(parts, Arc::clone(&config)),
        receive: ReceivePath::new(Role::Server, config).with_extensions(&negotiated.chain),
        buffer: ReadBuffer::with_leftover(&leftover),
        delivery,
        limits: sizes,
        registration,
    };
    dispatch::start(endpoint, start)
}
