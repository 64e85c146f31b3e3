//! What a caller may say about one message.

/// How one message is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SendOptions {
    /// Whether the message may be compressed, where that was negotiated and the message is large enough. Off for a
    /// secret that stands beside text which an attacker chooses, and for what is compressed already. Of a message in
    /// fragments the first one decides. Default on.
    pub compress: bool,
}

impl SendOptions {
    /// The default.
    pub(crate) const DEFAULT: Self = Self { compress: true };

    /// The default.
    #[must_use]
    pub const fn new() -> Self {
        Self::DEFAULT
    }

    /// The same, compressed if possible or not at all.
    #[must_use]
    pub const fn compress(mut self, compress: bool) -> Self {
        self.compress = compress;
        self
    }
}

impl Default for SendOptions {
    fn default() -> Self {
        Self::DEFAULT
    }
}
