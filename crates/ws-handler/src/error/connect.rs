//! Why a client has no connection, grouped by who erred.
//!
//! The checks of the server's answer are in `handshake/client`. RFC 6455 §4.1.

use std::net::SocketAddr;
use std::{fmt, io};

use bytes::Bytes;
use http::StatusCode;
use http::header::{HeaderMap, HeaderName};
use ws_proto::ExtensionSyntaxError;

use super::{HeadError, ReadHeadError, UrlError};

/// Why connecting failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectError {
    /// The caller's URL is none.
    Url(UrlError),
    /// The caller asked for something that no request can carry.
    Request(RequestError),
    /// The URL is `wss`, and TLS is not built into this library.
    TlsNotBuilt,
    /// The operating system gave no randomness for the key.
    Random(io::Error),
    /// The host's name has no address.
    Resolve(io::Error),
    /// No address accepted a TCP connection: each that was tried, with its error, in the order of failing.
    Tcp(Vec<(SocketAddr, io::Error)>),
    /// A stage took longer than its limit.
    Timeout(ConnectStage),
    /// The connection failed, or ended, in the middle of the handshake.
    Io(io::Error),
    /// The server answered with another status than 101.
    Refused(Box<ConnectionRefused>),
    /// The server's answer is not a valid answer to our request.
    Response(ResponseError),
}

/// A stage of connecting that has a limit of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectStage {
    /// Finding the host's addresses and opening TCP.
    Tcp,
    /// Sending the request and reading the answer.
    Handshake,
}

/// What a server sent instead of 101.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ConnectionRefused {
    /// The status of the answer.
    pub status: StatusCode,
    /// The headers of the answer.
    pub headers: HeaderMap,
    /// The body of the answer, cut at 64 KiB, or at what had come when the connection or the time ended.
    pub body: Bytes,
}

/// The caller asked for a request that the handshake cannot send.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestError {
    /// This header belongs to the handshake.
    ReservedHeader(HeaderName),
    /// This is no header: the name is no token, or the value holds a control character.
    Header,
    /// The subprotocols are not different tokens (RFC 6455 §4.1 item 10).
    Subprotocol,
    /// The origin holds a character that no header value may hold.
    Origin,
}

/// Which check of RFC 6455 §4.1 the server's answer failed. The connection is closed without a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResponseError {
    /// The answer is no HTTP/1.1 head within the limits.
    Head(HeadError),
    /// The connection ended before the answer was complete.
    Truncated,
    /// More interim answers (1xx) than any server has reason to send.
    TooManyInterim,
    /// Another status than 101 (item 1).
    Status(StatusCode),
    /// A 101 that is not HTTP/1.1.
    HttpVersion,
    /// Upgrade is missing, or anything but `websocket` (item 2).
    Upgrade,
    /// Connection does not list `upgrade` (item 3).
    Connection,
    /// No Sec-WebSocket-Accept (item 4).
    AcceptMissing,
    /// More than one Sec-WebSocket-Accept (RFC 6455 §11.3.3).
    AcceptRepeated,
    /// Sec-WebSocket-Accept does not answer our key (item 4).
    AcceptMismatch,
    /// Sec-WebSocket-Extensions does not conform to its grammar (RFC 6455 §9.1).
    ExtensionSyntax(ExtensionSyntaxError),
    /// An extension we did not offer, or one named twice (item 5).
    ExtensionNotOffered,
    /// An offered extension with parameters that it does not allow (item 5).
    ExtensionRefused,
    /// More than one subprotocol (RFC 6455 §11.3.4).
    SubprotocolRepeated,
    /// A subprotocol we did not offer (item 6).
    SubprotocolNotOffered,
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(_) => f.write_str("not a WebSocket URL"),
            Self::Request(_) => f.write_str("the handshake cannot send this request"),
            Self::TlsNotBuilt => f.write_str("wss:// needs TLS, which is not built into this library"),
            Self::Random(_) => f.write_str("the operating system gave no randomness"),
            Self::Resolve(_) => f.write_str("the host's name has no address"),
            Self::Tcp(attempts) => write_attempts(attempts, f),
            Self::Timeout(ConnectStage::Tcp) => f.write_str("no TCP connection in time"),
            Self::Timeout(ConnectStage::Handshake) => f.write_str("no answer to the handshake in time"),
            Self::Io(_) => f.write_str("the connection failed during the handshake"),
            Self::Refused(refused) => write!(f, "the server answered {}", refused.status),
            Self::Response(_) => f.write_str("the server's answer is not a valid WebSocket handshake"),
        }
    }
}

