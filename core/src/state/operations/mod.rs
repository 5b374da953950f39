//! The operations: what owners can have done.
//!
//! Each has a file here, with its fields, what is checked of it without the state, what it costs, and its rule; and a line in the
//! table below, from which all else follows: the tag of its encoding, its name, the method that submits it, and where its
//! checks and its rule are called.

mod announce_service;
mod attest;
mod bond;
mod issue_certificate;
mod reclaim_name;
mod register_name;
mod renew_name;
mod revoke_certificate;
mod set_records;
mod signed;
mod transfer;
mod unbond;
mod withdraw_service;

pub use announce_service::AnnounceService;
pub use attest::Attest;
pub use bond::Bond;
pub use issue_certificate::{
    CertificateProfile, IssueCertificate, LEAF_SECONDS_DEFAULT, LEAF_SECONDS_MAX, LEAF_SECONDS_MIN,
    SERVICE_PORT_COUNT_MAX, TLSA_COUNT_MAX,
};
pub use reclaim_name::{ENDED_NAME_COUNT_MAX, RECLAIM_LOOKED_AT_MAX, ReclaimName};
pub use register_name::RegisterName;
pub use renew_name::RenewName;
pub use revoke_certificate::RevokeCertificate;
pub use set_records::SetRecords;
pub(super) use signed::check_script;
pub use signed::{
    CheckedOperation, OPERATION_BYTES_MAX, OPERATION_MS_LIFE_MAX, Operation, OperationBody, OperationFault,
    OperationId,
};
pub use transfer::Transfer;
pub use unbond::Unbond;
pub use withdraw_service::WithdrawService;

use super::{Effect, Refusal, State, StateDraft};
use crate::base::{MicroCaesar, PublicKey};
use crate::caesar::with_bytes;
use crate::state::block::execute::BlockPosition;
use crate::trustchain::ca::CertificateRequest;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// What each kind of operation says of itself.
pub(super) trait Rules {
    /// Its price where the fees are lowest, for the bytes that a price covers. None if it is free.
    const PRICE: Option<MicroCaesar>;
    /// The most rent that it pays.
    const RENT_MAX: MicroCaesar = MicroCaesar::ZERO;

    /// Checks all that does not depend on the state, and gives the certificate request that it has.
    ///
    /// # Errors
    /// With the first rule that it breaks.
    fn check(&self) -> Result<Option<CertificateRequest>, OperationFault> {
        Ok(None)
    }

    /// The rent that it pays, if it is done.
    fn rent(&self, _state: &State) -> MicroCaesar {
        Self::RENT_MAX
    }

    /// What it takes out of its owner's account beside fee and rent, if it is done.
    fn amount(&self) -> MicroCaesar {
        MicroCaesar::ZERO
    }

    /// Does it. Every rule is checked before anything is changed, so a refused operation changes nothing.
    ///
    /// # Errors
    /// With the rule that it breaks.
    fn execute(
        &self,
        draft: &mut StateDraft,
        caller: &Caller<'_>,
        position: BlockPosition,
    ) -> Result<Effect, Refusal>;
}

/// The signed operation in which an action stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caller<'a> {
    /// Whose it is.
    pub(super) owner: PublicKey,
    /// Its id.
    pub(super) operation: OperationId,
    /// The certificate request that was read out of it, if it has one.
    pub(super) request: Option<&'a CertificateRequest>,
}

/// What all operations of a kind have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OperationKind {
    /// The first byte of its encoding.
    pub tag: u8,
    /// What it is called in receipts and lists, and the method that submits it.
    pub name: &'static str,
    /// The service with a method of that name, which takes the operation and answers with its receipt.
    pub service: Option<&'static str>,
    /// Its price where the fees are lowest, for the bytes that a price covers. None if it is free.
    pub price: Option<MicroCaesar>,
}

