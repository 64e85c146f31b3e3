//! Groups C and T of the catalogue: closing and breaking. What is sent is in `ws_testkit`'s attack.

use crate::scene::survives;

#[tokio::test(start_paused = true)]
async fn c01_a_close_payload_of_one_byte() {
    survives("C01").await;
}

#[tokio::test(start_paused = true)]
async fn c02_close_codes_that_nobody_may_send() {
    survives("C02").await;
}

#[tokio::test(start_paused = true)]
async fn c03_close_codes_that_come_back() {
    survives("C03").await;
}

#[tokio::test(start_paused = true)]
async fn c04_a_reason_that_is_not_utf_8() {
    survives("C04").await;
}

#[tokio::test(start_paused = true)]
async fn c05_reasons_at_and_above_their_limit() {
    survives("C05").await;
}

#[tokio::test(start_paused = true)]
async fn c06_data_behind_the_close_frame() {
    survives("C06").await;
}

#[tokio::test(start_paused = true)]
async fn c07_two_close_frames() {
    survives("C07").await;
}

#[tokio::test(start_paused = true)]
async fn t01_gone_without_a_word() {
    survives("T01").await;
}

#[tokio::test(start_paused = true)]
async fn t02_the_end_without_a_close_frame() {
    survives("T02").await;
}

#[tokio::test(start_paused = true)]
async fn t03_the_end_behind_the_close_frame() {
    survives("T03").await;
}

#[tokio::test(start_paused = true)]
async fn t04_the_end_while_an_answer_is_on_its_way() {
    survives("T04").await;
}
