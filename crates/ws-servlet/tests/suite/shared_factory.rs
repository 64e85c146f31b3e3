//! A handler and a servlet over one factory: one set of rules, one list of connections, one budget, one end.

use std::time::Duration;

use ws_handler::{ServerHandshake, WebSocketFactory, WebSocketHandler};
use ws_proto::{Config, Delivery};
use ws_servlet::{Endpoint, EndpointError, Session, WebSocketServlet};

use crate::rig::{BINARY, FIN, Rig};

struct Silent;

impl Endpoint for Silent {}

/// Takes frames and leaves them all alone, so that they are put together by the servlet.
struct Patient;

impl Endpoint for Patient {
    fn delivery(&self) -> Delivery {
        Delivery::Fragment
    }

    async fn on_binary(&mut self, session: &mut Session, payload: &[u8]) -> Result<(), EndpointError> {
        Ok(session.text(&payload.len().to_string()).await?)
    }
}

#[tokio::test(start_paused = true)]
async fn f18_fragments_that_the_servlet_puts_together_count_as_unfinished_input() {
    let factory = WebSocketFactory::default().with_unfinished_input(2000);
    let servlet = WebSocketServlet::builder()
        .factory(factory.clone())
        .endpoint("/", |_| Patient)
        .build()
        .unwrap();
    let rig = Rig::new(servlet);
    let mut first = rig.open("/").await;
    first.send(BINARY, &[1; 900]).await;
    first.send(0, &[1; 900]).await;
    let mut second = rig.open("/").await;
    second.send(BINARY, &[1; 200]).await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(factory.unfinished_input(), 2000, "at the limit");
    second.send(0, &[1]).await;
    assert_eq!(second.read_close().await, 1013);
    drop(second);
    first.send(FIN, &[1; 100]).await;
    assert_eq!(first.read_text().await, "1900");
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(factory.unfinished_input(), 0);
    assert_eq!(factory.limit_hits().unfinished_input, 1);
}

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
