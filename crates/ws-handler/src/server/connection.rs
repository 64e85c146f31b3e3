//! The first request of a connection: read it, ask what should become of it, do that.
//!
//! Here: [`open`], with which every accepted connection begins, one function per stage, and `carry_out`, which does the
//! same with later requests. They end with the future of what the connection is from then on. Not here: the task of both
//! (`course`), reading later requests on a kept-alive connection (`hyper_upgrade`).

use std::future::Future;
use std::hint::black_box;
use std::mem::MaybeUninit;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, DATE};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use tokio::io::AsyncWriteExt;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep_until, timeout};

use super::at_once::at_once;
use super::entrance::Entrance;
#[cfg(feature = "hyper")]
use super::entrance::Switched;
use super::house::House;
use super::linger::{Lingered, linger};
use super::outcome::{ConnectionFuture, Outcome, one_line};
use super::plain::PlainConnection;
use super::service::Host;
use crate::error::{HandshakeError, HeadError, ReadHeadError};
use crate::handshake::Accepted;
use crate::hits::Limit;
use crate::http1::{HeadReader, RequestHead, encode_response};
use crate::io::Io;

/// How long the peer may take to receive a refusal or the 101. They are a few hundred bytes, which hardly ever wait.
const ANSWER_TIME: Duration = Duration::from_secs(5);

/// Bytes that an opening holds and nobody uses. Blocks of later connections go where its memory was, and the larger the
/// hole is, the less is lost between them: with openings of 768 bytes glibc took 1,500 bytes of RSS for each idle
/// connection, and 1,418, 1,367 and 1,342 where they were 128, 256 and 640 larger.
const ROOM: usize = 256;

/// What came of reading the first request.
enum First {
    Request(RequestHead),
    Refused(Response<Bytes>),
    /// The peer has left, or never said anything that deserves an answer.
    Gone,
}

/// Serves a connection until it is known what it is: then the future that is returned takes over, be it only to refuse.
///
/// The permit frees the place in the lobby when it is dropped. An `async` block uses in place what an `async fn` would keep
/// twice, and nothing but its variables lives across an `await`: this is memory of every peer that has not been answered.
#[expect(clippy::manual_async_fn, reason = "an async fn keeps its arguments twice")]
pub(crate) fn open(
    entrance: Entrance,
    host: Arc<dyn Host>,
    mut io: Io,
    permit: OwnedSemaphorePermit,
    accepted: Instant,
) -> impl Future<Output = Option<ConnectionFuture>> + Send {
    async move {
        let room = MaybeUninit::<[u8; ROOM]>::uninit();
        let mut reader = HeadReader::new(entrance.house.limits.head);
        let request = match first_request(&entrance, &mut io, &mut reader, accepted).await {
            First::Request(request) => request,
            First::Refused(response) => return Some(refuse(entrance, io, permit, response)),
            First::Gone => return None,
        };
        // In a box, so that peers which have asked nothing yet keep no place for it.
        let outcome = Box::new(judge_in_time(&entrance, &request, accepted).await);
        let switching = match &*outcome {
            Outcome::Upgrade(upgrade) => Some(written(&upgrade.accepted)),
            _ => None,
        };
        let mut task = None;
        if let Some(switching) = switching {
            if !answer(&mut io, &switching).await {
                return None;
            }
            task = entrance.task().await;
        }
        let read = reader.into_leftover();
        black_box(&room);
        match *outcome {
            Outcome::Upgrade(upgrade) => Some(entrance.upgraded(upgrade, io, read, request).run_by(task)),
            Outcome::Respond(response) => {
                let response = last_response(response, request.method());
                Some(refuse(entrance, io, permit, response))
            }
            Outcome::Handover => Some(hand_over(entrance, host, io, &request, read)),
        }
    }
}

/// The 101 as it is sent.
fn written(accepted: &Accepted) -> Vec<u8> {
    accepted.written().unwrap_or_else(encode_response)
}

/// An answer that ends a connection, which keeps its seat and its place in the lobby until then.
fn refuse(
    entrance: Entrance,
    io: Io,
    permit: OwnedSemaphorePermit,
    response: Response<Bytes>,
) -> ConnectionFuture {
    Box::pin(async move {
        answer_and_close(&entrance.house, io, response).await;
        drop((entrance, permit));
    })
}

