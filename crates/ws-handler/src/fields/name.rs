//! The header fields that a handshake looks at.
//!
//! RFC 6455 §4.2.1, §11.3; RFC 9112 §3.2, §6.

use http::header::{
    CONNECTION, CONTENT_LENGTH, HOST, HeaderName, ORIGIN, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS,
    SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, TRANSFER_ENCODING, UPGRADE,
};

/// A field that a handshake looks at, one that means nothing after it, or any other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Name {
    Connection,
    ContentLength,
    Host,
    Origin,
    Accept,
    Extensions,
    Key,
    /// The key of hixie-76, which has no version header.
    Key1,
    Protocol,
    Version,
    TransferEncoding,
    Upgrade,
    /// Keep-Alive, Proxy-Connection and TE, which nobody asks for.
    OfTheHop,
    Other,
}

impl Name {
    /// The field of this name, whatever its case.
    pub(crate) fn of(name: &[u8]) -> Self {
        // Nearly everybody writes names as the RFCs do, and that is found at once.
        let is = |known: &str| name == known.as_bytes() || name.eq_ignore_ascii_case(known.as_bytes());
        // The lengths tell nearly all of them apart.
        match name.len() {
            2 if is("TE") => Self::OfTheHop,
            4 if is("Host") => Self::Host,
            6 if is("Origin") => Self::Origin,
            7 if is("Upgrade") => Self::Upgrade,
            10 if is("Connection") => Self::Connection,
            10 if is("Keep-Alive") => Self::OfTheHop,
            14 if is("Content-Length") => Self::ContentLength,
            16 if is("Proxy-Connection") => Self::OfTheHop,
            17 if is("Sec-WebSocket-Key") => Self::Key,
            17 if is("Transfer-Encoding") => Self::TransferEncoding,
            18 if is("Sec-WebSocket-Key1") => Self::Key1,
            20 if is("Sec-WebSocket-Accept") => Self::Accept,
            21 if is("Sec-WebSocket-Version") => Self::Version,
            22 if is("Sec-WebSocket-Protocol") => Self::Protocol,
            24 if is("Sec-WebSocket-Extensions") => Self::Extensions,
            _ => Self::Other,
        }
    }

    /// True for a field that has done its work when the 101 is sent: those of the connection, which are about the hop and
    /// not about the request (RFC 9110 §7.6.1), and the two of the handshake that say the same in every request or
    /// nothing.
    ///
    /// Fields that the peer itself lists in Connection are not: we are no intermediary, and a peer could hide with it what
    /// a proxy in between has added.
    pub(crate) fn is_spent(self) -> bool {
        matches!(
            self,
            Self::Connection
                | Self::Upgrade
                | Self::TransferEncoding
                | Self::OfTheHop
                | Self::Key
                | Self::Version
        )
    }

    /// The name as an HTTP library knows it. Nobody asks for the others.
    pub(super) fn header(self) -> Option<HeaderName> {
        Some(match self {
            Self::Connection => CONNECTION,
            Self::ContentLength => CONTENT_LENGTH,
            Self::Host => HOST,
            Self::Origin => ORIGIN,
            Self::Accept => SEC_WEBSOCKET_ACCEPT,
            Self::Extensions => SEC_WEBSOCKET_EXTENSIONS,
            Self::Key => SEC_WEBSOCKET_KEY,
            Self::Key1 => HeaderName::from_static("sec-websocket-key1"),
            Self::Protocol => SEC_WEBSOCKET_PROTOCOL,
            Self::Version => SEC_WEBSOCKET_VERSION,
            Self::TransferEncoding => TRANSFER_ENCODING,
            Self::Upgrade => UPGRADE,
            Self::OfTheHop | Self::Other => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Name;

    #[test]
    fn every_name_is_known_in_any_case() {
        let all = [
            Name::Connection,
            Name::ContentLength,
            Name::Host,
            Name::Origin,
            Name::Accept,
            Name::Extensions,
            Name::Key,
            Name::Key1,
            Name::Protocol,
            Name::Version,
            Name::TransferEncoding,
            Name::Upgrade,
        ];
        for name in all {
            let header = name.header().unwrap();
            assert_eq!(Name::of(header.as_str().as_bytes()), name);
            assert_eq!(Name::of(header.as_str().to_ascii_uppercase().as_bytes()), name);
            assert_eq!(Name::of(&header.as_str().as_bytes()[1..]), Name::Other);
        }
        for name in ["te", "TE", "Keep-alive", "proxy-connection"] {
            assert_eq!(Name::of(name.as_bytes()), Name::OfTheHop);
        }
        assert_eq!((Name::of(b""), Name::Other.header()), (Name::Other, None));
    }
}
