//! Publications that are written past connections that wait.

use std::io::ErrorKind;
use std::ops::RangeInclusive;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::{TcpSocket, TcpStream};
use tokio::runtime;
use tokio::task::yield_now;
use tokio::time::timeout;
use ws_handler::{Io, Link, Signal, SocketError};
use ws_proto::{Config, Message, PreparedMessage, SendPath};

use super::super::carrier::TURN;
use super::super::{Hub, Mail, Outbox, Overflow, Passed, Published};

const HARD: usize = 64 << 20;

/// So that nothing hangs that fails.
async fn within<T>(future: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(20), future).await.expect("in time")
}

/// Lets other tasks run until it is so.
async fn until(is_so: impl Fn() -> bool) {
    within(async {
        while !is_so() {
            yield_now().await;
        }
    })
    .await;
}

/// A session that waits for input, without the task that would drive it.
struct Waiting {
    link: Link<Io>,
    outbox: Arc<Outbox>,
    peer: TcpStream,
}

/// How much a stream holds at least on its way to the peer.
const NARROW: u32 = 4096;
const WIDE: u32 = 1 << 20;

/// Two ends of a stream that holds about so much on its way to the second one.
async fn pair(buffer: u32) -> (TcpStream, TcpStream) {
    let (near, far) = (TcpSocket::new_v4().unwrap(), TcpSocket::new_v4().unwrap());
    // What a listener accepts has the size of its own.
    near.set_send_buffer_size(buffer).unwrap();
    far.set_recv_buffer_size(buffer).unwrap();
    near.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = near.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let (near, far) = tokio::join!(listener.accept(), far.connect(address));
    (near.unwrap().0, far.unwrap())
}

impl Waiting {
    async fn new(hub: &Hub, session: u64) -> Self {
        Self::over(pair(NARROW).await, hub, session)
    }

    fn over(pair: (TcpStream, TcpStream), hub: &Hub, session: u64) -> Self {
        let mut one = Self::busy(pair, session);
        assert!(!one.wait(), "without a topic nothing goes past");
        hub.subscribe(&one.outbox, "t", Overflow::default()).unwrap();
        assert!(one.wait());
        one
    }

    /// One that does not wait yet.
    fn busy((near, peer): (TcpStream, TcpStream), session: u64) -> Self {
        let mut config = Config::server();
        (config.limits.soft_queue, config.limits.hard_queue) = (HARD, HARD);
        let config = Arc::new(config);
        let signal = Arc::new(Signal::new());
        Self {
            link: Link::new(
                Io::from(near),
                SendPath::server(Arc::clone(&config)),
                Arc::clone(&signal),
            ),
            outbox: Arc::new(Outbox::new(session, signal, config)),
            peer,
        }
    }

    /// Begins to wait. Whether it may be passed meanwhile.
    fn wait(&mut self) -> bool {
        self.outbox.open_gate(|| self.link.bypass())
    }

    /// Whether its task was woken.
    fn is_woken(&self) -> bool {
        self.link.signal().peek(Signal::MAIL) != 0
    }

    async fn go_on(&mut self) {
        go_on(&mut self.link, &self.outbox).await;
    }

    /// What its peer reads next.
    async fn read(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        within(self.peer.read_exact(&mut bytes)).await.unwrap();
        bytes
    }
}

/// What the task of a session does when it goes on: takes what is left of a frame, then the mail, and writes all of it.
/// Whether the beginning of a frame had gone past it.
async fn go_on(link: &mut Link<Io>, outbox: &Outbox) -> bool {
    link.signal().take(Signal::MAIL);
    let (passed, mail) = outbox.shut_gate();
    let mut cut = false;
    if let Some(Passed { at, rest }) = passed {
        cut = rest.as_ref().is_ok_and(|rest| !rest.is_empty());
        link.handle_bypassed(at, rest);
    }
    assert_eq!(mail, !outbox.is_empty());
    while let Some((mail, _)) = outbox.pop() {
        match mail {
            Mail::Published(message) => link.prepared(&message).unwrap(),
            Mail::Message(message) => link.queue(message).unwrap(),
            Mail::Close(code, reason) => link.close(code, &reason).unwrap(),
        }
    }
    link.flush().await.unwrap();
    cut
}

