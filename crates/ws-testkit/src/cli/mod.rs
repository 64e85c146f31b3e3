//! The command line: arguments as typed, then options resolved, then the run, then an exit code.
//!
//! Each command has a file of its own with these stages. What a command does is in the library's server,
//! client and conformance modules, never here. Results go to stdout, logs and progress to stderr.

// layer 1
mod exit;
mod limits;
mod signals;

// layer 2
mod client;

// layer 3
mod attack;
mod autobahn;
mod bench;
mod server;
#[cfg(target_os = "linux")]
mod soak;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Test server and test client for the WebSocket protocol (RFC 6455).
#[derive(Debug, Parser)]
#[command(name = "ws-testkit", version, about, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the test subprotocols and a page to try them with.
    Server(server::ServerArguments),
    /// Send messages or PINGs, verify what comes back, report like ping.
    Client(client::ClientArguments),
    /// Run every case of an Autobahn-style fuzzing server against our client.
    Autobahn(autobahn::AutobahnArguments),
    /// Put an echo server under load: throughput, latency, CPU and memory.
    Bench(bench::BenchArguments),
    /// Attack an echo server with what it must refuse or survive.
    Attack(attack::AttackArguments),
    /// Put a server of our own under a load shape, and judge whether it holds and leaks nothing.
    #[cfg(target_os = "linux")]
    Soak(soak::SoakArguments),
}

/// Runs the command that `arguments` (the program's own name first) ask for, and tells how the program
/// should exit.
///
/// A usage error is exit code 2, as is no command at all; `--help` and `--version` are 0. The other codes
/// are documented at each command.
#[doc(hidden)]
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => return exit::usage(&error),
    };
    start_logging();
    match arguments.command {
        Command::Server(server) => server.run(),
        Command::Client(client) => client.run(),
        Command::Autobahn(autobahn) => autobahn.run(),
        Command::Bench(bench) => bench.run(),
        Command::Attack(attack) => attack.run(),
        #[cfg(target_os = "linux")]
        Command::Soak(soak) => soak.run(),
    }
}

/// Warnings and errors go to stderr; `RUST_LOG` asks for more or less, `NO_COLOR` for no colours.
fn start_logging() {
    use std::io::IsTerminal as _;

    let filter = tracing_subscriber::EnvFilter::builder()
        .with_default_directive(tracing::level_filters::LevelFilter::WARN.into())
        .from_env_lossy();
    let colours = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(colours && std::io::stderr().is_terminal());
    // A second call in one process (tests) keeps the first subscriber.
    drop(subscriber.try_init());
}
