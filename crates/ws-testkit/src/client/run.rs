//! A whole run: open all connections, let every client do its part, add up.

use std::collections::HashMap;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;

use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use ws_proto::MessageKind;

use super::dial::{Opened, dial};
use super::messages::exchange;
use super::options::{ClientOptions, OptionsError};
use super::ping::pings;
use super::shared::Shared;
use crate::protocol::Protocol;
use crate::stats::{DeflateOutcome, Ending, Failure, Observer, Started, Summary};
use crate::workload::{Recipe, Rule, fresh_run_id};

/// Handshakes in progress at the same time: below the backlog of an ordinary listener.
const HANDSHAKES_AT_ONCE: usize = 64;

/// A test run: some clients that send messages (or PINGs) and verify what comes back.
///
/// ```no_run
/// # async fn example() -> Result<(), ws_testkit::OptionsError> {
/// use ws_testkit::{ClientOptions, ClientRun, ExitStatus};
///
/// let mut options = ClientOptions::new("ws://127.0.0.1:8080/");
/// options.protocols = vec!["org.ietf.websocket.test-echo".into()];
/// options.count = 100;
/// options.delay = std::time::Duration::ZERO;
/// let summary = ClientRun::new(options).run().await?;
/// assert_eq!(summary.status(), ExitStatus::Success);
/// # Ok(())
/// # }
/// ```
pub struct ClientRun {
    options: ClientOptions,
    observer: Arc<dyn Observer>,
}

impl ClientRun {
    /// A run with these options. Nothing happens yet.
    pub fn new(options: ClientOptions) -> Self {
        Self {
            options,
            observer: Arc::new(()),
        }
    }

    /// Tells `observer` what happens. Default: nobody.
    #[must_use]
    pub fn observe(self, observer: Arc<dyn Observer>) -> Self {
        Self { observer, ..self }
    }

    /// Runs to the end. Must be called inside a tokio runtime; not cancel safe: what was found out is lost, and
    /// the connections are dropped without a closing handshake.
    ///
    /// # Errors
    /// The options make no sense. Whatever a server or network does is in the [`Summary`].
    pub async fn run(self) -> Result<Summary, OptionsError> {
        self.run_until(std::future::pending()).await
    }

    /// Runs to the end, or until `stop` completes; then the summary says that the run was interrupted.
    ///
    /// Not cancel safe, as [`run`](Self::run).
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub async fn run_until(self, stop: impl Future<Output = ()>) -> Result<Summary, OptionsError> {
        self.options.check()?;
        let (stopper, stopped) = watch::channel(false);
        let mut run = pin!(drive(self.options, self.observer, stopped));
        let summary = tokio::select! {
            summary = &mut run => return Ok(summary),
            () = stop => {
                stopper.send_replace(true);
                run.await
            }
        };
        Ok(Summary {
            interrupted: true,
            ..summary
        })
    }
}

async fn drive(
    options: ClientOptions,
    observer: Arc<dyn Observer>,
    stopped: watch::Receiver<bool>,
) -> Summary {
    let kind = if options.binary {
        MessageKind::Binary
    } else {
        MessageKind::Text
    };
    let recipe = Recipe {
        run: fresh_run_id(),
        kind,
        size: options.size,
    };
    let shared = Arc::new(Shared::new(options, recipe, observer, stopped));

    // All are open before the first sends: on a broadcast protocol a late one would miss messages.
    let (opened, mut failures) = open_all(&shared).await;
    let started = started(&shared, &opened);
    let deflate = shared.options.deflate.as_ref().map(|_| DeflateOutcome {
        negotiated: opened.first().and_then(|(_, connection)| connection.deflate()),
    });
    let opened_count = opened.len();
    if opened_count > 0 {
        shared.observer.started(&started);
        failures.extend(run_all(&shared, opened).await);
    }
    failures.sort_by_key(|failure| failure.client);
    Summary {
        deflate,
        ..summarize(&shared, started, opened_count, failures)
    }
}

