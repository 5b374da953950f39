//! Whose names are, and until when.
//!
//! `docs/protocol.md` ("Names and who they belong to") and `docs/caesar.md` ("Rent").

use super::reason::{Reason, Reasons};
use hypermesh_core::base::{Height, PublicKey, UnixMillis};
use hypermesh_core::state::{Genesis, NameOwner, State};
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) owner: PublicKey,
    pub(super) since: Height,
    /// Until when it is paid for; `None` for names that cost no rent.
    pub(super) paid_until: Option<UnixMillis>,
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
            let NameOwner { owner, since, expires } = row;
            (name_of_key(&key), Name { owner, since, paid_until: expires })
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

    /// Whose a name is: the owner of the nearest registered name that it is or lies below.
    pub(super) fn owner(&self, name: &DomainName) -> Option<PublicKey> {
        self.zone_of(name)?;
        ancestors(name).find_map(|above| self.registered.get(&above)).map(|held| held.owner)
    }

    /// Whether a name is not paid for any more at this time.
    pub(super) fn is_lapsed(&self, name: &DomainName, time: UnixMillis) -> bool {
        let paid_until = self.top(name).and_then(|top| self.registered.get(&top)?.paid_until);
        paid_until.is_some_and(|until| until < time)
    }

    /// What stands against this owner's doing something at a name.
    pub(super) fn against(&self, name: &DomainName, owner: PublicKey, time: UnixMillis) -> Reasons {
        if self.zone_of(name).is_none() {
            return Reasons::from([Reason::OutsideZone]);
        }
        let mut against = Reasons::new();
        if self.is_lapsed(name, time) {
            against.insert(Reason::Lapsed);
        }
        match self.owner(name) {
            Some(holder) if holder == owner => {}
            Some(_) => against.extend([Reason::NotOwner]),
            None => against.extend([Reason::NotRegistered]),
        }
        against
    }

    /// What stands against this owner's registering a name.
    pub(super) fn against_registering(
        &self,
        name: &DomainName,
        owner: PublicKey,
        time: UnixMillis,
    ) -> Reasons {
        let mut against = self.against(name, owner, time);
        if self.is_top(name) && !self.registered.contains_key(name) {
            // Directly below a zone it is whoever's comes first.
            against.remove(&Reason::NotRegistered);
        }
        if self.registered.contains_key(name) {
            against.insert(Reason::AlreadyRegistered);
        }
        if self.is_own(name) {
            against.insert(Reason::Reserved);
        }
        against
    }

    /// What stands against this owner's renewing a name.
    pub(super) fn against_renewing(&self, name: &DomainName, owner: PublicKey, time: UnixMillis) -> Reasons {
        let Some(held) = self.registered.get(name) else { return Reasons::from([Reason::NotRegistered]) };
        let mut against = Reasons::new();
        if held.owner != owner {
            against.insert(Reason::NotOwner);
        }
        match held.paid_until {
            None => against.extend([Reason::NoRent]),
            Some(until) if until.plus(PERIOD_MS).since(time) > AHEAD_MS_MAX => {
                against.insert(Reason::PaidAhead);
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
