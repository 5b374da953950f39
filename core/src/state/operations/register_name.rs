//! Registering a name: one directly below a zone for whoever comes first and pays its rent, one below a registered name for
//! whom that name's owner grants it to.

use super::{Caller, OperationFault, Rules, check_script, require_key};
use crate::base::{MicroCaesar, PublicKey};
use crate::caesar::{NAME_RENT, REGISTER_FEE};
use crate::state::block::execute::BlockPosition;
use crate::state::names::ownership::outside;
use crate::state::{Effect, GrantLimits, Refusal, State, StateDraft};
use crate::trustchain::DomainName;
use crate::trustchain::ca::CertificateRequest;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// Which name is to belong to whom.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct RegisterName {
    /// A name directly below the zone that nobody has, or any name below one of the operation's owner. Of one that was granted
    /// below such a name already, and to the same owner, this sets the limits anew.
    pub name: DomainName,
    /// Whose it becomes.
    pub owner: PublicKey,
    /// How long and what for. A name directly below the zone has no limits.
    #[serde(default)]
    pub limits: GrantLimits,
}

impl Rules for RegisterName {
    const PRICE: Option<MicroCaesar> = Some(REGISTER_FEE);
    const RENT_MAX: MicroCaesar = NAME_RENT;

    fn check(&self) -> Result<Option<CertificateRequest>, OperationFault> {
        check_script(&self.name)?;
        require_key(self.owner).map(|()| None)
    }

    fn rent(&self, state: &State) -> MicroCaesar {
        match self.name.parent().as_ref() == state.zone_of(&self.name) {
            true => NAME_RENT,
            false => MicroCaesar::ZERO,
        }
    }

    fn execute(
        &self,
        draft: &mut StateDraft,
        caller: &Caller<'_>,
        position: BlockPosition,
    ) -> Result<Effect, Refusal> {
        let owner = caller.owner;
        let state = draft.state();
        let name = &self.name;
        let zone = state.zone_of(name).ok_or_else(|| outside(state, name))?;
        // A freed name is nobody's, whatever it left: it is refused below, until that is cleared away.
        let holding = state.holding(name, position.time);
        if let Some(taken) = holding.as_ref().filter(|holding| holding.registered.name == *name) {
            return draft.grant_anew(owner, self, taken.clone(), position);
        }
        if state.is_of_the_mesh(name) {
            return Err(Refusal::Reserved { name: name.clone() });
        }
        state.require_paid(name, position.time)?;
        match holding {
            Some(above) if above.owner() == owner => draft.grant_name(caller, self, &above, position),
            Some(above) => Err(Refusal::NotOwner { name: name.clone(), owner: above.owner() }),
            None if name.parent().as_ref() != Some(zone) => {
                Err(Refusal::NotRegistered { name: name.clone() })
            }
            None if self.limits != GrantLimits::default() => Err(Refusal::Unlimited { name: name.clone() }),
            None => draft.let_name(caller, (name, self.owner), position),
        }
    }
}
