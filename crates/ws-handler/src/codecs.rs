//! Compressors and inflaters that belong to a thread, not to a connection.
//!
//! A connection takes one for a message and gives it back (a compressor with context takeover: when its turn is over,
//! or some time later if its next turn is expected soon), so that their number follows the messages that are in work,
//! not the connections that are open. Not here: what a connection keeps of its context in between, and whether it keeps
//! a compressor (`ws_proto`).

use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicUsize, Ordering};

use ws_proto::{CodecPool, Deflater, DeflaterSettings, Inflater};

/// Inflaters a thread keeps: about 64 KiB each. One is the rule; others are for messages that arrive in parts.
const MAX_IDLE_INFLATERS: usize = 16;
/// Compressors of the same settings a thread keeps: about 170 KiB each at a window of 4 KiB, 280 KiB at 32 KiB. One is
/// the rule. With context takeover many may fall idle together; sixteen of them were 4.5 MB of a thread that does
/// nothing, to save the few that wake next some page faults.
const MAX_ALIKE: usize = 2;
/// Compressors of any settings a thread keeps.
const MAX_IDLE_DEFLATERS: usize = 16;

/// Compressors that the connections of this process may keep between their turns. A few dozen on each thread are worth
/// keeping; this says what a crowd of peers can make of it at most, 90 MiB at a window of 4 KiB and 150 at 32.
const MAX_KEPT: usize = 512;

/// How many are kept.
static KEPT: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// Turns of connections that compress, wrapping.
    static TURNS: Cell<u32> = const { Cell::new(0) };
    static IDLE: RefCell<Idle> = const { RefCell::new(Idle { inflaters: Vec::new(), deflaters: Vec::new() }) };
}

#[expect(clippy::vec_box, reason = "what comes and goes is a box already")]
struct Idle {
    inflaters: Vec<Box<Inflater>>,
    deflaters: Vec<Box<Deflater>>,
}

/// The pool of whichever thread asks.
pub(crate) struct ThreadCodecs;

/// The pool that every connection uses.
pub(crate) static CODECS: ThreadCodecs = ThreadCodecs;

impl CodecPool for ThreadCodecs {
    fn take_inflater(&self) -> Option<Box<Inflater>> {
        IDLE.try_with(|idle| idle.borrow_mut().inflaters.pop()).ok()?
    }

    fn give_inflater(&self, inflater: Box<Inflater>) {
        // The thread may be ending, its pool gone: then the codec is simply freed.
        let _ = IDLE.try_with(|idle| {
            let mut idle = idle.borrow_mut();
            if idle.inflaters.len() < MAX_IDLE_INFLATERS {
                idle.inflaters.push(inflater);
            }
        });
    }

    fn take_deflater(&self, settings: DeflaterSettings) -> Option<Box<Deflater>> {
        let take = |idle: &RefCell<Idle>| {
            let deflaters = &mut idle.borrow_mut().deflaters;
            let place = deflaters
                .iter()
                .rposition(|deflater| deflater.settings() == settings)?;
            Some(deflaters.remove(place))
        };
        IDLE.try_with(take).ok()?
    }

    fn give_deflater(&self, deflater: Box<Deflater>) {
        let _ = IDLE.try_with(|idle| {
            let deflaters = &mut idle.borrow_mut().deflaters;
            let settings = deflater.settings();
            let alike = deflaters
                .iter()
                .filter(|other| other.settings() == settings)
                .count();
            if alike >= MAX_ALIKE {
                return;
            }
            if deflaters.len() >= MAX_IDLE_DEFLATERS {
                // The one that waited longest may be of settings that nobody uses any more.
                deflaters.remove(0);
            }
            deflaters.push(deflater);
        });
    }

    fn begin_turn(&self) -> u32 {
        let turn = TURNS.get().wrapping_add(1);
        TURNS.set(turn);
        turn
    }

