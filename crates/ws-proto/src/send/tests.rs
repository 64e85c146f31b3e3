//! The send path alone: what it puts on the wire, what it refuses, what it holds.

use std::io::IoSlice;
use std::sync::Arc;

use bytes::{Buf, Bytes};

use super::{CloseState, Initiator, LARGE_PAYLOAD, PreparedMessage, SendOptions, SendPath};
use crate::code::CloseCode;
use crate::config::Config;
use crate::error::{ProtocolError, UseError};
use crate::frame::CloseEvent;
use crate::mask::MaskKey;
use crate::message::{Message, MessageKind};

fn server() -> SendPath {
    SendPath::server(Arc::new(Config::server()))
}

/// Masks with 1, 2, 3 … in all four bytes.
fn client() -> SendPath {
    let mut last = 0;
    let masks = move || {
        last += 1;
        MaskKey([last; 4])
    };
    SendPath::client(Arc::new(Config::client()), Box::new(masks))
}

/// Takes everything that is ready, slice by slice.
fn written(send: &mut SendPath) -> Vec<u8> {
    let mut out = Vec::new();
    while send.has_remaining() {
        let mut slices = [IoSlice::new(&[]); 3];
        let filled = send.chunks_vectored(&mut slices);
        let bytes: Vec<u8> = slices[..filled].iter().flat_map(|slice| slice.to_vec()).collect();
        send.advance(bytes.len());
        out.extend(bytes);
    }
    out
}

#[test]
fn frames_of_a_server_are_the_examples_of_the_rfc() {
    let mut send = server();
    send.text("Hello").unwrap();
    assert_eq!(written(&mut send), b"\x81\x05Hello");
    send.send_fragment(MessageKind::Text, b"Hel", false).unwrap();
    send.send_fragment(MessageKind::Text, b"lo", true).unwrap();
    assert_eq!(written(&mut send), b"\x01\x03Hel\x80\x02lo");
    send.ping(b"Hello").unwrap();
    assert_eq!(written(&mut send), b"\x89\x05Hello");
    send.binary(&[7; 256]).unwrap();
    assert_eq!(
        written(&mut send),
        [&[0x82, 0x7E, 0x01, 0x00][..], &[7; 256]].concat()
    );
    send.binary(&[7; 65_536]).unwrap();
    assert_eq!(
        written(&mut send),
        [&[0x82, 0x7F, 0, 0, 0, 0, 0, 1, 0, 0][..], &[7; 65_536]].concat()
    );
}

#[test]
fn a_client_masks_with_a_fresh_key_and_leaves_the_callers_bytes_alone() {
    let mut send = client();
    let payload = Bytes::from(vec![0xF0; 20_000]);
    send.binary(&[]).unwrap();
    send.pong(&[0x10, 0x20]).unwrap();
    send.message(Message::Binary(payload.clone())).unwrap();
    let out = written(&mut send);
    assert_eq!(
        &out[..14],
        [0x82, 0x80, 1, 1, 1, 1, 0x8A, 0x82, 2, 2, 2, 2, 0x12, 0x22]
    );
    assert_eq!(&out[14..22], [0x82, 0xFE, 0x4E, 0x20, 3, 3, 3, 3]);
    assert!(out[22..].iter().all(|byte| *byte == 0xF3) && out.len() == 22 + 20_000);
    assert!(payload.iter().all(|byte| *byte == 0xF0));
}

#[test]
fn only_one_message_is_open_at_a_time_and_control_frames_pass_between() {
    let mut send = server();
    send.send_fragment(MessageKind::Text, &[0xC3], false).unwrap();
    assert_eq!(send.open_message(), Some(MessageKind::Text));
    assert_eq!(send.text("x"), Err(UseError::MessageOpen));
    assert_eq!(send.binary(b"x"), Err(UseError::MessageOpen));
    assert_eq!(
        send.prepared(&PreparedMessage::text("x")),
        Err(UseError::MessageOpen)
    );
    assert_eq!(send.message(Message::text("x")), Err(UseError::MessageOpen));
    assert_eq!(
        send.begin_large(MessageKind::Text, b"x", SendOptions::new()),
        Err(UseError::MessageOpen)
    );
    assert_eq!(
        send.send_fragment(MessageKind::Binary, b"x", true),
        Err(UseError::MessageOpen)
    );
    send.ping(b"!").unwrap();
    send.send_fragment(MessageKind::Text, b"", false).unwrap();
    send.send_fragment(MessageKind::Text, &[0xA9], true).unwrap();
    assert_eq!(send.open_message(), None);
    send.text("x").unwrap();
    assert_eq!(
        written(&mut send),
        b"\x01\x01\xC3\x89\x01!\x00\x00\x80\x01\xA9\x81\x01x"
    );
}

