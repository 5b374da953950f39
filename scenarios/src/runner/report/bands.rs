//! The faults of a plan as bands: from when to when, at which nodes, of which class.
//!
//! A band says what the plan lets go wrong. What came of it is in the records.

use super::ReportSubject;
use hypermesh_core::base::Mono;
use hypermesh_sim::plan::{FaultClass, FaultGroup, Plan, TimedFault};
use hypermesh_sim::world::NodeIndex;
use serde::Serialize;
use serde_json::Value;

/// What faults are called in a plan, where that is not the name of their class.
const CLASS_OF_KIND: &[(&str, &str)] = &[
    ("wipe-disk", "wiped-disk"),
    ("lose-log", "lost-log"),
    ("rot", "bit-rot"),
    ("bursts", "burst-loss"),
    ("spikes", "delay-spike"),
    ("duplicates", "duplication"),
    ("reorders", "reordering"),
    ("narrow", "narrow-link"),
    ("black-hole", "mtu-black-hole"),
    ("one-way", "one-way-partition"),
    ("cut", "swizzled-partition"),
    ("silent", "silent-peer"),
    ("damage", "corruption"),
    ("slow", "slow-node"),
    ("late-jobs", "late-job"),
    ("read-errors", "read-error"),
    ("write-errors", "write-error"),
    ("full", "full-disk"),
    ("jump", "jump-forward"),
    ("drift", "wall-drift"),
    ("resume-snapshot", "resumed-snapshot"),
];

/// Something that goes wrong for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Band {
    pub(super) from_us: u64,
    pub(super) to_us: u64,
    /// At which nodes; none if it is wrong with the network as a whole.
    pub(super) places: Vec<NodeIndex>,
    /// The side of each node, if they are divided.
    pub(super) sides: Vec<u8>,
    pub(super) class: String,
    pub(super) group: &'static str,
    pub(super) words: String,
}

/// The bands of a run, in the order of the plan.
pub(super) fn bands(subject: &ReportSubject) -> Vec<Band> {
    let Some(plan) = &subject.plan else { return Vec::new() };
    let end = subject.simulated.0;
    let faults = plan.faults.iter().map(|timed| of_fault(plan, timed, end));
    let lies = plan.liars.iter().map(|liar| {
        let (_, kind, words) = in_words(&serde_json::to_value(liar.lie).unwrap_or_default());
        let words = format!("lies: {kind} {words}");
        let (places, class, group) = (vec![liar.place], kind, group_name(FaultGroup::Byzantine));
        Band { from_us: 0, to_us: end, places, sides: Vec::new(), class, group, words }
    });
    lies.chain(faults).filter(|band| band.from_us <= end).collect()
}

fn of_fault(plan: &Plan, timed: &TimedFault, end: u64) -> Band {
    let value = serde_json::to_value(&timed.fault).unwrap_or_default();
    let (outer, kind, words) = in_words(&value);
    let class = class_of(&kind, &words);
    let known = FaultClass::ALL.iter().find(|known| known.name() == class);
    let group = known.map_or_else(|| group_of_kind(&outer), |known| known.group());
    let from = timed.at_ms.saturating_mul(1000);
    let chaos_ends = plan.chaos_ms.saturating_mul(1000);
    let to = from.saturating_add(timed.for_ms.saturating_mul(1000)).min(chaos_ends).min(end);
    Band {
        from_us: from,
        to_us: to.max(from),
        places: places(&value),
        sides: sides(&value),
        class,
        group: group_name(group),
        words: format!("{kind} {words}").trim_end().to_string(),
    }
}

/// The class of a fault of a kind, where the rest of it may decide.
fn class_of(kind: &str, words: &str) -> String {
    let alias = CLASS_OF_KIND.iter().find(|(name, _)| *name == kind).map(|(_, class)| *class);
    match alias {
        Some("corruption") if words.contains("truncates true") => "truncation",
        Some("jump-forward") if words.contains("ahead ms -") => "jump-back",
        alias => alias.unwrap_or(kind),
    }
    .to_string()
}

/// The kind of a fault, of what is inside it, and the rest of it in words.
fn in_words(fault: &Value) -> (String, String, String) {
    if let Value::String(kind) = fault {
        return (kind.clone(), kind.clone(), String::new());
    }
    let kind = |value: &Value| value.get("kind").and_then(Value::as_str).unwrap_or_default().to_string();
    let outer = kind(fault);
    let inner = fault.get(&outer).filter(|inner| inner.is_object()).unwrap_or(fault);
    let fields = inner.as_object().into_iter().flatten().filter(|(name, _)| name.as_str() != "kind");
    let words: Vec<String> = fields.map(|(name, value)| field(name, value)).collect();
    (outer, kind(inner), words.join(", "))
}

fn field(name: &str, value: &Value) -> String {
    let spaced = name.replace('_', " ");
    match (name, value.as_u64()) {
        ("place" | "source" | "target", Some(place)) => format!("{spaced} node-{}", place + 1),
        _ => format!("{spaced} {value}"),
    }
}

/// The nodes that a fault names.
fn places(fault: &Value) -> Vec<NodeIndex> {
    let Some(fields) = fault.as_object() else { return Vec::new() };
    let named = |(name, value): (&String, &Value)| match name.as_str() {
        "place" | "source" | "target" | "one" | "other" => {
            value.as_u64().and_then(|place| NodeIndex::try_from(place).ok()).into_iter().collect()
        }
        _ => places(value),
    };
    let mut places: Vec<NodeIndex> = fields.iter().flat_map(named).collect();
    places.sort_unstable();
    places.dedup();
    places
}

fn sides(fault: &Value) -> Vec<u8> {
    let sides = fault.get("sides").and_then(Value::as_array);
    let side = |value: &Value| value.as_u64().and_then(|side| u8::try_from(side).ok());
    sides.into_iter().flatten().filter_map(side).collect()
}

fn group_of_kind(kind: &str) -> FaultGroup {
    match kind {
        "process" => FaultGroup::Process,
        "disk" => FaultGroup::Disk,
        "clock" => FaultGroup::Clock,
        _ => FaultGroup::Network,
    }
}

const fn group_name(group: FaultGroup) -> &'static str {
    match group {
        FaultGroup::Network => "network",
        FaultGroup::Process => "process",
        FaultGroup::Disk => "disk",
        FaultGroup::Clock => "clock",
        FaultGroup::Byzantine => "byzantine",
        FaultGroup::Workload => "workload",
    }
}

/// When the chaos of a plan ends, if the run came that far.
pub(super) fn chaos_ends(subject: &ReportSubject) -> Option<Mono> {
    let at = Mono(subject.plan.as_ref()?.chaos_ms.saturating_mul(1000));
    (at < subject.simulated).then_some(at)
}
