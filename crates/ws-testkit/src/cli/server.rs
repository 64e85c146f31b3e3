//! `ws-testkit server`: options as typed, the [`TestServer`](crate::TestServer) they describe, signals.

use std::process::ExitCode;

use clap::Args;

/// Options of `ws-testkit server` as typed.
#[derive(Debug, Args)]
pub(crate) struct ServerArguments {
    /// Address or name to listen on
    #[arg(long, value_name = "HOST", default_value = "127.0.0.1")]
    host: String,

    /// Port to listen on; 0 takes any free one
    #[arg(short, long, value_name = "PORT", default_value_t = 8080)]
    port: u16,
}

impl ServerArguments {
    /// Serves until a signal arrives.
    pub(crate) fn run(self) -> ExitCode {
        eprintln!("{}:{} cannot be served yet", self.host, self.port);
        ExitCode::from(super::exit::NO_SOCKET)
    }
}
