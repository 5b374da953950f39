//! Names that were granted below others: how long, and how they are taken back.
//!
//! Whoever owns a name can register names below it for others. Such a *grant* has an end, or none, and says whether names may be
//! granted further below it. It holds as long as the grant, or the name directly below the zone, that it was made under:
//! each row names that by the operation that registered it ([`Grant::under`]), and a row whose link is broken holds
//! nothing ([`holding_of`]). So a name that is taken back takes everything with it that was granted below, at once and at no
//! cost, however much that is; and what is registered at the same place afterwards brings nothing of it back.
//!
//! The owners of the names that a grant was made under may take it back. What was certified under it is revoked: some
//! certificates with each operation, the rest by further ones, which start where the receipt of the one before says. A
//! former owner gets no new ones meanwhile, so each operation leaves fewer. Records stay as they are, and belong to the
//! owner of the name above.
//!
//! Names directly below a zone, and names that genesis gave, are nobody's to take back.

use crate::base::{PublicKey, UnixMillis};
use crate::planted::{self, Bug};
use crate::state::block::execute::BlockPosition;
use crate::state::chain::row::{NameOwner, Row as _, own_records_key, row};
use crate::state::names::rent::{NameTerm, term_of};
use crate::state::operations::Caller;
use crate::state::{
    Certificate, Due, Effect, OperationId, Refusal, RegisterName, RowSource, State, StateDraft, get,
};
use crate::trustchain::DomainName;
use crate::trustchain::ca::{SerialNumber, SubjectNames};
use crate::trustchain::dns::TreeKey;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// The most rows of names that one block looks at to clear away what ended grants have left. Whether a row holds takes one for each
/// label of its name, so it is far fewer than of freed names, whose rows all go.
pub const ENDED_ROW_COUNT_MAX: usize = 256;

/// How long a granted name is its owner's, and what for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct GrantLimits {
    /// The last moment; without one, it lasts as long as the name above.
    pub until: Option<UnixMillis>,
    /// Whether names may be registered below it.
    pub may_grant: bool,
}

/// How a name was granted below another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Grant {
    /// What registered the name above, by whose owner it was granted.
    pub under: OperationId,
    /// How long and what for.
    pub limits: GrantLimits,
}

/// A name that a certificate bears, or whose SPIFFE ID it bears.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
pub struct CertifiedName {
    /// The name.
    pub name: DomainName,
    /// The certificate.
    pub serial: SerialNumber,
}

/// That a certificate bears a name: there as long as it is neither revoked nor past its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(in crate::state) struct CertifiedNameRow {
    /// Whose it is.
    pub(in crate::state) owner: PublicKey,
    /// Its last moment.
    pub(in crate::state) not_after: UnixMillis,
}

row!(CertifiedNameRow, 35, CertifiedName, |key| {
    [own_records_key(&key.name).as_slice(), key.serial.as_bytes()].concat()
});

/// What a serial number takes in the keys of rows.
const SERIAL_BYTES: usize = 16;

/// A registered name, and its row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RegisteredName {
    /// The name.
    pub(crate) name: DomainName,
    /// Its row.
    pub(crate) row: NameOwner,
}

/// By what right somebody owns a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NameHolding {
    /// The name that was registered: the name itself, or the closest above it.
    pub(crate) registered: RegisteredName,
    /// The names that it was granted under, from the bottom up. Their owners may take it back.
    pub(crate) granters: Vec<RegisteredName>,
}

impl Default for GrantLimits {
    fn default() -> Self {
        Self { until: None, may_grant: true }
    }
}

impl NameHolding {
    /// Whose it is.
    pub(crate) const fn owner(&self) -> PublicKey {
        self.registered.row.owner
    }

    /// The last moment of the shortest of the grants that it rests on, if one of them ends.
    pub(crate) fn until(&self) -> Option<UnixMillis> {
        self.limits().filter_map(|limits| limits.until).min()
    }

    /// Whether names may be registered below it.
    pub(crate) fn may_grant(&self) -> bool {
        self.limits().all(|limits| limits.may_grant)
    }

    fn require_may_grant(&self) -> Result<(), Refusal> {
        match self.may_grant() {
            true => Ok(()),
            false => Err(Refusal::MayNotGrant { name: self.registered.name.clone() }),
        }
    }

    /// The owner of the name that it was granted under.
    pub(crate) fn granter(&self) -> Option<PublicKey> {
        self.granters.first().map(|granter| granter.row.owner)
    }

    fn limits(&self) -> impl Iterator<Item = GrantLimits> {
        let all = core::iter::once(&self.registered).chain(&self.granters);
        all.filter_map(|held| held.row.grant.map(|grant| grant.limits))
    }

    /// Whether this is the owner of a name that this one was granted under.
    pub(in crate::state) fn is_granter(&self, who: PublicKey) -> bool {
        self.granters.iter().any(|granter| granter.row.owner == who)
    }
}

