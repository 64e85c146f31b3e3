//! What plain HTTP sees: the page embedded in the program, or the files of a directory.
//!
//! Files are served by tower-http's `ServeDir` (ranges, conditional requests, content types, `index.html`,
//! no way out of the directory by dots; symbolic links are followed). HTTP itself is hyper's. Upgrades never
//! come here.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use tower_http::services::ServeDir;

/// The page. It asks for nothing but itself and shows whatever peers send as text only.
static PAGE: &str = include_str!("page/index.html");

/// The body of an answer, whatever it comes from.
type Body = UnsyncBoxBody<Bytes, io::Error>;

/// The service behind every request that is no upgrade.
#[derive(Debug, Clone)]
pub(crate) enum Docroot {
    /// The embedded page at `/`, nothing elsewhere.
    Page,
    /// The files of a directory.
    Directory(ServeDir),
}

impl Docroot {
    /// The embedded page, or `directory` if there is one. Whether it exists is found out request by request.
    pub(crate) fn new(directory: Option<PathBuf>) -> Self {
        directory.map_or(Self::Page, |path| Self::Directory(ServeDir::new(path)))
    }
}

impl<B: Send + 'static> tower_service::Service<Request<B>> for Docroot {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        match self {
            Self::Page => {
                let answer = page(request.method(), request.uri().path());
                Box::pin(async { Ok(answer) })
            }
            Self::Directory(files) => {
                let answer = tower_service::Service::call(files, request);
                Box::pin(async { Ok(answer.await?.map(|body| body.boxed_unsync())) })
            }
        }
    }
}

/// Answers from the embedded page alone.
fn page(method: &Method, path: &str) -> Response<Body> {
    if !matches!(path, "/" | "/index.html") {
        return text(StatusCode::NOT_FOUND, "Not found: the page is at /\n");
    }
    if !matches!(*method, Method::GET | Method::HEAD) {
        let mut answer = text(
            StatusCode::METHOD_NOT_ALLOWED,
            "Only GET and HEAD are served here\n",
        );
        answer
            .headers_mut()
            .insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        return answer;
    }
    let mut answer = whole(StatusCode::OK, "text/html; charset=utf-8", PAGE);
    // Another version of the program on the same port must not be hidden by a cache.
    answer
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    answer
}

fn text(status: StatusCode, body: &'static str) -> Response<Body> {
    whole(status, "text/plain; charset=utf-8", body)
}

fn whole(status: StatusCode, content_type: &'static str, body: &'static str) -> Response<Body> {
    let body = Full::new(Bytes::from_static(body.as_bytes())).map_err(|never| match never {});
    let mut answer = Response::new(body.boxed_unsync());
    *answer.status_mut() = status;
    answer
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer.headers_mut().insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Protocol;

    #[test]
    fn the_page_offers_every_protocol_and_asks_for_nothing_elsewhere() {
        for name in Protocol::subprotocols().filter(|name| name.starts_with("org.ietf.")) {
            let short = name.trim_start_matches("org.ietf.websocket.");
            assert!(PAGE.contains(&format!("[\"{short}\",")), "{short}");
        }
        assert!(PAGE.contains("\"echo-broadcast-ping\""));
        for outside in ["src=\"http", "href=\"http", "@import", "url(http", "//cdn"] {
            assert!(!PAGE.contains(outside), "{outside}");
        }
    }

    #[test]
    fn the_page_shows_what_was_negotiated() {
        assert!(PAGE.contains(r#"subprotocol " + (opened.protocol || "none")"#));
        assert!(PAGE.contains(r#"(opened.extensions ? ", extensions " + opened.extensions : "")"#));
    }

    #[test]
    fn the_page_shows_what_peers_send_as_text_only() {
        for markup in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "new Function",
        ] {
            assert!(!PAGE.contains(markup), "{markup}");
        }
    }

    #[test]
    fn only_the_root_is_there_and_only_to_be_read() {
        assert_eq!(page(&Method::GET, "/").status(), StatusCode::OK);
        assert_eq!(page(&Method::HEAD, "/index.html").status(), StatusCode::OK);
        assert_eq!(page(&Method::GET, "/other").status(), StatusCode::NOT_FOUND);
        let refused = page(&Method::POST, "/");
        assert_eq!(refused.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(refused.headers()[header::ALLOW], "GET, HEAD");
    }
}
