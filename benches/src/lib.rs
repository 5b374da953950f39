//! What benches and the harness share: figures, and the table that sets them against their targets.

use serde::Serialize;
use std::time::Duration;

/// A figure, and what it should be.
#[derive(Clone, Debug, Serialize)]
pub struct Figure {
    /// What was measured.
    pub name: &'static str,
    /// How often.
    pub samples: usize,
    /// The median, in milliseconds.
    pub p50_ms: f64,
    /// The 99th percentile, in milliseconds.
    pub p99_ms: f64,
    /// How many a second.
    pub rate: f64,
    /// What the user asked for, as an upper bound on the median, in milliseconds.
    pub user_ms: Option<f64>,
    /// What the design asks for, likewise.
    pub design_ms: Option<f64>,
}

impl Figure {
    /// A figure out of the times of its samples, which took `wall` altogether.
    #[must_use]
    pub fn new(name: &'static str, mut times: Vec<Duration>, wall: Duration) -> Self {
        times.sort_unstable();
        let at = |part: f64| {
            let index = (times.len() as f64 * part) as usize;
            times
                .get(index.min(times.len().saturating_sub(1)))
                .map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
        };
        let rate = times.len() as f64 / wall.as_secs_f64();
        let samples = times.len();
        Self { name, samples, p50_ms: at(0.5), p99_ms: at(0.99), rate, user_ms: None, design_ms: None }
    }

    /// With what the user asked for, and what the design asks for.
    #[must_use]
    pub const fn targets(mut self, user_ms: Option<f64>, design_ms: Option<f64>) -> Self {
        self.user_ms = user_ms;
        self.design_ms = design_ms;
        self
    }

    /// Whether the user's target is met; `None` where there is none.
    #[must_use]
    pub fn is_met(&self) -> Option<bool> {
        self.user_ms.map(|target| self.p50_ms <= target)
    }

    /// The figure as a row of the table.
    #[must_use]
    pub fn row(&self) -> String {
        let target =
            |target: Option<f64>| target.map_or("–".to_string(), |target| format!("≤ {target} ms"));
        let met = |target: Option<f64>| match target {
            Some(target) if self.p50_ms <= target => "MET",
            Some(_) => "MISSED",
            None => "–",
        };
        format!(
            "{:<44} {:>7} {:>10.3} {:>10.3} {:>10.0}  {:>9} {:<6}  {:>9} {:<6}",
            self.name,
            self.samples,
            self.p50_ms,
            self.p99_ms,
            self.rate,
            target(self.user_ms),
            met(self.user_ms),
            target(self.design_ms),
            met(self.design_ms)
        )
    }
}

/// The heading of the table.
#[must_use]
pub fn heading() -> String {
    format!(
        "{:<44} {:>7} {:>10} {:>10} {:>10}  {:>9} {:<6}  {:>9} {:<6}",
        "figure", "samples", "p50 ms", "p99 ms", "rate /s", "user", "", "design", ""
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_says_whether_its_target_is_met() {
        let times = (1..=100).map(Duration::from_millis).collect();
        let figure = Figure::new("a thing", times, Duration::from_secs(1));
        assert_eq!((figure.p50_ms, figure.p99_ms), (51.0, 100.0));
        assert_eq!(figure.clone().targets(Some(60.0), None).is_met(), Some(true));
        let missed = figure.targets(Some(50.0), Some(50.0));
        assert_eq!(missed.is_met(), Some(false));
        assert!(missed.row().contains("MISSED"));
    }
}
