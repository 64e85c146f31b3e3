//! Path patterns of routes and which of several wins.
//!
//! | pattern | matches |
//! |---|---|
//! | `/exact` | that path and no other |
//! | `/room/{id}` | one non-empty segment in the place of `{id}` |
//! | `/prefix/*` | `/prefix` and everything below |
//! | `*.ext` | a last segment that ends so |
//! | `/` | whatever nothing else matched |
//! | (empty) | the path `/` and no other |
//!
//! Precedence is Jetty's: exact, then longest prefix, then extension, then default. Patterns of segments are
//! compared from the left: a literal beats a variable, a variable beats `*`.
//!
//! The request path is cut and judged in `path`.

mod path;

use std::borrow::Cow;
use std::fmt;

pub use self::path::{PathError, RequestPath};

/// A path pattern of a route. See the table in the builder's documentation
/// ([`WebSocketServletBuilder::route`](crate::WebSocketServletBuilder::route)).
///
/// Literal segments are written plainly or percent-encoded; both mean the same path. Case matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathPattern {
    text: String,
    kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    /// Segment by segment from the root; `tail` = ends with `/*`.
    Segments { segments: Vec<Segment>, tail: bool },
    /// `*.ext`, kept with its dot.
    Extension(String),
    /// `/`.
    Default,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Literal(String),
    Variable(String),
}

/// What is wrong with a pattern; the servlet is not built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PatternError {
    /// Neither `/...` nor `*.ext`.
    Shape,
    /// `*` anywhere but alone at the end after a slash, or at the front of `*.ext`.
    Wildcard,
    /// `{` or `}` that does not enclose a whole segment, or `{}` without a name.
    Variable,
    /// The same variable twice.
    RepeatedVariable,
    /// A literal that no request can match, because such request paths are refused.
    Unreachable(PathError),
}

impl fmt::Display for PatternError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shape => out.write_str("begins neither with a slash nor with *."),
            Self::Wildcard => out.write_str("a star may only stand alone at the end or in front of .ext"),
            Self::Variable => out.write_str("a variable is a whole segment with a name, like {id}"),
            Self::RepeatedVariable => out.write_str("the same variable twice"),
            Self::Unreachable(_) => out.write_str("no request can match it"),
        }
    }
}

impl std::error::Error for PatternError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unreachable(why) => Some(why),
            _ => None,
        }
    }
}

impl PathPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// [`PatternError`] when it has none of the shapes above.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        Ok(Self {
            text: text.to_owned(),
            kind: parse_kind(text)?,
        })
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Does this pattern, taken alone, match the path?
    pub fn matches(&self, path: &RequestPath<'_>) -> bool {
        let given = path.segments();
        match &self.kind {
            Kind::Default => true,
            Kind::Extension(suffix) => given.last().is_some_and(|last| last.ends_with(suffix.as_str())),
            Kind::Segments { segments, tail } => {
                (given.len() == segments.len() || *tail && given.len() > segments.len())
                    && segments.iter().zip(given).all(|(wanted, given)| match wanted {
                        Segment::Literal(literal) => literal == given,
                        Segment::Variable(_) => !given.is_empty(),
                    })
            }
        }
    }

    /// What the path has in the place of the variable `name`; `"*"` names what `/*` stood for.
    ///
    /// `raw` is the path of a request that matched. `None` if there is no such variable or no match.
    pub(crate) fn parameter<'a>(&self, raw: &'a str, name: &str) -> Option<Cow<'a, str>> {
        let Kind::Segments { segments, tail } = &self.kind else {
            return None;
        };
        let mut given = RequestPath::parse(raw).ok()?.into_segments();
        if name == "*" {
            if !tail || given.len() < segments.len() {
                return None;
            }
            return Some(Cow::Owned(given.split_off(segments.len()).join("/")));
        }
        let place = segments
            .iter()
            .position(|s| matches!(s, Segment::Variable(n) if n == name))?;
        (place < given.len()).then(|| given.swap_remove(place))
    }

    /// The names of the variables, in order.
    pub(crate) fn variables(&self) -> impl Iterator<Item = &str> {
        let segments = match &self.kind {
            Kind::Segments { segments, .. } => segments.as_slice(),
            _ => &[],
        };
        segments.iter().filter_map(|segment| match segment {
            Segment::Variable(name) => Some(name.as_str()),
            Segment::Literal(_) => None,
        })
    }

    /// Sorts before every pattern that it beats on a path that both match.
    pub(crate) fn precedence(&self) -> Precedence {
        match &self.kind {
            Kind::Segments { segments, tail } => {
                let mut ranks: Vec<u8> = segments
                    .iter()
                    .map(|segment| match segment {
                        Segment::Literal(_) => 0,
                        Segment::Variable(_) => 1,
                    })
                    .collect();
                if *tail {
                    ranks.push(2);
                }
                Precedence::Segments(ranks)
            }
            // Longest first: `*.tar.gz` before `*.gz`.
            Kind::Extension(suffix) => Precedence::Extension(usize::MAX - suffix.len()),
            Kind::Default => Precedence::Default,
        }
    }

    /// Do both match exactly the same paths? Names of variables do not matter.
    pub(crate) fn same_paths(&self, other: &Self) -> bool {
        match (&self.kind, &other.kind) {
            (Kind::Segments { segments: a, tail: x }, Kind::Segments { segments: b, tail: y }) => {
                x == y
                    && a.len() == b.len()
                    && a.iter().zip(b).all(|pair| match pair {
                        (Segment::Literal(one), Segment::Literal(two)) => one == two,
                        (Segment::Variable(_), Segment::Variable(_)) => true,
                        _ => false,
                    })
            }
            (one, two) => one == two,
        }
    }
}