fn write_attempts(attempts: &[(SocketAddr, io::Error)], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str("no TCP connection")?;
    attempts
        .iter()
        .enumerate()
        .try_for_each(|(index, (address, error))| {
            write!(f, "{} {address}: {error}", if index == 0 { ":" } else { ";" })
        })
}

impl std::error::Error for ConnectError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Url(source) => Some(source),
            Self::Request(source) => Some(source),
            Self::Random(source) | Self::Resolve(source) | Self::Io(source) => Some(source),
            Self::Response(source) => Some(source),
            Self::TlsNotBuilt | Self::Tcp(_) | Self::Timeout(_) | Self::Refused(_) => None,
        }
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReservedHeader(name) => write!(f, "the header {name} belongs to the handshake"),
            Self::Header => f.write_str("a header's name or value holds a character that it must not"),
            Self::Subprotocol => f.write_str("the subprotocols are not different tokens"),
            Self::Origin => f.write_str("the origin holds a character that it must not"),
        }
    }
}

impl std::error::Error for RequestError {}

impl fmt::Display for ResponseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Head(_) => "the answer is no usable HTTP head",
            Self::Truncated => "the connection ended before the answer was complete",
            Self::TooManyInterim => "too many interim answers",
            Self::Status(_) => "the status is not 101",
            Self::HttpVersion => "the answer is not HTTP/1.1",
            Self::Upgrade => "Upgrade is not websocket",
            Self::Connection => "Connection does not list upgrade",
            Self::AcceptMissing => "Sec-WebSocket-Accept is missing",
            Self::AcceptRepeated => "there is more than one Sec-WebSocket-Accept",
            Self::AcceptMismatch => "Sec-WebSocket-Accept does not answer our key",
            Self::ExtensionSyntax(_) => "Sec-WebSocket-Extensions is malformed",
            Self::ExtensionNotOffered => "an extension that was not offered, or one twice",
            Self::ExtensionRefused => "an extension with parameters that it does not allow",
            Self::SubprotocolRepeated => "more than one subprotocol",
            Self::SubprotocolNotOffered => "a subprotocol that was not offered",
        })
    }
}

impl std::error::Error for ResponseError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Head(source) => Some(source),
            Self::ExtensionSyntax(source) => Some(source),
            _ => None,
        }
    }
}

impl From<UrlError> for ConnectError {
    fn from(source: UrlError) -> Self {
        Self::Url(source)
    }
}

impl From<RequestError> for ConnectError {
    fn from(source: RequestError) -> Self {
        Self::Request(source)
    }
}

impl From<ResponseError> for ConnectError {
    fn from(source: ResponseError) -> Self {
        Self::Response(source)
    }
}

impl From<ReadHeadError> for ConnectError {
    fn from(source: ReadHeadError) -> Self {
        match source {
            ReadHeadError::Io(source) => Self::Io(source),
            ReadHeadError::Truncated => Self::Response(ResponseError::Truncated),
            ReadHeadError::Head(source) => Self::Response(ResponseError::Head(source)),
        }
    }
}

impl From<ExtensionSyntaxError> for ResponseError {
    fn from(source: ExtensionSyntaxError) -> Self {
        Self::ExtensionSyntax(source)
    }
}