async fn several(hub: &Hub, count: u64) -> Vec<Waiting> {
    numbered(hub, 1..=count).await
}

async fn numbered(hub: &Hub, sessions: RangeInclusive<u64>) -> Vec<Waiting> {
    let mut all = Vec::new();
    for session in sessions {
        all.push(Waiting::new(hub, session).await);
    }
    all
}

fn queued(count: usize) -> Published {
    Published {
        queued: count,
        ..Published::default()
    }
}

#[tokio::test]
async fn those_that_wait_are_written_to_and_not_woken() {
    let hub = Hub::new();
    let mut all = several(&hub, 5).await;
    for text in ["one", "two", "six"] {
        let message = PreparedMessage::text(text);
        assert_eq!(hub.publish_except("t", &message, Some(3)), queued(4));
    }
    let left_out = all.remove(2);
    for one in &mut all {
        assert_eq!(one.read(15).await, b"\x81\x03one\x81\x03two\x81\x03six");
        assert!(!one.is_woken() && one.outbox.is_empty());
        assert_eq!(one.outbox.queued_bytes(), 0);
        // It goes on knowing when something was sent, and has nothing to write.
        let (passed, mail) = one.outbox.shut_gate();
        assert!(passed.unwrap().rest.unwrap().is_empty() && !mail);
        assert!(one.outbox.shut_gate().0.is_none());
    }
    assert!(left_out.outbox.shut_gate().0.is_none());
}

#[tokio::test]
async fn more_than_one_turn_of_a_carrier_reaches_all() {
    let hub = Hub::new();
    let count = 2 * TURN + 2;
    let mut all = several(&hub, count as u64).await;
    assert_eq!(hub.publish("t", &PreparedMessage::text("a")), queued(count));
    // The publisher's turn is over: the carrier has its first one.
    yield_now().await;
    let written = |all: &[Waiting]| all.iter().filter(|one| one.outbox.is_empty()).count();
    assert_eq!(written(&all), TURN, "others have a turn before it goes on");
    assert_eq!(hub.publish("t", &PreparedMessage::text("b")), queued(count));
    for one in &mut all {
        assert_eq!(one.read(6).await, b"\x81\x01a\x81\x01b");
    }
    assert_eq!(written(&all), count);
    assert!(all.iter().all(|one| !one.is_woken()));
}

#[tokio::test]
async fn a_turn_ends_after_so_many_bytes_too() {
    let hub = Hub::new();
    let mut all = Vec::new();
    for session in 1..=6 {
        all.push(Waiting::over(pair(WIDE).await, &hub, session));
    }
    let frame = PreparedMessage::binary(&[7; 100_000]);
    hub.publish("t", &frame);
    yield_now().await;
    let written = all.iter().filter(|one| one.outbox.is_empty()).count();
    assert_eq!(written, 3, "300 kB are a turn");
    for one in &mut all {
        assert_eq!(one.read(frame.frame().len()).await, *frame.frame());
        assert!(!one.is_woken());
    }
}

/// One call takes 16 frames: who has more waits for its next one.
#[tokio::test]
async fn many_small_publications_leave_in_their_order() {
    let hub = Hub::new();
    let mut all = several(&hub, 3).await;
    let mut expected = Vec::new();
    for number in 0..50_u8 {
        let frame = PreparedMessage::binary(&[number]);
        hub.publish("t", &frame);
        expected.extend_from_slice(frame.frame());
    }
    for one in &mut all {
        assert_eq!(one.read(expected.len()).await, expected);
        assert!(!one.is_woken());
        assert_eq!(one.outbox.queued_bytes(), 0);
    }
}

/// A connection that comes and goes while carriers are under way is on the list of one of them.
#[tokio::test]
async fn a_mailbox_is_promised_once() {
    let hub = Hub::new();
    let mut all = several(&hub, 3).await;
    let before = Arc::strong_count(&all[0].outbox);
    for _ in 0..10 {
        hub.publish("t", &PreparedMessage::text("x"));
        // It takes its mail itself and waits again, before a carrier has had a turn.
        all[0].go_on().await;
        assert!(all[0].wait());
        assert_eq!(Arc::strong_count(&all[0].outbox), before + 1);
    }
    hub.publish("t", &PreparedMessage::text("y"));
    for one in &mut all {
        assert_eq!(
            one.read(33).await,
            [&b"\x81\x01x".repeat(10)[..], b"\x81\x01y"].concat()
        );
        assert!(one.outbox.is_empty());
    }
    yield_now().await;
    assert_eq!(Arc::strong_count(&all[0].outbox), before);
}

