//! Figures: medians over several runs, what they should be, and what a peer did in the same run.

use serde::{Deserialize, Deserializer, Serialize};
use std::time::Duration;

/// One run's samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Run {
    samples: usize,
    p50_ms: f64,
    p99_ms: f64,
    rate: f64,
}

impl Run {
    /// A run out of the times of its samples, which took `wall` altogether.
    #[must_use]
    pub fn new(mut times: Vec<Duration>, wall: Duration) -> Self {
        times.sort_unstable();
        let at = |part: f64| {
            let index = (times.len() as f64 * part) as usize;
            times
                .get(index.min(times.len().saturating_sub(1)))
                .map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
        };
        let rate = times.len() as f64 / wall.as_secs_f64();
        Self { samples: times.len(), p50_ms: at(0.5), p99_ms: at(0.99), rate }
    }

    /// How many a second.
    #[must_use]
    pub const fn rate(&self) -> f64 {
        self.rate
    }

    /// A run of which only the rate is known, and how many there were.
    #[must_use]
    pub const fn of_rate(samples: usize, rate: f64) -> Self {
        Self { samples, p50_ms: f64::NAN, p99_ms: f64::NAN, rate }
    }
}

/// The median; of an even count, the lower of the two in the middle.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len().saturating_sub(1) / 2).copied().unwrap_or(f64::NAN)
}

/// A figure, what it should be, and what a peer did.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Figure {
    /// What was measured.
    pub name: String,
    /// How many runs.
    pub runs: usize,
    /// How often in all runs.
    pub samples: usize,
    /// The median of the runs' medians, in milliseconds.
    #[serde(deserialize_with = "or_nan")]
    pub p50_ms: f64,
    /// The median of the runs' 99th percentiles, in milliseconds.
    #[serde(deserialize_with = "or_nan")]
    pub p99_ms: f64,
    /// The median of the runs' rates, a second.
    pub rate: f64,
    /// What the user asked for, as an upper bound on the median, in milliseconds.
    pub user_ms: Option<f64>,
    /// What the design asks for, likewise.
    pub design_ms: Option<f64>,
    /// The design's lower bound on the rate.
    pub design_rate: Option<f64>,
    /// How that compares with peers.
    pub against: Vec<Against>,
}

/// JSON knows no number that is none.
fn or_nan<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Option::deserialize(deserializer).map(|value| value.unwrap_or(f64::NAN))
}

/// A figure as a multiple of a peer's, measured in the same run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Against {
    /// Which peer, doing what.
    pub peer: String,
    /// This median over the peer's, for times; this rate over the peer's, for rates.
    pub ratio: f64,
    /// Whether rates are compared, of which more is better.
    pub of_rates: bool,
    /// The bound that the design sets to the ratio.
    pub design: Option<f64>,
}

impl Against {
    fn words(&self) -> String {
        let sign = if self.of_rates { "≥" } else { "≤" };
        let bound = self.design.map_or(String::new(), |bound| format!(" ({sign} {bound})"));
        format!("{:.2} × {}{bound}", self.ratio, self.peer)
    }

    fn is_met(&self) -> Option<bool> {
        let bound = self.design?;
        Some(if self.of_rates { self.ratio >= bound } else { self.ratio <= bound })
    }
}

impl Figure {
    /// A figure out of its runs.
    #[must_use]
    pub fn of(name: impl Into<String>, runs: &[Run]) -> Self {
        Self {
            name: name.into(),
            runs: runs.len(),
            samples: runs.iter().map(|run| run.samples).sum(),
            p50_ms: median(runs.iter().map(|run| run.p50_ms)),
            p99_ms: median(runs.iter().map(|run| run.p99_ms)),
            rate: median(runs.iter().map(|run| run.rate)),
            user_ms: None,
            design_ms: None,
            design_rate: None,
            against: Vec::new(),
        }
    }

    /// With what the user asked for, and what the design asks for.
    #[must_use]
    pub const fn targets(mut self, user_ms: Option<f64>, design_ms: Option<f64>) -> Self {
        self.user_ms = user_ms;
        self.design_ms = design_ms;
        self
    }

    /// With the rate that the design asks for.
    #[must_use]
    pub const fn at_least(mut self, rate: f64) -> Self {
        self.design_rate = Some(rate);
        self
    }

    /// With its median over a peer's, and the design's bound on that.
    #[must_use]
    pub fn times_over(mut self, peer: &Self, design: Option<f64>) -> Self {
        let ratio = self.p50_ms / peer.p50_ms;
        self.against.push(Against { peer: peer.name.clone(), ratio, of_rates: false, design });
        self
    }

    /// With its 99th percentile over a peer's median, and the design's bound on that.
    #[must_use]
    pub fn tail_over(mut self, peer: &Self, design: Option<f64>) -> Self {
        let ratio = self.p99_ms / peer.p50_ms;
        let peer = format!("{} (p99 over p50)", peer.name);
        self.against.push(Against { peer, ratio, of_rates: false, design });
        self
    }

    /// With its rate over a peer's, and the design's bound on that.
    #[must_use]
    pub fn rate_over(mut self, peer: &Self, design: Option<f64>) -> Self {
        let ratio = self.rate / peer.rate;
        self.against.push(Against { peer: peer.name.clone(), ratio, of_rates: true, design });
        self
    }

