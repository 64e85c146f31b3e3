//! The grammar of `Sec-WebSocket-Extensions`: reading it from text, writing it back.
//!
//! What a name or a parameter means is each extension's own business; which HTTP lines hold the text is the
//! handshake's. One pass over the text, one offer in memory at a time. RFC 6455 §9.1, RFC 9110 §5.6.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;

use crate::steps;

/// One extension with its parameters, as offered by a client or accepted by a server (RFC 6455 §9.1).
///
/// `Display` writes it as it stands in `Sec-WebSocket-Extensions`. Names and values are tokens always, so
/// nothing written needs quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtensionOffer<'a> {
    name: Cow<'a, str>,
    parameters: Vec<ExtensionParameter<'a>>,
}

/// One parameter of an extension: a name, and a value where one is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtensionParameter<'a> {
    name: Cow<'a, str>,
    value: Option<Cow<'a, str>>,
}

impl<'a> ExtensionOffer<'a> {
    /// An extension without parameters.
    ///
    /// # Errors
    /// When `name` is not a token (RFC 9110 §5.6.2).
    pub fn new(name: impl Into<Cow<'a, str>>) -> Result<Self, ExtensionSyntaxError> {
        Ok(Self {
            name: token(name.into(), ExtensionSyntaxError::Name { at: 0 })?,
            parameters: Vec::new(),
        })
    }

    /// The same with one more parameter at the end.
    ///
    /// # Errors
    /// When `name` or `value` is not a token (RFC 9110 §5.6.2).
    pub fn with_parameter(
        mut self,
        name: impl Into<Cow<'a, str>>,
        value: Option<impl Into<Cow<'a, str>>>,
    ) -> Result<Self, ExtensionSyntaxError> {
        let name = token(name.into(), ExtensionSyntaxError::Parameter { at: 0 })?;
        let value = match value {
            Some(value) => Some(token(value.into(), ExtensionSyntaxError::Value { at: 0 })?),
            None => None,
        };
        self.parameters.push(ExtensionParameter { name, value });
        Ok(self)
    }

    /// An extension of names and values that are known to be tokens: what an extension of ours writes.
    pub(crate) fn of_tokens(
        name: &'static str,
        parameters: impl IntoIterator<Item = (&'static str, Option<String>)>,
    ) -> ExtensionOffer<'static> {
        let parameter = |(name, value): (&'static str, Option<String>)| ExtensionParameter {
            name: Cow::Borrowed(name),
            value: value.map(Cow::Owned),
        };
        ExtensionOffer {
            name: Cow::Borrowed(name),
            parameters: parameters.into_iter().map(parameter).collect(),
        }
    }

    /// The extension's name, as written. Names are compared without regard to case by nobody but the
    /// extension itself.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The parameters in the order of the text, repeated ones included.
    pub fn parameters(&self) -> &[ExtensionParameter<'a>] {
        &self.parameters
    }

    /// The first parameter called `name`.
    pub fn parameter(&self, name: &str) -> Option<&ExtensionParameter<'a>> {
        self.parameters.iter().find(|parameter| parameter.name == name)
    }

    /// The same with a copy of every text it borrowed.
    pub fn into_owned(self) -> ExtensionOffer<'static> {
        let parameters = self
            .parameters
            .into_iter()
            .map(ExtensionParameter::into_owned)
            .collect();
        ExtensionOffer {
            name: Cow::Owned(self.name.into_owned()),
            parameters,
        }
    }
}

impl ExtensionParameter<'_> {
    /// The parameter's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The parameter's value, quotes and backslashes taken off.
    pub fn value(&self) -> Option<&str> {
        self.value.as_deref()
    }

    fn into_owned(self) -> ExtensionParameter<'static> {
        let value = self.value.map(|value| Cow::Owned(value.into_owned()));
        ExtensionParameter {
            name: Cow::Owned(self.name.into_owned()),
            value,
        }
    }
}

impl fmt::Display for ExtensionOffer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        self.parameters
            .iter()
            .try_for_each(|parameter| write!(f, "; {parameter}"))
    }
}

impl fmt::Display for ExtensionParameter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        self.value.iter().try_for_each(|value| write!(f, "={value}"))
    }
}

/// Reads the offers of one `Sec-WebSocket-Extensions` line, one at a time, in order.
///
/// Several lines count as one list in their order: chain one call per line. The time is linear in the length
/// of the line. After an error the iterator ends: RFC 6455 §9.1 fails the connection on text that does not
/// conform to the grammar, so the caller reads to the end even when it has found what it wanted.
///
/// ```
/// let line = r#"permessage-deflate; client_max_window_bits; server_max_window_bits="10", x-other"#;
/// let offers = ws_proto::parse_extensions(line).collect::<Result<Vec<_>, _>>()?;
/// assert_eq!(offers[0].parameter("server_max_window_bits").and_then(|found| found.value()), Some("10"));
/// assert_eq!(offers[1].to_string(), "x-other");
/// # Ok::<(), ws_proto::ExtensionSyntaxError>(())
/// ```
pub fn parse_extensions(line: &str) -> ExtensionOffers<'_> {
    ExtensionOffers {
        text: line,
        at: 0,
        failed: false,
    }
}

/// The iterator that [`parse_extensions`] returns.
#[derive(Clone, Debug)]
pub struct ExtensionOffers<'a> {
    text: &'a str,
    at: usize,
    failed: bool,
}

impl<'a> Iterator for ExtensionOffers<'a> {
    type Item = Result<ExtensionOffer<'a>, ExtensionSyntaxError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        self.skip_empty_elements();
        self.peek()?;
        let offer = self.offer();
        self.failed = offer.is_err();
        Some(offer)
    }
}

