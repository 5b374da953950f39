//! What clients see is linearisable as far as it is promised.
//!
//! Writes are: each takes effect at the moment at which its block was first decided, and that lies between the first
//! time that anybody was asked for it and the first answer with its receipt. Blocks are one order, decided one after
//! another, so that is one order of all writes which agrees with real time: no search for one is needed, as it would be
//! (Wing and Gong 1993) if receipts did not name heights. A second asking with the same operation is the same write.
//!
//! What writes leave is held against a model of the registers that they write: who owns a name, and the records of a
//! name and type. Each is what the last write in that order made it, until the next.
//!
//! Reads are answered by each node from its own newest state, so a node that is behind may answer with an old one:
//! between nodes, reads are not linearisable, and nobody promises that. What is promised is looked at: at one node, while
//! it runs, no read or receipt is of an earlier height than one before it.

use super::touched::{NamesChange, touched};
use super::{Chain, ObservedAnswer, Violation};
use crate::base::NodeIndex;
use hypermesh_core::api::{Request, Settlement};
use hypermesh_core::base::{Height, Mono, PublicKey};
use hypermesh_core::state::{Action, NameOwner, Operation, OperationId, Outcome, Receipt, State};
use hypermesh_core::trustchain::DomainName;
use hypermesh_core::trustchain::dns::{RecordSet, RecordType};
use std::collections::BTreeMap;

/// Watches what clients see.
#[derive(Default)]
pub struct LinearCheck {
    /// When each operation was first asked for.
    asked: BTreeMap<OperationId, Mono>,
    /// The height of the last read at each node that runs.
    read: BTreeMap<NodeIndex, Height>,
    names: BTreeMap<DomainName, PublicKey>,
    records: BTreeMap<(DomainName, RecordType), Option<RecordSet>>,
}

impl LinearCheck {
    /// Takes note of a request.
    pub(super) fn on_request(&mut self, at: Mono, request: &Request) {
        for operation in request.operations() {
            self.asked.entry(operation.id()).or_insert(at);
        }
    }

    /// Takes note that a node starts: what it has may be older than what it answered before.
    pub(super) fn on_start(&mut self, place: NodeIndex) {
        self.read.remove(&place);
    }

    /// Looks at a block that no node had before.
    ///
    /// # Errors
    /// If a register does not hold what was written last.
    pub(super) fn on_block(&mut self, chain: &Chain, height: Height) -> Result<(), Violation> {
        let Some(decided) = chain.at(height) else { return Ok(()) };
        let Some(block) = &decided.block else { return Ok(()) };
        let mut receipts = decided.receipts.iter().peekable();
        let mut written = Vec::new();
        for operation in block.body.batches.iter().flat_map(|batch| &batch.operations) {
            let Some(receipt) = receipts.next_if(|receipt| receipt.operation == operation.id()) else {
                continue;
            };
            if matches!(receipt.outcome, Outcome::Done(_)) {
                written.extend(self.write(&operation.body.action));
            }
        }
        for register in written {
            self.compare(&decided.state, &register)
                .map_err(|what| Violation::new("linear", format!("after block {height} {what}")))?;
        }
        Ok(())
    }

    fn write(&mut self, action: &Action) -> Option<Register> {
        match touched(action).names? {
            NamesChange::Register(register) => {
                self.names.insert(register.name.clone(), register.owner);
                Some(Register::Owner(register.name.clone()))
            }
            // The mesh publishes TLSA records itself, and takes them away.
            NamesChange::SetRecords(set) if set.record_type == RecordType::Tlsa => None,
            NamesChange::SetRecords(set) => {
                let key = (set.name.clone(), set.record_type);
                self.records.insert(key.clone(), set.records.clone());
                Some(Register::Records(key))
            }
            // A renewal writes until when the name is paid for, not whose it is.
            NamesChange::Renew(renew) => {
                Some(Register::Owner(renew.name.clone())).filter(|_| self.names.contains_key(&renew.name))
            }
            // Names that were granted below it fall with it: which of them, the check `policy` says.
            NamesChange::Reclaim(reclaim) => {
                self.names.retain(|name, _| !name.is_within(&reclaim.name));
                None
            }
        }
    }

    fn compare(&self, state: &State, register: &Register) -> Result<(), String> {
        let holds = match register {
            Register::Owner(name) => {
                // One that was taken back in the same block is in nobody's register.
                let written = self.names.get(name);
                written
                    .is_none_or(|owner| state.get::<NameOwner>(name).is_some_and(|row| row.owner == *owner))
            }
            Register::Records(key) => state.get::<RecordSet>(key) == self.records.get(key).cloned().flatten(),
        };
        match holds {
            true => Ok(()),
            false => Err(format!("{register:?} is not what was written last")),
        }
    }

