//! Timers with virtual time (limits below and at; T06 to T08, F12).

use std::sync::Arc;
use std::time::{Duration, Instant};

use ws_proto::{
    Config, Connection, Delivery, Event, Initiator, Limits, PingBudget, ProtocolError, ReceivePath, Role,
    SendPath, TcpClosing, Timeout, Timers,
};

use crate::pair::{Pair, Seen, masked, origin, seconds};

/// A server whose timers are all off.
fn untimed() -> Config {
    let mut config = Config::server();
    config.timeouts.ping_interval = None;
    config.timeouts.pong = None;
    config.timeouts.idle = None;
    config.timeouts.unfinished_message = None;
    config.timeouts.whole_message = None;
    config.timeouts.write_stall = None;
    config.timeouts.close = None;
    config
}

/// A pair whose client never pings, so that only the server's timers show.
fn pair(server: Config) -> Pair {
    let mut client = untimed();
    client.limits = Limits {
        ping_budget: None,
        ..client.limits
    };
    Pair::with(client, server)
}

#[test]
fn a_quiet_peer_is_pinged_every_30_seconds_and_stays() {
    let mut pair = pair(Config::server());
    pair.sleep(Duration::from_millis(29_999));
    assert_eq!(pair.client.seen, []);
    pair.sleep(Duration::from_millis(1));
    assert_eq!(pair.client.take_seen(), [Seen::Ping(vec![0, 0, 0, 1])]);
    assert_eq!(pair.server.take_seen(), [Seen::Pong(vec![0, 0, 0, 1])]);
    pair.sleep(seconds(3600));
    assert_eq!(pair.client.seen.len(), 120);
    assert_eq!(pair.server.ending(), None);
}

#[test]
fn whatever_arrives_puts_the_ping_off() {
    let mut pair = pair(Config::server());
    for _ in 0..10 {
        pair.sleep(seconds(20));
        pair.client.text("here");
    }
    pair.sleep(seconds(29));
    assert_eq!(pair.client.seen, []);
    pair.sleep(seconds(1));
    assert_eq!(pair.client.seen.len(), 1);
}

#[test]
fn t06_a_silent_peer_is_gone_20_seconds_after_the_ping() {
    let mut pair = pair(Config::server());
    pair.client.deaf = true;
    pair.sleep(Duration::from_millis(49_999));
    assert_eq!(pair.server.ending(), None);
    pair.sleep(Duration::from_millis(1));
    assert_eq!(pair.server.ending(), Some((1006, Initiator::Local, false)));
    assert!(
        pair.server.wire.ends_with(b"no pong in time"),
        "1011 is sent where it can be"
    );
    assert_eq!(pair.server.wire[6..10], [0x88, 17, 0x03, 0xF3]);
    pair.sleep(seconds(2));
    assert!(pair.server.dropped);
}

#[test]
fn t08_only_the_pong_for_the_ping_counts() {
    let mut pair = pair(Config::server());
    pair.client.deaf = true;
    pair.sleep(seconds(31));
    for payload in [&b""[..], b"\0\0\0\0", b"\0\0\0\x02", b"\0\0\0\x01\0"] {
        let mut frame = vec![0x8A, u8::try_from(payload.len()).unwrap()];
        frame.extend_from_slice(payload);
        pair.inject_to_server(&masked(&frame));
    }
    pair.inject_to_server(&masked(b"\x81\x05Hello"));
    pair.sleep(seconds(19));
    assert_eq!(pair.server.ending(), Some((1006, Initiator::Local, false)));
}

#[test]
fn the_right_pong_in_the_last_moment_counts_and_pings_go_on() {
    let mut pair = pair(Config::server());
    pair.client.deaf = true;
    pair.sleep(Duration::from_millis(49_999));
    pair.client.deaf = false;
    pair.sleep(seconds(29));
    assert_eq!(pair.server.ending(), None);
    assert_eq!(pair.client.take_seen().len(), 1);
    pair.sleep(seconds(2));
    assert_eq!(pair.client.take_seen(), [Seen::Ping(vec![0, 0, 0, 2])]);
}

#[test]
fn pings_without_a_pong_deadline_repeat() {
    let mut config = Config::server();
    config.timeouts.pong = None;
    let mut pair = pair(config);
    pair.client.deaf = true;
    pair.sleep(seconds(95));
    assert_eq!(pair.server.ending(), None);
    assert_eq!(pair.server.wire.len(), 3 * 6);
}

