//! `ws-testkit server`: options as typed, the [`TestServer`] they describe, the run until a signal.
//!
//! Exit codes: 0 after a graceful stop; 1 the same, but the journal is not complete; 2 usage; 3 the address cannot be bound; 130 a second signal.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::net::{Ipv6Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clap::Args;
use tokio::time::MissedTickBehavior;
use ws_handler::{OriginError, OriginPolicy};
use ws_proto::{DeflateConfig, Opcode};

use super::client::seconds;
use super::exit;
use super::limits::{LimitArguments, Malformed};
use super::signals::Signals;
use crate::deflate_options::parse_deflate;
use crate::{Happening, Protocol, TestServer, TestServerBuilder};

/// Options of `ws-testkit server`, as typed.
#[derive(Debug, Args)]
#[command(
    args_override_self = true,
    after_help = "Upgrades are taken on every path; everything else is plain HTTP.\n\
    The first line on stdout is `listening on ws://ADDR:PORT/ (page: http://ADDR:PORT/)`.\n\
    Ctrl-C or SIGTERM closes every connection with 1001 and stops; a second one stops at once.\n\
    Exit codes: 0 stopped, 1 stopped and the journal is not complete, 2 usage, 3 cannot listen, 130 second signal."
)]
pub(crate) struct ServerArguments {
    /// Address or name to listen on
    #[arg(long, value_name = "HOST", default_value = "127.0.0.1")]
    host: String,

    /// Port to listen on; 0 takes any free one
    #[arg(short, long, value_name = "PORT", default_value_t = 8080)]
    port: u16,

    /// One line on stderr for each open, frame, message and close
    #[arg(short, long)]
    verbose: bool,

    /// Directory to serve over plain HTTP [default: a page to try the server with]
    #[arg(short, long, value_name = "DIR")]
    docroot: Option<PathBuf>,

    /// Subprotocol (name or alias) to treat a connection as that offers none; the answer still names none
    #[arg(long, value_name = "NAME", default_value = "silent")]
    default_protocol: Protocol,

    /// Single-threaded workers that share the port; auto is one for each core
    #[arg(long, value_name = "N|auto", default_value = "1")]
    workers: Workers,

    /// Threads of one runtime that share all connections, instead of workers
    #[arg(long, value_name = "N", default_value = "1", conflicts_with = "workers")]
    threads: NonZeroUsize,

    /// Origin to accept upgrades from, such as https://example.com; may be repeated, then only these and
    /// requests without Origin are accepted [default: any origin]
    #[arg(long = "origin", value_name = "ORIGIN", value_parser = origin)]
    origins: Vec<String>,

    /// Seconds that connections may take to close once a signal has come
    #[arg(long, value_name = "SECS", default_value = "30")]
    shutdown_timeout: Wait,

    /// Print what the server holds as one line of JSON on stdout every so many seconds and at the end
    /// (docs/SOAK-JSON.md); whoever asks must read, and the server ends when nobody does
    #[arg(long, value_name = "SECS", value_parser = seconds)]
    gauges: Option<Duration>,

    /// Write the payload of each text frame to FILE, a line each, before it is acted upon; complete when the
    /// program has ended
    #[arg(long, value_name = "FILE", conflicts_with = "verbose")]
    journal: Option<PathBuf>,

    /// Bytes that the kernel may hold for a peer that does not read (it takes twice as many), for tests of slow
    /// readers [default: the system's]
    #[arg(long, value_name = "BYTES", conflicts_with = "workers")]
    send_buffer: Option<u32>,

    /// Most connections at once; more are answered with 503 [default: what the process may open, less 256]
    #[arg(long, value_name = "N")]
    max_connections: Option<usize>,

    /// Seconds for a new connection to send its whole request
    #[arg(long, value_name = "SECS", default_value = "10")]
    handshake_timeout: Wait,

    /// Agree to permessage-deflate, as in --deflate='server_max_window_bits=12;client_no_context_takeover;threshold=0;level=1'
    /// (threshold: bytes below which messages are sent plain) [default: 12 bits both ways, threshold 1024, level 1]
    #[arg(long, value_name = "PARAMS", num_args = 0..=1, require_equals = true, default_missing_value = "", value_parser = parse_deflate)]
    deflate: Option<DeflateConfig>,

    /// Serve an endpoint that panics at the first message, under the subprotocol ws-testkit-panic
    #[arg(long, hide = true)]
    panics: bool,

    #[command(flatten)]
    limits: LimitArguments,
}

/// An origin as typed, if it is one. The list is made of all of them later.
fn origin(typed: &str) -> Result<String, OriginError> {
    OriginPolicy::list([typed]).map(|_| typed.to_owned())
}

/// How many workers: a number above 0, or one for each core.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Workers(NonZeroUsize);

impl FromStr for Workers {
    type Err = Malformed;

    fn from_str(typed: &str) -> Result<Self, Malformed> {
        if typed == "auto" {
            return Ok(Self(
                std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            ));
        }
        typed
            .parse()
            .map(Self)
            .map_err(|_| Malformed("a number above 0, or auto"))
    }
}

/// A wait in seconds, fractions allowed, 0 for none.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Wait(Duration);

impl FromStr for Wait {
    type Err = Malformed;

    fn from_str(typed: &str) -> Result<Self, Malformed> {
        let time = typed
            .parse()
            .ok()
            .and_then(|number| Duration::try_from_secs_f64(number).ok());
        time.map(Self).ok_or(Malformed("a number of seconds"))
    }
}

