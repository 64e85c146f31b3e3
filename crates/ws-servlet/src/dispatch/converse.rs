//! The loop of a connection: read a batch, call back for each event, write once, wait.
//!
//! The size of these futures is memory of every open connection. Two habits keep it down: an `async` block that uses
//! its captures in place, where an `async fn` would keep its arguments twice; and nothing but the arguments alive
//! across more than one `await` of a function, since only what lives across one shares its place with others.
#![expect(clippy::manual_async_fn, reason = "an async fn keeps its arguments twice")]

use std::future::{Future, poll_fn};
use std::pin::Pin;

use ws_handler::Wake;
use ws_proto::{CloseEvent, Event, FragmentEvent, MessageKind, Opcode};

use super::End;
use super::assembly::Whole;
use super::stage::{Actors, Scene};
use crate::endpoint::{Endpoint, Frame, Handled};

/// Calls back until the connection ends or fails.
///
/// Events borrow from the receive path and the buffer of the scene while a callback sends through the session. These
/// are named where they are used: a variable for each would be kept across every `await`. Each event is matched where
/// it is made; taking it out with `?` first would copy it through memory.
pub(super) fn converse<'a, E: Endpoint>(
    scene: &'a mut Scene<E>,
) -> impl Future<Output = End> + Send + use<'a, E> {
    async move {
        let actors = &mut scene.actors;
        let called = actors.endpoint.on_open(&mut actors.session).await;
        if let Some(end) = scene.actors.ended(called) {
            return end;
        }
        loop {
            loop {
                let actors = &mut scene.actors;
                let ended = match scene.buffer.next_event(&mut scene.receive) {
                    Ok(Some(Event::Text(text))) => {
                        if let Err(error) = actors.handle_message(MessageKind::Text, text.len()) {
                            return End::Broken(error);
                        }
                        let called = actors.endpoint.on_text(&mut actors.session, text).await;
                        scene.actors.ended(called)
                    }
                    Ok(Some(Event::Binary(payload))) => {
                        if let Err(error) = actors.handle_message(MessageKind::Binary, payload.len()) {
                            return End::Broken(error);
                        }
                        let called = actors.endpoint.on_binary(&mut actors.session, payload).await;
                        scene.actors.ended(called)
                    }
                    Ok(Some(Event::Fragment(fragment))) => {
                        let fragment = match on_data_frame(actors, fragment).await {
                            Ok(Some(fragment)) => fragment,
                            Ok(None) => continue,
                            Err(end) => return end,
                        };
                        let actors = &mut scene.actors;
                        let (limits, fin) = (actors.limits(), fragment.fin);
                        let called = match actors.assembly.add(fragment, limits) {
                            Ok(None) => Ok(()),
                            Ok(Some(Whole::Text(text))) => {
                                actors.endpoint.on_text(&mut actors.session, text).await
                            }
                            Ok(Some(Whole::Binary(payload))) => {
                                actors.endpoint.on_binary(&mut actors.session, payload).await
                            }
                            Err(error) => return End::Broken(error),
                        };
                        scene.actors.settle_frame(fin);
                        scene.actors.ended(called)
                    }
                    Ok(Some(Event::Ping(payload))) => on_ping(actors, payload).await,
                    Ok(Some(Event::Pong(payload))) => on_pong(actors, payload).await,
                    Ok(Some(Event::Close(close))) => match on_close_frame(actors, close) {
                        Some(shown) => return shown.await,
                        None => return End::Closed,
                    },
                    Ok(None) => break,
                    Err(error) => return End::Broken(error),
                };
                if let Some(end) = ended {
                    return end;
                }
            }
            match poll_fn(|cx| scene.poll_wake(cx)).await {
                Wake::Failed(error) => return End::Stalled(error),
                Wake::Finished => return End::Closed,
                Wake::Lost(error) => return End::Lost(error),
                // Data to be looked at; or 1001 is queued, and the peer's answer will come as an event.
                _ => {}
            }
        }
    }
}

