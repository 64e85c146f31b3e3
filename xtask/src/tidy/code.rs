//! Rust text with its comments and literals blanked out, so that the rules find code only. Lines stay where they are.
//! No parser: enough of the lexical grammar to tell code from text.

/// Replaces every character of comments, strings and character literals by a blank; line breaks stay.
pub(super) fn code_only(text: &str) -> String {
    let mut blanked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        // An identifier is taken whole, so that the `r` at its end never opens a raw string.
        let word = rest.find(|c: char| !is_word(c)).unwrap_or(rest.len());
        let literal = literal_at(rest);
        let taken = if literal > 0 {
            literal
        } else {
            word.max(first.len_utf8())
        };
        let (part, tail) = rest.split_at(taken);
        if literal > 0 {
            blanked.extend(part.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        } else {
            blanked.push_str(part);
        }
        rest = tail;
    }
    blanked
}

/// The code without its test part: everything before the first `#[cfg(test)]` that opens a module in the file.
/// Tests stand last in a file (docs/CONTRIBUTING.md).
pub(super) fn without_tests(code: &str) -> &str {
    let mut begin = 0;
    while let Some(found) = code.get(begin..).and_then(|rest| rest.find("#[cfg(")) {
        let at = begin + found;
        let line_end = code
            .get(at..)
            .and_then(|rest| rest.find('\n'))
            .map_or(code.len(), |end| at + end);
        let attribute = code.get(at..line_end).unwrap_or_default();
        let next = code.get(line_end..).unwrap_or_default().trim_start();
        if mentions_test(attribute)
            && next.starts_with("mod ")
            && !next.lines().next().is_some_and(|l| l.ends_with(';'))
        {
            return code.get(..at).unwrap_or(code);
        }
        begin = line_end;
    }
    code
}

/// Whether an attribute is a condition on `test`.
pub(super) fn mentions_test(attribute: &str) -> bool {
    attribute.starts_with("#[cfg(") && attribute.split(|c: char| !is_word(c)).any(|word| word == "test")
}

/// A character of an identifier.
pub(super) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The length of the comment or literal that begins here; 0 where code begins.
fn literal_at(rest: &str) -> usize {
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return block_comment(rest);
    }
    let prefix = ["br", "cr", "b", "c", "r", ""].into_iter().find(|prefix| {
        rest.strip_prefix(prefix)
            .is_some_and(|after| after.starts_with(['"', '\'']) || raw_begins(prefix, after))
    });
    let Some(prefix) = prefix else { return 0 };
    let after = rest.get(prefix.len()..).unwrap_or_default();
    let length = if prefix.ends_with('r') {
        raw_string(after)
    } else if after.starts_with('"') {
        quoted(after, '"')
    } else {
        character(after)
    };
    if length == 0 { 0 } else { prefix.len() + length }
}

fn raw_begins(prefix: &str, after: &str) -> bool {
    prefix.ends_with('r') && after.starts_with('#') && after.trim_start_matches('#').starts_with('"')
}

fn raw_string(after: &str) -> usize {
    let hashes = after.len() - after.trim_start_matches('#').len();
    let end = format!("\"{}", "#".repeat(hashes));
    let body = hashes + 1;
    if !after.get(hashes..).is_some_and(|text| text.starts_with('"')) {
        return 0;
    }
    after
        .get(body..)
        .and_then(|text| text.find(&end))
        .map_or(after.len(), |at| body + at + end.len())
}

/// From the opening mark to the closing one, which no backslash stands before.
fn quoted(after: &str, mark: char) -> usize {
    let mut escaped = false;
    for (at, c) in after.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == mark => return at + c.len_utf8(),
            _ => {}
        }
    }
    after.len()
}

/// A character literal; 0 for a lifetime or a label, which have no closing mark after one character.
fn character(after: &str) -> usize {
    let mut characters = after.char_indices().skip(1);
    match (characters.next(), characters.next()) {
        (Some((_, '\\')), _) => quoted(after, '\''),
        (Some(_), Some((at, '\''))) => at + 1,
        _ => 0,
    }
}

fn block_comment(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(tail) = rest.get(at..).filter(|tail| !tail.is_empty()) {
        if tail.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if tail.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += tail.chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::{code_only, mentions_test, without_tests};

    #[test]
    fn comments_and_literals_are_blanked_and_lines_stay() {
        let text = "a // b\n/* c /* d\n */ */ e \"f\\\"g\" 'h' '\\'' r#\"i\"j\"# br\"k\" l";
        let code = code_only(text);
        assert_eq!(code.split_whitespace().collect::<Vec<_>>(), ["a", "e", "l"]);
        assert_eq!(
            (code.chars().count(), code.lines().count()),
            (text.chars().count(), text.lines().count())
        );
    }

    #[test]
    fn lifetimes_and_identifiers_are_code() {
        for code in [
            "fn f<'a>(x: &'a str) {}",
            "bar\u{e4}r",
            "'outer: loop {}",
            "r#type",
            "b + c",
        ] {
            assert_eq!(code_only(code), code);
        }
    }

    #[test]
    fn the_test_part_is_cut_off_and_a_test_file_is_only_declared() {
        let code = "use a;\n#[cfg(test)]\nmod tests {\n use b;\n}\n";
        assert_eq!(without_tests(code), "use a;\n");
        let declared = "#[cfg(test)]\nmod tests;\nuse b;\n";
        assert_eq!(without_tests(declared), declared);
        let feature = "#[cfg(feature = \"codec\")]\nmod codec {}\n";
        assert_eq!(without_tests(feature), feature);
    }

    #[test]
    fn a_condition_on_test_is_known() {
        assert!(mentions_test("#[cfg(test)]") && mentions_test("#[cfg(all(test, unix))]"));
        assert!(!mentions_test("#[cfg(latest)]") && !mentions_test("#[test]"));
    }
}
