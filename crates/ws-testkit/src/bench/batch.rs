//! What connections send, built before the run: batches of masked frames, and the payloads to expect back.
//!
//! A batch is a pipeline full of messages, each different, so that answers out of order do not go unnoticed. A few
//! versions of the batch go round, so that an answer of the round before does not either.
//!
//! Compressed messages refer to those before them (RFC 7692 §7.1.1), and the versions go round in a circle. So they
//! are compressed in this order as one stream, twice round: what comes of the second time refers to no more than the
//! circle behind it, so every connection can send it for ever after. Only the first time round there is less to refer
//! to, and connections begin at different places: that is compressed apart, for each place.

use ws_proto::{Extensions, MessageKind, Opcode};

use super::frames::{Frames, Wire};
use super::options::{BenchOptions, Payload};
use super::payload::payload;
use super::reply::Expected;
use crate::workload::fresh_run_id;

/// Versions of a batch: a prime, so that no pattern of connections and rounds falls together with it.
const VERSIONS: usize = 7;

/// Bytes of payload above which no further version is made: beyond the caches of a core the load generator itself
/// would become slow.
const ENOUGH: usize = 2 << 20;

/// The circle of compressed messages holds at least so many bytes of payload, twice the largest window (RFC 7692
/// §7.1.2): nobody finds a message of the round before in the window, and no reference reaches beyond the circle.
const CIRCLE: usize = 64 << 10;

/// Different places in the circle where connections begin, with a first time round of its own for each.
const PLACES: usize = 7;

/// All batches of a run.
#[derive(Debug)]
pub(super) struct Batches {
    opcode: Opcode,
    /// The payloads of each version.
    payloads: Vec<Vec<Vec<u8>>>,
    /// What is sent of it.
    wires: Vec<Wire>,
    /// Compressed: what is sent the first time round, for each place to begin at, from there on.
    first_time: Vec<Vec<Wire>>,
}

/// A pipeline full of messages.
#[derive(Debug, Clone, Copy)]
pub(super) struct Batch<'a> {
    opcode: Opcode,
    payloads: &'a [Vec<u8>],
    pub(super) wire: &'a Wire,
}

impl Batches {
    /// The batches for connections that agreed on these extensions.
    pub(super) fn new(options: &BenchOptions, extensions: &Extensions) -> Self {
        let kind = match options.payload {
            Payload::Binary => MessageKind::Binary,
            Payload::Text | Payload::Utf8 => MessageKind::Text,
        };
        let run = fresh_run_id();
        let compressed = extensions.deflate().is_some();
        let payloads: Vec<Vec<Vec<u8>>> = (0..versions(options, compressed))
            .map(|version| {
                (0..options.pipeline as u64)
                    .map(|number| payload(options, run, version, number))
                    .collect()
            })
            .collect();
        let frames = || Frames::new(kind, options.fragments, run, extensions);
        let mut stream = frames();
        let mut round = || payloads.iter().map(|payloads| stream.wire(payloads)).collect();
        let mut wires: Vec<Wire> = round();
        let mut first_time = Vec::new();
        if compressed {
            wires = round();
            let places = places(payloads.len());
            first_time = places
                .map(|place| {
                    let mut stream = frames();
                    let circle = payloads.iter().cycle().skip(place).take(payloads.len());
                    circle.map(|payloads| stream.wire(payloads)).collect()
                })
                .collect();
        }
        Self {
            opcode: match kind {
                MessageKind::Text => Opcode::Text,
                MessageKind::Binary => Opcode::Binary,
            },
            payloads,
            wires,
            first_time,
        }
    }

    /// The batch that a connection sends in a round.
    pub(super) fn batch(&self, connection: usize, round: u64) -> Option<Batch<'_>> {
        let versions = self.payloads.len();
        let first = if self.first_time.is_empty() {
            connection
        } else {
            places(versions).nth(connection % self.first_time.len())?
        };
        let version = ((first as u64).wrapping_add(round) % (versions as u64).max(1)) as usize;
        let first_time = self.first_time.get(connection % self.first_time.len().max(1));
        let first_wire = first_time
            .filter(|_| round < versions as u64)
            .and_then(|wires| wires.get(round as usize));
        Some(Batch {
            opcode: self.opcode,
            payloads: self.payloads.get(version)?,
            wire: first_wire.or_else(|| self.wires.get(version))?,
        })
    }
}

impl<'a> Batch<'a> {
    /// The answer to a message of the batch.
    pub(super) fn expected(self, message: usize) -> Option<Expected<'a>> {
        Some(Expected {
            opcode: self.opcode,
            payload: self.payloads.get(message)?,
        })
    }
}

fn versions(options: &BenchOptions, compressed: bool) -> usize {
    let volume = (options.size * options.pipeline).max(1);
    let versions = (ENOUGH / volume).clamp(1, VERSIONS);
    if compressed && options.size > 0 {
        versions.max(CIRCLE.div_ceil(volume))
    } else {
        versions
    }
}

