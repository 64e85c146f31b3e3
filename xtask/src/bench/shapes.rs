//! The loads of the comparison, as data. A new one is a new entry.

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// CPU time of the server for each message (connect, delivery).
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

/// The cores of a server. The load is always on core 1.
pub(super) const ONE_CORE: &str = "0";
const BOTH_CORES: &str = "0,1";

/// Which program of ours serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Program {
    /// `ws-testkit server`: callbacks.
    Testkit,
    /// The example `echo` of ws-handler: owned messages.
    Socket,
}

/// Our server with one set of options.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Variant {
    pub(super) name: &'static str,
    pub(super) program: Program,
    pub(super) arguments: &'static [&'static str],
    pub(super) cores: &'static str,
}

const fn ours(name: &'static str, arguments: &'static [&'static str]) -> Variant {
    Variant {
        name,
        program: Program::Testkit,
        arguments,
        cores: ONE_CORE,
    }
}

/// The name that all others are compared with.
pub(super) const OURS: &str = "ours";

/// As it is shipped, but for the subprotocol of connections that ask for none.
const ECHO: &[Variant] = &[
    ours(OURS, &["--default-protocol=echo-assemble"]),
    Variant {
        program: Program::Socket,
        ..ours("ours, socket", &[])
    },
];

/// The first variant is what counts, at no more bytes on the wire than the others; the last is the default level.
const TAKEOVER: &[Variant] = &[
    ours(
        OURS,
        &[
            "--default-protocol=echo-assemble",
            "--deflate=server_max_window_bits=15;client_max_window_bits=15;threshold=0;level=6",
        ],
    ),
    ours(
        "ours-5",
        &[
            "--default-protocol=echo-assemble",
            "--deflate=server_max_window_bits=15;client_max_window_bits=15;threshold=0;level=5",
        ],
    ),
    ours(
        "ours-1",
        &[
            "--default-protocol=echo-assemble",
            "--deflate=server_max_window_bits=15;client_max_window_bits=15;threshold=0",
        ],
    ),
];

const NO_TAKEOVER: &[Variant] = &[
    ours(
        OURS,
        &[
            "--default-protocol=echo-assemble",
            "--deflate=server_max_window_bits=15;client_max_window_bits=15;\
             server_no_context_takeover;client_no_context_takeover;threshold=0;level=6",
        ],
    ),
    ours(
        "ours-1",
        &[
            "--default-protocol=echo-assemble",
            "--deflate=server_max_window_bits=15;client_max_window_bits=15;\
             server_no_context_takeover;client_no_context_takeover;threshold=0",
        ],
    ),
];

/// Memory does not depend on the level.
const HELD_NO_TAKEOVER: &[Variant] = &[ours(
    OURS,
    &[
        "--default-protocol=echo-assemble",
        "--deflate=server_max_window_bits=15;client_max_window_bits=15;\
         server_no_context_takeover;client_no_context_takeover;threshold=0",
    ],
)];

const HELD_12_BITS: &[Variant] = &[ours(
    OURS,
    &["--default-protocol=echo-assemble", "--deflate=threshold=0"],
)];

const HELD_15_BITS: &[Variant] = &[ours(
    OURS,
    &[
        "--default-protocol=echo-assemble",
        "--deflate=server_max_window_bits=15;client_max_window_bits=15;threshold=0",
    ],
)];

const FAN_OUT: &[Variant] = &[ours(OURS, &["--default-protocol=echo-broadcast"])];

/// One worker alone on its core; two, and two threads of one runtime, share the second core with the load.
const WORKERS: &[Variant] = &[
    ours(OURS, &["--default-protocol=echo-assemble"]),
    Variant {
        cores: BOTH_CORES,
        ..ours(
            "ours, 2 workers",
            &["--default-protocol=echo-assemble", "--workers=2"],
        )
    },
    Variant {
        cores: BOTH_CORES,
        ..ours(
            "ours, 2 threads",
            &["--default-protocol=echo-assemble", "--threads=2"],
        )
    },
];

/// One load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) name: &'static str,
    pub(super) what: &'static str,
    /// The table it stands in.
    pub(super) table: &'static str,
    /// For `ws-testkit bench`.
    pub(super) arguments: &'static [&'static str],
    pub(super) unit: Unit,
    pub(super) ours: &'static [Variant],
    /// How `ws-bench` is to serve; nothing: ours among themselves.
    pub(super) rivals: Option<&'static str>,
    /// Whether a bare TCP echo can take part.
    pub(super) has_floor: bool,
    /// Whether every message has to be compressed.
    pub(super) deflates: bool,
}

const PLAIN: Shape = Shape {
    name: "",
    what: "",
    table: "Echo: CPU time of the server",
    arguments: &[],
    unit: Unit::Microseconds,
    ours: ECHO,
    rivals: Some("plain"),
    has_floor: true,
    deflates: false,
};

const DEFLATE: Shape = Shape {
    table: "Echo with permessage-deflate: CPU time of the server",
    has_floor: false,
    deflates: true,
    ..PLAIN
};

const MEMORY: Shape = Shape {
    table: "Memory: resident bytes of the server",
    unit: Unit::Bytes,
    has_floor: false,
    ..PLAIN
};

const HELD: Shape = Shape {
    deflates: true,
    ..MEMORY
};

const SCALING: Shape = Shape {
    table: "Workers and threads: CPU time of the server",
    ours: WORKERS,
    rivals: None,
    has_floor: false,
    ..PLAIN
};