macro_rules! operations {
    ($($(#[$doc:meta])* $tag:literal $kind:ident $name:literal $service:expr;)*) => {
        /// What an owner can want.
        ///
        /// Exhaustive: checkers of runs have to judge each one.
        #[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[borsh(use_discriminant = true)]
        #[repr(u8)]
        pub enum Action {
            $($(#[$doc])* $kind($kind) = $tag,)*
        }

        /// Every kind of operation, in the order of their tags.
        pub const OPERATIONS: &[OperationKind] = &[$($kind::KIND),*];

        $(impl $kind {
            /// What all operations of this kind have in common.
            pub const KIND: OperationKind = OperationKind {
                tag: $tag,
                name: $name,
                service: $service,
                price: <Self as Rules>::PRICE,
            };
        }

        impl From<$kind> for Action {
            fn from(action: $kind) -> Self {
                Self::$kind(action)
            }
        })*

        impl Action {
            /// What all operations of its kind have in common.
            #[must_use]
            pub const fn kind(&self) -> OperationKind {
                match self { $(Self::$kind(_) => $kind::KIND),* }
            }

            /// The most rent that an operation of its kind pays.
            #[must_use]
            pub const fn rent_max(&self) -> MicroCaesar {
                match self { $(Self::$kind(_) => <$kind as Rules>::RENT_MAX),* }
            }

            pub(super) fn check(&self) -> Result<Option<CertificateRequest>, OperationFault> {
                match self { $(Self::$kind(action) => Rules::check(action)),* }
            }

            pub(super) fn rent(&self, state: &State) -> MicroCaesar {
                match self { $(Self::$kind(action) => action.rent(state)),* }
            }

            pub(super) fn amount(&self) -> MicroCaesar {
                match self { $(Self::$kind(action) => action.amount()),* }
            }

            pub(super) fn execute(
                &self,
                draft: &mut StateDraft,
                caller: &Caller<'_>,
                position: BlockPosition,
            ) -> Result<Effect, Refusal> {
                match self { $(Self::$kind(action) => action.execute(draft, caller, position)),* }
            }
        }
    };
}

// Tag, kind, name, and the service whose method of that name submits it. The method that issues certificates answers with more
// than a receipt, and stands in the table of methods; attestations are made by nodes.
operations! {
    /// Nothing but to carry a member's ticket on chain. Costs nothing; only members may, each in a batch of its own that
    /// puts a ticket on chain, once.
    0 Attest "attest" None;
    /// Issue a certificate.
    1 IssueCertificate "issue_certificate" None;
    /// Give a free name to an owner.
    2 RegisterName "register_name" Some("trustchain");
    /// Set or remove the records of one type at a name.
    3 SetRecords "set_records" Some("trustchain");
    /// Move an amount to another account.
    4 Transfer "transfer" Some("caesar");
    /// Revoke a certificate, for good.
    5 RevokeCertificate "revoke_certificate" Some("trustchain");
    /// Put an amount of the member's account at stake.
    6 Bond "bond" Some("caesar");
    /// Take an amount out of the member's stake. It comes into the account after a delay.
    7 Unbond "unbond" Some("caesar");
    /// Pay for a name for another period.
    8 RenewName "renew_name" Some("trustchain");
    /// Announce an instance of a service, or renew its lease.
    9 AnnounceService "announce_service" Some("trustchain");
    /// Take an instance of a service away.
    10 WithdrawService "withdraw_service" Some("trustchain");
    /// Take back a name that was granted below one of the owner's.
    11 ReclaimName "reclaim_name" Some("trustchain");
}

impl OperationKind {
    /// The kind of the operations that this method of a service submits, to answer with their receipts.
    #[must_use]
    pub fn of_method(service: &str, name: &str) -> Option<&'static Self> {
        OPERATIONS.iter().find(|kind| kind.service == Some(service) && kind.name == name)
    }
}

impl Action {
    /// What it is called in receipts and lists.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.kind().name
    }
}

impl<'a> From<&'a CheckedOperation> for Caller<'a> {
    fn from(checked: &'a CheckedOperation) -> Self {
        Self { owner: checked.operation.body.owner, operation: checked.id, request: checked.request.as_ref() }
    }
}

/// What an operation of so many bytes costs its owner at the floor of the fees, rent apart. What is free has no price for
/// bytes either: its length is bounded by what it is.
#[must_use]
pub const fn listed_fee(action: &Action, bytes: usize) -> MicroCaesar {
    match action.kind().price {
        Some(price) => with_bytes(price, bytes),
        None => MicroCaesar::ZERO,
    }
}

/// Refuses an amount of nothing.
fn require_amount(amount: MicroCaesar) -> Result<(), OperationFault> {
    match amount {
        MicroCaesar::ZERO => Err(OperationFault::NoAmount),
        _ => Ok(()),
    }
}

/// Refuses a key that cannot sign.
fn require_key(key: PublicKey) -> Result<(), OperationFault> {
    key.check().map_err(|_| OperationFault::Key { key })
}
