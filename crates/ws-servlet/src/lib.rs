//! Servlet-style WebSocket: routes, filters, endpoints, sessions, topics.
//!
//! Modules are listed in layers, lowest first; a module uses only layers above its own line.
#![forbid(unsafe_code)]

// layer 1: path patterns
mod pattern;

// layer 2: errors
mod error;

// layer 3: init parameters; topics
mod hub;
mod parameters;

// layer 4: a session from outside, and all of them
mod handle;

// layer 5
mod registry;

// layer 6: what sessions of a route share
mod context;

// layer 7: a session as its endpoint sees it
mod session;

// layer 8: callbacks
mod endpoint;

pub use endpoint::{Endpoint, Frame, Handled, SessionError};
pub use error::{BuildError, EndpointError};
pub use handle::SessionHandle;
pub use hub::{Hub, Overflow, Published};
pub use pattern::{PathError, PathPattern, PatternError, RequestPath};
pub use registry::Sessions;
pub use session::Session;
