//! A request as a handshake judges it, whoever has parsed it.

use http::{Method, Request, Uri, Version};

use super::Fields;

/// A request that [`ServerHandshake`](crate::ServerHandshake) can judge: one that an HTTP library has parsed, or a
/// [`RequestHead`](crate::RequestHead). Nobody else implements it.
pub trait HandshakeRequest: Judged {}

/// What a [`HandshakeRequest`] shows.
pub trait Judged {
    /// The request.
    #[doc(hidden)]
    fn asked(&self) -> Asked<'_>;
}

/// The parts of a request.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    pub(crate) method: &'a Method,
    pub(crate) target: &'a Uri,
    pub(crate) version: Version,
    pub(crate) fields: Fields<'a>,
}

impl<B> Judged for Request<B> {
    fn asked(&self) -> Asked<'_> {
        Asked {
            method: self.method(),
            target: self.uri(),
            version: self.version(),
            fields: self.headers().into(),
        }
    }
}

impl<B> HandshakeRequest for Request<B> {}
