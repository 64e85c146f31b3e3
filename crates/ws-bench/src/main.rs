//! Rivals' servers, each in its fastest honest form, and the chart of a comparison with them.
//!
//! `ws-bench serve NAME [MODE]` listens on a free port of 127.0.0.1 and prints `listening on ws://ADDR/`; one thread,
//! whole messages back. `MODE` is `plain` (no compression) unless it is given: `takeover[,BITS[,LEVEL]]` and
//! `no-takeover[,BITS[,LEVEL]]` compress every message, `fan-out` sends each to all connections. `ws-bench list [MODE]`
//! prints the names, `ws-bench chart IN.json OUT.svg` draws. `ws-bench ask NAME URL MESSAGES BYTES` is a rival's client. What is measured, and how, is in `xtask/src/bench`.

#![forbid(unsafe_code)]

// layer 1
mod ask;
mod chart;
mod serve;

use std::process::ExitCode;

use serve::Mode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let result = match arguments.as_slice() {
        ["list"] => list(Mode::Plain),
        ["list", mode] => Mode::parse(mode).map_or_else(usage, list),
        ["serve", name] => serve::run(name, Mode::Plain),
        ["serve", name, mode] => Mode::parse(mode).map_or_else(usage, |mode| serve::run(name, mode)),
        ["ask", name, url, messages, bytes] => ask::run(name, url, messages, bytes),
        ["chart", input, output] => chart::draw(input, output),
        _ => usage(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ws-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn list(mode: Mode) -> Result<(), Box<dyn std::error::Error>> {
    mode.names().iter().for_each(|name| println!("{name}"));
    Ok(())
}

fn usage() -> Result<(), Box<dyn std::error::Error>> {
    Err(
        "usage: ws-bench list [MODE] | serve NAME [MODE] | ask NAME URL MESSAGES BYTES | chart IN.json OUT.svg\n\
         MODE: plain | fan-out | takeover[,BITS[,LEVEL]] | no-takeover[,BITS[,LEVEL]]"
            .into(),
    )
}
