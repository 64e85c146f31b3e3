//! The loop of a connection: read a batch, call back for each event, write once, wait.

use std::future::poll_fn;

use ws_handler::{ReadBuffer, Wake};
use ws_proto::{CloseEvent, Delivery, Event, FragmentEvent, MessageKind, Opcode, ProtocolError, ReceivePath};

use super::End;
use super::assembly::{Assembly, Whole};
use crate::context::MessageLimits;
use crate::endpoint::{Endpoint, Frame, Handled};
use crate::error::EndpointError;
use crate::session::Session;

/// Calls back until the connection ends or fails.
///
/// Events borrow from `receive` and `buffer` while a callback sends through `session`: four separate places. Each
/// event is matched where it is made; taking it out with `?` first would copy it through memory.
pub(super) async fn converse<E: Endpoint>(
    endpoint: &mut E,
    session: &mut Session,
    receive: &mut ReceivePath,
    buffer: &mut ReadBuffer,
    delivery: Delivery,
    limits: MessageLimits,
) -> End {
    let mut assembly = Assembly::default();
    let frames = delivery == Delivery::Fragment;
    if let Err(error) = endpoint.on_open(session).await {
        if is_failure(session, &error) {
            return End::Failed(error);
        }
    }
    loop {
        loop {
            match buffer.next_event(receive) {
                Ok(Some(Event::Text(text))) => {
                    session.link.handle_data();
                    if text.len() > limits.max_text {
                        return End::Broken(ProtocolError::MessageTooBig);
                    }
                    if let Err(error) = endpoint.on_text(session, text).await {
                        if is_failure(session, &error) {
                            return End::Failed(error);
                        }
                    }
                }
                Ok(Some(Event::Binary(payload))) => {
                    session.link.handle_data();
                    if payload.len() > limits.max_binary {
                        return End::Broken(ProtocolError::MessageTooBig);
                    }
                    if let Err(error) = endpoint.on_binary(session, payload).await {
                        if is_failure(session, &error) {
                            return End::Failed(error);
                        }
                    }
                }
                Ok(Some(Event::Fragment(fragment))) => {
                    session.link.handle_data();
                    match endpoint.on_frame(session, data_frame(&fragment)).await {
                        Ok(Handled::Yes) => {
                            assembly.skip(fragment.fin);
                            continue;
                        }
                        Ok(Handled::No) => {}
                        Err(error) if is_failure(session, &error) => return End::Failed(error),
                        Err(_) => continue,
                    }
                    let result = match assembly.add(&fragment, limits) {
                        Ok(None) => continue,
                        Ok(Some(Whole::Text(text))) => endpoint.on_text(session, text).await,
                        Ok(Some(Whole::Binary(payload))) => endpoint.on_binary(session, payload).await,
                        Err(error) => return End::Broken(error),
                    };
                    assembly.clear();
                    if let Err(error) = result {
                        if is_failure(session, &error) {
                            return End::Failed(error);
                        }
                    }
                }
                Ok(Some(Event::Ping(payload))) => {
                    let handled = match on_control(endpoint, session, frames, Opcode::Ping, payload).await {
                        Ok(Handled::No) => endpoint.on_ping(session, payload).await,
                        other => other,
                    };
                    let within_budget = match handled {
                        Ok(Handled::Yes) => session.link.handle_ping_unanswered(payload),
                        Ok(Handled::No) => session.link.handle_ping(payload),
                        Err(error) if is_failure(session, &error) => return End::Failed(error),
                        Err(_) => Ok(()),
                    };
                    if let Err(error) = within_budget {
                        return End::Broken(error);
                    }
                }
                Ok(Some(Event::Pong(payload))) => {
                    session.link.handle_pong(payload);
                    let handled = match on_control(endpoint, session, frames, Opcode::Pong, payload).await {
                        Ok(Handled::No) => endpoint.on_pong(session, payload).await,
                        other => other,
                    };
                    if let Err(error) = handled {
                        if is_failure(session, &error) {
                            return End::Failed(error);
                        }
                    }
                }
                Ok(Some(Event::Close(close))) => {
                    let handled = if frames {
                        let payload = close_payload(close);
                        endpoint
                            .on_frame(session, Frame::new(Opcode::Close, true, &payload))
                            .await
                    } else {
                        Ok(Handled::No)
                    };
                    // RFC 6455 §5.5.1: "the endpoint MUST send a Close frame in response", whatever the callback did.
                    session.link.handle_close(close);
                    return match handled {
                        Err(error) if is_failure(session, &error) => End::Failed(error),
                        _ => End::Closed,
                    };
                }
                Ok(None) => break,
                Err(error) => return End::Broken(error),
            }
        }
        match poll_fn(|cx| session.poll_wake(cx, receive, buffer)).await {
            Wake::Failed(error) => return End::Stalled(error),
            Wake::Finished => return End::Closed,
            Wake::Lost(error) => return End::Lost(error),
            // Data to be looked at; or 1001 is queued, and the peer's answer will come as an event.
            _ => {}
        }
    }
}

/// A callback that failed only because its connection is closing has not failed.
fn is_failure(session: &Session, error: &EndpointError) -> bool {
    session.is_open() || !error.is_closed()
}

fn data_frame<'a>(fragment: &FragmentEvent<'a>) -> Frame<'a> {
    let opcode = match (fragment.first, fragment.kind) {
        (false, _) => Opcode::Continuation,
        (true, MessageKind::Text) => Opcode::Text,
        (true, MessageKind::Binary) => Opcode::Binary,
    };
    Frame::new(opcode, fragment.fin, fragment.payload)
}

/// Shows a ping or pong to an endpoint that takes frames.
async fn on_control<E: Endpoint>(
    endpoint: &mut E,
    session: &mut Session,
    frames: bool,
    opcode: Opcode,
    payload: &[u8],
) -> Result<Handled, EndpointError> {
    if frames {
        endpoint
            .on_frame(session, Frame::new(opcode, true, payload))
            .await
    } else {
        Ok(Handled::No)
    }
}

/// The payload of a Close frame as it was on the wire (RFC 6455 §5.5.1).
fn close_payload(close: Option<CloseEvent<'_>>) -> Vec<u8> {
    let Some(close) = close else { return Vec::new() };
    let mut payload = close.code.value().to_be_bytes().to_vec();
    payload.extend_from_slice(close.reason.as_bytes());
    payload
}
