//! Each rule is seen to fire.

mod form;
mod receipts;
mod rights;

use super::model::{Model, Objections};
use super::reason::{RefusalReason, RefusalReasons};
use crate::base::Participants;
use crate::check::ledger::OwnerFunds;
use crate::check::test_util::world_with;
use crate::world::{Owner, World};
use hypermesh_core::api::Request;
use hypermesh_core::base::{Height, SecretKey, UnixMillis};
use hypermesh_core::state::{Operation, State};

/// Somebody with enough of everything.
const RICH: OwnerFunds = OwnerFunds { account: 1 << 40, stake: 1 << 40, releases: 0, fee: 1000, rent: 0 };

/// A model, and who asks it.
struct PolicyFixture {
    model: Model,
    participants: Participants,
    time: UnixMillis,
    nonce: u64,
}

impl PolicyFixture {
    /// Of a mesh that has its keys.
    fn new() -> Self {
        let world = ready();
        Self::of(world.checks().chain().newest().unwrap(), world.participants().clone())
    }

    /// Of a mesh that has not begun.
    fn genesis() -> Self {
        let participants = Participants::new(4);
        Self::of(&State::genesis(participants.genesis.clone()).0, participants)
    }

    fn of(state: &State, participants: Participants) -> Self {
        Self { model: Model::of(state), participants, time: state.time().plus(1000), nonce: 0 }
    }

    fn owner(&self, key: &SecretKey) -> Owner {
        Owner::new(key.clone(), self.participants.genesis_hash(), self.time)
    }

    fn client(&self) -> Owner {
        self.owner(&self.participants.client)
    }

    fn other(&self) -> Owner {
        self.owner(&self.participants.other)
    }

    const fn nonce(&mut self) -> u64 {
        self.nonce += 1;
        self.nonce
    }

    fn judge(&self, request: &Request, owner_funds: OwnerFunds) -> Objections {
        let operation = operation(request);
        let request = super::form::check(operation).unwrap();
        self.model.against(operation, request.as_ref(), owner_funds, self.time)
    }

    /// The reasons for which it is refused and pays.
    fn against(&self, request: &Request) -> RefusalReasons {
        let Objections { unpaid, paid } = self.judge(request, RICH);
        assert_eq!(unpaid, RefusalReasons::new());
        paid
    }

    /// Carries out what is allowed.
    fn done(&mut self, request: &Request) {
        assert_eq!(self.judge(request, RICH), Objections::default(), "{request:?}");
        let operation = operation(request);
        let csr = super::form::check(operation).unwrap();
        let position = (Height(99), self.time);
        assert!(self.model.carry_out(operation, csr.as_ref(), RICH, position).is_some());
    }
}

fn ready() -> World {
    world_with(|_| Vec::new()).0
}

fn operation(request: &Request) -> &Operation {
    request.operation().unwrap()
}

fn only(reason: RefusalReason) -> RefusalReasons {
    RefusalReasons::from([reason])
}