/// Where connections begin in a circle of so many versions.
fn places(versions: usize) -> impl Iterator<Item = usize> + Clone {
    let places = PLACES.min(versions);
    (0..places).map(move |place| place * versions / places)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ws_proto::{Config, DeflateConfig, Event, ReceivePath, Role};

    use super::*;
    use crate::bench::run::tests::options;

    fn agreed(config: &DeflateConfig) -> Extensions {
        let (answer, _) = config.answer(&config.offers()[0]).unwrap();
        let mut extensions = Extensions::new();
        extensions.add_deflate(config.confirm(&answer).unwrap()).unwrap();
        extensions
    }

    /// What a server of ours makes of a batch.
    fn received(path: &mut ReceivePath, bytes: &[u8]) -> Vec<(Opcode, Vec<u8>)> {
        let mut bytes = bytes.to_vec();
        let (mut input, mut messages) = (&mut bytes[..], Vec::new());
        while let Some(event) = path.next(&mut input).unwrap() {
            messages.push(match event {
                Event::Text(text) => (Opcode::Text, text.as_bytes().to_vec()),
                Event::Binary(bytes) => (Opcode::Binary, bytes.to_vec()),
                other => panic!("{other:?}"),
            });
        }
        messages
    }

    fn server(extensions: &Extensions) -> ReceivePath {
        let mut config = Config::server();
        config.limits.max_message_size = usize::MAX;
        config.limits.max_frame_size = usize::MAX;
        ReceivePath::new(Role::Server, Arc::new(config)).with_extensions(extensions)
    }

    fn expected(batch: Batch<'_>, pipeline: usize) -> Vec<(Opcode, Vec<u8>)> {
        (0..pipeline)
            .map(|message| batch.expected(message).unwrap())
            .map(|expected| (expected.opcode, expected.payload.to_vec()))
            .collect()
    }

    #[test]
    fn a_batch_holds_its_messages() {
        for payload in [Payload::Text, Payload::Utf8, Payload::Binary] {
            for (size, fragments) in [(0, 1), (1, 1), (20, 1), (1000, 4), (70_000, 3)] {
                let mut options = options("ws://localhost/");
                (options.payload, options.size, options.fragments) = (payload, size, fragments);
                options.pipeline = 5;
                let plain = Extensions::new();
                let batches = Batches::new(&options, &plain);
                let batch = batches.batch(0, 3).unwrap();
                let found = received(&mut server(&plain), &batch.wire.bytes);
                assert_eq!(found, expected(batch, 5), "{payload:?} {size}");
                assert!(found.iter().all(|(_, payload)| payload.len() == size));
                let half = received(&mut server(&plain), &batch.wire.bytes[..batch.wire.end(2)]);
                assert_eq!(half.len(), 2);
            }
        }
    }

    #[test]
    fn messages_of_a_batch_and_of_the_next_differ() {
        let mut options = options("ws://localhost/");
        options.pipeline = 16;
        let batches = Batches::new(&options, &Extensions::new());
        let (one, next) = (batches.batch(1, 0).unwrap(), batches.batch(1, 1).unwrap());
        for number in 0..16 {
            assert_ne!(one.payloads[number], next.payloads[number]);
            assert_ne!(one.payloads[number], one.payloads[(number + 1) % 16]);
        }
    }

    #[test]
    fn compressed_batches_are_one_stream_wherever_a_connection_begins() {
        let takeover = DeflateConfig {
            server_max_window_bits: None,
            client_max_window_bits: None,
            ..DeflateConfig::default().with_threshold(0)
        };
        for config in [
            takeover,
            DeflateConfig::default().with_threshold(0),
            DeflateConfig::no_context_takeover().with_threshold(0),
        ] {
            let extensions = agreed(&config);
            for (size, fragments) in [(1024, 1), (5, 1), (3000, 3), (100_000, 1)] {
                let mut options = options("ws://localhost/");
                (options.size, options.fragments, options.pipeline) = (size, fragments, 2);
                let batches = Batches::new(&options, &extensions);
                for connection in [0, 1, 6, 8] {
                    // The server's inflater holds exactly what this connection has sent.
                    let mut path = server(&extensions);
                    for round in 0..2 * batches.payloads.len() as u64 + 3 {
                        let batch = batches.batch(connection, round).unwrap();
                        let found = received(&mut path, &batch.wire.bytes);
                        assert_eq!(found, expected(batch, 2), "{size} {connection} {round}");
                    }
                }
                let sum = |wires: &[Wire]| wires.iter().map(|wire| wire.bytes.len()).sum::<usize>();
                let plain = sum(&Batches::new(&options, &Extensions::new()).wires) / 7;
                let shrunk = sum(&batches.wires) / batches.wires.len();
                assert!(size < 1000 || shrunk < plain, "{size}: {shrunk} of {plain}");
            }
        }
    }
}
