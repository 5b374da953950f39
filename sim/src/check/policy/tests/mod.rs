//! Each rule is seen to fire.

mod form;
mod receipts;
mod rights;

use super::model::{Against, Model};
use super::reason::{Reason, Reasons};
use crate::check::kit::world_with;
use crate::check::ledger::Means;
use crate::world::{Cast, Owner, World};
use hypermesh_core::api::Request;
use hypermesh_core::base::{Height, SecretKey, UnixMillis};
use hypermesh_core::state::{Operation, State};

/// Somebody with enough of everything.
const RICH: Means = Means { account: 1 << 40, stake: 1 << 40, releases: 0, fee: 1000, rent: 0 };

/// A model, and who asks it.
struct Scene {
    model: Model,
    cast: Cast,
    time: UnixMillis,
    nonce: u64,
}

impl Scene {
    /// Of a mesh that has its keys.
    fn new() -> Self {
        let world = ready();
        Self::of(world.checks().chain().newest().unwrap(), world.cast().clone())
    }

    /// Of a mesh that has not begun.
    fn genesis() -> Self {
        let cast = Cast::new(4);
        Self::of(&State::genesis(cast.genesis.clone()).0, cast)
    }

    fn of(state: &State, cast: Cast) -> Self {
        Self { model: Model::of(state), cast, time: state.time().plus(1000), nonce: 0 }
    }

    fn owner(&self, key: &SecretKey) -> Owner {
        Owner::new(key.clone(), self.cast.genesis_hash(), self.time)
    }

    fn client(&self) -> Owner {
        self.owner(&self.cast.client)
    }

    fn other(&self) -> Owner {
        self.owner(&self.cast.other)
    }

    const fn nonce(&mut self) -> u64 {
        self.nonce += 1;
        self.nonce
    }

    fn judge(&self, request: &Request, means: Means) -> Against {
        let operation = operation(request);
        let request = super::form::check(operation).unwrap();
        self.model.against(operation, request.as_ref(), means, self.time)
    }

    /// The reasons for which it is refused and pays.
    fn against(&self, request: &Request) -> Reasons {
        let Against { unpaid, paid } = self.judge(request, RICH);
        assert_eq!(unpaid, Reasons::new());
        paid
    }

    /// Carries out what is allowed.
    fn done(&mut self, request: &Request) {
        assert_eq!(self.judge(request, RICH), Against::default(), "{request:?}");
        let operation = operation(request);
        let csr = super::form::check(operation).unwrap();
        let moment = (Height(99), self.time);
        assert!(self.model.carry_out(operation, csr.as_ref(), RICH, moment).is_some());
    }
}

fn ready() -> World {
    world_with(|_| Vec::new()).0
}

fn operation(request: &Request) -> &Operation {
    request.operation().unwrap()
}

fn only(reason: Reason) -> Reasons {
    Reasons::from([reason])
}
