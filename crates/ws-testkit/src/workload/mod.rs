//! What the test client sends and what it must get back: payload recipes, and ledgers that judge every answer.
//!
//! Pure: no I/O, no clock. Sending and timing is `client`, counting is `stats`.

mod message;
mod payload;

mod broadcast;
mod echo;
mod ping;

mod ledger;

pub(crate) use ledger::{Ledger, Rule};
pub(crate) use message::{Arrived, Shape, Verdict};
pub(crate) use payload::{Recipe, fresh_run_id};
pub(crate) use ping::{PingLedger, PongVerdict};
