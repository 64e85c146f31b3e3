//! A request head: parsed, and as it came.
//!
//! RFC 9112 §3, §5.

use std::borrow::Cow;

use bytes::Bytes;
use http::Request;

use super::parse::parse_request;
use super::scan::{HeadLimits, Kind, Scan};
use super::write::encode_request;
use crate::error::HeadError;

/// The head of a request.
#[derive(Clone, Debug)]
pub struct RequestHead {
    request: Request<()>,
    /// As it came; empty when it came parsed.
    received: Bytes,
}

impl RequestHead {
    pub(super) fn received(request: Request<()>, received: Bytes) -> Self {
        Self { request, received }
    }

    /// A head that some HTTP library has parsed already.
    pub fn from_request(request: Request<()>) -> Self {
        Self {
            request,
            received: Bytes::new(),
        }
    }

    /// Parses a head that [`RequestHead::raw`] gave out: this is how one keeps nothing but its bytes and still has
    /// its headers when they are asked for.
    ///
    /// # Errors
    /// [`HeadError`] when the bytes are not one whole head and nothing else.
    pub fn parse(raw: &Bytes) -> Result<Self, HeadError> {
        let limits = HeadLimits {
            total: usize::MAX,
            first_line: usize::MAX,
            headers: usize::MAX,
        };
        match Scan::default().run(raw, Kind::Request, &limits)? {
            Some(found) if found.start == 0 && found.end == raw.len() => {
                Ok(Self::received(parse_request(raw, found.headers)?, raw.clone()))
            }
            _ => Err(HeadError::FirstLine),
        }
    }

    /// Method, target, version and headers.
    pub fn request(&self) -> &Request<()> {
        &self.request
    }

    /// The parsed request alone.
    pub fn into_request(self) -> Request<()> {
        self.request
    }

    /// The bytes of the head in one allocation of exactly their size, which shares nothing with any read buffer:
    /// as they came, or written anew when an HTTP library had parsed them.
    pub fn raw(&self) -> Bytes {
        Bytes::from(self.bytes().into_owned().into_boxed_slice())
    }

    /// The bytes of the head, to be looked at: as they came, or written anew when an HTTP library had parsed them.
    pub fn bytes(&self) -> Cow<'_, [u8]> {
        if self.received.is_empty() {
            Cow::Owned(encode_request(&self.request))
        } else {
            Cow::Borrowed(&self.received)
        }
    }
}
