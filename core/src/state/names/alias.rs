//! Which aliases may stand, and what may point at one.
//!
//! A CNAME record that is set must not close a circle, nor lead through more than [`CNAME_CHAIN_MAX`] aliases inside the
//! mesh's zones. Records whose target must be a host itself, MX and SRV, may not point at an alias (RFC 2181 §10.3, RFC 2782).
//!
//! Both hold also for what stands already: an alias is refused if with it another alias would lead too far, or if an MX or SRV
//! record points at its name. But that looks at records of the same owner alone, and among those at or below the
//! registered name that the alias lies in. What strangers point at a name of somebody else must not keep its owner from
//! anything. So a chain over names of several owners can get longer, and the answer follows it as far as the bound and
//! leaves the rest to the resolver; and a stranger's MX record can come to point at an alias, which hurts that stranger.
//! For a name with more than [`ALIAS_SCAN_SETS_MAX`] sets of records at and below it, this second look is left out.
//!
//! Each rule takes a bounded number of look-ups: at most one for each link, and for each record of the set.

use crate::base::{PublicKey, UnixMillis};
use crate::state::chain::row::{NameCount, RecordKey};
use crate::state::holding_of;
use crate::state::{Refusal, Row, State};
use crate::trustchain::DomainName;
use crate::trustchain::dns::{CNAME_CHAIN_MAX, RecordData, RecordSet, RecordType, TreeKey};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

/// The most sets of records at and below a registered name that are looked through for what points at an alias.
pub const ALIAS_SCAN_SETS_MAX: u64 = 64;

/// Why an alias may not stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::state) enum Chain {
    /// It leads back to itself.
    Loop,
    /// It leads through more aliases than [`CNAME_CHAIN_MAX`].
    TooLong,
}

/// How many aliases a question for `name` follows if it is an alias for `target`, where `alias_at` says what a name is an
/// alias of.
pub(in crate::state) fn chain_length(
    name: &DomainName,
    target: &DomainName,
    alias_at: impl Fn(&DomainName) -> Option<DomainName>,
) -> Result<usize, Chain> {
    let mut at = target.clone();
    for length in 1..=CNAME_CHAIN_MAX {
        if at == *name {
            return Err(Chain::Loop);
        }
        match alias_at(&at) {
            Some(next) => at = next,
            None => return Ok(length),
        }
    }
    Err(if at == *name { Chain::Loop } else { Chain::TooLong })
}

/// The host that a record points at, if that may not be an alias.
pub(in crate::state) fn host_of(data: &RecordData) -> Option<&DomainName> {
    match data {
        RecordData::Mx { .. } | RecordData::Srv { .. } | RecordData::Ns(_) => data.target(),
        _ => None,
    }
}

impl State {
    /// What a name is an alias of.
    fn alias_at(&self, name: &DomainName) -> Option<DomainName> {
        let set = self.get::<RecordSet>(&(name.clone(), RecordType::Cname))?;
        set.data.into_iter().find_map(|data| match data {
            RecordData::Cname(target) => Some(target),
            _ => None,
        })
    }

    /// Refuses records at a name that would make a chain of aliases too long or close it, or would have an MX or SRV record
    /// point at an alias.
    pub(in crate::state) fn require_followable(
        &self,
        name: &DomainName,
        records: &RecordSet,
        owner: PublicKey,
        at: UnixMillis,
    ) -> Result<(), Refusal> {
        self.require_hosts(name, records.data.iter().filter_map(host_of))?;
        match records.data.as_slice() {
            [RecordData::Cname(target)] => self.require_alias(name, target, owner, at),
            _ => Ok(()),
        }
    }