/// Answers a connection that was given no seat.
pub(crate) async fn turn_away(house: Arc<House>, io: Io, why: HandshakeError, _permit: OwnedSemaphorePermit) {
    answer_and_close(&house, io, why.response()).await;
}

/// Reads the first head within the time for it, which begins at accept and not at a byte.
async fn first_request(
    entrance: &Entrance,
    io: &mut Io,
    reader: &mut HeadReader,
    accepted: Instant,
) -> First {
    // Cancel safe: what was read stays in the reader.
    let mut read = at_once(pin!(reader.read_request(io))).await;
    if read.is_none() {
        read = tokio::select! {
            biased;
            read = reader.read_request(io) => Some(read),
            () = entrance.stopping() => return First::Refused(HandshakeError::Stopping.response()),
            () = sleep_until(accepted + entrance.house.limits.head_timeout) => None,
        };
    }
    let Some(read) = read else {
        entrance.house.hits.count(Limit::HeadTime);
        return overdue(reader);
    };
    match read {
        Ok(Some(request)) => First::Request(request),
        // TLS, SSH and the like: an HTTP answer would mean nothing to them.
        Err(ReadHeadError::Head(HeadError::NotHttp)) => First::Gone,
        Err(ReadHeadError::Head(error)) => {
            entrance.house.hits.count_any(Limit::of_head(error));
            First::Refused(error.response())
        }
        Ok(None) | Err(_) => First::Gone,
    }
}

/// RFC 9110 §15.5.9. A peer that sent nothing may well be a browser that connected in advance: it sees the end of the
/// stream, and comes again when it has something to ask.
fn overdue(reader: &HeadReader) -> First {
    if reader.is_empty() {
        return First::Gone;
    }
    First::Refused(one_line(
        StatusCode::REQUEST_TIMEOUT,
        "The request did not arrive in time.",
    ))
}

/// The service's answer, or a 503 when it takes too long or the server stops meanwhile.
async fn judge_in_time(entrance: &Entrance, request: &RequestHead, accepted: Instant) -> Outcome {
    let mut judgement = pin!(entrance.judge(request));
    if let Some(outcome) = at_once(judgement.as_mut()).await {
        return outcome;
    }
    tokio::select! {
        biased;
        outcome = judgement => outcome,
        () = entrance.stopping() => HandshakeError::Stopping.into(),
        () = sleep_until(accepted + entrance.house.limits.upgrade_timeout) => {
            entrance.house.hits.count(Limit::AnswerTime);
            Outcome::Respond(one_line(StatusCode::SERVICE_UNAVAILABLE, "The service did not answer in time."))
        }
    }
}

/// Switches or refuses, as was decided for a later request. `read` holds what the peer sent behind it. What has switched
/// is yet to be run.
#[cfg(feature = "hyper")]
pub(crate) async fn carry_out(
    entrance: Entrance,
    mut io: Io,
    read: BytesMut,
    request: RequestHead,
    outcome: Outcome,
) -> Option<Switched> {
    match outcome {
        Outcome::Upgrade(upgrade) => {
            let switching = written(&upgrade.accepted);
            let answered = answer(&mut io, &switching).await;
            answered.then(|| entrance.upgraded(upgrade, io, read, request))
        }
        Outcome::Respond(response) => {
            answer_and_close(&entrance.house, io, last_response(response, request.method())).await;
            None
        }
        // Whoever asked serves the connection already, or hands it over.
        Outcome::Handover => None,
    }
}

/// The service serving a plain connection, from the first byte of the conversation.
fn hand_over(
    entrance: Entrance,
    host: Arc<dyn Host>,
    io: Io,
    request: &RequestHead,
    read: BytesMut,
) -> ConnectionFuture {
    let mut all = BytesMut::from(request.raw());
    all.unsplit(read);
    let connection = PlainConnection::new(io, all, entrance);
    Box::pin(async move { host.host(connection).await })
}

/// A response after which nothing follows on this connection.
fn last_response(mut response: Response<Bytes>, method: &Method) -> Response<Bytes> {
    say_close(response.headers_mut());
    // RFC 9110 §9.3.2: no content, but the header fields that it would have had.
    if method == Method::HEAD && !response.body().is_empty() {
        let length = HeaderValue::from(response.body().len());
        response.headers_mut().entry(CONTENT_LENGTH).or_insert(length);
        *response.body_mut() = Bytes::new();
    }
    response
}

