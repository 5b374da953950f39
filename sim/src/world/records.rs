//! What happened in a run, in a form that can be drawn: messages from the moment they leave to that at which they
//! arrive or are lost, what nodes tell, requests and their answers, when nodes were down, where a check spoke.
//!
//! Records are made only for a run whose trace is kept, and never change what happens in it or its hash.

use super::trace::TapeEntry;
use crate::base::{Link, NodeIndex};
use hypermesh_core::base::{Height, Mono};
use hypermesh_core::node::{Event, MessageLabel, RequestId, label_message};
use std::collections::{BTreeMap, VecDeque};

/// A place in the order of everything that happened; things at one instant have an order too.
pub type EventIndex = u64;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRecord {
    /// When it happened, or began.
    pub at: Mono,
    /// Its place in the order of everything.
    pub step: EventIndex,
    /// At which node, or by it, from 0.
    pub place: NodeIndex,
    /// What it is.
    pub what: Recorded,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Recorded {
    /// The node sent a message.
    Message(MessageRecord),
    /// The node told something.
    Event {
        /// What, in a word: the name of the [`Event`].
        kind: String,
        /// The height of the block, if one was decided.
        committed: Option<Height>,
        /// What, in full.
        words: String,
    },
    /// The node was asked for something.
    Request(RequestRecord),
    /// The node was down until then; `None` if it was when the run ended.
    Down {
        /// When it started again.
        until: Option<Mono>,
    },
    /// Something was done to the node, or to the world.
    Done {
        /// What.
        words: String,
    },
    /// A check found a broken promise in what the node did.
    Verdict,
}

/// A message that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageRecord {
    /// To which node.
    pub target: NodeIndex,
    /// What it claims to be.
    pub label: MessageLabel,
    /// Its length.
    pub bytes: usize,
    /// What became of it.
    pub fate: Fate,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It arrived.
    Arrived {
        /// When.
        at: Mono,
        /// The arrival's place in the order of everything.
        step: EventIndex,
    },
    /// It was lost, and would have arrived then, or never.
    Lost {
        /// When it was lost for certain.
        at: Mono,
    },
    /// It was still under way when the run ended.
    UnderWay,
}

/// A request that a node was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestRecord {
    /// Its number in the run.
    pub id: u64,
    /// The method's name.
    pub method: &'static str,
    /// The answer, if one came.
    pub answer: Option<AnswerRecord>,
}

/// An answer to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerRecord {
    /// When it came.
    pub at: Mono,
    /// The answer's place in the order of everything.
    pub step: EventIndex,
    /// Why what was asked for was refused, if it was.
    pub refusal: Option<String>,
}

/// The records of a run while it goes on.
#[derive(Default)]
pub(super) struct Records {
    list: Vec<EventRecord>,
    step: EventIndex,
    /// Messages under way, by when and where they are to arrive; those at one instant arrive in the order in which
    /// they were sent.
    under_way: BTreeMap<(Mono, Link), VecDeque<usize>>,
    requests: BTreeMap<RequestId, usize>,
    down: BTreeMap<NodeIndex, usize>,
    /// The node that something happened to last.
    last_place: NodeIndex,
    /// Whether the next words are about the entry just noted, which has a record of its own.
    is_recorded: bool,
}

impl Records {
    pub(super) fn list(&self) -> &[EventRecord] {
        &self.list
    }

    /// Takes an entry of the trace.
    pub(super) fn note(&mut self, entry: &TapeEntry<'_>) {
        self.last_place = entry.place;
        self.is_recorded = true;
        match entry.kind {
            "crash" => {
                let index = self.push(entry.at, entry.place, Recorded::Down { until: None });
                self.down.insert(entry.place, index);
            }
            "start" => {
                let index = self.down.remove(&entry.place);
                let down = self.what(index);
                if let Some(Recorded::Down { until }) = down {
                    *until = Some(entry.at);
                } else {
                    self.is_recorded = false;
                }
            }
            _ => {}
        }
    }

    /// Takes words about a node: what is done to it, unless they are about an entry that was just noted.
    pub(super) fn say(&mut self, at: Mono, place: NodeIndex, words: &str) {
        if !core::mem::take(&mut self.is_recorded) {
            self.push(at, place, Recorded::Done { words: words.to_string() });
        }
    }

    /// Takes something that a node told.
    pub(super) fn tell(&mut self, at: Mono, place: NodeIndex, event: &Event, words: String) {
        let committed = if let Event::Committed { height, .. } = event { Some(*height) } else { None };
        self.push(at, place, Recorded::Event { kind: kind_of(event), committed, words });
    }

    /// Takes a message that is sent, and when it arrives; never if it is lost at once.
    pub(super) fn send(&mut self, now: Mono, link: Link, message: &[u8], arrives: Option<Mono>) {
        let fate = if arrives.is_some() { Fate::UnderWay } else { Fate::Lost { at: now } };
        let label = label_message(message);
        let record = MessageRecord { target: link.target, label, bytes: message.len(), fate };
        let index = self.push(now, link.source, Recorded::Message(record));
        if let Some(at) = arrives {
            self.under_way.entry((at, link)).or_default().push_back(index);
        }
    }

