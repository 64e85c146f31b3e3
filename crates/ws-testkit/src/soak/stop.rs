//! L8: SIGTERM under numbered traffic. An echo is the acknowledgement; the server's journal says what it processed.
//!
//! Nothing acknowledged is lost: each client's acknowledgements are in order and without gaps, and all of them are in
//! the journal. Nothing is processed that was not sent. Everybody reads 1001 (RFC 6455 §7.4.1), and the server ends
//! with 0 before its deadline.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::timeout;
use ws_handler::WebSocket;
use ws_proto::{CloseCode, Message};

use super::child::{Ended, Server};
use super::dial::Dialer;
use super::findings::{Findings, SoakBound};
use super::options::SoakOptions;

/// Clients.
const CLIENTS: (usize, usize) = (5_000, 100);

/// How often a server is stopped.
const ROUNDS: (u32, u32) = (10, 3);

/// Messages in flight on each connection, so that a stop always finds some under way.
const IN_FLIGHT: u64 = 4;

/// The server's deadline in seconds.
const DEADLINE: &str = "20";
const DEADLINE_SECONDS: f64 = 20.0;

/// From the moment at which all have an acknowledgement to SIGTERM: another one in each round.
const UNTIL_STOP: Duration = Duration::from_millis(170);

/// Handshakes under way at once.
const OPENING_AT_ONCE: usize = 100;

/// For clients to notice that all is over.
const PATIENCE: Duration = Duration::from_secs(60);

/// One client's side of a round.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Client {
    sent: u64,
    acknowledged: u64,
    /// An answer was another than the next one.
    wrong: bool,
    /// The code of the close frame, as far as there was one.
    code: Option<u16>,
}

/// What a round, or several, have shown.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    clients: u64,
    sent: u64,
    acknowledged: u64,
    processed: u64,
    /// Acknowledged and not in the journal.
    lost: u64,
    /// In the journal and never sent, or twice, or out of order.
    invented: u64,
    /// Clients with an answer that was not the next.
    wrong: u64,
    /// Clients that did not read 1001.
    no_1001: u64,
}

pub(super) fn connections(options: &SoakOptions) -> usize {
    options.count(CLIENTS.0, CLIENTS.1)
}

pub(super) async fn run(options: &SoakOptions, findings: &mut Findings) -> Result<(), String> {
    let rounds = options.pick(ROUNDS.0, ROUNDS.1);
    let mut tally = Tally::default();
    let mut slowest = 0.0;
    let mut last = None;
    for round in 1..=rounds {
        let ended = one(options, round, &mut tally).await?;
        slowest = f64::max(slowest, ended.took.as_secs_f64());
        // The first bad end is the one to be told.
        if last.as_ref().is_none_or(Ended::is_good) {
            last = Some(ended);
        }
    }
    findings.tell("stops", f64::from(rounds), "");
    judge(findings, &tally);
    findings.check(
        "slowest end after SIGTERM",
        slowest,
        "s",
        SoakBound::AtMost(DEADLINE_SECONDS),
    );
    if let Some(ended) = last {
        ended.judge(findings);
    }
    Ok(())
}

fn judge(findings: &mut Findings, tally: &Tally) {
    findings.tell("clients", tally.clients as f64, "");
    findings.tell("messages sent", tally.sent as f64, "");
    findings.check(
        "acknowledged",
        tally.acknowledged as f64,
        "",
        SoakBound::AtLeast(tally.clients as f64),
    );
    findings.tell("processed", tally.processed as f64, "");
    for (name, count) in [
        ("acknowledged and lost", tally.lost),
        ("processed and never sent, twice or out of order", tally.invented),
        ("clients with a wrong acknowledgement", tally.wrong),
        ("clients that did not read 1001", tally.no_1001),
    ] {
        findings.check(name, count as f64, "", SoakBound::Exactly(0.0));
    }
}

/// One server's life.
async fn one(options: &SoakOptions, round: u32, tally: &mut Tally) -> Result<Ended, String> {
    let journal = Journal::new(round);
    let path = journal.0.display().to_string();
    let arguments = ["--journal", &path, "--shutdown-timeout", DEADLINE];
    let server = Server::start(options, &arguments, Duration::from_secs(1)).await?;
    let dialer = Arc::new(Dialer::new(server.address(), "echo-assemble")?);
    let count = options.count(CLIENTS.0, CLIENTS.1);
    let (busy, mut all_busy) = mpsc::unbounded_channel();
    let door = Arc::new(Semaphore::new(OPENING_AT_ONCE));
    let mut clients = JoinSet::new();
    for number in 0..count {
        let (dialer, door, busy) = (Arc::clone(&dialer), Arc::clone(&door), busy.clone());
        clients.spawn(async move {
            let permit = door.acquire().await;
            let socket = dialer.socket().await?;
            drop(permit);
            Ok::<_, String>((number, converse(socket, number, &busy).await))
        });
    }
    drop(busy);
    for _ in 0..count {
        let next = timeout(PATIENCE, all_busy.recv()).await;
        if !matches!(next, Ok(Some(()))) {
            return Err("not every client was acknowledged before the stop".into());
        }
    }
    tokio::time::sleep(UNTIL_STOP * round).await;
    let ended = server.stop().await?;
    let mut ends = HashMap::with_capacity(count);
    let gathering = async {
        while let Some(client) = clients.join_next().await {
            let (number, client) = client.map_err(|error| error.to_string())??;
            ends.insert(number as u64, client);
        }
        Ok::<_, String>(())
    };
    timeout(PATIENCE, gathering)
        .await
        .map_err(|_| "a client waits although the server is gone".to_owned())??;
    let text = std::fs::read_to_string(&journal.0).map_err(|error| format!("{path}: {error}"))?;
    tally.add(&ends, &text);
    Ok(ended)
}

