//! Groups F and W of the catalogue: frames and floods. What is sent is in `ws_testkit`'s attack.

use crate::scene::survives;

#[tokio::test(start_paused = true)]
async fn f01_an_unmasked_frame() {
    survives("F01").await;
}

#[tokio::test(start_paused = true)]
async fn f03_reserved_bits_on_data() {
    survives("F03").await;
}

#[tokio::test(start_paused = true)]
async fn f04_reserved_bits_on_control_frames_and_continuations() {
    survives("F04").await;
}

#[tokio::test(start_paused = true)]
async fn f05_reserved_opcodes_after_two_bytes() {
    survives("F05").await;
}

#[tokio::test(start_paused = true)]
async fn f06_a_reserved_opcode_with_a_huge_length() {
    survives("F06").await;
}

#[tokio::test(start_paused = true)]
async fn f07_a_declared_length_above_the_limit() {
    survives("F07").await;
}

#[tokio::test(start_paused = true)]
async fn f08_a_declared_length_with_its_top_bit() {
    survives("F08").await;
}

#[tokio::test(start_paused = true)]
async fn f09_the_greatest_declared_length() {
    survives("F09").await;
}

#[tokio::test(start_paused = true)]
async fn f10_a_declared_length_above_32_bits() {
    survives("F10").await;
}

#[tokio::test(start_paused = true)]
async fn f11_lengths_that_are_not_minimal() {
    survives("F11").await;
}

#[tokio::test(start_paused = true)]
async fn f12_a_frame_that_is_begun_and_left() {
    survives("F12").await;
}

#[tokio::test(start_paused = true)]
async fn f13_messages_below_and_at_the_limit() {
    survives("F13").await;
}

#[tokio::test(start_paused = true)]
async fn f14_a_message_above_the_limit_by_its_last_fragment() {
    survives("F14").await;
}

#[tokio::test(start_paused = true)]
async fn f15_a_fragment_too_many() {
    survives("F15").await;
}

#[tokio::test(start_paused = true)]
async fn f16_an_empty_fragment_too_many() {
    survives("F16").await;
}

#[tokio::test(start_paused = true)]
async fn f17_fragments_below_and_at_the_limit() {
    survives("F17").await;
}

#[tokio::test(start_paused = true)]
async fn f19_a_continuation_of_nothing() {
    survives("F19").await;
}

#[tokio::test(start_paused = true)]
async fn f20_a_message_inside_a_message() {
    survives("F20").await;
}

#[tokio::test(start_paused = true)]
async fn f21_fragmented_control_frames() {
    survives("F21").await;
}

#[tokio::test(start_paused = true)]
async fn f22_control_frames_of_126_bytes() {
    survives("F22").await;
}

#[tokio::test(start_paused = true)]
async fn f23_text_that_is_not_utf_8() {
    survives("F23").await;
}

#[tokio::test(start_paused = true)]
async fn f24_wrong_text_is_refused_before_it_ends() {
    survives("F24").await;
}

#[tokio::test(start_paused = true)]
async fn f25_a_character_cut_off_by_fin() {
    survives("F25").await;
}

#[tokio::test(start_paused = true)]
async fn f26_the_same_bytes_as_binary() {
    survives("F26").await;
}

#[tokio::test(start_paused = true)]
async fn f27_random_bytes() {
    survives("F27").await;
}

#[tokio::test(start_paused = true)]
async fn f28_conversations_cut_at_every_byte() {
    survives("F28").await;
}

#[tokio::test(start_paused = true)]
async fn f29_ten_thousand_messages_in_one_write() {
    survives("F29").await;
}

#[tokio::test(start_paused = true)]
async fn w01_pings_from_a_peer_that_never_reads() {
    survives("W01").await;
}

#[tokio::test(start_paused = true)]
async fn w03_empty_messages_from_a_peer_that_never_reads() {
    survives("W03").await;
}

#[tokio::test(start_paused = true)]
async fn w04_a_thousand_close_frames() {
    survives("W04").await;
}
