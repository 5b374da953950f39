//! A run as the data that the page draws: columns of numbers for messages, which are many, and lists for the rest.

use super::bands::{Band, bands, chaos_ends};
use super::entries::is_of_world;
use super::{ReportSubject, node_name};
use hypermesh_core::base::Mono;
use hypermesh_sim::world::{Fate, MessageRecord, NodeIndex, Recorded};
use serde::Serialize;
use std::collections::BTreeMap;

/// Everything that the page draws. Times are microseconds since the world began; nodes are places, from 0.
#[derive(Serialize)]
pub(super) struct Data {
    nodes: Vec<String>,
    end_us: u64,
    chaos_ends_us: Option<u64>,
    kinds: Vec<MessageKind>,
    messages: Messages,
    events: Vec<EventData>,
    requests: Vec<RequestData>,
    downs: Vec<DownData>,
    bands: Vec<Band>,
    done: Vec<DoneData>,
    verdict: Option<VerdictData>,
}

/// A kind of messages.
#[derive(Serialize)]
struct MessageKind {
    name: &'static str,
    /// What it is for.
    group: &'static str,
}

/// Messages in the order in which they were sent, by columns.
#[derive(Default, Serialize)]
struct Messages {
    sent: Vec<u64>,
    /// When each arrived or was lost, or when the run ended.
    ends: Vec<u64>,
    /// 0 arrived, 1 lost, 2 under way.
    fate: Vec<u8>,
    source: Vec<NodeIndex>,
    target: Vec<NodeIndex>,
    /// By its place in the list of kinds.
    kind: Vec<usize>,
    /// -1 if it is about none.
    height: Vec<i64>,
    /// -1 if it is about none.
    round: Vec<i64>,
    bytes: Vec<usize>,
}

#[derive(Serialize)]
struct EventData {
    at: u64,
    place: NodeIndex,
    kind: String,
    height: Option<u64>,
    words: String,
}

#[derive(Serialize)]
struct RequestData {
    at: u64,
    place: NodeIndex,
    id: u64,
    method: &'static str,
    end: Option<u64>,
    refusal: Option<String>,
}

#[derive(Serialize)]
struct DownData {
    place: NodeIndex,
    at: u64,
    end: Option<u64>,
}

#[derive(Serialize)]
struct DoneData {
    at: u64,
    place: Option<NodeIndex>,
    words: String,
}

#[derive(Serialize)]
struct VerdictData {
    at: u64,
    place: Option<NodeIndex>,
    kind: String,
    check: String,
    what: String,
}

impl Data {
    pub(super) fn new(subject: &ReportSubject) -> Self {
        let mut data = Self {
            nodes: (0..subject.nodes()).map(node_name).collect(),
            end_us: subject.simulated.0,
            chaos_ends_us: chaos_ends(subject).map(|at| at.0),
            kinds: Vec::new(),
            messages: Messages::default(),
            events: Vec::new(),
            requests: Vec::new(),
            downs: Vec::new(),
            bands: bands(subject),
            done: Vec::new(),
            verdict: verdict(subject),
        };
        let mut kinds = BTreeMap::new();
        for record in &subject.records {
            let (at, place) = (record.at.0, record.place);
            match &record.what {
                Recorded::Message(message) => {
                    let kind = data.kind(&mut kinds, message.label.name);
                    data.messages.add(record.at, place, message, kind, subject.simulated);
                }
                Recorded::Event { kind, committed, words } => {
                    let (kind, words) = (kind.clone(), words.clone());
                    let height = committed.map(|height| height.0);
                    data.events.push(EventData { at, place, kind, height, words });
                }
                Recorded::Request(request) => data.requests.push(RequestData {
                    at,
                    place,
                    id: request.id,
                    method: request.method,
                    end: request.answer.as_ref().map(|answer| answer.at.0),
                    refusal: request.answer.as_ref().and_then(|answer| answer.refusal.clone()),
                }),
                Recorded::Down { until } => {
                    data.downs.push(DownData { place, at, end: until.map(|until| until.0) });
                }
                Recorded::Done { words } => {
                    let place = (!is_of_world(words)).then_some(place);
                    data.done.push(DoneData { at, place, words: words.clone() });
                }
                _ => {}
            }
        }
        data
    }

    fn kind(&mut self, known: &mut BTreeMap<&'static str, usize>, name: &'static str) -> usize {
        *known.entry(name).or_insert_with(|| {
            self.kinds.push(MessageKind { name, group: group_of(name) });
            self.kinds.len() - 1
        })
    }
}

impl Messages {
    fn add(&mut self, sent: Mono, source: NodeIndex, message: &MessageRecord, kind: usize, end: Mono) {
        let (ends, fate) = match message.fate {
            Fate::Arrived { at, .. } => (at, 0),
            Fate::Lost { at } => (at, 1),
            Fate::UnderWay => (end, 2),
        };
        let number =
            |number: Option<u64>| number.map_or(-1, |number| i64::try_from(number).unwrap_or(i64::MAX));
        self.sent.push(sent.0);
        self.ends.push(ends.0.min(end.0));
        self.fate.push(fate);
        self.source.push(source);
        self.target.push(message.target);
        self.kind.push(kind);
        self.height.push(number(message.label.height.map(|height| height.0)));
        self.round.push(number(message.label.round.map(|round| u64::from(round.0))));
        self.bytes.push(message.bytes);
    }
}

/// What a kind of messages is for.
fn group_of(name: &str) -> &'static str {
    match name {
        "proposal" | "prevote" | "precommit" | "repeated-vote" | "polka-certificate"
        | "round-certificate" => "ordering",
        "batch" | "system-operation" => "operations",
        "want-commitments" | "commitments" | "share-requests" | "signature-shares" | "signature" => "signing",
        "height" | "fetch" | "blocks" | "want-said" | "said" | "fetch-entry" | "entry" => "catching-up",
        "private-shares" | "repair-deltas" | "repair-sum" => "keys",
        _ => "other",
    }
}

fn verdict(subject: &ReportSubject) -> Option<VerdictData> {
    let failure = subject.failure.as_ref()?;
    let judged = subject.judged();
    Some(VerdictData {
        at: judged.map_or(subject.simulated, |(at, _)| at).0,
        place: judged.map(|(_, place)| place),
        kind: failure.kind.to_string(),
        check: failure.check.clone(),
        what: failure.what.clone(),
    })
}
