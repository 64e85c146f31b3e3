//! Negotiating permessage-deflate, both sides (RFC 7692 §5, §7.1). Pure: offers and answers in, agreements out.
//! Which of several offers counts is the handshake's business: it asks for one after the other.

use super::config::{DeflateConfig, WindowBits};
use crate::ext::params::ExtensionOffer;
use crate::role::Role;

/// The extension's name (RFC 7692 §7).
pub const PERMESSAGE_DEFLATE: &str = "permessage-deflate";

const SERVER_NO_CONTEXT_TAKEOVER: &str = "server_no_context_takeover";
const CLIENT_NO_CONTEXT_TAKEOVER: &str = "client_no_context_takeover";
const SERVER_MAX_WINDOW_BITS: &str = "server_max_window_bits";
const CLIENT_MAX_WINDOW_BITS: &str = "client_max_window_bits";

/// What an offer or an answer says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Said {
    server_no_context_takeover: bool,
    client_no_context_takeover: bool,
    server_max_window_bits: Option<WindowBits>,
    client_max_window_bits: Option<ClientWindow>,
}

/// `client_max_window_bits`, which an offer may have without a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ClientWindow {
    /// The client can obey whatever is asked.
    Any,
    AtMost(WindowBits),
}

impl Said {
    /// `None`: RFC 7692 §7.1: an offer "MUST" be declined, and an answer fails the connection, if it "contains an
    /// extension parameter not defined for use" there, "with an invalid value", or "multiple extension parameters
    /// with the same name".
    fn read(offer: &ExtensionOffer<'_>) -> Option<Self> {
        let mut said = Self::default();
        for parameter in offer.parameters() {
            let value = parameter.value();
            let repeated = match parameter.name() {
                SERVER_NO_CONTEXT_TAKEOVER if value.is_none() => {
                    std::mem::replace(&mut said.server_no_context_takeover, true)
                }
                CLIENT_NO_CONTEXT_TAKEOVER if value.is_none() => {
                    std::mem::replace(&mut said.client_no_context_takeover, true)
                }
                SERVER_MAX_WINDOW_BITS => {
                    let bits = WindowBits::parse(value?)?;
                    said.server_max_window_bits.replace(bits).is_some()
                }
                CLIENT_MAX_WINDOW_BITS => {
                    let window = match value {
                        Some(value) => ClientWindow::AtMost(WindowBits::parse(value)?),
                        None => ClientWindow::Any,
                    };
                    said.client_max_window_bits.replace(window).is_some()
                }
                _ => return None,
            };
            if repeated {
                return None;
            }
        }
        Some(said)
    }

    fn write(&self) -> ExtensionOffer<'static> {
        let bits = |bits: WindowBits| Some(bits.to_string());
        let client = self.client_max_window_bits.map(|window| match window {
            ClientWindow::Any => None,
            ClientWindow::AtMost(limit) => bits(limit),
        });
        let parameters = [
            self.server_no_context_takeover
                .then_some((SERVER_NO_CONTEXT_TAKEOVER, None)),
            self.client_no_context_takeover
                .then_some((CLIENT_NO_CONTEXT_TAKEOVER, None)),
            self.server_max_window_bits
                .map(|limit| (SERVER_MAX_WINDOW_BITS, bits(limit))),
            client.map(|limit| (CLIENT_MAX_WINDOW_BITS, limit)),
        ];
        ExtensionOffer::of_tokens(PERMESSAGE_DEFLATE, parameters.into_iter().flatten())
    }
}

impl DeflateConfig {
    /// Server: the answer to one offer, and what is agreed with it; `None` to decline it (RFC 7692 §7.1).
    #[must_use]
    pub fn answer(&self, offer: &ExtensionOffer<'_>) -> Option<(ExtensionOffer<'static>, DeflateAgreement)> {
        let offered = Said::read(offer)?;
        let own = self.server_max_window_bits.unwrap_or(WindowBits::MAX);
        let server = own.min(offered.server_max_window_bits.unwrap_or(WindowBits::MAX));
        let client = offered.client_max_window_bits.map(|window| {
            let own = self.client_max_window_bits.unwrap_or(WindowBits::MAX);
            match window {
                ClientWindow::Any => own,
                ClientWindow::AtMost(limit) => own.min(limit),
            }
        });
        let answer = Said {
            // RFC 7692 §7.1.1.1: accepted by saying so; and "a server can include" it "even if the offer does not".
            server_no_context_takeover: self.server_no_context_takeover || offered.server_no_context_takeover,
            // RFC 7692 §7.1.1.2: a hint, and a demand if it is answered. The memory is saved either way.
            client_no_context_takeover: self.client_no_context_takeover || offered.client_no_context_takeover,
            // RFC 7692 §7.1.2.1: accepted "by including" it "with the same or smaller value"; and unasked.
            server_max_window_bits: (offered.server_max_window_bits.is_some() || server < WindowBits::MAX)
                .then_some(server),
            // RFC 7692 §7.1.2.2: if the offer does not have it, the answer "MUST NOT" either.
            client_max_window_bits: client.map(ClientWindow::AtMost),
        };
        Some((answer.write(), self.agree(Role::Server, &answer)))
    }

