//! Topics, sessions and counts span the workers of a server. Real sockets, as workers need a port.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::thread::ThreadId;
use std::time::Duration;

use ws_handler::{Io, Server, WebSocket, connect};
use ws_proto::{Message, PreparedMessage};
use ws_servlet::{Endpoint, EndpointError, Session, WebSocketServlet};

/// Notes the thread that serves it.
struct Member(Arc<Mutex<HashSet<ThreadId>>>);

impl Endpoint for Member {
    async fn on_open(&mut self, session: &mut Session) -> Result<(), EndpointError> {
        self.0.lock().unwrap().insert(std::thread::current().id());
        session.subscribe("all")?;
        Ok(session.text(&session.id().to_string()).await?)
    }
}

async fn next(socket: &mut WebSocket<Io>) -> String {
    match socket.recv().await.unwrap() {
        Some(Message::Text(text)) => text.to_string(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn one_hub_and_one_registry_for_all_workers() {
    let threads = Arc::new(Mutex::new(HashSet::new()));
    let seen = Arc::clone(&threads);
    let servlet = WebSocketServlet::builder()
        .endpoint("/", move |_| Member(Arc::clone(&seen)))
        .build()
        .unwrap();
    let (hub, sessions) = (servlet.hub().clone(), servlet.sessions().clone());
    let server = Server::new().workers(2).bind("127.0.0.1:0").await.unwrap();
    let (address, handle) = (server.local_addr().unwrap(), server.handle());
    let serving = tokio::spawn(server.serve(servlet));

    let mut sockets = Vec::new();
    let mut ids = HashSet::new();
    // The kernel spreads connections over workers by a hash of the ports: some more make it certain.
    while sockets.len() < 8 || threads.lock().unwrap().len() < 2 {
        assert!(sockets.len() < 200, "one worker gets everything");
        let (mut socket, _) = connect(format!("ws://{address}/")).await.unwrap();
        assert!(
            ids.insert(next(&mut socket).await.parse::<u64>().unwrap()),
            "ids are unique"
        );
        sockets.push(socket);
    }
    assert_eq!(sessions.open(), sockets.len());
    assert_eq!(sessions.ids().into_iter().collect::<HashSet<_>>(), ids);
    assert_eq!(
        hub.publish("all", &PreparedMessage::text("to all")).queued,
        sockets.len()
    );
    for id in ids {
        sessions.find(id).unwrap().send(format!("to {id}")).await.unwrap();
    }
    for socket in &mut sockets {
        assert_eq!(next(socket).await, "to all");
        assert!(next(socket).await.starts_with("to "));
    }

    let stop = handle.shutdown(Duration::from_secs(5));
    for socket in &mut sockets {
        assert!(matches!(socket.recv().await, Ok(None)));
        assert_eq!(socket.close_reason().unwrap().code.value(), 1001);
    }
    stop.await;
    serving.await.unwrap();
    assert_eq!((sessions.open(), hub.topics()), (0, 0));
}
