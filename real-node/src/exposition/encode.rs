//! Numbers by name, as text of the exposition format.

use super::families::{FAMILIES, Family, Unit};
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

/// How a number moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// Up and down.
    Gauge,
    /// Up alone, from the process's start.
    Counter,
    /// Counts of durations by length.
    Histogram,
    /// Not known here: of a node of another version.
    Untyped,
}

impl MetricKind {
    const fn name(self) -> &'static str {
        match self {
            Self::Gauge => "gauge",
            Self::Counter => "counter",
            Self::Histogram => "histogram",
            Self::Untyped => "untyped",
        }
    }
}

/// Text of the exposition format, family by family.
#[derive(Debug, Default)]
pub struct Text(String);

impl Text {
    /// Begins a family: every sample until the next bears its name.
    pub fn family(&mut self, name: &str, kind: MetricKind, help: &str) {
        // The format escapes these two in help.
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        self.line(format_args!("# HELP {name} {help}"));
        self.line(format_args!("# TYPE {name} {}", kind.name()));
    }

    /// Adds a sample.
    pub fn sample(&mut self, name: &str, labels: &[(String, String)], value: impl fmt::Display) {
        match labels {
            [] => self.line(format_args!("{name} {value}")),
            _ => {
                let label = |(name, value): &(String, String)| format!("{name}=\"{}\"", escaped(value));
                let labels: Vec<String> = labels.iter().map(label).collect();
                self.line(format_args!("{name}{{{}}} {value}", labels.join(",")));
            }
        }
    }

    fn line(&mut self, line: fmt::Arguments<'_>) {
        writeln!(self.0, "{line}").expect("writing into a string does not fail");
    }

    /// The whole text.
    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// Numbers by their names, which may bear labels: `stoq_calls_total{code="ok"}`.
#[derive(Debug)]
pub(super) struct Numbers(pub(super) BTreeMap<String, u64>);

/// A label's name and value.
type Label = (String, String);

impl Numbers {
    pub(super) fn into_text(self) -> String {
        let mut text = Text::default();
        FAMILIES.iter().for_each(|family| self.encode_family(family, &mut text));
        // What a node of another version counts is told too, if not explained.
        let mut last = "";
        for (name, value) in self.0.iter().filter(|(name, _)| !is_known(name)) {
            let base = name.split('{').next().unwrap_or_default();
            let labels = labels(name.strip_prefix(base).unwrap_or_default()).unwrap_or_default();
            let full = format!("{PREFIX}{base}");
            if last != base {
                text.family(&full, MetricKind::Untyped, "not known here");
                last = base;
            }
            text.sample(&full, &labels, value);
        }
        text.into_string()
    }

    /// The numbers under this name, whatever their labels.
    fn of(&self, name: &str) -> impl Iterator<Item = (Vec<Label>, u64)> {
        let samples = self.0.range(name.to_owned()..).take_while(move |(key, _)| key.starts_with(name));
        samples.filter_map(move |(key, value)| Some((labels(key.strip_prefix(name)?)?, *value)))
    }

    fn encode_family(&self, family: &Family, text: &mut Text) {
        let name = family.exposed();
        if family.kind == MetricKind::Histogram {
            text.family(&name, family.kind, family.help);
            return self.encode_histogram(family, &name, text);
        }
        let counted = family.counted();
        let mut samples = self.of(&counted).peekable();
        if samples.peek().is_none() {
            return;
        }
        text.family(&name, family.kind, family.help);
        for (labels, value) in samples {
            text.sample(&name, &labels, family.unit.in_base_units(value));
        }
    }

