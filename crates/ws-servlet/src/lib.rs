//! Servlet-style WebSocket: routes, filters, endpoints, sessions, topics.
//!
//! * [`WebSocketServlet`] routes upgrade requests by path pattern, past [`Filter`]s, to endpoints, with limits per
//!   [`Route`]. It is a [`ws_handler::Service`] over a [`ws_handler::WebSocketFactory`].
//! * [`Endpoint`] is what an application implements: async callbacks on borrowed payloads, one value per connection.
//! * [`Session`] is the connection as its callbacks see it; [`SessionHandle`] the same for other tasks;
//!   [`Sessions`] all that are open.
//! * [`Hub`] is broadcast within the process: topics with a bounded queue per subscriber.
//!
//! A chat, from the server to what its visitors read:
//!
//! ```
//! use std::time::Duration;
//!
//! use ws_handler::{Server, connect};
//! use ws_proto::Message;
//! use ws_servlet::{Endpoint, EndpointError, Session, WebSocketServlet};
//!
//! struct Visitor {
//!     room: String,
//! }
//!
//! impl Endpoint for Visitor {
//!     async fn on_open(&mut self, session: &mut Session) -> Result<(), EndpointError> {
//!         session.subscribe(&self.room)?;
//!         session.text("welcome").await?;
//!         Ok(())
//!     }
//!
//!     async fn on_text(&mut self, session: &mut Session, text: &str) -> Result<(), EndpointError> {
//!         session.publish(&self.room, text);
//!         Ok(())
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let servlet = WebSocketServlet::builder()
//!     .endpoint("/room/{id}", |opening| Visitor {
//!         room: opening.path_parameter("id").unwrap_or_default().into_owned(),
//!     })
//!     .build()?;
//! let server = Server::new().bind("127.0.0.1:0").await?;
//! let (address, handle) = (server.local_addr()?, server.handle());
//! let serving = tokio::spawn(server.serve(servlet));
//!
//! let (mut ann, _) = connect(format!("ws://{address}/room/tea")).await?;
//! let (mut bob, _) = connect(format!("ws://{address}/room/tea")).await?;
//! assert_eq!(ann.recv().await?, Some(Message::text("welcome")));
//! assert_eq!(bob.recv().await?, Some(Message::text("welcome")));
//! ann.send("milk?").await?;
//! assert_eq!(bob.recv().await?, Some(Message::text("milk?")));
//! assert_eq!(ann.recv().await?, Some(Message::text("milk?")));
//! # drop((ann, bob));
//! handle.shutdown(Duration::from_secs(5)).await; // 1001 to whoever is left
//! # serving.await?;
//! # Ok(())
//! # }
//! ```
//!
//! Modules are listed in layers, lowest first; a module uses only layers above its own line.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

// layer 1: path patterns; a table by number
mod pattern;
mod shelf;

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