#[test]
fn control_payloads_end_at_125() {
    let mut send = server();
    for length in [124, 125] {
        send.ping(&vec![0; length]).unwrap();
        send.pong(&vec![0; length]).unwrap();
    }
    let queued = send.queued_bytes();
    assert_eq!(send.ping(&[0; 126]), Err(UseError::ControlTooLong));
    assert_eq!(send.pong(&[0; 126]), Err(UseError::ControlTooLong));
    assert_eq!(send.queued_bytes(), queued);
}

#[test]
fn a_long_close_reason_is_cut_between_characters() {
    for (reason, kept) in [
        ("r".repeat(122), 122),
        ("r".repeat(123), 123),
        ("r".repeat(124), 123),
        ("é".repeat(61) + "r", 123),
        ("é".repeat(62), 122),
        ("\u{1F600}".repeat(40), 120),
    ] {
        let mut send = server();
        send.close(Some((CloseCode::NORMAL, &reason))).unwrap();
        let out = written(&mut send);
        assert_eq!(out.len(), 4 + kept);
        assert!(reason.starts_with(std::str::from_utf8(&out[4..]).unwrap()));
    }
}

#[test]
fn codes_that_may_not_be_sent_are_refused_and_nothing_happens() {
    let mut send = server();
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000] {
        assert_eq!(
            send.close(Some((CloseCode::new(code), ""))),
            Err(UseError::CloseCode(code))
        );
        assert_eq!(
            send.fail_with(CloseCode::new(code), ""),
            Err(UseError::CloseCode(code))
        );
    }
    assert_eq!((send.state(), send.has_output()), (CloseState::Open, false));
}

#[test]
fn after_close_nothing_more_is_sent() {
    let mut send = server();
    send.text("last").unwrap();
    send.close(None).unwrap();
    send.close(Some((CloseCode::GOING_AWAY, "again"))).unwrap();
    assert_eq!(send.text("x"), Err(UseError::Closed));
    assert_eq!(send.binary(b"x"), Err(UseError::Closed));
    assert_eq!(
        send.send_fragment(MessageKind::Text, b"x", true),
        Err(UseError::Closed)
    );
    assert_eq!(send.ping(b""), Err(UseError::Closed));
    assert_eq!(send.pong(b""), Err(UseError::Closed));
    assert_eq!(send.prepared(&PreparedMessage::text("x")), Err(UseError::Closed));
    assert_eq!(
        send.begin_large(MessageKind::Binary, &[0; LARGE_PAYLOAD], SendOptions::new()),
        Err(UseError::Closed)
    );
    send.handle_ping(b"no pong");
    send.fail(&ProtocolError::TextUtf8);
    assert_eq!(written(&mut send), b"\x81\x04last\x88\x00");
}

#[test]
fn the_echo_has_the_same_code_or_none() {
    let mut send = server();
    send.handle_close(Some(CloseEvent {
        code: CloseCode::new(4000),
        reason: "bye",
    }));
    assert_eq!(send.state(), CloseState::CloseReceived);
    send.handle_close(None);
    assert_eq!(written(&mut send), [0x88, 0x02, 0x0F, 0xA0]);
    assert_eq!(send.state(), CloseState::Closed);
    let reason = send.close_reason().unwrap();
    assert_eq!((reason.code.value(), reason.reason.as_str()), (4000, "bye"));
    assert_eq!((reason.who, reason.clean), (Initiator::Remote, true));

    let mut send = server();
    send.handle_close(None);
    assert_eq!(written(&mut send), [0x88, 0x00]);
    assert_eq!(send.close_reason().unwrap().code, CloseCode::NO_STATUS);
}

