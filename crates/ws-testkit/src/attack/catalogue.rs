//! All cases in the order of their groups.

use super::case::Case;
use super::target::Target;
use super::{closing, deflate, floods, frames, handshake};

/// The cases that the options choose.
pub(super) fn chosen(target: &Target) -> Vec<Case> {
    let options = &target.options;
    let wanted = |case: &Case| {
        let named = options
            .only
            .iter()
            .any(|prefix| case.id.starts_with(prefix.as_str()));
        (options.only.is_empty() || named) && (case.slow.is_none() || options.slow)
    };
    let mut cases: Vec<_> = [
        handshake::cases(target),
        frames::cases(target),
        deflate::cases(target),
        closing::cases(),
        floods::cases(),
    ]
    .into_iter()
    .flatten()
    .filter(wanted)
    .collect();
    cases.sort_by_key(|case| (group(case.id), case.id));
    cases
}

/// H, F, D, C, T, W: the order of the catalogue.
fn group(id: &str) -> Option<usize> {
    "HFDCTW".find(id.get(..1)?)
}
