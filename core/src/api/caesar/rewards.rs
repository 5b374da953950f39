//! What validators earn.

use crate::api::{ApiFault, ReadMethod, View};
use crate::base::{Height, MicroCaesar, PublicKey, UnixMillis};
use crate::caesar::{LedgerAccount, reward};
use crate::state::{Earnings, Member, Validator};
use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

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

impl ReadMethod for RewardsRequest {
    fn answer(&self, view: &View, _wall: UnixMillis) -> Result<Rewards, ApiFault> {
        let state = &view.state;
        let reserve = state.balance(LedgerAccount::Reserve);
        let validators = state.validators();
        let earnings = state.get::<Earnings>(&()).unwrap_or_default();
        let attendance = state.attendance();
        let row = |key: &PublicKey| ValidatorRewards {
            validator: *key,
            name: state.get::<Validator>(key).map(|row| row.name).unwrap_or_default(),
            missed_audits: state.get::<Member>(key).map(|row| row.missed_audits).unwrap_or_default(),
            earned: earnings.paid.get(key).copied().unwrap_or_default(),
            stake: state.balance(LedgerAccount::Stake(*key)),
            earns: state.earns(key),
            last_vote: attendance.last.get(key).copied().unwrap_or_default(),
        };
        Ok(Rewards {
            reserve,
            second: reward(reserve, 1000, validators.count() as u64),
            validators: validators.as_slice().iter().map(row).collect(),
            height: state.height(),
        })
    }
}