/// Opens every client's connection, a bounded number at a time.
async fn open_all(shared: &Arc<Shared>) -> (Vec<(usize, Opened)>, Vec<Failure>) {
    let permits = Arc::new(Semaphore::new(HANDSHAKES_AT_ONCE));
    let mut dialling = JoinSet::new();
    for client in 0..shared.options.clients {
        let (shared, permits) = (shared.clone(), permits.clone());
        dialling.spawn(async move {
            let _permit = permits.acquire().await;
            tokio::select! {
                result = dial(&shared.options) => (client, result),
                () = shared.stopped() => (client, Err(Ending::Interrupted)),
            }
        });
    }
    let (mut opened, mut failures) = (Vec::new(), Vec::new());
    while let Some(joined) = dialling.join_next().await {
        let Ok((client, result)) = joined else { continue };
        match result {
            Ok(connection) => {
                shared.observer.handshake(client, &connection.response);
                opened.push((client, connection));
            }
            Err(ending) => fail(shared, &mut failures, client, ending),
        }
    }
    opened.sort_by_key(|(client, _)| *client);
    // The messages of those that could not even connect will never come.
    let missing = shared.options.clients - opened.len();
    shared.group.abandon(missing as u64 * shared.options.count);
    (opened, failures)
}

/// Lets every client do its part, and waits for all of them.
async fn run_all(shared: &Arc<Shared>, opened: Vec<(usize, Opened)>) -> Vec<Failure> {
    let mut running = JoinSet::new();
    let mut clients = HashMap::new();
    for (client, connection) in opened {
        let shared = shared.clone();
        let task = running.spawn(async move {
            let rule = rule(connection.subprotocol());
            let compressed = connection.deflate().is_some();
            match rule.map(|rule| if compressed { rule.when_compressed() } else { rule }) {
                None => pings(&shared, connection, client).await,
                Some(rule) => exchange(&shared, connection, client, rule).await,
            }
        });
        clients.insert(task.id(), client);
    }
    let mut failures = Vec::new();
    while let Some(joined) = running.join_next_with_id().await {
        let (task, ending) = match joined {
            Ok(ended) => ended,
            // A panic in here is a defect; it must not count as success.
            Err(error) => (
                error.id(),
                Ending::Closed {
                    code: 1006,
                    reason: error.to_string(),
                },
            ),
        };
        if ending != Ending::Complete {
            fail(
                shared,
                &mut failures,
                clients.get(&task).copied().unwrap_or_default(),
                ending,
            );
        }
    }
    failures
}

fn fail(shared: &Shared, failures: &mut Vec<Failure>, client: usize, ending: Ending) {
    let failure = Failure { client, ending };
    shared.observer.failed(&failure);
    failures.push(failure);
}

/// What the accepted subprotocol promises; None: no subprotocol, PINGs.
fn rule(subprotocol: Option<&str>) -> Option<Rule> {
    Some(match Protocol::from_subprotocol(subprotocol?) {
        Some(Protocol::Echo) => Rule::Frames,
        Some(Protocol::Assemble) => Rule::OneFrame,
        Some(Protocol::Fragment) => Rule::TwoFrames,
        Some(Protocol::Broadcast | Protocol::BroadcastPing) => Rule::Broadcast,
        _ => Rule::Messages,
    })
}

fn started(shared: &Shared, opened: &[(usize, Opened)]) -> Started {
    let options = &shared.options;
    let first = opened.first().map(|(_, connection)| connection);
    let protocol = first.and_then(|connection| connection.subprotocol().map(str::to_owned));
    // If nobody got through, the first protocol asked for says best what was meant to be checked.
    let checked = if first.is_some() {
        protocol.as_deref()
    } else {
        options.protocols.first().map(String::as_str)
    };
    Started {
        url: options.url.clone(),
        address: first.and_then(|connection| connection.address),
        mode: rule(checked).map_or("ping", Rule::name),
        protocol,
        clients: opened.len(),
        count: options.count,
        size: options.size,
        fragment: (!options.is_ping()).then_some(options.fragment),
    }
}

fn summarize(shared: &Shared, started: Started, opened: usize, failures: Vec<Failure>) -> Summary {
    let options = &shared.options;
    let totals = shared.totals();
    Summary {
        url: started.url,
        address: started.address,
        mode: started.mode,
        offered: options.protocols.clone(),
        protocol: started.protocol,
        clients: options.clients,
        opened,
        count: options.count,
        size: options.size,
        fragment: started.fragment,
        binary: options.binary && !options.is_ping(),
        deflate: None,
        counts: totals.counts,
        round_trips: totals.round_trips.clone(),
        elapsed: totals.elapsed(),
        interrupted: failures
            .iter()
            .any(|failure| failure.ending == Ending::Interrupted),
        failures,
    }
}