impl NameOwner {
    /// Whether a grant of the name with this row is over.
    fn has_ended(&self, at: UnixMillis) -> bool {
        let until = self.grant.and_then(|grant| grant.limits.until);
        until.is_some_and(|until| until < at) && !planted::is(Bug::GrantOutlivesItsEnd)
    }
}

/// By what right a name has an owner at a moment: the closest registered name that it is or lies below, and what that was
/// granted under. A name that is freed is nobody's, whatever it left behind.
pub(crate) fn holding_of(source: &dyn RowSource, name: &DomainName, at: UnixMillis) -> Option<NameHolding> {
    let zone = source.served_zones().iter().find(|zone| name.is_within(zone))?;
    if let NameTerm::Freed { .. } = term_of(source, name, at) {
        return None;
    }
    let names = core::iter::successors(Some(name.clone()), DomainName::parent);
    let names = names.take_while(|name| name.is_within(zone));
    let rows: Vec<RegisteredName> = names
        .filter_map(|name| get::<NameOwner>(source, &name).map(|row| RegisteredName { name, row }))
        .collect();
    lowest_holding(&rows, at)
}

/// The holding of the first of these rows that holds: of a name and those above it, from the bottom up. In one pass from the top
/// down, since anybody can leave rows at every label of a name.
pub(in crate::state) fn lowest_holding(rows: &[RegisteredName], at: UnixMillis) -> Option<NameHolding> {
    // What holds, with the place here of what it was granted under, and where it is by what registered it.
    let mut held: Vec<(&RegisteredName, Option<usize>)> = Vec::new();
    let mut places: BTreeMap<OperationId, usize> = BTreeMap::new();
    for found in rows.iter().rev().filter(|found| !found.row.has_ended(at)) {
        let under = found.row.grant.map(|grant| places.get(&grant.under).copied());
        if under != Some(None) {
            places.insert(found.row.registration, held.len());
            held.push((found, under.flatten()));
        }
    }
    let (registered, under) = *held.last()?;
    let granter = |place: usize| held.get(place).copied();
    let granters = core::iter::successors(under.and_then(granter), |(_, under)| under.and_then(granter));
    Some(NameHolding {
        registered: registered.clone(),
        granters: granters.map(|(granter, _)| granter.clone()).collect(),
    })
}

impl State {
    /// By what right a name has an owner at a moment.
    pub(in crate::state) fn holding(&self, name: &DomainName, at: UnixMillis) -> Option<NameHolding> {
        holding_of(self, name, at)
    }

    /// Refuses limits that a name may not be granted with below what its granter has.
    fn require_limits(
        &self,
        register: &RegisterName,
        granter: &NameHolding,
        at: UnixMillis,
    ) -> Result<(), Refusal> {
        let Some(until) = register.limits.until else { return Ok(()) };
        if until <= at {
            return Err(Refusal::GrantTooShort { name: register.name.clone(), until, least: Some(at) });
        }
        match granter.until() {
            Some(end) if end < until => {
                Err(Refusal::OutlivesGrant { name: granter.registered.name.clone(), until: end })
            }
            _ => Ok(()),
        }
    }

    /// Refuses a certificate that would outlive the grant of one of its names.
    pub(in crate::state) fn require_granted_until(
        &self,
        names: &SubjectNames,
        not_after: UnixMillis,
        at: UnixMillis,
    ) -> Result<(), Refusal> {
        for name in self.certified_names(names) {
            let Some(holding) = self.holding(&name, at) else { continue };
            if let Some(until) = holding.until().filter(|until| *until < not_after) {
                return Err(Refusal::OutlivesGrant { name: holding.registered.name, until });
            }
        }
        Ok(())
    }

    /// The names whose owner a certificate for these has to be: DNS names, and the one that its SPIFFE ID belongs to.
    pub(in crate::state) fn certified_names(&self, names: &SubjectNames) -> Vec<DomainName> {
        let spiffe = names.spiffe().and_then(|id| self.spiffe_name(id).ok());
        let mut all: Vec<DomainName> = names.dns().iter().cloned().chain(spiffe).collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}

impl StateDraft {
    /// Notes that a certificate bears its names.
    pub(in crate::state) fn note_names(&mut self, serial: SerialNumber, certificate: &Certificate) {
        let Certificate { owner, not_after, .. } = *certificate;
        for name in self.state().certified_names(&certificate.names) {
            self.put(&CertifiedName { name, serial }, &CertifiedNameRow { owner, not_after });
        }
    }

    /// Notes that a certificate bears its names no longer: it is revoked, or past its end.
    pub(in crate::state) fn forget_names(&mut self, serial: SerialNumber, certificate: &Certificate) {
        for name in self.state().certified_names(&certificate.names) {
            self.remove::<CertifiedNameRow>(&CertifiedName { name, serial });
        }
    }

