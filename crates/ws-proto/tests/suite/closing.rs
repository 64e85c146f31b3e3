//! The closing handshake and the end of TCP (RFC 6455 §7.1), case by case: C01 to C14, T02, T03.

use bytes::Buf;
use ws_proto::{CloseCode, CloseState, Config, Initiator, ProtocolError, UseError};

use crate::pair::{Pair, Seen, masked, seconds};

const NORMAL: Option<(CloseCode, &str)> = Some((CloseCode::NORMAL, "bye"));

fn closed(code: u16, reason: &str) -> Seen {
    Seen::Close(Some((code, reason.to_owned())))
}

/// Both ends are gone, nothing is left over.
fn assert_gone(pair: &mut Pair) {
    for end in [&mut pair.client, &mut pair.server] {
        assert!(end.dropped && end.finished);
        assert_eq!(end.connection.state(), CloseState::Closed);
        assert_eq!(
            end.connection.poll_timeout(pair.now),
            None,
            "no timer runs after the end"
        );
    }
}

#[test]
fn the_client_closes_and_the_server_ends_tcp_first() {
    let mut pair = Pair::new();
    pair.client.connection.close(NORMAL).unwrap();
    pair.server.deaf = true;
    pair.run();
    pair.server.deaf = false;
    assert_eq!(pair.client.connection.state(), CloseState::CloseSent);
    assert!(
        !pair.client.finished,
        "RFC 6455 §7.1.1: the client waits for the server"
    );
    pair.client.deaf = true;
    pair.run();
    assert!(
        pair.server.finished && !pair.server.dropped,
        "half closed, and reads on"
    );
    pair.client.deaf = false;
    pair.run();
    assert_eq!(pair.server.seen, [closed(1000, "bye")]);
    assert_eq!(pair.client.seen, [closed(1000, "")]);
    assert_eq!(pair.server.ending(), Some((1000, Initiator::Remote, true)));
    assert_eq!(pair.client.ending(), Some((1000, Initiator::Local, true)));
    assert_gone(&mut pair);
}

#[test]
fn the_server_closes_and_still_ends_tcp_first() {
    let mut pair = Pair::new();
    pair.server
        .connection
        .close(Some((CloseCode::GOING_AWAY, "")))
        .unwrap();
    pair.client.deaf = true;
    pair.run();
    assert!(!pair.server.finished, "the answer is awaited");
    pair.client.deaf = false;
    pair.run();
    assert_eq!(pair.client.ending(), Some((1001, Initiator::Remote, true)));
    assert_eq!(pair.server.ending(), Some((1001, Initiator::Local, true)));
    assert_gone(&mut pair);
}

#[test]
fn c01_close_payload_of_one_byte_is_1002() {
    let mut pair = Pair::new();
    pair.inject_to_server(&masked(&[0x88, 1, 3]));
    pair.run();
    assert_eq!(pair.server.seen, [Seen::Error(ProtocolError::ClosePayloadLength)]);
    assert_eq!(pair.server.ending(), Some((1002, Initiator::Local, false)));
    assert_eq!(pair.client.seen, [closed(1002, "close payload of one byte")]);
    assert_gone(&mut pair);
}

#[test]
fn c02_codes_that_may_not_be_sent_are_1002() {
    for code in [
        0, 999, 1004, 1005, 1006, 1015, 1016, 1500, 2000, 2999, 5000, 65535_u16,
    ] {
        let mut pair = Pair::new();
        let [high, low] = code.to_be_bytes();
        pair.inject_to_server(&masked(&[0x88, 2, high, low]));
        pair.run();
        assert_eq!(pair.server.seen, [Seen::Error(ProtocolError::CloseCode(code))]);
        assert_eq!(pair.server.wire[2..4], 1002_u16.to_be_bytes());
        assert_gone(&mut pair);
    }
}

#[test]
fn c03_registered_and_free_codes_are_accepted_and_echoed() {
    for code in [
        1000, 1001, 1002, 1003, 1007, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999_u16,
    ] {
        let mut pair = Pair::new();
        pair.client
            .connection
            .close(Some((CloseCode::new(code), "")))
            .unwrap();
        pair.run();
        let [high, low] = code.to_be_bytes();
        assert_eq!(pair.server.wire, [0x88, 2, high, low]);
        assert_eq!(pair.client.ending(), Some((code, Initiator::Local, true)));
        assert_gone(&mut pair);
    }
}

