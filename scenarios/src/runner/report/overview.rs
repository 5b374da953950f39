//! The whole run in one still picture (SVG): for print, and for whoever runs no scripts.

use super::bands::{Band, bands};
use super::html::escape;
use super::{ReportSubject, node_name, seconds};
use hypermesh_core::base::Mono;
use hypermesh_sim::world::{EventRecord, NodeIndex, Recorded};
use std::fmt::Write as _;

const WIDTH: f64 = 1000.0;
/// Where lanes begin: left of it are their names.
const LEFT: f64 = 64.0;
const LANE: f64 = 40.0;
const TOP: f64 = 34.0;
/// A band narrower than this is drawn this wide, so that it is seen.
const BAND_WIDTH_MIN: f64 = 2.0;
/// Labels of heights are this far apart at least.
const LABEL_GAP: f64 = 26.0;
const TICKS_MAX: u64 = 12;

struct Picture<'a> {
    subject: &'a ReportSubject,
    text: String,
}

/// The picture.
pub(super) fn overview(subject: &ReportSubject) -> String {
    let mut picture = Picture { subject, text: String::new() };
    let bottom = picture.lane_top(subject.nodes());
    let height = bottom + 8.0;
    picture.write(format_args!(
        "<svg class=\"overview\" role=\"img\" aria-label=\"The whole run\" viewBox=\"0 0 {WIDTH} {height}\">"
    ));
    picture.axis(bottom);
    picture.lanes();
    bands(subject).iter().for_each(|band| picture.band(band));
    for place in 0..subject.nodes() {
        picture.happenings(place);
    }
    picture.verdict(bottom);
    picture.text + "</svg>" + &legend(subject)
}

impl Picture<'_> {
    fn write(&mut self, part: core::fmt::Arguments<'_>) {
        self.text.write_fmt(part).expect("writing to a string does not fail");
    }

    fn x(&self, at: Mono) -> f64 {
        let end = self.subject.simulated.0.max(1) as f64;
        LEFT + (WIDTH - LEFT - 10.0) * (at.0 as f64 / end).min(1.0)
    }

    fn lane_top(&self, place: NodeIndex) -> f64 {
        TOP + LANE * place as f64
    }

    fn axis(&mut self, bottom: f64) {
        let end = self.subject.simulated.0;
        let step = round_step(end / TICKS_MAX + 1);
        for tick in 0..=end / step {
            let at = Mono(step.saturating_mul(tick));
            let (x, label) = (self.x(at), at.0 as f64 / 1e6);
            self.write(format_args!(
                "<path class=\"tick\" d=\"M{x:.1} {TOP}V{bottom}\"/>\
                 <text class=\"small\" x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{label} s</text>",
                TOP - 8.0
            ));
        }
    }

    fn lanes(&mut self) {
        for place in 0..self.subject.nodes() {
            let (middle, name) = (self.lane_top(place) + LANE / 2.0, node_name(place));
            let end = WIDTH - 10.0;
            self.write(format_args!(
                "<text x=\"0\" y=\"{}\">{name}</text><path class=\"lane\" d=\"M{LEFT} {middle}H{end}\"/>",
                middle + 4.0
            ));
        }
    }

    fn band(&mut self, band: &Band) {
        let (from, to) = (self.x(Mono(band.from_us)), self.x(Mono(band.to_us)));
        let width = (to - from).max(BAND_WIDTH_MIN);
        let wide = if band.places.is_empty() { " wide" } else { "" };
        let everywhere: Vec<NodeIndex> = (0..self.subject.nodes()).collect();
        for place in if band.places.is_empty() { &everywhere } else { &band.places } {
            let top = self.lane_top(*place) + 3.0;
            self.write(format_args!(
                "<rect class=\"fault-{}{wide}\" x=\"{from:.1}\" y=\"{top}\" width=\"{width:.1}\" height=\"{}\"/>",
                band.group,
                LANE - 6.0
            ));
        }
    }

    fn happenings(&mut self, place: NodeIndex) {
        let subject = self.subject;
        let middle = self.lane_top(place) + LANE / 2.0;
        let mut labelled = f64::MIN;
        for record in subject.records.iter().filter(|record| record.place == place) {
            let EventRecord { at, what, .. } = record;
            let x = self.x(*at);
            match what {
                Recorded::Down { until } => {
                    let width = (self.x(until.unwrap_or(subject.simulated)) - x).max(BAND_WIDTH_MIN);
                    self.write(format_args!(
                        "<rect class=\"down\" x=\"{x:.1}\" y=\"{}\" width=\"{width:.1}\" height=\"8\"/>",
                        middle - 4.0
                    ));
                }
                Recorded::Event { committed: Some(height), .. } => {
                    self.write(format_args!(
                        "<circle class=\"commit\" cx=\"{x:.1}\" cy=\"{middle}\" r=\"2\"/>"
                    ));
                    if x - labelled >= LABEL_GAP {
                        labelled = x;
                        self.write(format_args!(
                            "<text class=\"small\" x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{height}</text>",
                            middle + 13.0
                        ));
                    }
                }
                _ => {}
            }
        }
    }

    fn verdict(&mut self, bottom: f64) {
        let Some(failure) = &self.subject.failure else { return };
        let (at, place) = match self.subject.judged() {
            Some((at, place)) => (at, Some(place)),
            None => (self.subject.simulated, None),
        };
        let (x, check) = (self.x(at), escape(&failure.check));
        self.write(format_args!(
            "<path class=\"verdict\" d=\"M{x:.1} 14V{bottom}\"/>\
             <text class=\"verdict-word\" x=\"{:.1}\" y=\"12\" text-anchor=\"{}\">{check}</text>",
            x,
            if x > WIDTH / 2.0 { "end" } else { "start" }
        ));
        if let Some(place) = place {
            let middle = self.lane_top(place) + LANE / 2.0;
            self.write(format_args!("<circle class=\"verdict\" cx=\"{x:.1}\" cy=\"{middle}\" r=\"7\"/>"));
        }
    }
}

/// The smallest of 1, 2, 5, 10, 20, … that is no less than this.
fn round_step(least: u64) -> u64 {
    let mut power = 1_u64;
    loop {
        if let Some(part) = [1, 2, 5].into_iter().find(|part| power.saturating_mul(*part) >= least) {
            return power.saturating_mul(part);
        }
        power = power.saturating_mul(10);
    }
}

/// The faults of the plan, in words.
fn legend(subject: &ReportSubject) -> String {
    let bands = bands(subject);
    if bands.is_empty() {
        return String::new();
    }
    let mut text =
        "<table class=\"faults\"><caption>What the plan lets go wrong</caption><thead><tr><th>From</th>\
                    <th>To</th><th>Class</th><th>Where</th><th>What</th></tr></thead><tbody>"
            .to_string();
    for band in &bands {
        let places: Vec<String> = band.places.iter().map(|place| node_name(*place)).collect();
        let places = if places.is_empty() { "network".to_string() } else { places.join(", ") };
        let (from, to) = (seconds(Mono(band.from_us)), seconds(Mono(band.to_us)));
        let (class, words) = (escape(&band.class), escape(&band.words));
        let written = write!(
            text,
            "<tr><td>{from}</td><td>{to}</td><td><i class=\"swatch fault-{}\"></i>{class}</td><td>{places}</td>\
             <td>{words}</td></tr>",
            band.group
        );
        written.expect("writing to a string does not fail");
    }
    text + "</tbody></table>"
}
