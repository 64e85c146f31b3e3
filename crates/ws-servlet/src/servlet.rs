//! The servlet itself: routes over a factory, as a service of a server.
//!
//! Here: the builder, and the way of an upgrade request to its endpoint. What happens after the 101 is in `dispatch`.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use ws_handler::{
    HandshakeError, NoService, Outcome, PeerInfo, PlainConnection, RequestHead, Service, Upgrade,
    WebSocketFactory,
};

use crate::endpoint::Endpoint;
use crate::error::BuildError;
use crate::filter::{AnyFilter, Filter};
use crate::hub::Hub;
use crate::opening::{Opening, Refusal};
use crate::parameters::InitParameters;
use crate::pattern::RequestPath;
use crate::registry::Sessions;
use crate::route::{Opened, Route};
use crate::router::{Place, Router};

/// Routes WebSocket connections to endpoints; everything that is no upgrade attempt goes to the next service.
///
/// It delegates to a [`WebSocketFactory`], which may be shared with handlers and other servlets: stopping the factory
/// closes the connections of all of them with 1001.
///
/// ```
/// use ws_servlet::{Endpoint, EndpointError, Session, WebSocketServlet};
///
/// /// One person in a room.
/// struct Chat {
///     topic: String,
/// }
///
/// impl Endpoint for Chat {
///     async fn on_open(&mut self, session: &mut Session) -> Result<(), EndpointError> {
///         session.subscribe(&self.topic)?;
///         session.publish(&self.topic, &format!("{} is here", session.id()));
///         Ok(())
///     }
///
///     async fn on_text(&mut self, session: &mut Session, text: &str) -> Result<(), EndpointError> {
///         session.publish(&self.topic, text);
///         Ok(())
///     }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let servlet = WebSocketServlet::builder()
///     .init_parameter("maxTextMessageSize", "16384")
///     .endpoint("/room/{id}", |opening| Chat {
///         topic: format!("room {}", opening.path_parameter("id").unwrap_or_default()),
///     })
///     .build()?;
/// let (hub, sessions) = (servlet.hub().clone(), servlet.sessions().clone());
/// // hand `servlet` to ws_handler::Server::serve; meanwhile, from any task:
/// hub.publish("room 1", &ws_proto::PreparedMessage::text("tea is ready"));
/// assert_eq!(sessions.open(), 0);
/// # Ok(())
/// # }
/// ```
pub struct WebSocketServlet<N = NoService> {
    shared: Arc<Shared>,
    next: N,
}

struct Shared {
    factory: WebSocketFactory,
    sessions: Sessions,
    router: Router,
    /// Those of the servlet, asked before a route's own.
    filters: Vec<Box<dyn AnyFilter>>,
}

/// Collects what a [`WebSocketServlet`] is made of.
#[must_use = "a builder does nothing until it is built"]
#[derive(Default)]
pub struct WebSocketServletBuilder {
    factory: WebSocketFactory,
    hub: Hub,
    parameters: InitParameters,
    filters: Vec<Box<dyn AnyFilter>>,
    routes: Vec<(String, Route)>,
}

impl WebSocketServletBuilder {
    /// The factory to delegate to: its rules for handshakes, its configuration, its list of open connections.
    /// Default: one of its own, with `ServerHandshake::new()` and `Config::server()`.
    pub fn factory(mut self, factory: WebSocketFactory) -> Self {
        self.factory = factory;
        self
    }

    /// The topics, if they are shared with another servlet. Default: its own.
    pub fn hub(mut self, hub: Hub) -> Self {
        self.hub = hub;
        self
    }

    /// Sets an init parameter for all routes; see [`Route::init_parameter`] for the names.
    pub fn init_parameter(mut self, name: &str, value: &str) -> Self {
        self.parameters.set(name, value);
        self
    }

    /// Adds a filter for all routes, behind those that are there and before those of the routes.
    pub fn filter(mut self, filter: impl Filter) -> Self {
        self.filters.push(Box::new(filter));
        self
    }

    /// Adds a route.
    ///
    /// | pattern | matches |
    /// |---|---|
    /// | `/exact` | that path and no other |
    /// | `/room/{id}` | one non-empty segment in the place of `{id}` |
    /// | `/prefix/*` | `/prefix` and everything below |
    /// | `*.ext` | a last segment that ends so |
    /// | `/` | whatever nothing else matched |
    /// | (empty) | the path `/` and no other |
    ///
    /// Of several patterns that match, exact wins over the longest prefix, that over an extension, that over the
    /// default; segment by segment from the left a literal wins over a variable and a variable over `*`. The order of
    /// calls does not matter.
    ///
    /// Paths are percent-decoded once. A path that some program in between might read differently (dot segments,
    /// `//`, `;`, `%2f`, control characters, however encoded) reaches no endpoint: such an upgrade is answered
    /// with 400. An upgrade that no route matches goes to the next service, which as a rule answers 404.
    pub fn route(mut self, pattern: &str, route: Route) -> Self {
        self.routes.push((pattern.to_owned(), route));
        self
    }

