//! Rivals' echo servers, each in its fastest honest form, and the chart of a comparison with them.
//!
//! `ws-bench serve NAME` listens on a free port of 127.0.0.1 and prints `listening on ws://ADDR/`; one thread, no
//! compression, whole messages back. `ws-bench list` prints the names, `ws-bench chart IN.json OUT.svg` draws.
//! What is measured, and how, is in `xtask/src/bench`.

#![forbid(unsafe_code)]

// layer 1
mod chart;
mod serve;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let result = match arguments.as_slice() {
        ["list"] => {
            serve::NAMES.iter().for_each(|name| println!("{name}"));
            Ok(())
        }
        ["serve", name] => serve::run(name),
        ["chart", input, output] => chart::draw(input, output),
        _ => Err("usage: ws-bench list | serve NAME | chart IN.json OUT.svg".into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ws-bench: {error}");
            ExitCode::FAILURE
        }
    }
}