    /// Client: what to offer, in the order of preference (RFC 7692 §5.1). A server that cannot meet a wish about
    /// its own direction must decline it, so a second offer is without such wishes.
    #[must_use]
    pub fn offers(&self) -> Vec<ExtensionOffer<'static>> {
        let first = self.wish();
        let second = Said {
            server_no_context_takeover: false,
            server_max_window_bits: None,
            ..first
        };
        let mut offers = vec![first.write()];
        if second != first {
            offers.push(second.write());
        }
        offers
    }

    /// Client: what is agreed with the server's answer to [`offers`](Self::offers); `None` fails the connection
    /// (RFC 7692 §7.1).
    #[must_use]
    pub fn confirm(&self, answer: &ExtensionOffer<'_>) -> Option<DeflateAgreement> {
        let answer = Said::read(answer)?;
        let wish = self.wish();
        match (answer.client_max_window_bits, wish.client_max_window_bits) {
            (None, _) => {}
            // RFC 7692 §7.1.2.2: not unasked, and in an answer with a value only.
            (Some(_), None) | (Some(ClientWindow::Any), Some(_)) => return None,
            (Some(ClientWindow::AtMost(answered)), Some(ClientWindow::AtMost(offered)))
                if answered > offered =>
            {
                return None;
            }
            (Some(ClientWindow::AtMost(_)), Some(_)) => {}
        }
        // RFC 7692 §7.1.2.1: with a larger window than the first offer asks for, or with none, the answer is to the second
        // one, which asks for none: "A server may include" the parameter even if the offer "didn't include" it.
        Some(self.agree(Role::Client, &answer))
    }

    fn wish(&self) -> Said {
        Said {
            server_no_context_takeover: self.server_no_context_takeover,
            client_no_context_takeover: self.client_no_context_takeover,
            server_max_window_bits: self.server_max_window_bits,
            client_max_window_bits: self.client_max_window_bits.map(|limit| {
                if limit == WindowBits::MAX {
                    ClientWindow::Any
                } else {
                    ClientWindow::AtMost(limit)
                }
            }),
        }
    }

    fn agree(&self, role: Role, answer: &Said) -> DeflateAgreement {
        let client_max_window_bits = match answer.client_max_window_bits {
            Some(ClientWindow::AtMost(limit)) => limit,
            Some(ClientWindow::Any) | None => WindowBits::MAX,
        };
        DeflateAgreement {
            parameters: DeflateParameters {
                server_no_context_takeover: answer.server_no_context_takeover,
                client_no_context_takeover: answer.client_no_context_takeover,
                server_max_window_bits: answer.server_max_window_bits.unwrap_or(WindowBits::MAX),
                client_max_window_bits,
            },
            role,
            client_window: self.client_max_window_bits.unwrap_or(WindowBits::MAX),
            client_forgets: self.client_no_context_takeover,
            threshold: self.threshold,
            level: self.level,
        }
    }
}

/// What both ends agreed on (RFC 7692 §7.1): what each must be prepared for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeflateParameters {
    /// The server compresses each message by itself.
    pub server_no_context_takeover: bool,
    /// The client compresses each message by itself.
    pub client_no_context_takeover: bool,
    /// The largest window that the server's compressor may use; 15 where nothing was said.
    pub server_max_window_bits: WindowBits,
    /// The largest window that the client's compressor may use; 15 where nothing was said.
    pub client_max_window_bits: WindowBits,
}

/// permessage-deflate as one end uses it: the agreed parameters, which end it is, and its own choices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeflateAgreement {
    parameters: DeflateParameters,
    role: Role,
    /// A client may use less than it must.
    client_window: WindowBits,
    client_forgets: bool,
    threshold: usize,
    level: u8,
}

impl DeflateAgreement {
    /// What both ends agreed on.
    #[must_use]
    pub fn parameters(&self) -> DeflateParameters {
        self.parameters
    }

    /// The window of what is received.
    pub(super) fn incoming_window(&self) -> WindowBits {
        match self.role {
            Role::Server => self.parameters.client_max_window_bits,
            Role::Client => self.parameters.server_max_window_bits,
        }
    }

