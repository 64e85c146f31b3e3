//! A handler and a servlet over one factory: one set of rules, one list of connections, one end.

use std::time::Duration;

use ws_handler::{ServerHandshake, WebSocketFactory, WebSocketHandler};
use ws_proto::Config;
use ws_servlet::{Endpoint, WebSocketServlet};

use crate::rig::Rig;

struct Silent;

impl Endpoint for Silent {}

#[tokio::test(start_paused = true)]
async fn stopping_the_factory_closes_handler_and_servlet_with_1001() {
    let factory = WebSocketFactory::new(ServerHandshake::new(), Config::server());
    let handler = WebSocketHandler::new(factory.clone(), |mut socket, _request| async move {
        while let Ok(Some(message)) = socket.recv().await {
            if socket.send(message).await.is_err() {
                break;
            }
        }
    });
    let servlet = WebSocketServlet::builder()
        .factory(factory.clone())
        .endpoint("/servlet", |_| Silent)
        .build()
        .unwrap();
    let sessions = servlet.sessions().clone();
    let rig = Rig::new(servlet.next(handler));

    let mut by_servlet = rig.open("/servlet").await;
    let mut by_handler = rig.open("/handler").await;
    by_handler.text("x").await;
    assert_eq!(by_handler.read_text().await, "x");
    assert_eq!((factory.open_connections(), sessions.open()), (2, 1));

    let stop = factory.stop(Duration::from_secs(5));
    for peer in [&mut by_servlet, &mut by_handler] {
        assert_eq!(peer.read_close().await, 1001);
        peer.close(1001, "").await;
    }
    drop((by_servlet, by_handler));
    let summary = stop.await;
    assert_eq!((summary.closed, summary.dropped), (2, 0));
    assert_eq!((factory.open_connections(), sessions.open()), (0, 0));
    assert_eq!(rig.status("/servlet", "").await, 503);
    assert_eq!(rig.status("/handler", "").await, 503);
}
