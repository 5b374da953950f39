//! Genesis.

use crate::api::{ApiFault, ReadMethod, View};
use crate::base::UnixMillis;
use crate::state::Genesis;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

message! {
    /// Asks for genesis.
    GenesisRequest {}
}

impl ReadMethod for GenesisRequest {
    fn answer(&self, view: &View, _wall: UnixMillis) -> Result<Genesis, ApiFault> {
        Ok(view.state.genesis_document().as_ref().clone())
    }
}
