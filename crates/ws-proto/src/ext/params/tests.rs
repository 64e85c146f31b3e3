//! Text that is a list of extensions, text that is none, and text that is made to take long.

use super::*;

fn all(line: &str) -> Result<Vec<String>, ExtensionSyntaxError> {
    parse_extensions(line)
        .map(|offer| offer.map(|offer| offer.to_string()))
        .collect()
}

#[test]
fn reads_and_writes_back() {
    let table: &[(&str, &[&str])] = &[
        ("", &[]),
        (" , ,\t", &[]),
        ("foo", &["foo"]),
        ("foo, bar; baz=2", &["foo", "bar; baz=2"]),
        ("deflate-stream", &["deflate-stream"]),
        (
            "mux; max-channels=4; flow-control, deflate-stream",
            &["mux; max-channels=4; flow-control", "deflate-stream"],
        ),
        ("private-extension", &["private-extension"]),
        (r#"a;b="c""#, &["a; b=c"]),
        (r#"a ; b = "\c\d" ,x"#, &["a; b=cd", "x"]),
        (",,a,,b,", &["a", "b"]),
        ("a; b; b=1; b", &["a; b; b=1; b"]),
        (
            "toString; __proto__=hasOwnProperty",
            &["toString; __proto__=hasOwnProperty"],
        ),
    ];
    for (line, expected) in table {
        assert_eq!(all(line).unwrap(), *expected, "{line}");
        assert_eq!(all(&expected.join(", ")).unwrap(), *expected, "{line}");
    }
}

#[test]
fn refuses_what_the_grammar_does_not_have() {
    use ExtensionSyntaxError::{Name, Parameter, Separator, UnclosedQuote, Value};
    let table = [
        (";a", Name { at: 0 }),
        ("\"a\"", Name { at: 0 }),
        ("a,=", Name { at: 2 }),
        ("é", Name { at: 0 }),
        ("a;", Parameter { at: 2 }),
        ("a; =b", Parameter { at: 3 }),
        ("a; b=", Value { at: 5 }),
        ("a; b=,", Value { at: 5 }),
        (r#"a; b="""#, Value { at: 5 }),
        (r#"a; b="c d""#, Value { at: 7 }),
        (r#"a; b="\ ""#, Value { at: 7 }),
        (r#"a; b="é""#, Value { at: 6 }),
        (r#"a; b="c"d"#, Separator { at: 8 }),
        ("a b", Separator { at: 2 }),
        ("a; b=c d", Separator { at: 7 }),
        (r#"a; b="c"#, UnclosedQuote { at: 5 }),
        (r#"a; b="c\"#, UnclosedQuote { at: 5 }),
    ];
    for (line, expected) in table {
        assert_eq!(all(line), Err(expected), "{line}");
    }
}

#[test]
fn ends_after_an_error() {
    let mut offers = parse_extensions("a, =, b");
    assert!(offers.next().unwrap().is_ok());
    assert!(offers.next().unwrap().is_err());
    assert!(offers.next().is_none());
}

/// No byte is looked at more than a few times, whatever stands around it.
#[test]
fn h24_h25_twice_as_much_text_takes_twice_as_many_steps() {
    for (start, unit) in [
        ("a; b=\"", r"\c"),
        ("a; b=\"", "c"),
        ("", ",\t "),
        ("a", " "),
        ("a", ";b"),
        ("", "permessage-deflate; client_max_window_bits, "),
        ("", "permessage-deflate; x=\"1\", "),
    ] {
        let steps = |bytes: usize| {
            let text = format!("{start}{}", unit.repeat(bytes / unit.len()));
            steps::count(|| drop(parse_extensions(&text).last()))
        };
        let (once, twice) = (steps(64 << 10), steps(128 << 10));
        assert!(once <= 4 * (64 << 10), "{start}{unit}: {once}");
        assert!(twice <= 2 * once + 64, "{start}{unit}: {once}, {twice}");
    }
}

/// Megabytes of the worst text come back at once; a quadratic reader would need minutes for these.
#[test]
fn hostile_text_takes_linear_time() {
    let unclosed = format!("a; b=\"{}", r"\c".repeat(1 << 21));
    assert_eq!(all(&unclosed), Err(ExtensionSyntaxError::UnclosedQuote { at: 5 }));
    let unclosed_plain = format!("a; b=\"{}", "c".repeat(1 << 22));
    assert_eq!(
        all(&unclosed_plain),
        Err(ExtensionSyntaxError::UnclosedQuote { at: 5 })
    );
    let empty = ",\t ".repeat(1 << 20);
    assert_eq!(parse_extensions(&empty).count(), 0);
    let spaces = format!("a{}b", " ".repeat(1 << 21));
    assert!(all(&spaces).is_err());
    let offers = "permessage-deflate; client_max_window_bits, ".repeat(1 << 16);
    assert_eq!(parse_extensions(&offers).filter(Result::is_ok).count(), 1 << 16);
}

#[test]
fn builds_only_tokens() {
    let offer = ExtensionOffer::new("permessage-deflate").unwrap();
    let offer = offer
        .with_parameter("server_max_window_bits", Some("10"))
        .unwrap();
    let offer = offer
        .with_parameter("client_no_context_takeover", None::<&str>)
        .unwrap()
        .into_owned();
    assert_eq!(
        offer.to_string(),
        "permessage-deflate; server_max_window_bits=10; client_no_context_takeover"
    );
    assert!(ExtensionOffer::new("").is_err());
    assert!(ExtensionOffer::new("a\r\nX: y").is_err());
    assert!(
        ExtensionOffer::new("a")
            .unwrap()
            .with_parameter("b", Some("c;d"))
            .is_err()
    );
    assert!(
        ExtensionOffer::new("a")
            .unwrap()
            .with_parameter("", None::<&str>)
            .is_err()
    );
}
