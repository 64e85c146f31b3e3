//! How a server and a factory stop.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep};
use ws_handler::{
    HandshakeError, Lost, Outcome, PeerInfo, RequestHead, Server, Service, Signal, SocketError, StopSummary,
    Upgraded, WebSocketFactory, WebSocketHandler,
};
use ws_proto::CloseCode;

use crate::harness::{Recorder, Running, UPGRADE, read_all, read_bytes, read_head, start};

/// A factory and a server whose WebSockets run the library's closing handshake.
fn serve() -> (Running, WebSocketFactory) {
    let factory = WebSocketFactory::default();
    let handler = WebSocketHandler::new(factory.clone(), |mut socket, _| async move {
        while let Ok(Some(message)) = socket.recv().await {
            if socket.send(message).await.is_err() {
                break;
            }
        }
    });
    (start(Server::new(), handler), factory)
}

async fn upgraded(server: &Running) -> tokio::io::DuplexStream {
    let mut peer = server.network.send(UPGRADE).await;
    assert!(read_head(&mut peer).await.starts_with("HTTP/1.1 101 "));
    peer
}

/// Reads a Close frame and answers it with the same code, masked with zeros.
async fn close_handshake(peer: &mut tokio::io::DuplexStream) -> u16 {
    let frame = read_bytes::<4>(peer).await;
    assert_eq!(frame[..2], [0x88, 2], "a Close frame with nothing but a code");
    peer.write_all(&[0x88, 0x82, 0, 0, 0, 0, frame[2], frame[3]])
        .await
        .unwrap();
    u16::from_be_bytes([frame[2], frame[3]])
}

fn counts(summary: StopSummary) -> (usize, usize) {
    (summary.closed, summary.dropped)
}

