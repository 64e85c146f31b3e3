//! Masks payloads of several sizes, whole, and in pieces that are too short for wide registers; prints the least time of
//! many rounds for each, in nanoseconds: `cargo run --release -p ws-proto --example masking`.

use std::hint::black_box;
use std::time::{Duration, Instant};

use ws_proto::{MaskKey, apply_mask};

const KEY: MaskKey = MaskKey([0x37, 0xFA, 0x21, 0x3D]);

/// Payloads begin here in their memory, behind a header as in a read buffer.
const HEADER: usize = 14;

/// A multiple of a block, and below what wide registers are used for.
const PIECE: usize = 448;

fn main() {
    println!("{:>9} {:>11} {:>11}", "bytes", "in pieces", "whole");
    for size in [20, 125, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 1 << 20] {
        let mut memory = vec![7; HEADER + size];
        let (_, payload) = memory.split_at_mut(HEADER);
        let pieces = least(size, || {
            for piece in payload.chunks_mut(PIECE) {
                apply_mask(black_box(KEY), piece);
            }
        });
        let whole = least(size, || apply_mask(black_box(KEY), black_box(&mut *payload)));
        println!("{size:>9} {pieces:>11.1} {whole:>11.1}");
    }
}

/// The least time of one run, in nanoseconds.
#[expect(clippy::disallowed_methods, reason = "this measures time")]
fn least(size: usize, mut run: impl FnMut()) -> f64 {
    let runs = u32::try_from((1 << 22) / size).unwrap_or(u32::MAX);
    let round = |_| {
        let start = Instant::now();
        (0..runs).for_each(|_| run());
        start.elapsed()
    };
    let best: Duration = (0..100).map(round).min().unwrap_or_default();
    best.as_secs_f64() * 1e9 / f64::from(runs)
}
