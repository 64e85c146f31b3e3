//! The opening handshake, pure: `http` types in, `http` types out, nothing read and nothing written.
//!
//! Heads are read and written in `http1/`; dialling is in `client/`, accepting in `server/`. RFC 6455 §4.

mod extensions;
mod key;
mod origin;
mod subprotocol;

mod binding;
mod built_in;
mod switching;

mod client;
mod server;

pub use binding::is_upgrade_attempt;
pub use client::{ClientAttempt, ClientRequest};
pub use extensions::{ExtensionNegotiator, ExtensionRegistry, NegotiatedExtension};
pub use origin::{Origin, OriginError, OriginPolicy};
pub use server::{Accepted, ServerHandshake, UpgradeRequest};
