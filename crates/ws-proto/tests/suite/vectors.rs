//! Runs the vectors of `tests/vectors`, cut at every byte, under both roles (`tests/vectors/README.md`).

use std::fs;
use std::path::Path;
use std::sync::Arc;

use ws_proto::{Config, Delivery, MessageKind, ReceivePath, Role, UNLIMITED};

use crate::pair::{Seen, masked};

/// What must come out, in the order in which it does.
#[derive(Debug, PartialEq, Eq)]
enum Expected {
    Event(Seen),
    Failure(String),
}

/// One vector.
pub(crate) struct Vector {
    pub(crate) name: String,
    /// Unmasked, unless `role` says for whom it is.
    pub(crate) input: Vec<u8>,
    role: Option<Role>,
    config: Config,
    expected: Vec<Expected>,
}

impl Vector {
    fn new(name: String) -> Self {
        let mut config = Config::server();
        config.limits.max_frame_size = UNLIMITED;
        config.limits.max_message_size = UNLIMITED;
        config.limits.max_fragments = UNLIMITED;
        Self {
            name,
            input: Vec::new(),
            role: None,
            config,
            expected: Vec::new(),
        }
    }

    fn line(&mut self, line: &str) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "in" => self.input.extend(bytes(rest)),
            "frame" => {
                let (first, payload) = rest.split_once(' ').unwrap_or((rest, ""));
                self.input.extend(frame(bytes(first)[0], &bytes(payload)));
            }
            "role" if rest == "client" => self.role = Some(Role::Client),
            "role" => self.role = Some(Role::Server),
            "delivery" => self.config.delivery = Delivery::Fragment,
            "limit" => {
                let (what, number) = rest.split_once(' ').unwrap();
                let number = number.parse().unwrap();
                match what {
                    "frame" => self.config.limits.max_frame_size = number,
                    "message" => self.config.limits.max_message_size = number,
                    "fragments" => self.config.limits.max_fragments = number,
                    _ => panic!("{}: limit {what}", self.name),
                }
            }
            "sees" => self.expected.push(Expected::Event(event(rest))),
            "fails" => self.expected.push(Expected::Failure(rest.to_owned())),
            _ => panic!("{}: {line}", self.name),
        }
    }

    /// Under which roles it runs, with the bytes for each.
    fn inputs(&self) -> Vec<(Role, Vec<u8>)> {
        match self.role {
            Some(role) => vec![(role, self.input.clone())],
            None => vec![
                (Role::Client, self.input.clone()),
                (Role::Server, masked(&self.input)),
            ],
        }
    }

    /// Feeds `input` in parts that end at `cuts`.
    fn run(&self, role: Role, input: &[u8], cuts: &[usize]) -> Vec<Expected> {
        let mut receive = ReceivePath::new(role, Arc::new(self.config.clone()));
        let mut seen = Vec::new();
        let mut bytes = input.to_vec();
        let mut rest = bytes.as_mut_slice();
        let mut start = 0;
        for cut in cuts.iter().chain([&input.len()]) {
            let (mut part, after) = rest.split_at_mut(cut - start);
            (rest, start) = (after, *cut);
            loop {
                match receive.next(&mut part) {
                    Ok(Some(event)) => seen.push(Expected::Event(event.into())),
                    Ok(None) => break,
                    Err(error) => seen.push(Expected::Failure(format!("{error:?}"))),
                }
            }
            assert!(part.is_empty());
        }
        seen
    }

    fn check(&self, role: Role, input: &[u8], cuts: &[usize]) {
        let seen = self.run(role, input, cuts);
        assert!(
            seen == self.expected,
            "{} as {role:?}, cut at {cuts:?}:\n  sees {seen:.300?}\n  not  {:.300?}",
            self.name,
            self.expected
        );
    }
}

/// `81 "text" 3*ff`
fn bytes(line: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = line.trim_start();
    while !rest.is_empty() {
        let after = if let Some(text) = rest.strip_prefix('"') {
            let (text, after) = text.split_once('"').unwrap();
            out.extend_from_slice(text.as_bytes());
            after
        } else {
            let (word, after) = rest.split_once(' ').unwrap_or((rest, ""));
            let (count, byte) = word.split_once('*').unwrap_or(("1", word));
            let byte = u8::from_str_radix(byte, 16).unwrap();
            out.resize(out.len() + count.parse::<usize>().unwrap(), byte);
            after
        };
        rest = after.trim_start();
    }
    out
}

pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    match payload.len() {
        short @ 0..=125 => out.push(u8::try_from(short).unwrap()),
        medium @ 126..=0xFFFF => {
            out.push(126);
            out.extend(u16::try_from(medium).unwrap().to_be_bytes());
        }
        long => {
            out.push(127);
            out.extend(u64::try_from(long).unwrap().to_be_bytes());
        }
    }
    out.extend_from_slice(payload);
    out
}

fn event(line: &str) -> Seen {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    match word {
        "text" => Seen::Text(String::from_utf8(bytes(rest)).unwrap()),
        "binary" => Seen::Binary(bytes(rest)),
        "ping" => Seen::Ping(bytes(rest)),
        "pong" => Seen::Pong(bytes(rest)),
        "close" if rest == "-" => Seen::Close(None),
        "close" => {
            let (code, reason) = rest.split_once(' ').unwrap_or((rest, ""));
            Seen::Close(Some((
                code.parse().unwrap(),
                String::from_utf8(bytes(reason)).unwrap(),
            )))
        }
        "fragment" => {
            let mut words = rest.splitn(4, ' ');
            let mut word = || words.next().unwrap_or_default();
            Seen::Fragment {
                kind: if word() == "text" {
                    MessageKind::Text
                } else {
                    MessageKind::Binary
                },
                first: word() == "first",
                fin: word() == "last",
                payload: bytes(word()),
            }
        }
        _ => panic!("sees {line}"),
    }
}

/// The vectors of one file.
pub(crate) fn read(file: &Path) -> Vec<Vector> {
    let mut vectors: Vec<Vector> = Vec::new();
    for line in fs::read_to_string(file).unwrap().lines() {
        if let Some(name) = line.strip_prefix("= ") {
            vectors.push(Vector::new(name.to_owned()));
        } else if !line.is_empty() && !line.starts_with('#') {
            vectors.last_mut().unwrap().line(line);
        }
    }
    vectors
}

fn all() -> Vec<Vector> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let vectors: Vec<Vector> = files
        .filter(|file| file.extension().is_some_and(|end| end == "txt"))
        .flat_map(|file| read(&file))
        .collect();
    assert!(vectors.len() > 100, "the files were found");
    vectors
}

#[test]
fn every_vector_whole() {
    for vector in all() {
        assert!(!vector.expected.is_empty(), "{} expects nothing", vector.name);
        for (role, input) in vector.inputs() {
            vector.check(role, &input, &[]);
        }
    }
}

#[test]
fn f28_every_vector_cut_at_every_byte_gives_the_same_events() {
    for vector in all() {
        for (role, input) in vector.inputs() {
            for cut in (0..=input.len()).filter(|cut| is_tried(*cut, input.len())) {
                vector.check(role, &input, &[cut]);
            }
        }
    }
}

/// Every byte; of the few long vectors, every byte near both ends and then some.
fn is_tried(cut: usize, length: usize) -> bool {
    length <= 2000 || cut < 300 || length - cut < 300 || cut % 997 == 0
}

#[test]
fn f28_every_short_vector_cut_at_every_two_bytes_gives_the_same_events() {
    for vector in all() {
        for (role, input) in vector.inputs() {
            if input.len() <= 80 {
                for first in 0..=input.len() {
                    for second in first..=input.len() {
                        vector.check(role, &input, &[first, second]);
                    }
                }
            }
        }
    }
}

#[test]
fn f28_every_vector_in_parts_of_one_and_more_bytes_gives_the_same_events() {
    for vector in all() {
        for (role, input) in vector.inputs() {
            for size in [1, 2, 3, 5, 7, 13, 64, 1024] {
                let cuts: Vec<usize> = (size..input.len()).step_by(size).collect();
                vector.check(role, &input, &cuts);
            }
        }
    }
}