    /// Refuses if one of the hosts that records at `name` point at is an alias.
    pub(in crate::state) fn require_hosts<'a>(
        &self,
        name: &DomainName,
        mut hosts: impl Iterator<Item = &'a DomainName>,
    ) -> Result<(), Refusal> {
        let is_alias =
            |host: &&DomainName| self.get::<RecordSet>(&((*host).clone(), RecordType::Cname)).is_some();
        match hosts.find(is_alias) {
            Some(host) => Err(Refusal::TargetIsAlias { name: name.clone(), target: host.clone() }),
            None => Ok(()),
        }
    }

    fn require_alias(
        &self,
        name: &DomainName,
        target: &DomainName,
        owner: PublicKey,
        at: UnixMillis,
    ) -> Result<(), Refusal> {
        let length = chain_length(name, target, |at| self.alias_at(at)).map_err(|chain| match chain {
            Chain::Loop => Refusal::AliasLoop { name: name.clone(), target: target.clone() },
            Chain::TooLong => Refusal::AliasChain { name: name.clone() },
        })?;
        let targets = self.record_targets(name, at);
        let own = |by: &RecordKey| {
            self.owner_of(&by.name, at) == Some(owner) && !self.is_announced(&by.name, by.record_type)
        };
        if let Some(RecordKey { name: by, record_type }) = targets.hosts.iter().find(|by| own(by)) {
            let (name, by) = (name.clone(), by.clone());
            return Err(Refusal::PointedAt { name, by, record_type: *record_type });
        }
        match length + targets.aliases_before(name, own) > CNAME_CHAIN_MAX {
            true => Err(Refusal::AliasChain { name: name.clone() }),
            false => Ok(()),
        }
    }

    /// What records point at, among those at and below the registered name that a name lies in. Whose they are is to be asked:
    /// that takes more than to read them, and few of them matter. Records that announced instances have are not their owner's to
    /// change.
    fn record_targets(&self, name: &DomainName, at: UnixMillis) -> RecordTargets {
        let mut targets = RecordTargets::default();
        let Some(holding) = holding_of(self, name, at) else { return targets };
        let registered = holding.registered.name;
        let sets = self.get::<NameCount>(&registered).map_or(0, |count| count.sets);
        if sets > ALIAS_SCAN_SETS_MAX {
            return targets;
        }
        let wanted = [RecordType::Cname, RecordType::Mx, RecordType::Srv];
        let below = [&[RecordSet::TAG], TreeKey::from(&registered).as_bytes()].concat();
        let keys = self.keys(&below).filter_map(|key| RecordKey::of(key.get(1..)?));
        for by in keys.filter(|key| wanted.contains(&key.record_type) && key.name != *name) {
            if let Some(set) = self.get::<RecordSet>(&(by.name.clone(), by.record_type)) {
                targets.note(name, by, &set);
            }
        }
        targets
    }
}

/// What records point at.
#[derive(Default)]
struct RecordTargets {
    /// Aliases, by the name that they are aliases of.
    aliases: BTreeMap<DomainName, Vec<RecordKey>>,
    /// Records that point at the name as at a host.
    hosts: Vec<RecordKey>,
}

impl RecordTargets {
    fn note(&mut self, name: &DomainName, by: RecordKey, set: &RecordSet) {
        if let [RecordData::Cname(target)] = set.data.as_slice() {
            self.aliases.entry(target.clone()).or_default().push(by);
        } else if set.data.iter().filter_map(host_of).any(|host| host == name) {
            self.hosts.push(by);
        }
    }

    /// How many aliases the longest chain to `name` has, of those that count, up to one past the bound.
    fn aliases_before(&self, name: &DomainName, counts: impl Fn(&RecordKey) -> bool) -> usize {
        let mut reached: BTreeSet<&DomainName> = BTreeSet::from([name]);
        for length in 0..=CNAME_CHAIN_MAX {
            let by = reached.iter().filter_map(|at| self.aliases.get(*at)).flatten();
            reached = by.filter(|by| counts(by)).map(|by| &by.name).collect();
            if reached.is_empty() {
                return length;
            }
        }
        CNAME_CHAIN_MAX + 1
    }
}
