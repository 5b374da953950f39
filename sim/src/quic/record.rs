//! What happened in a run: the hash of every datagram and event, the answers, and whether a promise was broken.

use crate::check::{Checks, Moment, Violation};
use crate::world::{Entry, Place, Trace, describe};
use hypermesh_core::api::{Response, View};
use hypermesh_core::base::Mono;
use hypermesh_core::node::{Event, Output, RequestId};
use hypermesh_core::state::Genesis;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use stoq::CallError;

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
    pub(super) sender: Place,
    pub(super) source_port: u16,
    pub(super) target: SocketAddr,
    pub(super) bytes: &'a [u8],
    /// Whether the network loses it. Datagrams across a partition are lost too, but look sent.
    pub(super) lost: bool,
}

/// What happened so far. The hosts and the world share it.
#[derive(Clone)]
pub(super) struct Record(Arc<Mutex<Contents>>);

pub(super) struct Contents {
    pub(super) trace: Trace,
    checks: Checks,
    pub(super) events: Vec<(Mono, Place, Event)>,
    pub(super) answers: BTreeMap<RequestId, Answer>,
    pub(super) violation: Option<Violation>,
    pub(super) datagrams: u64,
}

impl Record {
    pub(super) fn new(genesis: &Arc<Genesis>, keep_lines: bool) -> Self {
        Self(Arc::new(Mutex::new(Contents {
            trace: Trace::new(keep_lines),
            checks: Checks::new(genesis),
            events: Vec::new(),
            answers: BTreeMap::new(),
            violation: None,
            datagrams: 0,
        })))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Contents> {
        self.0.lock().expect("a world runs on one thread, and a panic in it ends the run")
    }

    /// Something that the world does to a node.
    pub(super) fn note(&self, at: Mono, place: Place, kind: &'static str, content: &[u8], words: &str) {
        let mut contents = self.lock();
        contents.trace.note(&Entry { at, place, kind, content });
        contents.trace.say(at, place, &|| words.to_string());
    }

    pub(super) fn datagram(&self, at: Mono, datagram: &Datagram<'_>) {
        let Datagram { sender: place, source_port, target, bytes, lost } = datagram;
        let hash = blake3::hash(bytes);
        let content = format!("{source_port} {target} {} {lost} {hash}", bytes.len());
        let mut contents = self.lock();
        contents.datagrams += 1;
        contents.trace.note(&Entry { at, place: *place, kind: "datagram", content: content.as_bytes() });
        contents.trace.say(at, *place, &|| format!("datagram {content}"));
    }

    pub(super) fn event(&self, at: Mono, place: Place, event: &Event) {
        let mut contents = self.lock();
        let (kind, content, words) = describe(&Output::Event(event.clone()));
        contents.trace.note(&Entry { at, place, kind, content: &content });
        contents.trace.say(at, place, &|| words.clone().unwrap_or_default());
        if let Err(violation) = contents.checks.on_event(place, event) {
            contents.violation.get_or_insert(violation);
        }
        contents.events.push((at, place, event.clone()));
    }

    pub(super) fn view(&self, moment: &Moment<'_>, view: &View) {
        let mut contents = self.lock();
        if let Err(violation) = contents.checks.on_view(moment, view).map(|_| ()) {
            contents.violation.get_or_insert(violation);
        }
    }

    pub(super) fn answer(
        &self,
        at: Mono,
        place: Place,
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

/// The time since the world began. Must be called from within a host of the simulation.
pub(super) fn now() -> Mono {
    Mono(0).after(turmoil::sim_elapsed().expect("only hosts of the simulation ask"))
}