#[test]
fn idle_closes_with_1001_when_no_data_flows_and_pongs_do_not_help() {
    let mut pair = pair(Config::jetty_profile());
    pair.sleep(seconds(20));
    pair.client.text("in");
    pair.sleep(seconds(20));
    pair.server.text("out");
    pair.sleep(Duration::from_millis(29_999));
    assert_eq!(pair.server.ending(), None);
    pair.inject_to_server(&masked(b"\x8A\x00\x89\x00"));
    pair.sleep(Duration::from_millis(1));
    assert_eq!(
        pair.client.seen.last(),
        Some(&Seen::Close(Some((1001, "idle for too long".into()))))
    );
    assert_eq!(pair.server.ending(), Some((1001, Initiator::Local, true)));
}

#[test]
fn idle_is_off_by_default() {
    let mut pair = Pair::new();
    pair.sleep(seconds(86_400));
    assert_eq!(pair.server.ending(), None);
}

#[test]
fn f12_an_unfinished_message_may_rest_for_20_seconds_only() {
    // A frame of 1 MiB, a fragmented message between two frames, and half a header.
    for start in [
        &b"\x82\x7F\0\0\0\0\0\x10\0\0 10 bytes"[..],
        b"\x01\x03abc",
        b"\x81",
    ] {
        let mut pair = pair(Config::server());
        pair.inject_to_server(&masked(start));
        pair.sleep(Duration::from_millis(19_999));
        assert_eq!(pair.server.ending(), None);
        pair.sleep(Duration::from_millis(1));
        assert_eq!(pair.server.ending(), Some((1008, Initiator::Local, false)));
        assert_eq!(pair.server.wire[2..4], 1008_u16.to_be_bytes());
    }
}

#[test]
fn each_byte_of_the_message_gives_it_20_seconds_more_and_control_frames_do_not() {
    let mut pair = pair(Config::server());
    pair.inject_to_server(&masked(b"\x01\x03abc"));
    for part in [&b"\x00\x01d"[..], b"\x00\x00", b"\x00\x01e"] {
        pair.sleep(seconds(19));
        pair.inject_to_server(&masked(part));
    }
    pair.sleep(seconds(10));
    pair.inject_to_server(&masked(b"\x89\x01!"));
    pair.sleep(seconds(9));
    assert_eq!(pair.server.ending(), None);
    pair.inject_to_server(&masked(b"\x89\x01!"));
    pair.sleep(seconds(1));
    assert_eq!(pair.server.ending(), Some((1008, Initiator::Local, false)));
}

#[test]
fn messages_that_always_overlap_the_next_never_stall() {
    // Each round ends one message and begins the next at the same place.
    let mut pair = pair(Config::server());
    pair.inject_to_server(&masked(b"\x81\x02a"));
    for _ in 0..20 {
        pair.sleep(seconds(15));
        let round = masked(b"\x81\x02ba\x81\x02ab");
        // The last byte of the open message under its key, then a whole one, then one that is cut.
        pair.inject_to_server(&[b'x' ^ 0xFA]);
        pair.inject_to_server(&round[..round.len() - 1]);
    }
    pair.run();
    assert_eq!(pair.server.ending(), None);
    assert_eq!(pair.server.seen.len(), 40);
}

#[test]
fn under_fragment_delivery_the_clock_runs_inside_a_frame_only() {
    let mut config = Config::server().with_delivery(Delivery::Fragment);
    config.timeouts.whole_message = Some(seconds(1));
    let mut pair = pair(config);
    pair.inject_to_server(&masked(b"\x01\x03abc"));
    pair.sleep(seconds(600));
    assert_eq!(pair.server.ending(), None);
    pair.inject_to_server(&masked(b"\x00\x03ab"));
    pair.sleep(seconds(19));
    assert_eq!(pair.server.ending(), None);
    pair.sleep(seconds(1));
    assert_eq!(pair.server.ending(), Some((1008, Initiator::Local, false)));
}

#[test]
fn a_deadline_for_whole_messages_is_not_moved_by_progress() {
    let mut config = Config::server();
    config.timeouts.whole_message = Some(seconds(30));
    let mut pair = pair(config);
    for _ in 0..2 {
        pair.inject_to_server(&masked(b"\x01\x03abc"));
        pair.sleep(seconds(15));
        pair.inject_to_server(&masked(b"\x00\x03abc"));
        pair.sleep(Duration::from_millis(14_999));
        pair.inject_to_server(&masked(b"\x80\x00"));
        pair.sleep(seconds(100));
        assert_eq!(pair.server.ending(), None);
    }
    pair.inject_to_server(&masked(b"\x01\x03abc"));
    pair.sleep(seconds(15));
    pair.inject_to_server(&masked(b"\x00\x03abc"));
    pair.sleep(seconds(15));
    assert_eq!(pair.server.ending(), Some((1008, Initiator::Local, false)));
}

