//! What the model holds, and what it says of an operation.

use super::certificates::{Issuing, Leaf, List};
use super::names::Names;
use super::reason::{RefusalReason, RefusalReasons};
use super::records::Records;
use super::root_list::RootList;
use super::services::{Instances, instances_of};
use crate::check::ledger::OwnerFunds;
use hypermesh_core::base::{Digest, Height, PublicKey, UnixMillis};
use hypermesh_core::state::{Action, Attest, Due, InstanceName, Member, Operation, OperationId, State};
use hypermesh_core::trustchain::DomainName;
use hypermesh_core::trustchain::ca::{CertificateRequest, SerialNumber};
use hypermesh_core::trustchain::dns::RecordType;
use std::collections::{BTreeMap, BTreeSet};

/// An operation expires an hour after its block at the latest.
const LIFE_MS_MAX: u64 = 60 * 60 * 1000;
/// A validator keeps 1000 Caesar at stake.
const STAKE_MINIMUM: u64 = 1_000_000_000;
/// So many amounts of a member's are on their way out of its stake at once.
const RELEASE_COUNT_MAX: usize = 16;

/// What the rules need to know.
pub(super) struct Model {
    pub(super) names: Names,
    pub(super) records: Records,
    pub(super) instances: Instances,
    pub(super) leaves: BTreeMap<SerialNumber, Leaf>,
    /// Keys that were reported as compromised.
    pub(super) compromised: BTreeSet<Digest>,
    pub(super) issuing: Option<Issuing>,
    pub(super) list: Option<List>,
    pub(super) root_list: Option<RootList>,
    /// Whether the block under way fixes a list, because it revokes something or brings the keys.
    pub(super) list_due: bool,
    pub(super) log_size: u64,
    /// The receipts that stand, and until when.
    pub(super) receipts: BTreeMap<OperationId, UnixMillis>,
    members: BTreeSet<PublicKey>,
    validators: BTreeSet<PublicKey>,
    /// What an amount that is unbonded waits.
    pub(super) unbonding_ms: u64,
    pub(super) touched: Touched,
}

/// What changed since the model was last held against a state.
#[derive(Default)]
pub(super) struct Touched {
    pub(super) names: BTreeSet<DomainName>,
    pub(super) records: BTreeSet<(DomainName, RecordType)>,
    pub(super) leaves: BTreeSet<SerialNumber>,
    pub(super) instances: BTreeSet<InstanceName>,
}

/// What stands against an operation.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Objections {
    /// For these it pays nothing.
    pub(super) unpaid: RefusalReasons,
    /// For these it pays its fee.
    pub(super) paid: RefusalReasons,
}

/// The time and the height of a block.
pub(super) type BlockPosition = (Height, UnixMillis);

impl Model {
    /// The model of a state.
    pub(super) fn of(state: &State) -> Self {
        let genesis = state.genesis_document();
        let key = |key: Vec<u8>| key.try_into().map(PublicKey).ok();
        let receipts = state.rows::<Due>(Vec::new()).filter_map(|(key, due)| match due {
            Due::Receipt(id) => Some((id, UnixMillis(u64::from_be_bytes(key.get(..8)?.try_into().ok()?)))),
            Due::Certificate(_)
            | Due::RevocationList
            | Due::RootRevocationList
            | Due::Issuing
            | Due::Release(_)
            | Due::NameFreed(_)
            | Due::NameLapsed(_)
            | Due::GrantEnded { .. }
            | Due::Lease(_) => None,
        });
        let mut model = Self {
            names: Names::of(state),
            records: Records::default(),
            instances: instances_of(state),
            leaves: BTreeMap::new(),
            compromised: BTreeSet::new(),
            issuing: None,
            list: None,
            root_list: None,
            list_due: false,
            log_size: state.log().size(),
            receipts: receipts.collect(),
            members: state.rows::<Member>(Vec::new()).filter_map(|(member, _)| key(member)).collect(),
            validators: genesis.validators.iter().map(|validator| validator.member.key).collect(),
            unbonding_ms: genesis.profile.unbonding_ms_delay(),
            touched: Touched::default(),
        };
        model.take_records(state);
        model.take_certificates(state);
        model
    }

    /// What stands against an operation in a block of this time, whose owner has these means.
    pub(super) fn against(
        &self,
        operation: &Operation,
        request: Option<&CertificateRequest>,
        owner_funds: OwnerFunds,
        time: UnixMillis,
    ) -> Objections {
        let body = &operation.body;
        let mut unpaid = RefusalReasons::new();
        if body.expires < time {
            unpaid.insert(RefusalReason::Expired);
        }
        if body.expires.since(time) > LIFE_MS_MAX {
            unpaid.insert(RefusalReason::ExpiresTooLate);
        }
        if owner_funds.fee + owner_funds.rent > body.fee_max.0 {
            unpaid.insert(RefusalReason::FeeMax);
        }
        if owner_funds.account < owner_funds.fee {
            unpaid.insert(RefusalReason::Funds);
        }
        Objections { unpaid, paid: self.against_action(&body.action, request, body.owner, owner_funds, time) }
    }

    fn against_action(
        &self,
        action: &Action,
        request: Option<&CertificateRequest>,
        owner: PublicKey,
        owner_funds: OwnerFunds,
        time: UnixMillis,
    ) -> RefusalReasons {
        let left = owner_funds.account.saturating_sub(owner_funds.fee);
        let funds = |needed: u64| (needed > left).then_some(RefusalReason::Funds);
        match action {
            Action::Attest(Attest) => self.against_member(owner),
            Action::IssueCertificate(issue) => request.map_or_else(
                || RefusalReasons::from([RefusalReason::Unfit]),
                |request| self.against_issuing(issue, request, owner, time),
            ),
            Action::RegisterName(register) => {
                let mut against = self.names.against_registering(register, owner, time);
                against.extend(funds(owner_funds.rent));
                against
            }
            Action::RenewName(renew) => {
                let mut against = self.names.against_renewing(&renew.name, owner, time);
                against.extend(funds(owner_funds.rent));
                against
            }
            Action::ReclaimName(reclaim) => self.names.against_reclaiming(&reclaim.name, owner, time),
            Action::SetRecords(set) => self.against_setting(set, owner, time),
            Action::Transfer(transfer) => funds(transfer.amount.0).into_iter().collect(),
            Action::RevokeCertificate(revoke) => self.against_revoking(revoke, owner, time),
            Action::Bond(bond) => {
                let mut against = self.against_member(owner);
                against.extend(funds(bond.amount.0));
                against
            }
            Action::Unbond(unbond) => {
                let mut against = self.against_member(owner);
                let least = if self.validators.contains(&owner) { STAKE_MINIMUM } else { 0 };
                if owner_funds.stake < least.saturating_add(unbond.amount.0) {
                    against.insert(RefusalReason::Stake);
                }
                if owner_funds.releases >= RELEASE_COUNT_MAX {
                    against.insert(RefusalReason::UnbondingFull);
                }
                against
            }
            Action::AnnounceService(announce) => self.against_announcing(announce, owner, time),
            Action::WithdrawService(withdraw) => self.against_withdrawing(&withdraw.instance, owner, time),
        }
    }

    /// Only members attest and have a stake.
    fn against_member(&self, owner: PublicKey) -> RefusalReasons {
        match self.members.contains(&owner) {
            true => RefusalReasons::new(),
            false => RefusalReasons::from([RefusalReason::NotMember]),
        }
    }
}
