//! The extensions that come with the library, as the handshake meets them. What they do to messages and frames is in
//! `ws_proto`. RFC 7692 §5, §7.1 for permessage-deflate.

use ws_proto::{ExtensionOffer, FragmentExtension, IdentityExtension, ReservedBits};

use super::extensions::{ExtensionNegotiator, NegotiatedExtension};

#[cfg(feature = "deflate")]
impl ExtensionNegotiator for ws_proto::DeflateConfig {
    fn name(&self) -> &str {
        ws_proto::PERMESSAGE_DEFLATE
    }

    fn answer(&self, offer: &ExtensionOffer<'_>) -> Option<NegotiatedExtension> {
        let (agreed, agreement) = Self::answer(self, offer)?;
        Some(NegotiatedExtension::deflate(agreed, agreement))
    }

    fn offers(&self) -> Vec<ExtensionOffer<'static>> {
        Self::offers(self)
    }

    fn confirm(&self, answer: &ExtensionOffer<'_>) -> Option<NegotiatedExtension> {
        let agreement = Self::confirm(self, answer)?;
        Some(NegotiatedExtension::deflate(
            answer.clone().into_owned(),
            agreement,
        ))
    }
}

/// Whatever is offered is agreed to, parameters included, as often as it is offered.
impl ExtensionNegotiator for IdentityExtension {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn answer(&self, offer: &ExtensionOffer<'_>) -> Option<NegotiatedExtension> {
        Some(NegotiatedExtension::new(
            offer.clone().into_owned(),
            ReservedBits::NONE,
            *self,
        ))
    }

    fn offers(&self) -> Vec<ExtensionOffer<'static>> {
        // A token, so it is one offer.
        ExtensionOffer::new(Self::NAME).into_iter().collect()
    }

    fn confirm(&self, answer: &ExtensionOffer<'_>) -> Option<NegotiatedExtension> {
        ExtensionNegotiator::answer(self, answer)
    }

    fn may_repeat(&self) -> bool {
        true
    }
}

/// A server cuts as the client asks, a client as it offers itself and as the server repeats.
impl ExtensionNegotiator for FragmentExtension {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn answer(&self, offer: &ExtensionOffer<'_>) -> Option<NegotiatedExtension> {
        let rule = Self::from_offer(offer)?;
        Some(NegotiatedExtension::new(
            offer.clone().into_owned(),
            ReservedBits::NONE,
            rule,
        ))
    }

    fn offers(&self) -> Vec<ExtensionOffer<'static>> {
        vec![self.to_offer()]
    }

    fn confirm(&self, answer: &ExtensionOffer<'_>) -> Option<NegotiatedExtension> {
        ExtensionNegotiator::answer(self, answer)
    }
}
