//! Whose names are, and until when.
//!
//! `docs/protocol.md` ("Names and who they belong to") and `docs/caesar.md` ("Rent").

use super::reason::{RefusalReason, RefusalReasons};
use hypermesh_core::base::{Height, PublicKey, UnixMillis};
use hypermesh_core::state::{Genesis, NameOwner, RegisterName, State};
use hypermesh_core::trustchain::DomainName;
use std::collections::{BTreeMap, BTreeSet};

const DAY_MS: u64 = 24 * 60 * 60 * 1000;
/// A name is paid for 365 days at a time.
pub(super) const PERIOD_MS: u64 = 365 * DAY_MS;
/// It can be paid for two periods ahead.
pub(super) const AHEAD_MS_MAX: u64 = 2 * PERIOD_MS;
/// A name that is not paid for is kept from others for 91 days.
pub(super) const GRACE_MS: u64 = 91 * DAY_MS;

/// What the mesh serves itself, beside its nodes.
const OWN_LABELS: [&str; 11] = [
    "trustchain",
    "hypermesh",
    "caesar",
    "ns",
    "localhost",
    "wpad",
    "isatap",
    "autoconfig",
    "autodiscover",
    "mta-sts",
    "openpgpkey",
];

/// A registered name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) owner: PublicKey,
    pub(super) since: Height,
    /// Until when it is paid for; `None` for names that cost no rent.
    pub(super) paid_until: Option<UnixMillis>,
    /// The name above whose owner granted it; `None` for names directly below a zone, and those of genesis.
    pub(super) granter: Option<DomainName>,
    /// The grant's last moment, if it has one.
    pub(super) until: Option<UnixMillis>,
    /// Whether its owner may grant names below it.
    pub(super) may_grant: bool,
}

impl Name {
    /// The name that a row is of.
    pub(super) fn of(state: &State, name: &DomainName, row: &NameOwner) -> Self {
        let is_granter = |above: &DomainName| {
            let registration = state.get::<NameOwner>(above).map(|above| above.registration);
            registration == row.grant.map(|grant| grant.under)
        };
        let granter = row.grant.and_then(|_| ancestors(name).skip(1).find(is_granter));
        let limits = row.grant.map(|grant| grant.limits).unwrap_or_default();
        let NameOwner { owner, since, expires: paid_until, .. } = *row;
        Self { owner, since, paid_until, granter, until: limits.until, may_grant: limits.may_grant }
    }
}

/// The zones, and who has which name in them.
#[derive(Clone)]
pub(super) struct Names {
    /// The mesh's zone.
    pub(super) zone: DomainName,
    /// The reverse zones.
    pub(super) reverse: Vec<DomainName>,
    /// Labels directly below the zone that are nobody's.
    own: BTreeSet<String>,
    pub(super) registered: BTreeMap<DomainName, Name>,
}

impl Names {
    /// The names of a state.
    ///
    /// # Panics
    /// If the rows of names are keyed otherwise than by their labels from the top down, each with a zero behind it.
    pub(super) fn of(state: &State) -> Self {
        let genesis: &Genesis = state.genesis_document();
        let own = OWN_LABELS.into_iter().map(str::to_string);
        let own = own.chain(genesis.validators.iter().map(|validator| validator.name.clone())).collect();
        let rows = state.rows::<NameOwner>(Vec::new()).map(|(key, row)| {
            let name = name_of_key(&key);
            let held = Name::of(state, &name, &row);
            (name, held)
        });
        let registered = rows.collect();
        Self { zone: genesis.zone.clone(), reverse: genesis.reverse_zones.clone(), own, registered }
    }

    /// The zone that a name lies in.
    pub(super) fn zone_of(&self, name: &DomainName) -> Option<&DomainName> {
        core::iter::once(&self.zone).chain(&self.reverse).find(|zone| is_within(name, zone))
    }

    /// Whether a name is the top of a zone.
    pub(super) fn is_apex(&self, name: &DomainName) -> bool {
        self.zone_of(name) == Some(name)
    }

    /// The name directly below a zone that a name is or lies below: the one that rent is paid for.
    pub(super) fn top(&self, name: &DomainName) -> Option<DomainName> {
        let zone = self.zone_of(name)?;
        ancestors(name).find(|above| above.parent().as_ref() == Some(zone))
    }

    /// Whether a name costs rent.
    pub(super) fn is_top(&self, name: &DomainName) -> bool {
        self.top(name).as_ref() == Some(name)
    }

