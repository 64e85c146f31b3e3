//! One kind of work of the codec, so many times: `instructions CASE COUNT`, for `cargo xtask instructions`, which counts
//! the instructions. Without arguments it prints the names of all cases.

use std::hint::black_box;
use std::process::ExitCode;
use std::sync::Arc;

use bytes::Buf as _;
use ws_proto::{
    Config, Event, FrameHeader, MAX_HEADER_LEN, MaskKey, Opcode, ReceivePath, Role, SendPath, Utf8Validator,
    apply_mask,
};

const KEY: MaskKey = MaskKey([0x37, 0xfa, 0x21, 0x3d]);

/// A case makes what it needs and answers the work to be counted.
type Case = fn() -> Box<dyn FnMut()>;

const CASES: [(&str, Case); 12] = [
    ("decode_binary_20", || decode(Opcode::Binary, &small())),
    ("decode_text_20", || decode(Opcode::Text, &small())),
    ("decode_text_1k", || decode(Opcode::Text, &ascii(1024))),
    ("decode_binary_16k", || decode(Opcode::Binary, &ascii(16 << 10))),
    ("decode_4_fragments", || decode_fragments(&ascii(4 << 10), 4)),
    ("encode_binary_20", || encode(small())),
    ("encode_binary_16k", || encode(ascii(16 << 10))),
    ("encode_masked_1k", encode_masked),
    ("mask_16k", mask),
    ("utf8_64k", utf8),
    ("echo_text_20", || echo(Opcode::Text)),
    ("echo_binary_20", || echo(Opcode::Binary)),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, count] = arguments.as_slice() else {
        CASES.iter().for_each(|(name, _)| println!("{name}"));
        return ExitCode::SUCCESS;
    };
    let case = CASES.iter().find(|(known, _)| known == name);
    let (Some((_, case)), Ok(count)) = (case, count.parse::<u32>()) else {
        return ExitCode::FAILURE;
    };
    let mut work = case();
    (0..count).for_each(|_| work());
    ExitCode::SUCCESS
}

fn small() -> Vec<u8> {
    ascii(20)
}

fn ascii(length: usize) -> Vec<u8> {
    b"some text, not the same everywhere; "
        .iter()
        .copied()
        .cycle()
        .take(length)
        .collect()
}

/// A frame as a client sends it.
fn masked_frame(fin: bool, opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let header = FrameHeader {
        fin,
        rsv: 0,
        opcode,
        mask: Some(KEY),
        payload_len: payload.len() as u64,
    };
    let mut head = [0; MAX_HEADER_LEN];
    let length = header.encode(&mut head);
    let mut frame: Vec<u8> = head.iter().copied().take(length).collect();
    let mut payload = payload.to_vec();
    apply_mask(KEY, &mut payload);
    frame.extend_from_slice(&payload);
    frame
}

/// Takes events until the input is used up; what is echoed goes to `send`.
fn receive(path: &mut ReceivePath, mut input: &mut [u8], mut send: Option<&mut SendPath>) {
    while let Ok(Some(event)) = path.next(&mut input) {
        let sent = match (event, send.as_deref_mut()) {
            (Event::Text(text), Some(send)) => send.text(text),
            (Event::Binary(payload), Some(send)) => send.binary(payload),
            (event, _) => {
                black_box(&event);
                Ok(())
            }
        };
        assert_eq!(sent, Ok(()));
    }
}

fn drain(send: &mut SendPath) {
    while send.has_remaining() {
        let length = black_box(send.chunk()).len();
        send.advance(length);
    }
}

fn decode(opcode: Opcode, payload: &[u8]) -> Box<dyn FnMut()> {
    decode_wire(masked_frame(true, opcode, payload))
}

/// A text in so many frames (RFC 6455 §5.4).
fn decode_fragments(payload: &[u8], count: usize) -> Box<dyn FnMut()> {
    let parts: Vec<&[u8]> = payload.chunks(payload.len().div_ceil(count)).collect();
    let frames = parts.iter().enumerate().map(|(number, part)| {
        let opcode = if number == 0 {
            Opcode::Text
        } else {
            Opcode::Continuation
        };
        masked_frame(number + 1 == count, opcode, part)
    });
    decode_wire(frames.flatten().collect())
}

fn decode_wire(frame: Vec<u8>) -> Box<dyn FnMut()> {
    let mut input = frame.clone();
    let mut path = ReceivePath::new(Role::Server, Arc::new(Config::server()));
    Box::new(move || {
        // Unmasking is done in place.
        input.copy_from_slice(&frame);
        receive(&mut path, &mut input, None);
    })
}

fn encode(payload: Vec<u8>) -> Box<dyn FnMut()> {
    let mut send = SendPath::server(Arc::new(Config::server()));
    Box::new(move || {
        assert_eq!(send.binary(&payload), Ok(()));
        drain(&mut send);
    })
}

fn encode_masked() -> Box<dyn FnMut()> {
    let payload = ascii(1024);
    let mut send = SendPath::client(Arc::new(Config::client()), Box::new(|| KEY));
    Box::new(move || {
        assert_eq!(send.binary(&payload), Ok(()));
        drain(&mut send);
    })
}

fn mask() -> Box<dyn FnMut()> {
    // One byte off, as payloads mostly are.
    let mut bytes = ascii((16 << 10) + 1);
    Box::new(move || {
        if let Some((_, payload)) = bytes.split_first_mut() {
            apply_mask(black_box(KEY), payload);
        }
    })
}

fn utf8() -> Box<dyn FnMut()> {
    let text = "λέξη 言葉 mot 🗨️ ".repeat((64 << 10) / 28).into_bytes();
    Box::new(move || {
        let mut validator = Utf8Validator::default();
        black_box(validator.push(black_box(&text)).is_ok());
    })
}

fn echo(opcode: Opcode) -> Box<dyn FnMut()> {
    let frame = masked_frame(true, opcode, &small());
    let mut input = frame.clone();
    let mut path = ReceivePath::new(Role::Server, Arc::new(Config::server()));
    let mut send = SendPath::server(Arc::new(Config::server()));
    Box::new(move || {
        input.copy_from_slice(&frame);
        receive(&mut path, &mut input, Some(&mut send));
        drain(&mut send);
    })
}
