//! The two halves in different tasks: budget, who keeps the connection going, what happens when one is dropped.

use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};
use ws_handler::{Io, Lost, SocketError, TrySendError};
use ws_proto::{CloseCode, Message, PreparedMessage, Role, UseError};

use crate::support::{BINARY, PING, PONG, TEXT, close_payload, frame, pair, server_and_peer, socket};

#[tokio::test(start_paused = true)]
async fn send_waits_above_the_soft_limit_until_it_has_drained() {
    let (server, mut peer) = server_and_peer(1024);
    let (sender, _receiver) = server.split();
    // The first is taken into the empty queue, the second while 40 KiB wait.
    sender.send(vec![1; 40 * 1024]).await.unwrap();
    sender.send(vec![2; 40 * 1024]).await.unwrap();
    let other = sender.clone();
    let mut third = tokio::spawn(async move { other.send(vec![3; 10]).await });
    assert!(
        timeout(Duration::from_secs(5), &mut third).await.is_err(),
        "79 KiB wait"
    );
    let mut bytes = vec![0; 2 * (4 + 40 * 1024) + 12];
    let (first, rest) = bytes.split_at_mut(16 * 1024);
    peer.io.read_exact(first).await.unwrap();
    third.await.unwrap().unwrap();
    assert!(sender.queued_bytes() <= 64 * 1024 + 12);
    let (flushed, read) = tokio::join!(sender.flush(), peer.io.read_exact(rest));
    flushed.unwrap();
    read.unwrap();
    assert_eq!(
        bytes[bytes.len() - 12..],
        frame(Role::Server, BINARY, true, &[3; 10])
    );
}

