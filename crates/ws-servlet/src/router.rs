//! Which route a path takes. There is one answer for every kind of request.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use ws_handler::{ServerHandshake, WebSocketFactory};

use crate::context::{Agreed, RouteContext, SessionLimits};
use crate::error::BuildError;
use crate::opening::{Opening, Refusal};
use crate::parameters::{InitParameters, RouteLimits};
use crate::pattern::{PathPattern, RequestPath};
use crate::registry::Sessions;
use crate::route::{Route, Selected};

/// The routes of a servlet in the order in which they are tried.
#[derive(Default)]
pub(crate) struct Router {
    routes: Vec<Place>,
}

/// A route in its place.
pub(crate) struct Place {
    route: Route,
    pub(crate) context: Arc<RouteContext>,
    pub(crate) limits: SessionLimits,
    /// The factory's rules with what the route has of its own, if it has anything.
    pub(crate) handshake: Option<ServerHandshake>,
}

impl Router {
    /// Adds a route, with the servlet's init parameters below its own.
    pub(crate) fn add(
        &mut self,
        pattern: &str,
        route: Route,
        parameters: &InitParameters,
        factory: &WebSocketFactory,
        sessions: &Sessions,
    ) -> Result<(), BuildError> {
        let parsed = PathPattern::parse(pattern).map_err(|why| BuildError::Pattern {
            pattern: pattern.to_owned(),
            why,
        })?;
        if self
            .routes
            .iter()
            .any(|known| known.context.pattern.same_paths(&parsed))
        {
            return Err(BuildError::DuplicateRoute {
                pattern: pattern.to_owned(),
            });
        }
        let base = route
            .config
            .clone()
            .unwrap_or_else(|| factory.config().as_ref().clone());
        let limits = parameters.apply(RouteLimits::new(base), "servlet")?;
        let limits = SessionLimits::new(route.parameters.apply(limits, pattern)?);
        let handshake = handshake_of(&route, factory.handshake());
        let context = RouteContext {
            pattern: parsed,
            sessions: sessions.clone(),
            open: AtomicUsize::new(0),
            agreed: Agreed::default(),
        };
        self.routes.push(Place {
            route,
            context: Arc::new(context),
            limits,
            handshake,
        });
        Ok(())
    }

    /// Brings the routes into the order of precedence.
    pub(crate) fn sort(&mut self) {
        self.routes
            .sort_by_key(|place| place.context.pattern.precedence());
    }

    pub(crate) fn find(&self, path: &RequestPath<'_>) -> Option<&Place> {
        self.routes
            .iter()
            .find(|place| place.context.pattern.matches(path))
    }

    pub(crate) fn places(&self) -> &[Place] {
        &self.routes
    }
}

/// The rules of a route that has an origin policy or extensions of its own.
fn handshake_of(route: &Route, factory: &ServerHandshake) -> Option<ServerHandshake> {
    if route.origin.is_none() && route.extensions.is_none() {
        return None;
    }
    let mut handshake = factory.clone();
    if let Some(policy) = &route.origin {
        handshake = handshake.origin(policy.clone());
    }
    if let Some(registry) = &route.extensions {
        handshake = handshake.extensions(registry.clone());
    }
    Some(handshake)
}

impl Place {
    /// Asks the route's filters in their order.
    pub(crate) async fn check(&self, opening: &mut Opening<'_>) -> Result<(), Refusal> {
        for filter in &self.route.filters {
            filter.check(opening).await?;
        }
        Ok(())
    }

    /// Tries what the client offers in its order, then no subprotocol; the first endpoint wins, together with that
    /// name.
    pub(crate) fn choose<'a>(
        &self,
        opening: &Opening<'_>,
        offered: &[&'a str],
    ) -> Result<Option<(Option<&'a str>, Selected)>, Refusal> {
        for name in offered {
            if let Some(selected) = (self.route.acceptor)(opening, Some(name))? {
                return Ok(Some((Some(name), selected)));
            }
        }
        Ok((self.route.acceptor)(opening, None)?.map(|selected| (None, selected)))
    }
}
