//! The loads of the comparison, as data. A new one is a new entry.

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// CPU time of the server for each message (connect).
    Microseconds,
    /// Resident memory of the server for each connection.
    Bytes,
}

impl Unit {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Microseconds => "CPU us per message",
            Self::Bytes => "RSS bytes per connection",
        }
    }
}

/// One load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) name: &'static str,
    pub(super) what: &'static str,
    /// For `ws-testkit bench`.
    pub(super) arguments: &'static [&'static str],
    pub(super) unit: Unit,
    /// Whether a bare TCP echo can take part.
    pub(super) has_floor: bool,
}

/// Every load.
pub(super) const SHAPES: [Shape; 9] = [
    Shape {
        name: "a",
        what: "20 B text, 200 connections, one in flight",
        arguments: &["-C", "200", "-s", "20"],
        unit: Unit::Microseconds,
        has_floor: true,
    },
    Shape {
        name: "b",
        what: "20 B binary, 200 connections, 16 in flight",
        arguments: &["-C", "200", "-s", "20", "--binary", "--pipeline", "16"],
        unit: Unit::Microseconds,
        has_floor: true,
    },
    Shape {
        name: "c",
        what: "1 KiB text, 200 connections",
        arguments: &["-C", "200", "-s", "1024"],
        unit: Unit::Microseconds,
        has_floor: true,
    },
    Shape {
        name: "d",
        what: "16 KiB binary, 100 connections",
        arguments: &["-C", "100", "-s", "16384", "--binary"],
        unit: Unit::Microseconds,
        has_floor: true,
    },
    Shape {
        name: "e",
        what: "1 MiB binary, 8 connections",
        arguments: &["-C", "8", "-s", "1048576", "--binary"],
        unit: Unit::Microseconds,
        has_floor: true,
    },
    Shape {
        name: "f",
        what: "64 KiB non-ASCII text, 50 connections",
        arguments: &["-C", "50", "-s", "65536", "--utf8"],
        unit: Unit::Microseconds,
        has_floor: true,
    },
    Shape {
        name: "g",
        what: "4 KiB text in 4 fragments, 100 connections",
        arguments: &["-C", "100", "-s", "4096", "--fragments", "4"],
        unit: Unit::Microseconds,
        has_floor: true,
    },
    Shape {
        name: "i",
        what: "10,000 idle connections after one message",
        arguments: &["-C", "10000", "-s", "20", "--idle"],
        unit: Unit::Bytes,
        has_floor: false,
    },
    Shape {
        name: "j",
        what: "connect, upgrade, close; 50 at a time",
        arguments: &["-C", "50", "--connect-rate"],
        unit: Unit::Microseconds,
        has_floor: false,
    },
];

/// The load of this name.
pub(super) fn shape(name: &str) -> Option<Shape> {
    SHAPES.into_iter().find(|shape| shape.name == name)
}

#[cfg(test)]
mod tests {
    use super::{SHAPES, shape};

    #[test]
    fn names_are_unique_and_found() {
        for one in SHAPES {
            assert_eq!(shape(one.name), Some(one));
        }
        assert_eq!(shape("z"), None);
    }
}
