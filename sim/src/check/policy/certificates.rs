//! Certificates: who may have which names certified, for how long, what is published of them, and who may revoke them.
//!
//! `docs/protocol.md` ("Certificates and their consensus proof", "Revocation lists").

use super::model::Model;
use super::reason::{RefusalReason, RefusalReasons};
use super::root_list::RootList;
use hypermesh_core::base::{Digest, Height, PublicKey, UnixMillis};
use hypermesh_core::state::{
    Certificate, CertifiedName, CompromisedKey, Effect, IssueCertificate, IssuingCertificate, Protocol,
    ReclaimName, Revocation, RevocationListHead, RevokeCertificate, Revoked, SameKey, State,
};
use hypermesh_core::trustchain::DomainName;
use hypermesh_core::trustchain::ca::{CertificateRequest, RevocationReason, SerialNumber, SubjectNames};
use hypermesh_core::trustchain::dns::{RecordData, RecordType};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;

pub(super) const DAY_MS: u64 = 24 * 60 * 60 * 1000;
/// A root certificate holds ten years.
const ROOT_MS_LIFETIME: u64 = 3_652 * DAY_MS;
/// An issuing certificate holds a year.
const ISSUING_MS_LIFETIME: u64 = 365 * DAY_MS;
/// `notBefore` is block time less a minute.
const BACKDATED_MS: u64 = 60_000;
/// There is a list 12 h after the last that came by the clock.
const LIST_MS_PERIOD: u64 = DAY_MS / 2;
/// The most certificates in a list.
pub(super) const LIST_COUNT_MAX: usize = 16_384;

/// The most certificates of the same key and owner that are revoked with one whose key is compromised.
const TOGETHER_COUNT_MAX: usize = 32;
/// The most names of certificates that are looked at when a name is taken back.
const LOOKED_AT_MAX: usize = 64;
/// The most certificates of such a key that are named because they stand still.
const STANDING_COUNT_MAX: usize = 32;

/// A certificate, as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Leaf {
    pub(super) owner: PublicKey,
    pub(super) names: SubjectNames,
    pub(super) key: Digest,
    pub(super) height: Height,
    pub(super) not_before: UnixMillis,
    pub(super) not_after: UnixMillis,
    pub(super) tlsa: Vec<DomainName>,
    /// When, why, and from which list on, if it was revoked.
    pub(super) revoked: Option<(UnixMillis, RevocationReason, u64)>,
    /// Whether its keys were withdrawn because it has expired.
    pub(super) withdrawn: bool,
}

/// How long the newest issuing certificate holds, and the root above it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Issuing {
    not_before: UnixMillis,
    pub(super) not_after: UnixMillis,
    root_not_after: UnixMillis,
}

/// The revocation list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct List {
    pub(super) number: u64,
    pub(super) fixed: UnixMillis,
    pub(super) scheduled: UnixMillis,
    pub(super) entries: BTreeMap<SerialNumber, (UnixMillis, RevocationReason, UnixMillis)>,
}

impl Leaf {
    /// Whether its last second is over.
    const fn has_ended(&self, time: UnixMillis) -> bool {
        self.not_after.seconds() < time.seconds()
    }
}

/// In whole seconds, as certificates write times.
pub(super) const fn whole(time: UnixMillis) -> UnixMillis {
    UnixMillis(time.seconds() * 1000)
}

impl Issuing {
    fn of(state: &State) -> Option<Self> {
        let root_not_after = whole(state.committee()?.time.plus(ROOT_MS_LIFETIME));
        let (_, newest) = state.rows::<IssuingCertificate>(Vec::new()).last()?;
        Some(Self::issued(newest.time, root_not_after))
    }

    fn issued(at: UnixMillis, root_not_after: UnixMillis) -> Self {
        let not_after = whole(at.plus(ISSUING_MS_LIFETIME)).min(root_not_after);
        Self { not_before: whole(at.minus(BACKDATED_MS)), not_after, root_not_after }
    }