/// Order of trial of patterns: the smallest that matches wins.
///
/// Segment ranks may be compared before any path is known: where two patterns differ in rank at a place, both
/// match the path up to there, and the rank alone decides.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Precedence {
    Segments(Vec<u8>),
    Extension(usize),
    Default,
}

fn parse_kind(text: &str) -> Result<Kind, PatternError> {
    if text == "/" {
        return Ok(Kind::Default);
    }
    if text.is_empty() {
        return Ok(Kind::Segments {
            segments: vec![Segment::Literal(String::new())],
            tail: false,
        });
    }
    if let Some(suffix) = text.strip_prefix('*') {
        return parse_extension(suffix);
    }
    let rest = text.strip_prefix('/').ok_or(PatternError::Shape)?;
    let (rest, tail) = match rest.strip_suffix("/*") {
        Some(rest) => (rest, true),
        None if rest == "*" => {
            return Ok(Kind::Segments {
                segments: Vec::new(),
                tail: true,
            });
        }
        None => (rest, false),
    };
    let segments = rest
        .split('/')
        .map(parse_segment)
        .collect::<Result<Vec<_>, _>>()?;
    check_segments(&segments, tail)?;
    Ok(Kind::Segments { segments, tail })
}

fn parse_extension(suffix: &str) -> Result<Kind, PatternError> {
    if !suffix.starts_with('.') || suffix.len() < 2 {
        return Err(PatternError::Shape);
    }
    if suffix.contains(['*', '/']) {
        return Err(PatternError::Wildcard);
    }
    if suffix.contains(['{', '}']) {
        return Err(PatternError::Variable);
    }
    Ok(Kind::Extension(suffix.to_owned()))
}

fn parse_segment(text: &str) -> Result<Segment, PatternError> {
    if let Some(name) = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        // `*` is the name of the tail.
        if name.is_empty() || name.contains(['{', '}', '*']) {
            return Err(PatternError::Variable);
        }
        return Ok(Segment::Variable(name.to_owned()));
    }
    if text.contains(['{', '}']) {
        return Err(PatternError::Variable);
    }
    if text.contains('*') {
        return Err(PatternError::Wildcard);
    }
    path::decode_segment(text)
        .map(|literal| Segment::Literal(literal.into_owned()))
        .map_err(PatternError::Unreachable)
}

