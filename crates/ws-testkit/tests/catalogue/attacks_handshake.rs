//! Group H of the catalogue: requests. What is sent, and what must come of it, is in `ws_testkit`'s attack.

use crate::scene::survives;

#[tokio::test(start_paused = true)]
async fn h01_a_post_is_no_upgrade() {
    survives("H01").await;
}

#[tokio::test(start_paused = true)]
async fn h02_http_1_0_is_refused() {
    survives("H02").await;
}

#[tokio::test(start_paused = true)]
async fn h03_no_host() {
    survives("H03").await;
}

#[tokio::test(start_paused = true)]
async fn h04_two_hosts() {
    survives("H04").await;
}

#[tokio::test(start_paused = true)]
async fn h05_hosts_that_are_none() {
    survives("H05").await;
}

#[tokio::test(start_paused = true)]
async fn h06_no_connection_token() {
    survives("H06").await;
}

#[tokio::test(start_paused = true)]
async fn h07_tokens_are_compared_whole() {
    survives("H07").await;
}

#[tokio::test(start_paused = true)]
async fn h08_connection_is_a_list() {
    survives("H08").await;
}

#[tokio::test(start_paused = true)]
async fn h09_versions_that_are_not_spoken() {
    survives("H09").await;
}

#[tokio::test(start_paused = true)]
async fn h10_keys_that_are_none() {
    survives("H10").await;
}

#[tokio::test(start_paused = true)]
async fn h11_a_head_above_its_limit() {
    survives("H11").await;
}

#[tokio::test(start_paused = true)]
async fn h12_a_request_line_above_its_limit() {
    survives("H12").await;
}

#[tokio::test(start_paused = true)]
async fn h13_too_many_headers() {
    survives("H13").await;
}

#[tokio::test(start_paused = true)]
async fn h14_the_same_limits_byte_by_byte() {
    survives("H14").await;
}

#[tokio::test(start_paused = true)]
async fn h15_ten_megabytes_of_head_in_single_bytes() {
    survives("H15").await;
}

#[tokio::test(start_paused = true)]
async fn h16_a_byte_of_the_head_per_second() {
    survives("H16").await;
}

#[tokio::test(start_paused = true)]
async fn h17_a_body() {
    survives("H17").await;
}

#[tokio::test(start_paused = true)]
async fn h18_a_chunked_body() {
    survives("H18").await;
}

#[tokio::test(start_paused = true)]
async fn h19_a_body_told_twice() {
    survives("H19").await;
}

#[tokio::test(start_paused = true)]
async fn h20_a_request_behind_a_refusal() {
    survives("H20").await;
}

#[tokio::test(start_paused = true)]
async fn h21_frames_in_the_segment_of_the_request() {
    survives("H21").await;
}

#[tokio::test(start_paused = true)]
async fn h22_heads_that_parsers_read_differently() {
    survives("H22").await;
}

#[tokio::test(start_paused = true)]
async fn h23_very_many_subprotocols() {
    survives("H23").await;
}

#[tokio::test(start_paused = true)]
async fn h24_an_unclosed_string_of_an_extension() {
    survives("H24").await;
}

#[tokio::test(start_paused = true)]
async fn h25_very_many_offers_of_compression() {
    survives("H25").await;
}

#[tokio::test(start_paused = true)]
async fn h27_tls_on_the_plain_port() {
    survives("H27").await;
}

#[tokio::test(start_paused = true)]
async fn h28_the_preface_of_http_2() {
    survives("H28").await;
}

#[tokio::test(start_paused = true)]
async fn h29_origins() {
    survives("H29").await;
}

#[tokio::test(start_paused = true)]
async fn h30_a_subprotocol_that_nobody_knows() {
    survives("H30").await;
}
