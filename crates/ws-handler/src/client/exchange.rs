//! The exchange on an open stream: the request goes out, the answer comes in and is judged.
//!
//! RFC 6455 §4.1; RFC 9110 §15.2 (interim answers).

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use http::{Response, StatusCode};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout_at};
use ws_proto::{Config, Role};

use crate::error::{ConnectError, ConnectStage, ConnectionRefused, ResponseError};
use crate::handshake::{ClientAttempt, ClientRequest};
use crate::http1::{HeadLimits, HeadReader, RefusalBody, encode_request};
use crate::negotiated::Negotiated;
use crate::socket::WebSocket;

/// More interim answers than this end the handshake. Real ones (100, 103) come once or twice.
const MAX_INTERIM: usize = 8;

/// A stream on which the client's handshake succeeded.
#[derive(Debug)]
#[non_exhaustive]
pub struct ClientUpgrade<IO> {
    /// The stream, after the 101.
    pub io: IO,
    /// What came behind the 101 already: the first bytes of the first frames.
    pub leftover: BytesMut,
    /// What both sides agreed on.
    pub negotiated: Negotiated,
    /// The 101.
    pub response: Response<()>,
}

impl<IO: AsyncRead + AsyncWrite + Unpin> ClientUpgrade<IO> {
    /// The open socket, with the bytes that came behind the 101 in front of everything else; and the 101.
    ///
    /// # Errors
    /// [`ConnectError::Random`]: no randomness for masks. There was some for the key, so this does not happen.
    pub fn into_websocket(self, config: Arc<Config>) -> Result<(WebSocket<IO>, Response<()>), ConnectError> {
        let Self {
            io,
            leftover,
            negotiated,
            response,
        } = self;
        let socket = WebSocket::from_upgraded(io, Role::Client, &leftover, config, negotiated);
        Ok((socket.map_err(ConnectError::Random)?, response))
    }
}

/// Shakes hands as a client on any stream: a TCP connection of your own, a pipe, a tunnel.
///
/// `limit` bounds the whole exchange; 10 s is what [`connect`](crate::connect) allows. Not cancel safe: dropped half
/// way, the stream is closed. Needs a tokio runtime with time.
///
/// # Errors
/// [`ConnectError`]. The stream is closed then, and no frame was sent.
pub async fn client_handshake<IO: AsyncRead + AsyncWrite + Unpin>(
    mut io: IO,
    request: &ClientRequest,
    limit: Duration,
) -> Result<ClientUpgrade<IO>, ConnectError> {
    let attempt = request.start()?;
    let deadline = Instant::now() + limit;
    let mut reader = HeadReader::new(HeadLimits::default());
    let response = in_time(deadline, exchange(&mut io, &attempt, &mut reader)).await?;
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Err(refused(&mut io, response, &reader.into_leftover(), deadline).await);
    }
    let negotiated = attempt.judge(&response)?;
    Ok(ClientUpgrade {
        io,
        leftover: reader.into_leftover(),
        negotiated,
        response,
    })
}

async fn in_time<T>(
    deadline: Instant,
    stage: impl Future<Output = Result<T, ConnectError>>,
) -> Result<T, ConnectError> {
    timeout_at(deadline, stage)
        .await
        .unwrap_or(Err(ConnectError::Timeout(ConnectStage::Handshake)))
}

/// Sends the request and reads the answer. A server that refuses without reading (it is full, or stopping) may have
/// closed before the request was out: its answer counts all the same.
async fn exchange<IO: AsyncRead + AsyncWrite + Unpin>(
    io: &mut IO,
    attempt: &ClientAttempt<'_>,
    reader: &mut HeadReader,
) -> Result<Response<()>, ConnectError> {
    let sent = send(io, attempt).await;
    let answer = final_answer(io, reader).await;
    match sent {
        Err(error) if answer.is_err() => Err(ConnectError::Io(error)),
        _ => answer,
    }
}

async fn send<IO: AsyncWrite + Unpin>(io: &mut IO, attempt: &ClientAttempt<'_>) -> io::Result<()> {
    io.write_all(&encode_request(attempt.request())).await?;
    io.flush().await
}

/// RFC 9110 §15.2: "A client MUST be able to parse one or more 1xx responses received prior to a final response".
async fn final_answer<IO: AsyncRead + Unpin>(
    io: &mut IO,
    reader: &mut HeadReader,
) -> Result<Response<()>, ConnectError> {
    for _ in 0..=MAX_INTERIM {
        let response = reader.read_response(io).await?;
        let status = response.status();
        if !status.is_informational() || status == StatusCode::SWITCHING_PROTOCOLS {
            return Ok(response);
        }
    }
    Err(ResponseError::TooManyInterim.into())
}

/// The status is worth more than the body: when the time is over, what has come of it must do.
async fn refused<IO: AsyncRead + Unpin>(
    io: &mut IO,
    response: Response<()>,
    leftover: &[u8],
    deadline: Instant,
) -> ConnectError {
    let mut body = RefusalBody::new(&response);
    body.handle_data(leftover);
    let _ = timeout_at(deadline, body.read(io)).await;
    let (head, ()) = response.into_parts();
    let refused = ConnectionRefused {
        status: head.status,
        headers: head.headers,
        body: body.into_bytes(),
    };
    ConnectError::Refused(Box::new(refused))
}
