//! An attestation: nothing but to carry a member's ticket on chain.

use super::{Caller, Rules};
use crate::base::MicroCaesar;
use crate::state::block::execute::BlockPosition;
use crate::state::{Effect, Member, Refusal, StateDraft};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// An attestation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Attest;

impl Rules for Attest {
    const PRICE: Option<MicroCaesar> = None;

    fn execute(
        &self,
        draft: &mut StateDraft,
        caller: &Caller<'_>,
        _: BlockPosition,
    ) -> Result<Effect, Refusal> {
        match draft.state().get::<Member>(&caller.owner) {
            Some(_) => Ok(Effect::Attested),
            None => Err(Refusal::NotMember { owner: caller.owner }),
        }
    }
}