/// Every load.
pub(super) const SHAPES: [Shape; 17] = [
    Shape {
        name: "a",
        what: "20 B text, 200 connections, one in flight",
        arguments: &["-C", "200", "-s", "20"],
        ..PLAIN
    },
    Shape {
        name: "b",
        what: "20 B binary, 200 connections, 16 in flight",
        arguments: &["-C", "200", "-s", "20", "--binary", "--pipeline", "16"],
        ..PLAIN
    },
    Shape {
        name: "c",
        what: "1 KiB text, 200 connections",
        arguments: &["-C", "200", "-s", "1024"],
        ..PLAIN
    },
    Shape {
        name: "d",
        what: "16 KiB binary, 100 connections",
        arguments: &["-C", "100", "-s", "16384", "--binary"],
        ..PLAIN
    },
    Shape {
        name: "e",
        what: "1 MiB binary, 8 connections",
        arguments: &["-C", "8", "-s", "1048576", "--binary"],
        ..PLAIN
    },
    Shape {
        name: "f",
        what: "64 KiB non-ASCII text, 50 connections",
        arguments: &["-C", "50", "-s", "65536", "--utf8"],
        ..PLAIN
    },
    Shape {
        name: "g",
        what: "4 KiB text in 4 fragments, 100 connections",
        arguments: &["-C", "100", "-s", "4096", "--fragments", "4"],
        ..PLAIN
    },
    Shape {
        name: "h1",
        what: "1 KiB text, 100 connections, 15 bits, context takeover",
        arguments: &[
            "-C",
            "100",
            "-s",
            "1024",
            "--deflate=server_max_window_bits=15;client_max_window_bits=15;threshold=0;level=6",
        ],
        ours: TAKEOVER,
        rivals: Some("takeover,15"),
        ..DEFLATE
    },
    Shape {
        name: "h2",
        what: "1 KiB text, 100 connections, 15 bits, no context takeover",
        arguments: &[
            "-C",
            "100",
            "-s",
            "1024",
            "--deflate=server_max_window_bits=15;client_max_window_bits=15;\
             server_no_context_takeover;client_no_context_takeover;threshold=0;level=6",
        ],
        ours: NO_TAKEOVER,
        rivals: Some("no-takeover,15"),
        ..DEFLATE
    },
    Shape {
        name: "i",
        what: "10,000 idle connections after one message",
        arguments: &["-C", "10000", "-s", "20", "--idle"],
        ..MEMORY
    },
    Shape {
        name: "j",
        what: "connect, upgrade, close; 50 at a time",
        arguments: &["-C", "50", "--connect-rate"],
        has_floor: false,
        ..PLAIN
    },
    Shape {
        name: "k1",
        what: "2,000 connections idle after 64 compressed messages of 1 KiB, no context takeover",
        arguments: &[
            "-C",
            "2000",
            "-s",
            "1024",
            "--idle=64",
            "--deflate=server_max_window_bits=15;client_max_window_bits=15;\
             server_no_context_takeover;client_no_context_takeover;threshold=0",
        ],
        ours: HELD_NO_TAKEOVER,
        rivals: Some("no-takeover,15,1"),
        ..HELD
    },
    Shape {
        name: "k2",
        what: "the same, 12 bits, context takeover",
        arguments: &["-C", "2000", "-s", "1024", "--idle=64", "--deflate=threshold=0"],
        ours: HELD_12_BITS,
        rivals: Some("takeover,12,1"),
        ..HELD
    },
    Shape {
        name: "k3",
        what: "the same, 15 bits, context takeover",
        arguments: &[
            "-C",
            "2000",
            "-s",
            "1024",
            "--idle=64",
            "--deflate=server_max_window_bits=15;client_max_window_bits=15;threshold=0",
        ],
        ours: HELD_15_BITS,
        rivals: Some("takeover,15,1"),
        ..HELD
    },
    Shape {
        name: "l",
        what: "64 B text published to 10,000 connections, per delivery",
        table: "Fan-out: CPU time of the server",
        arguments: &["-C", "10000", "-s", "64", "--fan-out"],
        ours: FAN_OUT,
        rivals: Some("fan-out"),
        has_floor: false,
        ..PLAIN
    },
    Shape {
        name: "w1",
        what: "20 B text, 200 connections, one in flight",
        arguments: &["-C", "200", "-s", "20"],
        ..SCALING
    },
    Shape {
        name: "w2",
        what: "20 B binary, 200 connections, 16 in flight",
        arguments: &["-C", "200", "-s", "20", "--binary", "--pipeline", "16"],
        ..SCALING
    },
];

/// The load of this name.
pub(super) fn shape(name: &str) -> Option<Shape> {
    SHAPES.into_iter().find(|shape| shape.name == name)
}

#[cfg(test)]
mod tests {
    use super::{OURS, SHAPES, Unit, shape};

    #[test]
    fn names_are_unique_and_found() {
        for one in SHAPES {
            assert_eq!(shape(one.name), Some(one));
        }
        assert_eq!(shape("z"), None);
    }

    #[test]
    fn ours_is_always_there_and_a_table_has_one_unit() {
        for one in SHAPES {
            assert_eq!(one.ours[0].name, OURS, "{}", one.name);
            let unit = |other: &super::Shape| other.table != one.table || other.unit == one.unit;
            assert!(SHAPES.iter().all(unit), "{}", one.table);
            assert!(one.unit == Unit::Microseconds || one.arguments.join(" ").contains("--idle"));
        }
    }
}
