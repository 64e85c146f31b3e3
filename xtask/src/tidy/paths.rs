//! Paths in Rust code: what `use` brings in, and what is named where it stands.

use super::code::is_word;

/// One path that a `use` brings in, its braces resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Used {
    /// The names between the `::`, from the left.
    pub(super) parts: Vec<String>,
    /// The name after `as`.
    pub(super) alias: Option<String>,
}

/// Every path of every `use` in the code.
pub(super) fn used(code: &str) -> Vec<Used> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("use ") {
        let before = code.get(..at).unwrap_or_default();
        if before.ends_with(is_word) {
            continue;
        }
        let tree = code.get(at + "use ".len()..).unwrap_or_default();
        let tree = tree.split(';').next().unwrap_or_default();
        resolve(&[], tree, &mut found);
    }
    found
}

/// Every path in the code that begins at the crate or at a parent module, outside of `use` or in it.
pub(super) fn relative(code: &str) -> Vec<Vec<String>> {
    let mut found: Vec<_> = used(code).into_iter().map(|path| path.parts).collect();
    for start in ["crate::", "super::"] {
        for (at, _) in code.match_indices(start) {
            let before = code.get(..at).unwrap_or_default();
            // Not the middle of a word or of a path, and no `$crate` of a macro.
            if !before.ends_with(|c: char| is_word(c) || c == ':' || c == '$') {
                found.push(names_at(code.get(at..).unwrap_or_default()));
            }
        }
    }
    found.retain(|parts| {
        parts.len() > 1 && matches!(parts.first().map(String::as_str), Some("crate" | "super"))
    });
    found
}

/// Adds the paths of a `use` tree below a prefix.
fn resolve(prefix: &[String], tree: &str, found: &mut Vec<Used>) {
    let tree = tree.trim();
    if let Some((head, body)) = tree.split_once('{') {
        let mut longer = prefix.to_vec();
        longer.extend(names(head));
        for branch in branches(body.trim_end().strip_suffix('}').unwrap_or(body)) {
            resolve(&longer, branch, found);
        }
    } else if !tree.is_empty() {
        let (path, alias) = tree
            .split_once(" as ")
            .map_or((tree, None), |(path, alias)| (path, Some(alias)));
        let mut parts = prefix.to_vec();
        // `{self, ..}` names the prefix itself.
        parts.extend(names(path).filter(|name| prefix.is_empty() || name != "self"));
        found.push(Used {
            parts,
            alias: alias.map(|alias| alias.trim().to_owned()),
        });
    }
}

/// The comma-separated parts outside of any inner braces.
fn branches(body: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    body.split(|c| {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    })
    .collect()
}

fn names(path: &str) -> impl Iterator<Item = String> {
    path.split("::")
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
}

/// The names of a path that begins here, up to the first that is none.
fn names_at(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = code;
    loop {
        let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        let (name, tail) = rest.split_at(end);
        if !name.is_empty() {
            found.push(name.to_owned());
        }
        match tail.strip_prefix("::") {
            Some(next) if !name.is_empty() => rest = next,
            _ => return found,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{relative, used};

    #[test]
    fn braces_are_resolved_to_any_depth() {
        let paths: Vec<_> = used("use crate::{a, b::{self, C as D, e::F}, g::*};")
            .into_iter()
            .map(|path| (path.parts.join("::"), path.alias))
            .collect();
        let plain = |text: &str| (text.to_owned(), None);
        let renamed = ("crate::b::C".to_owned(), Some("D".to_owned()));
        assert_eq!(
            paths,
            [
                plain("crate::a"),
                plain("crate::b"),
                renamed,
                plain("crate::b::e::F"),
                plain("crate::g::*")
            ]
        );
    }

    #[test]
    fn paths_in_the_middle_of_code_are_found() {
        let code = "use std::fmt;\nfn f(x: crate::a::B) { super::c::d(); $crate::no(); other::super::no() }";
        let found: Vec<_> = relative(code).into_iter().map(|parts| parts.join("::")).collect();
        assert_eq!(found, ["crate::a::B", "super::c::d"]);
    }
}
