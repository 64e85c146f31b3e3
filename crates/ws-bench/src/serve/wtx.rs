//! wtx 0.46; later versions need a newer Rust.

use tokio::net::TcpStream;
use wtx::collection::Vector;
use wtx::web_socket::{OpCode, WebSocketAcceptor, WebSocketPayloadOrigin};

use super::{Failure, LARGEST};

pub(super) async fn echo(stream: TcpStream) -> Result<(), Failure> {
    // Unmasked frames from clients are an extension of its own that nobody else has.
    let acceptor = WebSocketAcceptor::default().no_masking(false);
    let mut socket = acceptor.accept(stream).await?;
    socket.set_max_payload_len(LARGEST);
    let (mut common, mut reader, mut writer) = socket.split_mut();
    let mut buffer = Vector::new();
    loop {
        buffer.clear();
        let origin = WebSocketPayloadOrigin::Adaptive;
        let mut frame = reader.read_frame(&mut buffer, &mut common, origin).await?;
        match frame.op_code() {
            OpCode::Text | OpCode::Binary => writer.write_frame(&mut common, &mut frame).await?,
            // It has answered already.
            OpCode::Close => return Ok(()),
            _ => {}
        }
    }
}