#[test]
fn output_that_does_not_move_for_30_seconds_drops_the_connection() {
    let mut config = untimed();
    config.timeouts.write_stall = Some(seconds(30));
    let mut pair = pair(config);
    pair.sleep(seconds(1000));
    pair.server.stuck = true;
    pair.server.text("first");
    pair.sleep(seconds(29));
    pair.server.stuck = false;
    pair.sleep(seconds(1));
    pair.server.stuck = true;
    pair.server.text("second");
    pair.sleep(Duration::from_millis(29_999));
    assert!(!pair.server.dropped);
    pair.sleep(Duration::from_millis(1));
    assert!(pair.server.dropped);
    assert_eq!(pair.server.ending(), Some((1006, Initiator::Local, false)));
}

#[test]
fn w02_pings_above_the_budget_are_1008() {
    let mut config = Config::server();
    config.limits.ping_budget = Some(PingBudget {
        burst: 5,
        per_second: 2,
    });
    for (pings, passes) in [(4, true), (5, true), (6, false)] {
        let mut pair = pair(config.clone());
        for _ in 0..pings {
            pair.client.connection.sender().ping(b"!").unwrap();
        }
        pair.run();
        assert_eq!(pair.server.ending().is_none(), passes, "{pings} at once");
        assert_eq!(pair.client.seen.len(), pings.min(5) + usize::from(!passes));
        if passes {
            pair.sleep(Duration::from_millis(2500));
            (0..5).for_each(|_| pair.client.connection.sender().ping(b"!").unwrap());
            pair.run();
            assert_eq!(pair.server.ending(), None, "2 a second have come back");
        } else {
            assert_eq!(
                pair.server.seen.last(),
                Some(&Seen::Error(ProtocolError::TooManyPings))
            );
            assert_eq!(pair.server.ending(), Some((1008, Initiator::Local, false)));
        }
    }
}

#[test]
fn the_default_budget_is_200_pings_at_once_and_can_be_switched_off() {
    for (budget, seen) in [(Config::server().limits.ping_budget, 201), (None, 1000)] {
        let mut config = Config::server();
        config.limits.ping_budget = budget;
        let mut pair = pair(config);
        for _ in 0..1000 {
            pair.client.connection.sender().ping(b"").unwrap();
        }
        pair.run();
        assert_eq!(pair.server.seen.len(), seen);
    }
}

#[test]
fn a_ping_that_trickles_in_does_not_keep_an_open_message_alive() {
    let mut pair = pair(Config::server());
    pair.inject_to_server(&masked(b"\x01\x03abc"));
    for byte in masked(b"\x89\x01!") {
        pair.sleep(seconds(3));
        pair.inject_to_server(&[byte]);
    }
    assert_eq!(pair.server.ending(), Some((1008, Initiator::Local, false)));
}

#[test]
fn a_frame_that_trickles_in_is_alive_with_each_byte_from_the_first_of_its_header_on() {
    for frame in [
        masked(b"\x89\x02!!"),
        masked(b"\x82\x7E\x00\x7E"),
        masked(b"\x02\x02ab\x80\x00"),
    ] {
        let mut pair = pair(Config::server());
        for byte in &frame[..8] {
            pair.inject_to_server(&[*byte]);
            pair.sleep(seconds(15));
        }
        assert_eq!(pair.server.ending(), None);
    }
}

#[test]
fn the_deadline_for_whole_messages_starts_anew_with_each_message() {
    let mut config = Config::server();
    config.timeouts.whole_message = Some(seconds(30));
    let mut pair = pair(config);
    pair.inject_to_server(&masked(b"\x01\x01a"));
    for _ in 0..5 {
        pair.sleep(seconds(15));
        pair.inject_to_server(&masked(b"\x80\x01b\x01\x01a"));
    }
    pair.sleep(seconds(15));
    assert_eq!(pair.server.ending(), None);
    assert_eq!(pair.server.seen.len(), 5);
}

#[test]
fn no_second_ping_is_sent_while_a_pong_is_due() {
    let mut config = Config::server();
    config.timeouts.ping_interval = Some(seconds(5));
    let mut pair = pair(config);
    pair.client.deaf = true;
    pair.sleep(seconds(24));
    assert_eq!(pair.server.wire.len(), 6);
    pair.client.deaf = false;
    pair.sleep(seconds(100));
    assert_eq!(pair.server.ending(), None, "the pong for the first one counts");
}