    /// Whether the user's target is met; `None` where there is none.
    #[must_use]
    pub fn is_met(&self) -> Option<bool> {
        self.user_ms.map(|target| self.p50_ms <= target)
    }

    /// Whether all that the design asks for is met; `None` where it asks for nothing.
    #[must_use]
    pub fn is_designed(&self) -> Option<bool> {
        let time = self.design_ms.map(|target| self.p50_ms <= target);
        let rate = self.design_rate.map(|target| self.rate >= target);
        let ratios = self.against.iter().filter_map(Against::is_met);
        [time, rate].into_iter().flatten().chain(ratios).reduce(|all, one| all && one)
    }

    /// The figure as a row of the table, and a further one for each peer but the first.
    #[must_use]
    pub fn row(&self) -> String {
        let user = self.user_ms.map_or("–".to_string(), |target| format!("≤ {target} ms"));
        let time = self.design_ms.map(|target| format!("≤ {target} ms"));
        let rate = self.design_rate.map(|target| format!("≥ {target} /s"));
        let design = time.or(rate).unwrap_or_else(|| "–".into());
        let against: Vec<String> = self.against.iter().map(Against::words).collect();
        let against = against.join(&format!("\n{:width$}", "", width = INDENT));
        format!(
            "{:<46} {:>8} {:>9} {:>9} {:>9}  {:>8} {:<6}  {:>10} {:<6}  {against}",
            self.name,
            self.samples,
            number(self.p50_ms, 3),
            number(self.p99_ms, 3),
            number(self.rate, 0),
            user,
            met(self.is_met()),
            design,
            met(self.is_designed())
        )
    }
}

const fn met(met: Option<bool>) -> &'static str {
    match met {
        Some(true) => "MET",
        Some(false) => "MISSED",
        None => "–",
    }
}

fn number(value: f64, digits: usize) -> String {
    if value.is_nan() { "–".into() } else { format!("{value:.digits$}") }
}

/// Where the comparisons begin in a row.
const INDENT: usize = 125;

/// The heading of the table.
#[must_use]
pub fn heading() -> String {
    format!(
        "{:<46} {:>8} {:>9} {:>9} {:>9}  {:>8} {:<6}  {:>10} {:<6}  {}",
        "figure",
        "samples",
        "p50 ms",
        "p99 ms",
        "rate /s",
        "user",
        "",
        "design",
        "",
        "against a peer in this run"
    )
}

/// Something that is measured once: how much of it there is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Level {
    /// What was measured.
    pub name: String,
    /// How much.
    pub value: f64,
    /// In what.
    pub unit: String,
    /// The most that the design allows.
    pub design: Option<f64>,
}

impl Level {
    /// Whether it is within the design's bound.
    #[must_use]
    pub fn is_designed(&self) -> Option<bool> {
        self.design.map(|most| self.value <= most)
    }

    /// The level as a row of its table.
    #[must_use]
    pub fn row(&self) -> String {
        let Self { name, value, unit, design } = self;
        let most = design.map_or("–".to_string(), |most| format!("≤ {most} {unit}"));
        format!("{name:<46} {value:>12.2} {unit:<8} {most:>14} {}", met(self.is_designed()))
    }
}

/// The heading of the table of levels.
#[must_use]
pub fn level_heading() -> String {
    format!("{:<46} {:>12} {:<8} {:>14}", "level", "value", "", "design")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(ms: std::ops::RangeInclusive<u64>) -> Run {
        Run::new(ms.map(Duration::from_millis).collect(), Duration::from_secs(1))
    }

    #[test]
    fn a_figure_says_whether_its_target_is_met() {
        let figure = Figure::of("a thing", &[run(1..=100)]);
        assert_eq!((figure.p50_ms, figure.p99_ms), (51.0, 100.0));
        assert_eq!(figure.clone().targets(Some(60.0), None).is_met(), Some(true));
        let missed = figure.targets(Some(50.0), Some(50.0));
        assert_eq!((missed.is_met(), missed.is_designed()), (Some(false), Some(false)));
        assert!(missed.row().contains("MISSED"));
    }

    #[test]
    fn of_several_runs_the_median_counts() {
        let figure = Figure::of("a thing", &[run(100..=100), run(1..=1), run(2..=2)]);
        assert_eq!((figure.p50_ms, figure.samples, figure.runs), (2.0, 3, 3));
    }

    #[test]
    fn a_ratio_is_held_to_its_bound_from_the_side_that_matters() {
        let (fast, slow) = (Figure::of("fast", &[run(1..=10)]), Figure::of("slow", &[run(11..=15)]));
        let bound = Some(1.0);
        assert_eq!(fast.clone().times_over(&slow, bound).is_designed(), Some(true));
        assert_eq!(slow.clone().times_over(&fast, bound).is_designed(), Some(false));
        assert_eq!(fast.clone().rate_over(&slow, bound).is_designed(), Some(true));
        assert_eq!(slow.clone().rate_over(&fast, bound).is_designed(), Some(false));
        assert_eq!(slow.times_over(&fast, None).is_designed(), None);
    }

    #[test]
    fn a_level_past_its_bound_is_missed() {
        let level = |value| Level { name: "memory".into(), value, unit: "MiB".into(), design: Some(100.0) };
        assert_eq!((level(100.0).is_designed(), level(100.1).is_designed()), (Some(true), Some(false)));
    }
}
