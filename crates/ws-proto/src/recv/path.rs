//! What a connection holds of the receiving machine: between messages nothing but a place for it.
//!
//! Here: [`ReceivePath`], and the memory it works with, which may be lent for as long as something arrives
//! ([`ReceiveMemory`]). Not here: what the machine does (the rest of this folder), the pool (its owner's).

use std::sync::Arc;

use super::{Event, Machine, State};
use crate::config::Config;
use crate::error::ProtocolError;
use crate::ext::Extensions;
use crate::role::Role;

/// The receiving half of a connection: all that is needed to turn the peer's bytes into [events](Event).
///
/// It keeps whatever is incomplete, so the caller never holds a remainder. How the input is cut does not change
/// the events.
///
/// Between messages, and without extensions, it takes 24 bytes: what it works with, some 130 bytes and a buffer, can
/// be taken from it ([`detach`](Self::detach)) and be lent to another one ([`attach`](Self::attach)). A path without
/// such memory makes its own when input comes.
#[derive(Debug)]
pub struct ReceivePath {
    config: Arc<Config>,
    machine: Option<Box<Machine>>,
    role: Role,
}

/// What a [`ReceivePath`] works with, blank: for a pool, so that idle connections hold none.
#[derive(Debug)]
pub struct ReceiveMemory(Box<Machine>);

impl ReceiveMemory {
    /// Bytes that the buffer takes in which messages are gathered.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.0.assembly.capacity()
    }

    /// Takes that buffer out, empty.
    #[must_use]
    pub fn take_buffer(&mut self) -> Vec<u8> {
        self.0.assembly.detach().unwrap_or_default()
    }
}

impl ReceivePath {
    /// The receiving half for this end.
    #[must_use]
    pub fn new(role: Role, config: Arc<Config>) -> Self {
        Self {
            config,
            machine: None,
            role,
        }
    }

    /// The same with the extensions that the handshake agreed on. With any of them the path keeps its memory.
    #[must_use]
    pub fn with_extensions(mut self, extensions: &Extensions) -> Self {
        if !extensions.is_empty() {
            self.machine().set_extensions(extensions);
        }
        self
    }

    #[inline]
    fn machine(&mut self) -> &mut Machine {
        self.machine
            .get_or_insert_with(|| Box::new(Machine::new(self.role, Arc::clone(&self.config))))
    }

    /// The next event of `input`, which is advanced past it and unmasked in place. `Ok(None)`: all of `input` is
    /// consumed and no further event is complete.
    ///
    /// # Errors
    /// The peer broke a rule. The connection is to be failed with the error's
    /// [close code](ProtocolError::close_code) (RFC 6455 §7.1.7); all further input is discarded.
    #[inline]
    pub fn next<'s, 'i: 's>(
        &'s mut self,
        input: &mut &'i mut [u8],
    ) -> Result<Option<Event<'s>>, ProtocolError> {
        self.machine().next(input)
    }

    /// Discards all further input, as after our own decision to fail the connection (RFC 6455 §7.1.7).
    pub fn stop(&mut self) {
        self.machine().stop();
    }

    /// Whether all further input is discarded: a Close frame arrived, or the peer broke a rule.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.machine
            .as_ref()
            .is_some_and(|machine| matches!(machine.state, State::Discard))
    }

    /// Which end this is.
    #[must_use]
    pub fn role(&self) -> Role {
        self.role
    }

    /// The configuration of the connection.
    #[must_use]
    pub fn config(&self) -> &Arc<Config> {
        &self.config
    }
}

/// Large payloads.
impl ReceivePath {
    /// Room in the assembly buffer for a large payload, so that the bytes can be read from the socket straight
    /// into it; `None` where the shared read buffer serves better. After reading `n` bytes into it call
    /// [`received_direct`](Self::received_direct).
    ///
    /// The room grows with what has arrived, never with what the peer declared. A buffer that was
    /// [exchanged](Self::exchange) for a larger one is used as it is.
    #[inline]
    pub fn direct_room(&mut self) -> Option<bytes::buf::Limit<&mut Vec<u8>>> {
        self.machine.as_mut()?.direct_room()
    }