impl ServerArguments {
    /// Serves until a signal arrives.
    pub(crate) fn run(self) -> ExitCode {
        if let Some(directory) = self.docroot.as_ref().filter(|path| !path.is_dir()) {
            exit::tell(format_args!(
                "ws-testkit: {} is not a directory",
                directory.display()
            ));
            return ExitCode::from(exit::USAGE);
        }
        let journal = match self.journal.as_deref().map(Journal::create).transpose() {
            Ok(journal) => journal,
            Err(error) => {
                exit::tell(format_args!("ws-testkit: the journal cannot be written: {error}"));
                return ExitCode::from(exit::USAGE);
            }
        };
        let server = match self.resolve(journal.clone()) {
            Ok(server) => server,
            Err(error) => {
                exit::tell(format_args!("ws-testkit: {error}"));
                return ExitCode::from(exit::USAGE);
            }
        };
        let mut runtime = match self.threads.get() {
            1 => tokio::runtime::Builder::new_current_thread(),
            threads => {
                let mut shared = tokio::runtime::Builder::new_multi_thread();
                shared.worker_threads(threads);
                shared
            }
        };
        let runtime = match runtime.enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return cannot_listen(&self.address(), &error),
        };
        let mut code = runtime.block_on(serve(server, &self));
        // A second signal means now: nobody waits for file reads or name look-ups that are still under way.
        runtime.shutdown_background();
        if let Some(Err(error)) = journal.map(|journal| journal.end()) {
            exit::tell(format_args!("ws-testkit: the journal is not complete: {error}"));
            code = ExitCode::FAILURE;
        }
        code
    }

    /// The server these options describe.
    fn resolve(&self, journal: Option<Journal>) -> Result<TestServerBuilder, OriginError> {
        let mut server = TestServer::bind(self.address())
            .config(self.limits.resolve(TestServer::default_config()))
            .default_protocol(self.default_protocol)
            .workers(self.workers.0.get())
            .handshake_timeout(self.handshake_timeout.0);
        if !self.origins.is_empty() {
            server = server.origins(OriginPolicy::list(&self.origins)?);
        }
        if let Some(deflate) = &self.deflate {
            server = server.deflate(deflate.clone());
        }
        server = server.panics(self.panics);
        if let Some(bytes) = self.send_buffer {
            server = server.send_buffer(bytes);
        }
        if let Some(directory) = &self.docroot {
            server = server.docroot(directory);
        }
        if let Some(most) = self.max_connections {
            server = server.max_connections(most);
        }
        if self.verbose {
            server = server.observe(|what| exit::tell(what));
        }
        if let Some(journal) = journal {
            server = server.observe(move |what| journal.note(&what.what));
        }
        Ok(server)
    }

    /// Host and port as one text. An IPv6 address may be typed with brackets, as in a URL, or without.
    fn address(&self) -> String {
        match self.host.parse::<Ipv6Addr>() {
            Ok(host) => SocketAddr::from((host, self.port)).to_string(),
            Err(_) => format!("{}:{}", self.host, self.port),
        }
    }
}

/// Starts, announces, waits for a signal, stops.
async fn serve(server: TestServerBuilder, arguments: &ServerArguments) -> ExitCode {
    // Before the first line: whoever reads it may send a signal at once.
    let mut signals = match Signals::new() {
        Ok(signals) => signals,
        Err(error) => return cannot_listen(&arguments.address(), &error),
    };
    let server = match server.start().await {
        Ok(server) => server,
        Err(error) => return cannot_listen(&arguments.address(), &error),
    };
    announce(&server);
    let stopped = async {
        signals.next().await;
        tokio::select! {
            biased;
            () = signals.next() => ExitCode::from(exit::INTERRUPTED),
            _ = server.stop(arguments.shutdown_timeout.0) => ExitCode::SUCCESS,
        }
    };
    match arguments.gauges {
        None => stopped.await,
        Some(every) => {
            let code = tokio::select! {
                code = stopped => code,
                () = print_gauges(&server, every) => ExitCode::SUCCESS,
            };
            drop(print_line(&server.gauges().to_json()));
            code
        }
    }
}

/// Prints what the server holds, again and again. Done when nobody reads it any more: whoever started this server for
/// its gauges is gone then, and so should the server be.
async fn print_gauges(server: &TestServer, every: Duration) {
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if print_line(&server.gauges().to_json()).is_err() {
            return;
        }
    }
}

/// The line that scripts wait for. A closed stdout is no reason not to serve.
fn announce(server: &TestServer) {
    let address = server.local_addr();
    drop(print_line(&format!(
        "listening on ws://{address}/ (page: http://{address}/)"
    )));
}

fn print_line(line: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}").and_then(|()| stdout.flush())
}

/// What has been received, in a file.
#[derive(Clone)]
struct Journal(Arc<Mutex<Notes>>);

struct Notes {
    file: BufWriter<File>,
    /// The first note that could not be written.
    failure: Option<io::Error>,
}

impl Journal {
    fn create(path: &Path) -> io::Result<Self> {
        let file = BufWriter::new(File::create(path)?);
        Ok(Self(Arc::new(Mutex::new(Notes { file, failure: None }))))
    }

    /// Notes the payload of a text frame. A failure comes out at the end.
    fn note(&self, what: &Happening<'_>) {
        if let Happening::Frame {
            opcode: Opcode::Text,
            payload,
            ..
        } = what
        {
            let mut notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if let Err(error) = writeln!(notes.file, "{}", payload.escape_ascii()) {
                notes.failure.get_or_insert(error);
            }
        }
    }

    fn end(&self) -> io::Result<()> {
        let mut notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match notes.failure.take() {
            Some(error) => Err(error),
            None => notes.file.flush(),
        }
    }
}

fn cannot_listen(what: &str, error: &io::Error) -> ExitCode {
    exit::tell(format_args!("ws-testkit: cannot listen on {what}: {error}"));
    ExitCode::from(exit::NO_SOCKET)
}