    /// Whether a name is the mesh's own: the zone, or a name at or below a node's, a service's, `ns`, or a label that
    /// begins with an underscore.
    pub(super) fn is_own(&self, name: &DomainName) -> bool {
        if !is_within(name, &self.zone) {
            return false;
        }
        let depth = self.zone.labels().count();
        match name.labels().rev().nth(depth) {
            None => true,
            Some(label) => label.starts_with('_') || self.own.contains(label),
        }
    }

    /// The nearest registered name that a name is or lies below, at a time, and those that this was granted under, from the
    /// bottom up.
    fn chain(&self, name: &DomainName, time: UnixMillis) -> Option<Vec<(DomainName, &Name)>> {
        self.zone_of(name)?;
        ancestors(name).find_map(|above| self.chain_from(above, time))
    }

    /// The chain of a name that is registered itself, if no grant that it rests on is over.
    fn chain_from(&self, name: DomainName, time: UnixMillis) -> Option<Vec<(DomainName, &Name)>> {
        let mut chain = Vec::new();
        let mut next = Some(name);
        while let Some(name) = next {
            let held =
                self.registered.get(&name).filter(|held| held.until.is_none_or(|until| time <= until))?;
            next = held.granter.clone();
            chain.push((name, held));
        }
        Some(chain)
    }

    /// The nearest registered name above a name.
    pub(super) fn nearest(&self, name: &DomainName) -> Option<DomainName> {
        ancestors(name).skip(1).find(|above| self.registered.contains_key(above))
    }

    /// The nearest registered name that a name is or lies below, by right of which it has an owner.
    pub(super) fn held_by_right_of(&self, name: &DomainName, time: UnixMillis) -> Option<DomainName> {
        self.chain(name, time)?.first().map(|(registered, _)| registered.clone())
    }

    /// Whose a name is: the owner of the nearest registered name that it is or lies below.
    pub(super) fn owner(&self, name: &DomainName, time: UnixMillis) -> Option<PublicKey> {
        self.chain(name, time)?.first().map(|(_, held)| held.owner)
    }

    /// Until when a name is granted, by whatever grant ends first.
    pub(super) fn granted_until(&self, name: &DomainName, time: UnixMillis) -> Option<UnixMillis> {
        self.chain(name, time)?.iter().filter_map(|(_, held)| held.until).min()
    }

    /// Whether a name is not paid for any more at this time.
    pub(super) fn is_lapsed(&self, name: &DomainName, time: UnixMillis) -> bool {
        let paid_until = self.top(name).and_then(|top| self.registered.get(&top)?.paid_until);
        paid_until.is_some_and(|until| until < time)
    }

    /// What stands against this owner's doing something at a name.
    pub(super) fn against(&self, name: &DomainName, owner: PublicKey, time: UnixMillis) -> RefusalReasons {
        if self.zone_of(name).is_none() {
            return RefusalReasons::from([RefusalReason::OutsideZone]);
        }
        let mut against = RefusalReasons::new();
        if self.is_lapsed(name, time) {
            against.insert(RefusalReason::Lapsed);
        }
        match self.owner(name, time) {
            Some(holder) if holder == owner => {}
            Some(_) => against.extend([RefusalReason::NotOwner]),
            None => against.extend([RefusalReason::NotRegistered]),
        }
        against
    }

    /// What stands against this owner's registering a name.
    pub(super) fn against_registering(
        &self,
        register: &RegisterName,
        owner: PublicKey,
        time: UnixMillis,
    ) -> RefusalReasons {
        let (name, limits) = (&register.name, register.limits);
        let chain = self.chain(name, time).unwrap_or_default();
        let (own, above) = match chain.split_first() {
            Some(((at, held), above)) if at == name => (Some(*held), above),
            _ => (None, chain.as_slice()),
        };
        // Who has it already is given other limits by those that could take it back.
        if let Some(held) = own.filter(|held| held.owner == register.owner)
            && let Some(granter) = above.iter().position(|(_, granter)| granter.owner == owner)
        {
            let above = above.get(granter..).unwrap_or_default();
            let mut against = self.against_until(limits.until, above, time);
            if above.iter().any(|(_, held)| !held.may_grant) {
                against.insert(RefusalReason::MayNotGrant);
            }
            against.extend(self.is_lapsed(name, time).then_some(RefusalReason::Lapsed));
            if limits.until.is_some_and(|until| held.until.is_none_or(|end| until < end)) {
                against.insert(RefusalReason::GrantTooShort);
            }
            return against;
        }
        let mut against = self.against(name, owner, time);
        if own.is_some() {
            against.insert(RefusalReason::AlreadyRegistered);
        } else if self.is_top(name) {
            // Directly below a zone it is whoever's comes first, and has no limits.
            against.remove(&RefusalReason::NotRegistered);
            if limits.until.is_some() || !limits.may_grant {
                against.insert(RefusalReason::Unlimited);
            }
        } else {
            against.extend(self.against_until(limits.until, above, time));
            if above.iter().any(|(_, held)| !held.may_grant) {
                against.insert(RefusalReason::MayNotGrant);
            }
        }
        if self.is_own(name) {
            against.insert(RefusalReason::Reserved);
        }
        against
    }

