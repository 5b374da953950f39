//! What happened in a run, hashed as it happens, and kept in words if somebody wants to read it.

use super::records::{EventRecord, Records};
use crate::base::{Link, NodeIndex};
use hypermesh_core::base::{Digest, Mono, Write, WriteBatch};
use hypermesh_core::node::{Event, Output, PersistToken, RequestId};
use std::fmt::Write as _;

const CONTEXT: &str = "hypermesh-sim v1 trace";
/// So much is hashed at once, on all lanes of the processor; the hash is the same as piece by piece.
const HASHED_BYTES: usize = 1 << 16;

/// What happened.
pub struct Trace {
    hasher: blake3::Hasher,
    /// What is to be hashed next.
    unhashed: Vec<u8>,
    count: u64,
    lines: Option<Vec<String>>,
    tape: Vec<Taken>,
    records: Option<Records>,
}

/// One thing that happened, as a tape holds it: what was taken next of all that could have been.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// When.
    pub at: Mono,
    /// To which node, or by it, from 0.
    pub place: NodeIndex,
    /// What it is: one word for each kind.
    pub kind: &'static str,
    /// The first bytes of the hash of its content.
    pub content: [u8; 8],
}

/// Something that happened to a node, or that it did.
pub(crate) struct TapeEntry<'a> {
    pub(crate) at: Mono,
    pub(crate) place: NodeIndex,
    /// What it is: one word for each kind.
    pub(crate) kind: &'static str,
    /// All of it, in bytes.
    pub(crate) content: &'a [u8],
}

impl Trace {
    pub(crate) fn new(keep_lines: bool) -> Self {
        let hasher = blake3::Hasher::new_derive_key(CONTEXT);
        let (lines, records) = (keep_lines.then(Vec::new), keep_lines.then(Records::default));
        let unhashed = Vec::with_capacity(2 * HASHED_BYTES);
        Self { hasher, unhashed, count: 0, lines, tape: Vec::new(), records }
    }

    pub(crate) fn note(&mut self, entry: &TapeEntry<'_>) {
        self.count += 1;
        if self.lines.is_some() {
            let content = first_bytes(entry.content);
            self.tape.push(Taken { at: entry.at, place: entry.place, kind: entry.kind, content });
        }
        if let Some(records) = &mut self.records {
            records.note(entry);
        }
        self.unhashed.extend_from_slice(&entry.at.0.to_le_bytes());
        self.unhashed.extend_from_slice(&(entry.place as u64).to_le_bytes());
        for part in [entry.kind.as_bytes(), entry.content] {
            self.unhashed.extend_from_slice(&(part.len() as u64).to_le_bytes());
            self.unhashed.extend_from_slice(part);
        }
        if self.unhashed.len() >= HASHED_BYTES {
            self.hasher.update(&self.unhashed);
            self.unhashed.clear();
        }
    }

    pub(crate) fn say(&mut self, at: Mono, place: NodeIndex, words: &dyn Fn() -> String) {
        let Some(lines) = &mut self.lines else { return };
        let mut line = String::new();
        let (seconds, micros) = (at.0 / 1_000_000, at.0 % 1_000_000);
        let words = words();
        let written = write!(line, "{seconds:5}.{micros:06} node-{} {words}", place + 1);
        written.expect("writing to a string does not fail");
        lines.push(line);
        if let Some(records) = &mut self.records {
            records.say(at, place, &words);
        }
    }

    /// A node tells something.
    pub(crate) fn tell(&mut self, at: Mono, place: NodeIndex, event: &Event) {
        if let Some(records) = &mut self.records {
            records.tell(at, place, event, in_words(event));
        }
    }

    /// A message is sent, and arrives then; never if it is lost at once.
    pub(crate) fn send(&mut self, now: Mono, link: Link, message: &[u8], arrives: Option<Mono>) {
        if let Some(records) = &mut self.records {
            records.send(now, link, message, arrives);
        }
    }

    /// A message is to arrive now, and does or does not.
    pub(crate) fn arrive(&mut self, now: Mono, link: Link, arrives: bool) {
        if let Some(records) = &mut self.records {
            records.arrive(now, link, arrives);
        }
    }

    /// A node is asked for something.
    pub(crate) fn ask(&mut self, now: Mono, place: NodeIndex, id: RequestId, method: &'static str) {
        if let Some(records) = &mut self.records {
            records.ask(now, place, id, method);
        }
    }