    /// Adds a route that makes an endpoint for every connection: [`Route::new`].
    pub fn endpoint<E: Endpoint>(
        self,
        pattern: &str,
        make: impl Fn(&Opening<'_>) -> E + Send + Sync + 'static,
    ) -> Self {
        self.route(pattern, Route::new(make))
    }

    /// Builds the servlet.
    ///
    /// # Errors
    /// A pattern of no known shape, two routes for the same paths, an init parameter that does not exist or has a
    /// value it cannot have.
    pub fn build(self) -> Result<WebSocketServlet, BuildError> {
        let Self {
            factory,
            hub,
            parameters,
            filters,
            routes,
        } = self;
        let sessions = Sessions::new(hub);
        let mut router = Router::default();
        for (pattern, route) in routes {
            router.add(&pattern, route, &parameters, &factory, &sessions)?;
        }
        router.sort();
        let shared = Shared {
            factory,
            sessions,
            router,
            filters,
        };
        Ok(WebSocketServlet {
            shared: Arc::new(shared),
            next: NoService,
        })
    }
}

impl WebSocketServlet {
    /// Begins with no routes.
    pub fn builder() -> WebSocketServletBuilder {
        WebSocketServletBuilder::default()
    }
}

impl<N> WebSocketServlet<N> {
    /// Passes what is no upgrade attempt, and upgrades that no route matches, to `next`.
    pub fn next<S: Service>(self, next: S) -> WebSocketServlet<S> {
        WebSocketServlet {
            shared: self.shared,
            next,
        }
    }

    /// The factory it delegates to.
    pub fn factory(&self) -> &WebSocketFactory {
        &self.shared.factory
    }

    /// The topics.
    pub fn hub(&self) -> &Hub {
        self.shared.sessions.hub()
    }

    /// The open sessions.
    pub fn sessions(&self) -> &Sessions {
        &self.shared.sessions
    }

    /// How many sessions are open on the route with this pattern; `None` if there is no such route.
    pub fn open_on(&self, pattern: &str) -> Option<usize> {
        let place = self
            .shared
            .router
            .places()
            .iter()
            .find(|place| place.context.pattern.as_str() == pattern)?;
        Some(place.context.open.load(Ordering::Relaxed))
    }
}

impl<N: Service> Service for WebSocketServlet<N> {
    async fn call(&self, request: &RequestHead, peer: &PeerInfo) -> Outcome {
        if !request.is_upgrade_attempt() {
            return self.next.call(request, peer).await;
        }
        let path = match RequestPath::parse(request.uri().path()) {
            Ok(path) => path,
            Err(error) => return refuse(Refusal::bad_path(error)),
        };
        let Some(place) = self.shared.router.find(&path) else {
            return self.next.call(request, peer).await;
        };
        match self.shared.upgrade(place, request, peer).await {
            Ok(upgrade) => Outcome::Upgrade(upgrade),
            Err(refusal) => refuse(refusal),
        }
    }

    async fn handover(&self, connection: PlainConnection) {
        self.next.handover(connection).await;
    }
}

impl Shared {
    /// Handshake, filters, acceptor, in this order: the application sees nothing that is not a sound handshake.
    async fn upgrade(
        &self,
        place: &Place,
        request: &RequestHead,
        peer: &PeerInfo,
    ) -> Result<Upgrade, Refusal> {
        if self.factory.is_stopped() {
            return Err(HandshakeError::Stopping.into());
        }
        let handshake = place
            .handshake
            .as_ref()
            .unwrap_or_else(|| self.factory.handshake());
        let checked = handshake
            .check(request)
            .inspect_err(|refusal| self.factory.count_refusal(refusal))?;
        let mut opening = Opening::new(request, peer, &place.context.pattern);
        for filter in &self.filters {
            filter.check(&mut opening).await?;
        }
        place.check(&mut opening).await?;
        let chosen = place.choose(&opening, checked.subprotocols())?;
        let (subprotocol, mut selected) = chosen.ok_or(HandshakeError::NoEndpoint)?;
        let accepted = checked.accept(subprotocol)?;

        let (config, sizes) = match selected.config.take() {
            Some(config) => (config, None),
            None => (
                Arc::clone(place.limits.config(selected.delivery)),
                place.limits.sizes.clone(),
            ),
        };
        let route = Arc::clone(&place.context);
        let attributes = opening.into_attributes();
        let upgrade = Upgrade::new(&self.factory, accepted, move |upgraded| {
            selected.run(Opened {
                upgraded,
                route,
                sizes,
                attributes,
            })
        })?;
        Ok(upgrade.with_config(config))
    }
}

fn refuse(refusal: Refusal) -> Outcome {
    Outcome::Respond(refusal.into_response())
}

impl<N> fmt::Debug for WebSocketServlet<N> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let patterns = self
            .shared
            .router
            .places()
            .iter()
            .map(|place| place.context.pattern.as_str());
        out.debug_struct("WebSocketServlet")
            .field("routes", &patterns.collect::<Vec<_>>())
            .field("sessions", &self.shared.sessions)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for WebSocketServletBuilder {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let patterns = self.routes.iter().map(|(pattern, _)| pattern);
        out.debug_struct("WebSocketServletBuilder")
            .field("routes", &patterns.collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}
