//! The `connect` builder over TCP on the loopback interface.
#![expect(clippy::unwrap_used, reason = "what goes wrong in a test fails it")]

use std::collections::HashSet;
use std::error::Error as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use ws_handler::{
    ClientRequest, ConnectError, HeadLimits, HeadReader, RequestError, RequestHead, ServerHandshake,
    UrlError, WebSocket, client_handshake, connect, encode_response,
};
use ws_proto::{CloseCode, Config, Message, Role};

/// Accepts one connection, answers its handshake and returns its request.
async fn serve_one() -> (SocketAddr, JoinHandle<(RequestHead, SocketAddr)>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (mut stream, peer) = listener.accept().await.unwrap();
        let head = HeadReader::new(HeadLimits::default())
            .read_request(&mut stream)
            .await
            .unwrap()
            .unwrap();
        let accepted = ServerHandshake::new()
            .subprotocols(["chat"])
            .accept(head.request())
            .unwrap();
        let mut answer = encode_response(&accepted.response());
        answer.extend_from_slice(b"\x81\x05hello");
        stream.write_all(&answer).await.unwrap();
        (head, peer)
    });
    (address, server)
}

#[tokio::test]
async fn connects_with_every_option() {
    let (address, server) = serve_one().await;
    let builder = connect(format!("ws://u:p@{address}/room?x=1"))
        .header("X-Test", "1")
        .subprotocols(["other", "chat"]);
    let builder = builder
        .origin(&format!("http://{address}"))
        .bind_address(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let upgrade = builder.upgrade().await.unwrap();
    assert_eq!(upgrade.negotiated.subprotocol.as_deref(), Some("chat"));
    assert_eq!(upgrade.response.status(), 101);
    let ws_handler::Io::Tcp(stream) = &upgrade.io else {
        panic!("a TCP stream stays one")
    };
    assert!(stream.nodelay().unwrap());
    let (head, peer) = server.await.unwrap();
    assert_eq!(peer, stream.local_addr().unwrap());
    let request = head.request();
    assert_eq!(request.uri(), "/room?x=1");
    assert_eq!(request.headers()["host"], address.to_string());
    assert_eq!(request.headers()["x-test"], "1");
    assert_eq!(request.headers()["authorization"], "Basic dTpw");
}

#[tokio::test]
async fn nodelay_can_be_left_off() {
    let (address, server) = serve_one().await;
    let upgrade = connect(format!("ws://{address}/"))
        .nodelay(false)
        .upgrade()
        .await
        .unwrap();
    let ws_handler::Io::Tcp(stream) = &upgrade.io else {
        panic!("a TCP stream stays one")
    };
    assert!(!stream.nodelay().unwrap());
    server.await.unwrap();
}

/// `localhost` has two addresses nearly everywhere, and only one of them is listened on.
#[tokio::test]
async fn a_name_with_a_dead_address_connects_to_the_other() {
    let (address, server) = serve_one().await;
    connect(format!("ws://localhost:{}/", address.port()))
        .upgrade()
        .await
        .unwrap();
    server.await.unwrap();
}

#[tokio::test]
async fn a_refused_connection_names_the_addresses_tried() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = connect(format!("ws://{address}/")).upgrade().await.unwrap_err();
    let ConnectError::Tcp(attempts) = &error else {
        panic!("{error:?}")
    };
    assert_eq!(attempts.len(), 1);
    assert_eq!(attempts[0].0, address);
    assert_eq!(attempts[0].1.kind(), std::io::ErrorKind::ConnectionRefused);
    assert!(error.to_string().contains(&address.to_string()));
    let other_family = connect(format!("ws://{address}/")).bind_address("::1".parse().unwrap());
    assert!(matches!(other_family.upgrade().await, Err(ConnectError::Tcp(_))));
}

