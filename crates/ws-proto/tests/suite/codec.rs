//! The tokio-util codec: the same events as the machines, owned.

use std::error::Error;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tokio_util::codec::{Decoder, Encoder};
use ws_proto::{
    CloseCode, CloseFrame, CodecError, Config, Delivery, Message, ProtocolError, Received, UseError,
    WebSocketCodec,
};

use crate::pair::{masked, masks};

fn client() -> WebSocketCodec {
    WebSocketCodec::client(Arc::new(Config::client()), Box::new(masks()))
}

fn server() -> WebSocketCodec {
    WebSocketCodec::server(Arc::new(Config::server()))
}

/// Feeds `bytes` in parts of `size`; everything that comes out.
fn decoded(codec: &mut WebSocketCodec, bytes: &[u8], size: usize) -> Vec<Received> {
    let mut buffer = BytesMut::new();
    let mut items = Vec::new();
    for part in bytes.chunks(size) {
        buffer.extend_from_slice(part);
        while let Some(item) = codec.decode(&mut buffer).unwrap() {
            items.push(item);
        }
        assert!(buffer.is_empty());
    }
    items
}

#[test]
fn what_one_end_encodes_the_other_decodes_however_it_is_cut() {
    let messages = [
        Message::text("κόσμε"),
        Message::binary(vec![7; 70_000]),
        Message::Ping(Bytes::from_static(b"?")),
        Message::Pong(Bytes::new()),
        Message::text(""),
    ];
    let pairs: [fn() -> (WebSocketCodec, WebSocketCodec); 2] =
        [|| (client(), server()), || (server(), client())];
    for pair in pairs {
        for size in [1, 3, 1000, 1_000_000] {
            let (mut from, mut to) = pair();
            let mut wire = BytesMut::new();
            for message in &messages {
                from.encode(message.clone(), &mut wire).unwrap();
            }
            let expected: Vec<Received> = messages.iter().cloned().map(Received::Message).collect();
            assert!(decoded(&mut to, &wire, size) == expected, "in parts of {size}");
        }
    }
}

#[test]
fn fragments_come_out_as_fragments_when_configured_and_go_back_as_they_came() {
    let config = Config::server().with_delivery(Delivery::Fragment);
    let mut codec = WebSocketCodec::server(Arc::new(config));
    let wire = b"\x01\x02a\xC3\x00\x00\x80\x01\xA9";
    let mut echo = BytesMut::new();
    let items = decoded(&mut codec, &masked(wire), 4);
    assert_eq!(items.len(), 3);
    for item in items {
        codec.encode(item, &mut echo).unwrap();
    }
    assert_eq!(&echo[..], wire);
}

#[test]
fn a_close_frame_is_the_last_item_and_is_answered_by_sending_it_back() {
    let mut codec = server();
    let items = decoded(&mut codec, &masked(b"\x88\x05\x0F\xA0bye\x81\x00"), 2);
    let frame = CloseFrame {
        code: CloseCode::new(4000),
        reason: "bye".into(),
    };
    assert_eq!(items, [Received::Close(Some(frame))]);
    let mut output = BytesMut::new();
    let refused = codec.encode(Message::text("too late"), &mut output);
    assert!(matches!(refused, Err(CodecError::Use(UseError::Closed))));
    for item in items {
        codec.encode(item, &mut output).unwrap();
    }
    codec.encode(Received::Close(None), &mut output).unwrap();
    assert_eq!(&output[..], b"\x88\x02\x0F\xA0", "once");
    assert!(codec.close_reason().is_some_and(|reason| reason.clean));
}

#[test]
fn a_violation_is_an_error_and_its_close_frame_is_ready() {
    let mut codec = server();
    let mut input = BytesMut::from(&[0x83, 0x80, 0, 0][..]);
    let error = codec.decode(&mut input).unwrap_err();
    assert!(matches!(
        error,
        CodecError::Protocol(ProtocolError::ReservedOpcode(3))
    ));
    assert_eq!(error.source().unwrap().to_string(), "reserved opcode 0x3");
    assert!(matches!(codec.decode(&mut input), Ok(None)));
    assert!(input.is_empty());
    let mut output = BytesMut::new();
    codec.encode(Received::Close(None), &mut output).unwrap();
    assert_eq!(&output[..4], [0x88, 17, 0x03, 0xEA]);
}

#[test]
fn a_close_frame_of_our_own_obeys_the_rules() {
    let mut codec = client();
    let mut output = BytesMut::new();
    let forbidden = CloseFrame {
        code: CloseCode::NO_STATUS,
        reason: String::new(),
    };
    let refused = codec.encode(Received::Close(Some(forbidden)), &mut output);
    assert!(matches!(refused, Err(CodecError::Use(UseError::CloseCode(1005)))));
    assert!(output.is_empty());
    codec.encode(Received::Close(None), &mut output).unwrap();
    assert_eq!(output.len(), 6);
    assert_eq!(output[..2], [0x88, 0x80]);
}
