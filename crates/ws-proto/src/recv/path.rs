//! What a connection holds of the receiving machine: between messages nothing but a place for it.
//!
//! Here: [`ReceivePath`], and the memory it works with, which may be lent for as long as something arrives
//! ([`ReceiveMemory`]). Not here: what the machine does (the rest of this folder), the pool (its owner's).

use std::sync::Arc;

use super::{Event, Machine, ReceiveWork, State, short};
use crate::config::Config;
use crate::error::ProtocolError;
use crate::ext::{Extensions, Incoming, LegalBits};
use crate::role::Role;

/// The receiving half of a connection: all that is needed to turn the peer's bytes into [events](Event).
///
/// It keeps whatever is incomplete, so the caller never holds a remainder. How the input is cut does not change
/// the events.
///
/// Between messages, and once all input is discarded, it takes 24 bytes, and what extensions remember: what it works with, some 130 bytes and a buffer,
/// can be taken from it ([`detach`](Self::detach)) and be lent to another one ([`attach`](Self::attach)). A path
/// without such memory makes its own when input comes.
#[derive(Debug)]
pub struct ReceivePath {
    config: Arc<Config>,
    memory: Memory,
}

/// What a path has.
#[derive(Debug)]
enum Memory {
    /// Nothing to work with.
    Resting(Rest),
    /// All that is needed.
    Working(Box<Machine>),
}

/// What a path remembers without memory to work with.
#[derive(Debug)]
struct Rest {
    role: Role,
    /// All input is discarded.
    stopped: bool,
    /// What extensions remember between messages, and have counted.
    extensions: Option<Box<Incoming>>,
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
            memory: Memory::Resting(Rest {
                role,
                stopped: false,
                extensions: None,
            }),
        }
    }

    /// The same with the extensions that the handshake agreed on.
    #[must_use]
    pub fn with_extensions(mut self, extensions: &Extensions) -> Self {
        if let Some(incoming) = extensions.incoming() {
            self.memory = Memory::Resting(Rest {
                role: self.role(),
                stopped: false,
                extensions: Some(incoming),
            });
        }
        self
    }

    /// The machine, made if there is none.
    #[inline]
    fn machine(&mut self) -> &mut Machine {
        if let Memory::Resting(rest) = &self.memory {
            let machine = Box::new(Machine::new(rest.role, Arc::clone(&self.config)));
            self.begin(machine);
        }
        match &mut self.memory {
            Memory::Working(machine) => machine,
            Memory::Resting(_) => unreachable!("it was made just now"),
        }
    }

    /// The machine, if there is one.
    #[inline]
    fn working(&self) -> Option<&Machine> {
        match &self.memory {
            Memory::Working(machine) => Some(machine),
            Memory::Resting(_) => None,
        }
    }

    /// The same, to go on with.
    #[inline]
    fn working_mut(&mut self) -> Option<&mut Machine> {
        match &mut self.memory {
            Memory::Working(machine) => Some(machine),
            Memory::Resting(_) => None,
        }
    }

    /// Works with a machine that is blank, for this end and its configuration.
    #[inline]
    fn begin(&mut self, mut machine: Box<Machine>) {
        if let Memory::Resting(rest) = &mut self.memory {
            if let Some(extensions) = rest.extensions.take() {
                machine.take_up(extensions);
            }
            if rest.stopped {
                machine.stop();
            }
        }
        self.memory = Memory::Working(machine);
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
        if matches!(&self.memory, Memory::Resting(rest) if rest.stopped) {
            *input = &mut [];
            return Ok(None);
        }
        self.machine().next(input)
    }

    /// Discards all further input, as after our own decision to fail the connection (RFC 6455 §7.1.7).
    pub fn stop(&mut self) {
        match &mut self.memory {
            Memory::Working(machine) => machine.stop(),
            Memory::Resting(rest) => rest.stopped = true,
        }
    }

    /// Whether all further input is discarded: a Close frame arrived, or the peer broke a rule.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        match &self.memory {
            Memory::Working(machine) => machine.is_stopped(),
            Memory::Resting(rest) => rest.stopped,
        }
    }

    /// Which end this is.
    #[must_use]
    pub fn role(&self) -> Role {
        match &self.memory {
            Memory::Resting(rest) => rest.role,
            Memory::Working(machine) => machine.role,
        }
    }

    /// The configuration of the connection.
    #[must_use]
    pub fn config(&self) -> &Arc<Config> {
        &self.config
    }
}

/// What a connection remembers, and the memory it works with.
impl Machine {
    /// Whether all further input is discarded.
    fn is_stopped(&self) -> bool {
        matches!(self.state, State::Discard)
    }

    /// Forgets that input was discarded: for another connection.
    fn begin_anew(&mut self) {
        self.state = State::HEADER;
        self.control = Vec::new();
    }

    /// Goes on with what the extensions of a connection remember.
    fn take_up(&mut self, extensions: Box<Incoming>) {
        self.legal = extensions.legal;
        if extensions.gathers() {
            // No frame goes past an extension that wants to see all of them.
            self.short = None;
        }
        self.extensions = Some(extensions);
    }