    fn encode_histogram(&self, family: &Family, name: &str, text: &mut Text) {
        let base = family.counted();
        let single = |name: &str| self.0.get(&format!("{base}_{name}")).copied().unwrap_or_default();
        let (sum, count) = (single("sum"), single("count"));
        let end = |labels: &[Label]| labels.first().and_then(|(_, end)| end.parse::<u64>().ok());
        let bucket = format!("{base}_bucket");
        let buckets = self.of(&bucket);
        let mut buckets: Vec<(u64, u64)> =
            buckets.filter_map(|(labels, value)| Some((end(&labels)?, value))).collect();
        buckets.sort_unstable();
        let bucket = format!("{name}_bucket");
        let label = |end: String| [("le".to_owned(), end)];
        for (end, value) in buckets {
            text.sample(&bucket, &label(family.unit.in_base_units(end)), value);
        }
        text.sample(&bucket, &label("+Inf".to_owned()), count);
        text.sample(&format!("{name}_sum"), &[], family.unit.in_base_units(sum));
        text.sample(&format!("{name}_count"), &[], count);
    }
}

impl Unit {
    /// A number in the unit that Prometheus wants, in decimal.
    fn in_base_units(self, value: u64) -> String {
        match self {
            Self::Milliseconds => decimal(value, 3),
            Self::Microseconds => decimal(value, 6),
            Self::None | Self::Bytes | Self::MicroCaesar => value.to_string(),
        }
    }
}

/// A number that counts parts, `10^digits` of them in one, without floating point.
fn decimal(parts: u64, digits: u32) -> String {
    let (width, one) = (digits as usize, 10_u64.pow(digits));
    let text = format!("{}.{:0width$}", parts / one, parts % one);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Whether a number is of a family that is listed.
fn is_known(name: &str) -> bool {
    let base = name.split('{').next().unwrap_or_default();
    FAMILIES.iter().any(|family| match family.kind {
        MetricKind::Histogram => base
            .strip_prefix(&family.counted())
            .is_some_and(|rest| ["_bucket", "_sum", "_count"].contains(&rest)),
        _ => base == family.counted(),
    })
}

/// The labels behind a name: `{code="ok",transport="udp"}`, or nothing. `None` if it is neither.
fn labels(text: &str) -> Option<Vec<Label>> {
    if text.is_empty() {
        return Some(Vec::new());
    }
    let inner = text.strip_prefix('{')?.strip_suffix("\"}")?;
    let label =
        |label: &str| label.split_once("=\"").map(|(name, value)| (name.to_owned(), value.to_owned()));
    inner.split("\",").map(label).collect()
}

/// What every name begins with.
pub(super) const PREFIX: &str = "hypermesh_";

#[cfg(test)]
mod tests {
    use super::*;

    fn label(name: &str, value: &str) -> Label {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn labels_are_found_behind_a_name() {
        assert_eq!(labels(""), Some(vec![]));
        let both = vec![label("code", "NOERROR"), label("transport", "udp")];
        assert_eq!(labels("{code=\"NOERROR\",transport=\"udp\"}"), Some(both));
        assert_eq!(
            labels("{table=\"batches, of others\"}"),
            Some(vec![label("table", "batches, of others")])
        );
        for other in ["_age", "{", "{}", "{x}", "{x=\"y}"] {
            assert_eq!(labels(other), None, "{other}");
        }
    }

    #[test]
    fn what_would_break_a_line_is_escaped() {
        let mut text = Text::default();
        text.family("x", MetricKind::Gauge, "two\nlines");
        text.sample("x", &[label("of", "a\"b\\c\nd")], 1);
        let expected = "# HELP x two\\nlines\n# TYPE x gauge\nx{of=\"a\\\"b\\\\c\\nd\"} 1\n";
        assert_eq!(text.into_string(), expected);
    }

    #[test]
    fn parts_are_written_as_decimals() {
        let written = [0, 5, 1_000, 1_250, 1_800_000_000_999].map(|parts| decimal(parts, 3));
        assert_eq!(written, ["0", "0.005", "1", "1.25", "1800000000.999"]);
        assert_eq!(decimal(u64::MAX, 6), "18446744073709.551615");
    }

    #[test]
    fn a_histogram_counts_what_is_no_longer_than_each_end() {
        let number = |name: &str, value| (format!("trustchain_issuance_milliseconds_{name}"), value);
        let numbers = [
            number("bucket{le=\"100\"}", 2),
            number("bucket{le=\"50\"}", 1),
            number("bucket{le=\"1000\"}", 4),
            number("sum", 900),
            number("count", 5),
        ];
        let text = Numbers(numbers.into()).into_text();
        let lines: Vec<&str> = text.lines().filter(|line| line.contains("_bucket")).collect();
        let name = "hypermesh_trustchain_issuance_seconds_bucket";
        let expected = [("0.05", 1), ("0.1", 2), ("1", 4), ("+Inf", 5)];
        assert_eq!(lines, expected.map(|(end, count)| format!("{name}{{le=\"{end}\"}} {count}")));
        assert!(text.contains("hypermesh_trustchain_issuance_seconds_count 5\n"));
        assert!(text.contains("hypermesh_trustchain_issuance_seconds_sum 0.9\n"));
    }

    #[test]
    fn what_is_not_listed_is_told_as_not_known() {
        let numbers = Numbers([("hypermesh_news_total{kind=\"x\"}".to_owned(), 3)].into());
        let text = numbers.into_text();
        assert!(text.contains("# TYPE hypermesh_hypermesh_news_total untyped"), "{text}");
        assert!(text.contains("hypermesh_hypermesh_news_total{kind=\"x\"} 3"), "{text}");
    }
}
