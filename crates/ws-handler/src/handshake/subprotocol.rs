//! Subprotocols: the list a client offers, and the one a server picks.
//!
//! RFC 6455 §1.9, §4.1 item 10, §4.2.2 item 5.5, §11.3.4.

use std::collections::HashSet;

use crate::fields::{self, Fields, Name};
use crate::steps;

/// An offer that is no list of different tokens.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct InvalidOffer;

/// The subprotocols of a request in the client's order: none when the header is absent.
///
/// RFC 6455 §4.1 item 10: they "MUST be non-empty strings with characters in the range U+0021 to U+007E not
/// including separator characters … and MUST all be unique strings". A header without any name breaks that, too.
pub(super) fn offered(asked: Fields<'_>) -> Result<Vec<&str>, InvalidOffer> {
    let mut names = Vec::new();
    if !asked.contains(Name::Protocol) {
        return Ok(names);
    }
    for member in fields::list(asked, Name::Protocol) {
        let name = fields::text(member)
            .filter(|_| fields::is_token(member))
            .ok_or(InvalidOffer)?;
        names.push(name);
    }
    if !names.is_empty() && all_different(&names) {
        Ok(names)
    } else {
        Err(InvalidOffer)
    }
}

/// True when every name is a token and none comes twice.
pub(super) fn is_valid_offer(names: &[String]) -> bool {
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    names.iter().all(|name| fields::is_token(name.as_bytes())) && all_different(&names)
}

/// Linear, however many names a hostile peer offers.
fn all_different(names: &[&str]) -> bool {
    let seen = names.iter().inspect(|_| steps::step());
    names.len() < 2 || seen.collect::<HashSet<_>>().len() == names.len()
}

#[cfg(test)]
mod tests {
    use http::header::{HeaderMap, HeaderValue, SEC_WEBSOCKET_PROTOCOL};

    use super::*;

    fn parse(lines: &[&str]) -> Result<Vec<String>, InvalidOffer> {
        let mut map = HeaderMap::new();
        for line in lines {
            map.append(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_str(line).unwrap());
        }
        offered((&map).into()).map(|names| names.into_iter().map(str::to_owned).collect())
    }

    #[test]
    fn reads_lists_over_lines() {
        assert_eq!(parse(&[]).unwrap(), [""; 0]);
        assert_eq!(parse(&["chat, superchat"]).unwrap(), ["chat", "superchat"]);
        assert_eq!(parse(&["a ,\tb", ",c"]).unwrap(), ["a", "b", "c"]);
        assert_eq!(
            parse(&["chat,Chat"]).unwrap(),
            ["chat", "Chat"],
            "names are compared as they are"
        );
    }

    #[test]
    fn refuses_what_is_no_list_of_different_tokens() {
        for wrong in [
            &[""][..],
            &[" , "],
            &["a b"],
            &["a/b"],
            &["a", "b, a"],
            &["\"a\""],
            &["ä"],
        ] {
            assert_eq!(parse(wrong), Err(InvalidOffer), "{wrong:?}");
        }
    }

    /// Each byte is looked at twice at the most, and each name once more.
    #[test]
    fn h23_twice_as_many_names_take_twice_as_many_steps() {
        for (unit, expected) in [
            ("a,", Err(InvalidOffer)),
            (" ,", Err(InvalidOffer)),
            ("a ", Err(InvalidOffer)),
        ] {
            let steps = |count: usize| {
                let list = unit.repeat(count);
                steps::count(|| assert_eq!(parse(&[&list]).map(drop), expected))
            };
            let (once, twice) = (steps(50_000), steps(100_000));
            assert!(once <= 3 * 100_000, "{unit:?}: {once}");
            assert!(twice <= 2 * once + 8, "{unit:?}: {once}, {twice}");
        }
        let different = |count: usize| {
            let list = (0..count)
                .map(|number| format!("{number:06},"))
                .collect::<String>();
            steps::count(|| assert_eq!(parse(&[&list]).unwrap().len(), count))
        };
        let (once, twice) = (different(20_000), different(40_000));
        assert!(once <= 3 * 7 * 20_000, "{once}");
        assert!(twice <= 2 * once + 8, "{once}, {twice}");
    }

    /// Quadratic time would take hours for this megabyte.
    #[test]
    fn a_megabyte_of_names_takes_linear_time() {
        let names: Vec<_> = (0..150_000).map(|number| format!("{number:x}")).collect();
        assert_eq!(parse(&[&names.join(",")]).unwrap().len(), 150_000);
        assert_eq!(parse(&[&"a,".repeat(1 << 19)]), Err(InvalidOffer));
        assert_eq!(parse(&[&" ".repeat(1 << 20)]), Err(InvalidOffer));
    }
}
