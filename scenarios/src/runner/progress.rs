//! Progress of many runs: on a terminal a bar with rate and time left, elsewhere a line now and then.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::sync::Mutex;
use std::time::{Duration, Instant};

const LINE_EVERY: Duration = Duration::from_secs(10);

/// How far many runs are.
pub(crate) struct Progress {
    bar: ProgressBar,
    lines: Option<Mutex<Instant>>,
    began: Instant,
}

impl Progress {
    pub(crate) fn new(total: Option<u64>) -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        let target = if is_terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(total, target);
        let template = match total {
            Some(_) => "{elapsed_precise} {wide_bar} {pos}/{len} seeds, {per_sec}, {eta} left {msg}",
            None => "{elapsed_precise} {spinner} {pos} seeds, {per_sec} {msg}",
        };
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.set_style(style);
        let now = Instant::now();
        Self { bar, lines: (!is_terminal).then(|| Mutex::new(now)), began: now }
    }

    pub(crate) fn advance(&self, failures: usize) {
        self.bar.inc(1);
        if failures > 0 {
            self.bar.set_message(format!("{failures} failed"));
        }
        let Some(last) = &self.lines else { return };
        let Ok(mut last) = last.lock() else { return };
        if last.elapsed() >= LINE_EVERY {
            *last = Instant::now();
            let (done, seconds) = (self.bar.position(), self.began.elapsed().as_secs_f64());
            let rate = done as f64 / seconds;
            let left = self.bar.length().map(|total| (total.saturating_sub(done)) as f64 / rate);
            let left = left.map(|left| format!(", {left:.0} s left")).unwrap_or_default();
            eprintln!("{done} seeds, {rate:.1} seeds/s{left}, {failures} failed");
        }
    }

    /// Prints a line above the bar.
    pub(crate) fn say(&self, line: &str) {
        self.bar.suspend(|| println!("{line}"));
    }

    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
