//! fastwebsockets, with its collector of fragments and its upgrade of hyper connections.

use bytes::Bytes;
use fastwebsockets::{FragmentCollector, OpCode, WebSocketError, upgrade};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::{Request, Response};
use tokio::net::TcpStream;

use super::{Failure, LARGEST, hyper_accept};

pub(super) async fn echo(stream: TcpStream) -> Result<(), Failure> {
    hyper_accept::serve(stream, accept).await
}

async fn accept(mut request: Request<Incoming>) -> Result<Response<Empty<Bytes>>, Failure> {
    let (response, upgraded) = upgrade::upgrade(&mut request)?;
    tokio::spawn(tokio::task::unconstrained(handle(upgraded)));
    Ok(response)
}

async fn handle(upgraded: upgrade::UpgradeFut) -> Result<(), WebSocketError> {
    let mut socket = upgraded.await?;
    socket.set_max_message_size(LARGEST);
    let mut socket = FragmentCollector::new(socket);
    loop {
        let frame = socket.read_frame().await?;
        match frame.opcode {
            OpCode::Close => return Ok(()),
            OpCode::Text | OpCode::Binary => socket.write_frame(frame).await?,
            _ => {}
        }
    }
}
