//! How long to wait before trying again: twice as long each time, up to a bound, and never quite what others wait.

use crate::env::Env;
use std::time::Duration;

/// The waits between attempts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackoffConfig {
    /// The longest that the first wait may be. Each is drawn from the upper half of what it may be.
    pub first: Duration,
    /// No wait is longer.
    pub longest: Duration,
}

pub(crate) struct Backoff<'a> {
    config: &'a BackoffConfig,
    next: Duration,
}

impl<'a> Backoff<'a> {
    pub(crate) const fn new(config: &'a BackoffConfig) -> Self {
        Self { config, next: config.first }
    }

    /// How long to wait now. The next wait is twice as long.
    pub(crate) fn wait(&mut self, env: &Env) -> Duration {
        let wait = self.next.min(self.config.longest);
        self.next = wait.saturating_mul(2);
        env.jittered(wait)
    }

    /// Starts over after a success.
    pub(crate) const fn reset(&mut self) {
        self.next = self.config.first;
    }
}
