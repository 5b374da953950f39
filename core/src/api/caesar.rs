//! Caesar's requests and responses.

use super::trustchain::message;
use crate::base::{Height, MicroCaesar, PublicKey};
use crate::state::Operation;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

message! {
    /// Asks what someone has.
    BalanceRequest {
        /// Who.
        owner: PublicKey,
    }
}

message! {
    /// What someone has.
    Balance {
        /// Who.
        owner: PublicKey,
        /// In the account.
        balance: MicroCaesar,
        /// At stake, for a member.
        stake: MicroCaesar,
        /// The block that this is of.
        height: Height,
    }
}

message! {
    /// Moves an amount.
    TransferRequest {
        /// The owner's signed operation.
        operation: Operation,
    }
}

message! {
    /// Asks what operations cost.
    FeesRequest {}
}

message! {
    /// What operations cost.
    FeeSchedule {
        /// Issuing a certificate.
        issue: MicroCaesar,
        /// Registering a name.
        register: MicroCaesar,
        /// Setting records.
        records: MicroCaesar,
        /// A transfer.
        transfer: MicroCaesar,
        /// Revoking a certificate.
        revoke: MicroCaesar,
        /// What is in the reserve that fees go into and rewards come out of.
        reserve: MicroCaesar,
        /// All that exists.
        supply: MicroCaesar,
    }
}