#[test]
fn failing_sends_one_close_frame_with_the_mapped_code() {
    let mut send = server();
    send.fail(&ProtocolError::TextUtf8);
    send.fail(&ProtocolError::Unmasked);
    send.close(None).unwrap();
    send.handle_close(None);
    assert_eq!(send.state(), CloseState::CloseSent);
    let out = written(&mut send);
    assert_eq!(out[..4], [0x88, 19, 0x03, 0xEF]);
    assert_eq!(&out[4..], b"text is not UTF-8");
    assert_eq!(send.state(), CloseState::Closed);
    let reason = send.close_reason().unwrap();
    assert_eq!((reason.code, reason.clean), (CloseCode::INVALID_PAYLOAD, false));
}

#[test]
fn ten_pings_get_ten_pongs_and_a_stuck_queue_only_the_last() {
    let mut send = server();
    for n in 0..10 {
        send.handle_ping(&[n]);
    }
    let expected: Vec<u8> = (0..10).flat_map(|n| [0x8A, 1, n]).collect();
    assert_eq!(written(&mut send), expected);

    send.text("stuck").unwrap();
    send.set_blocked(true);
    for n in 0..10 {
        send.handle_ping(&[n]);
    }
    assert_eq!(send.queued_bytes(), 7);
    send.advance(3);
    assert!(send.is_blocked());
    assert_eq!(written(&mut send), b"tuck\x8A\x01\x09");
    assert!(!send.is_blocked());
    send.handle_ping(b"again");
    assert_eq!(written(&mut send), b"\x8A\x05again");
}

#[test]
fn a_held_pong_leaves_when_the_transport_moves_or_before_the_close_frame() {
    let mut send = server();
    send.set_blocked(true);
    assert!(!send.is_blocked(), "an empty queue cannot be stuck");
    send.text("a").unwrap();
    send.set_blocked(true);
    send.handle_ping(b"1");
    send.set_blocked(false);
    assert_eq!(written(&mut send), b"\x81\x01a\x8A\x011");

    send.text("a").unwrap();
    send.set_blocked(true);
    send.handle_ping(b"2");
    send.close(None).unwrap();
    assert_eq!(written(&mut send), b"\x81\x01a\x8A\x012\x88\x00");
}

#[test]
fn limits_of_the_queue_below_at_and_above() {
    let mut config = Config::server();
    config.limits.soft_queue = 100;
    config.limits.hard_queue = 200;
    let mut send = SendPath::server(Arc::new(config));
    assert_eq!(
        send.room_for(1_000_000),
        Ok(()),
        "an empty queue takes any message"
    );
    send.binary(&[0; 97]).unwrap();
    assert_eq!((send.queued_bytes(), send.above_soft_limit()), (99, false));
    send.advance(1);
    send.pong(b"").unwrap();
    assert_eq!((send.queued_bytes(), send.above_soft_limit()), (100, false));
    send.ping(b"").unwrap();
    assert_eq!(
        (send.queued_bytes(), send.above_soft_limit()),
        (102, true),
        "control frames count"
    );
    assert_eq!(send.room_for(97), Ok(()));
    assert_eq!(send.room_for(98), Ok(()));
    assert_eq!(send.room_for(99), Err(UseError::QueueFull));
    send.binary(&[0; 96]).unwrap();
    assert_eq!((send.queued_bytes(), send.room_for(0)), (200, Ok(())));
    send.handle_ping(b"x");
    assert_eq!(
        send.queued_bytes(),
        200,
        "a pong above the hard limit is held back"
    );
    send.advance(1);
    assert_eq!(send.queued_bytes(), 202, "and let go when there is room");
}

#[test]
fn a_slow_transport_and_many_pings_do_not_grow_a_queue_that_is_too_long() {
    let mut send = server();
    send.binary(&vec![0; 2 << 20]).unwrap();
    for n in 0..1000 {
        let before = send.queued_bytes();
        send.handle_ping(&[7; 125]);
        send.advance(1);
        assert_eq!(send.queued_bytes(), before - 1, "ping {n}");
    }
    while send.has_output() {
        send.advance(100_000);
    }
    assert_eq!(send.queued_bytes(), 0, "the held pong has left, too");
}

