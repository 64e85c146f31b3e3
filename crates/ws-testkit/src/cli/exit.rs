//! Exit codes that more than one command uses. Codes of one command only are beside that command.

use std::fmt;
use std::io::Write as _;
use std::process::ExitCode;

/// The command line, or what it asks for, makes no sense.
pub(crate) const USAGE: u8 = 2;
/// The server could not bind its address; the client got no TCP connection.
pub(crate) const NO_SOCKET: u8 = 3;
/// Stopped by a signal before the work was done: 128 + SIGINT, as shells count.
pub(crate) const INTERRUPTED: u8 = 130;

/// Prints what clap has to say and turns it into an exit code: help and version are no errors.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    // Nothing is left to do about a stdout or stderr that cannot be written.
    drop(error.print());
    if error.use_stderr() {
        ExitCode::from(USAGE)
    } else {
        ExitCode::SUCCESS
    }
}

/// Writes a line to stderr. Unlike `eprintln!` it does not panic when nobody can read it.
pub(crate) fn tell(line: impl fmt::Display) {
    drop(writeln!(std::io::stderr().lock(), "{line}"));
}
