//! What happened as rows of one shape, in order: what a table and a log have in common.

use super::{ReportSubject, node_name};
use hypermesh_core::base::Mono;
use hypermesh_sim::world::{EventIndex, Fate, MessageRecord, NodeIndex, Recorded, RequestRecord};

/// One thing that happened.
pub(super) struct OutputRow {
    pub(super) at: Mono,
    pub(super) step: EventIndex,
    /// At which node; `None` if it happened to the world.
    pub(super) place: Option<NodeIndex>,
    /// The node at the other end, if it is a message.
    pub(super) other: Option<NodeIndex>,
    /// What it is, in a word.
    pub(super) kind: String,
    /// What it is, in full.
    pub(super) words: String,
}

/// Everything that happened in a run, in order.
pub(super) fn rows(subject: &ReportSubject) -> Vec<OutputRow> {
    let mut rows = Vec::new();
    for record in &subject.records {
        let (at, step, place) = (record.at, record.step, Some(record.place));
        let row = |kind: &str, words: String| OutputRow {
            at,
            step,
            place,
            other: None,
            kind: kind.to_string(),
            words,
        };
        match &record.what {
            Recorded::Message(message) => {
                let other = Some(message.target);
                rows.push(OutputRow { other, ..row(message.label.name, message_words(at, message)) });
            }
            Recorded::Event { kind, words, .. } => rows.push(row(kind, words.clone())),
            Recorded::Request(request) => rows.extend(request_rows(at, step, record.place, request)),
            Recorded::Down { until } => rows.push(row("down", down_words(*until))),
            Recorded::Done { words } => {
                let place = (!is_of_world(words)).then_some(record.place);
                rows.push(OutputRow { place, ..row("done", words.clone()) });
            }
            Recorded::Verdict => rows.push(row("verdict", subject.verdict())),
            _ => {}
        }
    }
    if let (Some(_), None) = (&subject.failure, subject.judged()) {
        let words = subject.verdict();
        let (at, kind) = (subject.simulated, "verdict".to_string());
        rows.push(OutputRow { at, step: EventIndex::MAX, place: None, other: None, kind, words });
    }
    rows.sort_by_key(|row| row.step);
    rows
}

/// Whether words are about the world, and not about a node: those about a node begin with what it does.
pub(super) fn is_of_world(words: &str) -> bool {
    words.starts_with("the ") || words.starts_with('(')
}

/// What there is to say of a message besides its kind and its ends.
pub(super) fn message_words(sent: Mono, message: &MessageRecord) -> String {
    let mut words = String::new();
    if let Some(height) = message.label.height {
        words += &format!("height {height}, ");
    }
    if let Some(round) = message.label.round {
        words += &format!("round {round}, ");
    }
    let fate = match message.fate {
        Fate::Arrived { at, .. } => format!("arrives after {} µs", at.0.saturating_sub(sent.0)),
        Fate::Lost { .. } => "is lost".to_string(),
        Fate::UnderWay => "is under way at the end".to_string(),
    };
    words + &format!("{} bytes, {fate}", message.bytes)
}

fn request_rows(asked: Mono, step: EventIndex, place: NodeIndex, request: &RequestRecord) -> Vec<OutputRow> {
    let row = |at, step, kind: &str, words| {
        let (place, other, kind) = (Some(place), None, kind.to_string());
        OutputRow { at, step, place, other, kind, words }
    };
    let words = format!("number {} asks to {}", request.id, request.method);
    let mut rows = vec![row(asked, step, "request", words)];
    if let Some(answer) = &request.answer {
        let took = answer.at.0.saturating_sub(asked.0);
        let words = match &answer.refusal {
            None => format!("number {} is answered after {took} µs", request.id),
            Some(refusal) => format!("number {} is refused after {took} µs: {refusal}", request.id),
        };
        rows.push(row(answer.at, answer.step, "answer", words));
    }
    rows
}

fn down_words(until: Option<Mono>) -> String {
    until.map_or_else(|| "until the end".to_string(), |until| format!("until {}", super::seconds(until)))
}

/// What a node is called in a row, with the node at the other end.
pub(super) fn who(row: &OutputRow) -> String {
    match (row.place, row.other) {
        (Some(place), Some(other)) => format!("{} → {}", node_name(place), node_name(other)),
        (Some(place), None) => node_name(place),
        (None, _) => "world".to_string(),
    }
}
