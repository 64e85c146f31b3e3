//! How often each limit was hit.
//!
//! Here: the counters, and what the application reads of them ([`ConnectionLimitHits`], [`ServerLimitHits`]). A counter
//! is touched when its limit is hit and at no other time, by one relaxed addition. Not here: the limits, which stand
//! where they are obeyed.

use std::sync::atomic::{AtomicU64, Ordering};

use ws_proto::ProtocolError;

use crate::error::{HandshakeError, HeadError};

/// A limit that has a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limit {
    FrameSize,
    MessageSize,
    Fragments,
    Pings,
    MessageTime,
    Unfinished,
    HardQueue,
    WriteStall,
    Pong,
    Idle,
    Close,
    Drain,
    Turn,
    Origin,
    Handshake,
    HeadSize,
    RequestLine,
    Headers,
    HeadTime,
    AnswerTime,
    Waiting,
    Connections,
    Unanswered,
    Accept,
    Linger,
}

impl Limit {
    const COUNT: usize = Self::Linger as usize + 1;

    /// The limit that a fault is about, if it is about one.
    pub(crate) fn of_fault(fault: ProtocolError) -> Option<Self> {
        Some(match fault {
            ProtocolError::FrameTooBig => Self::FrameSize,
            ProtocolError::MessageTooBig => Self::MessageSize,
            ProtocolError::TooManyFragments => Self::Fragments,
            ProtocolError::TooManyPings => Self::Pings,
            ProtocolError::MessageStalled => Self::MessageTime,
            ProtocolError::TooMuchUnfinished => Self::Unfinished,
            _ => return None,
        })
    }

    /// What a refused handshake counts as.
    pub(crate) fn of_refusal(refusal: &HandshakeError) -> Option<Self> {
        match refusal {
            HandshakeError::Origin => Some(Self::Origin),
            HandshakeError::Stopping
            | HandshakeError::TooManyConnections
            | HandshakeError::NoEndpoint
            | HandshakeError::UpgradeRequired
            | HandshakeError::SubprotocolNotOffered => None,
            _ => Some(Self::Handshake),
        }
    }

    /// The limit that a head was above, if it was.
    pub(crate) fn of_head(error: HeadError) -> Option<Self> {
        match error {
            HeadError::TooLarge => Some(Self::HeadSize),
            HeadError::FirstLineTooLong => Some(Self::RequestLine),
            HeadError::TooManyHeaders => Some(Self::Headers),
            _ => None,
        }
    }
}

/// A counter for each [`Limit`].
#[derive(Debug)]
pub(crate) struct Hits([AtomicU64; Limit::COUNT]);

impl Default for Hits {
    fn default() -> Self {
        Self([const { AtomicU64::new(0) }; Limit::COUNT])
    }
}