/// Shows a data frame to the endpoint, and gives it back if the endpoint wants its message put together.
fn on_data_frame<'a, 'f: 'a, E: Endpoint>(
    actors: &'a mut Actors<E>,
    fragment: FragmentEvent<'f>,
) -> impl Future<Output = Result<Option<FragmentEvent<'f>>, End>> + Send + use<'a, 'f, E> {
    async move {
        actors.session.link.handle_data();
        let frame = data_frame(fragment);
        match actors.endpoint.on_frame(&mut actors.session, frame).await {
            Ok(Handled::No) => Ok(Some(fragment)),
            Ok(Handled::Yes) => {
                actors.assembly.skip(fragment.fin);
                actors.session.link.set_held_beside(0);
                Ok(None)
            }
            Err(error) => actors.failure(error).map_or(Ok(None), Err),
        }
    }
}

/// Answers a ping, unless the endpoint does.
fn on_ping<'a, E: Endpoint>(
    actors: &'a mut Actors<E>,
    payload: &'a [u8],
) -> impl Future<Output = Option<End>> + Send + use<'a, E> {
    async move {
        let mut handled = Handled::No;
        if actors.frames {
            let frame = Frame::new(Opcode::Ping, true, payload);
            match actors.endpoint.on_frame(&mut actors.session, frame).await {
                Ok(answer) => handled = answer,
                Err(error) => return actors.failure(error),
            }
        }
        if handled == Handled::No {
            match actors.endpoint.on_ping(&mut actors.session, payload).await {
                Ok(answer) => handled = answer,
                Err(error) => return actors.failure(error),
            }
        }
        let within_budget = match handled {
            Handled::Yes => actors.session.link.handle_ping_unanswered(payload),
            Handled::No => actors.session.link.handle_ping(payload),
        };
        within_budget.err().map(End::Broken)
    }
}

fn on_pong<'a, E: Endpoint>(
    actors: &'a mut Actors<E>,
    payload: &'a [u8],
) -> impl Future<Output = Option<End>> + Send + use<'a, E> {
    async move {
        actors.session.link.handle_pong(payload);
        if actors.frames {
            let frame = Frame::new(Opcode::Pong, true, payload);
            match actors.endpoint.on_frame(&mut actors.session, frame).await {
                Ok(Handled::Yes) => return None,
                Ok(Handled::No) => {}
                Err(error) => return actors.failure(error),
            }
        }
        let result = actors.endpoint.on_pong(&mut actors.session, payload).await;
        result.err().and_then(|error| actors.failure(error))
    }
}

/// Answers a Close frame; one that an endpoint which takes frames is to see first, in the future that is returned.
///
/// That is in a box, so that an open connection keeps no place for what happens once.
fn on_close_frame<'a, E: Endpoint>(
    actors: &'a mut Actors<E>,
    close: Option<CloseEvent<'a>>,
) -> Option<Pin<Box<impl Future<Output = End> + Send + use<'a, E>>>> {
    if !actors.frames {
        // RFC 6455 §5.5.1: "the endpoint MUST send a Close frame in response".
        actors.session.link.handle_close(close);
        return None;
    }
    Some(Box::pin(async move {
        let payload = close_payload(close);
        let frame = Frame::new(Opcode::Close, true, &payload);
        let called = actors.endpoint.on_frame(&mut actors.session, frame).await;
        let end = actors.ended(called.map(drop));
        // Whatever the callback did.
        actors.session.link.handle_close(close);
        end.unwrap_or(End::Closed)
    }))
}

fn data_frame(fragment: FragmentEvent<'_>) -> Frame<'_> {
    let opcode = match (fragment.first, fragment.kind) {
        (false, _) => Opcode::Continuation,
        (true, MessageKind::Text) => Opcode::Text,
        (true, MessageKind::Binary) => Opcode::Binary,
    };
    Frame::new(opcode, fragment.fin, fragment.payload)
}

/// The payload of a Close frame as it was on the wire (RFC 6455 §5.5.1).
fn close_payload(close: Option<CloseEvent<'_>>) -> Vec<u8> {
    let Some(close) = close else { return Vec::new() };
    let mut payload = close.code.value().to_be_bytes().to_vec();
    payload.extend_from_slice(close.reason.as_bytes());
    payload
}
