//! What all connections of a factory account for together: limits that were hit, and unfinished input.

use crate::hits::Hits;
use crate::unfinished::UnfinishedInput;

/// One for each factory; every connection finds it through its signal.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) hits: Hits,
    pub(crate) unfinished: UnfinishedInput,
}
