//! permessage-deflate (RFC 7692) through connections: what is received, what is sent, both against an inflater
//! that is strict about windows.

mod strict;

mod fuzz;
mod receive;
mod send;

mod memory;
mod pace;
mod reach;

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Buf;
use ws_proto::{
    CodecPool, Config, DeflateConfig, Deflater, DeflaterSettings, Extensions, FrameHeader, Inflater,
    SendPath, WindowBits,
};

use crate::pair::masks;

/// What is negotiated.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    pub(crate) server_bits: u8,
    pub(crate) client_bits: u8,
    pub(crate) server_takeover: bool,
    pub(crate) client_takeover: bool,
}

impl Terms {
    pub(crate) const FULL: Self = Self::of(15, true);

    /// The same in both directions.
    pub(crate) const fn of(bits: u8, takeover: bool) -> Self {
        Self {
            server_bits: bits,
            client_bits: bits,
            server_takeover: takeover,
            client_takeover: takeover,
        }
    }

    /// What both ends make of it: client, server.
    pub(crate) fn agree(self, threshold: usize, level: u8) -> (Extensions, Extensions) {
        let config = DeflateConfig {
            server_max_window_bits: WindowBits::new(self.server_bits),
            client_max_window_bits: WindowBits::new(self.client_bits),
            server_no_context_takeover: !self.server_takeover,
            client_no_context_takeover: !self.client_takeover,
            threshold,
            level,
        };
        let offers = config.offers();
        let (answer, server) = config.answer(&offers[0]).unwrap();
        let client = config.confirm(&answer).unwrap();
        let [client, server] = [client, server].map(|agreement| {
            let mut extensions = Extensions::new();
            extensions.add_deflate(agreement).unwrap();
            extensions
        });
        (client, server)
    }

    /// The sending half of a server.
    pub(crate) fn server_send(self, threshold: usize, level: u8) -> SendPath {
        SendPath::server(Arc::new(Config::server())).with_extensions(&self.agree(threshold, level).1)
    }

    /// The sending half of a client.
    pub(crate) fn client_send(self, threshold: usize, level: u8) -> SendPath {
        SendPath::client(Arc::new(Config::client()), Box::new(masks()))
            .with_extensions(&self.agree(threshold, level).0)
    }
}

/// A frame that was sent: its header and its payload, unmasked.
pub(crate) type Sent = (FrameHeader, Vec<u8>);

/// Takes every frame that is queued.
pub(crate) fn sent(send: &mut SendPath) -> Vec<Sent> {
    let mut bytes = send.copy_to_bytes(send.remaining()).to_vec();
    let mut frames = Vec::new();
    while let Some((header, len)) = FrameHeader::parse(&bytes).unwrap() {
        let mut payload: Vec<u8> = bytes
            .drain(..len + usize::try_from(header.payload_len).unwrap())
            .collect();
        payload.drain(..len);
        if let Some(key) = header.mask {
            ws_proto::apply_mask(key, &mut payload);
        }
        frames.push((header, payload));
    }
    assert!(bytes.is_empty());
    frames
}

/// JSON-like text.
pub(crate) fn json(length: usize, seed: u32) -> String {
    let words = [
        "alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel",
    ];
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(12_345);
    let mut next = |below: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) % below
    };
    let mut text = String::from("{\"items\":[");
    while text.len() < length {
        let (name, tag) = (words[next(8) as usize], words[next(8) as usize]);
        text += &format!(
            "{{\"id\":{},\"name\":\"{name}\",\"tags\":[\"{tag}\"],\"score\":{}}},",
            next(100_000),
            next(100)
        );
    }
    text.truncate(length);
    text
}

/// Bytes that do not shrink.
pub(crate) fn noise(length: usize, seed: u32) -> Vec<u8> {
    let mut state = seed | 1;
    let mut byte = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[1]
    };
    (0..length).map(|_| byte()).collect()
}

/// A pool for all connections of a test, and what passed through it.
#[derive(Default)]
#[expect(
    clippy::vec_box,
    reason = "the seam passes boxes, and this keeps what it is given"
)]
pub(crate) struct SharedPool {
    inflaters: Mutex<Vec<Box<Inflater>>>,
    deflaters: Mutex<Vec<Box<Deflater>>>,
    turns: AtomicU32,
    kept: AtomicUsize,
    /// How many may be kept; `None`: any number.
    most: Option<usize>,
}

impl SharedPool {
    /// One that lives as long as the test program, as the seam asks for.
    pub(crate) fn leaked() -> &'static Self {
        Box::leak(Box::default())
    }

    /// One that lets so many connections keep a compressor.
    pub(crate) fn leaked_with(most: usize) -> &'static Self {
        Box::leak(Box::new(Self {
            most: Some(most),
            ..Self::default()
        }))
    }

    /// How many compressors are kept between turns.
    pub(crate) fn kept(&self) -> usize {
        self.kept.load(Ordering::Relaxed)
    }

    /// Inflaters and compressors that nobody uses.
    pub(crate) fn idle(&self) -> (usize, usize) {
        (
            self.inflaters.lock().unwrap().len(),
            self.deflaters.lock().unwrap().len(),
        )
    }
}

impl CodecPool for SharedPool {
    fn take_inflater(&self) -> Option<Box<Inflater>> {
        self.inflaters.lock().unwrap().pop()
    }

    fn give_inflater(&self, inflater: Box<Inflater>) {
        self.inflaters.lock().unwrap().push(inflater);
    }

    fn take_deflater(&self, settings: DeflaterSettings) -> Option<Box<Deflater>> {
        let mut idle = self.deflaters.lock().unwrap();
        let place = idle.iter().position(|deflater| deflater.settings() == settings)?;
        Some(idle.swap_remove(place))
    }

    fn give_deflater(&self, deflater: Box<Deflater>) {
        self.deflaters.lock().unwrap().push(deflater);
    }

    fn begin_turn(&self) -> u32 {
        self.turns.fetch_add(1, Ordering::Relaxed)
    }

    fn reserve(&self) -> bool {
        let room = self.most.is_none_or(|most| self.kept() < most);
        self.kept.fetch_add(usize::from(room), Ordering::Relaxed);
        room
    }

    fn release(&self) {
        self.kept.fetch_sub(1, Ordering::Relaxed);
    }
}