#[test]
fn an_empty_close_is_answered_with_an_empty_one() {
    let mut pair = Pair::new();
    pair.client.connection.close(None).unwrap();
    pair.run();
    assert_eq!(pair.server.seen, [Seen::Close(None)]);
    assert_eq!(pair.server.wire, [0x88, 0]);
    assert_eq!(pair.server.ending(), Some((1005, Initiator::Remote, true)));
    assert_eq!(pair.client.ending(), Some((1005, Initiator::Local, true)));
}

#[test]
fn c04_reason_that_is_not_utf8_is_1007() {
    let mut pair = Pair::new();
    pair.inject_to_server(&masked(b"\x88\x04\x03\xE8\xC3\x28"));
    pair.run();
    assert_eq!(pair.server.seen, [Seen::Error(ProtocolError::CloseReasonUtf8)]);
    assert_eq!(pair.server.ending(), Some((1007, Initiator::Local, false)));
}

#[test]
fn c05_reason_below_at_and_above_123_bytes() {
    for (length, fits) in [(122, true), (123, true), (124, false)] {
        let mut pair = Pair::new();
        let mut frame = match u8::try_from(length + 2).unwrap() {
            short @ 0..=125 => vec![0x88, short],
            long => vec![0x88, 126, 0, long],
        };
        frame.extend(1000_u16.to_be_bytes());
        frame.resize(frame.len() + length, b'r');
        pair.inject_to_server(&masked(&frame));
        pair.run();
        let expected = if fits {
            closed(1000, &"r".repeat(length))
        } else {
            Seen::Error(ProtocolError::ControlTooLong)
        };
        assert_eq!(pair.server.seen, [expected]);
        assert_gone(&mut pair);
    }
}

#[test]
fn c06_after_close_data_and_pings_are_ignored() {
    let mut pair = Pair::new();
    pair.inject_to_server(&masked(b"\x88\x02\x03\xE8\x81\x05Hello\x89\x00\x83\x00"));
    pair.run();
    assert_eq!(pair.server.seen, [closed(1000, "")]);
    assert_eq!(pair.server.wire, b"\x88\x02\x03\xE8", "neither pong nor error");
    assert_eq!(pair.server.ending(), Some((1000, Initiator::Remote, true)));
}

#[test]
fn c07_the_second_close_is_ignored() {
    let mut pair = Pair::new();
    pair.inject_to_server(&masked(b"\x88\x02\x03\xE8\x88\x02\x03\xE9\x88\x01\x00"));
    pair.run();
    assert_eq!(pair.server.seen, [closed(1000, "")]);
    assert_eq!(pair.server.wire, b"\x88\x02\x03\xE8");
}

#[test]
fn c08_simultaneous_close_is_clean_on_both_ends() {
    let mut pair = Pair::new();
    pair.client
        .connection
        .close(Some((CloseCode::new(4001), "client")))
        .unwrap();
    pair.server
        .connection
        .close(Some((CloseCode::new(4002), "server")))
        .unwrap();
    pair.run();
    assert_eq!(pair.client.seen, [closed(4002, "server")]);
    assert_eq!(pair.server.seen, [closed(4001, "client")]);
    assert_eq!(pair.client.ending(), Some((4002, Initiator::Local, true)));
    assert_eq!(pair.server.ending(), Some((4001, Initiator::Local, true)));
    assert_gone(&mut pair);
}

#[test]
fn c09_a_close_that_is_never_answered_ends_with_1006() {
    let mut pair = Pair::new();
    pair.client.deaf = true;
    pair.server.connection.close(NORMAL).unwrap();
    pair.sleep(seconds(9));
    assert!(!pair.server.dropped);
    assert_eq!(pair.server.ending(), None);
    pair.sleep(seconds(1));
    assert!(pair.server.dropped, "10 s are the default");
    assert_eq!(pair.server.ending(), Some((1006, Initiator::Local, false)));
}

#[test]
fn data_that_was_under_way_when_we_closed_is_still_delivered_and_pings_are_not_answered() {
    let mut pair = Pair::new();
    pair.server.connection.close(NORMAL).unwrap();
    pair.client.text("crossing");
    pair.client.connection.sender().ping(b"?").unwrap();
    pair.run();
    assert_eq!(
        pair.server.seen[..2],
        [Seen::Text("crossing".into()), Seen::Ping(b"?".to_vec())]
    );
    assert_eq!(pair.server.seen[2..], [closed(1000, "")]);
    assert_eq!(pair.client.seen, [closed(1000, "bye")]);
}

