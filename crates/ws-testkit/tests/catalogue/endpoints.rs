//! What the server of a scene does with messages, and how its sessions ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ws_proto::{CloseCode, CloseReason};
use ws_servlet::{
    Endpoint, EndpointError, Opening, Quota, Refusal, Route, Session, WebSocketServlet,
    WebSocketServletBuilder,
};

use crate::log;

/// Sessions that one address may have at `/capped`.
pub(crate) const PER_ADDRESS: usize = 3;

/// What `/bulk` sends before it closes.
pub(crate) const BULK: usize = 1 << 20;

/// Messages that `/cancels` sends and drops.
pub(crate) const CANCELLED: usize = 20;

/// What `/slow` needs for a message.
pub(crate) const SLOWNESS: Duration = Duration::from_secs(1);

/// Callbacks of all sessions that listen for their end.
#[derive(Debug, Default)]
pub(crate) struct Ends {
    opened: AtomicUsize,
    clean: AtomicUsize,
    unclean: AtomicUsize,
}

impl Ends {
    /// How many ended with Close frames both ways, and how many otherwise.
    pub(crate) fn seen(&self) -> (usize, usize) {
        (
            self.clean.load(Ordering::Relaxed),
            self.unclean.load(Ordering::Relaxed),
        )
    }

    /// C14: whoever was opened was closed, once.
    pub(crate) fn assert_all_closed(&self) {
        let (clean, unclean) = self.seen();
        assert_eq!(self.opened.load(Ordering::Relaxed), clean + unclean);
    }
}

/// What most endpoints do about the end.
struct Ear {
    ends: Arc<Ends>,
    is_closed: bool,
}

impl Ear {
    fn new(ends: &Arc<Ends>) -> Self {
        Self {
            ends: Arc::clone(ends),
            is_closed: false,
        }
    }

    fn open(&self) {
        self.ends.opened.fetch_add(1, Ordering::Relaxed);
    }

    fn close(&mut self, reason: &CloseReason) {
        let again = std::mem::replace(&mut self.is_closed, true);
        assert!(!again, "on_close came twice");
        let count = if reason.clean {
            &self.ends.clean
        } else {
            &self.ends.unclean
        };
        count.fetch_add(1, Ordering::Relaxed);
    }
}

/// What an [`Actor`] does with a text.
#[derive(Clone, Copy)]
enum Act {
    /// Sends it back, as it does binary messages.
    Echo,
    /// Closes with 3000 and the text as the reason.
    Close,
    /// Has a hundred tasks close at once.
    CloseFromAHundredTasks,
    /// Sends much, and closes behind it.
    SendMuchAndClose,
    /// Needs a second.
    TakeItsTime,
    /// Sends much and drops each send where it begins to wait.
    SendAndDrop,
    /// Fails.
    Fail,
}

struct Actor {
    act: Act,
    ear: Ear,
}

impl Endpoint for Actor {
    async fn on_open(&mut self, _: &mut Session) -> Result<(), EndpointError> {
        self.ear.open();
        Ok(())
    }

    async fn on_text(&mut self, session: &mut Session, text: &str) -> Result<(), EndpointError> {
        match self.act {
            Act::Echo => session.text(text).await?,
            Act::Close => session.close(CloseCode::new(3000), text)?,
            Act::CloseFromAHundredTasks => close_from_a_hundred_tasks(session),
            Act::SendMuchAndClose => {
                session.send(vec![7; BULK]).await?;
                session.close(CloseCode::new(3000), "")?;
            }
            Act::TakeItsTime => tokio::time::sleep(SLOWNESS).await,
            Act::SendAndDrop => {
                for number in 0..CANCELLED {
                    let message = cancelled(number);
                    let sending = session.binary(&message);
                    tokio::select! {
                        biased;
                        sent = sending => sent?,
                        () = tokio::task::yield_now() => {}
                    }
                }
                session.text("after").await?;
            }
            Act::Fail => {
                log::expect_one();
                return Err(EndpointError::message("as asked for"));
            }
        }
        Ok(())
    }

