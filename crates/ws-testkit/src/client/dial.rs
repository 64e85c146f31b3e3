//! Opens one connection for a client, and says what went wrong in the words of the exit codes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use ws_handler::{ConnectError, ConnectStage, ExtensionRegistry, Io, WebSocket, connect};
use ws_proto::{CloseCode, Config, Delivery, Role, UNLIMITED};

use super::ending::with_sources;
use super::options::ClientOptions;
use super::progress::{Progress, Watched};
use crate::stats::Ending;

/// Frames and messages of the test tools are this large at most, unless the run itself sends larger ones.
const LARGEST: usize = 16 << 20;

/// How long the closing handshake may take before the connection is dropped; nothing is measured any more.
pub(super) const LONGEST_GOODBYE: Duration = Duration::from_secs(2);

/// Bytes of a refusal's body that are worth showing.
const SHOWN_BODY: usize = 200;

/// An open connection and what is known about it.
pub(super) struct Opened {
    pub(super) socket: WebSocket,
    pub(super) response: http::Response<()>,
    pub(super) address: Option<SocketAddr>,
    pub(super) progress: Progress,
}

impl Opened {
    pub(super) fn subprotocol(&self) -> Option<&str> {
        self.socket.subprotocol()
    }

    /// permessage-deflate with its parameters, if it was agreed on.
    pub(super) fn deflate(&self) -> Option<String> {
        let negotiated = self.socket.negotiated()?;
        negotiated.chain.deflate()?;
        negotiated.extensions.first().map(ToString::to_string)
    }
}

/// Opens a connection that delivers frames.
pub(super) async fn dial(options: &ClientOptions) -> Result<Opened, Ending> {
    dial_with(options, Delivery::Fragment).await
}

/// Opens a connection. If subprotocols are offered, the server must choose one.
pub(super) async fn dial_with(options: &ClientOptions, delivery: Delivery) -> Result<Opened, Ending> {
    let mut builder = connect(&options.url)
        .connect_timeout(options.timeout)
        .handshake_timeout(options.timeout)
        .subprotocols(options.protocols.iter().cloned());
    if let Some(deflate) = &options.deflate {
        builder = builder.extensions(ExtensionRegistry::new().with(deflate.clone()));
    }
    for (name, value) in &options.headers {
        builder = builder.header(name.clone(), value.clone());
    }
    let upgrade = builder.upgrade().await.map_err(|error| ending(&error))?;
    let (response, address) = (upgrade.response, upgrade.io.peer_addr());
    let progress = Progress::begin();
    let io = Io::boxed(Watched::new(upgrade.io, progress.clone()));
    let config = Arc::new(config(options, delivery));
    let mut socket =
        WebSocket::from_upgraded(io, Role::Client, &upgrade.leftover, config, upgrade.negotiated).map_err(
            |error| Ending::NoConnection {
                reason: format!("no randomness for masks: {error}"),
            },
        )?;
    if !options.protocols.is_empty() && socket.subprotocol().is_none() {
        let reason = format!(
            "the server accepted none of the offered subprotocols ({})",
            options.protocols.join(", ")
        );
        // A server may choose none (RFC 6455 §4.2.2 item 5.5), so the connection is established, and is closed as such.
        let goodbye = socket.close(CloseCode::NORMAL, "none of the subprotocols");
        let _ = timeout(LONGEST_GOODBYE.min(options.timeout), goodbye).await;
        return Err(Ending::Refused {
            status: Some(response.status().as_u16()),
            reason,
        });
    }
    Ok(Opened {
        socket,
        response,
        address,
        progress,
    })
}

/// The limits of the test tools. Times are up to the client, which knows what it waits for.
pub(super) fn config(options: &ClientOptions, delivery: Delivery) -> Config {
    let mut config = Config::new(Role::Client).with_delivery(delivery);
    config.limits.max_frame_size = LARGEST.max(options.size);
    config.limits.max_message_size = LARGEST.max(options.size);
    // No fewer than this run itself may send.
    let fragments = options.size.checked_div(options.fragment).unwrap_or(0) + 1;
    config.limits.max_fragments = config.limits.max_fragments.max(fragments);
    config.limits.ping_budget = None;
    // Above it nothing is read: two ends that both wait for the other to read would wait for ever.
    config.limits.soft_queue = UNLIMITED;
    config.limits.hard_queue = UNLIMITED;
    config.timeouts.ping_interval = None;
    config.timeouts.unfinished_message = None;
    config.timeouts.write_stall = None;
    config
}

/// What a failed attempt to connect means for the one who wanted to.
pub(crate) fn ending(error: &ConnectError) -> Ending {
    match error {
        ConnectError::Tcp(attempts) => {
            let each = attempts
                .iter()
                .map(|(address, error)| format!("{address}: {error}"));
            Ending::NoConnection {
                reason: each.collect::<Vec<_>>().join("; "),
            }
        }
        ConnectError::Resolve(_) => Ending::NoConnection {
            reason: with_sources(error),
        },
        ConnectError::Timeout(ConnectStage::Tcp) => Ending::NoConnection {
            reason: "no answer in time".into(),
        },
        ConnectError::Timeout(_) => Ending::HandshakeTimeout,
        ConnectError::Refused(refused) => {
            let status = refused.status;
            let body = String::from_utf8_lossy(&refused.body);
            let first_line = body.lines().next().unwrap_or_default();
            let first_line: String = first_line
                .chars()
                .take(SHOWN_BODY)
                .flat_map(char::escape_debug)
                .collect();
            let phrase = status.canonical_reason().unwrap_or("no reason phrase");
            let reason = if first_line.is_empty() {
                phrase.to_owned()
            } else {
                format!("{phrase} ({first_line})")
            };
            Ending::Refused {
                status: Some(status.as_u16()),
                reason,
            }
        }
        error => Ending::Refused {
            status: None,
            reason: with_sources(error),
        },
    }
}