    /// Looks at an answer.
    ///
    /// # Errors
    /// If a write took effect outside of its time, or a node's reads go back.
    pub(super) fn on_answer(
        &mut self,
        chain: &Chain,
        observed: &ObservedAnswer<'_>,
    ) -> Result<(), Violation> {
        let Ok(response) = observed.response else { return Ok(()) };
        let outcome = match response.settlement() {
            Settlement::Receipts(receipts) => self.on_receipts(chain, observed, receipts),
            Settlement::Certificate(issued) => match observed.request.operations() {
                [operation] => self.took_effect(chain, observed, operation.id(), issued.height),
                _ => Err("answers with a certificate where none was asked for".to_string()),
            },
            Settlement::Nothing => {
                response.state_height().map_or(Ok(()), |height| self.on_own(observed, height))
            }
        };
        outcome.map_err(|what| observed.observation.violation("linear", what))
    }

    fn on_receipts(
        &mut self,
        chain: &Chain,
        observed: &ObservedAnswer<'_>,
        receipts: &[Receipt],
    ) -> Result<(), String> {
        let asked: Vec<OperationId> = observed.request.operations().iter().map(Operation::id).collect();
        for receipt in receipts {
            if !asked.contains(&receipt.operation) {
                return Err(format!("answers with the receipt of {}", receipt.operation));
            }
            let decided = chain.at(receipt.height).filter(|decided| decided.block.is_some());
            if decided.is_some_and(|decided| !decided.receipts.contains(receipt)) {
                return Err(format!(
                    "shows a receipt of {} that block {} did not give",
                    receipt.operation, receipt.height
                ));
            }
            self.took_effect(chain, observed, receipt.operation, receipt.height)?;
        }
        Ok(())
    }

    /// A write took effect when its block was first decided: not before it was asked for, and not after this answer.
    fn took_effect(
        &mut self,
        chain: &Chain,
        observed: &ObservedAnswer<'_>,
        operation: OperationId,
        height: Height,
    ) -> Result<(), String> {
        let asked = self.asked.get(&operation).copied();
        let since = chain.at(height).map(|decided| decided.since);
        if since.zip(asked).is_some_and(|(since, asked)| since < asked) {
            return Err(format!("says that a write was decided at height {height}, before it was asked for"));
        }
        if chain.newest().is_some_and(|newest| newest.height() < height) {
            return Err(format!("answers of height {height}, which is not decided"));
        }
        self.on_own(observed, observed.view.state.height().max(height))
    }

    fn on_own(&mut self, observed: &ObservedAnswer<'_>, height: Height) -> Result<(), String> {
        let last = self.read.entry(observed.observation.place).or_default();
        if height < *last {
            return Err(format!("answers of height {height} after it has answered of {last}"));
        }
        *last = height;
        Ok(())
    }
}

#[derive(Debug)]
enum Register {
    Owner(DomainName),
    Records((DomainName, RecordType)),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Observation;
    use crate::check::test_util::world_with;
    use crate::world::{World, announcement, name};
    use hypermesh_core::api::{OperationRequest, Response};
    use hypermesh_core::base::{Digest, MicroCaesar};
    use hypermesh_core::state::SetRecords;
    use hypermesh_core::trustchain::dns::RecordData;

    fn requests(world: &World) -> Vec<Request> {
        let (owner, poor) = (world.owner(&world.participants().client), world.participants().poor.public());
        let records = RecordSet::new(60, vec![RecordData::Aaaa("fd00::1".parse().unwrap())]).unwrap();
        let set = SetRecords {
            name: name("www.demo.hypermesh"),
            record_type: RecordType::Aaaa,
            records: Some(records),
        };
        let register = owner.register(2, name("sub.demo.hypermesh"), poor);
        vec![owner.set(1, set), register, owner.transfer(3, poor, MicroCaesar(5))]
    }

    fn say(
        check: &mut LinearCheck,
        world: &World,
        request: &Request,
        response: Response,
    ) -> Result<(), Violation> {
        let node = world.participants().validators[0].member.identity.public();
        let observation = Observation { at: world.now(), place: 0, node, disk: world.disk(0).unwrap() };
        let (view, response) = (world.view(0).unwrap(), Ok(response));
        let observed = ObservedAnswer {
            observation,
            request,
            asked: world.now(),
            response: &response,
            view: &view,
            wall: world.wall(),
        };
        check.on_answer(world.checks().chain(), &observed)
    }

