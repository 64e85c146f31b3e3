//! Whether the machine can measure: a busy one measures its other work.

use std::fs;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use super::choice::Choice;
use crate::process;

/// The most runnable threads on average over a minute. The load generator itself is not in this number yet.
const MOST_LOAD: f64 = 0.7;

/// Building is load, too: so long the average may take to forget it.
const CALM_LIMIT: Duration = Duration::from_secs(240);

const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Refuses a machine that cannot measure, before anything is built.
pub(super) fn ready(choice: &Choice) -> Result<(), String> {
    if !cfg!(target_os = "linux") {
        return Err("only Linux tells what a server's process costs, and has taskset".to_owned());
    }
    if process::answer_of(Command::new("taskset").arg("--version")).is_none() {
        return Err("taskset is missing (apt-get install util-linux)".to_owned());
    }
    match load() {
        Some(load) if load > MOST_LOAD && !choice.force => Err(busy(load)),
        _ => Ok(()),
    }
}

/// Waits until the machine is calm again after building.
pub(super) fn calm(choice: &Choice) -> Result<(), String> {
    let deadline = Instant::now() + CALM_LIMIT;
    while let Some(load) = load().filter(|load| *load > MOST_LOAD && !choice.force) {
        if Instant::now() > deadline {
            return Err(busy(load));
        }
        println!("waiting until the load of the last minute, {load}, is at most {MOST_LOAD}");
        thread::sleep(LOOK_EVERY);
    }
    Ok(())
}

fn busy(load: f64) -> String {
    format!("the machine is busy: load average {load}, more than {MOST_LOAD} (--force measures all the same)")
}

fn load() -> Option<f64> {
    parse(&fs::read_to_string("/proc/loadavg").ok()?)
}

/// The average of the last minute.
fn parse(averages: &str) -> Option<f64> {
    averages.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn the_load_of_the_last_minute_counts() {
        assert_eq!(parse("0.71 2.00 3.00 1/234 5678\n"), Some(0.71));
        assert_eq!(parse(""), None);
    }
}
