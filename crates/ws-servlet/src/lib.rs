//! Servlet-style WebSocket: routes, filters, endpoints, sessions, topics.
//!
//! Modules are listed in layers, lowest first; a module uses only layers above its own line.
#![forbid(unsafe_code)]

// layer 1: path patterns
mod pattern;

// layer 2: errors; a request on its way in
mod error;
mod opening;

// layer 3: init parameters; topics; filters
mod filter;
mod hub;
mod parameters;

// layer 4: a session from outside
mod handle;

// layer 5: all sessions
mod registry;

// layer 6: what sessions of a route share
mod context;

// layer 7: a session as its endpoint sees it
mod session;

// layer 8: callbacks
mod endpoint;

// layer 9: events to callbacks
mod dispatch;

// layer 10: a route
mod route;

// layer 11: all routes
mod router;

// layer 12: the servlet
mod servlet;

pub use endpoint::{Endpoint, Frame, Handled, SessionError};
pub use error::{BuildError, EndpointError};
pub use filter::{Filter, Quota};
pub use handle::SessionHandle;
pub use hub::{Hub, Overflow, Published};
pub use opening::{Opening, Refusal};
pub use pattern::{PathError, PathPattern, PatternError, RequestPath};
pub use registry::Sessions;
pub use route::{Route, Selected};
pub use servlet::{WebSocketServlet, WebSocketServletBuilder};
pub use session::Session;
