//! Caesar's requests and responses.

use super::trustchain::message;
use crate::base::{Height, MicroCaesar, PublicKey, UnixMillis};
use crate::caesar::{HistoryHead, HistoryPage, Holder, JournalHead, Movement};
use crate::state::{OperationKind, Release};
use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// The most movements in one page of history.
pub const HISTORY_COUNT_MAX: u32 = 256;

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
        /// On its way out of the stake, and when each part comes into the account.
        unbonding: Vec<Release>,
        /// The block that this is of.
        height: Height,
    }
}

message! {
    /// Asks what operations cost.
    FeesRequest {}
}

message! {
    /// What operations cost in the next block.
    FeeSchedule {
        /// What the listed prices are multiplied by, in thousandths; it follows the load.
        rate: u64,
        /// The lowest that it can be: the prices as listed.
        rate_floor: u64,
        /// The highest that it can be.
        rate_ceiling: u64,
        /// As many operations in a block as leave it as it is.
        target_operations: u64,
        /// The block that this is of.
        height: Height,
        /// The prices of operations, in the order of their tags. What is free is not among them.
        operations: Vec<OperationFee>,
        /// Each byte of an operation past those that the prices cover.
        byte: MicroCaesar,
        /// How many bytes of an operation the prices cover.
        bytes_included: u64,
        /// Keeping a name directly below a zone for a period, beside what registering or renewing it costs.
        rent: MicroCaesar,
        /// That period, in milliseconds.
        rent_ms_period: u64,
        /// What is in the reserve that fees go into and rewards come out of.
        reserve: MicroCaesar,
        /// All that exists.
        supply: MicroCaesar,
    }
}

message! {
    /// What the operations of a kind cost.
    OperationFee {
        /// The kind, as receipts name it.
        operation: alloc::string::String,
        /// The price.
        fee: MicroCaesar,
    }
}

message! {
    /// Asks where all that exists stands.
    SupplyRequest {}
}

message! {
    /// Where all that exists stands, from the sums that every block keeps.
    Supply {
        /// What genesis fixed.
        genesis: MicroCaesar,
        /// In accounts.
        accounts: MicroCaesar,
        /// At stake.
        stakes: MicroCaesar,
        /// On its way out of stakes.
        unbonding: MicroCaesar,
        /// In the reserve.
        reserve: MicroCaesar,
        /// Whether these add up to what genesis fixed.
        conserved: bool,
        /// The block that this is of.
        height: Height,
    }
}

message! {
    /// Asks what validators earn.
    RewardsRequest {}
}

message! {
    /// What validators earn.
    Rewards {
        /// What is in the reserve that rewards come out of.
        reserve: MicroCaesar,
        /// What each validator that signs would get for a block a second after this one.
        second: MicroCaesar,
        /// The validators, in ascending order of keys.
        validators: Vec<ValidatorRewards>,
        /// The block that this is of.
        height: Height,
    }
}

message! {
    /// What one validator has earned.
    ValidatorRewards {
        /// Its key.
        validator: PublicKey,
        /// Its name.
        name: alloc::string::String,
        /// All rewards since genesis.
        earned: MicroCaesar,
        /// What it has at stake.
        stake: MicroCaesar,
        /// For how many beacons in a row it has put no ticket on chain.
        missed_audits: u32,
        /// Whether it is paid for its votes.
        earns: bool,
        /// The highest block of which its precommit is on chain.
        last_vote: Height,
    }
}

message! {
    /// Asks for movements of a holder, the newest first to come.
    HistoryRequest {
        /// Whose.
        holder: Holder,
        /// Only what was before this; all if there is none.
        before: Option<HistoryCursor>,
        /// How many at most, from 1 to [`HISTORY_COUNT_MAX`].
        limit: u32,
    }
}

message! {
    /// A place in a history.
    HistoryCursor {
        /// In this block.
        height: Height,
        /// The movement of this number.
        number: u64,
    }
}

message! {
    /// A page of history, and what it is checked against: its digest is the state's if it is the newest page, and what
    /// the page after it begins with if not.
    History {
        /// How far the history goes.
        head: HistoryHead,
        /// The movements, oldest first.
        page: HistoryPage,
        /// Where the page before this one is found; none if this begins with the first movement.
        next: Option<HistoryCursor>,
        /// The block that the head is of.
        height: Height,
    }
}

message! {
    /// Asks what moved in a block.
    MovementsRequest {
        /// Which; the last if none is named.
        height: Option<Height>,
    }
}

message! {
    /// What moved in a block.
    Movements {
        /// Which.
        height: Height,
        /// Its time.
        time: UnixMillis,
        /// What moved, in order.
        movements: Vec<Movement>,
        /// How far the journal of all movements went before this block.
        before: JournalHead,
        /// How far it went after it: as the state has it, if nothing has moved since.
        after: JournalHead,
    }
}

impl FeeSchedule {
    /// What an operation of a kind costs; nothing if it is free.
    #[must_use]
    pub fn of(&self, kind: &OperationKind) -> MicroCaesar {
        let found = self.operations.iter().find(|listed| listed.operation == kind.name);
        found.map_or(MicroCaesar::ZERO, |listed| listed.fee)
    }
}