impl Hits {
    #[cold]
    pub(crate) fn count(&self, limit: Limit) {
        if let Some(counter) = self.0.get(limit as usize) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The same if there is a limit to count.
    pub(crate) fn count_any(&self, limit: Option<Limit>) {
        if let Some(limit) = limit {
            self.count(limit);
        }
    }

    fn read(&self, limit: Limit) -> u64 {
        self.0
            .get(limit as usize)
            .map_or(0, |counter| counter.load(Ordering::Relaxed))
    }

    pub(crate) fn of_connections(&self) -> ConnectionLimitHits {
        ConnectionLimitHits {
            frame_size: self.read(Limit::FrameSize),
            message_size: self.read(Limit::MessageSize),
            fragments: self.read(Limit::Fragments),
            pings: self.read(Limit::Pings),
            message_time: self.read(Limit::MessageTime),
            unfinished_input: self.read(Limit::Unfinished),
            hard_queue: self.read(Limit::HardQueue),
            write_stall: self.read(Limit::WriteStall),
            pong: self.read(Limit::Pong),
            idle: self.read(Limit::Idle),
            close: self.read(Limit::Close),
            drain: self.read(Limit::Drain),
            turns: self.read(Limit::Turn),
            origin: self.read(Limit::Origin),
            handshake: self.read(Limit::Handshake),
        }
    }

    pub(crate) fn of_server(&self) -> ServerLimitHits {
        ServerLimitHits {
            head_size: self.read(Limit::HeadSize),
            request_line: self.read(Limit::RequestLine),
            headers: self.read(Limit::Headers),
            head_time: self.read(Limit::HeadTime),
            answer_time: self.read(Limit::AnswerTime),
            waiting: self.read(Limit::Waiting),
            connections: self.read(Limit::Connections),
            unanswered: self.read(Limit::Unanswered),
            accept: self.read(Limit::Accept),
            linger: self.read(Limit::Linger),
        }
    }
}

/// How often the connections of a [`WebSocketFactory`](crate::WebSocketFactory) have hit each limit since it was made.
///
/// The numbers only grow. They are read one after the other, so under load they may be of slightly different moments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ConnectionLimitHits {
    /// Frames above [`Limits::max_frame_size`](ws_proto::Limits::max_frame_size): 1009.
    pub frame_size: u64,
    /// Messages above [`Limits::max_message_size`](ws_proto::Limits::max_message_size): 1009.
    pub message_size: u64,
    /// Messages above [`Limits::max_fragments`](ws_proto::Limits::max_fragments): 1008.
    pub fragments: u64,
    /// Peers above their [`Limits::ping_budget`](ws_proto::Limits::ping_budget): 1008.
    pub pings: u64,
    /// Messages beyond [`Timeouts::unfinished_message`](ws_proto::Timeouts::unfinished_message) or
    /// [`Timeouts::whole_message`](ws_proto::Timeouts::whole_message): 1008.
    pub message_time: u64,
    /// Connections that wanted more unfinished input than all may hold together
    /// ([`WebSocketFactory::with_unfinished_input`](crate::WebSocketFactory::with_unfinished_input)): 1013.
    pub unfinished_input: u64,
    /// Messages that found the outgoing queue above [`Limits::hard_queue`](ws_proto::Limits::hard_queue): refused, or
    /// what the topic's overflow says.
    pub hard_queue: u64,
    /// Connections whose output made no progress for [`Timeouts::write_stall`](ws_proto::Timeouts::write_stall):
    /// dropped.
    pub write_stall: u64,
    /// Connections whose pong did not come within [`Timeouts::pong`](ws_proto::Timeouts::pong): 1011 and 1006.
    pub pong: u64,
    /// Connections without data for [`Timeouts::idle`](ws_proto::Timeouts::idle): 1001.
    pub idle: u64,
    /// Close frames that were not answered within [`Timeouts::close`](ws_proto::Timeouts::close): dropped.
    pub close: u64,
    /// Peers that did not end TCP within [`Timeouts::drain`](ws_proto::Timeouts::drain) or 64 KiB: dropped.
    pub drain: u64,
    /// Times that a connection had read 256 KiB without a pause and had to let others have their turn.
    pub turns: u64,
    /// Handshakes refused for their Origin: 403.
    pub origin: u64,
    /// Handshakes refused for anything else that the request was to blame for: 400, 405, 426.
    pub handshake: u64,
}

/// How often each limit of a [`Server`](crate::Server) was hit since it was bound, over all its workers.
///
/// The numbers only grow. They are read one after the other, so under load they may be of slightly different moments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ServerLimitHits {
    /// First requests with a head above [`HeadLimits::total`](crate::HeadLimits::total): 431.
    pub head_size: u64,
    /// First requests with a request line above [`HeadLimits::first_line`](crate::HeadLimits::first_line): 414.
    pub request_line: u64,
    /// First requests with more headers than [`HeadLimits::headers`](crate::HeadLimits::headers): 431.
    pub headers: u64,
    /// Heads that were not complete after [`Server::head_timeout`](crate::Server::head_timeout): 408 or dropped.
    pub head_time: u64,
    /// Requests that were not answered after [`Server::upgrade_timeout`](crate::Server::upgrade_timeout): 503.
    pub answer_time: u64,
    /// Times that nothing was accepted because [`Server::waiting_limit`](crate::Server::waiting_limit) was reached.
    pub waiting: u64,
    /// Connections above [`Server::connection_limit`](crate::Server::connection_limit): 503.
    pub connections: u64,
    /// Of those, and of those during a stop, the ones that were dropped without the answer, because 64 were being
    /// answered at the moment.
    pub unanswered: u64,
    /// Failed calls of accept after which the server paused.
    pub accept: u64,
    /// Refused peers that sent more than 64 KiB after the answer, or did not close within 2 s: closed.
    pub linger: u64,
}
