//! What the command line of `cargo xtask bench` chose.

use super::shapes::{SHAPES, Shape, shape};

/// With fewer turns a median and its spread mean nothing.
const LEAST_TURNS: usize = 3;

/// The comparison that is asked for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Choice {
    pub(super) shapes: Vec<Shape>,
    /// Rivals by name; empty: all of them.
    pub(super) against: Vec<String>,
    /// Further servers: name and command.
    pub(super) servers: Vec<(String, String)>,
    pub(super) repetitions: usize,
    /// How long each measurement takes.
    pub(super) seconds: f64,
    pub(super) force: bool,
}

impl Choice {
    /// Reads the arguments.
    pub(crate) fn read(arguments: &[String]) -> Result<Self, String> {
        let mut choice = Self {
            shapes: Vec::new(),
            against: Vec::new(),
            servers: Vec::new(),
            repetitions: LEAST_TURNS,
            seconds: 2.0,
            force: false,
        };
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let mut value = || rest.next().ok_or_else(|| format!("{argument} needs a value"));
            match argument.as_str() {
                "--against" => choice.against.push(value()?.clone()),
                "--server" => choice.servers.push(named_command(value()?)?),
                "--repetitions" => choice.repetitions = repetitions(value()?)?,
                "--seconds" => choice.seconds = seconds(value()?)?,
                "--force" => choice.force = true,
                name => match shape(name) {
                    Some(shape) => choice.shapes.push(shape),
                    None => return Err(format!("unexpected argument `{name}`; shapes are {}", names())),
                },
            }
        }
        if choice.shapes.is_empty() {
            choice.shapes = SHAPES.to_vec();
        }
        Ok(choice)
    }
}

fn names() -> String {
    SHAPES.map(|shape| shape.name).join(" ")
}

fn named_command(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, command)) if !name.is_empty() && !command.is_empty() => {
            Ok((name.to_owned(), command.to_owned()))
        }
        _ => Err("--server needs NAME=COMMAND".to_owned()),
    }
}

fn repetitions(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| *number >= LEAST_TURNS);
    number.ok_or_else(|| format!("--repetitions needs a number, at least {LEAST_TURNS}"))
}

fn seconds(text: &str) -> Result<f64, String> {
    let number = text
        .parse()
        .ok()
        .filter(|number| (0.01..=3600.0).contains(number));
    number.ok_or_else(|| "--seconds needs a number from 0.01 to 3600".to_owned())
}

#[cfg(test)]
mod tests {
    use super::Choice;

    fn read(arguments: &str) -> Result<Choice, String> {
        let arguments: Vec<_> = arguments.split_ascii_whitespace().map(str::to_owned).collect();
        Choice::read(&arguments)
    }

    #[test]
    fn nothing_said_is_everything() {
        let choice = read("").expect("no argument is fine");
        assert_eq!(
            (choice.shapes.len(), choice.repetitions, choice.force),
            (9, 3, false)
        );
        assert!(choice.against.is_empty());
    }

    #[test]
    fn shapes_rivals_and_servers_are_chosen() {
        let choice =
            read("b j --against wtx --against yawc --server x=run --seconds 0.1 --force").expect("fine");
        let names: Vec<_> = choice.shapes.iter().map(|shape| shape.name).collect();
        assert_eq!(names, ["b", "j"]);
        assert_eq!(choice.against, ["wtx", "yawc"]);
        assert_eq!(choice.servers, [("x".to_owned(), "run".to_owned())]);
        assert!(choice.force);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for arguments in [
            "z",
            "--against",
            "--server x",
            "--server =x",
            "--repetitions 2",
            "--seconds 0",
        ] {
            assert!(read(arguments).is_err(), "{arguments}");
        }
    }
}