    /// Grants a name below another, whose owner asks for it.
    pub(in crate::state) fn grant_name(
        &mut self,
        caller: &Caller<'_>,
        register: &RegisterName,
        granter: &NameHolding,
        position: BlockPosition,
    ) -> Result<Effect, Refusal> {
        self.state().require_limits(register, granter, position.time)?;
        granter.require_may_grant()?;
        let row = NameOwner {
            owner: register.owner,
            since: position.height,
            expires: None,
            registration: caller.operation,
            grant: Some(Grant { under: granter.registered.row.registration, limits: register.limits }),
        };
        self.put_granted(&register.name, &row);
        Ok(Effect::NameRegistered { expires: None })
    }

    /// Gives a granted name other limits, if its granter asks for it and it stays its owner's.
    pub(in crate::state) fn grant_anew(
        &mut self,
        owner: PublicKey,
        register: &RegisterName,
        holding: NameHolding,
        position: BlockPosition,
    ) -> Result<Effect, Refusal> {
        let NameHolding { registered: RegisteredName { name, row }, mut granters } = holding;
        let own = granters.iter().position(|granter| granter.row.owner == owner);
        let (Some(grant), Some(own)) = (row.grant.filter(|_| row.owner == register.owner), own) else {
            return Err(Refusal::AlreadyRegistered { name, owner: row.owner });
        };
        self.state().require_paid(&name, position.time)?;
        let granters = granters.split_off(own);
        let (registered, above) = granters.split_first().expect("the granter was found among them");
        let granter = NameHolding { registered: registered.clone(), granters: above.to_vec() };
        granter.require_may_grant()?;
        self.state().require_limits(register, &granter, position.time)?;
        if let Some(until) = register.limits.until {
            // Certificates may have been issued until then: who wants it back sooner takes it back.
            let least = grant.limits.until;
            if least.is_none_or(|least| until < least) {
                return Err(Refusal::GrantTooShort { name, until, least });
            }
        }
        self.forget_end(&name, &row);
        self.put_granted(
            &name,
            &NameOwner { grant: Some(Grant { limits: register.limits, ..grant }), ..row },
        );
        Ok(Effect::NameRegistered { expires: None })
    }

    fn put_granted(&mut self, name: &DomainName, row: &NameOwner) {
        self.put(name, row);
        if let Some(until) = row.grant.and_then(|grant| grant.limits.until) {
            self.schedule(until, Due::GrantEnded { name: name.clone(), after: None });
        }
    }

    pub(in crate::state) fn forget_end(&mut self, name: &DomainName, row: &NameOwner) {
        if let Some(until) = row.grant.and_then(|grant| grant.limits.until) {
            self.remove::<Due>(&(until, Due::GrantEnded { name: name.clone(), after: None }));
        }
    }

    /// Removes registered names at and below a name that hold nothing any more: from one of them on, and of as many as `room` has
    /// rows. The rest is noted as due.
    pub(in crate::state) fn clear_ended(
        &mut self,
        name: &DomainName,
        after: Option<&DomainName>,
        at: UnixMillis,
        room: &mut usize,
    ) {
        let keys = self.state().keys_after::<NameOwner>(TreeKey::from(name).as_bytes().to_vec(), after);
        let mut keys: Vec<Vec<u8>> = keys.take(*room + 1).map(<[u8]>::to_vec).collect();
        let is_rest = keys.len() > *room;
        keys.truncate(*room);
        *room -= keys.len();
        let names: Vec<DomainName> = keys.iter().filter_map(|key| TreeKey::name_of(key.get(1..)?)).collect();
        if is_rest {
            let after = names.last().or(after).cloned();
            self.schedule(at, Due::GrantEnded { name: name.clone(), after });
        }
        for found in names {
            let holding = self.state().holding(&found, at);
            // A freed name is cleared away otherwise.
            let freed = matches!(self.state().term(&found, at), NameTerm::Freed { .. });
            if !freed && holding.is_none_or(|holding| holding.registered.name != found) {
                self.remove::<NameOwner>(&found);
            }
        }
    }
}

impl State {
    /// The names at and below a name that certificates bear, from one of them on, in the order of their keys.
    pub(in crate::state) fn certified(
        &self,
        name: &DomainName,
        start: Option<&CertifiedName>,
    ) -> impl Iterator<Item = (CertifiedName, CertifiedNameRow)> {
        let prefix = TreeKey::from(name).as_bytes().to_vec();
        let start = start.map(CertifiedNameRow::key_bytes).filter(|start| *start >= prefix);
        let rows = self.rows_from::<CertifiedNameRow>(start.unwrap_or_else(|| prefix.clone()));
        let below = rows.take_while(move |(key, _)| key.starts_with(&prefix));
        below.filter_map(|(key, row)| {
            let (tree, serial) = key.split_at_checked(key.len().checked_sub(SERIAL_BYTES)?)?;
            let name = TreeKey::name_of(tree.strip_suffix(&[0])?)?;
            Some((CertifiedName { name, serial: SerialNumber::from_bytes(serial).ok()? }, row))
        })
    }
}