    pub(super) fn incoming_takeover(&self) -> bool {
        match self.role {
            Role::Server => !self.parameters.client_no_context_takeover,
            Role::Client => !self.parameters.server_no_context_takeover,
        }
    }

    /// The window of what is sent.
    pub(super) fn outgoing_window(&self) -> WindowBits {
        match self.role {
            Role::Server => self.parameters.server_max_window_bits,
            Role::Client => self.parameters.client_max_window_bits.min(self.client_window),
        }
    }

    pub(super) fn outgoing_takeover(&self) -> bool {
        match self.role {
            Role::Server => !self.parameters.server_no_context_takeover,
            Role::Client => !self.parameters.client_no_context_takeover && !self.client_forgets,
        }
    }

    pub(super) fn threshold(&self) -> usize {
        self.threshold
    }

    pub(super) fn level(&self) -> u8 {
        self.level
    }
}

#[cfg(test)]
mod tests {
    use super::super::config::{DeflateConfig, WindowBits};
    use super::{DeflateAgreement, PERMESSAGE_DEFLATE};
    use crate::ext::params::{ExtensionOffer, parse_extensions};

    fn offer(parameters: &str) -> ExtensionOffer<'static> {
        let line = format!("{PERMESSAGE_DEFLATE}{parameters}");
        parse_extensions(&line).next().unwrap().unwrap().into_owned()
    }

    fn config(server: Option<u8>, client: Option<u8>) -> DeflateConfig {
        DeflateConfig {
            server_max_window_bits: server.map(|bits| WindowBits::new(bits).unwrap()),
            client_max_window_bits: client.map(|bits| WindowBits::new(bits).unwrap()),
            ..DeflateConfig::default()
        }
    }

    fn answered(config: &DeflateConfig, parameters: &str) -> Option<String> {
        let (answer, _) = config.answer(&offer(parameters))?;
        let text = answer.to_string();
        Some(text.strip_prefix(PERMESSAGE_DEFLATE).unwrap().to_owned())
    }

    /// Windows and takeover: incoming, then outgoing.
    fn summary(agreement: &DeflateAgreement) -> (u8, bool, u8, bool) {
        (
            agreement.incoming_window().value(),
            agreement.incoming_takeover(),
            agreement.outgoing_window().value(),
            agreement.outgoing_takeover(),
        )
    }

    #[test]
    fn server_answers() {
        let (full, default) = (config(None, None), config(Some(12), Some(12)));
        let table: &[(&DeflateConfig, &str, &str)] = &[
            (&full, "", ""),
            (&full, "; client_max_window_bits", "; client_max_window_bits=15"),
            (&full, "; client_max_window_bits=9", "; client_max_window_bits=9"),
            (
                &full,
                "; server_max_window_bits=15",
                "; server_max_window_bits=15",
            ),
            (
                &full,
                "; server_max_window_bits=\"8\"",
                "; server_max_window_bits=8",
            ),
            (
                &full,
                "; server_no_context_takeover",
                "; server_no_context_takeover",
            ),
            (
                &full,
                "; client_no_context_takeover",
                "; client_no_context_takeover",
            ),
            // Unasked: the server's own window. Not unasked: the client's.
            (&default, "", "; server_max_window_bits=12"),
            (
                &default,
                "; server_max_window_bits=15",
                "; server_max_window_bits=12",
            ),
            (
                &default,
                "; server_max_window_bits=9",
                "; server_max_window_bits=9",
            ),
            (
                &default,
                "; client_max_window_bits",
                "; server_max_window_bits=12; client_max_window_bits=12",
            ),
            (
                &default,
                "; client_max_window_bits=10",
                "; server_max_window_bits=12; client_max_window_bits=10",
            ),
            (
                &default,
                "; client_max_window_bits=15",
                "; server_max_window_bits=12; client_max_window_bits=12",
            ),
        ];
        for (config, offered, expected) in table {
            assert_eq!(answered(config, offered).as_deref(), Some(*expected), "{offered}");
        }
        let forgets = DeflateConfig {
            server_max_window_bits: None,
            ..DeflateConfig::no_context_takeover()
        };
        assert_eq!(
            answered(&forgets, "").as_deref(),
            Some("; server_no_context_takeover; client_no_context_takeover")
        );
    }

    #[test]
    fn server_declines_what_is_unknown_invalid_or_repeated() {
        for offered in [
            "; unknown",
            "; server_max_window_bits",
            "; server_max_window_bits=7",
            "; server_max_window_bits=16",
            "; server_max_window_bits=08",
            "; server_max_window_bits=8x",
            "; client_max_window_bits=7",
            "; client_max_window_bits=16",
            "; client_max_window_bits=012",
            "; server_no_context_takeover=1",
            "; client_no_context_takeover=true",
            "; server_no_context_takeover; server_no_context_takeover",
            "; client_max_window_bits; client_max_window_bits=10",
            "; server_max_window_bits=10; server_max_window_bits=10",
            "; Server_max_window_bits=10",
        ] {
            assert_eq!(answered(&config(None, None), offered), None, "{offered}");
        }
    }

    #[test]
    fn server_agrees_to_what_it_answers() {
        let agreed =
            |config: &DeflateConfig, offered: &str| summary(&config.answer(&offer(offered)).unwrap().1);
        // If the client does not offer to be limited, 15 bits are inflated.
        assert_eq!(agreed(&config(Some(12), Some(12)), ""), (15, true, 12, true));
        assert_eq!(
            agreed(
                &config(Some(12), Some(12)),
                "; client_max_window_bits; server_max_window_bits=8; client_no_context_takeover"
            ),
            (12, false, 8, true)
        );
        assert_eq!(
            agreed(
                &config(None, Some(8)),
                "; client_max_window_bits=9; server_no_context_takeover"
            ),
            (8, true, 15, false)
        );
    }

    #[test]
    fn client_offers() {
        let lines = |config: &DeflateConfig| {
            let offers = config.offers();
            let lines: Vec<_> = offers.iter().map(ToString::to_string).collect();
            lines.join(", ")
        };
        assert_eq!(lines(&config(None, None)), "permessage-deflate");
        assert_eq!(
            lines(&config(None, Some(15))),
            "permessage-deflate; client_max_window_bits"
        );
        assert_eq!(
            lines(&DeflateConfig::default()),
            "permessage-deflate; server_max_window_bits=12; client_max_window_bits=12, \
             permessage-deflate; client_max_window_bits=12"
        );
        assert_eq!(
            lines(&DeflateConfig::no_context_takeover()),
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
             server_max_window_bits=12; client_max_window_bits=12, \
             permessage-deflate; client_no_context_takeover; client_max_window_bits=12"
        );
    }

    #[test]
    fn client_confirms() {
        let confirmed =
            |config: &DeflateConfig, answer: &str| config.confirm(&offer(answer)).as_ref().map(summary);
        let (none, twelve) = (config(None, None), config(Some(12), Some(12)));
        // Unasked and accepted (RFC 7692 §7.1).
        assert_eq!(confirmed(&none, ""), Some((15, true, 15, true)));
        assert_eq!(
            confirmed(
                &none,
                "; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=8"
            ),
            Some((8, false, 15, false))
        );
        // Not unasked.
        assert_eq!(confirmed(&none, "; client_max_window_bits=15"), None);
        // Nothing said about windows: the server may use 15, and we use our own 12.
        assert_eq!(confirmed(&twelve, ""), Some((15, true, 12, true)));
        assert_eq!(
            confirmed(&twelve, "; server_max_window_bits=10; client_max_window_bits=9"),
            Some((10, true, 9, true))
        );
        // Never more than offered, and the second offer asks for no window of the server.
        assert_eq!(confirmed(&twelve, "; client_max_window_bits=13"), None);
        assert_eq!(
            confirmed(&twelve, "; server_max_window_bits=13"),
            Some((13, true, 12, true))
        );
        // A client that does not want to keep context does not, even if the server does not care.
        let forgets = DeflateConfig::no_context_takeover();
        assert_eq!(confirmed(&forgets, ""), Some((15, true, 12, false)));
        for answer in [
            "; client_max_window_bits",
            "; server_max_window_bits",
            "; server_max_window_bits=7",
            "; server_max_window_bits=16",
            "; server_max_window_bits=8x",
            "; unknown",
            "; server_no_context_takeover=0",
            "; server_no_context_takeover; server_no_context_takeover",
        ] {
            assert_eq!(confirmed(&twelve, answer), None, "{answer}");
        }
    }

    #[test]
    fn both_sides_agree_on_every_pair_of_windows() {
        for server in (8..=15).map(Some).chain([None]) {
            for client in (8..=15).map(Some).chain([None]) {
                let (ours, theirs) = (config(server, client), config(client, server));
                let (answer, at_server) = ours.answer(&theirs.offers()[0]).unwrap();
                let at_client = theirs.confirm(&answer).unwrap();
                assert_eq!(at_server.parameters(), at_client.parameters());
                assert_eq!(
                    at_server.incoming_window(),
                    at_client.parameters.client_max_window_bits
                );
                assert!(at_client.outgoing_window() <= at_server.incoming_window());
                assert!(at_server.outgoing_window() <= at_client.incoming_window());
            }
        }
    }
}
