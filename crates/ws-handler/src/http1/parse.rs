//! The grammar of a complete head: httparse's lines turned into `http` types.
//!
//! Where the head ends was found by `scan`. RFC 9112 §3 to §5.

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode, Uri, Version};

use crate::error::HeadError;

/// Header lines that are parsed on the stack: browsers send about 15.
const FEW: usize = 24;

/// Parses a request head with `count` header lines.
pub(super) fn parse_request(head: &Bytes, count: usize) -> Result<Request<()>, HeadError> {
    let mut few = [httparse::EMPTY_HEADER; FEW];
    let mut many = Vec::new();
    let mut parsed = httparse::Request::new(room(count, &mut few, &mut many));
    match parsed.parse(head) {
        Ok(httparse::Status::Complete(length)) if length == head.len() => {}
        Ok(_) => return Err(HeadError::FirstLine),
        Err(error) => return Err(head_error(error)),
    }
    let method = parsed
        .method
        .and_then(|method| Method::from_bytes(method.as_bytes()).ok());
    let mut request = Request::new(());
    *request.method_mut() = method.ok_or(HeadError::FirstLine)?;
    *request.uri_mut() = target(head, parsed.path.ok_or(HeadError::FirstLine)?)?;
    *request.version_mut() = version(parsed.version)?;
    *request.headers_mut() = header_map(head, parsed.headers)?;
    Ok(request)
}

/// Parses a response head with `count` header lines. The reason phrase is dropped.
pub(super) fn parse_response(head: &Bytes, count: usize) -> Result<Response<()>, HeadError> {
    let mut lines = vec![httparse::EMPTY_HEADER; count];
    let mut parsed = httparse::Response::new(&mut lines);
    match parsed.parse(head) {
        Ok(httparse::Status::Complete(length)) if length == head.len() => {}
        Ok(_) => return Err(HeadError::FirstLine),
        Err(error) => return Err(head_error(error)),
    }
    let status = parsed.code.and_then(|code| StatusCode::from_u16(code).ok());
    let mut response = Response::new(());
    *response.status_mut() = status.ok_or(HeadError::FirstLine)?;
    *response.version_mut() = version(parsed.version)?;
    *response.headers_mut() = header_map(head, parsed.headers)?;
    Ok(response)
}

/// Room for so many header lines, in `many` if they are more than `few`.
fn room<'r, 'h>(
    count: usize,
    few: &'r mut [httparse::Header<'h>; FEW],
    many: &'r mut Vec<httparse::Header<'h>>,
) -> &'r mut [httparse::Header<'h>] {
    match few.get_mut(..count) {
        Some(room) => room,
        None => {
            many.resize(count, httparse::EMPTY_HEADER);
            many
        }
    }
}

fn head_error(error: httparse::Error) -> HeadError {
    match error {
        httparse::Error::HeaderName | httparse::Error::HeaderValue | httparse::Error::NewLine => {
            HeadError::Header
        }
        httparse::Error::TooManyHeaders => HeadError::TooManyHeaders,
        httparse::Error::Version => HeadError::Version,
        httparse::Error::Status | httparse::Error::Token => HeadError::FirstLine,
    }
}

/// RFC 9112 §3.2: none of the forms of a request target has a fragment, which `Uri` would drop in silence.
fn target(head: &Bytes, path: &str) -> Result<Uri, HeadError> {
    if path.contains('#') || !path.is_ascii() {
        return Err(HeadError::FirstLine);
    }
    Uri::from_maybe_shared(head.slice_ref(path.as_bytes())).map_err(|_| HeadError::FirstLine)
}

fn version(minor: Option<u8>) -> Result<Version, HeadError> {
    match minor {
        Some(0) => Ok(Version::HTTP_10),
        Some(1) => Ok(Version::HTTP_11),
        _ => Err(HeadError::Version),
    }
}

/// Values share the head's memory.
fn header_map(head: &Bytes, lines: &[httparse::Header<'_>]) -> Result<HeaderMap, HeadError> {
    // A map has a size of its own that it cannot exceed, whatever the limit on lines is set to.
    let mut map = HeaderMap::try_with_capacity(lines.len()).map_err(|_| HeadError::TooManyHeaders)?;
    for line in lines {
        let name = HeaderName::from_bytes(line.name.as_bytes()).map_err(|_| HeadError::Header)?;
        let value =
            HeaderValue::from_maybe_shared(head.slice_ref(line.value)).map_err(|_| HeadError::Header)?;
        map.try_append(name, value)
            .map_err(|_| HeadError::TooManyHeaders)?;
    }
    Ok(map)
}
