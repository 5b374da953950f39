//! Numbers by name, as OpenMetrics text.

use super::families::{FAMILIES, Family, Kind};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};
use std::collections::BTreeMap;
use std::fmt;

/// Numbers by their names, which may bear labels: `stoq_calls_total{code="ok"}`.
#[derive(Debug)]
pub(super) struct Numbers(pub(super) BTreeMap<String, u64>);

/// A label's name and value.
type Label = (String, String);

impl Numbers {
    pub(super) fn into_text(self) -> String {
        let mut registry = Registry::with_prefix("hypermesh");
        registry.register_collector(Box::new(self));
        let mut text = String::new();
        encode(&mut text, &registry).expect("writing into a string does not fail");
        text
    }

    /// The numbers under this name, whatever their labels.
    fn of(&self, name: &str) -> impl Iterator<Item = (Vec<Label>, u64)> {
        let samples = self.0.range(name.to_owned()..).take_while(move |(key, _)| key.starts_with(name));
        samples.filter_map(move |(key, value)| Some((labels(key.strip_prefix(name)?)?, *value)))
    }

    fn encode_family(&self, family: &Family, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let base = family.base();
        let unit = family.unit.map(|unit| Unit::Other(unit.to_owned()));
        let kind = match family.kind {
            Kind::Gauge => MetricType::Gauge,
            Kind::Counter => MetricType::Counter,
            Kind::Histogram => MetricType::Histogram,
        };
        let name = match family.kind {
            Kind::Counter => format!("{base}{TOTAL}"),
            Kind::Gauge | Kind::Histogram => base.clone(),
        };
        let mut samples = self.of(&name).peekable();
        if family.kind != Kind::Histogram && samples.peek().is_none() {
            return Ok(());
        }
        let mut metric = encoder.encode_descriptor(family.name, family.help, unit.as_ref(), kind)?;
        if family.kind == Kind::Histogram {
            return self.encode_histogram(&base, &mut metric);
        }
        for (labels, value) in samples {
            match labels.is_empty() {
                true => encode_sample(family.kind, value, &mut metric)?,
                false => encode_sample(family.kind, value, &mut metric.encode_family(&labels)?)?,
            }
        }
        Ok(())
    }

    fn encode_histogram(&self, base: &str, metric: &mut MetricEncoder<'_>) -> fmt::Result {
        let single = |name: &str| self.0.get(&format!("{base}_{name}")).copied().unwrap_or_default();
        let (sum, count) = (single("sum"), single("count"));
        let end = |labels: &[Label]| labels.first().and_then(|(_, end)| end.parse::<u32>().ok());
        let name = format!("{base}_bucket");
        let buckets = self.of(&name);
        let mut buckets: Vec<(u32, u64)> =
            buckets.filter_map(|(labels, value)| Some((end(&labels)?, value))).collect();
        buckets.sort_unstable();
        // Each counts what is no longer than its end; the format's library wants what each has more than the last.
        let mut before = 0;
        let mut more = |value: u64| value.saturating_sub(std::mem::replace(&mut before, value));
        let mut own: Vec<(f64, u64)> =
            buckets.iter().map(|(end, value)| (f64::from(*end), more(*value))).collect();
        own.push((f64::INFINITY, more(count)));
        #[expect(
            clippy::cast_precision_loss,
            reason = "a sum of milliseconds past 2^53 is no sum that anybody needs exactly"
        )]
        metric.encode_histogram::<NoLabelSet>(sum as f64, count, &own, None)
    }
}

impl Collector for Numbers {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        FAMILIES.iter().try_for_each(|family| self.encode_family(family, &mut encoder))?;
        // What a node of another version counts is told too, if not explained.
        for (name, value) in self.0.iter().filter(|(name, _)| !is_known(name)) {
            let base = name.split('{').next().unwrap_or_default();
            let labels = labels(name.strip_prefix(base).unwrap_or_default()).unwrap_or_default();
            let mut metric = encoder.encode_descriptor(base, "not known here", None, MetricType::Unknown)?;
            metric.encode_family(&labels)?.encode_gauge(value)?;
        }
        Ok(())
    }
}

fn encode_sample(kind: Kind, value: u64, metric: &mut MetricEncoder<'_>) -> fmt::Result {
    match kind {
        Kind::Counter => metric.encode_counter::<NoLabelSet, _, u64>(&value, None),
        Kind::Gauge | Kind::Histogram => metric.encode_gauge(&value),
    }
}

/// Whether a number is of a family that is listed.
fn is_known(name: &str) -> bool {
    let base = name.split('{').next().unwrap_or_default();
    FAMILIES.iter().any(|family| {
        let Some(rest) = base.strip_prefix(&family.base()) else { return false };
        match family.kind {
            Kind::Gauge => rest.is_empty(),
            Kind::Counter => rest == TOTAL,
            Kind::Histogram => ["_bucket", "_sum", "_count"].contains(&rest),
        }
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

/// What the format wants behind every counter's name.
const TOTAL: &str = "_total";

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
        let name = "hypermesh_trustchain_issuance_milliseconds_bucket";
        let expected = [("50.0", 1), ("100.0", 2), ("1000.0", 4), ("+Inf", 5)];
        assert_eq!(lines, expected.map(|(end, count)| format!("{name}{{le=\"{end}\"}} {count}")));
        assert!(text.contains("hypermesh_trustchain_issuance_milliseconds_count 5\n"));
    }

    #[test]
    fn what_is_not_listed_is_told_as_not_known() {
        let numbers = Numbers([("hypermesh_news_total{kind=\"x\"}".to_owned(), 3)].into());
        let text = numbers.into_text();
        assert!(text.contains("# TYPE hypermesh_hypermesh_news_total unknown"), "{text}");
        assert!(text.contains("hypermesh_hypermesh_news_total{kind=\"x\"} 3"), "{text}");
    }
}