#[test]
fn c10_the_server_drains_for_two_seconds_and_then_drops() {
    let mut pair = Pair::new();
    pair.server.deaf = true;
    pair.client.connection.close(NORMAL).unwrap();
    pair.run();
    pair.client.deaf = true;
    pair.server.deaf = false;
    pair.run();
    assert!(pair.server.finished && !pair.server.dropped);
    pair.sleep(seconds(1));
    assert!(!pair.server.dropped);
    pair.sleep(seconds(1));
    assert!(pair.server.dropped);
    assert_eq!(
        pair.server.ending(),
        Some((1000, Initiator::Remote, true)),
        "it stays clean"
    );
}

#[test]
fn c10_the_server_drains_64_kib_and_then_drops() {
    let limit = Config::DRAIN_BYTES;
    for (sent, drops) in [(limit - 1, false), (limit, true), (limit + 1, true)] {
        let mut pair = Pair::new();
        pair.client.deaf = true;
        pair.inject_to_server(&[0x83, 0x80]);
        pair.run();
        assert!(pair.server.finished, "failed, half closed");
        pair.inject_to_server(&vec![0xAA; sent]);
        pair.run();
        assert_eq!(pair.server.dropped, drops, "after {sent} bytes");
    }
}

#[test]
fn the_client_waits_for_the_server_to_end_tcp_but_not_for_ever() {
    let mut pair = Pair::new();
    pair.inject_to_client(b"\x88\x02\x03\xE8");
    pair.server.deaf = true;
    pair.run();
    assert_eq!(pair.client.connection.state(), CloseState::Closed);
    assert!(!pair.client.finished);
    pair.sleep(seconds(2));
    assert!(pair.client.dropped);
    assert_eq!(pair.client.ending(), Some((1000, Initiator::Remote, true)));
}

#[test]
fn a_failed_client_half_closes_without_waiting() {
    let mut pair = Pair::new();
    pair.server.deaf = true;
    pair.inject_to_client(&[0x81, 0x80, 1, 2, 3, 4]);
    pair.run();
    assert_eq!(pair.client.seen, [Seen::Error(ProtocolError::Masked)]);
    assert!(pair.client.finished && !pair.client.dropped);
    pair.sleep(seconds(2));
    assert!(pair.client.dropped);
    assert_eq!(pair.client.ending(), Some((1002, Initiator::Local, false)));
}

#[test]
fn c11_close_behind_a_mebibyte_of_data() {
    let mut pair = Pair::new();
    pair.server.stuck = true;
    let data = vec![0xDA; 1 << 20];
    pair.server.connection.send(data.as_slice()).unwrap();
    pair.server.connection.close(NORMAL).unwrap();
    pair.run();
    assert!(!pair.server.finished);
    pair.server.stuck = false;
    pair.run();
    assert_eq!(pair.client.seen, [Seen::Binary(data), closed(1000, "bye")]);
    assert_eq!(pair.server.ending(), Some((1000, Initiator::Local, true)));
    assert_gone(&mut pair);
}

#[test]
fn c12_a_hundred_calls_make_one_close_frame() {
    let mut pair = Pair::new();
    for code in 4000..4100 {
        pair.client
            .connection
            .close(Some((CloseCode::new(code), "")))
            .unwrap();
    }
    pair.run();
    assert_eq!(pair.client.wire.len(), 2 + 4 + 2);
    assert_eq!(pair.server.seen, [closed(4000, "")]);
}

#[test]
fn c13_the_reason_is_cut_to_123_bytes_between_characters() {
    let mut pair = Pair::new();
    pair.client
        .connection
        .close(Some((CloseCode::NORMAL, &"é".repeat(100))))
        .unwrap();
    pair.run();
    assert_eq!(pair.server.seen, [closed(1000, &"é".repeat(61))]);
}

#[test]
fn c14_the_close_event_comes_once_whoever_repeats_it() {
    let mut pair = Pair::new();
    pair.client.connection.close(NORMAL).unwrap();
    for _ in 0..3 {
        pair.inject_to_server(&masked(b"\x88\x02\x0F\xA0"));
        pair.server.connection.close(NORMAL).unwrap();
        pair.run();
        pair.server.connection.handle_eof();
        pair.server.connection.handle_lost();
        pair.sleep(seconds(60));
    }
    let closes = pair
        .server
        .seen
        .iter()
        .filter(|seen| matches!(seen, Seen::Close(_)));
    assert_eq!(closes.count(), 1);
    assert_eq!(pair.server.wire.len(), 2 + 2 + 3, "and one Close frame");
}

