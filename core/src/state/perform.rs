//! What one operation does, or why it does not happen.
//!
//! Every rule is checked before the operation changes anything, so a refused one moves nothing but its fee. What was due
//! by its time already is carried out first where the rule depends on it.

use super::execute::Moment;
use super::payable::{Carrier, Unpaid};
use super::row::{Published, RecordKey, own_records_key};
use super::{
    Action, CheckedOperation, Draft, Due, Effect, GrantLimits, IssueCertificate, Member, Outcome, Receipt,
    Refusal, RegisterName, SetRecords, State, Transfer,
};
use crate::base::{PublicKey, UnixMillis};
use crate::caesar::{Ledger, LedgerFault, Movement, Place, Reason};
use crate::planted::{self, Bug};
use crate::trustchain::DomainName;
use crate::trustchain::dns::{RecordSet, RecordType, TreeKey, check_name};
use alloc::vec::Vec;

/// Carries out an operation that is paid for, and notes its receipt.
///
/// # Errors
/// If it may not be in a block here. Then nothing has changed.
pub(super) fn perform(
    draft: &mut Draft,
    operation: &CheckedOperation,
    carrier: &mut Carrier,
    moment: Moment,
) -> Result<Receipt, Unpaid> {
    let body = &operation.operation.body;
    let amount = draft.state().payable_by(operation, *carrier, moment)?;
    if planted::is(Bug::FreeRetry)
        && let Some(receipt) = draft.state().get::<Receipt>(&operation.id)
    {
        drop(act(draft, operation, moment));
        return Ok(receipt);
    }
    let (source, target) = (Place::Account(body.owner), Place::Reserve);
    let fee = Movement { source, target, amount, reason: Reason::Fee, operation: Some(operation.id.0) };
    pay(draft, fee, body.owner).map_err(Unpaid::Refused)?;
    if body.action == Action::Attest {
        carrier.attests = false;
    }
    let outcome = match act(draft, operation, moment) {
        Ok(effect) => Outcome::Done(effect),
        Err(refusal) => Outcome::Refused(refusal),
    };
    let (height, time) = (moment.height, moment.time);
    let receipt = Receipt { operation: operation.id, owner: body.owner, height, time, fee: amount, outcome };
    draft.put(&operation.id, &receipt);
    draft.schedule(body.expires, Due::Receipt(operation.id));
    Ok(receipt)
}

pub(super) fn pay(draft: &mut Draft, movement: Movement, owner: PublicKey) -> Result<(), Refusal> {
    draft.carry_out(movement).map_err(|fault| match fault {
        LedgerFault::Insufficient { balance, needed } => Refusal::Funds { owner, balance, needed },
        LedgerFault::Overflow => unreachable!("no place can hold more than the supply, which fits"),
    })
}

fn act(draft: &mut Draft, operation: &CheckedOperation, moment: Moment) -> Result<Effect, Refusal> {
    let body = &operation.operation.body;
    match &body.action {
        Action::Attest => attest(draft.state(), body.owner),
        Action::IssueCertificate(issue) => issue_certificate(draft, operation, issue, moment),
        Action::RegisterName(register) => register_name(draft, operation, register, moment),
        Action::RenewName(renew) => draft.renew_name(operation, renew, moment),
        Action::SetRecords(set) => set_records(draft, body.owner, set, moment),
        Action::Transfer(transfer) => move_amount(draft, operation, transfer),
        Action::RevokeCertificate(revoke) => draft.revoke(body.owner, revoke, moment),
        Action::Bond(bond) => draft.bond(operation, bond),
        Action::Unbond(unbond) => draft.unbond(operation, unbond, moment),
        Action::AnnounceService(announce) => draft.announce(body.owner, announce, moment),
        Action::WithdrawService(withdraw) => draft.withdraw(body.owner, withdraw, moment),
        Action::ReclaimName(reclaim) => draft.reclaim(body.owner, reclaim, moment),
    }
}

fn attest(state: &State, owner: PublicKey) -> Result<Effect, Refusal> {
    match state.get::<Member>(&owner) {
        Some(_) => Ok(Effect::Attested),
        None => Err(Refusal::NotMember { owner }),
    }
}

fn move_amount(
    draft: &mut Draft,
    operation: &CheckedOperation,
    transfer: &Transfer,
) -> Result<Effect, Refusal> {
    let owner = operation.operation.body.owner;
    let movement = Movement {
        source: Place::Account(owner),
        target: Place::Account(transfer.to),
        amount: transfer.amount,
        reason: Reason::Transfer,
        operation: Some(operation.id.0),
    };
    pay(draft, movement, owner)?;
    Ok(Effect::Transferred)
}

fn register_name(
    draft: &mut Draft,
    operation: &CheckedOperation,
    register: &RegisterName,
    moment: Moment,
) -> Result<Effect, Refusal> {
    let owner = operation.operation.body.owner;
    let state = draft.state();
    let name = &register.name;
    let zone = state.zone_of(name).ok_or_else(|| outside(state, name))?;
    // A freed name is nobody's, whatever it left: it is refused below, until that is cleared away.
    let holding = state.holding(name, moment.time);
    if let Some(taken) = holding.as_ref().filter(|holding| holding.registered.name == *name) {
        return draft.grant_anew(owner, register, taken.clone(), moment);
    }
    if state.is_of_the_mesh(name) {
        return Err(Refusal::Reserved { name: name.clone() });
    }
    state.require_paid(name, moment.time)?;
    match holding {
        Some(above) if above.owner() == owner => draft.grant_name(operation, register, &above, moment),
        Some(above) => Err(Refusal::NotOwner { name: name.clone(), owner: above.owner() }),
        None if name.parent().as_ref() != Some(zone) => Err(Refusal::NotRegistered { name: name.clone() }),
        None if register.limits != GrantLimits::default() => Err(Refusal::Unlimited { name: name.clone() }),
        None => draft.let_name(operation, (name, register.owner), moment),
    }
}

