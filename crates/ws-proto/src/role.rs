//! The two ends of a connection and what differs between them on the wire (RFC 6455 §5.1).
//! The opening handshake of each role lives in `ws-handler`.

/// Which end of the connection this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// The end that opened the connection. It masks every frame that it sends.
    Client,
    /// The end that accepted the connection. It never masks.
    Server,
}

impl Role {
    /// Whether frames that this end sends carry a masking key.
    ///
    /// RFC 6455 §5.1: "a client MUST mask all frames that it sends", "A server MUST NOT mask any frames".
    #[must_use]
    pub const fn masks_output(self) -> bool {
        matches!(self, Self::Client)
    }

    /// Whether frames that this end receives must carry a masking key.
    #[must_use]
    pub const fn expects_mask(self) -> bool {
        matches!(self, Self::Server)
    }

    /// The role of the peer.
    #[must_use]
    pub const fn peer(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Role;

    #[test]
    fn exactly_one_end_masks() {
        for role in [Role::Client, Role::Server] {
            assert_ne!(role.masks_output(), role.expects_mask());
            assert_eq!(role.masks_output(), role.peer().expects_mask());
        }
    }
}