    /// What stands against a grant until then by who has a name by this chain.
    fn against_until(
        &self,
        until: Option<UnixMillis>,
        chain: &[(DomainName, &Name)],
        time: UnixMillis,
    ) -> RefusalReasons {
        let Some(until) = until else { return RefusalReasons::new() };
        let too_short = (until <= time).then_some(RefusalReason::GrantTooShort);
        let ends = chain.iter().filter_map(|(_, held)| held.until).min();
        let outlives = ends.is_some_and(|end| end < until).then_some(RefusalReason::OutlivesGrant);
        too_short.into_iter().chain(outlives).collect()
    }

    /// What stands against this owner's taking a name back: it may be the owner's of any name that it was granted under, and of
    /// the one above where nobody has it any more.
    pub(super) fn against_reclaiming(
        &self,
        name: &DomainName,
        owner: PublicKey,
        time: UnixMillis,
    ) -> RefusalReasons {
        if self.zone_of(name).is_none() {
            return RefusalReasons::from([RefusalReason::OutsideZone]);
        }
        let mut against: RefusalReasons =
            self.is_lapsed(name, time).then_some(RefusalReason::Lapsed).into_iter().collect();
        let chain = self.chain(name, time).unwrap_or_default();
        let above = match chain.split_first() {
            Some(((at, held), above)) if at == name => {
                if held.granter.is_none() {
                    against.insert(RefusalReason::NotGranted);
                }
                above
            }
            _ => chain.as_slice(),
        };
        if chain.is_empty() {
            against.insert(RefusalReason::NotRegistered);
        } else if !above.iter().any(|(_, held)| held.owner == owner) {
            against.insert(RefusalReason::NotGranter);
        }
        against
    }

    /// Takes a name away from who has it, and all names that were granted under it. Gives whose it was, and which went.
    pub(super) fn take_back(&mut self, name: &DomainName) -> Option<(PublicKey, Vec<DomainName>)> {
        let owner = self.registered.remove(name)?.owner;
        let mut gone = vec![name.clone()];
        let under =
            |held: &Name, gone: &[DomainName]| held.granter.as_ref().is_some_and(|at| gone.contains(at));
        while let Some(next) = self.registered.iter().find(|(_, held)| under(held, &gone)) {
            let next = next.0.clone();
            self.registered.remove(&next);
            gone.push(next);
        }
        Some((owner, gone))
    }

    /// The names whose grants are over at a time.
    pub(super) fn ended(&self, time: UnixMillis) -> Vec<DomainName> {
        let over = |held: &Name| held.until.is_some_and(|until| until < time);
        self.registered.iter().filter(|(_, held)| over(held)).map(|(name, _)| name.clone()).collect()
    }

    /// What stands against this owner's renewing a name.
    pub(super) fn against_renewing(
        &self,
        name: &DomainName,
        owner: PublicKey,
        time: UnixMillis,
    ) -> RefusalReasons {
        let Some(held) = self.registered.get(name) else {
            return RefusalReasons::from([RefusalReason::NotRegistered]);
        };
        let mut against = RefusalReasons::new();
        if held.owner != owner {
            against.insert(RefusalReason::NotOwner);
        }
        match held.paid_until {
            None => against.extend([RefusalReason::NoRent]),
            Some(until) if until.plus(PERIOD_MS).since(time) > AHEAD_MS_MAX => {
                against.insert(RefusalReason::PaidAhead);
            }
            Some(_) => {}
        }
        against
    }
}

/// A name and those above it, from the bottom up.
pub(super) fn ancestors(name: &DomainName) -> impl Iterator<Item = DomainName> {
    core::iter::successors(Some(name.clone()), DomainName::parent)
}

/// Whether a name is another or lies below it.
pub(super) fn is_within(name: &DomainName, above: &DomainName) -> bool {
    let mut own = name.labels().rev();
    above.labels().rev().all(|label| own.next() == Some(label))
}

/// The name that a row is keyed by.
pub(super) fn name_of_key(key: &[u8]) -> DomainName {
    let text = String::from_utf8(key.to_vec()).expect("names are ASCII");
    let labels: Vec<&str> = text.trim_end_matches('\0').split('\0').rev().collect();
    labels.join(".").parse().expect("a row's key is a name")
}