#[tokio::test]
async fn a_few_are_woken_and_write_themselves() {
    let hub = Hub::new();
    let mut all = several(&hub, 2).await;
    for _ in 0..3 {
        assert_eq!(hub.publish("t", &PreparedMessage::text("x")), queued(2));
        for one in &mut all {
            assert!(one.is_woken());
            one.go_on().await;
            assert_eq!(one.read(3).await, b"\x81\x01x");
            assert!(one.wait());
        }
    }
}

#[tokio::test]
async fn who_goes_on_before_it_was_written_to_takes_its_mail_itself() {
    let hub = Hub::new();
    let mut all = several(&hub, 4).await;
    hub.publish("t", &PreparedMessage::text("x"));
    let first = &mut all[0];
    let (passed, mail) = first.outbox.shut_gate();
    assert!(passed.is_none() && mail);
    // Busy now: what else is published wakes it.
    hub.publish("t", &PreparedMessage::text("y"));
    assert!(first.is_woken());
    assert!(!first.wait(), "there is mail");
    first.go_on().await;
    assert!(first.wait());
    hub.publish("t", &PreparedMessage::text("z"));
    for one in &mut all {
        assert_eq!(one.read(9).await, b"\x81\x01x\x81\x01y\x81\x01z");
    }
}

#[tokio::test]
async fn who_was_busy_when_its_carrier_came_is_written_to_the_next_time() {
    let hub = Hub::new();
    let mut all = several(&hub, 3).await;
    for _ in 0..3 {
        hub.publish("t", &PreparedMessage::text("x"));
        all[0].go_on().await;
        yield_now().await;
        assert!(all[0].wait());
        hub.publish("t", &PreparedMessage::text("y"));
        yield_now().await;
        assert!(!all[0].is_woken() && all[0].outbox.is_empty());
        for one in &mut all {
            assert_eq!(one.read(6).await, b"\x81\x01x\x81\x01y");
        }
    }
}

#[tokio::test]
async fn what_a_handle_sends_keeps_its_place() {
    let hub = Hub::new();
    let mut all = several(&hub, 3).await;
    hub.publish("t", &PreparedMessage::text("a"));
    all[1].outbox.try_send(Message::text("b")).unwrap();
    hub.publish("t", &PreparedMessage::text("c"));
    for _ in 0..3 {
        yield_now().await;
    }
    assert!(all[1].is_woken() && !all[0].is_woken());
    all[1].go_on().await;
    assert_eq!(all[0].read(6).await, b"\x81\x01a\x81\x01c");
    assert_eq!(all[1].read(9).await, b"\x81\x01a\x81\x01b\x81\x01c");
}

/// Frames that a stream takes in part, several times over: nothing is lost, doubled or out of order.
#[tokio::test]
async fn a_stream_that_is_full_is_left_to_its_task() {
    let hub = Hub::new();
    let mut all = several(&hub, 3).await;
    let mut cut = 0;
    for round in 0..4_u8 {
        let mut expected = Vec::new();
        for number in 0..20 {
            let frame = PreparedMessage::binary(&vec![20 * round + number; 50_000 + usize::from(number)]);
            hub.publish("t", &frame);
            expected.extend_from_slice(frame.frame());
        }
        until(|| all.iter().all(Waiting::is_woken)).await;
        for one in &mut all {
            assert!(!one.outbox.is_empty(), "a megabyte does not fit into the stream");
            let mut bytes = vec![0; expected.len()];
            let reading = one.peer.read_exact(&mut bytes);
            let both = async { tokio::join!(reading, go_on(&mut one.link, &one.outbox)) };
            let (read, was_cut) = within(both).await;
            read.unwrap();
            cut += usize::from(was_cut);
            assert!(bytes == expected, "not what was published");
            assert!(one.wait());
        }
    }
    assert!(cut > 0, "no frame was cut");
}