    #[test]
    fn it_fires_when_a_write_takes_effect_before_it_was_asked_for_or_its_receipt_is_another() {
        let (world, responses) = world_with(requests);
        let (request, response) = (requests(&world).pop().unwrap(), responses[2].clone());
        // The owner asks anew with another time of expiry, so the request is not the very one that was answered.
        let mut check = LinearCheck::default();
        assert!(say(&mut check, &world, &request, response).unwrap_err().what.contains("receipt of"));
        let Response::Operation(receipt) = &responses[2] else { panic!("another response") };
        let chain = world.checks().chain();
        let block = chain.at(receipt.height).unwrap().block.clone().unwrap();
        let operation = block.body.batches[0].operations[0].clone();
        let request = Request::Operation(OperationRequest { operation });
        check.on_request(Mono(0), &request);
        assert_eq!(say(&mut check, &world, &request, responses[2].clone()), Ok(()));
        let forged = Receipt { fee: MicroCaesar(9), ..receipt.clone() };
        assert!(
            say(&mut check, &world, &request, Response::Operation(forged))
                .unwrap_err()
                .what
                .contains("did not")
        );
        let mut late = LinearCheck::default();
        late.on_request(world.now(), &request);
        assert!(say(&mut late, &world, &request, responses[2].clone()).unwrap_err().what.contains("before"));
    }

    #[test]
    fn it_fires_on_an_altered_receipt_of_whatever_operation() {
        let every = |world: &World| {
            let participants = world.participants();
            let (client, member) = (&participants.client, &participants.validators[0].member.identity);
            let (owner, staker) = (world.owner(client), world.owner(member));
            let (own, instance) = (client.public(), announcement("web.demo.hypermesh", "east", 7000, 60));
            vec![
                owner.transfer(1, member.public(), MicroCaesar(50_000_000)),
                staker.bond(2, MicroCaesar(3_000_000)),
                staker.unbond(3, MicroCaesar(2_000_000)),
                owner.register(4, name("shop.hypermesh"), own),
                owner.renew(5, name("shop.hypermesh")),
                owner.announce(6, instance.clone()),
                owner.withdraw(7, instance.instance),
            ]
        };
        let mut asked = Vec::new();
        let (world, responses) = world_with(|world| {
            asked = every(world);
            asked.clone()
        });
        for (request, response) in asked.iter().zip(&responses) {
            let mut check = LinearCheck::default();
            check.on_request(Mono(0), request);
            assert_eq!(say(&mut check, &world, request, response.clone()), Ok(()));
            let forged = forged(response);
            let fault = say(&mut check, &world, request, forged).unwrap_err();
            assert!(fault.what.contains("did not give"), "{:?}: {fault}", request.method());
            let mut late = LinearCheck::default();
            late.on_request(world.now(), request);
            let fault = say(&mut late, &world, request, response.clone()).unwrap_err();
            assert!(fault.what.contains("before it was asked"), "{:?}: {fault}", request.method());
        }
    }

    /// A response whose receipt names another fee.
    fn forged(response: &Response) -> Response {
        let Settlement::Receipts([receipt]) = response.settlement() else { panic!("another response") };
        let receipt = Receipt { fee: MicroCaesar(9), ..receipt.clone() };
        Response::Operation(receipt)
    }

    #[test]
    fn it_fires_when_a_nodes_reads_go_back() {
        let (world, responses) = world_with(requests);
        let request = &requests(&world)[0];
        let mut check = LinearCheck::default();
        check.read.insert(0, Height(u64::MAX));
        let status = hypermesh_core::api::read(
            &world.view(0).unwrap(),
            &Request::Status(hypermesh_core::api::StatusRequest {}),
            world.wall(),
        );
        let status = status.unwrap().unwrap();
        assert!(say(&mut check, &world, request, status.clone()).unwrap_err().what.contains("after it has"));
        check.on_start(0);
        assert_eq!(say(&mut check, &world, request, status), Ok(()));
        drop(responses);
    }

    #[test]
    fn it_fires_when_a_register_does_not_hold_what_was_written_last() {
        let (world, responses) = world_with(requests);
        let Response::Operation(receipt) = &responses[0] else { panic!("another response") };
        let (chain, mut check) = (world.checks().chain(), LinearCheck::default());
        assert_eq!(check.on_block(chain, receipt.height), Ok(()));
        let key = (name("www.demo.hypermesh"), RecordType::Aaaa);
        let state = &chain.at(receipt.height).unwrap().state;
        assert_eq!(check.compare(state, &Register::Records(key.clone())), Ok(()));
        check.records.insert(key.clone(), None);
        assert!(check.compare(state, &Register::Records(key)).unwrap_err().contains("written last"));
        check.names.insert(name("sub.demo.hypermesh"), PublicKey(Digest([1; 32]).0));
        assert!(check.compare(state, &Register::Owner(name("sub.demo.hypermesh"))).is_err());
    }
}
