//! What messages hold: every one of a batch is different, and so is every version of it.

use ws_proto::MessageKind;

use super::options::{BenchOptions, Payload};
use crate::workload::Recipe;

const USERS: [&str; 8] = [
    "ada", "grace", "alan", "edsger", "barbara", "donald", "margaret", "dennis",
];

const CITIES: [&str; 8] = [
    "London",
    "New York",
    "Princeton",
    "Rotterdam",
    "Los Angeles",
    "Milwaukee",
    "Paoli",
    "Bronxville",
];

/// The payload of message `number` in a version of the batch.
pub(super) fn payload(options: &BenchOptions, run: u32, version: usize, number: u64) -> Vec<u8> {
    let recipe = |kind| Recipe {
        run,
        kind,
        size: options.size,
    };
    match options.payload {
        Payload::Binary => recipe(MessageKind::Binary).payload(version, number).to_vec(),
        Payload::Utf8 => recipe(MessageKind::Text).payload(version, number).to_vec(),
        Payload::Text => records(options.size, version, number),
    }
}

/// Records of a list in JSON. With a window of 32 KiB and zlib's default level, 1 KiB of it shrinks to about 285 bytes
/// where earlier messages may be referred to, and to about 405 where not. The same in every run.
fn records(size: usize, version: usize, number: u64) -> Vec<u8> {
    let mut text = format!("{version}:{number:x}:").into_bytes();
    let mut random = Random((version as u64) << 32 ^ number);
    while text.len() < size {
        let record = format!(
            r#"{{"id":{},"user":"{}-{:06x}","city":"{}","at":{},"price":{}.{:02},"ok":{}}},"#,
            random.below(1 << 31),
            pick(&USERS, &mut random),
            random.below(1 << 24),
            pick(&CITIES, &mut random),
            1_763_000_000_000 + random.below(1_000_000_000),
            random.below(1000),
            random.below(100),
            random.below(2) == 0,
        );
        text.extend_from_slice(record.as_bytes());
    }
    text.truncate(size);
    text
}

fn pick(words: &[&'static str], random: &mut Random) -> &'static str {
    let place = random.below(words.len() as u64) as usize;
    words.get(place).copied().unwrap_or_default()
}

/// SplitMix64: small, and good enough to fill records.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_of_the_size_asked_for_and_all_different() {
        for size in [0, 1, 20, 1024] {
            assert_eq!(records(size, 3, 5).len(), size);
        }
        assert_eq!(records(1024, 3, 5), records(1024, 3, 5));
        assert_ne!(records(1024, 3, 5), records(1024, 3, 6));
        assert_ne!(records(1024, 3, 5), records(1024, 4, 5));
        assert!(records(1024, 0, 0).is_ascii());
    }
}
