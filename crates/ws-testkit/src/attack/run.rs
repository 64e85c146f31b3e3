//! The whole attack: case after case, each followed by a good client.

use std::io;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::case::Case;
use super::catalogue;
use super::play::{Verdict, converse, play};
use super::target::{AttackError, AttackOptions, Target};

/// What came of one case.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CaseResult {
    /// The id in docs/SECURITY.md; several cases may share one.
    pub id: &'static str,
    /// What was done.
    pub what: String,
    /// What came of it.
    pub verdict: Verdict,
}

/// What came of all cases.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct AttackReport {
    /// In the order in which they were run.
    pub cases: Vec<CaseResult>,
}

impl AttackReport {
    /// How many passed.
    pub fn passed(&self) -> usize {
        self.count(|verdict| matches!(verdict, Verdict::Passed))
    }

    /// How many ended otherwise than they should, but ended.
    pub fn lax(&self) -> usize {
        self.count(|verdict| matches!(verdict, Verdict::Lax(_)))
    }

    /// How many failed.
    pub fn failed(&self) -> usize {
        self.count(|verdict| matches!(verdict, Verdict::Failed(_)))
    }

    /// How many do not apply to this server.
    pub fn skipped(&self) -> usize {
        self.count(|verdict| matches!(verdict, Verdict::Skipped(_)))
    }

    fn count(&self, is_such: impl Fn(&Verdict) -> bool) -> usize {
        self.cases.iter().filter(|case| is_such(&case.verdict)).count()
    }
}

/// An attack on an echo server: each case on a connection of its own, then a good client, which must be served.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use ws_testkit::{AttackOptions, AttackRun, Protocol, TestServer};
///
/// let server = TestServer::bind("127.0.0.1:0").default_protocol(Protocol::Assemble).start().await?;
/// let mut options = AttackOptions::new(format!("ws://{}/", server.local_addr()));
/// options.only = vec!["C0".to_owned()];
/// let report = AttackRun::new(options)?.run(|case| println!("{}: {:?}", case.id, case.verdict)).await?;
/// assert_eq!((report.lax(), report.failed()), (0, 0));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct AttackRun {
    target: Target,
    cases: Vec<Case>,
}

impl AttackRun {
    /// Prepares the cases that the options choose.
    ///
    /// # Errors
    ///
    /// [`AttackError::Url`] and [`AttackError::Unusable`].
    pub fn new(options: AttackOptions) -> Result<Self, AttackError> {
        let target = Target::new(options)?;
        let cases = catalogue::chosen(&target);
        if cases.is_empty() {
            return Err(AttackError::Unusable("no case has such an id"));
        }
        Ok(Self { target, cases })
    }

    /// How many cases there are.
    pub fn cases(&self) -> usize {
        self.cases.len()
    }

    /// Attacks over TCP. `seen` is called after each case. Cancel safe: a dropped run closes its connection.
    ///
    /// # Errors
    ///
    /// [`AttackError::NoConnection`] and [`AttackError::NoEcho`], both before the first case only.
    pub async fn run(&self, seen: impl FnMut(&CaseResult)) -> Result<AttackReport, AttackError> {
        let dial = async || {
            let stream = TcpStream::connect((self.host(), self.target.url.port())).await?;
            // Single bytes are meant to arrive as such.
            stream.set_nodelay(true)?;
            Ok(stream)
        };
        self.run_over(dial, seen).await
    }

    /// As [`run`](Self::run), over connections of any kind. Cancel safe, if `dial` is.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    pub async fn run_over<IO>(
        &self,
        mut dial: impl AsyncFnMut() -> io::Result<IO>,
        mut seen: impl FnMut(&CaseResult),
    ) -> Result<AttackReport, AttackError>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        let first = dial().await.map_err(AttackError::NoConnection)?;
        converse(first, &self.target).await.map_err(AttackError::NoEcho)?;
        let mut report = AttackReport::default();
        for case in &self.cases {
            let verdict = match dial().await {
                Ok(io) => self.verdict(io, case, &mut dial).await,
                Err(error) => Verdict::Failed(format!("no connection: {error}")),
            };
            let result = CaseResult {
                id: case.id,
                what: case.what.clone(),
                verdict,
            };
            seen(&result);
            report.cases.push(result);
        }
        Ok(report)
    }

    /// The case's own verdict, unless the server is not well afterwards.
    async fn verdict<IO>(
        &self,
        io: IO,
        case: &Case,
        dial: &mut impl AsyncFnMut() -> io::Result<IO>,
    ) -> Verdict
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        let verdict = play(io, case, &self.target).await;
        let afterwards = match dial().await {
            Ok(io) => converse(io, &self.target).await,
            Err(error) => Err(error.to_string()),
        };
        match afterwards {
            Ok(()) => verdict,
            Err(why) => Verdict::Failed(format!("a good client is no longer served: {why}")),
        }
    }

    /// Without the brackets of an IPv6 address.
    fn host(&self) -> &str {
        self.target.url.host().trim_matches(['[', ']'])
    }
}
