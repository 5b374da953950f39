//! What a node tells the service manager that started it, in systemd's protocol (`sd_notify(3)`): that it has
//! started, how it is, that it reads its configuration anew, that it stops, and that it is alive.
//!
//! The watchdog is fed only when the node's own task has come round: a node that is stuck falls silent, and
//! the service manager ends it and starts it again. Whether it can decide or issue is another matter: a
//! node without a quorum is alive, and starting it again would not help.
//!
//! While a start takes long (a crash that left the store to be recovered, a large state), it asks for more time
//! (`EXTEND_TIMEOUT_USEC`) and says what it does, for at most `START_EXTENSION_MAX`.
//!
//! Without a service manager (`NOTIFY_SOCKET` is not set) nothing is told.

use hypermesh_core::api::{NodeStatus, View};
use hypermesh_driver::Liveness;
use sd_notify::NotifyState;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use stoq::Clock;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

/// How often the service manager is told how the node is, where it wants no other signs of life.
const STATUS_PERIOD: Duration = Duration::from_secs(10);
/// Signs of life in the time within which the service manager wants one.
const BEATS_PER_WATCHDOG: u32 = 3;

/// How often a service manager is asked for more time while a node starts, beginning after the first period.
const EXTEND_PERIOD: Duration = Duration::from_secs(5);
/// How much time is asked for each time.
const EXTEND_TIME: Duration = Duration::from_secs(60);
/// A start that takes longer is left to the service manager's own limit: it is stuck.
const START_EXTENSION_MAX: Duration = Duration::from_secs(4 * 3600);

const _: () = assert!(EXTEND_PERIOD.as_secs() < EXTEND_TIME.as_secs());

/// Asks the service manager for more time, until it is dropped.
pub struct Starting {
    step: Arc<Mutex<&'static str>>,
    ended: Option<mpsc::Sender<()>>,
}

impl Starting {
    /// Begins to ask, once a start takes longer than a few seconds.
    #[must_use]
    pub fn begin() -> Self {
        let step = Arc::new(Mutex::new("starting"));
        let (ended, end) = mpsc::channel();
        let shown = Arc::clone(&step);
        // A thread of its own: a start keeps the runtime's threads busy.
        thread::spawn(move || extend(&shown, &end));
        Self { step, ended: Some(ended) }
    }

    /// Says what the start does from here on.
    pub fn step(&self, what: &'static str) {
        *self.step.lock().unwrap_or_else(PoisonError::into_inner) = what;
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        drop(self.ended.take());
    }
}

fn extend(step: &Mutex<&'static str>, end: &mpsc::Receiver<()>) {
    let begun = Instant::now();
    while end.recv_timeout(EXTEND_PERIOD) == Err(RecvTimeoutError::Timeout) {
        let passed = begun.elapsed();
        if passed >= START_EXTENSION_MAX {
            return;
        }
        let step = *step.lock().unwrap_or_else(PoisonError::into_inner);
        tracing::info!(seconds = passed.as_secs(), step, "still starting");
        let status = format!("{step} ({} s so far)", passed.as_secs());
        let more = u32::try_from(EXTEND_TIME.as_micros()).unwrap_or(u32::MAX);
        tell(&[NotifyState::ExtendTimeoutUsec(more), NotifyState::Status(&status)]);
    }
}

/// Tells the service manager of a node, from when it runs until it stops.
pub struct Reports {
    task: JoinHandle<()>,
}

impl Reports {
    /// Says that the node has started, and from then on how it is and that it is alive. Must be called from
    /// within a tokio runtime.
    #[must_use]
    pub fn start(liveness: Liveness, views: watch::Receiver<Arc<View>>, clock: Arc<dyn Clock>) -> Self {
        let status = summary(&views.borrow().status_at(clock.now().wall));
        tell(&[NotifyState::Ready, NotifyState::Status(&status)]);
        Self { task: tokio::spawn(report(liveness, views, clock, sd_notify::watchdog_enabled())) }
    }

    /// Says that the node stops.
    pub fn stop(self) {
        self.task.abort();
        tell(&[NotifyState::Stopping, NotifyState::Status("stopping: making everything durable")]);
    }
}

/// Says that the node reads its configuration anew. [`reloaded`] ends it.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => tracing::warn!(%error, "cannot notify the service manager of the reload"),
    }
}

/// Says that the node has read its configuration, or kept the old one.
pub fn reloaded() {
    tell(&[NotifyState::Ready]);
}

async fn report(
    liveness: Liveness,
    views: watch::Receiver<Arc<View>>,
    clock: Arc<dyn Clock>,
    watchdog: Option<Duration>,
) {
    let mut ticks = interval(watchdog.map_or(STATUS_PERIOD, |watchdog| watchdog / BEATS_PER_WATCHDOG));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if !liveness.probe().await {
            return;
        }
        let status = summary(&views.borrow().status_at(clock.now().wall));
        let alive = watchdog.map(|_| NotifyState::Watchdog);
        let states: Vec<_> = [NotifyState::Status(&status)].into_iter().chain(alive).collect();
        tell(&states);
    }
}

/// How a node is, in a line.
fn summary(status: &NodeStatus) -> String {
    let NodeStatus { height, connected, validators, not_ready, .. } = status;
    let ready = match not_ready.first() {
        None => "ready".to_owned(),
        Some(unmet) => format!("not ready: {unmet}"),
    };
    format!("height {height}, {connected} of {validators} validators, {ready}")
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "cannot notify the service manager of the node's status");
    }
}
