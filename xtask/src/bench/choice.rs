//! What the command line of `cargo xtask bench` chose.

use super::shapes::{SHAPES, Shape, shape};

/// With fewer turns a median and its spread mean nothing.
const LEAST_TURNS: usize = 3;

/// All shapes against everybody take less than half an hour so.
const SECONDS: f64 = 1.0;

/// A server of the user's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Extra {
    pub(super) name: String,
    /// The one shape it takes part in; nothing: all in which plain servers echo.
    pub(super) shape: Option<String>,
    pub(super) command: String,
}

/// The comparison that is asked for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Choice {
    pub(super) shapes: Vec<Shape>,
    /// Rivals by name; empty: all of them.
    pub(super) against: Vec<String>,
    /// Further servers.
    pub(super) servers: Vec<Extra>,
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
            seconds: SECONDS,
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

/// `NAME=COMMAND` or `NAME@SHAPE=COMMAND`.
fn named_command(text: &str) -> Result<Extra, String> {
    let (name, command) = text.split_once('=').unwrap_or_default();
    let (name, at) = match name.split_once('@') {
        Some((name, at)) => (name, Some(at)),
        None => (name, None),
    };
    if name.is_empty() || command.is_empty() || at.is_some_and(|at| shape(at).is_none()) {
        return Err("--server needs NAME=COMMAND, or NAME@SHAPE=COMMAND".to_owned());
    }
    Ok(Extra {
        name: name.to_owned(),
        shape: at.map(str::to_owned),
        command: command.to_owned(),
    })
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
    use super::{Choice, Extra, SHAPES};

    fn read(arguments: &str) -> Result<Choice, String> {
        let arguments: Vec<_> = arguments.split_ascii_whitespace().map(str::to_owned).collect();
        Choice::read(&arguments)
    }

    #[test]
    fn nothing_said_is_everything() {
        let choice = read("").expect("no argument is fine");
        assert_eq!(
            (choice.shapes.len(), choice.repetitions, choice.force),
            (SHAPES.len(), 3, false)
        );
        assert!(choice.against.is_empty());
    }

    #[test]
    fn shapes_rivals_and_servers_are_chosen() {
        let choice =
            read("b j --against wtx --against yawc --server x=run --server y@h1=a=b --seconds 0.1 --force")
                .expect("fine");
        let names: Vec<_> = choice.shapes.iter().map(|shape| shape.name).collect();
        assert_eq!(names, ["b", "j"]);
        assert_eq!(choice.against, ["wtx", "yawc"]);
        let extra = |name: &str, shape: Option<&str>, command: &str| Extra {
            name: name.to_owned(),
            shape: shape.map(str::to_owned),
            command: command.to_owned(),
        };
        assert_eq!(
            choice.servers,
            [extra("x", None, "run"), extra("y", Some("h1"), "a=b")]
        );
        assert!(choice.force);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for arguments in [
            "z",
            "--against",
            "--server x",
            "--server =x",
            "--server x@z=y",
            "--repetitions 2",
            "--seconds 0",
        ] {
            assert!(read(arguments).is_err(), "{arguments}");
        }
    }
}