    /// The next one, if two thirds of this one's life are over, and the root lets it hold longer.
    fn renewed(&self, time: UnixMillis) -> Option<Self> {
        let due = self.not_before.plus(self.not_after.since(self.not_before) / 3 * 2);
        let next = Self::issued(time, self.root_not_after);
        (due < time && next.not_after > self.not_after).then_some(next)
    }
}

impl Model {
    /// The certificates of a state, its authority and its list.
    pub(super) fn take_certificates(&mut self, state: &State) {
        self.issuing = Issuing::of(state);
        self.root_list = RootList::of(state);
        let rows = state.rows::<Certificate>(Vec::new());
        let rows = rows.filter_map(|(key, row)| Some((SerialNumber::from_bytes(&key).ok()?, row)));
        for (serial, row) in rows {
            let revoked =
                row.revocation.map(|revocation| (revocation.at, revocation.reason, revocation.list));
            let leaf = Leaf {
                owner: row.owner,
                names: row.names,
                key: row.subject_key,
                height: row.height,
                not_before: row.not_before,
                not_after: row.not_after,
                tlsa: row.tlsa,
                revoked,
                withdrawn: row.not_after < state.time(),
            };
            self.leaves.insert(serial, leaf);
        }
        let compromised = state.rows::<CompromisedKey>(Vec::new());
        self.compromised = compromised.filter_map(|(key, _)| key.try_into().ok().map(Digest)).collect();
        self.list = state.get::<RevocationListHead>(&()).map(|head| {
            let rows = state.rows::<Revoked>(Vec::new());
            let entry = |(key, row): (Vec<u8>, Revoked)| {
                Some((SerialNumber::from_bytes(&key).ok()?, (row.at, row.reason, row.not_after)))
            };
            let entries = rows.filter_map(entry).collect();
            List { number: head.number, fixed: head.this_update, scheduled: head.scheduled, entries }
        });
    }

    /// What stands against a certificate.
    pub(super) fn against_issuing(
        &self,
        issue: &IssueCertificate,
        request: &CertificateRequest,
        owner: PublicKey,
        time: UnixMillis,
    ) -> RefusalReasons {
        let names = &request.names;
        let mut against = RefusalReasons::new();
        match &self.issuing {
            None => against.extend([RefusalReason::NoCommittee]),
            Some(issuing) if time.plus(u64::from(issue.lifetime_seconds) * 1000) > issuing.not_after => {
                against.insert(RefusalReason::OutlivesIssuer);
            }
            Some(_) => {}
        }
        if self.compromised.contains(&request.subject_key.spki_hash()) {
            against.insert(RefusalReason::Compromised);
        }
        // Every single one of them.
        for name in names.dns() {
            against.extend(self.names.against(name, owner, time));
            if !super::names::is_within(name, &self.names.zone) {
                against.insert(RefusalReason::Unfit);
            }
        }
        let end = time.plus(u64::from(issue.lifetime_seconds) * 1000);
        let ends = self.certified(names).into_iter().filter_map(|name| self.names.granted_until(&name, time));
        if ends.into_iter().any(|until| until < end) {
            against.insert(RefusalReason::OutlivesGrant);
        }
        if names.ipv6().iter().any(|address| !self.is_address_of(names.dns(), *address)) {
            against.insert(RefusalReason::Address);
        }
        if let Some(id) = names.spiffe() {
            against.extend(self.against_identity(id, owner, time));
        }
        for name in tlsa_names(names.dns(), issue) {
            against.extend(self.names.against(&name, owner, time));
            if self.records.by_hand.contains_key(&(name, RecordType::Cname)) {
                against.insert(RefusalReason::Alias);
            }
        }
        against
    }

    /// Whether one of these names has this address as an AAAA record.
    fn is_address_of(&self, names: &[DomainName], address: Ipv6Addr) -> bool {
        let record = RecordData::Aaaa(address);
        let at = |name| self.standing(name, RecordType::Aaaa).is_some_and(|set| set.data.contains(&record));
        names.iter().any(at)
    }

