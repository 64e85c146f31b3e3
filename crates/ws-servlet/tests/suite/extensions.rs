//! Extensions per route: what is agreed on, and what the session knows of it.

use ws_handler::{ExtensionRegistry, ServerHandshake, WebSocketFactory};
use ws_proto::{Config, IdentityExtension};
use ws_servlet::{Endpoint, EndpointError, Route, Session, WebSocketServlet};

use crate::rig::Rig;

/// Answers a text with itself and the extensions in use.
struct Telling;

impl Endpoint for Telling {
    async fn on_text(&mut self, session: &mut Session, text: &str) -> Result<(), EndpointError> {
        let extensions: Vec<_> = session.extensions().iter().map(ToString::to_string).collect();
        let answer = format!("{text} by [{}]", extensions.join(", "));
        session.text(&answer).await?;
        Ok(())
    }
}

fn rig(special: ExtensionRegistry) -> Rig {
    let registry = ExtensionRegistry::new().with(IdentityExtension);
    let handshake = ServerHandshake::new().extensions(registry);
    let servlet = WebSocketServlet::builder()
        .factory(WebSocketFactory::new(handshake, Config::server()))
        .endpoint("/factory", |_| Telling)
        .route("/special", Route::new(|_| Telling).extensions(special))
        .build()
        .unwrap();
    Rig::new(servlet)
}

#[tokio::test(start_paused = true)]
async fn a_route_has_the_extensions_of_the_factory_or_its_own() {
    let rig = rig(ExtensionRegistry::new());
    let offer = "Sec-WebSocket-Extensions: identity; level=1\r\n";
    let (mut peer, head) = rig.upgrade("/factory", offer).await;
    assert!(
        head.to_ascii_lowercase()
            .contains("\r\nsec-websocket-extensions: identity; level=1\r\n"),
        "{head}"
    );
    peer.text("x").await;
    assert_eq!(peer.read_text().await, "x by [identity; level=1]");
    let (mut peer, head) = rig.upgrade("/special", offer).await;
    assert!(
        !head.to_ascii_lowercase().contains("sec-websocket-extensions"),
        "{head}"
    );
    peer.text("x").await;
    assert_eq!(peer.read_text().await, "x by []");
}

#[cfg(feature = "deflate")]
#[tokio::test(start_paused = true)]
async fn a_route_may_compress_while_others_do_not() {
    let rig = rig(ExtensionRegistry::new().with(ws_proto::DeflateConfig::default()));
    let offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";
    // RFC 7692 §7.2.3.1: "Hello", masked with zeroes.
    let hello = b"\xC1\x87\0\0\0\0\xF2\x48\xCD\xC9\xC9\x07\x00";
    let (mut peer, _) = rig.upgrade("/special", offer).await;
    peer.write(hello).await;
    // Short enough to be answered plain.
    let expected = "Hello by [permessage-deflate; server_max_window_bits=12; client_max_window_bits=12]";
    assert_eq!(peer.read_text().await, expected);
    let (mut peer, _) = rig.upgrade("/factory", offer).await;
    peer.write(hello).await;
    assert_eq!(peer.read_close().await, 1002, "RSV1 without an agreement");
}