#[test]
fn a_large_payload_is_lent_by_a_server_and_copied_by_a_client() {
    let payload = vec![5; LARGE_PAYLOAD];
    let mut send = client();
    assert_eq!(
        send.begin_large(MessageKind::Binary, &payload, SendOptions::new()),
        Ok(0)
    );
    assert_eq!(send.queued_bytes(), 8 + LARGE_PAYLOAD);

    let mut send = server();
    assert_eq!(
        send.begin_large(MessageKind::Binary, &payload[1..], SendOptions::new()),
        Ok(0),
        "below the threshold"
    );
    send.advance(usize::MAX);
    assert_eq!(
        send.begin_large_fragment(MessageKind::Binary, &payload, false, SendOptions::new()),
        Ok(LARGE_PAYLOAD)
    );
    send.handle_ping(b"in between");
    assert_eq!(
        send.begin_large_fragment(MessageKind::Binary, &payload, true, SendOptions::new()),
        Ok(0),
        "one at a time"
    );
    assert_eq!(written(&mut send), [0x02, 126, 0x40, 0]);
    assert!(send.has_output() && !send.has_remaining());
    send.advance(100);
    let rest = &payload[payload.len() - send.large_remaining()..];
    assert_eq!(rest.len(), LARGE_PAYLOAD - 100);
    send.finish_large(rest);
    let out = written(&mut send);
    assert_eq!(&out[rest.len()..rest.len() + 12], b"\x8A\x0Ain between");
    assert_eq!(out.len(), rest.len() + 12 + 4 + LARGE_PAYLOAD);
}

#[test]
fn large_owned_payloads_are_not_copied() {
    let payload = Bytes::from(vec![1; LARGE_PAYLOAD]);
    let mut send = server();
    send.message(Message::Binary(payload.clone())).unwrap();
    send.advance(4);
    assert_eq!(send.chunk().as_ptr(), payload.as_ptr());
    send.advance(LARGE_PAYLOAD);

    let prepared = PreparedMessage::binary(&payload);
    send.prepared(&prepared).unwrap();
    assert_eq!(send.chunk().as_ptr(), prepared.frame().as_ptr());
    assert_eq!(send.queued_bytes(), prepared.frame().len());
}

#[test]
fn steady_traffic_keeps_to_the_buffer_it_was_lent() {
    let mut send = server();
    let mut other = server();
    other.text(&"x".repeat(4000)).unwrap();
    other.advance(usize::MAX);
    let pooled = other.detach().unwrap();
    let capacity = pooled.capacity();
    assert!(send.attach(pooled).is_none());
    for _ in 0..1000 {
        for _ in 0..16 {
            send.text("a small message of a steady stream").unwrap();
            send.handle_ping(b"?");
        }
        assert!(send.detach().is_none(), "something waits");
        send.advance(usize::MAX);
    }
    assert_eq!(send.detach().unwrap().capacity(), capacity);
    assert!(!send.has_memory());
}

#[test]
fn what_is_lost_is_forgotten_and_only_a_finished_handshake_is_clean() {
    let mut send = server();
    send.text("x").unwrap();
    send.handle_lost(Initiator::Remote);
    assert!(!send.has_output() && send.is_lost());
    let reason = send.close_reason().unwrap();
    assert_eq!(
        (reason.code, reason.who, reason.clean),
        (CloseCode::ABNORMAL, Initiator::Remote, false)
    );
    assert_eq!(send.text("x"), Err(UseError::Closed));

    let mut send = server();
    send.handle_close(None);
    send.handle_lost(Initiator::Remote);
    assert!(
        !send.close_reason().unwrap().clean,
        "our Close frame was never written"
    );

    let mut send = server();
    send.handle_close(None);
    send.advance(2);
    send.handle_lost(Initiator::Remote);
    assert!(send.close_reason().unwrap().clean);
}
