//! What compressed messages that arrive make us hold.

use std::sync::Arc;

use ws_proto::{Config, Event, ProtocolError, ReceivePath, Role, SendOptions};

use super::receive::{BINARY, PART_OF_TEXT, TEXT, all, frame, server, text};
use super::{SharedPool, Terms, json, sent};

#[test]
fn memory_for_a_bomb_grows_to_the_limit_and_no_further() {
    // From one buffer to the next, both at most the limit: less than twice the limit at any moment.
    for limit in [100_000, 131_073, 1_000_000] {
        for text in [true, false] {
            let mut send = Terms::of(15, false).client_send(0, 9);
            send.binary(&vec![b'a'; limit]).unwrap();
            let (_, payload) = sent(&mut send).remove(0);
            let mut path = server(Terms::FULL, |config| config.limits.max_message_size = limit);
            let events = all(&mut path, &frame(if text { TEXT } else { BINARY }, &payload));
            assert_eq!(events.len(), 1);
            let capacity = path.detach_buffer().unwrap().capacity();
            assert!((limit..=limit + 16).contains(&capacity), "{capacity} for {limit}");
        }
    }
}

#[test]
fn inflaters_are_lent_for_a_message_and_no_longer() {
    let pool = SharedPool::leaked();
    let (client, server) = Terms::of(12, true).agree(0, 6);
    let server = server.with_pool(pool);
    let path = || ReceivePath::new(Role::Server, Arc::new(Config::server())).with_extensions(&server);
    let mut paths = [path(), path(), path()];
    let mut sends = [(); 3].map(|()| {
        ws_proto::SendPath::client(Arc::new(Config::client()), Box::new(crate::pair::masks()))
            .with_extensions(&client)
    });
    for round in 0..20 {
        for (path, send) in paths.iter_mut().zip(&mut sends) {
            let message = json(700, round % 3);
            send.message_with(message.as_str().into(), SendOptions::new())
                .unwrap();
            let (header, payload) = sent(send).remove(0);
            let bytes = frame(0x80 | header.rsv | header.opcode.bits(), &payload);
            let (start, rest) = bytes.split_at(bytes.len() / 2);
            assert_eq!(all(path, start), []);
            assert_eq!(pool.idle().0, 0, "in use while a message is open");
            assert!(path.held() >= 64 * 1024, "and counted");
            assert_eq!(all(path, rest), [text(&message)]);
            assert_eq!(pool.idle().0, 1, "one serves all");
            assert_eq!(path.held(), 0);
        }
    }
    // A connection that ends in the middle gives it back too.
    let part = frame(PART_OF_TEXT, &[0xF2, 0x48]);
    assert_eq!(all(&mut paths[0], &part), []);
    assert_eq!(pool.idle().0, 0);
    paths[0].stop();
    assert_eq!(pool.idle().0, 1);
    assert_eq!(all(&mut paths[1], &part), []);
    drop(paths);
    assert_eq!(pool.idle().0, 1);
}

#[test]
fn between_messages_a_path_gives_its_memory_back_and_remembers_what_it_must() {
    let mut send = Terms::of(15, true).client_send(0, 6);
    let mut path = server(Terms::FULL, |_| ());
    assert!(path.is_detached(), "nothing has arrived");
    let message = json(1000, 1);
    let mut lengths = Vec::new();
    for round in 1..4 {
        send.text(&message).unwrap();
        let (_, payload) = sent(&mut send).remove(0);
        lengths.push(payload.len());
        let mut wire = frame(TEXT, &payload);
        let (begin, end) = wire.split_at_mut(7);
        assert_eq!(path.next(&mut &mut begin[..]), Ok(None));
        assert!(path.detach().is_none(), "a message is open");
        assert_eq!(path.next(&mut &mut end[..]), Ok(Some(Event::Text(&message))));
        let memory = path.detach().unwrap();
        assert!(path.is_detached());
        assert_eq!(path.inflated_bytes().1, round * 1000);
        // Whoever works with that memory next knows nothing of the extension.
        let mut plain = ReceivePath::new(Role::Server, Arc::new(Config::server()));
        assert!(plain.attach(memory).is_none());
        assert_eq!(
            plain.next(&mut &mut frame(TEXT, b"x")[..]),
            Err(ProtocolError::ReservedBits)
        );
    }
    assert!(lengths[1] < lengths[0] / 2, "it refers to what came before");
}
