//! From a URL to open connections: TCP from the right address, then the handshake of `ws-handler`.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::time::timeout;
use ws_handler::{ClientRequest, client_handshake};
use ws_proto::Extensions;

use super::measured::Trouble;
use super::options::BenchOptions;
use super::source::Sources;
use crate::client::connect_ending;
use crate::stats::Ending;

/// Where all connections of a run go.
#[derive(Debug, Clone)]
pub(super) struct Target {
    request: ClientRequest,
    pub(super) address: SocketAddr,
    sources: Sources,
    pub(super) timeout: Duration,
    wants_protocol: bool,
    pub(super) tcp: bool,
}

/// An open connection, and what came behind the 101 already.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) stream: TcpStream,
    pub(super) leftover: Vec<u8>,
    pub(super) protocol: Option<String>,
    /// Compression, if it was agreed on.
    pub(super) extensions: Extensions,
    /// The same in words, as the server answered.
    pub(super) deflate: Option<String>,
}

impl Target {
    /// The target at one of the server's addresses.
    pub(super) fn new(options: &BenchOptions, request: ClientRequest, address: SocketAddr) -> Self {
        Self {
            request,
            address,
            sources: Sources::new(options, address),
            timeout: options.timeout,
            wants_protocol: options.protocol.is_some(),
            tcp: options.tcp,
        }
    }

    /// Opens connection `number`. Not cancel safe: dropped half way, the connection is closed.
    pub(super) async fn open(&self, number: u64) -> Result<Opened, Trouble> {
        let no_connection = |reason: String| Trouble::Ended(Ending::NoConnection { reason });
        let stream = match timeout(self.timeout, self.connect(number)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(no_connection(format!("{}: {error}", self.address))),
            Err(_) => return Err(no_connection(format!("{}: no answer in time", self.address))),
        };
        if self.tcp {
            return Ok(Opened {
                stream,
                leftover: Vec::new(),
                protocol: None,
                extensions: Extensions::new(),
                deflate: None,
            });
        }
        let upgrade = client_handshake(stream, &self.request, self.timeout)
            .await
            .map_err(|error| Trouble::Ended(connect_ending(&error)))?;
        let negotiated = upgrade.negotiated;
        let protocol = negotiated.subprotocol;
        if self.wants_protocol && protocol.is_none() {
            let status = Some(upgrade.response.status().as_u16());
            let reason = "the server did not accept the offered subprotocol".into();
            return Err(Trouble::Ended(Ending::Refused { status, reason }));
        }
        Ok(Opened {
            stream: upgrade.io,
            leftover: upgrade.leftover.to_vec(),
            protocol,
            deflate: negotiated.extensions.first().map(ToString::to_string),
            extensions: negotiated.chain,
        })
    }

    async fn connect(&self, number: u64) -> io::Result<TcpStream> {
        let socket = if self.address.is_ipv4() {
            TcpSocket::new_v4()?
        } else {
            TcpSocket::new_v6()?
        };
        if let Some(source) = self.sources.address(number) {
            socket.bind(SocketAddr::new(source, 0))?;
        }
        let stream = socket.connect(self.address).await?;
        // A batch is one write; nothing is gained by waiting for more.
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

/// The addresses of the server, in the order of the resolver.
pub(super) async fn addresses(request: &ClientRequest) -> Result<Vec<SocketAddr>, Trouble> {
    let url = request.url();
    let no_connection = |reason: String| Trouble::Ended(Ending::NoConnection { reason });
    let found = lookup_host((url.host(), url.port())).await;
    let found: Vec<_> = found.map_err(|error| no_connection(error.to_string()))?.collect();
    if found.is_empty() {
        return Err(no_connection(format!("{} has no address", url.host())));
    }
    Ok(found)
}