#[test]
fn output_that_moves_a_little_is_not_stalled() {
    let now = origin();
    let mut config = untimed();
    config.timeouts.write_stall = Some(seconds(30));
    let mut connection = Connection::server(Arc::new(config), now);
    connection.send(vec![0; 1000]).unwrap();
    for n in 0..10 {
        let now = now + seconds(25 * n);
        connection.handle_timeout(now);
        assert!(connection.poll_transmit().is_some());
        connection.handle_written(1, now);
        assert_eq!(connection.poll_timeout(now), Some(now + seconds(30)));
    }
}

#[test]
fn with_everything_off_no_timer_runs() {
    let now = origin();
    let mut connection = Connection::server(Arc::new(untimed()), now);
    connection.send("waiting").unwrap();
    assert_eq!(connection.poll_timeout(now), None);
    connection.close(None).unwrap();
    assert_eq!(connection.poll_timeout(now), None);
    connection.handle_timeout(now + seconds(1_000_000));
    assert!(connection.poll_transmit().is_some());
}

/// Timers alone, beside an idle connection.
struct Bare {
    timers: Timers,
    receive: ReceivePath,
    send: SendPath,
    tcp: TcpClosing,
}

impl Bare {
    fn new(config: Config, now: Instant) -> Self {
        let config = Arc::new(config);
        Self {
            timers: Timers::new(config.clone(), now),
            receive: ReceivePath::new(Role::Server, config.clone()),
            send: SendPath::server(config),
            tcp: TcpClosing::new(),
        }
    }

    fn follow(&mut self, now: Instant) {
        self.timers.handle_time(now);
        self.timers.follow(&self.receive, &self.send, &self.tcp);
    }
}

#[test]
fn months_pass_and_the_timers_are_still_right() {
    let start = origin();
    let mut bare = Bare::new(Config::jetty_profile(), start);
    for day in (0..400).step_by(5) {
        let now = start + seconds(86_400 * day);
        bare.timers.handle_time(now);
        bare.timers.on_received();
        bare.timers.on_event(&Event::Text("x")).unwrap();
        bare.follow(now);
        let deadline = bare.timers.next_deadline().unwrap();
        assert_eq!(deadline, now + seconds(30), "on day {day}");
        assert_eq!(
            bare.timers.handle_timeout(deadline - Duration::from_millis(1)),
            None
        );
        assert_eq!(bare.timers.handle_timeout(deadline), Some(Timeout::Idle));
    }
    // Nobody looked for a year: everything is due.
    bare.follow(start + seconds(86_400 * 800));
    assert!(
        bare.timers
            .handle_timeout(start + seconds(86_400 * 800))
            .is_some()
    );
}

#[test]
fn a_clock_that_goes_back_fires_nothing() {
    let start = origin();
    let mut bare = Bare::new(Config::server(), start);
    bare.timers.handle_time(start + seconds(100));
    bare.timers.on_received();
    bare.timers.handle_time(start);
    bare.timers.on_received();
    assert_eq!(bare.timers.next_deadline(), Some(start + seconds(130)));
    assert_eq!(bare.timers.handle_timeout(start + seconds(50)), None);
}

#[test]
fn a_frame_past_the_send_path_counts_from_when_it_was_sent() {
    let start = origin();
    let mut config = untimed();
    config.timeouts.idle = Some(seconds(10));
    let mut bare = Bare::new(config, start);
    bare.timers.on_data_bypassed(start + seconds(7));
    // Told late, and not in order.
    bare.timers.handle_time(start + seconds(9));
    bare.timers.on_data_bypassed(start + seconds(3));
    assert_eq!(bare.timers.next_deadline(), Some(start + seconds(17)));
    assert_eq!(bare.timers.handle_timeout(start + seconds(16)), None);
    assert_eq!(
        bare.timers.handle_timeout(start + seconds(17)),
        Some(Timeout::Idle)
    );
    bare.timers.on_data_bypassed(start + seconds(18));
    assert_eq!(bare.timers.next_deadline(), None, "it is over");
}

#[test]
fn a_period_of_nothing_does_not_spin() {
    let start = origin();
    let mut config = untimed();
    config.timeouts.ping_interval = Some(Duration::ZERO);
    let mut connection = Connection::server(Arc::new(config), start);
    connection.handle_timeout(start + seconds(1));
    assert!(
        connection
            .poll_timeout(start + seconds(1))
            .is_some_and(|at| at > start + seconds(1))
    );
}

#[test]
fn the_timers_of_a_connection_are_small() {
    assert!(size_of::<Timers>() <= 96, "{}", size_of::<Timers>());
    assert!(size_of::<SendPath>() <= 152, "{}", size_of::<SendPath>());
}
