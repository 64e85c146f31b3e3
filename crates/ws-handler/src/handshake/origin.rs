//! Which origins may connect: the defence of browser users against pages of other sites.
//!
//! RFC 6455 §4.1 item 8, §4.2.2 item 4, §10.2; RFC 6454 §6.1, §7.

use std::fmt;
use std::str::FromStr;

use crate::fields::{self, Field, Fields, Name};
use crate::url::{Authority, default_port};

/// An origin: scheme, host and port (RFC 6454 §4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    scheme: String,
    authority: Authority,
}

/// The text is no origin: `scheme "://" host [":" port]` and nothing more (RFC 6454 §6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OriginError;

impl fmt::Display for OriginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an origin is scheme://host or scheme://host:port")
    }
}

impl std::error::Error for OriginError {}

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        let (scheme, authority) = text.split_once("://").ok_or(OriginError)?;
        let mut bytes = scheme.bytes();
        let begins = bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic());
        if !begins || !bytes.all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte)) {
            return Err(OriginError);
        }
        let authority = Authority::parse(authority).ok_or(OriginError)?;
        Ok(Self {
            scheme: scheme.to_ascii_lowercase(),
            authority,
        })
    }
}

impl Origin {
    /// Written and unwritten default ports mean the same.
    fn port(&self) -> Option<u16> {
        self.authority.port().or(default_port(&self.scheme))
    }

    fn is_same(&self, other: &Self) -> bool {
        self.scheme == other.scheme
            && self.authority.host() == other.authority.host()
            && self.port() == other.port()
    }

    /// True when a page of this origin was served from `host`.
    ///
    /// Whether that was by `http` or `https` cannot be seen here, since TLS may end in front of this server, so
    /// an unwritten port means the default one of the origin's scheme.
    fn is_of_host(&self, host: &Authority) -> bool {
        let Some(default) = default_port(&self.scheme) else {
            return false;
        };
        self.authority.host() == host.host() && self.port() == Some(host.port().unwrap_or(default))
    }
}

/// Which origins a server lets connect. The default is [`OriginPolicy::same_origin`].
///
/// Browsers send the origin of the page that connects; other clients send none or any. So this protects
/// browser users only, and says nothing about who the peer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginPolicy {
    rule: Rule,
    absent: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Rule {
    Any,
    Some { same: bool, listed: Vec<Origin> },
}

impl Default for OriginPolicy {
    fn default() -> Self {
        Self::same_origin()
    }
}

impl OriginPolicy {
    /// Requests without an origin, and those whose origin has the host and port of the Host header.
    pub fn same_origin() -> Self {
        Self {
            rule: Rule::Some {
                same: true,
                listed: Vec::new(),
            },
            absent: true,
        }
    }

    /// Requests without an origin, and those whose origin is in the list; the own origin only if listed.
    ///
    /// # Errors
    /// [`OriginError`] when one of the texts is no origin.
    pub fn list<T: AsRef<str>>(origins: impl IntoIterator<Item = T>) -> Result<Self, OriginError> {
        let listed = origins
            .into_iter()
            .map(|origin| origin.as_ref().parse())
            .collect::<Result<_, _>>()?;
        Ok(Self {
            rule: Rule::Some { same: false, listed },
            absent: true,
        })
    }

    /// The same, and the own origin.
    #[must_use]
    pub fn and_same_origin(mut self) -> Self {
        if let Rule::Some { same, .. } = &mut self.rule {
            *same = true;
        }
        self
    }

    /// Every request. Danger: any page that a user of this server visits can connect with the user's cookies.
    pub fn any() -> Self {
        Self {
            rule: Rule::Any,
            absent: true,
        }
    }

