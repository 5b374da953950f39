//! What comes along with an answer: the records that a client asks for next, where the mesh has them.
//!
//! These are the addresses of the hosts that the answer points at (RFC 1035 §3.3.9, RFC 2782), and after an SVCB or HTTPS record in
//! alias mode the records of that type at its target, and what those lead to (RFC 9460 §4.1). Aliases of either kind are
//! followed inside the mesh's zones. All of it together is at most [`ADDITIONAL_TARGETS_MAX`] names, so that an answer
//! costs a bounded number of look-ups, whatever leads where.

use super::resolve::{Lookup, zone_of};
use super::{ADDITIONAL_TARGETS_MAX, RecordData, RecordSet, RecordType, ZoneSource};
use crate::trustchain::DomainName;
use alloc::borrow::Cow;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// The additional sets of an answer, in order.
pub(super) struct Additional<'a> {
    source: &'a dyn ZoneSource,
    /// What has been or will be looked up, each once.
    seen: Vec<AdditionalQuery>,
    /// How many of those have been looked up.
    followed: usize,
    /// The sets that the response has: none goes in twice.
    taken: Vec<(DomainName, RecordType)>,
    /// Sets of the name that was looked up last.
    found: VecDeque<(DomainName, Cow<'a, RecordSet>)>,
}

/// A name that a client looks up next.
#[derive(Clone, Debug, PartialEq, Eq)]
struct AdditionalQuery {
    name: DomainName,
    /// SVCB or HTTPS, if the name is the target of a record of this type in alias mode.
    alias_of: Option<RecordType>,
}

impl<'a> Additional<'a> {
    pub(super) fn of(source: &'a dyn ZoneSource, lookup: &Lookup<'_>) -> Self {
        let answers = lookup.answers.iter();
        let taken =
            answers.filter_map(|found| Some((found.name.clone(), found.set.record_type()?))).collect();
        let mut additional = Self { source, seen: Vec::new(), followed: 0, taken, found: VecDeque::new() };
        for found in &lookup.answers {
            additional.note(&found.name, &found.set);
        }
        additional
    }

    /// Notes what a set leads to. The target of a CNAME record in the answer has been looked up already.
    fn note(&mut self, owner: &DomainName, set: &RecordSet) {
        for query in set.data.iter().filter_map(|data| AdditionalQuery::of(owner, data)) {
            self.push(query);
        }
    }

    fn push(&mut self, query: AdditionalQuery) {
        let room = self.seen.len() < ADDITIONAL_TARGETS_MAX;
        if room && !self.seen.contains(&query) && zone_of(self.source, &query.name).is_some() {
            self.seen.push(query);
        }
    }

    fn look_up(&mut self, query: &AdditionalQuery) {
        if let Some(set) = self.take(&query.name, RecordType::Cname) {
            if let Some(RecordData::Cname(target)) = set.data.first() {
                self.push(AdditionalQuery { name: target.clone(), alias_of: query.alias_of });
            }
            return self.found.push_back((query.name.clone(), set));
        }
        if let Some(set) = query.alias_of.and_then(|record_type| self.take(&query.name, record_type)) {
            self.note(&query.name, &set);
            self.found.push_back((query.name.clone(), set));
        }
        for record_type in [RecordType::Aaaa, RecordType::A] {
            let set = self.take(&query.name, record_type);
            self.found.extend(set.map(|set| (query.name.clone(), set)));
        }
    }

    /// The records of a type at a name, if there are some that the response does not have yet.
    fn take(&mut self, name: &DomainName, record_type: RecordType) -> Option<Cow<'a, RecordSet>> {
        let set = self.source.record_set(name, record_type)?;
        let new = !self.taken.iter().any(|taken| (&taken.0, taken.1) == (name, record_type));
        self.taken.extend(new.then(|| (name.clone(), record_type)));
        new.then_some(set)
    }
}

impl<'a> Iterator for Additional<'a> {
    type Item = (DomainName, Cow<'a, RecordSet>);

    fn next(&mut self) -> Option<Self::Item> {
        while self.found.is_empty() {
            let query = self.seen.get(self.followed)?.clone();
            self.followed += 1;
            self.look_up(&query);
        }
        self.found.pop_front()
    }
}

impl AdditionalQuery {
    /// What a record at `owner` leads to.
    fn of(owner: &DomainName, data: &RecordData) -> Option<Self> {
        match data {
            RecordData::Svcb { priority: 0, target, .. } | RecordData::Https { priority: 0, target, .. } => {
                let alias_of = Some(data.record_type());
                target.clone().map(|name| Self { name, alias_of })
            }
            // "." is the record's own name (RFC 9460 §2.5.2).
            RecordData::Svcb { target: None, .. } | RecordData::Https { target: None, .. } => {
                Some(Self { name: owner.clone(), alias_of: None })
            }
            _ => data.target().cloned().map(|name| Self { name, alias_of: None }),
        }
    }
}
