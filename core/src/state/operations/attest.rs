//! An attestation: nothing but to carry a member's ticket on chain.

use super::{Caller, Rules};
use crate::base::MicroCaesar;
use crate::state::block::execute::Moment;
use crate::state::{Draft, Effect, Member, Refusal};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// An attestation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Attest;

impl Rules for Attest {
    const PRICE: Option<MicroCaesar> = None;

    fn perform(&self, draft: &mut Draft, caller: &Caller<'_>, _: Moment) -> Result<Effect, Refusal> {
        match draft.state().get::<Member>(&caller.owner) {
            Some(_) => Ok(Effect::Attested),
            None => Err(Refusal::NotMember { owner: caller.owner }),
        }
    }
}