#[test]
fn t02_end_of_input_without_close_is_1006() {
    let mut pair = Pair::new();
    pair.client.text("half a wo");
    pair.run();
    pair.server.connection.send("not going out").unwrap();
    pair.server.peer_finished = true;
    pair.server.stuck = true;
    pair.run();
    assert!(pair.server.dropped, "fail fast: what was queued is forgotten");
    assert_eq!(pair.server.ending(), Some((1006, Initiator::Remote, false)));
    assert_eq!(pair.server.connection.send("x"), Err(UseError::Closed));
}

#[test]
fn end_of_input_instead_of_an_answer_is_1006() {
    let mut pair = Pair::new();
    pair.client.deaf = true;
    pair.server.connection.close(NORMAL).unwrap();
    pair.run();
    pair.server.peer_finished = true;
    pair.run();
    assert_eq!(pair.server.ending(), Some((1006, Initiator::Local, false)));
    assert!(pair.server.dropped);
}

#[test]
fn t03_end_of_input_right_after_close_is_clean_and_still_answered() {
    let mut pair = Pair::new();
    pair.server.stuck = true;
    pair.inject_to_server(&masked(b"\x88\x02\x03\xE8"));
    pair.run();
    pair.server.peer_finished = true;
    pair.run();
    assert!(!pair.server.dropped, "the answer is not out yet");
    assert_eq!(pair.server.connection.state(), CloseState::CloseReceived);
    pair.server.stuck = false;
    pair.run();
    assert_eq!(pair.server.wire, b"\x88\x02\x03\xE8");
    assert!(pair.server.dropped);
    assert_eq!(pair.server.ending(), Some((1000, Initiator::Remote, true)));
}

#[test]
fn a_transport_that_breaks_before_our_answer_is_out_was_not_clean() {
    let mut pair = Pair::new();
    pair.server.stuck = true;
    pair.inject_to_server(&masked(b"\x88\x02\x03\xE8"));
    pair.run();
    pair.server.connection.handle_lost();
    pair.run();
    assert!(pair.server.dropped);
    assert_eq!(pair.server.ending(), Some((1000, Initiator::Remote, false)));
}

#[test]
fn an_answer_that_cannot_be_written_is_given_up_after_the_close_timeout() {
    let mut pair = Pair::new();
    pair.server.stuck = true;
    pair.inject_to_server(&masked(b"\x88\x02\x03\xE8"));
    pair.sleep(seconds(9));
    assert!(!pair.server.dropped);
    pair.sleep(seconds(1));
    assert!(pair.server.dropped);
    assert_eq!(pair.server.ending(), Some((1000, Initiator::Remote, false)));
}

#[test]
fn a_violation_while_our_close_is_unanswered_fails_without_a_second_frame() {
    let mut pair = Pair::new();
    pair.client.deaf = true;
    pair.server.connection.close(NORMAL).unwrap();
    pair.run();
    pair.inject_to_server(&masked(b"\x83\x00\x88\x00"));
    pair.run();
    assert_eq!(pair.server.seen, [Seen::Error(ProtocolError::ReservedOpcode(3))]);
    assert_eq!(pair.server.wire, b"\x88\x05\x03\xE8bye");
    assert_eq!(pair.server.ending(), Some((1002, Initiator::Local, false)));
}

#[test]
fn nothing_counts_after_a_failure_of_our_own() {
    let mut pair = Pair::new();
    pair.server
        .connection
        .sender()
        .fail_with(CloseCode::INTERNAL_ERROR, "callback failed")
        .unwrap();
    pair.inject_to_server(&masked(b"\x81\x05Hello\x88\x00"));
    pair.run();
    assert_eq!(pair.server.seen, []);
    assert_eq!(pair.server.ending(), Some((1011, Initiator::Local, false)));
    assert_eq!(pair.client.seen, [closed(1011, "callback failed")]);
    assert_gone(&mut pair);
}

#[test]
fn parts_of_a_connection_go_on_apart() {
    let pair = Pair::new();
    let (mut receive, mut send, timers, mut tcp) = pair.server.connection.into_parts();
    assert!(timers.next_deadline().is_some());
    let mut bytes = masked(b"\x89\x01!");
    let mut input = bytes.as_mut_slice();
    while let Some(event) = receive.next(&mut input).unwrap() {
        if let ws_proto::Event::Ping(payload) = event {
            send.handle_ping(payload);
        }
    }
    assert_eq!(send.chunk(), b"\x8A\x01!");
    tcp.handle_eof(&mut send);
    assert_eq!(tcp.poll(&send), ws_proto::TcpAction::Drop);
}
