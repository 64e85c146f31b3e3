//! Law: receiving and answering small messages allocates nothing once buffers are warm. Counted by the allocator, for
//! the thread of the server, through a real socket.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what goes wrong in a test fails it"
)]

mod counting;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use tokio::net::TcpListener;
use ws_handler::{Io, Link, ReadBuffer, Signal, Wake};
use ws_proto::{Config, Event, FrameHeader, MaskKey, Opcode, ReceivePath, Role, SendPath, apply_mask};

use crate::counting::allocations;

fn frame(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let key = MaskKey([1, 2, 3, 4]);
    let header = FrameHeader {
        fin: true,
        rsv: 0,
        opcode,
        mask: Some(key),
        payload_len: payload.len() as u64,
    };
    let mut bytes = [0; 14];
    let len = header.encode(&mut bytes);
    let mut frame = bytes[..len].to_vec();
    frame.extend_from_slice(payload);
    apply_mask(key, &mut frame[len..]);
    frame
}

/// What a client sends.
#[derive(Debug, Clone, Copy)]
struct Load {
    opcode: Opcode,
    size: usize,
    batch: usize,
    /// The last message of a batch arrives in two pieces: the second one only when the messages before it have been
    /// answered.
    cut: bool,
}

/// Sends batches and waits for the answers, on a thread of its own.
fn client(address: std::net::SocketAddr, load: Load, rounds: usize) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    let request = frame(load.opcode, &vec![b'x'; load.size]).repeat(load.batch);
    let (first, second) = request.split_at(request.len() - if load.cut { 20 } else { 0 });
    // A frame without its masking key.
    let answer_len = request.len() / load.batch - 4;
    let mut answer = vec![0; load.batch * answer_len];
    let (answer_first, answer_second) =
        answer.split_at_mut((load.batch - usize::from(load.cut)) * answer_len);
    for _ in 0..rounds {
        stream.write_all(first).unwrap();
        stream.read_exact(answer_first).unwrap();
        stream.write_all(second).unwrap();
        stream.read_exact(answer_second).unwrap();
    }
    stream.write_all(&frame(Opcode::Close, &[3, 232])).unwrap();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
}

/// Echoes; says how many allocations the messages after the warm-up cost.
async fn serve(io: Io, warm_up: usize) -> (usize, u64) {
    let config = Arc::new(Config::server());
    let mut receive = ReceivePath::new(Role::Server, Arc::clone(&config));
    let mut buffer = ReadBuffer::new();
    let mut link = Link::new(io, SendPath::server(config), Arc::new(Signal::new()));
    let (mut messages, mut first, mut last) = (0, 0, 0);
    loop {
        match link.wake(&mut receive, &mut buffer).await {
            Wake::Data => loop {
                let sent = match buffer.next_event(&mut receive) {
                    Ok(Some(Event::Text(text))) => link.text(text).await,
                    Ok(Some(Event::Binary(bytes))) => link.binary(bytes).await,
                    Ok(Some(Event::Close(close))) => {
                        link.handle_close(close);
                        continue;
                    }
                    Ok(None) => break,
                    other => panic!("{other:?}"),
                };
                sent.unwrap();
                link.handle_data();
                messages += 1;
                if messages == warm_up {
                    first = allocations();
                } else {
                    last = allocations();
                }
            },
            Wake::Finished => return (messages, last - first),
            other => panic!("{other:?}"),
        }
    }
}

/// Serves one such client; says how many allocations `messages` of its messages cost after the warm-up.
fn allocated(load: Load, warm_up: usize, messages: usize) -> u64 {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (served, allocated) = runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let rounds = (warm_up + messages).div_ceil(load.batch);
        let client = std::thread::spawn(move || client(address, load, rounds));
        let (stream, _) = listener.accept().await.unwrap();
        let served = serve(Io::from(stream), warm_up).await;
        client.join().unwrap();
        served
    });
    assert!(served >= warm_up + messages);
    allocated
}

#[test]
fn a_thousand_small_messages_allocate_nothing() {
    for opcode in [Opcode::Text, Opcode::Binary] {
        for (batch, cut) in [(1, false), (16, false), (2, true)] {
            let load = Load {
                opcode,
                size: 64,
                batch,
                cut,
            };
            assert_eq!(allocated(load, 100, 1_000), 0, "{load:?}");
        }
    }
}

/// A message of a mebibyte that was gathered in fresh memory cost half as much again: every buffer was made, grown and
/// given back to the system.
#[test]
fn large_messages_are_gathered_in_memory_that_is_there() {
    for (opcode, size) in [
        (Opcode::Binary, 1 << 20),
        (Opcode::Binary, 200_000),
        (Opcode::Text, 500_000),
    ] {
        let load = Load {
            opcode,
            size,
            batch: 1,
            cut: false,
        };
        // None as a rule. How a large message is cut into reads is up to the kernel, and a pool may run empty once.
        let allocated = allocated(load, 20, 40);
        assert!(allocated < 10, "{load:?}: {allocated}");
    }
}