/// Sends numbered messages and reads their echoes until the server closes.
async fn converse(
    mut socket: WebSocket<TcpStream>,
    number: usize,
    busy: &mpsc::UnboundedSender<()>,
) -> Client {
    let mut client = Client::default();
    loop {
        while client.sent < client.acknowledged + IN_FLIGHT {
            // What fails may be out all the same; what was refused, because the close frame is here, is not.
            client.sent += 1;
            if socket.send(line(number as u64, client.sent)).await.is_err() {
                break;
            }
        }
        match socket.recv().await {
            Ok(Some(message)) if message == Message::text(line(number as u64, client.acknowledged + 1)) => {
                client.acknowledged += 1;
                if client.acknowledged == 1 {
                    // Nobody waits for it any more when the shape has failed.
                    let _ = busy.send(());
                }
            }
            Ok(Some(message)) => client.wrong |= message.is_data(),
            Ok(None) | Err(_) => break,
        }
    }
    client.code = socket.close_reason().map(|reason| reason.code.value());
    client
}

fn line(client: u64, message: u64) -> String {
    format!("{client} {message}")
}

impl Tally {
    /// Compares what clients know with what the journal says.
    fn add(&mut self, clients: &HashMap<u64, Client>, journal: &str) {
        let mut processed: HashMap<u64, u64> = HashMap::with_capacity(clients.len());
        for entry in journal.lines() {
            let parsed = entry.split_once(' ').and_then(|(client, message)| {
                Some((client.parse::<u64>().ok()?, message.parse::<u64>().ok()?))
            });
            let next = parsed.map(|(client, _)| processed.entry(client).or_default());
            match (parsed, next) {
                (Some((_, message)), Some(last)) if message == *last + 1 => *last = message,
                _ => self.invented += 1,
            }
        }
        for (number, client) in clients {
            let processed = processed.remove(number).unwrap_or_default();
            self.clients += 1;
            self.sent += client.sent;
            self.acknowledged += client.acknowledged;
            self.processed += processed;
            self.lost += client.acknowledged.saturating_sub(processed);
            self.invented += processed.saturating_sub(client.sent);
            self.wrong += u64::from(client.wrong);
            self.no_1001 += u64::from(client.code != Some(CloseCode::GOING_AWAY.value()));
        }
        // Clients that do not exist.
        self.invented += processed.values().sum::<u64>();
    }
}

/// The journal's file, removed when dropped.
struct Journal(PathBuf);

impl Journal {
    fn new(round: u32) -> Self {
        let name = format!("ws-testkit-soak-{}-{round}.journal", std::process::id());
        Self(Path::new(&std::env::temp_dir()).join(name))
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        // One that was never written is no trouble.
        drop(std::fs::remove_file(&self.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clients(each: &[(u64, u64, u16)]) -> HashMap<u64, Client> {
        let client = |(sent, acknowledged, code): &(u64, u64, u16)| Client {
            sent: *sent,
            acknowledged: *acknowledged,
            wrong: false,
            code: Some(*code),
        };
        each.iter()
            .map(client)
            .enumerate()
            .map(|(n, c)| (n as u64, c))
            .collect()
    }

    fn tally(each: &[(u64, u64, u16)], journal: &str) -> Tally {
        let mut tally = Tally::default();
        tally.add(&clients(each), journal);
        tally
    }

    fn passes(tally: &Tally) -> bool {
        let mut findings = Findings::default();
        judge(&mut findings, tally);
        findings.figures.iter().all(super::super::SoakFigure::holds)
    }

    #[test]
    fn what_is_sent_and_not_acknowledged_is_nobodys_loss() {
        let good = tally(&[(4, 2, 1001), (3, 3, 1001)], "0 1\n1 1\n0 2\n1 2\n0 3\n1 3\n");
        assert_eq!((good.sent, good.acknowledged, good.processed), (7, 5, 6));
        assert!(passes(&good));
    }

    #[test]
    fn what_is_acknowledged_and_not_in_the_journal_is_lost() {
        let lost = tally(&[(4, 3, 1001)], "0 1\n0 2\n");
        assert_eq!(lost.lost, 1);
        assert!(!passes(&lost));
    }

    #[test]
    fn a_journal_with_gaps_repeats_strangers_or_rubbish_fails() {
        for journal in [
            "0 1\n0 3\n",
            "0 1\n0 1\n",
            "0 1\n7 1\n",
            "0 1\nx\n",
            "0 1\n0 2\n0 3\n",
        ] {
            let invented = tally(&[(2, 1, 1001)], journal);
            assert!(invented.invented > 0 && !passes(&invented), "{journal:?}");
        }
    }

    #[test]
    fn another_code_a_wrong_answer_or_no_traffic_fails() {
        assert!(!passes(&tally(&[(2, 1, 1006)], "0 1\n")));
        assert!(!passes(&tally(&[(2, 0, 1001)], "")));
        let mut wrong = tally(&[(2, 1, 1001)], "0 1\n");
        assert!(passes(&wrong));
        wrong.wrong = 1;
        assert!(!passes(&wrong));
    }
}
