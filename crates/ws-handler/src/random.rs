//! The cryptographic random generator: handshake keys and masking keys come from here.
//!
//! ChaCha with 12 rounds, one generator per thread, seeded from one root that the operating system seeds. A
//! connection carries no generator state of its own. RFC 6455 §4.1 item 7, §5.3, §10.3.

use std::cell::RefCell;
use std::io;
use std::sync::{Mutex, OnceLock, PoisonError};

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use ws_proto::{MaskGen, MaskKey};

/// Seeds the generator of each thread; itself seeded by the operating system, once per process.
static ROOT: OnceLock<Mutex<ChaCha12Rng>> = OnceLock::new();

thread_local! {
    static LOCAL: RefCell<Option<ChaCha12Rng>> = const { RefCell::new(None) };
}

/// The right to draw random numbers: it exists only after the root was seeded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Random {
    root: &'static Mutex<ChaCha12Rng>,
}

impl Random {
    /// # Errors
    /// When the operating system gives no randomness, which can happen only before the first success.
    pub(crate) fn new() -> io::Result<Self> {
        if let Some(root) = ROOT.get() {
            return Ok(Self { root });
        }
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|error| io::Error::other(error.to_string()))?;
        // When two threads get here at once, the second seed is dropped.
        Ok(Self {
            root: ROOT.get_or_init(|| Mutex::new(ChaCha12Rng::from_seed(seed))),
        })
    }

    /// Fills `bytes` with fresh random numbers.
    pub(crate) fn fill(self, bytes: &mut [u8]) {
        LOCAL.with_borrow_mut(|local| local.get_or_insert_with(|| self.generator()).fill_bytes(bytes));
    }

    /// A generator for one thread.
    fn generator(self) -> ChaCha12Rng {
        let mut seed = [0; 32];
        // A panic cannot leave the root half changed, so a poisoned lock is as good as any.
        self.root
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .fill_bytes(&mut seed);
        ChaCha12Rng::from_seed(seed)
    }
}

/// Masking keys of client connections. RFC 6455 §5.3: "The masking key MUST be … derived from a strong source of
/// entropy", and a fresh one for each frame.
///
/// It is as large as a pointer: the generator belongs to the thread that sends, not to the connection.
#[derive(Clone, Copy, Debug)]
pub struct RandomMasks(Random);

impl RandomMasks {
    /// # Errors
    /// When the operating system gives no randomness. After the first success in a process it always succeeds.
    pub fn new() -> io::Result<Self> {
        Random::new().map(Self)
    }
}

impl MaskGen for RandomMasks {
    fn next_key(&mut self) -> MaskKey {
        let mut key = [0; 4];
        self.0.fill(&mut key);
        MaskKey(key)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn threads_draw_different_numbers() {
        let draw = || {
            let random = Random::new().unwrap();
            (0..100)
                .map(|_| {
                    let mut bytes = [0; 16];
                    random.fill(&mut bytes);
                    bytes
                })
                .collect::<Vec<_>>()
        };
        let threads: Vec<_> = (0..4).map(|_| std::thread::spawn(draw)).collect();
        let drawn: Vec<_> = threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect();
        assert_eq!(drawn.iter().collect::<HashSet<_>>().len(), 400);
    }

    #[test]
    fn masks_are_fresh_for_each_frame() {
        let mut masks = RandomMasks::new().unwrap();
        let mut others = masks;
        let keys: HashSet<_> = (0..500)
            .flat_map(|_| [masks.next_key().0, others.next_key().0])
            .collect();
        // Two of a thousand are equal once in eight thousand runs; ten never are.
        assert!(keys.len() > 990);
    }

    #[test]
    fn carries_no_generator_of_its_own() {
        assert_eq!(size_of::<RandomMasks>(), size_of::<usize>());
    }
}
