//! The server's side of the handshake: a request in; a 101 and what was agreed on out, or the reason why not.
//!
//! What is particular to HTTP/1.1 is in `binding`; reading and writing bytes is elsewhere. RFC 6455 §4.2, §4.4.

use http::Response;
use http::header::HeaderValue;

use super::extensions::{Agreed, ExtensionRegistry};
use super::key::Accept;
use super::origin::OriginPolicy;
use super::switching::Switching;
use super::{binding, subprotocol};
use crate::error::HandshakeError;
use crate::fields::{self, Field, Fields, HandshakeRequest, Name};
use crate::negotiated::Negotiated;

/// How a server answers handshakes. The default lets the same origin or none connect, and speaks no subprotocol
/// and no extension.
///
/// ```
/// use http::Request;
/// use ws_handler::ServerHandshake;
///
/// let request = Request::get("/chat")
///     .header("Host", "example.com")
///     .header("Upgrade", "websocket")
///     .header("Connection", "Upgrade")
///     .header("Sec-WebSocket-Version", "13")
///     .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
///     .header("Sec-WebSocket-Protocol", "superchat, chat")
///     .body(())?;
/// let accepted = ServerHandshake::new().subprotocols(["chat"]).accept(&request)?;
/// assert_eq!(accepted.response().headers()["Sec-WebSocket-Accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
/// assert_eq!(accepted.negotiated.subprotocol.as_deref(), Some("chat"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct ServerHandshake {
    origin: OriginPolicy,
    subprotocols: Vec<String>,
    subprotocol_required: bool,
    extensions: ExtensionRegistry,
}

/// A handshake that can be completed: the 101, and what it says.
#[derive(Debug)]
pub struct Accepted {
    switching: Switching,
    /// What both sides have agreed on once the response is sent.
    pub negotiated: Negotiated,
}

impl Accepted {
    /// The 101.
    pub fn response(&self) -> Response<()> {
        self.switching.response()
    }

    /// The 101, to be changed: headers may be added to it (cookies, say), but none of the handshake's changed.
    pub fn response_mut(&mut self) -> &mut Response<()> {
        self.switching.response_mut()
    }

    /// The 101 where it was changed; otherwise its bytes, which need no [`Response`] to be made.
    pub(crate) fn written(&self) -> Result<Vec<u8>, &Response<()>> {
        self.switching.written()
    }
}

/// A request that passed every check and waits for its subprotocol to be chosen.
#[derive(Debug)]
pub struct UpgradeRequest<'a> {
    accept: Accept,
    subprotocols: Vec<&'a str>,
    agreed: Agreed,
}

impl ServerHandshake {
    /// The default.
    pub fn new() -> Self {
        Self::default()
    }

    /// Which origins may connect. Default: the same origin, or none.
    #[must_use]
    pub fn origin(mut self, policy: OriginPolicy) -> Self {
        self.origin = policy;
        self
    }

    /// The subprotocols spoken here. Of those that a client offers, in its order, the first in this list is
    /// chosen. Default: none.
    #[must_use]
    pub fn subprotocols<T: Into<String>>(mut self, names: impl IntoIterator<Item = T>) -> Self {
        self.subprotocols = names.into_iter().map(Into::into).collect();
        self
    }

    /// Refuse clients that offer none of the subprotocols spoken here, with 400. Default: such a client gets a
    /// 101 without subprotocol.
    #[must_use]
    pub fn require_subprotocol(mut self) -> Self {
        self.subprotocol_required = true;
        self
    }

    /// The extensions that may be agreed on. Default: none.
    #[must_use]
    pub fn extensions(mut self, registry: ExtensionRegistry) -> Self {
        self.extensions = registry;
        self
    }

    /// Answers a request: every check, then the choice of a subprotocol from [`ServerHandshake::subprotocols`].
    ///
    /// # Errors
    /// [`HandshakeError`]: the demand that the request does not meet.
    pub fn accept(&self, request: &impl HandshakeRequest) -> Result<Accepted, HandshakeError> {
        let upgrade = self.check(request)?;
        let chosen = upgrade
            .subprotocols
            .iter()
            .copied()
            .find(|name| self.subprotocols.iter().any(|own| own == name));
        if chosen.is_none() && self.subprotocol_required {
            return Err(HandshakeError::SubprotocolRequired);
        }
        upgrade.accept(chosen)
    }

    /// Makes every check, and leaves the choice of a subprotocol to the caller.
    ///
    /// # Errors
    /// [`HandshakeError`]: the demand that the request does not meet.
    pub fn check<'a>(
        &self,
        request: &'a impl HandshakeRequest,
    ) -> Result<UpgradeRequest<'a>, HandshakeError> {
        let asked = request.asked();
        let host = binding::check_request(asked)?;
        let fields = asked.fields;
        check_version(fields)?;
        let accept = binding::check_key(fields)?;
        if !self.origin.allows(fields, host) {
            return Err(HandshakeError::Origin);
        }
        let subprotocols = subprotocol::offered(fields).map_err(|_| HandshakeError::SubprotocolSyntax)?;
        let agreed = self.extensions.answer(fields)?;
        Ok(UpgradeRequest {
            accept,
            subprotocols,
            agreed,
        })
    }
}

/// RFC 6455 §4.2.1 item 6: "A |Sec-WebSocket-Version| header field, with a value of 13."
fn check_version(fields: Fields<'_>) -> Result<(), HandshakeError> {
    match fields::field(fields, Name::Version) {
        Field::Once(b"13") => Ok(()),
        Field::Once(_) => Err(HandshakeError::VersionUnsupported),
        Field::Repeated => Err(HandshakeError::VersionRepeated),
        Field::Missing if fields.contains(Name::Key1) => Err(HandshakeError::VersionUnsupported),
        Field::Missing => Err(HandshakeError::VersionMissing),
    }
}

impl<'a> UpgradeRequest<'a> {
    /// The subprotocols that the client offers, in the order of its preference, each one once.
    pub fn subprotocols(&self) -> &[&'a str] {
        &self.subprotocols
    }

    /// Completes the handshake with one of the offered subprotocols, or with none.
    ///
    /// # Errors
    /// [`HandshakeError::SubprotocolNotOffered`], a fault of the caller (RFC 6455 §4.2.2 item 5.5).
    pub fn accept(self, subprotocol: Option<&str>) -> Result<Accepted, HandshakeError> {
        let mut switching = Switching::new(self.accept);
        if let Some(name) = subprotocol {
            let value = HeaderValue::from_str(name)
                .ok()
                .filter(|_| self.subprotocols.contains(&name));
            switching.subprotocol = Some(value.ok_or(HandshakeError::SubprotocolNotOffered)?);
        }
        if !self.agreed.extensions.is_empty() {
            let all: Vec<_> = self.agreed.extensions.iter().map(ToString::to_string).collect();
            // Tokens joined by ", ", "; " and "=" are a header value; see `ExtensionOffer`.
            switching.extensions = HeaderValue::try_from(all.join(", ")).ok();
        }
        Ok(Accepted {
            switching,
            negotiated: self.agreed.into_negotiated(subprotocol.map(str::to_owned)),
        })
    }
}