fn check_segments(segments: &[Segment], tail: bool) -> Result<(), PatternError> {
    // An empty segment can only be the last of a path, and `/*` after it would make it an inner one.
    let inner = if tail {
        segments.len()
    } else {
        segments.len().saturating_sub(1)
    };
    if segments
        .iter()
        .take(inner)
        .any(|s| matches!(s, Segment::Literal(literal) if literal.is_empty()))
    {
        return Err(PatternError::Unreachable(PathError::EmptySegment));
    }
    for (place, segment) in segments.iter().enumerate() {
        if matches!(segment, Segment::Variable(_)) && segments.iter().skip(place + 1).any(|s| s == segment) {
            return Err(PatternError::RepeatedVariable);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn winner(patterns: &[&str], path: &str) -> Option<String> {
        let mut sorted: Vec<_> = patterns.iter().map(|p| PathPattern::parse(p).unwrap()).collect();
        sorted.sort_by_key(PathPattern::precedence);
        let path = RequestPath::parse(path).unwrap();
        sorted.into_iter().find(|p| p.matches(&path)).map(|p| p.text)
    }

    #[test]
    fn precedence_is_exact_prefix_extension_default() {
        let all = [
            "/", "*.ws", "/*", "/a/*", "/a/b/*", "/a/b", "/a/{x}", "/a/{x}/c", "*.b.ws", "",
        ];
        let without_star: Vec<_> = all.into_iter().filter(|p| *p != "/*").collect();
        for (path, wins) in [
            ("/", ""),
            ("/a", "/a/*"),
            ("/a/", "/a/*"),
            ("/a/b", "/a/b"),
            ("/a/b/", "/a/b/*"),
            ("/a/b/c", "/a/b/*"),
            ("/a/z", "/a/{x}"),
            ("/a/z/c", "/a/{x}/c"),
            ("/a/z/d", "/a/*"),
            ("/a/z.ws", "/a/{x}"),
            ("/q/z.ws", "*.ws"),
            ("/q/z.b.ws", "*.b.ws"),
            ("/q", "/"),
            ("/ab", "/"),
        ] {
            assert_eq!(winner(&without_star, path).as_deref(), Some(wins), "{path}");
        }
        // `/*` is a prefix, so it beats extensions and the default.
        assert_eq!(winner(&all, "/q/z.ws").as_deref(), Some("/*"));
        assert_eq!(winner(&all, "/q").as_deref(), Some("/*"));
    }

    #[test]
    fn literal_beats_variable_beats_star_whatever_the_order_of_routes() {
        for patterns in [["/r/{x}", "/r/new", "/r/*"], ["/r/*", "/r/new", "/r/{x}"]] {
            assert_eq!(winner(&patterns, "/r/new").as_deref(), Some("/r/new"));
            assert_eq!(winner(&patterns, "/r/other").as_deref(), Some("/r/{x}"));
            assert_eq!(winner(&patterns, "/r/a/b").as_deref(), Some("/r/*"));
        }
    }

    #[test]
    fn no_default_means_no_match() {
        assert_eq!(winner(&["/a", "/b/{x}"], "/c"), None);
        assert_eq!(winner(&["/b/{x}"], "/b/"), None, "a variable is never empty");
        assert_eq!(winner(&["/a"], "/a/"), None, "a trailing slash is another path");
        assert_eq!(winner(&["/a"], "/A"), None, "case matters");
    }

    #[test]
    fn parameters_are_decoded_on_demand() {
        let pattern = PathPattern::parse("/room/{id}/{user}/*").unwrap();
        assert_eq!(pattern.variables().collect::<Vec<_>>(), ["id", "user"]);
        let raw = "/room/a%20b/jo/x/y%20z";
        assert_eq!(pattern.parameter(raw, "id").unwrap(), "a b");
        assert_eq!(pattern.parameter(raw, "user").unwrap(), "jo");
        assert_eq!(pattern.parameter(raw, "*").unwrap(), "x/y z");
        assert_eq!(pattern.parameter("/room/1/2", "*").unwrap(), "");
        assert_eq!(pattern.parameter(raw, "none"), None);
        assert_eq!(PathPattern::parse("/a/{x}").unwrap().parameter("/a/1", "*"), None);
    }

    #[test]
    fn an_encoded_literal_is_the_same_pattern() {
        let one = PathPattern::parse("/a%20b/{x}").unwrap();
        let two = PathPattern::parse("/a b/{y}").unwrap();
        assert!(one.same_paths(&two));
        assert!(!one.same_paths(&PathPattern::parse("/a b/*").unwrap()));
        assert!(!one.same_paths(&PathPattern::parse("/a b/y").unwrap()));
        assert!(one.matches(&RequestPath::parse("/a%20b/1").unwrap()));
    }

    #[test]
    fn malformed_patterns_are_errors() {
        for (text, why) in [
            ("a", PatternError::Shape),
            ("*", PatternError::Shape),
            ("*.", PatternError::Shape),
            ("*x", PatternError::Shape),
            ("*.a/b", PatternError::Wildcard),
            ("/a*", PatternError::Wildcard),
            ("/*/b", PatternError::Wildcard),
            ("/a/*/", PatternError::Wildcard),
            ("/{}", PatternError::Variable),
            ("/{*}", PatternError::Variable),
            ("/a{x}", PatternError::Variable),
            ("/{x", PatternError::Variable),
            ("/{x}/{x}", PatternError::RepeatedVariable),
            ("/a//b", PatternError::Unreachable(PathError::EmptySegment)),
            ("//*", PatternError::Unreachable(PathError::EmptySegment)),
            ("/../b", PatternError::Unreachable(PathError::DotSegment)),
            ("/a;b", PatternError::Unreachable(PathError::PathParameter)),
            ("/a%2fb", PatternError::Unreachable(PathError::HiddenSeparator)),
        ] {
            assert_eq!(PathPattern::parse(text), Err(why), "{text:?}");
        }
    }
}
