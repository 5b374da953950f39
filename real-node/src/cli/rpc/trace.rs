//! `hypermesh rpc trace`: what each node did for a request, and how long it took.

use crate::cli::Global;
use crate::client::session;
use crate::failure::{Exit, Failure};
use crate::output::Output;
use hypermesh_core::api::{NodeTrace, Signed, TraceEvent, TraceId, TraceRequest};
use hypermesh_core::base::{PublicKey, UnixMillis};
use hypermesh_core::state::Genesis;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

/// The traces of a request from all nodes.
#[derive(Serialize)]
struct Traced {
    trace: TraceId,
    nodes: Vec<NodeTrace>,
    /// The names of validators that did not answer.
    silent: Vec<String>,
}

/// A step of one node's, as it stands in the table.
struct OutputRow<'a> {
    node: &'a str,
    /// By the node's wall clock, in microseconds: its first step's time, and exact from there.
    at_us: u64,
    since_us: u64,
    took_us: Option<u64>,
    event: &'a TraceEvent,
}

/// Asks every validator, and prints what they did.
///
/// # Errors
/// If no node answers, or none knows of such a request.
pub(super) fn run(trace: TraceId, global: &Global, output: Output) -> Result<(), Failure> {
    let (traced, names) = session(global, "asking the nodes", async |client| {
        let genesis = client.genesis();
        let count = genesis.validators.len();
        let nodes = client.call_validators(&TraceRequest { id: trace }, count, ANSWER_TIMEOUT).await;
        let names = names(genesis);
        let silent = names.iter().filter(|(key, _)| nodes.iter().all(|node| node.node != **key));
        let silent = silent.map(|(_, name)| name.clone()).collect();
        Ok((Traced { trace, nodes, silent }, names))
    })?;
    if traced.nodes.is_empty() {
        return Err(Failure::new(Exit::Unreachable, "no node answered: check that the mesh runs"));
    }
    if traced.nodes.iter().all(|node| node.steps.is_empty()) {
        let silent = if traced.silent.is_empty() {
            String::new()
        } else {
            format!("; not asked: {}", traced.silent.join(", "))
        };
        let message = format!(
            "no node has a trace of request {trace}: nodes keep only the newest requests, in memory, and \
            no requests that are answered at once from the last block{silent}"
        );
        return Err(Failure::new(Exit::NotFound, message));
    }
    output.print(&traced, |traced| table(traced, &names))
}

fn names(genesis: &Genesis) -> BTreeMap<PublicKey, String> {
    genesis.validators.iter().map(|validator| (validator.member.key, validator.name.clone())).collect()
}

fn table(traced: &Traced, names: &BTreeMap<PublicKey, String>) -> String {
    let mut rows: Vec<OutputRow<'_>> = traced.nodes.iter().flat_map(rows).collect();
    rows.sort_by_key(|row| row.at_us);
    let width = rows.iter().map(|row| row.node.len()).max().unwrap_or_default().max(4);
    let mut text = format!(
        "{:<24}  {:<width$}  {:>12}  {:>12}  what\n",
        "by the node's clock", "node", "since, ms", "took, ms"
    );
    for row in &rows {
        let at = UnixMillis(row.at_us / 1000).to_string();
        let took = row.took_us.map(milliseconds).unwrap_or_default();
        let line = writeln!(
            text,
            "{at:<24}  {:<width$}  {:>12}  {took:>12}  {}",
            row.node,
            milliseconds(row.since_us),
            words(row.event, names)
        );
        line.expect(IN_MEMORY);
    }
    text.push('\n');
    for node in traced.nodes.iter().filter(|node| node.steps.is_empty()) {
        writeln!(text, "{} has no trace of it", node.name).expect(IN_MEMORY);
    }
    for node in traced.nodes.iter().filter(|node| node.left_out > 0) {
        writeln!(text, "{} took {} steps more than it keeps", node.name, node.left_out).expect(IN_MEMORY);
    }
    for name in &traced.silent {
        writeln!(text, "{name} did not answer").expect(IN_MEMORY);
    }
    text.push_str("Times are exact within a node (since its first step, and since its last); between nodes, clocks differ.\n");
    text
}

fn rows(node: &NodeTrace) -> impl Iterator<Item = OutputRow<'_>> {
    let first = node.steps.first().map_or(0, |step| step.time.0.saturating_mul(1000));
    let before = std::iter::once(None).chain(node.steps.iter().map(|step| Some(step.after_us)));
    node.steps.iter().zip(before).map(move |(step, before)| OutputRow {
        node: &node.name,
        at_us: first.saturating_add(step.after_us),
        since_us: step.after_us,
        took_us: before.map(|before| step.after_us.saturating_sub(before)),
        event: &step.step,
    })
}