    /// An answer comes, with the reason if it is a refusal.
    pub(crate) fn answer(&mut self, at: Mono, id: RequestId, refusal: Option<&dyn core::fmt::Display>) {
        if let Some(records) = &mut self.records {
            records.answer(at, id, refusal.map(ToString::to_string));
        }
    }

    /// A check found a broken promise in what happened last.
    pub(crate) fn judge(&mut self, at: Mono) {
        if let Some(records) = &mut self.records {
            records.judge(at);
        }
    }

    /// The hash of all that happened so far.
    #[must_use]
    pub fn hash(&self) -> Digest {
        Digest(*self.hasher.clone().update(&self.unhashed).finalize().as_bytes())
    }

    /// How many things happened so far.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Everything that happened, in order, if it was kept.
    #[must_use]
    pub fn tape(&self) -> &[Taken] {
        &self.tape
    }

    /// What happened, in a form that can be drawn, if it was kept.
    #[must_use]
    pub fn records(&self) -> &[EventRecord] {
        self.records.as_ref().map(Records::list).unwrap_or_default()
    }

    /// What happened, a line each, if it was kept.
    #[must_use]
    pub fn lines(&self) -> &[String] {
        self.lines.as_deref().unwrap_or_default()
    }
}

fn first_bytes(content: &[u8]) -> [u8; 8] {
    let hash = blake3::hash(content);
    hash.as_bytes().first_chunk().copied().unwrap_or_default()
}

/// An output in bytes, and in words if it is worth a line.
pub(crate) fn describe(output: &Output) -> (&'static str, Vec<u8>, Option<String>) {
    match output {
        Output::Persist { token, batch } => ("persist", persisted(*token, batch), None),
        Output::Send { to, class, message } => {
            let content = [to.0.as_slice(), format!("{class:?}").as_bytes(), message].concat();
            ("send", content, None)
        }
        Output::Respond { id, response } => {
            let content = match response {
                Ok(response) => response.encode(),
                Err(fault) => fault.to_string().into_bytes(),
            };
            let words = match response {
                Ok(_) => format!("answers request {}", id.0),
                Err(fault) => format!("refuses request {}: {fault}", id.0),
            };
            ("respond", [id.0.to_le_bytes().to_vec(), content].concat(), Some(words))
        }
        Output::Run { id, job } => ("run", format!("{id:?} {}", job.name()).into_bytes(), None),
        Output::Event(event) => ("event", format!("{event:?}").into_bytes(), Some(in_words(event))),
        Output::HandOver { batch, .. } => ("hand over", batch.sequence.0.to_le_bytes().to_vec(), None),
        Output::Step { trace, step } => ("step", [&trace.0, step.name().as_bytes()].concat(), None),
    }
}

fn persisted(token: PersistToken, batch: &WriteBatch) -> Vec<u8> {
    let mut content = token.0.to_le_bytes().to_vec();
    let mut add = |part: &[u8]| {
        content.extend((part.len() as u64).to_le_bytes());
        content.extend(part);
    };
    for write in batch.writes() {
        match write {
            Write::Put { table, key, value } => {
                [b"put", table.name().as_bytes(), key, value].into_iter().for_each(&mut add);
            }
            Write::Delete { table, key } => {
                [b"delete", table.name().as_bytes(), key].into_iter().for_each(&mut add);
            }
            Write::Clear { table } => [b"clear", table.name().as_bytes()].into_iter().for_each(&mut add),
        }
    }
    content
}

fn in_words(event: &Event) -> String {
    match event {
        Event::Committed { height, hash, operations, .. } => {
            format!("committed height {height} ({operations} operations) {}", short(hash))
        }
        other => format!("{other:?}"),
    }
}

fn short(hash: &Digest) -> String {
    hash.to_string().chars().take(8).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_that_of_all_bytes_in_order_wherever_they_are_cut() {
        let mut trace = Trace::new(false);
        let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
        for number in 0..200_u64 {
            let content = vec![7; 1000];
            trace.note(&TapeEntry { at: Mono(number), place: 3, kind: "kind", content: &content });
            for part in [&number.to_le_bytes()[..], &3_u64.to_le_bytes(), &4_u64.to_le_bytes(), b"kind"] {
                hasher.update(part);
            }
            hasher.update(&1000_u64.to_le_bytes()).update(&content);
            assert_eq!(trace.hash().0, *hasher.finalize().as_bytes(), "after {number}");
        }
    }
}
