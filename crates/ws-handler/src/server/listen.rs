//! Which way connections are taken from a listener.
//!
//! Here: [`serve_listener`]. Not here: the loop (`accept`), the way for TCP on Linux (`queue`).

use std::sync::Arc;

use super::accept::{Listener, accept_until_stopped};
use super::house::House;
#[cfg(target_os = "linux")]
use super::queue::{Queue, as_tcp};
use super::service::Host;

/// Accepts until the server stops, then closes the listener. A TCP listener is taken for what it is.
#[cfg(target_os = "linux")]
pub(crate) async fn serve_listener<L: Listener>(listener: L, house: Arc<House>, host: Arc<dyn Host>) {
    match as_tcp(listener) {
        Ok(listener) => match Queue::new(listener) {
            Ok(queue) => accept_until_stopped(queue, house, host).await,
            Err(listener) => accept_until_stopped(listener, house, host).await,
        },
        Err(Some(listener)) => accept_until_stopped(listener, house, host).await,
        // Nothing was taken, so there is a listener.
        Err(None) => {}
    }
}

/// Accepts until the server stops, then closes the listener.
#[cfg(not(target_os = "linux"))]
pub(crate) async fn serve_listener<L: Listener>(listener: L, house: Arc<House>, host: Arc<dyn Host>) {
    accept_until_stopped(listener, house, host).await;
}