#[tokio::test(start_paused = true)]
async fn try_send_refuses_above_the_hard_limit_and_gives_the_message_back() {
    let (server, mut peer) = server_and_peer(1024);
    let (sender, mut receiver) = server.split();
    // One message always finds room, whatever its size.
    sender.try_send(vec![0; 2 << 20]).unwrap();
    let refused = sender.try_send("late").unwrap_err();
    assert!(matches!(refused, TrySendError::Full(_)), "{refused:?}");
    assert_eq!(refused.into_message(), Message::text("late"));
    let receive = tokio::spawn(async move { receiver.recv().await });
    assert_eq!(peer.frame().await.unwrap().payload.len(), 2 << 20);
    sender.try_send("now").unwrap();
    assert_eq!(peer.frame().await.unwrap().payload, b"now");
    receive.abort();

    let many = (0..2000)
        .take_while(|_| sender.try_send(vec![0; 1000]).is_ok())
        .count();
    assert!(
        (1000..1100).contains(&many),
        "{many} messages of 1000 bytes within 1 MiB"
    );
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_sent_comes_back_too() {
    let (server, _peer) = server_and_peer(1024);
    let (sender, _receiver) = server.split();
    sender.close(CloseCode::NORMAL, "").await.unwrap();
    assert!(!sender.is_open());
    let refused = sender.try_send("late").unwrap_err();
    assert!(
        matches!(
            refused,
            TrySendError::Refused(_, SocketError::Use(UseError::Closed))
        ),
        "{refused:?}"
    );
    assert_eq!(refused.into_message(), Message::text("late"));
    let refused = sender.send("late").await;
    assert!(
        matches!(refused, Err(SocketError::Use(UseError::Closed))),
        "{refused:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn the_receiver_writes_what_the_sender_could_not() {
    let (server, mut peer) = server_and_peer(1024);
    let (sender, mut receiver) = server.split();
    let receive = tokio::spawn(async move { receiver.recv().await });
    sender.send(vec![7; 10_000]).await.unwrap();
    assert_ne!(sender.queued_bytes(), 0);
    assert_eq!(peer.frame().await.unwrap().payload, vec![7; 10_000]);
    assert_eq!(sender.queued_bytes(), 0);
    peer.send(TEXT, "done").await;
    assert_eq!(receive.await.unwrap().unwrap(), Some("done".into()));
}

#[tokio::test(start_paused = true)]
async fn a_sender_that_waits_answers_pings_and_keeps_messages_for_the_receiver() {
    let (server, mut peer) = server_and_peer(4096);
    let (sender, mut receiver) = server.split();
    peer.send(PING, "p").await;
    peer.send(TEXT, "kept").await;
    sender.try_send(vec![0; 100_000]).unwrap();
    let send = tokio::spawn(async move { sender.flush().await });
    // Nobody polls the receiver.
    assert_eq!(peer.frame().await.unwrap().payload.len(), 100_000);
    let pong = peer.frame().await.unwrap();
    assert_eq!((pong.opcode, &*pong.payload), (PONG, &b"p"[..]));
    send.await.unwrap().unwrap();
    assert_eq!(receiver.recv().await.unwrap(), Some(Message::Ping("p".into())));
    assert_eq!(receiver.recv().await.unwrap(), Some("kept".into()));
}

#[tokio::test(start_paused = true)]
async fn without_senders_the_receiver_goes_on_and_can_make_new_ones() {
    let (server, mut peer) = server_and_peer(1024);
    let (sender, mut receiver) = server.split();
    drop(sender);
    peer.send(PING, "p").await;
    peer.send(TEXT, "t").await;
    assert_eq!(receiver.recv().await.unwrap(), Some(Message::Ping("p".into())));
    assert_eq!(receiver.recv().await.unwrap(), Some("t".into()));
    receiver.sender().send("reply").await.unwrap();
    assert_eq!(peer.frame().await.unwrap().opcode, PONG);
    assert_eq!(peer.frame().await.unwrap().payload, b"reply");
}

#[tokio::test(start_paused = true)]
async fn without_a_receiver_senders_look_after_the_connection() {
    let (server, mut peer) = server_and_peer(1024);
    let (sender, receiver) = server.split();
    drop(receiver);
    peer.send(TEXT, "nobody hears this").await;
    peer.send(PING, "p").await;
    sender.send("news").await.unwrap();
    assert_eq!(sender.queued_bytes(), 0, "nobody else would write it");
    let mut received = [peer.frame().await.unwrap(), peer.frame().await.unwrap()].map(|frame| frame.payload);
    received.sort();
    assert_eq!(received, [&b"news"[..], b"p"]);
    let close = tokio::spawn(async move { sender.close(CloseCode::NORMAL, "").await.map(|()| sender) });
    assert_eq!(peer.frame().await.unwrap().close_code(), 1000);
    peer.send(crate::support::CLOSE, close_payload(1000, "")).await;
    assert_eq!(peer.frame().await, None);
    drop(peer);
    let sender = close.await.unwrap().unwrap();
    assert!(sender.close_reason().unwrap().clean);
}

#[tokio::test(start_paused = true)]
async fn dropping_all_halves_drops_the_stream() {
    let (server, mut peer) = server_and_peer(1024);
    let (sender, receiver) = server.split();
    let clone = sender.clone();
    drop((sender, receiver));
    clone.send("last").await.unwrap();
    drop(clone);
    assert_eq!(peer.frame().await.unwrap().payload, b"last");
    assert_eq!(peer.frame().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_waiting_sender_learns_of_the_end_at_once() {
    let (server, peer) = server_and_peer(1024);
    let (sender, mut receiver) = server.split();
    sender.try_send(vec![0; 100_000]).unwrap();
    let start = Instant::now();
    let send = tokio::spawn(async move { sender.send("x").await });
    let receive = tokio::spawn(async move { receiver.recv().await });
    tokio::task::yield_now().await;
    drop(peer);
    assert!(send.await.unwrap().is_err());
    assert!(receive.await.unwrap().is_err());
    assert!(start.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_stalled_write_is_noticed_by_whoever_waits() {
    let (server, _peer) = server_and_peer(1024);
    let (sender, mut receiver) = server.split();
    let start = Instant::now();
    sender.send(vec![0; 60_000]).await.unwrap();
    let error = receiver.recv().await.unwrap_err();
    assert!(
        matches!(error, SocketError::Lost(Lost::WriteStalled)),
        "{error:?}"
    );
    assert!((30..31).contains(&start.elapsed().as_secs()));
    assert!(sender.send("x").await.is_err());
}

#[tokio::test(start_paused = true)]
async fn the_keep_alive_of_a_receiver_survives_sends_in_between() {
    let (server, mut peer) = server_and_peer(1024);
    let (sender, mut receiver) = server.split();
    let start = Instant::now();
    let receive = tokio::spawn(async move { receiver.recv().await });
    for _ in 0..4 {
        sender.send("tick").await.unwrap();
        assert_eq!(peer.frame().await.unwrap().payload, b"tick");
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
    assert_eq!(peer.frame().await.unwrap().opcode, PING);
    assert!(
        (30_000..30_200).contains(&start.elapsed().as_millis()),
        "{:?}",
        start.elapsed()
    );
    drop(peer);
    assert!(receive.await.unwrap().is_err());
}

#[tokio::test(start_paused = true)]
async fn closing_from_either_half() {
    let (server, mut client) = pair(1024);
    let (sender, mut receiver) = server.split();
    let receive = tokio::spawn(async move { receiver.recv().await.map(|end| (end, receiver)) });
    let client = tokio::spawn(async move { client.recv().await.map(|end| (end, client)) });
    sender
        .close(CloseCode::new(4000), "from the sender")
        .await
        .unwrap();
    let (end, receiver) = receive.await.unwrap().unwrap();
    assert_eq!(end, None);
    assert!(receiver.close_reason().unwrap().clean);
    let (end, client) = client.await.unwrap().unwrap();
    assert_eq!(end, None);
    assert_eq!(&*client.close_reason().unwrap().reason, "from the sender");

    let (server, mut client) = pair(1024);
    let (_sender, mut receiver) = server.split();
    let (closed, end) = tokio::join!(receiver.close(CloseCode::NORMAL, ""), client.recv());
    closed.unwrap();
    assert_eq!(end.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_senders_on_many_threads_do_not_mix_their_frames() {
    const SENDERS: u8 = 8;
    const MESSAGES: usize = 200;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let client = tokio::spawn(async move {
        let stream = TcpStream::connect(address).await.unwrap();
        let mut client = socket(Io::from(stream), Role::Client);
        let mut counts = [0; SENDERS as usize];
        let mut pongs = 0;
        while counts.iter().sum::<usize>() < usize::from(SENDERS) * MESSAGES {
            match client.recv().await.unwrap().unwrap() {
                Message::Binary(bytes) => {
                    assert!(bytes.iter().all(|byte| *byte == bytes[0]));
                    counts[usize::from(bytes[0])] += 1;
                    if bytes[0] == 0 {
                        client.send("ack").await.unwrap();
                    }
                }
                Message::Pong(_) => pongs += 1,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(counts, [MESSAGES; SENDERS as usize]);
        client.close(CloseCode::NORMAL, "").await.unwrap();
        pongs
    });
    let (stream, _) = listener.accept().await.unwrap();
    let (sender, mut receiver) = socket(Io::from(stream), Role::Server).split();
    let tasks: Vec<_> = (0..SENDERS)
        .map(|id| {
            let sender = sender.clone();
            tokio::spawn(async move {
                for index in 0..MESSAGES {
                    let size = [1, 200, 5_000, 30_000][index % 4];
                    if id % 2 == 0 {
                        sender.send(vec![id; size]).await.unwrap();
                    } else {
                        sender
                            .send_prepared(&PreparedMessage::binary(&vec![id; size]))
                            .await
                            .unwrap();
                    }
                }
            })
        })
        .collect();
    let mut acks = 0;
    while let Some(message) = receiver.recv().await.unwrap() {
        acks += usize::from(message.as_text() == Some("ack"));
    }
    for task in tasks {
        task.await.unwrap();
    }
    client.await.unwrap();
    assert_eq!(acks, MESSAGES);
}

#[tokio::test(start_paused = true)]
async fn a_prepared_message_and_a_ping_go_out_in_order() {
    let (server, mut peer) = server_and_peer(1 << 17);
    let (sender, _receiver) = server.split();
    sender
        .send_prepared(&PreparedMessage::binary(&[5; 20_000]))
        .await
        .unwrap();
    sender.ping("p").await.unwrap();
    let first = peer.frame().await.unwrap();
    assert_eq!((first.opcode, first.payload), (BINARY, vec![5; 20_000]));
    assert_eq!(peer.frame().await.unwrap().opcode, PING);
}

/// Messages of a size that is above the soft limit of the queue, and above what the pipe holds.
const BIG: usize = 256 * 1024;

#[tokio::test(start_paused = true)]
async fn two_ends_that_both_send_much_do_not_wait_for_each_other() {
    let (server, client) = pair(16 * 1024);
    let mut tasks = tokio::task::JoinSet::new();
    for (sender, mut receiver) in [server.split(), client.split()] {
        tasks.spawn(async move {
            for number in 0..8 {
                sender.send(vec![number; BIG]).await.unwrap();
            }
            sender.flush().await.unwrap();
        });
        tasks.spawn(async move {
            for number in 0..8 {
                let message = receiver.recv().await.unwrap().unwrap();
                assert_eq!(message.payload(), vec![number; BIG]);
            }
        });
    }
    // Before the write stall of 30 s would end it.
    timeout(Duration::from_secs(5), tasks.join_all()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_client_that_sends_ahead_gets_its_echoes() {
    let (mut server, client) = pair(16 * 1024);
    let echo = tokio::spawn(async move {
        while let Some(message) = server.recv().await.unwrap() {
            if message.is_data() {
                server.send(message).await.unwrap();
            }
        }
    });
    let (sender, mut receiver) = client.split();
    let send = tokio::spawn(async move {
        for number in 0..8 {
            sender.send(vec![number; BIG]).await.unwrap();
        }
        sender
    });
    let receive = async {
        for number in 0..8 {
            let message = receiver.recv().await.unwrap().unwrap();
            assert_eq!(message.payload(), vec![number; BIG]);
        }
    };
    timeout(Duration::from_secs(5), receive).await.unwrap();
    send.await.unwrap().flush().await.unwrap();
    receiver.close(CloseCode::NORMAL, "").await.unwrap();
    echo.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_reads_on_holds_one_pong_however_many_pings_come() {
    let (server, mut peer) = server_and_peer(1024);
    let (sender, mut receiver) = server.split();
    sender.try_send(vec![0; 100_000]).unwrap();
    let waiting = sender.queued_bytes();
    let receive = tokio::spawn(async move { while receiver.recv().await.unwrap().is_some() {} });
    for _ in 0..100 {
        peer.send(PING, [1; 125]).await;
    }
    assert!(
        sender.queued_bytes() <= waiting + 127,
        "{} bytes",
        sender.queued_bytes()
    );
    receive.abort();
}
