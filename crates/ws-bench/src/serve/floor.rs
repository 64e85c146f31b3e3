//! What the machine and tokio cost without any protocol: bytes in, the same bytes out. For `ws-testkit bench --tcp`.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Failure;

/// As large as the read buffers of the fastest servers.
const READ_BUFFER: usize = 64 << 10;

pub(super) async fn echo(mut stream: TcpStream) -> Result<(), Failure> {
    let mut buffer = vec![0; READ_BUFFER];
    loop {
        match stream.read(&mut buffer).await? {
            0 => return Ok(()),
            count => stream.write_all(&buffer[..count]).await?,
        }
    }
}
