//! Negotiating extensions: the hook that extensions implement, and both sides of the negotiation.
//!
//! The grammar is `ws-proto`'s, and so is what a negotiated extension does to frames. RFC 6455 §4.1 item 5,
//! §4.2.2 item 5.6, §9.1.

use std::fmt;
use std::sync::Arc;

#[cfg(feature = "deflate")]
use ws_proto::DeflateAgreement;
use ws_proto::{
    ExtensionOffer, ExtensionSyntaxError, Extensions, FrameExtension, ReservedBits, ReservedBitsTaken,
    parse_extensions,
};

use crate::error::ResponseError;
use crate::fields::{self, Fields, Name};
use crate::negotiated::Negotiated;
use crate::steps;

/// What an extension brings to a handshake. Built in: `DeflateConfig` (permessage-deflate, feature `deflate`),
/// [`IdentityExtension`](ws_proto::IdentityExtension) and [`FragmentExtension`](ws_proto::FragmentExtension).
///
/// ```
/// use ws_handler::{ExtensionNegotiator, ExtensionRegistry, NegotiatedExtension, ServerHandshake};
/// use ws_proto::{ExtensionOffer, FragmentExtension, IdentityExtension, ReservedBits};
///
/// /// An extension of our own: what it does to frames is here what `fragment` does.
/// #[derive(Debug)]
/// struct Halves;
///
/// impl ExtensionNegotiator for Halves {
///     fn name(&self) -> &str {
///         "x-halves"
///     }
///     fn answer(&self, offer: &ExtensionOffer<'_>) -> Option<NegotiatedExtension> {
///         let halves = FragmentExtension::new(None, 2);
///         Some(NegotiatedExtension::new(offer.clone().into_owned(), ReservedBits::NONE, halves))
///     }
///     fn offers(&self) -> Vec<ExtensionOffer<'static>> {
///         ExtensionOffer::new("x-halves").into_iter().collect()
///     }
///     fn confirm(&self, answer: &ExtensionOffer<'_>) -> Option<NegotiatedExtension> {
///         self.answer(answer)
///     }
/// }
///
/// let handshake = ServerHandshake::new().extensions(ExtensionRegistry::new().with(Halves).with(IdentityExtension));
/// # let _ = handshake;
/// ```
pub trait ExtensionNegotiator: fmt::Debug + Send + Sync {
    /// The name in `Sec-WebSocket-Extensions`, a token. Names are compared without regard to case.
    fn name(&self) -> &str;

    /// Server: the answer to one offer of this name, or `None` to decline it. A client may send several offers
    /// in the order of its preference; the first that is answered counts.
    fn answer(&self, offer: &ExtensionOffer<'_>) -> Option<NegotiatedExtension>;

    /// Client: what to offer, in the order of preference.
    fn offers(&self) -> Vec<ExtensionOffer<'static>>;

    /// Client: judges the server's answer to the offers; `None` fails the connection (RFC 6455 §4.1 item 5).
    fn confirm(&self, answer: &ExtensionOffer<'_>) -> Option<NegotiatedExtension>;

    /// Whether it may be agreed on several times for one connection. Default: no, the first answered offer counts. All
    /// extensions of a connection together are 16 at most; further offers are declined.
    fn may_repeat(&self) -> bool {
        false
    }
}

/// An extension that both sides agreed on.
#[derive(Clone, Debug)]
pub struct NegotiatedExtension {
    agreed: ExtensionOffer<'static>,
    effect: Effect,
}

/// What it does to a connection.
#[derive(Clone, Debug)]
enum Effect {
    #[cfg(feature = "deflate")]
    Deflate(DeflateAgreement),
    Frames(ReservedBits, Arc<dyn FrameExtension>),
}

impl NegotiatedExtension {
    /// An extension that works on frames. `agreed`: name and parameters as they stand in the 101; `reserved`: the
    /// reserved header bits it gives a meaning to, each of which can belong to one extension only.
    pub fn new(
        agreed: ExtensionOffer<'static>,
        reserved: ReservedBits,
        extension: impl FrameExtension + 'static,
    ) -> Self {
        Self {
            agreed,
            effect: Effect::Frames(reserved, Arc::new(extension)),
        }
    }

    /// permessage-deflate (RFC 7692), which owns RSV1.
    #[cfg(feature = "deflate")]
    pub fn deflate(agreed: ExtensionOffer<'static>, agreement: DeflateAgreement) -> Self {
        Self {
            agreed,
            effect: Effect::Deflate(agreement),
        }
    }
}

/// The extensions that a server accepts or a client offers; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct ExtensionRegistry {
    negotiators: Vec<Arc<dyn ExtensionNegotiator>>,
}

impl ExtensionRegistry {
    /// No extension.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with one more extension; one of the same name that is registered already is replaced.
    #[must_use]
    pub fn with(mut self, negotiator: impl ExtensionNegotiator + 'static) -> Self {
        self.negotiators
            .retain(|known| !known.name().eq_ignore_ascii_case(negotiator.name()));
        self.negotiators.push(Arc::new(negotiator));
        self
    }