    /// Takes the moment at which a message is to arrive, and whether it does.
    pub(super) fn arrive(&mut self, now: Mono, link: Link, arrives: bool) {
        let Some(waiting) = self.under_way.get_mut(&(now, link)) else { return };
        let index = waiting.pop_front();
        if waiting.is_empty() {
            self.under_way.remove(&(now, link));
        }
        let step = self.next_step();
        if let Some(Recorded::Message(message)) = self.what(index) {
            message.fate = if arrives { Fate::Arrived { at: now, step } } else { Fate::Lost { at: now } };
        }
    }

    pub(super) fn ask(&mut self, now: Mono, place: NodeIndex, id: RequestId, method: &'static str) {
        let request = RequestRecord { id: id.0, method, answer: None };
        let index = self.push(now, place, Recorded::Request(request));
        self.requests.insert(id, index);
    }

    pub(super) fn answer(&mut self, at: Mono, id: RequestId, refusal: Option<String>) {
        let (step, index) = (self.next_step(), self.requests.get(&id).copied());
        if let Some(Recorded::Request(request)) = self.what(index) {
            request.answer = Some(AnswerRecord { at, step, refusal });
        }
    }

    /// A check found a broken promise in what was done last.
    pub(super) fn judge(&mut self, at: Mono) {
        self.push(at, self.last_place, Recorded::Verdict);
    }

    fn push(&mut self, at: Mono, place: NodeIndex, what: Recorded) -> usize {
        let step = self.next_step();
        self.list.push(EventRecord { at, step, place, what });
        self.list.len() - 1
    }

    fn what(&mut self, index: Option<usize>) -> Option<&mut Recorded> {
        self.list.get_mut(index?).map(|record| &mut record.what)
    }

    const fn next_step(&mut self) -> EventIndex {
        self.step += 1;
        self.step
    }
}

/// The name of an event, from how it prints.
fn kind_of(event: &Event) -> String {
    let printed = format!("{event:?}");
    let mut kind = String::new();
    for letter in printed.chars().take_while(char::is_ascii_alphanumeric) {
        if letter.is_ascii_uppercase() && !kind.is_empty() {
            kind.push('-');
        }
        kind.push(letter.to_ascii_lowercase());
    }
    kind
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINK: Link = Link { source: 0, target: 1 };

    fn fates(records: &Records) -> Vec<Fate> {
        let fate = |record: &EventRecord| match &record.what {
            Recorded::Message(message) => Some(message.fate),
            _ => None,
        };
        records.list().iter().filter_map(fate).collect()
    }

    #[test]
    fn messages_arrive_in_the_order_in_which_they_were_sent_or_are_lost() {
        let mut records = Records::default();
        records.send(Mono(1), LINK, b"", Some(Mono(5)));
        records.send(Mono(2), LINK, b"", Some(Mono(5)));
        records.send(Mono(3), LINK, b"", None);
        records.send(Mono(4), LINK, b"", Some(Mono(9)));
        records.arrive(Mono(5), LINK, true);
        records.arrive(Mono(5), LINK, false);
        let arrived = Fate::Arrived { at: Mono(5), step: 5 };
        let lost = |at| Fate::Lost { at: Mono(at) };
        assert_eq!(fates(&records), [arrived, lost(5), lost(3), Fate::UnderWay]);
    }

    #[test]
    fn words_about_an_entry_are_not_taken_twice() {
        let mut records = Records::default();
        let entry = |kind| TapeEntry { at: Mono(1), place: 2, kind, content: &[] };
        records.note(&entry("event"));
        records.say(Mono(1), 2, "votes again");
        records.tell(Mono(1), 2, &Event::VotesAgain { height: Height(3) }, "votes again".to_string());
        records.say(Mono(1), 2, "has another disk");
        records.note(&entry("respond"));
        records.say(Mono(1), 2, "answers request 1");
        let whats: Vec<Recorded> = records.list().iter().map(|record| record.what.clone()).collect();
        let (kind, words) = ("votes-again".to_string(), "votes again".to_string());
        let event = Recorded::Event { kind, committed: None, words };
        assert_eq!(whats, [event, Recorded::Done { words: "has another disk".to_string() }]);
    }

    #[test]
    fn a_node_is_down_from_its_crash_until_it_starts() {
        let mut records = Records::default();
        let entry = |at, kind| TapeEntry { at: Mono(at), place: 0, kind, content: &[] };
        records.note(&entry(1, "start"));
        records.note(&entry(2, "crash"));
        records.note(&entry(7, "start"));
        records.note(&entry(9, "crash"));
        let whats: Vec<Recorded> = records.list().iter().map(|record| record.what.clone()).collect();
        assert_eq!(whats, [Recorded::Down { until: Some(Mono(7)) }, Recorded::Down { until: None }]);
    }
}