#[tokio::test]
async fn a_broken_stream_is_left_to_its_task() {
    let hub = Hub::new();
    let mut all = several(&hub, 3).await;
    all[1].peer = pair(NARROW).await.1;
    // The first write is answered with a reset, the second one fails.
    until(|| {
        hub.publish("t", &PreparedMessage::text("x"));
        all[1].is_woken()
    })
    .await;
    let broken = &mut all[1];
    let (passed, mail) = broken.outbox.shut_gate();
    assert!(mail, "what could not be written is still there");
    let Passed { at, rest } = passed.unwrap();
    let kind = rest.as_ref().unwrap_err().kind();
    assert!(
        matches!(kind, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe),
        "{kind}"
    );
    broken.link.handle_bypassed(at, rest);
    assert!(!broken.link.is_open(), "the connection knows that it is over");
    assert!(matches!(broken.link.flush().await, Err(SocketError::Io(error)) if error.kind() == kind));
}

#[tokio::test]
async fn a_runtime_that_ends_leaves_its_load_to_the_tasks() {
    let hub = Hub::new();
    // Nobody runs it.
    let home = runtime::Builder::new_current_thread().build().unwrap();
    let mut all = Vec::new();
    for session in 1..=4 {
        let mut one = Waiting::busy(pair(NARROW).await, session);
        hub.subscribe(&one.outbox, "t", Overflow::default()).unwrap();
        let _entered = home.enter();
        assert!(one.wait());
        all.push(one);
    }
    assert_eq!(hub.publish("t", &PreparedMessage::text("x")), queued(4));
    yield_now().await;
    assert!(!all.iter().any(Waiting::is_woken));
    home.shutdown_background();
    assert!(all.iter().all(Waiting::is_woken));
    assert_eq!(hub.publish("t", &PreparedMessage::text("y")), queued(4));
    for one in &mut all {
        one.go_on().await;
        assert_eq!(one.read(6).await, b"\x81\x01x\x81\x01y");
    }
}

/// Connections of several runtimes on one topic: each runtime writes to its own, when it runs.
#[test]
fn every_runtime_serves_its_own_subscribers() {
    let hub = Hub::new();
    let busy = runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let late = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut mine = busy.block_on(several(&hub, 5));
    let mut theirs = late.block_on(numbered(&hub, 6..=9));
    // From a thread without a runtime.
    assert_eq!(hub.publish("t", &PreparedMessage::text("x")), queued(9));
    let read = async |part: &mut Vec<Waiting>| {
        for one in part {
            assert_eq!(one.read(3).await, b"\x81\x01x");
            assert!(!one.is_woken() && one.outbox.is_empty());
        }
    };
    busy.block_on(read(&mut mine));
    assert!(theirs.iter().all(|one| !one.outbox.is_empty()));
    late.block_on(read(&mut theirs));
}

/// A publisher that goes on working without a pause holds a thread, and not what it has published.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publisher_that_works_on_holds_nobody_up() {
    let hub = Hub::new();
    let mut all = several(&hub, 5).await;
    let (read, until_read) = mpsc::channel();
    let publisher = tokio::spawn(async move {
        hub.publish("t", &PreparedMessage::text("x"));
        until_read.recv_timeout(Duration::from_secs(20))
    });
    for one in &mut all {
        assert_eq!(one.read(3).await, b"\x81\x01x");
    }
    read.send(()).unwrap();
    within(publisher).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_session_that_has_ended_keeps_no_stream_open() {
    let hub = Hub::new();
    let Waiting {
        link,
        outbox,
        mut peer,
    } = Waiting::new(&hub, 1).await;
    hub.leave(&outbox);
    drop(link);
    // The mailbox lives on in a handle.
    assert_eq!(within(peer.read(&mut [0])).await.unwrap(), 0);
    assert!(!outbox.is_open());
}

#[tokio::test]
async fn a_way_past_does_not_end_the_stream_when_it_is_dropped() {
    let hub = Hub::new();
    let mut one = Waiting::new(&hub, 1).await;
    hub.leave(&one.outbox);
    one.link.queue(Message::text("x")).unwrap();
    one.link.flush().await.unwrap();
    assert_eq!(one.read(3).await, b"\x81\x01x");
}
