//! Many well-behaved connections that are held: they answer pings, and close when they are told to.

use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use ws_handler::WebSocket;
use ws_proto::CloseCode;

use super::dial::Dialer;

/// Handshakes under way at once: fewer than a listener's queue holds.
const OPENING_AT_ONCE: usize = 100;

/// Connections that are held.
#[derive(Debug)]
pub(super) struct Crowd {
    leave: watch::Sender<bool>,
    tasks: JoinSet<bool>,
}

impl Crowd {
    /// Opens so many, and holds them.
    pub(super) async fn open(dialer: &Arc<Dialer>, count: usize) -> Result<Self, String> {
        let (leave, told) = watch::channel(false);
        let (opened, mut results) = mpsc::unbounded_channel();
        let door = Arc::new(Semaphore::new(OPENING_AT_ONCE));
        let mut tasks = JoinSet::new();
        for _ in 0..count {
            let (dialer, door) = (Arc::clone(dialer), Arc::clone(&door));
            let (opened, told) = (opened.clone(), told.clone());
            tasks.spawn(async move {
                let permit = door.acquire().await;
                let socket = dialer.socket().await;
                drop(permit);
                match socket {
                    Ok(socket) => {
                        drop(opened.send(Ok(())));
                        // Nobody listens any more, and it is a sender for each connection otherwise.
                        drop((opened, dialer, door));
                        hold(socket, told).await
                    }
                    Err(error) => {
                        drop(opened.send(Err(error)));
                        false
                    }
                }
            });
        }
        drop(opened);
        while let Some(result) = results.recv().await {
            result?;
        }
        Ok(Self { leave, tasks })
    }

    /// Closes all; answers how many were open until then and closed with 1000.
    pub(super) async fn leave(mut self) -> usize {
        self.leave.send_replace(true);
        let mut well = 0;
        while let Some(ended) = self.tasks.join_next().await {
            well += usize::from(ended.unwrap_or_default());
        }
        well
    }
}

/// Receives until it is time to leave, then closes; answers whether all of that went well.
async fn hold(mut socket: WebSocket<TcpStream>, mut told: watch::Receiver<bool>) -> bool {
    loop {
        tokio::select! {
            biased;
            _ = told.wait_for(|leave| *leave) => break,
            message = socket.recv() => {
                if !matches!(message, Ok(Some(_))) {
                    return false;
                }
            }
        }
    }
    if socket.close(CloseCode::NORMAL, "").await.is_err() {
        return false;
    }
    while let Ok(Some(_)) = socket.recv().await {}
    socket
        .close_reason()
        .is_some_and(|reason| reason.code == CloseCode::NORMAL)
}
