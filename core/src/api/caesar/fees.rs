//! What operations cost.

use crate::api::{ApiFault, ReadMethod, View};
use crate::base::{Height, MicroCaesar, UnixMillis};
use crate::caesar::{
    FEE_BYTES_INCLUDED, FEE_PER_BYTE, FEE_RATE_CEILING, FEE_RATE_FLOOR, LedgerAccount, NAME_MS_PERIOD,
    NAME_RENT, at_rate,
};
use crate::state::{OPERATIONS, OperationKind};
use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

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

impl ReadMethod for FeesRequest {
    fn answer(&self, view: &View, _wall: UnixMillis) -> Result<FeeSchedule, ApiFault> {
        let state = &view.state;
        let rate = state.fee_rate().thousandths;
        let fee = |listed| at_rate(listed, rate);
        let priced =
            |kind: &OperationKind| Some(OperationFee { operation: kind.name.into(), fee: fee(kind.price?) });
        Ok(FeeSchedule {
            rate,
            rate_floor: FEE_RATE_FLOOR,
            rate_ceiling: FEE_RATE_CEILING,
            target_operations: state.genesis_document().profile.fee_target_operations(),
            height: state.height(),
            operations: OPERATIONS.iter().filter_map(priced).collect(),
            byte: fee(FEE_PER_BYTE),
            bytes_included: FEE_BYTES_INCLUDED as u64,
            rent: NAME_RENT,
            rent_ms_period: NAME_MS_PERIOD,
            reserve: state.balance(LedgerAccount::Reserve),
            supply: state.founding_supply(),
        })
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