fn set_records(
    draft: &mut Draft,
    owner: PublicKey,
    set: &SetRecords,
    moment: Moment,
) -> Result<Effect, Refusal> {
    let SetRecords { name, record_type, records } = set;
    draft.state().require_owner(name, owner, moment.time)?;
    // What instances whose leases are over have left there is in nobody's way.
    let above = core::iter::successors(name.parent(), DomainName::parent).take(2);
    above.for_each(|service| draft.end_leases_of(&service, moment.time));
    let state = draft.state();
    let published = *record_type == RecordType::Tlsa && state.get::<Published>(name).is_some();
    if published || state.is_announced(name, *record_type) {
        return Err(Refusal::Reserved { name: name.clone() });
    }
    match records {
        None => draft.set_record_set(name, *record_type, None),
        Some(records) => {
            state.require_sound_records(records)?;
            let mut types = state.types_beside(name, *record_type);
            types.push(*record_type);
            if check_name(state.zone_of(name) == Some(name), &types).is_err() {
                return Err(Refusal::Cname { name: name.clone() });
            }
            state.require_followable(name, records, owner, moment.time)?;
            draft.set_record_set(name, *record_type, Some(records));
        }
    }
    Ok(Effect::RecordsSet)
}

fn issue_certificate(
    draft: &mut Draft,
    operation: &CheckedOperation,
    issue: &IssueCertificate,
    moment: Moment,
) -> Result<Effect, Refusal> {
    let owner = operation.operation.body.owner;
    let request = operation.request.as_ref().expect("a checked operation to issue has a checked request");
    let state = draft.state();
    state.require_names(&request.names, owner, moment.time)?;
    let end = moment.time.plus(u64::from(issue.lifetime_seconds) * 1000);
    state.require_granted_until(&request.names, end, moment.time)?;
    draft.approve(operation, request, issue, moment)
}

pub(super) fn outside(state: &State, name: &DomainName) -> Refusal {
    Refusal::OutsideZone { name: name.clone(), zone: state.genesis_document().zone.clone() }
}

impl State {
    /// The mesh's zone, or the reverse zone, that a name lies in.
    #[must_use]
    pub fn zone_of(&self, name: &DomainName) -> Option<&DomainName> {
        let genesis = self.genesis_document();
        core::iter::once(&genesis.zone).chain(&genesis.reverse_zones).find(|zone| name.is_within(zone))
    }

    /// Who owns a name at a moment: by itself, or because of a name that it lies below.
    #[must_use]
    pub fn owner_of(&self, name: &DomainName, at: UnixMillis) -> Option<PublicKey> {
        self.holding(name, at).map(|holding| holding.owner())
    }

    /// Refuses if the name is not this owner's, and paid for, at this moment.
    pub(super) fn require_owner(
        &self,
        name: &DomainName,
        owner: PublicKey,
        at: UnixMillis,
    ) -> Result<(), Refusal> {
        if self.zone_of(name).is_none() {
            return Err(outside(self, name));
        }
        self.require_paid(name, at)?;
        match self.owner_of(name, at) {
            Some(holder) if holder == owner => Ok(()),
            Some(holder) => Err(Refusal::NotOwner { name: name.clone(), owner: holder }),
            None => Err(Refusal::NotRegistered { name: name.clone() }),
        }
    }

    /// What the sets of records at and below a name, or all of them, are found by: those after one, which lies there too.
    pub fn record_keys(
        &self,
        name: Option<&DomainName>,
        after: Option<&RecordKey>,
    ) -> impl Iterator<Item = RecordKey> {
        let within = name.map(|name| TreeKey::from(name).as_bytes().to_vec()).unwrap_or_default();
        let after = after.map(|after| (after.name.clone(), after.record_type));
        self.keys_after::<RecordSet>(within, after.as_ref()).filter_map(|key| RecordKey::of(key.get(1..)?))
    }

    /// The types of the sets of records at a name. There can be as many as there are types.
    pub(super) fn record_types(&self, name: &DomainName) -> impl Iterator<Item = RecordType> {
        let keys = self.keys_after::<RecordSet>(own_records_key(name), None);
        keys.filter_map(|key| Some(RecordKey::of(key.get(1..)?)?.record_type))
    }

    /// Those of the types at a name that one to be set there may be refused for: an alias for any other, any other for an alias.
    fn types_beside(&self, name: &DomainName, record_type: RecordType) -> Vec<RecordType> {
        match record_type {
            RecordType::Cname => self.record_types(name).take(2).collect(),
            _ => {
                let alias = self.get::<RecordSet>(&(name.clone(), RecordType::Cname));
                alias.iter().filter_map(RecordSet::record_type).collect()
            }
        }
    }
}
