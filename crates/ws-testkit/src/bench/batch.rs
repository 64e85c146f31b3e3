//! What connections send, built before the run: batches of masked frames, and the payloads to expect back.
//!
//! A batch is a pipeline full of messages, each different, so that answers out of order do not go unnoticed. A few
//! versions of the batch go round, so that an answer of the round before does not either. RFC 6455 §5.3, §5.4.

use ws_proto::{FrameHeader, MAX_HEADER_LEN, MaskKey, MessageKind, Opcode, apply_mask};

use super::options::{BenchOptions, Payload};
use super::reply::Expected;
use crate::workload::{Recipe, fresh_run_id};

/// Versions of a batch: a prime, so that no pattern of connections and rounds falls together with it.
const VERSIONS: usize = 7;

/// Bytes of payload above which no further version is made: beyond the caches of a core the load generator itself
/// would become slow.
const ENOUGH: usize = 2 << 20;

/// What fills ASCII text.
const RECORD: &[u8] = br#"{"id":48151,"name":"Ada Lovelace","city":"London","tags":["first","notes"],"score":16.23,"active":true},"#;

/// All batches of a run.
#[derive(Debug)]
pub(super) struct Batches {
    opcode: Opcode,
    versions: Vec<Batch>,
}

/// A pipeline full of messages.
#[derive(Debug)]
pub(super) struct Batch {
    /// The frames of all messages, one after the other.
    pub(super) bytes: Vec<u8>,
    /// Where each message ends in `bytes`.
    ends: Vec<usize>,
    payloads: Vec<Vec<u8>>,
}

impl Batches {
    pub(super) fn new(options: &BenchOptions) -> Self {
        let volume = (options.size * options.pipeline).max(1);
        let versions = (ENOUGH / volume).clamp(1, VERSIONS);
        let run = fresh_run_id();
        Self {
            opcode: match options.payload {
                Payload::Binary => Opcode::Binary,
                Payload::Text | Payload::Utf8 => Opcode::Text,
            },
            versions: (0..versions)
                .map(|version| Batch::new(options, run, version))
                .collect(),
        }
    }

    /// The batch that a connection sends in a round.
    pub(super) fn batch(&self, connection: usize, round: u64) -> Option<&Batch> {
        let version = (connection as u64).wrapping_add(round) % (self.versions.len() as u64).max(1);
        self.versions.get(version as usize)
    }

    /// The answer to a message of a batch.
    pub(super) fn expected<'a>(&self, batch: &'a Batch, message: usize) -> Option<Expected<'a>> {
        Some(Expected {
            opcode: self.opcode,
            payload: batch.payloads.get(message)?,
        })
    }
}

impl Batch {
    fn new(options: &BenchOptions, run: u32, version: usize) -> Self {
        let mut batch = Self {
            bytes: Vec::new(),
            ends: Vec::with_capacity(options.pipeline),
            payloads: Vec::with_capacity(options.pipeline),
        };
        let opcode = match options.payload {
            Payload::Binary => Opcode::Binary,
            Payload::Text | Payload::Utf8 => Opcode::Text,
        };
        for number in 0..options.pipeline {
            let payload = payload(options, run, version, number as u64);
            push_message(
                &mut batch.bytes,
                opcode,
                &payload,
                options.fragments,
                run ^ number as u32,
            );
            batch.ends.push(batch.bytes.len());
            batch.payloads.push(payload);
        }
        batch
    }

    /// Where the first `messages` of the batch end in its bytes.
    pub(super) fn end(&self, messages: usize) -> usize {
        messages
            .checked_sub(1)
            .and_then(|last| self.ends.get(last))
            .copied()
            .unwrap_or(if messages == 0 { 0 } else { self.bytes.len() })
    }
}

fn payload(options: &BenchOptions, run: u32, version: usize, number: u64) -> Vec<u8> {
    let recipe = |kind| Recipe {
        run,
        kind,
        size: options.size,
    };
    match options.payload {
        Payload::Binary => recipe(MessageKind::Binary).payload(version, number).to_vec(),
        Payload::Utf8 => recipe(MessageKind::Text).payload(version, number).to_vec(),
        Payload::Text => {
            let mark = format!("{version}:{number:x}:");
            let text = mark.bytes().chain(RECORD.iter().copied().cycle());
            text.take(options.size).collect()
        }
    }
}

