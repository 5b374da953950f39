//! Withdrawing an instance of a service before its lease ends.

use super::{Caller, OperationFault, Rules};
use crate::base::MicroCaesar;
use crate::caesar::ANNOUNCE_FEE;
use crate::state::block::execute::BlockPosition;
use crate::state::{Due, Effect, Instance, InstanceName, Refusal, StateDraft};
use crate::trustchain::ca::CertificateRequest;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// Takes an instance of a service away before its lease ends.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct WithdrawService {
    /// Which instance.
    pub instance: InstanceName,
}

impl Rules for WithdrawService {
    const PRICE: Option<MicroCaesar> = Some(ANNOUNCE_FEE);

    fn check(&self) -> Result<Option<CertificateRequest>, OperationFault> {
        self.instance.check().map(|()| None)
    }

    /// For who may announce it, and the owner of its service.
    fn execute(
        &self,
        draft: &mut StateDraft,
        caller: &Caller<'_>,
        position: BlockPosition,
    ) -> Result<Effect, Refusal> {
        let (name, owner, at) = (&self.instance, caller.owner, position.time);
        let state = draft.state();
        let own = state.require_owner(&name.full(), owner, at);
        own.or_else(|refusal| state.require_owner(&name.service, owner, at).map_err(|_| refusal))?;
        draft.end_leases_of(&name.service, at);
        let absent = || Refusal::NoInstance { name: name.full() };
        let instance = draft.state().get::<Instance>(name).ok_or_else(absent)?;
        draft.remove::<Due>(&(instance.expires, Due::Lease(name.clone())));
        draft.remove::<Instance>(name);
        draft.publish_service(name, Some(&instance));
        Ok(Effect::ServiceWithdrawn)
    }
}
