//! Why an HTTP/1.1 head cannot be read.
//!
//! The reader is in `http1/`. RFC 9112 §2 to §5, RFC 6585 §5.

use std::{fmt, io};

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};

/// What the peer sent is no HTTP/1.1 head within the limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeadError {
    /// The first byte cannot begin an HTTP head (TLS, SSH, …): best answered by dropping the connection.
    NotHttp,
    /// The first line is longer than its limit: 414.
    FirstLineTooLong,
    /// The head is longer than its limit: 431.
    TooLarge,
    /// There are more header lines than the limit: 431.
    TooManyHeaders,
    /// A CR without LF, a LF without CR, or a NUL (Stricter than the RFC: RFC 9112 §2.2 lets a recipient take a
    /// single LF for the end of a line, which is how requests are smuggled): 400.
    LineEnd,
    /// The first line does not conform to the grammar (RFC 9112 §3, §4): 400.
    FirstLine,
    /// The HTTP version is not 1.0 or 1.1: 505.
    Version,
    /// A header line does not conform to the grammar (RFC 9112 §5), or is folded: 400.
    Header,
}

impl HeadError {
    /// The HTTP status that a server answers with.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::FirstLineTooLong => StatusCode::URI_TOO_LONG,
            Self::TooLarge | Self::TooManyHeaders => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Version => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            Self::NotHttp | Self::LineEnd | Self::FirstLine | Self::Header => StatusCode::BAD_REQUEST,
        }
    }

    /// The whole answer of a server: status, `Connection: close` and one line of text. Where the head ends is
    /// unknown, so nothing after it may be read as a request.
    pub fn response(&self) -> Response<Bytes> {
        let mut response = Response::new(Bytes::from(format!("{self}\n")));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("text/plain; charset=utf-8"),
        );
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        response
    }
}

impl fmt::Display for HeadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotHttp => "This is not HTTP/1.1.",
            Self::FirstLineTooLong => "The first line of the head is too long.",
            Self::TooLarge => "The head is too large.",
            Self::TooManyHeaders => "The head has too many header lines.",
            Self::LineEnd => "The head has a line that does not end with CR LF, or a NUL.",
            Self::FirstLine => "The first line of the head is malformed.",
            Self::Version => "The HTTP version is neither 1.0 nor 1.1.",
            Self::Header => "The head has a malformed header line.",
        })
    }
}

impl std::error::Error for HeadError {}

/// Why no head came out of a stream.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReadHeadError {
    /// The stream failed.
    Io(io::Error),
    /// The stream ended in the middle of a head.
    Truncated,
    /// The peer sent something else.
    Head(HeadError),
}

impl fmt::Display for ReadHeadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Io(_) => "cannot read the HTTP head",
            Self::Truncated => "the connection ended in the middle of the HTTP head",
            Self::Head(_) => "the peer sent no usable HTTP head",
        })
    }
}

impl std::error::Error for ReadHeadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(source) => Some(source),
            Self::Head(source) => Some(source),
            Self::Truncated => None,
        }
    }
}

impl From<io::Error> for ReadHeadError {
    fn from(source: io::Error) -> Self {
        Self::Io(source)
    }
}

impl From<HeadError> for ReadHeadError {
    fn from(source: HeadError) -> Self {
        Self::Head(source)
    }
}