/// Appends a message in `fragments` masked frames of about the same size.
fn push_message(bytes: &mut Vec<u8>, opcode: Opcode, payload: &[u8], fragments: usize, seed: u32) {
    let mut rest = payload;
    for number in 0..fragments {
        // Rounded up, so that it is the last frames that are a byte shorter.
        let length = rest.len().div_ceil(fragments - number);
        let (part, after) = rest.split_at(length);
        rest = after;
        let key = MaskKey(
            (seed ^ 0x5bd1_e995)
                .wrapping_mul(2 * number as u32 + 0x9e37_79b1)
                .to_be_bytes(),
        );
        let header = FrameHeader {
            fin: number + 1 == fragments,
            rsv: 0,
            opcode: if number == 0 { opcode } else { Opcode::Continuation },
            mask: Some(key),
            payload_len: part.len() as u64,
        };
        let mut head = [0; MAX_HEADER_LEN];
        let head_len = header.encode(&mut head);
        bytes.extend_from_slice(head.get(..head_len).unwrap_or(&head));
        let start = bytes.len();
        bytes.extend_from_slice(part);
        apply_mask(key, bytes.get_mut(start..).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ws_proto::{Config, Event, ReceivePath, Role};

    use super::*;
    use crate::bench::run::tests::options;

    /// What a server of ours makes of a batch.
    fn received(mut bytes: Vec<u8>) -> Vec<Vec<u8>> {
        let mut receive = ReceivePath::new(Role::Server, Arc::new(Config::server()));
        let (mut input, mut messages) = (&mut bytes[..], Vec::new());
        while let Some(event) = receive.next(&mut input).unwrap() {
            match event {
                Event::Text(text) => messages.push(text.as_bytes().to_vec()),
                Event::Binary(binary) => messages.push(binary.to_vec()),
                other => panic!("{other:?}"),
            }
        }
        messages
    }

    #[test]
    fn a_server_reads_what_is_expected_back() {
        for payload in [Payload::Text, Payload::Utf8, Payload::Binary] {
            for (size, fragments) in [(0, 1), (1, 1), (20, 1), (200, 3), (4096, 4)] {
                let mut options = options("ws://localhost/");
                (options.payload, options.size, options.fragments, options.pipeline) =
                    (payload, size, fragments, 5);
                let batches = Batches::new(&options);
                let batch = batches.batch(3, 9).unwrap();
                let wanted: Vec<_> = (0..5)
                    .map(|n| batches.expected(batch, n).unwrap().payload.to_vec())
                    .collect();
                assert!(wanted.iter().all(|payload| payload.len() == size));
                assert_eq!(received(batch.bytes.clone()), wanted, "{payload:?} {size}");
                let three = received(batch.bytes[..batch.end(3)].to_vec());
                assert_eq!(three, wanted[..3]);
                assert_eq!((batch.end(0), batch.end(5)), (0, batch.bytes.len()));
            }
        }
    }

    #[test]
    fn messages_of_a_pipeline_and_of_two_rounds_differ() {
        for payload in [Payload::Text, Payload::Utf8, Payload::Binary] {
            let mut options = options("ws://localhost/");
            (options.payload, options.pipeline, options.size) = (payload, 16, 64);
            let batches = Batches::new(&options);
            let (one, two) = (batches.batch(0, 0).unwrap(), batches.batch(0, 1).unwrap());
            let mut all = [&one.payloads[..], &two.payloads[..]].concat();
            all.sort();
            all.dedup();
            assert_eq!(all.len(), 32, "{payload:?}");
        }
    }

    #[test]
    fn ascii_text_is_ascii_and_the_other_is_not() {
        let mut options = options("ws://localhost/");
        options.size = 1024;
        let first = |options: &BenchOptions| Batches::new(options).versions.remove(0).payloads.remove(0);
        assert!(first(&options).is_ascii());
        options.payload = Payload::Utf8;
        assert!(!first(&options).is_ascii());
    }
}