    async fn on_binary(&mut self, session: &mut Session, payload: &[u8]) -> Result<(), EndpointError> {
        Ok(session.binary(payload).await?)
    }

    async fn on_close(&mut self, _: &mut Session, reason: &CloseReason) {
        self.ear.close(reason);
    }
}

/// Bytes that do not compress, and differ from message to message.
pub(crate) fn cancelled(number: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(number as u64 + 1);
    let noise = (0..40_000).map(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 24) as u8
    });
    noise.collect()
}

fn close_from_a_hundred_tasks(session: &mut Session) {
    for number in 0..100 {
        let Some(handle) = session.handle() else { return };
        tokio::spawn(async move {
            // All but the first come too late, which is theirs to know.
            let _ = handle.close(CloseCode::new(4000 + number), "");
        });
    }
}

/// Panics where the path says so.
struct Panics {
    when: &'static str,
}

impl Endpoint for Panics {
    async fn on_open(&mut self, _: &mut Session) -> Result<(), EndpointError> {
        assert_ne!(self.when, "open", "as asked for");
        Ok(())
    }

    async fn on_text(&mut self, _: &mut Session, _: &str) -> Result<(), EndpointError> {
        assert_ne!(self.when, "text", "as asked for");
        Ok(())
    }
}

/// Never comes back from a message.
struct Hangs;

impl Endpoint for Hangs {
    async fn on_text(&mut self, _: &mut Session, _: &str) -> Result<(), EndpointError> {
        std::future::pending().await
    }
}

/// On the topic "news", and on every topic that it is sent the name of, until it is sent that name behind a minus.
struct Subscriber(Ear);

impl Endpoint for Subscriber {
    async fn on_open(&mut self, session: &mut Session) -> Result<(), EndpointError> {
        self.0.open();
        Ok(session.subscribe("news")?)
    }

    async fn on_text(&mut self, session: &mut Session, topic: &str) -> Result<(), EndpointError> {
        match topic.strip_prefix('-') {
            Some(topic) => {
                session.unsubscribe(topic);
            }
            None => session.subscribe(topic)?,
        }
        Ok(session.text("subscribed").await?)
    }

    async fn on_close(&mut self, _: &mut Session, reason: &CloseReason) {
        self.0.close(reason);
    }
}

/// Who does not say "jo" is turned away.
fn login(opening: &mut Opening<'_>) -> Result<(), Refusal> {
    match opening.bearer_token() {
        Some("jo") => Ok(()),
        _ => Err(Refusal::unauthorized("Bearer")),
    }
}

/// All routes of a scene.
pub(crate) fn routes(ends: &Arc<Ends>) -> WebSocketServletBuilder {
    let actor = |act: Act| {
        let ends = Arc::clone(ends);
        Route::new(move |_| Actor {
            act,
            ear: Ear::new(&ends),
        })
    };
    let subscribers = Arc::clone(ends);
    WebSocketServlet::builder()
        .route("/", actor(Act::Echo))
        .route(
            "/capped",
            actor(Act::Echo).filter(Quota::per_address(PER_ADDRESS)),
        )
        .route("/guarded", actor(Act::Echo).filter(login))
        .route("/closes", actor(Act::Close))
        .route("/crowd", actor(Act::CloseFromAHundredTasks))
        .route("/bulk", actor(Act::SendMuchAndClose))
        .route("/slow", actor(Act::TakeItsTime))
        .route("/cancels", actor(Act::SendAndDrop))
        .route("/fails", actor(Act::Fail))
        .endpoint("/panics/text", |_| Panics { when: "text" })
        .endpoint("/panics/open", |_| Panics { when: "open" })
        .route(
            "/panics/early",
            Route::new(|_| -> Hangs { panic!("as asked for") }),
        )
        .endpoint("/hangs", |_| Hangs)
        .endpoint("/topics", move |_| Subscriber(Ear::new(&subscribers)))
}