#[tokio::test]
async fn mistakes_come_out_when_awaited_and_nothing_is_dialled() {
    let error = connect("ws://h/#fragment").upgrade().await.unwrap_err();
    assert!(matches!(error, ConnectError::Url(UrlError::Fragment)));
    assert!(error.source().is_some());
    let error = connect("wss://127.0.0.1:1/").upgrade().await.unwrap_err();
    assert!(matches!(error, ConnectError::TlsNotBuilt), "{error:?}");
    let error = connect("ws://127.0.0.1:1/")
        .header("Host", "x")
        .header("a b", "c")
        .upgrade()
        .await
        .unwrap_err();
    assert!(
        matches!(error, ConnectError::Request(RequestError::ReservedHeader(_))),
        "the first mistake: {error:?}"
    );
    let error = connect("ws://127.0.0.1:1/")
        .header("X", "a\r\nb")
        .upgrade()
        .await
        .unwrap_err();
    assert!(
        matches!(error, ConnectError::Request(RequestError::Header)),
        "{error:?}"
    );
    let error = connect("ws://127.0.0.1:1/")
        .subprotocol("a")
        .subprotocol("a")
        .upgrade()
        .await
        .unwrap_err();
    assert!(
        matches!(error, ConnectError::Request(RequestError::Subprotocol)),
        "{error:?}"
    );
}

/// From `connect` to the closing handshake; the first frame came in the same segment as the 101.
#[tokio::test]
async fn an_awaited_connect_is_an_open_socket() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut reader = HeadReader::new(HeadLimits::default());
        let head = reader.read_request(&mut stream).await.unwrap().unwrap();
        let accepted = ServerHandshake::new()
            .subprotocols(["chat"])
            .accept(head.request())
            .unwrap();
        let answer = [&encode_response(&accepted.response())[..], b"\x81\x05hello"].concat();
        stream.write_all(&answer).await.unwrap();
        let (config, leftover) = (Arc::new(Config::server()), reader.into_leftover());
        let socket = WebSocket::from_upgraded(stream, Role::Server, &leftover, config, accepted.negotiated);
        let mut socket = socket.unwrap();
        while let Some(message) = socket.recv().await.unwrap() {
            socket.send(message).await.unwrap();
        }
        socket.close_reason().unwrap().code
    });
    let (mut socket, response) = connect(format!("ws://{address}/"))
        .subprotocol("chat")
        .await
        .unwrap();
    assert_eq!(response.headers()["sec-websocket-protocol"], "chat");
    assert_eq!(socket.subprotocol(), Some("chat"));
    assert_eq!(socket.recv().await.unwrap(), Some(Message::from("hello")));
    for text in ["one", "two"] {
        socket.send(text).await.unwrap();
        assert_eq!(socket.recv().await.unwrap(), Some(Message::from(text)));
    }
    socket.close(CloseCode::NORMAL, "done").await.unwrap();
    drop(socket);
    assert_eq!(server.await.unwrap(), CloseCode::NORMAL);
}

/// The socket of a client masks with a new key for each frame.
#[tokio::test]
async fn equal_frames_of_a_client_differ_on_the_wire() {
    let (near, mut far) = tokio::io::duplex(4096);
    let request = ClientRequest::new("ws://h/".parse().unwrap());
    let server = async {
        let head = HeadReader::new(HeadLimits::default())
            .read_request(&mut far)
            .await
            .unwrap()
            .unwrap();
        let accepted = ServerHandshake::new().accept(head.request()).unwrap();
        far.write_all(&encode_response(&accepted.response()))
            .await
            .unwrap();
        far
    };
    let limit = Duration::from_secs(10);
    let (upgrade, mut far) = tokio::join!(client_handshake(near, &request, limit), server);
    let (mut socket, _) = upgrade
        .unwrap()
        .into_websocket(Arc::new(Config::client()))
        .unwrap();
    let mut frames = [[0; 10]; 8];
    for frame in &mut frames {
        socket.send("same").await.unwrap();
        socket.flush().await.unwrap();
        far.read_exact(frame).await.unwrap();
        let [0x81, 0x84, key @ .., a, b, c, d] = *frame else {
            panic!("a masked text frame: {frame:?}")
        };
        let key: [u8; 4] = key;
        let payload = [a ^ key[0], b ^ key[1], c ^ key[2], d ^ key[3]];
        assert_eq!(&payload, b"same");
    }
    assert_eq!(frames.iter().collect::<HashSet<_>>().len(), frames.len());
}
