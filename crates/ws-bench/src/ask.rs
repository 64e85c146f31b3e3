//! Rivals' clients: ask an echo server again and again, one message in flight, as `crates/ws-handler/examples/ask.rs`
//! does with ours. What a client costs is the CPU time of this process by the messages.

use std::error::Error;
use std::fmt::Debug;

use futures_util::{Sink, SinkExt, Stream, StreamExt};
use tokio_tungstenite::tungstenite;

type Failure = Box<dyn Error>;

pub(crate) fn run(name: &str, url: &str, messages: &str, bytes: &str) -> Result<(), Failure> {
    let messages = messages.parse()?;
    let text = "x".repeat(bytes.parse()?);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        match name {
            "tungstenite" => {
                let (socket, _) = tokio_tungstenite::connect_async(url).await?;
                ask(socket, tungstenite::Message::text(text), messages).await
            }
            "tokio-websockets" => {
                let (socket, _) = tokio_websockets::ClientBuilder::from_uri(url.parse()?)
                    .connect()
                    .await?;
                let question = tokio_websockets::Message::text(text.clone());
                ask_as(socket, question, messages, |answer| {
                    answer.as_text() == Some(&text)
                })
                .await
            }
            _ => Err(format!("there is no client `{name}`: tungstenite, tokio-websockets").into()),
        }
    })
}

async fn ask<M, S, E>(socket: S, question: M, messages: usize) -> Result<(), Failure>
where
    M: Clone + PartialEq + Debug,
    S: Stream<Item = Result<M, E>> + Sink<M, Error = E> + Unpin,
    E: Error + 'static,
{
    let expected = question.clone();
    ask_as(socket, question, messages, |answer| *answer == expected).await
}

async fn ask_as<M, S, E>(
    mut socket: S,
    question: M,
    messages: usize,
    is_right: impl Fn(&M) -> bool,
) -> Result<(), Failure>
where
    M: Clone + Debug,
    S: Stream<Item = Result<M, E>> + Sink<M, Error = E> + Unpin,
    E: Error + 'static,
{
    for _ in 0..messages {
        socket.send(question.clone()).await?;
        match socket.next().await {
            Some(answer) => {
                let answer = answer?;
                if !is_right(&answer) {
                    return Err(format!("this is no echo: {answer:?}").into());
                }
            }
            None => return Err("the server has left".into()),
        }
    }
    println!("{messages} messages came back");
    Ok(())
}
