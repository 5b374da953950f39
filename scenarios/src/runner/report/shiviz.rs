//! A run as a log for ShiViz (Beschastnikh, Wang, Brun, Ernst: Debugging Distributed Systems, CACM 2016), which draws
//! who could know of what: each line has a vector clock, in which each node counts what happened to it.

use super::ReportSubject;
use super::entries::message_words;
use super::table::one_line;
use super::{node_name, seconds};
use hypermesh_sim::world::{EventIndex, Fate, NodeIndex, Recorded};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// How ShiViz takes a line apart: when it reads a file, the first line of it is this, and the second separates runs.
const EXPRESSION: &str = r"(?<host>\S+) (?<clock>\{.*?\}) (?<time>\S+) (?<event>.*)";

/// How often something happened to each node, as far as one of them can know.
type Clock = BTreeMap<NodeIndex, u64>;

/// Something that happened to a node.
enum Happened {
    /// It sent a message that may arrive: others can know of it.
    Sends(usize),
    /// A message arrives.
    Receives(usize),
    /// Nobody else can know of it yet.
    Alone,
}

struct Line {
    step: EventIndex,
    place: NodeIndex,
    at: String,
    happened: Happened,
    words: String,
}

/// The log.
pub(super) fn log(subject: &ReportSubject) -> String {
    let mut text = format!("{EXPRESSION}\n\n");
    let mut clocks: BTreeMap<NodeIndex, Clock> = BTreeMap::new();
    let mut sent: BTreeMap<usize, Clock> = BTreeMap::new();
    for line in lines(subject) {
        let clock = clocks.entry(line.place).or_default();
        if let Happened::Receives(message) = line.happened {
            for (place, count) in sent.remove(&message).unwrap_or_default() {
                let known = clock.entry(place).or_default();
                *known = count.max(*known);
            }
        }
        *clock.entry(line.place).or_default() += 1;
        if let Happened::Sends(message) = line.happened {
            sent.insert(message, clock.clone());
        }
        let counts: Vec<String> =
            clock.iter().map(|(place, count)| format!("\"{}\":{count}", node_name(*place))).collect();
        let (place, words) = (node_name(line.place), one_line(&line.words));
        let written = writeln!(text, "{place} {{{}}} {} {words}", counts.join(","), line.at);
        written.expect("writing to a string does not fail");
    }
    text
}

fn lines(subject: &ReportSubject) -> Vec<Line> {
    let mut lines = Vec::new();
    for (number, record) in subject.records.iter().enumerate() {
        let mut add = |step, place, at, happened, words| {
            lines.push(Line { step, place, at: seconds(at), happened, words });
        };
        let (at, step, place) = (record.at, record.step, record.place);
        match &record.what {
            Recorded::Message(message) => {
                let (name, words) = (message.label.name, message_words(at, message));
                let words = format!("sends {name} to {}: {words}", node_name(message.target));
                if let Fate::Arrived { at, step: arrived } = message.fate {
                    add(step, place, record.at, Happened::Sends(number), words);
                    let words = format!("receives {name} from {}", node_name(place));
                    add(arrived, message.target, at, Happened::Receives(number), words);
                } else {
                    add(step, place, at, Happened::Alone, words);
                }
            }
            Recorded::Event { words, .. } | Recorded::Done { words } => {
                add(step, place, at, Happened::Alone, words.clone());
            }
            Recorded::Request(request) => {
                let words = format!("is asked to {} (request {})", request.method, request.id);
                add(step, place, at, Happened::Alone, words);
                if let Some(answer) = &request.answer {
                    let words = match &answer.refusal {
                        None => format!("answers request {}", request.id),
                        Some(refusal) => format!("refuses request {}: {refusal}", request.id),
                    };
                    add(answer.step, place, answer.at, Happened::Alone, words);
                }
            }
            Recorded::Down { .. } => add(step, place, at, Happened::Alone, "crashes".to_string()),
            Recorded::Verdict => add(step, place, at, Happened::Alone, subject.verdict()),
            _ => {}
        }
    }
    lines.sort_by_key(|line| line.step);
    lines
}