    fn reserve(&self) -> bool {
        let one_more = |kept| (kept < MAX_KEPT).then_some(kept + 1);
        KEPT.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more)
            .is_ok()
    }

    fn release(&self) {
        KEPT.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use bytes::BytesMut;
    use tokio::io::DuplexStream;
    use ws_proto::{CodecPool, Config, DeflateConfig, Role, WindowBits};

    use super::{CODECS, IDLE};
    use crate::negotiated::Negotiated;
    use crate::socket::WebSocket;

    /// Inflaters and compressors that wait on this thread.
    fn idle() -> (usize, usize) {
        IDLE.with_borrow(|idle| (idle.inflaters.len(), idle.deflaters.len()))
    }

    /// Both ends of a connection with compression: client, server.
    fn pair(config: &DeflateConfig) -> (WebSocket<DuplexStream>, WebSocket<DuplexStream>) {
        let (answer, server) = config.answer(&config.offers()[0]).unwrap();
        let client = config.confirm(&answer).unwrap();
        let (near, far) = tokio::io::duplex(1 << 16);
        let [client, server] =
            [(near, Role::Client, client), (far, Role::Server, server)].map(|(io, role, agreement)| {
                let mut negotiated = Negotiated::new();
                negotiated.chain.add_deflate(agreement).unwrap();
                negotiated.chain = negotiated.chain.with_pool(&CODECS);
                WebSocket::from_upgraded(
                    io,
                    role,
                    &BytesMut::new(),
                    Arc::new(Config::new(role)),
                    negotiated,
                )
                .unwrap()
            });
        (client, server)
    }

    async fn converse(pairs: &mut [(WebSocket<DuplexStream>, WebSocket<DuplexStream>)]) {
        let text = "some text, some text, some text".repeat(100);
        for (client, server) in pairs {
            client.send(text.as_str()).await.unwrap();
            assert_eq!(server.recv().await.unwrap(), Some(text.as_str().into()));
            server.send(text.as_str()).await.unwrap();
            assert_eq!(client.recv().await.unwrap(), Some(text.as_str().into()));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn without_takeover_one_pair_of_codecs_serves_all_connections() {
        let config = DeflateConfig::no_context_takeover();
        let mut pairs: Vec<_> = (0..50).map(|_| pair(&config)).collect();
        for _ in 0..3 {
            converse(&mut pairs).await;
            assert_eq!(idle(), (1, 1), "idle connections hold none");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn with_takeover_compressors_come_back_after_a_second_without_messages() {
        let mut pairs: Vec<_> = (0..4).map(|_| pair(&DeflateConfig::default())).collect();
        for _ in 0..3 {
            converse(&mut pairs).await;
            assert_eq!(idle(), (1, 0));
            // Both ends wait for messages, which is when timers run.
            let mut waiting = tokio::task::JoinSet::new();
            for (mut client, mut server) in std::mem::take(&mut pairs) {
                waiting.spawn(async move {
                    let wait = async {
                        tokio::select! {
                            _ = client.recv() => {}
                            _ = server.recv() => {}
                        }
                    };
                    let _ = tokio::time::timeout(Duration::from_secs(3), wait).await;
                    (client, server)
                });
            }
            pairs = waiting.join_all().await;
            assert_eq!(idle(), (1, super::MAX_ALIKE));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_thread_keeps_no_more_than_its_share() {
        let mut pairs: Vec<_> = (0..30).map(|_| pair(&DeflateConfig::default())).collect();
        converse(&mut pairs).await;
        drop(pairs);
        assert_eq!(idle(), (1, super::MAX_ALIKE));
        // One pair for each of some more kinds.
        for level in 2..=9 {
            for bits in [9, 10, 11] {
                let config = DeflateConfig {
                    level,
                    server_max_window_bits: WindowBits::new(bits),
                    ..DeflateConfig::default()
                };
                converse(&mut [pair(&config)]).await;
            }
        }
        assert_eq!(idle(), (1, super::MAX_IDLE_DEFLATERS));
    }

    #[test]
    fn no_more_than_a_crowd_of_512_keep_compressors() {
        let kept = (0..10_000).take_while(|_| CODECS.reserve()).count();
        // Other tests keep some at the same time.
        assert!(
            (super::MAX_KEPT - 100..=super::MAX_KEPT).contains(&kept),
            "{kept}"
        );
        (0..kept).for_each(|_| CODECS.release());
        assert!(CODECS.reserve());
        CODECS.release();
    }
}
