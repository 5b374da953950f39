//! Where all that exists stands.

use crate::api::{ApiFault, ReadMethod, View};
use crate::base::{Height, MicroCaesar, UnixMillis};
use crate::state::Holdings;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

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

impl ReadMethod for SupplyRequest {
    fn answer(&self, view: &View, _wall: UnixMillis) -> Result<Supply, ApiFault> {
        let state = &view.state;
        let Holdings { accounts, stakes, unbonding, reserve } = state.holdings();
        // Each fits, or the supply would not.
        let amount = |sum: u128| MicroCaesar(u64::try_from(sum).unwrap_or(u64::MAX));
        let genesis = state.founding_supply();
        Ok(Supply {
            genesis,
            accounts: amount(accounts),
            stakes: amount(stakes),
            unbonding: amount(unbonding),
            reserve: amount(reserve),
            conserved: state.supply() == u128::from(genesis.0),
            height: state.height(),
        })
    }
}