/// A step as people read it.
fn words(event: &TraceEvent, names: &BTreeMap<PublicKey, String>) -> String {
    let name = |key: &PublicKey| names.get(key).cloned().unwrap_or_else(|| key.to_string());
    let of = |on: &Signed| match on {
        Signed::Certificate => "certificate",
        Signed::Checkpoint => "checkpoint",
    };
    match event {
        TraceEvent::Received { method } => format!("call {method} came in"),
        TraceEvent::TakenUp => "taken up by the node".to_owned(),
        TraceEvent::Abandoned => "caller disconnected; the operation may still commit".to_owned(),
        TraceEvent::Batched { sequence } => format!("put into batch {sequence}, whose proofs are made"),
        TraceEvent::BatchSent { sequence } => format!("batch {sequence} proved, and sent to the validators"),
        TraceEvent::BatchHandedOver { sequence } => {
            format!("batch {sequence} proved, and handed to a hypermesh service")
        }
        TraceEvent::BatchReceived { from, sequence } => format!("batch {sequence} of {} came", name(from)),
        TraceEvent::BatchTaken { sequence } => format!("batch {sequence} checked, waits to be ordered"),
        TraceEvent::Proposed { height } => format!("proposed in block {height}"),
        TraceEvent::BlockChecked { height, proposer } => {
            format!("block {height} of {} executed: valid", name(proposer))
        }
        TraceEvent::Decided { height, refused: None } => format!("block {height} decided and applied"),
        TraceEvent::Decided { height, refused: Some(reason) } => {
            format!("block {height} decided and applied: refused, {reason}")
        }
        TraceEvent::Durable { height } => format!("block {height} on disk"),
        TraceEvent::SharesAsked { on, of: whom } => {
            let whom: Vec<String> = whom.iter().map(name).collect();
            format!("shares for the {} asked of {}", of(on), whom.join(", "))
        }
        TraceEvent::ShareCame { on, from } => format!("share for the {} came from {}", of(on), name(from)),
        TraceEvent::ShareBad { on, from } => format!("share for the {} of {} IS INVALID", of(on), name(from)),
        TraceEvent::Aggregated { on } => format!("{} signed", of(on)),
        TraceEvent::ShareWanted { on, by } => format!("asked by {} for a share for the {}", name(by), of(on)),
        TraceEvent::ShareGiven { on, to } => format!("share for the {} given to {}", of(on), name(to)),
        TraceEvent::Answered { fault: None } => "answered".to_owned(),
        TraceEvent::Answered { fault: Some(kind) } => format!("answered: {kind:?}"),
        other => other.name().to_owned(),
    }
}

fn milliseconds(micros: u64) -> String {
    format!("{}.{:03}", micros / 1000, micros % 1000)
}

/// The time that a node has for its trace.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);
const IN_MEMORY: &str = "writing into a string does not fail";

#[cfg(test)]
mod tests {
    use super::*;
    use hypermesh_core::api::TraceStep;
    use hypermesh_core::base::{Height, Sequence};

    fn step(time: u64, after_us: u64, step: TraceEvent) -> TraceStep {
        TraceStep { time: UnixMillis(time), after_us, step }
    }

    #[test]
    fn steps_of_all_nodes_stand_in_one_table_by_time() {
        let (one, two) = (PublicKey([1; 32]), PublicKey([2; 32]));
        let names = BTreeMap::from([(one, "node-1".to_owned()), (two, "node-2".to_owned())]);
        let node = |node, name: &str, steps| NodeTrace { node, name: name.into(), steps, left_out: 0 };
        let height = Height(9);
        let asked = vec![
            step(1_000, 0, TraceEvent::Received { method: "trustchain/issue_certificate".into() }),
            step(1_012, 12_345, TraceEvent::Decided { height, refused: None }),
        ];
        let other = vec![step(1_005, 0, TraceEvent::BatchReceived { from: one, sequence: Sequence(3) })];
        let nodes =
            vec![node(one, "node-1", asked), node(two, "node-2", other), node(two, "node-3", Vec::new())];
        let traced = Traced { trace: TraceId([7; 16]), nodes, silent: vec!["node-4".into()] };
        let text = table(&traced, &names);
        let places =
            ["came in", "batch 3 of node-1 came", "block 9 decided"].map(|words| text.find(words).unwrap());
        assert!(places.is_sorted(), "{text}");
        for words in ["12.345", "node-3 has no trace of it", "node-4 did not answer"] {
            assert!(text.contains(words), "{words} in\n{text}");
        }
    }
}
