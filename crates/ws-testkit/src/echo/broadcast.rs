//! `test-echo-broadcast` and `echo-broadcast-ping`: every whole message goes to every connection of the two.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::task::AbortHandle;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use ws_proto::{CloseCode, CloseReason, Message, PreparedMessage};
use ws_servlet::{Endpoint, EndpointError, Session, SessionHandle};

use super::group::{Group, Ticket};

/// The topic of the group, the same for both protocols.
pub(crate) const TOPIC: &str = "test-echo-broadcast";

/// How often `echo-broadcast-ping` pings, and with what: both as the protocol's first server had them.
const PING_EVERY: Duration = Duration::from_secs(10);
const PING_PAYLOAD: &[u8] = &[1, 2, 3];

/// A member of the broadcast group.
#[derive(Debug)]
pub(crate) struct Broadcast {
    ticket: Ticket,
    pings: bool,
    /// The task that pings, while there is one.
    pinging: Option<AbortHandle>,
}

impl Broadcast {
    /// A member of `group` that is pinged every ten seconds if `pings`.
    pub(crate) fn new(group: &Arc<Group>, pings: bool) -> Self {
        Self {
            ticket: group.arrive(),
            pings,
            pinging: None,
        }
    }

    /// The sender is a member too, so it gets its own message back. A member that does not keep up is closed with
    /// 1013 rather than made to miss a message.
    fn publish(&self, session: &Session, message: &PreparedMessage) {
        self.ticket
            .group()
            .publish(message, || session.hub().publish(TOPIC, message));
    }
}

impl Endpoint for Broadcast {
    async fn on_open(&mut self, session: &mut Session) -> Result<(), EndpointError> {
        let missed = self.ticket.enter(|| session.subscribe(TOPIC))?;
        if missed.too_much {
            self.ticket.group().count_slow(1);
            return Err(EndpointError::close(
                CloseCode::TRY_AGAIN_LATER,
                "too much was published meanwhile",
            ));
        }
        for message in &missed.messages {
            session.prepared(message).await?;
        }
        if let Some(handle) = session.handle().filter(|_| self.pings) {
            self.pinging = Some(tokio::spawn(ping(handle)).abort_handle());
        }
        Ok(())
    }

    async fn on_text(&mut self, session: &mut Session, text: &str) -> Result<(), EndpointError> {
        self.publish(session, &PreparedMessage::text(text));
        Ok(())
    }

    async fn on_binary(&mut self, session: &mut Session, payload: &[u8]) -> Result<(), EndpointError> {
        self.publish(session, &PreparedMessage::binary(payload));
        Ok(())
    }

    async fn on_close(&mut self, _: &mut Session, _: &CloseReason) {
        self.stop_pinging();
    }
}

impl Broadcast {
    fn stop_pinging(&mut self) {
        if let Some(task) = self.pinging.take() {
            task.abort();
        }
    }
}

impl Drop for Broadcast {
    fn drop(&mut self) {
        self.stop_pinging();
    }
}

/// Pings until the session ends. While its queue is full a ping waits for room, and the next is not before ten
/// seconds after it.
async fn ping(session: SessionHandle) {
    let mut ticks = interval_at(Instant::now() + PING_EVERY, PING_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if session
            .send(Message::Ping(Bytes::from_static(PING_PAYLOAD)))
            .await
            .is_err()
        {
            return;
        }
    }
}