    /// Tells that `count` bytes were appended through [`direct_room`](Self::direct_room).
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub fn received_direct(&mut self, count: usize) -> Result<Option<Event<'_>>, ProtocolError> {
        self.machine().received_direct(count)
    }

    /// Whether a large payload is being gathered, and enough of it has arrived that a buffer that is large already
    /// should take it: see [`exchange`](Self::exchange).
    #[inline]
    #[must_use]
    pub fn is_large(&self) -> bool {
        self.machine.as_ref().is_some_and(|machine| machine.is_large())
    }

    /// Goes on gathering in another buffer, as from a pool; what has arrived is copied there. Returns the old one.
    pub fn exchange(&mut self, buffer: Vec<u8>) -> Vec<u8> {
        self.machine().assembly.exchange(buffer)
    }
}

/// Memory.
impl ReceivePath {
    /// Whether there is nothing to work with: [`attach`](Self::attach) something, or the path makes its own.
    #[inline]
    #[must_use]
    pub fn is_detached(&self) -> bool {
        self.machine.is_none()
    }

    /// Lends memory to work with. Returned unused if the path has some.
    #[inline]
    pub fn attach(&mut self, memory: ReceiveMemory) -> Option<ReceiveMemory> {
        if self.machine.is_some() {
            return Some(memory);
        }
        let mut machine = memory.0;
        machine.adopt(self.role, &self.config);
        self.machine = Some(machine);
        None
    }

    /// Takes the memory back if nothing has begun to arrive, nothing is remembered by an extension, and not all input
    /// is discarded. What the last event was lent from is forgotten.
    #[inline]
    pub fn detach(&mut self) -> Option<ReceiveMemory> {
        let machine = self.machine.as_mut()?;
        machine.forget();
        if machine.is_blank() {
            self.machine.take().map(ReceiveMemory)
        } else {
            None
        }
    }

    /// Whether the path keeps its memory and could do with a buffer for messages that do not arrive whole.
    #[must_use]
    pub fn wants_buffer(&self) -> bool {
        self.machine
            .as_ref()
            .is_some_and(|machine| machine.assembly.capacity() == 0)
    }

    /// Lends such a buffer alone; what it holds is dropped. Returned unused if the path has one, or has no memory.
    pub fn attach_buffer(&mut self, buffer: Vec<u8>) -> Option<Vec<u8>> {
        match &mut self.machine {
            Some(machine) => machine.assembly.attach(buffer),
            None => Some(buffer),
        }
    }

    /// Takes the buffer alone back, empty, if nothing is gathered in it: for a path that keeps its memory.
    pub fn detach_buffer(&mut self) -> Option<Vec<u8>> {
        let machine = self.machine.as_mut()?;
        machine.forget();
        machine.assembly.detach()
    }
}

/// For timers and counters.
impl ReceivePath {
    /// Whether something has begun to arrive that the peer owes the rest of: the timer for unfinished messages
    /// runs. Under [`Delivery::Fragment`](crate::Delivery::Fragment) that is a frame, else a message or a frame.
    #[must_use]
    pub fn is_unfinished(&self) -> bool {
        self.machine
            .as_ref()
            .is_some_and(|machine| machine.is_unfinished())
    }

    /// A number that grows whenever a byte of what is unfinished arrives, and starts again with the next message.
    /// Control frames between the fragments of a message do not move it: they are not part of the message.
    #[must_use]
    pub fn progress(&self) -> u64 {
        self.machine.as_ref().map_or(0, |machine| machine.progress())
    }

    /// Bytes that are held for what is incomplete, as a budget for many connections counts them: the payload so far,
    /// and 64 KiB for the inflater of a compressed message that is open. The memory behind them is at most twice that,
    /// unless it was [exchanged](Self::exchange).
    #[must_use]
    pub fn held(&self) -> usize {
        self.machine.as_ref().map_or(0, |machine| machine.held())
    }

    /// Bytes that are held for what is incomplete.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.machine.as_ref().map_or(0, |machine| machine.buffered())
    }

    /// Bytes of compressed messages so far, both ways of counting: on the wire, and inflated. (0, 0) without
    /// permessage-deflate.
    #[must_use]
    pub fn inflated_bytes(&self) -> (u64, u64) {
        self.machine
            .as_ref()
            .map_or((0, 0), |machine| machine.inflated_bytes())
    }
}
