//! A client that asks an echo server again and again, one message in flight: `ask URL [MESSAGES] [BYTES]`.
//!
//! What the socket costs on the client's side is the CPU time of this process by the messages (docs/PERFORMANCE.md).

use std::error::Error;

use ws_proto::{CloseCode, Message};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().ok_or("usage: ask URL [MESSAGES] [BYTES]")?;
    let mut number = |default: usize| arguments.next().map_or(Ok(default), |text| text.parse());
    let (messages, bytes) = (number(100_000)?, number(20)?);
    let question = Message::text("x".repeat(bytes));

    let (mut socket, _response) = ws_handler::connect(url.as_str()).await?;
    for _ in 0..messages {
        socket.send(question.clone()).await?;
        let answer = socket.recv().await?;
        if answer.as_ref() != Some(&question) {
            return Err(format!("this is no echo: {answer:?}").into());
        }
    }
    socket.close(CloseCode::NORMAL, "").await?;
    println!("{messages} messages of {bytes} bytes came back");
    Ok(())
}
