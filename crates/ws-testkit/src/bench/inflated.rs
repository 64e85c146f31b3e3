//! Answers of a connection whose compressed messages are inflated and compared, every byte: the receiving path of the
//! library reads them.

use std::sync::Arc;

use ws_proto::{CloseEvent, Config, Event, Extensions, Opcode, ReceivePath, Role, UNLIMITED};

use super::reply::{Expected, Found};

/// Reads one connection's answers. Much more work than `reply`, and still less than a server has with them.
#[derive(Debug)]
pub(super) struct Inflated {
    path: ReceivePath,
}

impl Inflated {
    pub(super) fn new(extensions: &Extensions) -> Self {
        let mut config = Config::client();
        // What is too long differs from what was sent.
        config.limits.max_frame_size = UNLIMITED;
        config.limits.max_message_size = UNLIMITED;
        config.limits.max_fragments = UNLIMITED;
        Self {
            path: ReceivePath::new(Role::Client, Arc::new(config)).with_extensions(extensions),
        }
    }

    /// Takes from the input up to the end of the next answer or control frame; None when the input is used up.
    ///
    /// # Errors
    /// What is wrong with the answer. Nothing is to be read after that.
    pub(super) fn next(
        &mut self,
        input: &mut &mut [u8],
        expected: Option<Expected<'_>>,
    ) -> Result<Option<Found>, String> {
        loop {
            let event = self
                .path
                .next(input)
                .map_err(|error| format!("the server broke the protocol: {error}"))?;
            let (opcode, payload) = match event {
                None => return Ok(None),
                Some(Event::Pong(_)) => continue,
                Some(Event::Ping(payload)) => return Ok(Some(Found::Ping(payload.to_vec()))),
                Some(Event::Close(close)) => return Ok(Some(Found::Close(close_payload(close)))),
                Some(Event::Text(text)) => (Opcode::Text, text.as_bytes()),
                Some(Event::Binary(payload)) => (Opcode::Binary, payload),
                Some(other) => return Err(format!("{other:?} is no whole message")),
            };
            let Some(expected) = expected else {
                return Err("a message came that nobody asked for".into());
            };
            if opcode != expected.opcode {
                return Err(format!(
                    "a message is {opcode:?} instead of {:?}",
                    expected.opcode
                ));
            }
            if payload != expected.payload {
                return Err(format!(
                    "an answer of {} bytes differs from the {} that were sent",
                    payload.len(),
                    expected.payload.len()
                ));
            }
            return Ok(Some(Found::Answer));
        }
    }
}

fn close_payload(close: Option<CloseEvent<'_>>) -> Vec<u8> {
    close.map_or(Vec::new(), |close| {
        let mut payload = close.code.value().to_be_bytes().to_vec();
        payload.extend_from_slice(close.reason.as_bytes());
        payload
    })
}
