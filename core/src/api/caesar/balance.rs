//! What somebody has.

use crate::api::{ApiFault, ReadMethod, View};
use crate::base::{Height, MicroCaesar, PublicKey, UnixMillis};
use crate::caesar::LedgerAccount;
use crate::state::{Member, Release};
use alloc::vec::Vec;
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
        /// On its way out of the stake, and when each part comes into the account.
        unbonding: Vec<Release>,
        /// The block that this is of.
        height: Height,
    }
}

impl ReadMethod for BalanceRequest {
    fn answer(&self, view: &View, _wall: UnixMillis) -> Result<Balance, ApiFault> {
        let state = &view.state;
        let stake = state.get::<Member>(&self.owner).map(|member| member.stake).unwrap_or_default();
        let balance = state.balance(LedgerAccount::Account(self.owner));
        let unbonding = state.unbonding(&self.owner).releases;
        Ok(Balance { owner: self.owner, balance, stake, unbonding, height: state.height() })
    }
}