    /// A SPIFFE ID is the owner's of the name that is its trust domain. In the trust domain that is the zone, its path
    /// begins with a name of the owner's, whole or without the zone.
    fn against_identity(&self, id: &str, owner: PublicKey, time: UnixMillis) -> RefusalReasons {
        let zone = &self.names.zone;
        let Some(name) = self.identity_name(id) else { return RefusalReasons::from([RefusalReason::Spiffe]) };
        let mut against = self.names.against(&name, owner, time);
        if !super::names::is_within(&name, zone) {
            against.insert(RefusalReason::Unfit);
        }
        against
    }

    /// The name whose owner may have a SPIFFE ID.
    fn identity_name(&self, id: &str) -> Option<DomainName> {
        let zone = &self.names.zone;
        let rest = id.strip_prefix("spiffe://")?;
        let (domain, path) = rest.split_once('/').unwrap_or((rest, ""));
        let domain = domain.parse::<DomainName>().ok().filter(|parsed| parsed.as_str() == domain)?;
        if domain != *zone {
            return Some(domain);
        }
        let first = path.split('/').next().unwrap_or_default();
        let whole = first.parse::<DomainName>().ok().filter(|name| super::names::is_within(name, zone));
        whole.or_else(|| format!("{first}.{zone}").parse().ok())
    }

    /// The names that a certificate for these is under: each of them, and the one in its SPIFFE ID.
    fn certified(&self, names: &SubjectNames) -> BTreeSet<DomainName> {
        let identity = names.spiffe().and_then(|id| self.identity_name(id));
        names.dns().iter().cloned().chain(identity).collect()
    }

    /// Takes a name back, and revokes what was certified there for others than the owners of now: a bounded number, in the
    /// order of the names from the top label down, and of the serial numbers.
    pub(super) fn reclaim(&mut self, reclaim: &ReclaimName, time: UnixMillis) -> Option<Effect> {
        let taken = self.names.take_back(&reclaim.name);
        let (previous, gone) = taken.map_or((None, Vec::new()), |(owner, gone)| (Some(owner), gone));
        self.touched.names.extend(gone);
        let key = |certified: &CertifiedName| {
            let labels = certified.name.labels().rev().flat_map(|label| [label.as_bytes(), &[0]].concat());
            let serial = certified.serial.as_bytes().iter().copied();
            labels.chain([0]).chain(serial).collect::<Vec<u8>>()
        };
        let standing = self.leaves.iter().filter(|(_, leaf)| leaf.revoked.is_none() && !leaf.withdrawn);
        let all = standing.flat_map(|(serial, leaf)| {
            let names = self.certified(&leaf.names).into_iter();
            let below = names.filter(|name| super::names::is_within(name, &reclaim.name));
            below.map(|name| (CertifiedName { name, serial: *serial }, leaf.owner)).collect::<Vec<_>>()
        });
        let mut all: Vec<(CertifiedName, PublicKey)> = all.collect();
        all.sort_by_key(|(certified, _)| key(certified));
        let start = reclaim.start.as_ref().map(key).unwrap_or_default();
        all.retain(|(certified, _)| key(certified) >= start);
        let mut revoked = Vec::new();
        for (looked_at, (certified, owner)) in all.into_iter().enumerate() {
            let serial = certified.serial;
            let goes = !revoked.contains(&serial) && self.names.owner(&certified.name, time) != Some(owner);
            let no_room = self.list.as_ref()?.entries.len() >= LIST_COUNT_MAX;
            if looked_at == LOOKED_AT_MAX || (goes && (revoked.len() == TOGETHER_COUNT_MAX || no_room)) {
                return Some(Effect::NameReclaimed { previous, revoked, rest: Some(certified) });
            }
            if goes {
                self.end(serial, RevocationReason::PrivilegeWithdrawn, time)?;
                revoked.push(serial);
            }
        }
        Some(Effect::NameReclaimed { previous, revoked, rest: None })
    }