/// RFC 9112 §9.6: "A server that ... does not wish to maintain persistent connections SHOULD send the "close"
/// connection option".
pub(crate) fn say_close(headers: &mut HeaderMap) {
    let said = headers.get_all(CONNECTION).iter().any(|line| {
        line.as_bytes()
            .split(|byte| *byte == b',')
            .any(|option| option.trim_ascii().eq_ignore_ascii_case(b"close"))
    });
    if !said {
        headers.append(CONNECTION, HeaderValue::from_static("close"));
    }
}

/// RFC 9110 §6.6.1: "An origin server with a clock MUST generate a Date header field in all 2xx (Successful), 3xx
/// (Redirection), and 4xx (Client Error) responses". A 5xx gets one too; a 101 need not have it and goes without.
fn date(headers: &mut HeaderMap) {
    if headers.contains_key(DATE) {
        return;
    }
    #[expect(
        clippy::disallowed_methods,
        reason = "the header tells the time of day, and nothing waits for it"
    )]
    let now = SystemTime::now();
    if let Ok(now) = HeaderValue::try_from(httpdate::fmt_http_date(now)) {
        headers.insert(DATE, now);
    }
}

/// Writes an answer that ends the connection, and closes so that it arrives.
async fn answer_and_close(house: &House, mut io: Io, mut response: Response<Bytes>) {
    date(response.headers_mut());
    if answer(&mut io, &encode_response(&response)).await && linger(&mut io).await == Lingered::CutShort {
        house.hits.count(Limit::Linger);
    }
}

/// Writes an answer. `false`: the peer is gone, or does not read.
async fn answer(io: &mut Io, response: &[u8]) -> bool {
    let mut written = pin!(async {
        io.write_all(response).await?;
        io.flush().await
    });
    let written = match at_once(written.as_mut()).await {
        None => timeout(ANSWER_TIME, written).await.ok(),
        written => written,
    };
    matches!(written, Some(Ok(())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::handle::ServerHandle;
    use crate::server::options::Limits;
    use crate::server::peer::PeerInfo;
    use crate::server::service::NoService;

    /// What the opening of a connection may take. Raise it knowingly: malloc is slow above a kilobyte.
    const OPENING: usize = 768 + ROOM;

    #[test]
    fn an_opening_is_small() {
        let house = House::new(Arc::new(NoService), Limits::default(), 1, &ServerHandle::new());
        let seat = house.roster.admit(1).unwrap();
        let permit = Arc::clone(&house.lobby).try_acquire_owned().unwrap();
        let entrance = Entrance {
            house,
            peer: PeerInfo::default(),
            seat,
        };
        let (near, _far) = tokio::io::duplex(1);
        let opening = open(
            entrance,
            Arc::new(NoService),
            Io::boxed(near),
            permit,
            Instant::now(),
        );
        assert!(size_of_val(&opening) <= OPENING, "{}", size_of_val(&opening));
    }

    #[test]
    fn a_last_response_says_close_once_and_has_no_body_for_head() {
        let response = |connection: &str| {
            Response::builder()
                .header(CONNECTION, connection)
                .body(Bytes::from_static(b"x\n"))
                .unwrap()
        };
        let text = |method, connection| {
            String::from_utf8(encode_response(&last_response(response(connection), &method))).unwrap()
        };
        assert_eq!(
            text(Method::GET, "Upgrade, Close"),
            "HTTP/1.1 200 OK\r\nConnection: Upgrade, Close\r\nContent-Length: 2\r\n\r\nx\n"
        );
        assert_eq!(
            text(Method::HEAD, "keep-alive-not"),
            "HTTP/1.1 200 OK\r\nConnection: keep-alive-not\r\nConnection: close\r\nContent-Length: 2\r\n\r\n"
        );
    }

    #[test]
    fn a_date_is_added_unless_there_is_one() {
        let mut headers = HeaderMap::new();
        date(&mut headers);
        let added = httpdate::parse_http_date(headers[DATE].to_str().unwrap()).unwrap();
        assert!(added.elapsed().unwrap().as_secs() < 60);
        // The preferred form of RFC 9110 §5.6.7 has one length.
        assert_eq!(headers[DATE].len(), "Sun, 06 Nov 1994 08:49:37 GMT".len());

        let epoch = HeaderValue::from_static("Thu, 01 Jan 1970 00:00:00 GMT");
        headers.insert(DATE, epoch.clone());
        date(&mut headers);
        assert_eq!(headers.get_all(DATE).iter().collect::<Vec<_>>(), [&epoch]);
    }
}
