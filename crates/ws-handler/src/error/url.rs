//! Why a text is no WebSocket URL.
//!
//! The parser is in `url/`. RFC 6455 §3, RFC 3986.

use std::fmt;

/// The text is no `ws` or `wss` URL (RFC 6455 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UrlError {
    /// The scheme is missing, or neither `ws` nor `wss`.
    Scheme,
    /// There is a fragment. RFC 6455 §3: "Fragment identifiers are meaningless in the context of WebSocket URIs
    /// and MUST NOT be used on these URIs."
    Fragment,
    /// The host is missing, or is no name, IPv4 address or IPv6 address in brackets.
    Host,
    /// The port is no number from 1 to 65535.
    Port,
    /// The user information cannot be sent as Basic authentication (RFC 7617 §2).
    Userinfo,
    /// The path or query holds a character that must be percent-encoded, or a percent sign without two
    /// hexadecimal digits.
    Path,
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheme => "a WebSocket URL begins with ws:// or wss://",
            Self::Fragment => "a WebSocket URL has no #fragment",
            Self::Host => "the URL has no valid host",
            Self::Port => "the URL's port is not a number from 1 to 65535",
            Self::Userinfo => "the URL's user information cannot be sent as Basic authentication",
            Self::Path => "the URL's path or query holds a character that must be percent-encoded",
        })
    }
}

impl std::error::Error for UrlError {}
