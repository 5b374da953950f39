//! Announcing an instance of a service for the length of a lease; again, to renew the lease or to say something else.

use super::{Caller, OperationFault, Rules};
use crate::base::MicroCaesar;
use crate::caesar::ANNOUNCE_FEE;
use crate::state::block::execute::BlockPosition;
use crate::state::services::announce::AnnouncementFault;
use crate::state::{
    Due, Effect, Instance, InstanceName, LEASE_SECONDS_MAX, LEASE_SECONDS_MIN, Location, Offer, Refusal,
    StateDraft,
};
use crate::trustchain::ca::CertificateRequest;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// Announces an instance of a service for the length of a lease; again, to renew the lease or to say something else.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct AnnounceService {
    /// Which instance.
    pub instance: InstanceName,
    /// What it says of itself.
    pub offer: Offer,
    /// How long this holds from the block's time on: from [`LEASE_SECONDS_MIN`] to [`LEASE_SECONDS_MAX`].
    pub lease_seconds: u32,
}

impl Rules for AnnounceService {
    const PRICE: Option<MicroCaesar> = Some(ANNOUNCE_FEE);

    fn check(&self) -> Result<Option<CertificateRequest>, OperationFault> {
        self.instance.check()?;
        self.offer.check()?;
        match (LEASE_SECONDS_MIN..=LEASE_SECONDS_MAX).contains(&self.lease_seconds) {
            true => Ok(None),
            false => Err(AnnouncementFault::Lease { seconds: self.lease_seconds }.into()),
        }
    }

    fn execute(
        &self,
        draft: &mut StateDraft,
        caller: &Caller<'_>,
        position: BlockPosition,
    ) -> Result<Effect, Refusal> {
        let Self { instance: name, offer, lease_seconds } = self;
        let owner = caller.owner;
        draft.state().require_owner(&name.full(), owner, position.time)?;
        if let Location::Addresses(_) = &offer.location {
            draft.state().require_owner(&name.host(), owner, position.time)?;
        }
        draft.end_leases_of(&name.service, position.time);
        let before = draft.state().get::<Instance>(name);
        let unchanged = before.as_ref().is_some_and(|before| before.offer == *offer);
        if !unchanged {
            draft.state().require_place(self, before.as_ref())?;
        }
        if let Some(before) = &before {
            draft.remove::<Due>(&(before.expires, Due::Lease(name.clone())));
        }
        let expires = position.time.plus(u64::from(*lease_seconds) * 1000);
        draft.schedule(expires, Due::Lease(name.clone()));
        let instance = Instance {
            name: name.clone(),
            owner,
            offer: offer.clone(),
            since: before.as_ref().map_or(position.height, |before| before.since),
            lease_seconds: *lease_seconds,
            expires,
        };
        draft.put(name, &instance);
        if !unchanged {
            draft.publish_service(name, before.as_ref());
        }
        Ok(Effect::ServiceAnnounced { expires })
    }
}