    /// The same, except that a request without an origin is refused.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.absent = false;
        self
    }

    /// True when a request with these headers may connect. `host` is where the request was sent.
    pub(super) fn allows(&self, asked: Fields<'_>, host: &str) -> bool {
        let value = match fields::field(asked, Name::Origin) {
            Field::Missing => return self.absent,
            Field::Once(value) => Some(value),
            Field::Repeated => None,
        };
        let Rule::Some { same, listed } = &self.rule else {
            return true;
        };
        // `null` and whatever else is no origin cannot be equal to one.
        let origin = value
            .and_then(fields::text)
            .and_then(|text| text.parse::<Origin>().ok());
        origin.is_some_and(|origin| {
            let is_same = || Authority::parse(host).is_some_and(|host| origin.is_of_host(&host));
            (*same && is_same()) || listed.iter().any(|listed| listed.is_same(&origin))
        })
    }
}

#[cfg(test)]
mod tests {
    use http::header::{HeaderMap, HeaderValue, ORIGIN};

    use super::*;

    fn allows(policy: &OriginPolicy, host: &str, origins: &[&str]) -> bool {
        let mut map = HeaderMap::new();
        for origin in origins {
            map.append(ORIGIN, HeaderValue::from_bytes(origin.as_bytes()).unwrap());
        }
        policy.allows((&map).into(), host)
    }

    #[test]
    fn same_origin_compares_host_and_port() {
        let policy = OriginPolicy::default();
        let same = [
            ("example.com", "http://example.com"),
            ("example.com", "https://example.com"),
            ("example.com", "HTTPS://Example.COM:443"),
            ("example.com:80", "http://example.com"),
            ("example.com:8443", "https://example.com:8443"),
            ("[::1]:80", "http://[0:0:0::1]"),
        ];
        for (host, origin) in same {
            assert!(allows(&policy, host, &[origin]), "{host} {origin}");
        }
        let other = [
            ("example.com", "http://example.org"),
            ("example.com", "http://example.com.evil.org"),
            ("example.com", "http://evilexample.com"),
            ("example.com", "http://example.com:8080"),
            ("example.com:443", "http://example.com"),
            ("example.com", "null"),
            ("example.com", ""),
            ("example.com", "example.com"),
            ("example.com", "http://example.com/"),
            ("example.com", "http://user@example.com"),
            ("example.com", "http://example.com http://example.org"),
            ("example.com", "chrome-extension://example.com"),
            ("example.com", "://example.com"),
            ("example.com", "http://exämple.com"),
            ("example.com", "\u{ff}\u{fe}"),
        ];
        for (host, origin) in other {
            assert!(!allows(&policy, host, &[origin]), "{host} {origin}");
        }
        assert!(allows(&policy, "example.com", &[]));
        assert!(!allows(
            &policy,
            "example.com",
            &["http://example.com", "http://example.com"]
        ));
    }

    #[test]
    fn lists_widen_or_replace() {
        let list = OriginPolicy::list(["https://a.example", "chrome-extension://abc"]).unwrap();
        assert!(allows(&list, "b.example", &["https://a.example:443"]));
        assert!(allows(&list, "b.example", &["chrome-extension://abc"]));
        assert!(!allows(&list, "b.example", &["http://a.example"]));
        assert!(!allows(&list, "b.example", &["https://b.example"]));
        assert!(allows(&list, "b.example", &[]));
        let both = list.and_same_origin();
        assert!(allows(&both, "b.example", &["https://b.example"]));
        assert!(!allows(&both, "b.example", &["null"]));
        assert_eq!(OriginPolicy::list(["a.example"]), Err(OriginError));
        assert_eq!(OriginPolicy::list(["null"]), Err(OriginError));
    }

    #[test]
    fn any_is_explicit_and_absence_can_be_refused() {
        for origin in ["http://evil.example", "null", "not an origin"] {
            assert!(allows(&OriginPolicy::any(), "a.example", &[origin]));
        }
        assert!(!allows(&OriginPolicy::any().required(), "a.example", &[]));
        assert!(!allows(&OriginPolicy::same_origin().required(), "a.example", &[]));
        assert!(allows(
            &OriginPolicy::same_origin().required(),
            "a.example",
            &["http://a.example"]
        ));
    }
}