    /// The certificate that an operation gets.
    pub(super) fn leaf(
        &self,
        issue: &IssueCertificate,
        request: &CertificateRequest,
        owner: PublicKey,
        (height, time): (Height, UnixMillis),
    ) -> Option<Leaf> {
        let issuing = self.issuing.as_ref()?;
        Some(Leaf {
            owner,
            names: request.names.clone(),
            key: request.subject_key.spki_hash(),
            height,
            not_before: whole(time.minus(BACKDATED_MS)).max(issuing.not_before),
            not_after: whole(time.plus(u64::from(issue.lifetime_seconds) * 1000)).min(issuing.not_after),
            tlsa: tlsa_names(request.names.dns(), issue).collect(),
            revoked: None,
            withdrawn: false,
        })
    }

    /// What stands against a revocation: its certificate's owner may, and who owns a DNS name that it bears or the name of its SPIFFE ID, paid for or not.
    pub(super) fn against_revoking(
        &self,
        revoke: &RevokeCertificate,
        owner: PublicKey,
        time: UnixMillis,
    ) -> RefusalReasons {
        let Some(leaf) = self.leaves.get(&revoke.serial_number) else {
            return RefusalReasons::from([RefusalReason::NoCertificate]);
        };
        let mut against = RefusalReasons::new();
        let mut names = self.certified(&leaf.names).into_iter();
        let owns_name = names.any(|name| self.names.owner(&name, time) == Some(owner));
        if leaf.owner != owner && !owns_name {
            against.insert(RefusalReason::NotCertificateOwner);
        }
        let reported = revoke.reason == RevocationReason::KeyCompromise;
        if reported && leaf.owner != owner {
            against.insert(RefusalReason::KeyOfAnother);
        }
        // Of one that is revoked already the receipt says what stands.
        if leaf.revoked.is_none() {
            let ended = leaf.has_ended(time);
            if ended && !reported {
                against.insert(RefusalReason::CertificateExpired);
            }
            // No list names one that has ended.
            if !ended && self.list.as_ref().is_some_and(|list| list.entries.len() >= LIST_COUNT_MAX) {
                against.insert(RefusalReason::RevocationListFull);
            }
        }
        against
    }

    /// Revokes a certificate, reports its key if that is the reason, and gives what stands from now on.
    pub(super) fn revoke(&mut self, revoke: &RevokeCertificate, time: UnixMillis) -> Option<Effect> {
        let (serial, reason) = (revoke.serial_number, revoke.reason);
        let leaf = self.leaves.get(&serial)?;
        let (key, owner) = (leaf.key, leaf.owner);
        let (stands, ended) = (leaf.revoked, leaf.has_ended(time));
        let revoked = if stands.is_some() || ended { stands } else { Some(self.end(serial, reason, time)?) };
        let mut same_key = SameKey::default();
        if reason == RevocationReason::KeyCompromise {
            self.compromised.insert(key);
            let own: Vec<SerialNumber> = self.bearing(&key, time, |holder| *holder == owner).collect();
            for other in own.into_iter().take(TOGETHER_COUNT_MAX) {
                if self.list.as_ref()?.entries.len() >= LIST_COUNT_MAX {
                    break;
                }
                self.end(other, reason, time)?;
                same_key.revoked.push(other);
            }
            let own = self.bearing(&key, time, |holder| *holder == owner);
            let mut others: Vec<_> = self.bearing(&key, time, |holder| *holder != owner).collect();
            others.sort_by_key(|serial| self.leaves.get(serial).map(|leaf| (leaf.owner, *serial)));
            same_key.standing = own.chain(others).take(STANDING_COUNT_MAX).collect();
        }
        Some(match revoked {
            Some((at, reason, list)) => {
                Effect::CertificateRevoked { serial, revocation: Revocation { at, reason, list }, same_key }
            }
            None => Effect::KeyReported { serial, key, same_key },
        })
    }

