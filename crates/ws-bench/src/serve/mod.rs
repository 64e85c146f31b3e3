//! One echo server per name: what they share is here, what is particular to a crate in the file named after it.
//!
//! `-b` in a name: replies are batched, that is, every message that is ready is fed and then flushed once. `-1`: the
//! lowest level of compression instead of the crate's default.

// layer 1
mod batching;
mod deflate;
mod hyper_accept;

// layer 2
mod fan_out;

// layer 3
mod axum;
mod fastwebsockets;
mod floor;
mod ratchet;
mod sockudo;
mod tokio_websockets;
mod tungstenite;
mod wtx;
mod yawc;

use std::error::Error;
use std::future::Future;

use tokio::net::{TcpListener, TcpStream};

use deflate::Deflate;
use fan_out::Room;

/// Whatever a server can fail with.
type Failure = Box<dyn Error + Send + Sync>;

/// Messages and frames of this size must pass: the largest of the shapes, and room.
const LARGEST: usize = 16 << 20;

/// The end of names of those that compress at the lowest level.
const LEVEL_1: &str = "-1";

/// Who echoes.
const PLAIN: [&str; 13] = [
    "floor",
    "axum",
    "fastwebsockets",
    "ratchet",
    "sockudo-ws",
    "sockudo-ws-b",
    "tokio-websockets",
    "tokio-websockets-b",
    "tungstenite",
    "tungstenite-b",
    "wtx",
    "yawc",
    "yawc-b",
];

/// Who compresses with context takeover.
const TAKEOVER: [&str; 4] = ["sockudo-ws", "sockudo-ws-1", "yawc", "yawc-1"];

/// Who compresses without.
const NO_TAKEOVER: [&str; 6] = ["sockudo-ws", "sockudo-ws-1", "wtx", "wtx-1", "yawc", "yawc-1"];

/// Who sends what one connection says to all.
const FAN_OUT: [&str; 2] = ["tokio-websockets", "tungstenite"];

/// What servers do with messages.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Mode {
    Plain,
    Deflate(Deflate),
    FanOut,
}

impl Mode {
    /// `plain`, `fan-out`, `takeover` or `no-takeover`, the latter with `,BITS` or `,BITS,LEVEL`.
    pub(crate) fn parse(typed: &str) -> Option<Self> {
        match typed {
            "plain" => Some(Self::Plain),
            "fan-out" => Some(Self::FanOut),
            other => Deflate::parse(other).map(Self::Deflate),
        }
    }

    /// Every name that can be served so. Where a level is asked for, nobody has another one.
    pub(crate) fn names(self) -> Vec<&'static str> {
        let all = match self {
            Self::Plain => &PLAIN[..],
            Self::Deflate(deflate) if deflate.takeover => &TAKEOVER,
            Self::Deflate(_) => &NO_TAKEOVER,
            Self::FanOut => &FAN_OUT,
        };
        let levelled = matches!(self, Self::Deflate(deflate) if deflate.level.is_some());
        let asked_for = |name: &&&str| !levelled || !name.ends_with(LEVEL_1);
        all.iter().filter(asked_for).copied().collect()
    }
}

/// Serves until the process is killed.
pub(crate) fn run(name: &str, mode: Mode) -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime
        .block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            println!("listening on ws://{}/", listener.local_addr()?);
            match mode {
                Mode::Plain => plain(name, listener).await,
                Mode::Deflate(deflate) => deflating(name, listener, deflate).await,
                Mode::FanOut => fan_out(name, listener).await,
            }
        })
        .map_err(|error| error as Box<dyn Error>)
}

async fn plain(name: &str, listener: TcpListener) -> Result<(), Failure> {
    match name {
        "axum" => axum::serve(listener).await,
        "floor" => accept(listener, floor::echo).await,
        "fastwebsockets" => accept(listener, fastwebsockets::echo).await,
        "ratchet" => accept(listener, ratchet::echo).await,
        "sockudo-ws" => accept(listener, sockudo::echo).await,
        "sockudo-ws-b" => accept(listener, sockudo::echo_batched).await,
        "tokio-websockets" => accept(listener, tokio_websockets::echo).await,
        "tokio-websockets-b" => accept(listener, tokio_websockets::echo_batched).await,
        "tungstenite" => accept(listener, tungstenite::echo).await,
        "tungstenite-b" => accept(listener, tungstenite::echo_batched).await,
        "wtx" => accept(listener, wtx::echo).await,
        "yawc" => accept(listener, yawc::echo).await,
        "yawc-b" => accept(listener, yawc::echo_batched).await,
        other => Err(nobody(other)),
    }
}

async fn deflating(name: &str, listener: TcpListener, mut deflate: Deflate) -> Result<(), Failure> {
    let name = match name.strip_suffix(LEVEL_1) {
        Some(name) => {
            deflate.level = Some(1);
            name
        }
        None => name,
    };
    match name {
        "sockudo-ws" => accept(listener, move |stream| sockudo::echo_deflated(stream, deflate)).await,
        "wtx" => accept(listener, move |stream| wtx::echo_deflated(stream, deflate)).await,
        "yawc" => {
            let options = yawc::deflating(deflate);
            accept(listener, move |stream| {
                yawc::echo_deflated(stream, options.clone())
            })
            .await
        }
        other => Err(nobody(other)),
    }
}

async fn fan_out(name: &str, listener: TcpListener) -> Result<(), Failure> {
    match name {
        "tokio-websockets" => {
            let room = Room::new();
            accept(listener, move |stream| {
                tokio_websockets::fan_out(stream, room.clone())
            })
            .await
        }
        "tungstenite" => {
            let room = Room::new();
            accept(listener, move |stream| tungstenite::fan_out(stream, room.clone())).await
        }
        other => Err(nobody(other)),
    }
}

fn nobody(name: &str) -> Failure {
    format!("there is no server `{name}` for this").into()
}

/// A task for each connection, without tokio's budget, as the crates' own benchmarks have it.
async fn accept<F>(listener: TcpListener, serve: impl Fn(TcpStream) -> F) -> Result<(), Failure>
where
    F: Future<Output = Result<(), Failure>> + Send + 'static,
{
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let served = serve(stream);
        // A connection that breaks is the other side's news.
        tokio::spawn(tokio::task::unconstrained(async move { drop(served.await) }));
    }
}
