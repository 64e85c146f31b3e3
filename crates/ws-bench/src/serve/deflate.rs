//! How a rival is to compress: what every crate understands of it.

/// permessage-deflate for every message, however short.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deflate {
    /// Both directions keep their context from message to message.
    pub(super) takeover: bool,
    /// Of both directions.
    pub(super) window_bits: u8,
    /// `None`: the crate's own default.
    pub(super) level: Option<u32>,
}

impl Deflate {
    /// `takeover` or `no-takeover`, then bits and level if they are named: `takeover,12,1`.
    pub(super) fn parse(typed: &str) -> Option<Self> {
        let mut parts = typed.split(',');
        let takeover = match parts.next()? {
            "takeover" => true,
            "no-takeover" => false,
            _ => return None,
        };
        let window_bits = parts.next().map_or(Some(15), |bits| bits.parse().ok())?;
        let level = parts.next().map(str::parse).transpose().ok()?;
        Some(Self {
            takeover,
            window_bits,
            level,
        })
    }
}
