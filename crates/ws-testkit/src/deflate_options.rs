//! `permessage-deflate` as typed: `server_max_window_bits=12; client_no_context_takeover; threshold=0; level=1`.
//!
//! The four parameters are those of RFC 7692 §7.1, with their meaning there: what a client offers, what a server
//! limits itself and its clients to. What is negotiated in the end is for both.

use std::fmt;

use ws_proto::{DeflateConfig, WindowBits};

/// Reads what `--deflate` was given. Nothing at all is the default of the library.
///
/// # Errors
/// A name that does not exist, a value that is missing, out of range or too much, or a name given twice.
pub(crate) fn parse_deflate(typed: &str) -> Result<DeflateConfig, DeflateSyntax> {
    let mut config = DeflateConfig::default();
    let mut known = Vec::new();
    for item in typed.split(';').map(str::trim).filter(|item| !item.is_empty()) {
        let (name, value) = match item.split_once('=') {
            Some((name, value)) => (name.trim(), Some(value.trim())),
            None => (item, None),
        };
        let wrong = |what| DeflateSyntax {
            item: item.to_owned(),
            what,
        };
        if known.contains(&name) {
            return Err(wrong("given twice"));
        }
        known.push(name);
        let bits = || {
            let bits = value.and_then(WindowBits::parse);
            bits.map(Some).ok_or_else(|| wrong("needs a number from 8 to 15"))
        };
        match (name, value) {
            ("server_no_context_takeover", None) => config.server_no_context_takeover = true,
            ("client_no_context_takeover", None) => config.client_no_context_takeover = true,
            ("server_no_context_takeover" | "client_no_context_takeover", Some(_)) => {
                return Err(wrong("takes no value"));
            }
            ("server_max_window_bits", _) => config.server_max_window_bits = bits()?,
            // RFC 7692 §7.1.2.2: without a value a client says that it can obey.
            ("client_max_window_bits", None) => config.client_max_window_bits = Some(WindowBits::MAX),
            ("client_max_window_bits", Some(_)) => config.client_max_window_bits = bits()?,
            ("threshold", _) => {
                let threshold = value.and_then(|value| value.parse().ok());
                config.threshold = threshold.ok_or_else(|| wrong("needs a number of bytes"))?;
            }
            ("level", _) => {
                let level = value.and_then(|value| value.parse().ok());
                let level = level.filter(|level| (1..=9).contains(level));
                config.level = level.ok_or_else(|| wrong("needs a number from 1 to 9"))?;
            }
            _ => return Err(wrong("is no parameter of deflate")),
        }
    }
    Ok(config)
}

/// What is wrong with a parameter of `--deflate`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DeflateSyntax {
    item: String,
    what: &'static str,
}

impl fmt::Display for DeflateSyntax {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.item, self.what)
    }
}

impl std::error::Error for DeflateSyntax {}

#[cfg(test)]
mod tests {
    use super::{DeflateConfig, WindowBits, parse_deflate};

    #[test]
    fn parameters_are_read_in_any_order_and_with_any_spaces() {
        assert_eq!(parse_deflate(""), Ok(DeflateConfig::default()));
        let expected = DeflateConfig {
            server_max_window_bits: WindowBits::new(9),
            client_no_context_takeover: true,
            threshold: 0,
            level: 6,
            ..DeflateConfig::default()
        };
        for typed in [
            "server_max_window_bits=9;client_no_context_takeover;threshold=0;level=6",
            " level = 6 ; threshold=0 ;; client_no_context_takeover; server_max_window_bits = 9 ;",
        ] {
            assert_eq!(parse_deflate(typed), Ok(expected.clone()), "{typed}");
        }
        let any = parse_deflate("client_max_window_bits; server_no_context_takeover");
        let any = any.map(|config| (config.client_max_window_bits, config.server_no_context_takeover));
        assert_eq!(any, Ok((Some(WindowBits::MAX), true)));
    }

    #[test]
    fn what_makes_no_sense_is_told_with_its_reason() {
        let table = [
            ("server_max_window_bits", "needs a number from 8 to 15"),
            ("server_max_window_bits=7", "needs a number from 8 to 15"),
            ("client_max_window_bits=16", "needs a number from 8 to 15"),
            ("server_no_context_takeover=1", "takes no value"),
            ("threshold", "needs a number of bytes"),
            ("threshold=-1", "needs a number of bytes"),
            ("level=0", "needs a number from 1 to 9"),
            ("level=10", "needs a number from 1 to 9"),
            ("memory=1", "is no parameter of deflate"),
        ];
        for (typed, why) in table {
            assert_eq!(
                parse_deflate(typed).unwrap_err().to_string(),
                format!("{typed} {why}")
            );
        }
        let twice = parse_deflate("level=1; level=1").unwrap_err();
        assert_eq!(twice.to_string(), "level=1 given twice");
    }
}
