//! Connections to the server, each from another address of this machine: one address has some 28,000 ports, and a
//! closed connection keeps its port for a minute.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::BytesMut;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use ws_handler::{ClientRequest, ExtensionRegistry, WebSocket, client_handshake};
use ws_proto::{Config, DeflateConfig};

/// For TCP and for the handshake, on a machine that is busy on purpose.
const PATIENCE: Duration = Duration::from_secs(60);

/// Addresses in turn: 127.0.0.2 to 127.0.0.241.
const ADDRESSES: u64 = 240;

/// Opens connections of one kind.
#[derive(Debug)]
pub(super) struct Dialer {
    address: SocketAddr,
    request: ClientRequest,
    config: Arc<Config>,
    /// Bytes of the kernel's receive buffer; None for what the system gives.
    receive_buffer: Option<u32>,
    next: AtomicU64,
}

impl Dialer {
    /// Offers this subprotocol.
    pub(super) fn new(address: SocketAddr, protocol: &str) -> Result<Self, String> {
        let url = format!("ws://{address}/").parse();
        let url = url.map_err(|error: ws_handler::UrlError| error.to_string())?;
        let request = ClientRequest::new(url).subprotocols([protocol]);
        let request = request.map_err(|error| error.to_string())?;
        let mut config = Config::client();
        // Whether a peer is alive is the server's business here.
        config.timeouts.ping_interval = None;
        Ok(Self {
            address,
            request,
            config: Arc::new(config),
            receive_buffer: None,
            next: AtomicU64::new(0),
        })
    }

    /// Offers compression as well.
    pub(super) fn deflate(mut self) -> Self {
        let registry = ExtensionRegistry::new().with(DeflateConfig::default());
        self.request = self.request.extensions(registry);
        self
    }

    /// Lets the kernel hold so many bytes that have come and are not read.
    pub(super) fn receive_buffer(mut self, bytes: u32) -> Self {
        self.receive_buffer = Some(bytes);
        self
    }

    /// A bare TCP connection.
    pub(super) async fn tcp(&self) -> Result<TcpStream, String> {
        let failed = |error| format!("no TCP connection: {error}");
        let socket = TcpSocket::new_v4().map_err(failed)?;
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let last = 2 + (number % ADDRESSES) as u8;
        let source = SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), 0));
        socket.bind(source).map_err(failed)?;
        if let Some(bytes) = self.receive_buffer {
            socket.set_recv_buffer_size(bytes).map_err(failed)?;
        }
        match timeout(PATIENCE, socket.connect(self.address)).await {
            Ok(stream) => {
                let stream = stream.map_err(failed)?;
                stream.set_nodelay(true).map_err(failed)?;
                Ok(stream)
            }
            Err(_) => Err("no TCP connection in time".into()),
        }
    }

    /// A connection after its handshake, for raw frames.
    pub(super) async fn raw(&self) -> Result<(TcpStream, BytesMut), String> {
        let stream = self.tcp().await?;
        let upgrade = client_handshake(stream, &self.request, PATIENCE)
            .await
            .map_err(|error| format!("no handshake: {error}"))?;
        Ok((upgrade.io, upgrade.leftover))
    }

    /// A WebSocket.
    pub(super) async fn socket(&self) -> Result<WebSocket<TcpStream>, String> {
        let stream = self.tcp().await?;
        let upgrade = client_handshake(stream, &self.request, PATIENCE)
            .await
            .map_err(|error| format!("no handshake: {error}"))?;
        let socket = upgrade.into_websocket(Arc::clone(&self.config));
        let (socket, _) = socket.map_err(|error| error.to_string())?;
        Ok(socket)
    }
}
