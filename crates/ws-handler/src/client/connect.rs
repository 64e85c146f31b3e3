//! The `connect` builder: options, then `.await`.
//!
//! RFC 6455 §4.1.

use std::future::{Future, IntoFuture};
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http::Response;
use http::header::{HeaderName, HeaderValue};
use tokio::net::TcpStream;
use tokio::time::timeout;
use ws_proto::Config;

use super::dial::dial;
use super::exchange::{ClientUpgrade, client_handshake};
use crate::error::{ConnectError, ConnectStage, RequestError};
use crate::handshake::{ClientRequest, ExtensionRegistry};
use crate::io::Io;
use crate::socket::WebSocket;

/// How long finding the host and opening TCP may take, and how long the handshake may, unless told otherwise.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Connects to a `ws://` URL: set options on what this returns, then await it.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let (mut socket, response) = ws_handler::connect("ws://localhost:8080/chat").subprotocol("chat").await?;
/// socket.send(ws_proto::Message::from("hello")).await?;
/// # Ok(())
/// # }
/// ```
pub fn connect(url: impl AsRef<str>) -> ConnectBuilder {
    ConnectBuilder {
        request: url
            .as_ref()
            .parse()
            .map(ClientRequest::new)
            .map_err(ConnectError::Url),
        subprotocols: Vec::new(),
        bind: None,
        connect_timeout: TIMEOUT,
        handshake_timeout: TIMEOUT,
        config: Arc::new(Config::client()),
        nodelay: true,
    }
}

/// Options of a connection to be made. Await it to connect; a mistake in an option comes out there, too.
///
/// Dropping the future half way closes the connection.
#[derive(Debug)]
#[must_use = "nothing is connected before it is awaited"]
pub struct ConnectBuilder {
    request: Result<ClientRequest, ConnectError>,
    subprotocols: Vec<String>,
    bind: Option<IpAddr>,
    connect_timeout: Duration,
    handshake_timeout: Duration,
    config: Arc<Config>,
    nodelay: bool,
}

impl ConnectBuilder {
    /// One more header line of the request. The handshake's own headers (`Host`, `Upgrade`, `Connection`, `Origin`,
    /// `Sec-WebSocket-…`) and those that announce a body are refused: [`RequestError::ReservedHeader`]. An
    /// `Authorization` takes the place of the URL's user information.
    pub fn header<N, V>(self, name: N, value: V) -> Self
    where
        N: TryInto<HeaderName>,
        V: TryInto<HeaderValue>,
    {
        self.change(|request| match (name.try_into(), value.try_into()) {
            (Ok(name), Ok(value)) => request.header(name, value),
            _ => Err(RequestError::Header),
        })
    }

    /// One more subprotocol to offer, after those before it.
    pub fn subprotocol(mut self, name: impl Into<String>) -> Self {
        self.subprotocols.push(name.into());
        self
    }

    /// More subprotocols to offer, in the order of preference. Default: none.
    pub fn subprotocols<T: Into<String>>(mut self, names: impl IntoIterator<Item = T>) -> Self {
        self.subprotocols.extend(names.into_iter().map(Into::into));
        self
    }

    /// The Origin to send. Default: none.
    pub fn origin(self, origin: &str) -> Self {
        self.change(|request| request.origin(origin))
    }

    /// The extensions to offer. Default: none.
    pub fn extensions(self, registry: ExtensionRegistry) -> Self {
        self.change(|request| Ok(request.extensions(registry)))
    }

    /// The local address to connect from. Default: the system's choice.
    pub fn bind_address(mut self, address: IpAddr) -> Self {
        self.bind = Some(address);
        self
    }

    /// How long finding the host's addresses and opening TCP may take, all addresses together. Default 10 s.
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = limit;
        self
    }

    /// How long the handshake may take once TCP is open. Default 10 s.
    pub fn handshake_timeout(mut self, limit: Duration) -> Self {
        self.handshake_timeout = limit;
        self
    }

    /// Limits, timeouts and the way of delivery of the open connection. Default: [`Config::client`].
    pub fn config(mut self, config: impl Into<Arc<Config>>) -> Self {
        self.config = config.into();
        self
    }

    /// Whether small writes go out at once (TCP_NODELAY). Default: yes. Without it a short message may wait 40 ms
    /// and more for the acknowledgement of the one before.
    pub fn nodelay(mut self, on: bool) -> Self {
        self.nodelay = on;
        self
    }

    /// Connects and shakes hands, and leaves the framing of what follows to the caller.
    ///
    /// Not cancel safe: dropped half way, the connection is closed.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub async fn upgrade(self) -> Result<ClientUpgrade<Io>, ConnectError> {
        let request = self.request?.subprotocols(self.subprotocols)?;
        if request.url().is_secure() {
            return Err(ConnectError::TlsNotBuilt);
        }
        let stream = timeout(self.connect_timeout, dial(request.url(), self.bind)).await;
        let stream: TcpStream = stream.unwrap_or(Err(ConnectError::Timeout(ConnectStage::Tcp)))?;
        stream.set_nodelay(self.nodelay).map_err(ConnectError::Io)?;
        client_handshake(Io::from(stream), &request, self.handshake_timeout).await
    }

    fn change(mut self, change: impl FnOnce(ClientRequest) -> Result<ClientRequest, RequestError>) -> Self {
        // The first mistake is the one that is told.
        self.request = self
            .request
            .and_then(|request| change(request).map_err(ConnectError::Request));
        self
    }
}

impl IntoFuture for ConnectBuilder {
    type Output = Result<(WebSocket<Io>, Response<()>), ConnectError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        let config = Arc::clone(&self.config);
        Box::pin(async move { self.upgrade().await?.into_websocket(config) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_limits_are_ten_seconds_unless_told_otherwise() {
        let builder = connect("ws://localhost/");
        let ten = Duration::from_secs(10);
        assert_eq!((builder.connect_timeout, builder.handshake_timeout), (ten, ten));
        let builder = builder
            .connect_timeout(Duration::from_secs(1))
            .handshake_timeout(Duration::from_secs(2));
        assert_eq!(builder.connect_timeout, Duration::from_secs(1));
        assert_eq!(builder.handshake_timeout, Duration::from_secs(2));
    }

    /// Linux does not answer whom a listener's queue has no place for.
    #[cfg(target_os = "linux")]
    #[tokio::test(start_paused = true)]
    async fn tcp_that_is_not_answered_is_given_up_after_ten_seconds() {
        use std::net::{Ipv4Addr, SocketAddr};

        use socket2::{Domain, Socket, Type};
        use tokio::time::Instant;

        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        socket.bind(&anywhere.into()).unwrap();
        socket.listen(0).unwrap();
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        // The only place.
        let _first = std::net::TcpStream::connect(address).unwrap();
        let begun = Instant::now();
        let url = format!("ws://{address}/");
        let below = timeout(Duration::from_millis(9_999), connect(&url).upgrade()).await;
        assert!(below.is_err(), "given up after {:?}", begun.elapsed());
        let begun = Instant::now();
        let error = connect(&url).upgrade().await.unwrap_err();
        assert!(
            matches!(error, ConnectError::Timeout(ConnectStage::Tcp)),
            "{error}"
        );
        let took = begun.elapsed();
        assert!((10_000..10_010).contains(&took.as_millis()), "after {took:?}");
    }
}
