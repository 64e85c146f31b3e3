//! The client under test of an Autobahn-style fuzzing server: runs every case, echoing whole messages.
//!
//! The server judges and writes the report; its control URLs are `/getCaseCount`, `/runCase?case=N&agent=A` and
//! `/updateReports?agent=A`.

use std::future::Future;
use std::time::Duration;

use ws_proto::{DeflateConfig, Delivery, Message};

use super::dial::{Opened, dial_with};
use super::options::{ClientOptions, OptionsError};
use crate::stats::{Ending, ExitStatus};

/// What an [`AutobahnRun`] does.
#[derive(Debug, Clone)]
pub struct AutobahnOptions {
    /// The fuzzing server, `ws://host:port`.
    pub url: String,
    /// The name of this client in the report.
    pub agent: String,
    /// Offer permessage-deflate on these terms. Default: no, and the compression cases are unimplemented.
    pub deflate: Option<DeflateConfig>,
    /// The longest silence within a case before it is given up. Default: 60 s.
    pub timeout: Duration,
}

impl AutobahnOptions {
    /// The defaults, for this server and this name in its report.
    pub fn new(url: impl Into<String>, agent: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            agent: agent.into(),
            deflate: None,
            timeout: Duration::from_secs(60),
        }
    }

    /// Options of the connection to one control URL.
    fn connection(&self, resource: &str) -> ClientOptions {
        let base = self.url.trim_end_matches('/');
        let mut options = ClientOptions::new(format!("{base}{resource}"));
        options.timeout = self.timeout;
        options.deflate = self.deflate.clone();
        options
    }
}

/// What became of the run. Verdicts on the cases are in the server's report.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AutobahnSummary {
    /// Cases the server has.
    pub cases: u32,
    /// Cases that ran to the end of their connection.
    pub completed: u32,
    /// Cases that fell silent and were given up, by number.
    pub given_up: Vec<u32>,
    /// What ended the run before all cases were run and reported.
    pub failure: Option<Ending>,
}

impl AutobahnSummary {
    /// Success if every case ran and the server was told to write its report; 1 if a case fell silent.
    pub fn status(&self) -> ExitStatus {
        let cases = if self.given_up.is_empty() {
            ExitStatus::Success
        } else {
            ExitStatus::WrongAnswer
        };
        self.failure
            .as_ref()
            .map_or(cases, |ending| ending.status().or_worse(cases))
    }
}

/// Runs every case of a fuzzing server.
#[derive(Debug, Clone)]
pub struct AutobahnRun {
    options: AutobahnOptions,
}

impl AutobahnRun {
    /// A run with these options. Nothing happens yet.
    pub fn new(options: AutobahnOptions) -> Self {
        Self { options }
    }

    /// Runs all cases, then has the server write its report. `progress` is told the number of each case as it
    /// begins, from 1, and the number of all cases. Ends early when `stop` completes.
    ///
    /// Must be called inside a tokio runtime; dropped, it leaves the server without an order to report.
    ///
    /// Not cancel safe: the server is left without an order to report.
    ///
    /// # Errors
    /// The URL makes no sense.
    pub async fn run_until(
        &self,
        stop: impl Future<Output = ()>,
        mut progress: impl FnMut(u32, u32),
    ) -> Result<AutobahnSummary, OptionsError> {
        self.options.connection("/").check()?;
        let mut summary = AutobahnSummary::default();
        let stopped = tokio::select! {
            result = self.run_all(&mut summary, &mut progress) => result,
            () = stop => Err(Ending::Interrupted),
        };
        summary.failure = stopped.err();
        Ok(summary)
    }

    async fn run_all(
        &self,
        summary: &mut AutobahnSummary,
        progress: &mut impl FnMut(u32, u32),
    ) -> Result<(), Ending> {
        summary.cases = self.case_count().await?;
        let agent = percent_encode(&self.options.agent);
        for case in 1..=summary.cases {
            progress(case, summary.cases);
            let opened = self.open(&format!("/runCase?case={case}&agent={agent}")).await?;
            match self.echo(opened).await {
                Heard::End => summary.completed += 1,
                Heard::Silence => summary.given_up.push(case),
            }
        }
        let opened = self.open(&format!("/updateReports?agent={agent}")).await?;
        self.echo(opened).await;
        Ok(())
    }

    async fn case_count(&self) -> Result<u32, Ending> {
        let mut opened = self.open("/getCaseCount").await?;
        let text = match tokio::time::timeout(self.options.timeout, opened.socket.recv()).await {
            Ok(Ok(Some(Message::Text(text)))) => text,
            Ok(_) => return Err(closed("the server did not send its number of cases")),
            Err(_) => return Err(Ending::TimedOut),
        };
        self.echo(opened).await;
        text.trim()
            .parse()
            .map_err(|_| closed("what the server sent is no number of cases"))
    }

    async fn open(&self, resource: &str) -> Result<Opened, Ending> {
        dial_with(&self.options.connection(resource), Delivery::Message).await
    }

    /// Echoes whole messages until the connection ends, in whatever way: that is for the server to judge.
    async fn echo(&self, mut opened: Opened) -> Heard {
        let socket = &mut opened.socket;
        loop {
            let message = match tokio::time::timeout(self.options.timeout, socket.recv()).await {
                Ok(Ok(Some(message))) => message,
                Ok(Ok(None) | Err(_)) => return Heard::End,
                Err(_) => return Heard::Silence,
            };
            if message.is_data() {
                match tokio::time::timeout(self.options.timeout, socket.send(message)).await {
                    // After an error the next recv tells how the connection ended.
                    Ok(_) => {}
                    Err(_) => return Heard::Silence,
                }
            }
        }
    }
}

enum Heard {
    End,
    Silence,
}

fn closed(reason: &str) -> Ending {
    Ending::Closed {
        code: 1006,
        reason: reason.to_owned(),
    }
}

/// Everything but RFC 3986's unreserved characters as %XX.
fn percent_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_urls_are_built_with_or_without_a_slash() {
        for url in ["ws://127.0.0.1:9001", "ws://127.0.0.1:9001/"] {
            let options = AutobahnOptions::new(url, "me").connection("/getCaseCount");
            assert_eq!(options.url, "ws://127.0.0.1:9001/getCaseCount");
        }
    }

    #[test]
    fn agents_may_have_any_name() {
        assert_eq!(percent_encode("ws-testkit_0.1~"), "ws-testkit_0.1~");
        assert_eq!(percent_encode("a b&c=é"), "a%20b%26c%3D%C3%A9");
    }

    #[test]
    fn silence_and_failures_are_no_success() {
        let mut summary = AutobahnSummary::default();
        assert_eq!(summary.status(), ExitStatus::Success);
        summary.given_up.push(7);
        assert_eq!(summary.status(), ExitStatus::WrongAnswer);
        summary.failure = Some(Ending::HandshakeTimeout);
        assert_eq!(summary.status(), ExitStatus::HandshakeTimeout);
    }
}
