//! The table as a picture (SVG): how far each figure is from what it should be, on a logarithmic scale.

use crate::{Figure, Level};
use std::fmt::Write as _;

const WIDTH: f64 = 1180.0;
const ROW: f64 = 24.0;
const LEFT: f64 = 560.0;
const RIGHT: f64 = 150.0;
const TOP: f64 = 46.0;
/// The scale reaches from a hundredth of what was asked for to a hundred times.
const DECADES: f64 = 2.0;

/// How far something is from what it should be: 1 is there, less is better.
struct Bar {
    name: String,
    share: f64,
    label: String,
}

/// Draws all that has a bound or a peer, in the order of the table.
#[must_use]
pub fn picture(figures: &[Figure], levels: &[Level]) -> String {
    let bars: Vec<Bar> = figures.iter().flat_map(bars_of).chain(levels.iter().filter_map(level)).collect();
    let height = TOP + ROW * bars.len() as f64 + 30.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
         aria-label=\"figures against their bounds\" font-family=\"system-ui, sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
         <text x=\"{LEFT}\" y=\"18\" fill=\"#444\">better than asked for</text>\
         <text x=\"{end}\" y=\"18\" text-anchor=\"end\" fill=\"#444\">worse</text>\n",
        end = WIDTH - RIGHT
    );
    for power in [-2.0, -1.0, 0.0, 1.0, 2.0] {
        let (place, weight) = (across(10_f64.powf(power)), if power == 0.0 { 2 } else { 1 });
        let _infallible = writeln!(
            svg,
            "<line x1=\"{place:.1}\" x2=\"{place:.1}\" y1=\"28\" y2=\"{end:.1}\" stroke=\"#bbb\" stroke-width=\"{weight}\"/>\
             <text x=\"{place:.1}\" y=\"{below:.1}\" text-anchor=\"middle\" fill=\"#666\">× {}</text>",
            10_f64.powf(power),
            end = height - 24.0,
            below = height - 8.0
        );
    }
    for (number, bar) in bars.iter().enumerate() {
        let middle = TOP + ROW * number as f64;
        let (one, here) = (across(1.0), across(bar.share));
        let colour = if bar.share <= 1.0 { "#1b7f4d" } else { "#c0392b" };
        let _infallible = writeln!(
            svg,
            "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"#222\">{}</text>\
             <rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"12\" fill=\"{colour}\"/>\
             <text x=\"{}\" y=\"{:.1}\" fill=\"#222\">{}</text>",
            LEFT - 10.0,
            middle + 4.0,
            escaped(&bar.name),
            one.min(here),
            middle - 6.0,
            (one - here).abs().max(2.0),
            WIDTH - RIGHT + 8.0,
            middle + 4.0,
            escaped(&bar.label)
        );
    }
    svg + "</svg>\n"
}

fn bars_of(figure: &Figure) -> Vec<Bar> {
    let bar = |name: String, share: f64, label: String| Bar { name, share, label };
    let mut bars = Vec::new();
    let name = &figure.name;
    if let Some(target) = figure.user_ms {
        let label = format!("{:.2} of {target} ms", figure.p50_ms);
        bars.push(bar(format!("{name}: the user's"), figure.p50_ms / target, label));
    }
    if let Some(target) = figure.design_ms {
        let label = format!("{:.2} of {target} ms", figure.p50_ms);
        bars.push(bar(name.clone(), figure.p50_ms / target, label));
    }
    if let Some(target) = figure.design_rate {
        bars.push(bar(name.clone(), target / figure.rate, format!("{:.0} of {target} /s", figure.rate)));
    }
    for against in &figure.against {
        let ratio = if against.of_rates { 1.0 / against.ratio } else { against.ratio };
        let bound = against.design.map_or(1.0, |bound| if against.of_rates { 1.0 / bound } else { bound });
        let label = format!("{:.2} × the peer", against.ratio);
        bars.push(bar(format!("{name} / {}", against.peer), ratio / bound, label));
    }
    bars.retain(|bar| bar.share.is_finite() && bar.share > 0.0);
    bars
}

fn level(level: &Level) -> Option<Bar> {
    let most = level.design?;
    let label = format!("{:.1} of {most} {}", level.value, level.unit);
    Some(Bar { name: level.name.clone(), share: (level.value / most).max(1e-3), label })
}

fn across(share: f64) -> f64 {
    let place = share.log10().clamp(-DECADES, DECADES);
    LEFT + (WIDTH - LEFT - RIGHT) * (place + DECADES) / (2.0 * DECADES)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Run;
    use std::time::Duration;

    #[test]
    fn every_bound_and_peer_has_a_bar_and_what_is_missed_is_red() {
        let run = |ms| Run::new(vec![Duration::from_millis(ms)], Duration::from_secs(1));
        let peer = Figure::of("a <peer>", &[run(1)]);
        let slow = Figure::of("ours", &[run(5)]).targets(Some(60.0), Some(2.0)).times_over(&peer, None);
        let level = Level { name: "memory".into(), value: 3.0, unit: "MiB".into(), design: Some(100.0) };
        let drawn = picture(&[peer, slow], &[level]);
        assert_eq!((drawn.matches("#c0392b").count(), drawn.matches("#1b7f4d").count()), (2, 2));
        assert!(drawn.contains("a &lt;peer>") && !drawn.contains("a <peer"));
    }
}