    /// True when no extension is registered.
    pub fn is_empty(&self) -> bool {
        self.negotiators.is_empty()
    }

    fn find(&self, name: &str) -> Option<&Arc<dyn ExtensionNegotiator>> {
        self.negotiators
            .iter()
            .find(|known| known.name().eq_ignore_ascii_case(name))
    }

    /// Client: every offer, in the order of registration.
    pub(super) fn offers(&self) -> Vec<ExtensionOffer<'static>> {
        self.negotiators
            .iter()
            .flat_map(|negotiator| negotiator.offers())
            .collect()
    }

    /// Server: answers a request's offers. Each extension is used at most once, and no two that want the same
    /// reserved bit. Every line is read to its end: malformed text anywhere fails the handshake.
    pub(super) fn answer(&self, asked: Fields<'_>) -> Result<Agreed, ExtensionSyntaxError> {
        let mut agreed = Agreed::default();
        if !asked.contains(Name::Extensions) {
            return Ok(agreed);
        }
        for offer in offers_in(asked) {
            let offer = offer?;
            steps::step();
            let negotiator = self.find(offer.name()).filter(|known| agreed.takes(&***known));
            if let Some(answer) = negotiator.and_then(|negotiator| negotiator.answer(&offer)) {
                // An extension whose bits are taken is declined like any other.
                let _ = agreed.add(answer);
            }
        }
        Ok(agreed)
    }

    /// Client: judges the extensions of a 101.
    pub(super) fn confirm(&self, answered: Fields<'_>) -> Result<Agreed, ResponseError> {
        let mut agreed = Agreed::default();
        for answer in offers_in(answered) {
            let answer = answer?;
            let negotiator = self.find(answer.name()).filter(|known| agreed.takes(&***known));
            let negotiator = negotiator.ok_or(ResponseError::ExtensionNotOffered)?;
            let confirmed = negotiator
                .confirm(&answer)
                .ok_or(ResponseError::ExtensionRefused)?;
            agreed
                .add(confirmed)
                .map_err(|_| ResponseError::ExtensionRefused)?;
        }
        Ok(agreed)
    }
}

/// Extensions of one connection: a multiple of what anybody agrees on. A request could offer one that may repeat some
/// 1,800 times, and the connection would keep them all.
const MOST: usize = 16;

/// What one side has agreed on so far.
#[derive(Debug, Default)]
pub(super) struct Agreed {
    pub(super) extensions: Vec<ExtensionOffer<'static>>,
    chain: Extensions,
}

impl Agreed {
    /// Whether this extension can still be agreed on.
    fn takes(&self, negotiator: &dyn ExtensionNegotiator) -> bool {
        self.extensions.len() < MOST && (negotiator.may_repeat() || !self.has(negotiator.name()))
    }

    fn has(&self, name: &str) -> bool {
        self.extensions
            .iter()
            .inspect(|_| steps::step())
            .any(|used| used.name().eq_ignore_ascii_case(name))
    }

