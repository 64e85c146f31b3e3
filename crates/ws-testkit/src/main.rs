//! The `ws-testkit` program. Everything it does is in the library, beginning at its `cli` module.

fn main() -> std::process::ExitCode {
    ws_testkit::run(std::env::args_os())
}
