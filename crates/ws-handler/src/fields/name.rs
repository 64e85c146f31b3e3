//! The header fields that a handshake looks at.
//!
//! RFC 6455 §4.2.1, §11.3; RFC 9112 §3.2, §6.

use http::header::{
    CONNECTION, CONTENT_LENGTH, HOST, HeaderName, ORIGIN, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS,
    SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, TRANSFER_ENCODING, UPGRADE,
};

/// A field that a handshake looks at, or any other.
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
    Other,
}

impl Name {
    /// The field of this name, whatever its case.
    pub(crate) fn of(name: &[u8]) -> Self {
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        // The lengths tell nearly all of them apart.
        match name.len() {
            4 if is("host") => Self::Host,
            6 if is("origin") => Self::Origin,
            7 if is("upgrade") => Self::Upgrade,
            10 if is("connection") => Self::Connection,
            14 if is("content-length") => Self::ContentLength,
            17 if is("sec-websocket-key") => Self::Key,
            17 if is("transfer-encoding") => Self::TransferEncoding,
            18 if is("sec-websocket-key1") => Self::Key1,
            20 if is("sec-websocket-accept") => Self::Accept,
            21 if is("sec-websocket-version") => Self::Version,
            22 if is("sec-websocket-protocol") => Self::Protocol,
            24 if is("sec-websocket-extensions") => Self::Extensions,
            _ => Self::Other,
        }
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
            Self::Other => return None,
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
        assert_eq!((Name::of(b""), Name::Other.header()), (Name::Other, None));
    }
}