    fn add(&mut self, extension: NegotiatedExtension) -> Result<(), ReservedBitsTaken> {
        let NegotiatedExtension { agreed, effect } = extension;
        match effect {
            #[cfg(feature = "deflate")]
            Effect::Deflate(agreement) => self.chain.add_deflate(agreement)?,
            Effect::Frames(reserved, frames) => self.chain.add_frames(agreed.name(), reserved, frames)?,
        }
        self.extensions.push(agreed);
        Ok(())
    }

    /// The outcome of the handshake.
    pub(super) fn into_negotiated(self, subprotocol: Option<String>) -> Negotiated {
        #[cfg(feature = "deflate")]
        let chain = self.chain.with_pool(&crate::codecs::CODECS);
        #[cfg(not(feature = "deflate"))]
        let chain = self.chain;
        Negotiated {
            subprotocol,
            extensions: self.extensions,
            reserved: chain.reserved(),
            chain,
        }
    }
}

/// Every offer of every line, one at a time. A line that is not ASCII has a byte that no token has.
fn offers_in(fields: Fields<'_>) -> impl Iterator<Item = Result<ExtensionOffer<'_>, ExtensionSyntaxError>> {
    fields.all(Name::Extensions).flat_map(|line| {
        let text = fields::text(line);
        let not_ascii = text
            .is_none()
            .then_some(Err(ExtensionSyntaxError::Name { at: 0 }));
        not_ascii
            .into_iter()
            .chain(parse_extensions(text.unwrap_or_default()))
    })
}

#[cfg(test)]
mod tests {
    use http::header::{HeaderMap, HeaderValue, SEC_WEBSOCKET_EXTENSIONS};
    use ws_proto::IdentityExtension;

    use super::*;

    #[test]
    fn extensions_below_at_and_above_their_number() {
        let registry = ExtensionRegistry::new().with(IdentityExtension);
        for (count, agreed) in [(15, 15), (16, 16), (17, 16)] {
            let mut map = HeaderMap::new();
            let line = HeaderValue::from_str(&"identity, ".repeat(count)).unwrap();
            map.append(SEC_WEBSOCKET_EXTENSIONS, line);
            assert_eq!(registry.answer((&map).into()).unwrap().extensions.len(), agreed);
            let confirmed = registry.confirm((&map).into());
            assert_eq!(confirmed.is_ok(), count <= MOST, "{count} in a 101");
        }
    }

    /// Each offer is looked at, and compared with what is agreed on already, of which there is one of a kind.
    #[test]
    fn h25_twice_as_many_offers_take_twice_as_many_steps() {
        #[derive(Debug)]
        struct Once;
        impl ExtensionNegotiator for Once {
            fn name(&self) -> &str {
                "once"
            }
            fn answer(&self, offer: &ExtensionOffer<'_>) -> Option<NegotiatedExtension> {
                let agreed = offer.clone().into_owned();
                Some(NegotiatedExtension::new(
                    agreed,
                    ReservedBits::NONE,
                    IdentityExtension,
                ))
            }
            fn offers(&self) -> Vec<ExtensionOffer<'static>> {
                Vec::new()
            }
            fn confirm(&self, _: &ExtensionOffer<'_>) -> Option<NegotiatedExtension> {
                None
            }
        }
        let registry = ExtensionRegistry::new().with(Once);
        for offer in ["once, ", "permessage-deflate; x=1, "] {
            let steps = |count: usize| {
                let mut map = HeaderMap::new();
                let line = HeaderValue::from_str(&offer.repeat(count)).unwrap();
                map.append(SEC_WEBSOCKET_EXTENSIONS, line);
                steps::count(|| assert!(registry.answer((&map).into()).unwrap().extensions.len() <= 1))
            };
            let (once, twice) = (steps(1000), steps(2000));
            assert!(once <= 2 * 1000, "{offer}: {once}");
            assert!(twice <= 2 * once + 2, "{offer}: {once}, {twice}");
        }
    }
}
