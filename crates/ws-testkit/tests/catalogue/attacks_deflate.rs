//! Group D of the catalogue: compressed messages. What is sent is in `ws_testkit`'s attack.

use crate::scene::Scene;

#[tokio::test(start_paused = true)]
async fn d01_a_bomb() {
    Scene::compressing().survives("D01").await;
}

#[tokio::test(start_paused = true)]
async fn d02_below_and_at_the_limit() {
    Scene::compressing().survives("D02").await;
}

#[tokio::test(start_paused = true)]
async fn d03_a_bomb_in_fragments() {
    Scene::compressing().survives("D03").await;
}

#[tokio::test(start_paused = true)]
async fn d04_a_bomb_byte_by_byte() {
    Scene::compressing().survives("D04").await;
}

#[tokio::test(start_paused = true)]
async fn d05_corrupt_streams() {
    Scene::compressing().survives("D05").await;
}

#[tokio::test(start_paused = true)]
async fn d06_a_block_that_says_it_is_the_last() {
    Scene::compressing().survives("D06").await;
}

#[tokio::test(start_paused = true)]
async fn d07_empty_messages() {
    Scene::compressing().survives("D07").await;
}

#[tokio::test(start_paused = true)]
async fn d08_a_reference_to_the_message_before() {
    Scene::compressing().survives("D08").await;
}

#[tokio::test(start_paused = true)]
async fn d09_a_reference_to_before_the_beginning() {
    Scene::compressing().survives("D09").await;
}

#[tokio::test(start_paused = true)]
async fn d11_a_plain_message_between_compressed_ones() {
    Scene::compressing().survives("D11").await;
}

#[tokio::test(start_paused = true)]
async fn d12_a_ping_between_compressed_fragments() {
    Scene::compressing().survives("D12").await;
}

#[tokio::test(start_paused = true)]
async fn d14_wrong_text_once_inflated() {
    Scene::compressing().survives("D14").await;
}