impl<'a> ExtensionOffers<'a> {
    fn peek(&self) -> Option<u8> {
        steps::step();
        self.text.as_bytes().get(self.at).copied()
    }

    /// Optional whitespace, RFC 9110 §5.6.3.
    fn skip_whitespace(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t')) {
            self.at += 1;
        }
    }

    /// RFC 9110 §5.6.1.2: "A recipient MUST parse and ignore a reasonable number of empty list elements".
    fn skip_empty_elements(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b',')) {
            self.at += 1;
        }
    }

    fn offer(&mut self) -> Result<ExtensionOffer<'a>, ExtensionSyntaxError> {
        let at = self.at;
        let name = self.token().ok_or(ExtensionSyntaxError::Name { at })?;
        let mut parameters = Vec::new();
        loop {
            self.skip_whitespace();
            match self.peek() {
                None => break,
                Some(b',') => {
                    self.at += 1;
                    break;
                }
                Some(b';') => {
                    self.at += 1;
                    self.skip_whitespace();
                    parameters.push(self.parameter()?);
                }
                Some(_) => return Err(ExtensionSyntaxError::Separator { at: self.at }),
            }
        }
        Ok(ExtensionOffer {
            name: Cow::Borrowed(name),
            parameters,
        })
    }

    fn parameter(&mut self) -> Result<ExtensionParameter<'a>, ExtensionSyntaxError> {
        let at = self.at;
        let name = Cow::Borrowed(self.token().ok_or(ExtensionSyntaxError::Parameter { at })?);
        self.skip_whitespace();
        if self.peek() != Some(b'=') {
            return Ok(ExtensionParameter { name, value: None });
        }
        self.at += 1;
        self.skip_whitespace();
        let at = self.at;
        let value = match self.peek() {
            Some(b'"') => self.quoted()?,
            _ => Cow::Borrowed(self.token().ok_or(ExtensionSyntaxError::Value { at })?),
        };
        Ok(ExtensionParameter {
            name,
            value: Some(value),
        })
    }

    /// The longest token here, `None` when there is not even one character of it.
    fn token(&mut self) -> Option<&'a str> {
        let rest = self.text.get(self.at..)?;
        let length = rest
            .bytes()
            .inspect(|_| steps::step())
            .position(|byte| !is_token_byte(byte))
            .unwrap_or(rest.len());
        self.at += length;
        rest.get(..length).filter(|token| !token.is_empty())
    }

    /// A quoted string, the opening quote being next. RFC 6455 §9.1: "the value after quoted-string
    /// unescaping MUST conform to the 'token' ABNF", so the first character that could not be in a token
    /// ends the work.
    fn quoted(&mut self) -> Result<Cow<'a, str>, ExtensionSyntaxError> {
        let opening = self.at;
        self.at += 1;
        if let Some(plain) = self.token() {
            if self.peek() == Some(b'"') {
                self.at += 1;
                return Ok(Cow::Borrowed(plain));
            }
        }
        self.at = opening + 1;
        let mut value = String::new();
        loop {
            let byte = match self.peek() {
                None => return Err(ExtensionSyntaxError::UnclosedQuote { at: opening }),
                Some(b'"') if value.is_empty() => return Err(ExtensionSyntaxError::Value { at: opening }),
                Some(b'"') => break,
                Some(b'\\') => {
                    self.at += 1;
                    self.peek()
                        .ok_or(ExtensionSyntaxError::UnclosedQuote { at: opening })?
                }
                Some(byte) => byte,
            };
            if !is_token_byte(byte) {
                return Err(ExtensionSyntaxError::Value { at: self.at });
            }
            value.push(char::from(byte));
            self.at += 1;
        }
        self.at += 1;
        Ok(Cow::Owned(value))
    }
}

/// `tchar` of RFC 9110 §5.6.2.
const fn is_token_byte(byte: u8) -> bool {
    matches!(byte,
        b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
        | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z')
}

fn token(text: Cow<'_, str>, otherwise: ExtensionSyntaxError) -> Result<Cow<'_, str>, ExtensionSyntaxError> {
    if !text.is_empty() && text.bytes().all(is_token_byte) {
        Ok(text)
    } else {
        Err(otherwise)
    }
}

/// Text that is no `Sec-WebSocket-Extensions` value (RFC 6455 §9.1); `at` counts bytes from its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExtensionSyntaxError {
    /// An extension's name is not a token.
    Name {
        /// Where it stands.
        at: usize,
    },
    /// A parameter's name is not a token.
    Parameter {
        /// Where it stands.
        at: usize,
    },
    /// A parameter's value is not a token, in quotes or without.
    Value {
        /// Where it stands.
        at: usize,
    },
    /// Something other than `;` or `,` follows a name, a value or a closing quote.
    Separator {
        /// Where it stands.
        at: usize,
    },
    /// A quoted value never ends.
    UnclosedQuote {
        /// Where the opening quote stands.
        at: usize,
    },
}

impl fmt::Display for ExtensionSyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, at) = match self {
            Self::Name { at } => ("extension name is not a token", at),
            Self::Parameter { at } => ("extension parameter name is not a token", at),
            Self::Value { at } => ("extension parameter value is not a token", at),
            Self::Separator { at } => ("expected ';' or ',' between extension parameters", at),
            Self::UnclosedQuote { at } => ("quoted extension parameter value never ends", at),
        };
        write!(f, "{what} (byte {at})")
    }
}

impl std::error::Error for ExtensionSyntaxError {}
