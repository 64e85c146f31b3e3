//! Which compressor is quicker when many connections have their turn: one of their own, or a common one that loads what
//! was said before? The figures in docs/PERFORMANCE.md, and why `ext::deflate::pace` decides as it does:
//!
//! ```text
//! cargo run --release -p ws-proto --features deflate --example compressors
//! ```
//!
//! One thread, messages of 1 KiB like those of `ws-testkit bench --text`, context takeover. Prints µs for each message
//! with its own compressor and with a common one, and the bytes on the wire.
#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on may end")]
#![expect(
    clippy::disallowed_methods,
    reason = "ws-proto has no clock, a measurement has one"
)]

use std::sync::{Arc, Mutex};
use std::time::Instant;

use bytes::Buf;
use ws_proto::{
    CodecPool, Config, DeflateConfig, Deflater, DeflaterSettings, Extensions, Inflater, SendPath, WindowBits,
};

/// Messages whose time is taken.
const MESSAGES: usize = 4_000;

/// Messages of each connection before that, until its history is full.
const BEFORE: usize = 40;

/// One compressor for all who ask.
#[derive(Default)]
struct One(Mutex<Option<Box<Deflater>>>);

impl CodecPool for One {
    fn take_inflater(&self) -> Option<Box<Inflater>> {
        None
    }

    fn give_inflater(&self, _: Box<Inflater>) {}

    fn take_deflater(&self, _: DeflaterSettings) -> Option<Box<Deflater>> {
        self.0.lock().unwrap().take()
    }

    fn give_deflater(&self, deflater: Box<Deflater>) {
        *self.0.lock().unwrap() = Some(deflater);
    }
}

fn main() {
    println!("connections bits level: own compressor, common one (µs, bytes)");
    for (bits, level) in [
        (12, 1),
        (12, 6),
        (13, 1),
        (13, 6),
        (14, 1),
        (14, 6),
        (15, 1),
        (15, 3),
        (15, 4),
        (15, 6),
    ] {
        for connections in [1, 16, 32, 64, 100] {
            let [own, common] = [false, true].map(|common| measure(connections, bits, level, common));
            println!(
                "{connections:>11} {bits:>4} {level:>5}: {:6.1} {:4.0}   {:6.1} {:4.0}",
                own.0, own.1, common.0, common.1
            );
        }
    }
}

/// µs and bytes for a message.
fn measure(connections: usize, bits: u8, level: u8, common: bool) -> (f64, f64) {
    let pool: &'static One = Box::leak(Box::default());
    let mut sends: Vec<_> = (0..connections)
        .map(|_| {
            SendPath::server(Arc::new(Config::server())).with_extensions(&agree(bits, level).with_pool(pool))
        })
        .collect();
    let texts: Vec<_> = (0..MESSAGES as u64).map(records).collect();
    let before = BEFORE * connections;
    let mut begin = Instant::now();
    let mut bytes = 0;
    for number in 0..before + MESSAGES {
        if number == before {
            begin = Instant::now();
            bytes = 0;
        }
        let place = number % connections;
        let send = sends.get_mut(place).unwrap();
        // No message follows one that was like it.
        send.text(texts.get(number * 7_919 % MESSAGES).unwrap()).unwrap();
        bytes += send.remaining();
        send.advance(send.remaining());
        if common {
            send.hibernate();
        }
    }
    let each = |sum: f64| sum / MESSAGES as f64;
    (each(begin.elapsed().as_secs_f64() * 1e6), each(bytes as f64))
}

/// What a server has after a handshake on these terms.
fn agree(bits: u8, level: u8) -> Extensions {
    let config = DeflateConfig {
        server_max_window_bits: WindowBits::new(bits),
        level,
        threshold: 0,
        ..DeflateConfig::new()
    };
    let offers = config.offers();
    let (_, agreement) = config.answer(offers.first().unwrap()).unwrap();
    let mut extensions = Extensions::new();
    extensions.add_deflate(agreement).unwrap();
    extensions
}

/// 1 KiB of a list in JSON.
fn records(number: u64) -> String {
    let mut state = number;
    let mut below = |end: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % end
    };
    let mut text = String::new();
    while text.len() < 1024 {
        text += &format!(
            r#"{{"id":{},"user":"{}-{:06x}","at":{},"price":{}.{:02},"ok":{}}},"#,
            below(1 << 31),
            ["ada", "grace", "alan", "edsger"][below(4) as usize],
            below(1 << 24),
            1_763_000_000_000 + below(1_000_000_000),
            below(1000),
            below(100),
            below(2) == 0,
        );
    }
    text.truncate(1024);
    text
}