    /// The certificates of such owners that bear a key and hold still at a time.
    fn bearing(
        &self,
        key: &Digest,
        time: UnixMillis,
        of: impl Fn(&PublicKey) -> bool,
    ) -> impl Iterator<Item = SerialNumber> {
        let holds = move |leaf: &Leaf| {
            leaf.key == *key && leaf.revoked.is_none() && time <= leaf.not_after && of(&leaf.owner)
        };
        self.leaves.iter().filter(move |(_, leaf)| holds(leaf)).map(|(serial, _)| *serial)
    }

    /// Revokes one certificate.
    fn end(
        &mut self,
        serial: SerialNumber,
        reason: RevocationReason,
        time: UnixMillis,
    ) -> Option<(UnixMillis, RevocationReason, u64)> {
        let (list, leaf) = (self.list.as_mut()?, self.leaves.get_mut(&serial)?);
        leaf.revoked = Some((time, reason, list.number + 1));
        list.entries.insert(serial, (time, reason, leaf.not_after));
        for name in &leaf.tlsa {
            self.records.withdraw(name, &serial);
            self.touched.records.insert((name.clone(), RecordType::Tlsa));
        }
        self.touched.leaves.insert(serial);
        self.list_due = true;
        leaf.revoked
    }

    /// Takes note of the keys, if this block brings them. They come about by the validators' word, before the block's
    /// operations; whether rightly so is not judged here.
    pub(super) fn await_keys(&mut self, time: UnixMillis, after: &State) {
        if self.issuing.is_some() || after.committee().is_none() {
            return;
        }
        let root_not_after = whole(time.plus(ROOT_MS_LIFETIME));
        self.issuing = Some(Issuing::issued(time, root_not_after));
        self.root_list = Some(RootList::first(time));
        self.list = Some(List { scheduled: time, ..List::default() });
        self.list_due = true;
        self.log_size += 1;
    }

    /// What time does to certificates: keys of the expired go, the authority is renewed.
    pub(super) fn expire_certificates(&mut self, time: UnixMillis) {
        let over = self.leaves.iter().filter(|(_, leaf)| !leaf.withdrawn && leaf.not_after < time);
        let over: Vec<SerialNumber> = over.map(|(serial, _)| *serial).collect();
        for serial in over {
            let Some(leaf) = self.leaves.get_mut(&serial) else { continue };
            leaf.withdrawn = true;
            for name in &leaf.tlsa {
                self.records.withdraw(name, &serial);
                self.touched.records.insert((name.clone(), RecordType::Tlsa));
            }
        }
        if let Some(next) = self.issuing.and_then(|issuing| issuing.renewed(time)) {
            self.issuing = Some(next);
            self.log_size += 1;
        }
        let root_not_after = self.issuing.map(|issuing| issuing.root_not_after);
        if let Some((list, ends)) = self.root_list.zip(root_not_after) {
            self.root_list = list.renewed(time, ends).or(self.root_list);
        }
    }

    /// Fixes a list at the end of a block, if it revokes something, brings the keys, or the period is over.
    pub(super) fn fix_list(&mut self, time: UnixMillis) {
        let due = core::mem::take(&mut self.list_due);
        let Some(list) = &mut self.list else { return };
        let scheduled = list.scheduled.plus(LIST_MS_PERIOD) < time;
        if scheduled {
            // One leaves with the scheduled list after the first that named it past its end.
            let last = list.scheduled.seconds();
            list.entries.retain(|_, (_, _, not_after)| not_after.seconds() >= last);
            list.scheduled = time;
        }
        if scheduled || due {
            list.number += 1;
            list.fixed = time;
        }
    }
}

/// Where a certificate's keys are published: at each port of each of its DNS names, if that fits a name.
fn tlsa_names(names: &[DomainName], issue: &IssueCertificate) -> impl Iterator<Item = DomainName> {
    let ports = issue.services.iter().map(|service| {
        let transport = match service.protocol {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        };
        format!("_{}._{transport}", service.port)
    });
    let ports: Vec<String> = ports.collect();
    let pairs = names.iter().flat_map(move |name| ports.clone().into_iter().map(move |port| (port, name)));
    pairs.filter_map(|(port, name)| format!("{port}.{name}").parse().ok())
}