    /// Gives that out, and knows nothing of it any more.
    fn lay_down(&mut self) -> Option<Box<Incoming>> {
        let extensions = self.extensions.take()?;
        self.legal = LegalBits::default();
        self.short = short::limit(&self.config);
        Some(extensions)
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
        self.working_mut()?.direct_room()
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
        self.working().is_some_and(|machine| machine.is_large())
    }

    /// Goes on gathering in another buffer, as from a pool; what has arrived is copied there. What lies in `buffer` stays
    /// before the payload and is no part of it: so a caller chooses where payloads begin. Returns the old one.
    pub fn exchange(&mut self, buffer: Vec<u8>) -> Vec<u8> {
        self.machine().assembly.exchange(buffer)
    }
}

/// Memory.
impl ReceivePath {
    /// Whether there is nothing to work with: [`attach`](Self::attach) something, or the path makes its own. Not so when
    /// all input is discarded, which takes no memory.
    #[inline]
    #[must_use]
    pub fn is_detached(&self) -> bool {
        matches!(&self.memory, Memory::Resting(rest) if !rest.stopped)
    }

    /// Lends memory to work with. Returned unused if the path has some, or needs none.
    #[inline]
    pub fn attach(&mut self, memory: ReceiveMemory) -> Option<ReceiveMemory> {
        if !self.is_detached() {
            return Some(memory);
        }
        let mut machine = memory.0;
        machine.adopt(self.role(), &self.config);
        self.begin(machine);
        None
    }

    /// Takes the memory back if nothing has begun to arrive, or all input is discarded. What the last event was lent from is
    /// forgotten; what extensions remember stays.
    #[inline]
    pub fn detach(&mut self) -> Option<ReceiveMemory> {
        let machine = self.working_mut()?;
        machine.forget();
        let stopped = machine.is_stopped();
        if stopped {
            machine.begin_anew();
        }
        if !machine.is_blank() {
            return None;
        }
        let rest = Rest {
            role: machine.role,
            stopped,
            extensions: machine.lay_down(),
        };
        match std::mem::replace(&mut self.memory, Memory::Resting(rest)) {
            Memory::Working(machine) => Some(ReceiveMemory(machine)),
            Memory::Resting(_) => None,
        }
    }

    /// Whether the path keeps its memory and could do with a buffer for messages that do not arrive whole.
    #[must_use]
    pub fn wants_buffer(&self) -> bool {
        self.working()
            .is_some_and(|machine| machine.assembly.capacity() == 0)
    }

    /// Lends such a buffer alone; what it holds is dropped. Returned unused if the path has one, or has no memory.
    pub fn attach_buffer(&mut self, buffer: Vec<u8>) -> Option<Vec<u8>> {
        match self.working_mut() {
            Some(machine) => machine.assembly.attach(buffer),
            None => Some(buffer),
        }
    }

    /// Takes the buffer alone back, empty, if nothing is gathered in it: for a path that keeps its memory.
    pub fn detach_buffer(&mut self) -> Option<Vec<u8>> {
        let machine = self.working_mut()?;
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
        self.working().is_some_and(|machine| machine.is_unfinished())
    }

    /// A number that grows whenever a byte of what is unfinished arrives, and starts again with the next message.
    /// Control frames between the fragments of a message do not move it: they are not part of the message.
    #[must_use]
    pub fn progress(&self) -> u64 {
        self.working().map_or(0, |machine| machine.progress())
    }

    /// What was done since it was last [taken](Self::take_work), or since memory was attached.
    #[inline]
    #[must_use]
    pub fn work(&self) -> ReceiveWork {
        self.working()
            .map_or(ReceiveWork::default(), |machine| machine.work)
    }

    /// The same, and begins to count anew.
    #[inline]
    pub fn take_work(&mut self) -> ReceiveWork {
        self.working_mut().map_or(ReceiveWork::default(), |machine| {
            std::mem::take(&mut machine.work)
        })
    }

    /// Whether an extension may make more of a frame than arrives: permessage-deflate, or one of a user's own.
    #[inline]
    #[must_use]
    pub fn decodes(&self) -> bool {
        match &self.memory {
            Memory::Resting(rest) => rest.extensions.is_some() && !rest.stopped,
            Memory::Working(machine) => machine.extensions.is_some(),
        }
    }

    /// Bytes that are held for what is incomplete, as a budget for many connections counts them: the payload so far,
    /// and 64 KiB for the inflater of a compressed message that is open. The memory behind them is at most twice that,
    /// unless it was [exchanged](Self::exchange).
    #[must_use]
    pub fn held(&self) -> usize {
        self.working().map_or(0, |machine| machine.held())
    }

    /// Bytes that are held for what is incomplete.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.working().map_or(0, |machine| machine.buffered())
    }

    /// Bytes of compressed messages so far, both ways of counting: on the wire, and inflated. (0, 0) without
    /// permessage-deflate.
    #[must_use]
    pub fn inflated_bytes(&self) -> (u64, u64) {
        let extensions = match &self.memory {
            Memory::Resting(rest) => rest.extensions.as_ref(),
            Memory::Working(machine) => machine.extensions.as_ref(),
        };
        extensions.map_or((0, 0), |extensions| extensions.inflated_bytes())
    }
}
