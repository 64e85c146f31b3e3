//! wtx 0.46; later versions need a newer Rust. It compresses without context takeover only.

use tokio::net::TcpStream;
use wtx::collection::Vector;
use wtx::web_socket::compression::Flate2;
use wtx::web_socket::{Compression, DeflateConfig, OpCode, WebSocketAcceptor, WebSocketPayloadOrigin};

use super::deflate::Deflate;
use super::{Failure, LARGEST};

pub(super) async fn echo(stream: TcpStream) -> Result<(), Failure> {
    echo_with(stream, ()).await
}

pub(super) async fn echo_deflated(stream: TcpStream, deflate: Deflate) -> Result<(), Failure> {
    if deflate.takeover {
        return Err("wtx has no context takeover".into());
    }
    let mut config = DeflateConfig {
        client_max_window_bits: deflate.window_bits.try_into()?,
        server_max_window_bits: deflate.window_bits.try_into()?,
        ..DeflateConfig::default()
    };
    if let Some(level) = deflate.level {
        config.compression_level = u8::try_from(level)?.try_into()?;
    }
    echo_with(stream, Flate2::from(config)).await
}

async fn echo_with<C: Compression<false>>(stream: TcpStream, compression: C) -> Result<(), Failure> {
    // Unmasked frames from clients are an extension of its own that nobody else has.
    let acceptor = WebSocketAcceptor::default()
        .compression(compression)
        .no_masking(false);
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