#[tokio::test(start_paused = true)]
async fn a_server_stops_in_order() {
    let (server, _) = serve();
    let mut open = [upgraded(&server).await, upgraded(&server).await];
    let mut silent = upgraded(&server).await;
    let mut waiting = server.network.send("GET / HTTP/1.1\r\n").await;
    sleep(Duration::from_millis(1)).await;
    assert_eq!(server.handle.open_connections(), 4);

    let began = Instant::now();
    let stop = server.handle.shutdown(Duration::from_secs(30));
    // Accepted but not upgraded: told to come back later.
    let text = read_all(&mut waiting).await;
    assert!(text.starts_with("HTTP/1.1 503 "), "{text}");
    assert!(
        text.contains("Retry-After: ") && text.contains("Connection: close\r\n"),
        "{text}"
    );
    drop(waiting);
    assert!(!server.network.is_open(), "the listener is closed");
    for peer in &mut open {
        assert_eq!(close_handshake(peer).await, 1001);
        assert_eq!(read_all(peer).await, "", "and then the end of the stream");
    }
    drop(open);
    sleep(Duration::from_secs(3)).await;
    assert_eq!(server.handle.open_connections(), 1);

    // This one never answers. Its own close timeout (10 s) ends it before the deadline.
    assert_eq!(read_bytes(&mut silent).await, [0x88, 2, 0x03, 0xe9], "1001");
    assert_eq!(read_all(&mut silent).await, "");
    assert!(
        (9..12).contains(&began.elapsed().as_secs()),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(counts(stop.await), (4, 0));
    assert_eq!(
        counts(server.task.await.unwrap()),
        (4, 0),
        "serve returns the same"
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_open_at_the_deadline_is_dropped_and_counted() {
    let (server, _) = serve();
    let mut silent = upgraded(&server).await;
    let mut polite = upgraded(&server).await;
    let began = Instant::now();
    let stop = server.handle.shutdown(Duration::from_secs(5));
    assert_eq!(close_handshake(&mut polite).await, 1001);
    drop(polite);
    assert_eq!(counts(stop.await), (1, 1));
    assert_eq!(began.elapsed().as_secs(), 5);
    let mut frame = Vec::new();
    silent.read_to_end(&mut frame).await.unwrap();
    assert_eq!(frame, [0x88, 2, 0x03, 0xe9], "1001, and then nothing");
}

#[tokio::test(start_paused = true)]
async fn the_owner_of_a_dropped_connection_learns_of_it() {
    let (sender, mut ends) = tokio::sync::mpsc::unbounded_channel();
    let handler = WebSocketHandler::new(WebSocketFactory::default(), move |mut socket, _| {
        let sender = sender.clone();
        async move { sender.send(socket.recv().await).unwrap() }
    });
    let server = start(Server::new(), handler);
    let _silent = upgraded(&server).await;
    server.handle.shutdown(Duration::from_secs(5)).await;
    let end = ends.recv().await;
    assert!(
        matches!(end, Some(Err(SocketError::Lost(Lost::Dropped)))),
        "{end:?}"
    );
}

/// A server whose connections hold the stream and the registration, and listen to nobody.
fn deaf() -> (Running, WebSocketFactory) {
    let factory = WebSocketFactory::default();
    let count = factory.clone();
    let service = Recorder::new(move |request| {
        Outcome::upgrade(&factory, request, |upgraded: Upgraded| {
            Box::pin(async move {
                let _held = upgraded;
                std::future::pending::<()>().await;
            })
        })
    });
    (start(Server::new(), service), count)
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_ignores_the_signal_is_aborted_soon_after_the_deadline() {
    let (server, factory) = deaf();
    let mut peer = upgraded(&server).await;
    let began = Instant::now();
    assert_eq!(
        counts(server.handle.shutdown(Duration::from_secs(5)).await),
        (0, 1)
    );
    assert!(
        (5000..6000).contains(&began.elapsed().as_millis()),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(read_all(&mut peer).await, "");
    assert_eq!(factory.open_connections(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_factory_aborts_such_a_connection_too_and_both_seats_are_free() {
    let (server, factory) = deaf();
    let mut peer = upgraded(&server).await;
    assert_eq!(
        (server.handle.open_connections(), factory.open_connections()),
        (1, 1)
    );
    assert_eq!(counts(factory.stop(Duration::from_secs(5)).await), (0, 1));
    assert_eq!(read_all(&mut peer).await, "");
    assert_eq!(
        (server.handle.open_connections(), factory.open_connections()),
        (0, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn a_second_shutdown_with_less_time_counts() {
    let (server, _) = serve();
    let mut silent = upgraded(&server).await;
    let began = Instant::now();
    let patient = server.handle.shutdown(Duration::from_secs(9));
    sleep(Duration::from_secs(1)).await;
    let at_once = server.handle.shutdown(Duration::ZERO);
    assert_eq!(counts(at_once.await), (0, 1));
    assert_eq!(counts(patient.await), (0, 1));
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    assert!(
        read_all(&mut silent).await.ends_with("\u{3}\u{fffd}"),
        "1001 was sent before"
    );
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_goes_on_though_nobody_waits_for_it() {
    let (server, _) = serve();
    let _silent = upgraded(&server).await;
    drop(server.handle.shutdown(Duration::from_secs(5)));
    assert_eq!(counts(server.task.await.unwrap()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_the_service_still_considers_gets_503() {
    struct Slow;
    impl Service for Slow {
        async fn call(&self, _: &RequestHead, _: &PeerInfo) -> Outcome {
            std::future::pending().await
        }
    }
    let server = start(Server::new(), Slow);
    let mut peer = server.network.send(UPGRADE).await;
    sleep(Duration::from_millis(1)).await;
    let stop = server.handle.shutdown(Duration::from_secs(5));
    let text = read_all(&mut peer).await;
    assert!(
        text.starts_with("HTTP/1.1 503 ") && text.contains("Retry-After: "),
        "{text}"
    );
    drop(peer);
    assert_eq!(counts(stop.await), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn callers_in_the_queue_of_the_listener_get_503() {
    let server = start(
        Server::new().waiting_limit(1),
        Recorder::echo_bytes(WebSocketFactory::default()),
    );
    let _accepted = server.network.connect();
    let mut queued = [
        server.network.send(UPGRADE).await,
        server.network.send(UPGRADE).await,
    ];
    sleep(Duration::from_millis(1)).await;
    assert_eq!(server.handle.open_connections(), 1, "the others wait");
    let stop = server.handle.shutdown(Duration::from_secs(5));
    for peer in &mut queued {
        let text = read_all(peer).await;
        assert!(
            text.starts_with("HTTP/1.1 503 ") && text.contains("Retry-After: "),
            "{text}"
        );
    }
    stop.await;
}

#[tokio::test(start_paused = true)]
async fn stopping_the_factory_closes_all_with_1001_and_refuses_new_ones() {
    let (server, factory) = serve();
    let mut open = [
        upgraded(&server).await,
        upgraded(&server).await,
        upgraded(&server).await,
    ];
    assert_eq!(factory.open_connections(), 3);
    let stop = factory.stop(Duration::from_secs(30));
    for peer in &mut open {
        assert_eq!(close_handshake(peer).await, 1001);
    }
    drop(open);
    assert_eq!(counts(stop.await), (3, 0));
    assert_eq!(factory.open_connections(), 0);
    assert!(factory.is_stopped());
    assert_eq!(factory.register().err(), Some(HandshakeError::Stopping));
    let text = read_all(&mut server.network.send(UPGRADE).await).await;
    assert!(text.starts_with("HTTP/1.1 503 "), "{text}");
    assert!(text.contains("Retry-After: "), "{text}");
    // The server itself goes on.
    let text = read_all(&mut server.network.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n").await).await;
    assert!(text.starts_with("HTTP/1.1 426 "), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_stop_for_a_restart_says_1012() {
    let (server, factory) = serve();
    let mut peer = upgraded(&server).await;
    let stop = factory.stop_with(CloseCode::SERVICE_RESTART, Duration::from_secs(30));
    assert_eq!(close_handshake(&mut peer).await, 1012);
    drop(peer);
    assert_eq!(counts(stop.await), (1, 0));
    let (server, _) = serve();
    let mut peer = upgraded(&server).await;
    let stop = server
        .handle
        .shutdown_with(CloseCode::SERVICE_RESTART, Duration::from_secs(30));
    assert_eq!(close_handshake(&mut peer).await, 1012);
    drop(peer);
    assert_eq!(counts(stop.await), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn the_factory_drops_what_is_open_at_its_deadline() {
    let (server, factory) = serve();
    let mut silent = upgraded(&server).await;
    let began = Instant::now();
    assert_eq!(counts(factory.stop(Duration::from_secs(5)).await), (0, 1));
    assert_eq!(began.elapsed().as_secs(), 5);
    read_all(&mut silent).await;
    assert_eq!(factory.open_connections(), 0);
}

#[tokio::test]
async fn a_registration_made_while_the_factory_stops_is_told_at_once() {
    let factory = WebSocketFactory::default();
    let registration = factory.register().unwrap();
    assert_eq!(factory.open_connections(), 1);
    drop(factory.stop(Duration::ZERO));
    assert_eq!(registration.signal().peek(Signal::STOP), Signal::STOP);
    drop(registration);
    assert_eq!(factory.open_connections(), 0);
}

#[tokio::test]
async fn a_stopped_server_no_longer_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let bound = Server::new().listen(listener);
    let address = bound.local_addr().unwrap();
    let handle = bound.handle();
    let serving = tokio::spawn(bound.serve(Recorder::echo_bytes(WebSocketFactory::default())));
    let mut peer = TcpStream::connect(address).await.unwrap();
    peer.write_all(UPGRADE.as_bytes()).await.unwrap();
    assert!(read_head(&mut peer).await.starts_with("HTTP/1.1 101 "));
    drop(peer);
    handle.shutdown(Duration::from_secs(30)).await;
    serving.await.unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}
