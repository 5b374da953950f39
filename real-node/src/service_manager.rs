//! What a node tells the service manager that started it, in systemd's protocol (`sd_notify(3)`): that it has
//! started, how it is, that it reads its configuration anew, that it stops, and that it is alive.
//!
//! The watchdog is fed only when the node's own task has come round: a node that is stuck falls silent, and
//! the service manager ends it and starts it again. Whether it can decide or issue is another matter: a
//! node without a quorum is alive, and starting it again would not help.
//!
//! Without a service manager (`NOTIFY_SOCKET` is not set) nothing is told.

use hypermesh_core::api::{NodeStatus, View};
use sd_notify::NotifyState;
use std::sync::Arc;
use std::time::Duration;
use stoq::{Clock, Pulse};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

/// How often the service manager is told how the node is, where it wants no other signs of life.
const STATUS_PERIOD: Duration = Duration::from_secs(10);
/// Signs of life in the time within which the service manager wants one.
const BEATS_PER_WATCHDOG: u32 = 3;

/// Tells the service manager of a node, from when it runs until it stops.
pub struct Reports {
    task: JoinHandle<()>,
}

impl Reports {
    /// Says that the node has started, and from then on how it is and that it is alive. Must be called from
    /// within a tokio runtime.
    #[must_use]
    pub fn start(pulse: Pulse, views: watch::Receiver<Arc<View>>, clock: Arc<dyn Clock>) -> Self {
        let status = summary(&views.borrow().status_at(clock.now().wall));
        tell(&[NotifyState::Ready, NotifyState::Status(&status)]);
        Self { task: tokio::spawn(report(pulse, views, clock, sd_notify::watchdog_enabled())) }
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
        Err(error) => tracing::warn!(%error, "the service manager was not told of the reload"),
    }
}

/// Says that the node has read its configuration, or kept the old one.
pub fn reloaded() {
    tell(&[NotifyState::Ready]);
}

async fn report(
    pulse: Pulse,
    views: watch::Receiver<Arc<View>>,
    clock: Arc<dyn Clock>,
    watchdog: Option<Duration>,
) {
    let mut ticks = interval(watchdog.map_or(STATUS_PERIOD, |watchdog| watchdog / BEATS_PER_WATCHDOG));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if !pulse.beat().await {
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
        tracing::warn!(%error, "the service manager cannot be told how the node is");
    }
}
