//! What an operation changes, by the checks that follow it: the one place where a new action is sorted.
//!
//! Which certificates there are follows from effects (check `certificate`), and all rules and rows are for `policy`,
//! which judges every action.

use hypermesh_core::state::{
    Action, AnnounceService, Attest, Bond, ReclaimName, RegisterName, RenewName, SetRecords, Transfer,
    Unbond, WithdrawService,
};

/// What a done operation changes.
pub(super) struct Touched<'a> {
    /// Who owns a name, and the records at it.
    pub(super) names: Option<NamesChange<'a>>,
    /// Who offers a service.
    pub(super) services: Option<ServicesChange<'a>>,
    /// Amounts, beside the fee that every operation pays.
    pub(super) ledger: Option<LedgerChange<'a>>,
}

/// A change of names or records.
pub(super) enum NamesChange<'a> {
    Register(&'a RegisterName),
    Renew(&'a RenewName),
    Reclaim(&'a ReclaimName),
    SetRecords(&'a SetRecords),
}

/// A change of leases.
pub(super) enum ServicesChange<'a> {
    Announce(&'a AnnounceService),
    Withdraw(&'a WithdrawService),
}

/// A change of amounts.
pub(super) enum LedgerChange<'a> {
    Transfer(&'a Transfer),
    /// A name costs rent from now on.
    Register(&'a RegisterName),
    Renew,
    Bond(&'a Bond),
    Unbond(&'a Unbond),
}

/// Sorts an action.
pub(super) fn touched(action: &Action) -> Touched<'_> {
    let (mut names, mut services, mut ledger) = (None, None, None);
    match action {
        Action::RegisterName(register) => {
            names = Some(NamesChange::Register(register));
            ledger = Some(LedgerChange::Register(register));
        }
        Action::RenewName(renew) => {
            names = Some(NamesChange::Renew(renew));
            ledger = Some(LedgerChange::Renew);
        }
        Action::ReclaimName(reclaim) => names = Some(NamesChange::Reclaim(reclaim)),
        Action::SetRecords(set) => names = Some(NamesChange::SetRecords(set)),
        Action::AnnounceService(announce) => services = Some(ServicesChange::Announce(announce)),
        Action::WithdrawService(withdraw) => services = Some(ServicesChange::Withdraw(withdraw)),
        Action::Transfer(transfer) => ledger = Some(LedgerChange::Transfer(transfer)),
        Action::Bond(bond) => ledger = Some(LedgerChange::Bond(bond)),
        Action::Unbond(unbond) => ledger = Some(LedgerChange::Unbond(unbond)),
        Action::Attest(Attest) | Action::IssueCertificate(_) | Action::RevokeCertificate(_) => {}
    }
    Touched { names, services, ledger }
}
