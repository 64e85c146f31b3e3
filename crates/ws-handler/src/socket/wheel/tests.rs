//! The wheel in virtual time, across runtimes and threads.

use super::*;

/// Waits until the signal's deadline flag is set, and takes it.
async fn rung(signal: &Signal) {
    std::future::poll_fn(|cx| {
        signal.register(cx.waker().clone());
        if signal.take(Signal::DEADLINE) != 0 {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

fn armed_nodes() -> usize {
    WHEEL.with_borrow(|wheel| wheel.as_ref().map_or(0, |(_, wheel)| wheel.lock().slots.armed()))
}

#[tokio::test(start_paused = true)]
async fn rings_at_most_one_slot_late_and_never_early() {
    let signal = Arc::new(Signal::new());
    for milliseconds in [0, 1, 63, 64, 65, 1_000, 10_001, 29_999] {
        let start = Instant::now();
        let deadline = start + Duration::from_millis(milliseconds);
        let mut entry = Entry::default();
        entry.arm(deadline, &signal);
        rung(&signal).await;
        let now = Instant::now();
        assert!(now >= deadline, "{milliseconds} ms: early");
        // Tokio's own timer rounds up to a millisecond.
        let late = GRANULARITY + Duration::from_millis(1);
        assert!(
            now <= deadline + late + GRANULARITY,
            "{milliseconds} ms: {:?}",
            now - deadline
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_deadline_beyond_the_horizon_rings_at_the_horizon_and_is_armed_again() {
    let signal = Arc::new(Signal::new());
    let mut entry = Entry::default();
    let deadline = Instant::now() + Duration::from_secs(100);
    let mut rings = 0;
    while Instant::now() < deadline {
        entry.arm(deadline, &signal);
        rung(&signal).await;
        entry.disarm(&signal);
        rings += 1;
    }
    assert_eq!(rings, 4);
}

#[tokio::test(start_paused = true)]
async fn an_entry_is_left_alone_when_the_deadline_moves_later_and_moved_when_earlier() {
    let signal = Arc::new(Signal::new());
    let mut entry = Entry::default();
    let start = Instant::now();
    entry.arm(start + Duration::from_secs(5), &signal);
    let place = |entry: &Entry| entry.place.as_ref().map(|place| (place.node, place.tick));
    let first = place(&entry);
    entry.arm(start + Duration::from_secs(9), &signal);
    assert_eq!(place(&entry), first);
    entry.arm(start + Duration::from_secs(1), &signal);
    assert_ne!(place(&entry), first);
    assert_eq!(armed_nodes(), 1);
    rung(&signal).await;
    assert!(start.elapsed() < Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn a_disarmed_entry_leaves_the_wheel_and_a_stale_one_does_no_harm() {
    let signals: Vec<_> = (0..5).map(|_| Arc::new(Signal::new())).collect();
    let deadline = Instant::now() + Duration::from_secs(1);
    let mut entries: Vec<Entry> = signals
        .iter()
        .map(|signal| {
            let mut entry = Entry::default();
            entry.arm(deadline, signal);
            entry
        })
        .collect();
    assert_eq!(armed_nodes(), 5);
    for index in [2, 0, 4] {
        entries[index].disarm(&signals[index]);
    }
    assert_eq!(armed_nodes(), 2);
    rung(&signals[1]).await;
    rung(&signals[3]).await;
    assert_eq!(armed_nodes(), 0);
    // Both have rung. A newcomer gets one of their nodes, which a late disarm must not touch.
    let newcomer = Arc::new(Signal::new());
    let mut entry = Entry::default();
    entry.arm(Instant::now() + Duration::from_secs(1), &newcomer);
    for (entry, signal) in entries.iter_mut().zip(&signals) {
        entry.disarm(signal);
    }
    assert_eq!(armed_nodes(), 1);
    rung(&newcomer).await;
    assert!(
        [0, 2, 4]
            .iter()
            .all(|index| signals[*index].peek(Signal::DEADLINE) == 0)
    );
}

#[tokio::test(start_paused = true)]
async fn another_wheel_follows_one_that_has_come_to_its_last_tick() {
    let signal = Arc::new(Signal::new());
    let mut entry = Entry::default();
    entry.arm(Instant::now() + Duration::from_secs(1), &signal);
    let wheel = |entry: &Entry| entry.place.as_ref().map(|place| Arc::clone(&place.wheel));
    let first = wheel(&entry).unwrap();
    entry.disarm(&signal);
    // All ticks but the last have passed.
    first.lock().slots.skip_to(u64::from(u32::MAX) - 1);
    entry.arm(Instant::now() + Duration::from_secs(1), &signal);
    assert!(Arc::ptr_eq(&first, &wheel(&entry).unwrap()) && entry.is_armed());
    entry.disarm(&signal);
    first.lock().slots.skip_to(u64::from(u32::MAX));
    entry.arm(Instant::now() + Duration::from_secs(1), &signal);
    assert!(!Arc::ptr_eq(&first, &wheel(&entry).unwrap()) && entry.is_armed());
    assert_eq!(first.lock().slots.armed(), 0);
    rung(&signal).await;
}

#[test]
fn a_new_runtime_on_the_same_thread_gets_a_new_ticker() {
    for _ in 0..2 {
        let runtime = runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let signal = Arc::new(Signal::new());
            let mut entry = Entry::default();
            entry.arm(Instant::now() + Duration::from_secs(1), &signal);
            rung(&signal).await;
        });
    }
}

#[test]
fn an_entry_may_ring_on_a_thread_other_than_the_one_that_armed_it() {
    let runtime = runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(async {
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                tokio::spawn(async {
                    let signal = Arc::new(Signal::new());
                    let mut entry = Entry::default();
                    for _ in 0..2 {
                        entry.arm(Instant::now() + Duration::from_millis(1), &signal);
                        rung(&signal).await;
                        entry.disarm(&signal);
                        tokio::task::yield_now().await;
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
}

#[test]
fn an_entry_that_outlives_its_runtime_finds_another_wheel() {
    let start = || {
        runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap()
    };
    let signal = Arc::new(Signal::new());
    let mut entry = Entry::default();
    start().block_on(async { entry.arm(Instant::now() + Duration::from_secs(1), &signal) });
    start().block_on(async {
        entry.arm(Instant::now() + Duration::from_secs(1), &signal);
        rung(&signal).await;
    });
}
