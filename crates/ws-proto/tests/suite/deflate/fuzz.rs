//! The fuzz targets over their saved corpus, and over bytes made up from seeds.

use super::noise;
use crate::corpus::saved;

/// Each input with a few bytes changed, `count` times.
fn mutated(inputs: &[Vec<u8>], count: u32) -> impl Iterator<Item = Vec<u8>> {
    inputs.iter().flat_map(move |input| {
        (0..count).map(move |seed| {
            let mut input = input.clone();
            let dice = noise(8, seed * 7919 + 1);
            for pair in dice.chunks(2).take(1 + seed as usize % 4) {
                let place = usize::from(pair[0]) * (1 + seed as usize) % input.len();
                input[place] = pair[1];
            }
            input.truncate(input.len() - usize::from(dice[7] % 4).min(input.len() - 4));
            input
        })
    })
}

#[test]
fn anything_inflates_or_fails_within_its_limits() {
    let inputs = saved("inflate_anything");
    inputs.iter().for_each(|input| ws_proto::inflate_anything(input));
    mutated(&inputs, 150).for_each(|input| ws_proto::inflate_anything(&input));
    (0..300).for_each(|seed| ws_proto::inflate_anything(&noise(seed as usize % 97, seed)));
}

#[test]
fn what_is_compressed_on_any_terms_comes_back() {
    let inputs = saved("deflate_there_and_back");
    inputs
        .iter()
        .for_each(|input| ws_proto::deflate_there_and_back(input));
    mutated(&inputs, 40).for_each(|input| ws_proto::deflate_there_and_back(&input));
    (0..40).for_each(|seed| ws_proto::deflate_there_and_back(&noise(1500, seed)));
}
