//! What happened in a run: the hash of every datagram and event, the answers, and whether a promise was broken.

use super::path::{Arrival, Corruption, DatagramFate};
use crate::base::{NodeIndex, Participants};
use crate::check::{Checks, Violation};
use crate::fault::{Coverage, FaultClass};
use crate::world::{TapeEntry, Trace, describe};
use hypermesh_core::api::{Response, View};
use hypermesh_core::base::Mono;
use hypermesh_core::node::{Event, Output, RequestId};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use stoq::{CallError, ClientMetrics};

/// An answer to a request.
#[derive(Clone, Debug)]
pub struct Answer {
    /// When it came.
    pub at: Mono,
    /// What it was.
    pub response: Result<Response, CallError>,
}

/// A datagram as its sender hands it to the network.
pub(super) struct Datagram<'a> {
    pub(super) sender: NodeIndex,
    pub(super) source_port: u16,
    pub(super) target: SocketAddr,
    pub(super) bytes: &'a [u8],
    /// What becomes of it.
    pub(super) verdict: &'a DatagramFate,
}

/// What happened so far. The hosts and the world share it.
#[derive(Clone)]
pub(super) struct SharedRecord(Arc<Mutex<Contents>>);

pub(super) struct Contents {
    pub(super) trace: Trace,
    checks: Checks,
    pub(super) events: Vec<(Mono, NodeIndex, Event)>,
    pub(super) answers: BTreeMap<RequestId, Answer>,
    pub(super) violation: Option<Violation>,
    pub(super) datagrams: u64,
    pub(super) coverage: Coverage,
    /// What the client has counted, when it was last answered.
    pub(super) client: ClientMetrics,
}

impl SharedRecord {
    pub(super) fn new(participants: &Participants, keep_lines: bool) -> Self {
        Self(Arc::new(Mutex::new(Contents {
            trace: Trace::new(keep_lines),
            checks: Checks::new(participants),
            events: Vec::new(),
            answers: BTreeMap::new(),
            violation: None,
            datagrams: 0,
            coverage: Coverage::default(),
            client: ClientMetrics::default(),
        })))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Contents> {
        self.0.lock().expect("a world runs on one thread, and a panic in it ends the run")
    }

    /// Something that the world does to a node.
    pub(super) fn note(&self, at: Mono, place: NodeIndex, kind: &'static str, content: &[u8], words: &str) {
        let mut contents = self.lock();
        contents.trace.note(&TapeEntry { at, place, kind, content });
        contents.trace.say(at, place, &|| words.to_string());
    }

    pub(super) fn datagram(&self, at: Mono, datagram: &Datagram<'_>) {
        let Datagram { sender: place, source_port, target, bytes, verdict } = datagram;
        let hash = blake3::hash(bytes);
        let mut content = target_bytes(*target).to_vec();
        content.extend(source_port.to_le_bytes());
        content.extend((bytes.len() as u64).to_le_bytes());
        content.extend(verdict.arrivals.iter().flat_map(arrival_bytes));
        content.extend(hash.as_bytes());
        let mut contents = self.lock();
        contents.datagrams += 1;
        verdict.hits.iter().for_each(|class| contents.coverage.hit(*class));
        contents.trace.note(&TapeEntry { at, place: *place, kind: "datagram", content: &content });
        let words = || {
            let fates = verdict.hits.iter().map(|class| class.name()).collect::<Vec<_>>().join(" ");
            let (len, arrives) = (bytes.len(), verdict.arrivals.len());
            format!("datagram {source_port} {target} {len} bytes, arrives {arrives} times {fates} {hash}")
        };
        contents.trace.say(at, *place, &words);
    }

    /// Counts an effect of a class of faults.
    pub(super) fn hit(&self, class: FaultClass) {
        self.lock().coverage.hit(class);
    }

    pub(super) fn event(&self, at: Mono, place: NodeIndex, event: &Event) {
        let mut contents = self.lock();
        let (kind, content, words) = describe(&Output::Event(event.clone()));
        contents.trace.note(&TapeEntry { at, place, kind, content: &content });
        contents.trace.say(at, place, &|| words.clone().unwrap_or_default());
        contents.trace.tell(at, place, event);
        contents.events.push((at, place, event.clone()));
        drop(contents);
        self.check(|checks| checks.on_event(place, event));
    }

    /// Looks at something, or takes note of it, and remembers the first promise that is broken.
    pub(super) fn check(&self, look: impl FnOnce(&mut Checks) -> Result<(), Violation>) {
        let contents = &mut *self.lock();
        if let Err(violation) = look(&mut contents.checks) {
            contents.violation.get_or_insert(violation);
        }
    }

    pub(super) fn answer(
        &self,
        at: Mono,
        place: NodeIndex,
        id: RequestId,
        response: Result<Response, CallError>,
    ) {
        let words = match &response {
            Ok(_) => format!("has an answer to request {}", id.0),
            Err(error) => format!("has no answer to request {}: {error}", id.0),
        };
        let content = match &response {
            Ok(response) => response.encode(),
            Err(error) => error.to_string().into_bytes(),
        };
        self.note(at, place, "answer", &[id.0.to_le_bytes().to_vec(), content].concat(), &words);
        self.lock().answers.insert(id, Answer { at, response });
    }

    pub(super) fn finish(&self, views: &[Arc<View>]) -> Result<(), Violation> {
        self.lock().checks.finish(views)
    }
}

fn target_bytes(target: SocketAddr) -> [u8; 18] {
    let mut bytes = [0; 18];
    let (address, port) = bytes.split_at_mut(16);
    match target {
        SocketAddr::V4(target) => address.copy_from_slice(&target.ip().to_ipv6_mapped().octets()),
        SocketAddr::V6(target) => address.copy_from_slice(&target.ip().octets()),
    }
    port.copy_from_slice(&target.port().to_le_bytes());
    bytes
}

fn arrival_bytes(arrival: &Arrival) -> [u8; 17] {
    let (kind, place) = match arrival.corruption {
        None => (0, 0),
        Some(Corruption::Cut { len }) => (1, len),
        Some(Corruption::Flip { byte, bit }) => (2 + bit, byte),
    };
    let mut bytes = [kind; 17];
    bytes[..8].copy_from_slice(&arrival.at.0.to_le_bytes());
    bytes[8..16].copy_from_slice(&(place as u64).to_le_bytes());
    bytes
}

/// The time since the world began. Must be called from within a host of the simulation.
pub(super) fn now() -> Mono {
    Mono(0).after(turmoil::sim_elapsed().expect("only hosts of the simulation ask"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hypermesh_core::base::{Digest, Height, UnixMillis};

    #[test]
    fn the_first_promise_that_is_broken_is_remembered() {
        let record = SharedRecord::new(&Participants::new(4), false);
        for (place, height, hash) in [(0, 3, 1), (0, 4, 1), (1, 3, 2), (1, 4, 2)] {
            let (height, hash, time) = (Height(height), Digest([hash; 32]), UnixMillis(0));
            record.event(Mono(0), place, &Event::Committed { height, hash, time, operations: 0 });
        }
        let violation = record.lock().violation.clone().unwrap();
        assert_eq!(violation.check, "fork");
        assert!(violation.what.contains('3'), "{}", violation.what);
    }
}
