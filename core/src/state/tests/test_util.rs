//! A mesh of four validators in one process: real plots, real proofs, real key generation, real signatures.
//! What a network would carry is handed over by hand.

use crate::base::{
    Digest, Entropy, Height, MicroCaesar, Profile, PublicKey, SecretKey, StrictSignature, UnixMillis,
};
use crate::caesar::BlockMovements;
use crate::hypermesh::committee::{
    CommitmentPool, Committee, KeyGeneration, KeyPurpose, KeyShares, Progress, Signer, SigningSession,
};
use crate::hypermesh::ordering::{CommitCertificate, CommitSignature, Round, Vote, VoteKind};
use crate::hypermesh::proof::{Plot, Plotter, Statement, plot_key, prove_set, prove_ticket};
use crate::hypermesh::reveal_link;
use crate::state::block::{execute, execute_operation, payable};
use crate::state::operations::Caller;
use crate::state::*;
use crate::trustchain::DomainName;
use crate::trustchain::dns::{RecordData, RecordSet, RecordType};
use alloc::collections::BTreeMap;
use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::net::{Ipv6Addr, SocketAddrV6};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use std::sync::OnceLock;

pub(crate) use super::actions::*;

/// Genesis time, 2026-11-30T00:53:20Z.
pub(crate) const BEGIN: UnixMillis = UnixMillis(1_796_000_000_000);
/// Links in each validator's chain of reveals.
const REVEALS: usize = 64;
/// What the funded accounts hold at first.
pub(crate) const FUNDS: MicroCaesar = MicroCaesar(1000 * MicroCaesar::ONE.0);

/// Bytes from a seed.
pub(crate) struct Seeded(ChaCha20Rng);

impl Seeded {
    pub(crate) fn new(seed: u64) -> Self {
        Self(ChaCha20Rng::seed_from_u64(seed))
    }
}

impl Entropy for Seeded {
    fn fill(&mut self, buffer: &mut [u8]) {
        self.0.fill_bytes(buffer);
    }
}

/// The mesh, with everybody's secrets.
#[derive(Clone)]
pub(crate) struct Mesh {
    pub(crate) genesis: Arc<Genesis>,
    pub(crate) state: State,
    /// The validators, in the order of their keys.
    pub(crate) validators: Vec<SecretKey>,
    /// A member that is no validator.
    pub(crate) member: SecretKey,
    plots: Arc<BTreeMap<PublicKey, Plot>>,
    /// By validator, its chain of reveals, the anchor last.
    pub(crate) reveals: Arc<BTreeMap<PublicKey, Vec<Digest>>>,
    /// Every block so far.
    pub(crate) blocks: Vec<Block>,
    /// Every log entry so far.
    pub(crate) entries: Vec<Vec<u8>>,
    /// What moved in every block so far, genesis first.
    pub(crate) movements: Vec<BlockMovements>,
    /// The rows as a store would hold them.
    pub(crate) rows: BTreeMap<Vec<u8>, Vec<u8>>,
    /// What key generation left with each validator.
    pub(crate) shares: BTreeMap<PublicKey, KeyShares>,
    pub(crate) confirmations: Vec<SystemOperation>,
    nonce: u64,
}

pub(crate) fn name(text: &str) -> DomainName {
    text.parse().unwrap()
}

pub(crate) fn alice() -> SecretKey {
    SecretKey::from_seed([101; 32])
}

pub(crate) fn bob() -> SecretKey {
    SecretKey::from_seed([102; 32])
}

/// Someone with nothing.
pub(crate) fn pauper() -> SecretKey {
    SecretKey::from_seed([103; 32])
}

fn keys() -> (Vec<SecretKey>, SecretKey) {
    let mut validators: Vec<_> = (1..=4).map(|seed| SecretKey::from_seed([seed; 32])).collect();
    validators.sort_by_key(SecretKey::public);
    (validators, SecretKey::from_seed([5; 32]))
}

pub(crate) fn plot_of(member: &PublicKey) -> Plot {
    Plotter::new(Profile::Sim.proofs().space, plot_key("test", Profile::Sim, member)).finish()
}

/// The batches of a block, checked, of those that it was built from: the same for a validator that held the whole ones and
/// for one that did not.
pub(crate) fn included(block: &Block, given: &[Arc<CheckedBatch>]) -> Vec<Arc<CheckedBatch>> {
    let checked = |batch: &Batch| {
        let held = given.iter().find_map(|whole| whole.included_as(batch)).expect("a batch that was given");
        let other = batch.clone().check_included(&batch.genesis).expect("a batch that may be in a block");
        assert_eq!((held.id, held.root, held.bytes), (other.id, other.root, other.bytes));
        Arc::new(held)
    };
    block.body.batches.iter().map(checked).collect()
}

fn chain_of(validator: &SecretKey) -> Vec<Digest> {
    core::iter::successors(Some(Digest(*validator.seed())), |link| Some(reveal_link(link)))
        .take(REVEALS)
        .collect()
}

/// A genesis from which a mesh can start.
pub(crate) fn genesis() -> Genesis {
    static GENESIS: OnceLock<Genesis> = OnceLock::new();
    GENESIS.get_or_init(make_genesis).clone()
}

fn make_genesis() -> Genesis {
    let (validators, member) = keys();
    let stake = crate::caesar::STAKE_MINIMUM;
    let membership = |key: PublicKey| GenesisMember { key, plot_root: plot_of(&key).root(), stake };
    let validator = |(number, secret): (u16, &SecretKey)| GenesisValidator {
        name: alloc::format!("node-{number}"),
        member: membership(secret.public()),
        address: SocketAddrV6::new(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, number), 4433, 0, 0),
        reveal_anchor: *chain_of(secret).last().unwrap(),
    };
    let mut accounts: Vec<_> = [alice(), bob(), validators[0].clone()]
        .map(|owner| GenesisAccount { owner: owner.public(), balance: FUNDS })
        .into();
    accounts.sort_by_key(|account| account.owner);
    Genesis {
        network: "test".to_string(),
        profile: Profile::Sim,
        time: BEGIN,
        zone: name("demo.hypermesh"),
        reverse_zones: vec![name("8.b.d.0.1.0.0.2.ip6.arpa")],
        validators: (1..).zip(&validators).map(validator).collect(),
        members: vec![membership(member.public())],
        accounts,
        reserve: MicroCaesar(1_000_000 * MicroCaesar::ONE.0),
        names: vec![GenesisName { name: name("given.demo.hypermesh"), owner: alice().public() }],
        records: vec![SetRecords {
            name: name("given.demo.hypermesh"),
            record_type: RecordType::Aaaa,
            records: Some(aaaa("2001:db8::10")),
        }],
    }
}

pub(crate) fn records(data: Vec<RecordData>) -> RecordSet {
    RecordSet::new(300, data).unwrap()
}

pub(crate) fn aaaa(address: &str) -> RecordSet {
    records(vec![RecordData::Aaaa(address.parse().unwrap())])
}

impl Mesh {
    /// A mesh before its first block.
    pub(crate) fn new() -> Self {
        static NEW: OnceLock<Mesh> = OnceLock::new();
        NEW.get_or_init(Self::make).clone()
    }

    /// A mesh whose committee is active.
    pub(crate) fn active() -> Self {
        static ACTIVE: OnceLock<Mesh> = OnceLock::new();
        let make = || {
            let mut mesh = Self::new();
            mesh.generate_keys();
            mesh
        };
        ACTIVE.get_or_init(make).clone()
    }

    fn make() -> Self {
        Self::of(genesis())
    }

    /// The mesh of another genesis with the same members.
    pub(crate) fn of(genesis: Genesis) -> Self {
        let genesis = Arc::new(genesis);
        assert_eq!(genesis.check(), Ok(()));
        let (validators, member) = keys();
        let (state, changes) = State::genesis(Arc::clone(&genesis));
        let mut mesh = Self {
            plots: Arc::new(genesis.all_members().map(|member| (member.key, plot_of(&member.key))).collect()),
            reveals: Arc::new(validators.iter().map(|key| (key.public(), chain_of(key))).collect()),
            movements: vec![genesis.movements()],
            genesis,
            state,
            validators,
            member,
            blocks: Vec::new(),
            entries: Vec::new(),
            rows: BTreeMap::new(),
            shares: BTreeMap::new(),
            confirmations: Vec::new(),
            nonce: 0,
        };
        mesh.store(changes);
        mesh
    }

    fn store(&mut self, changes: BTreeMap<Vec<u8>, Option<Arc<[u8]>>>) {
        for (key, value) in changes {
            match value {
                Some(value) => self.rows.insert(key, value.to_vec()),
                None => self.rows.remove(&key),
            };
        }
    }

    pub(crate) fn genesis_hash(&self) -> Digest {
        self.state.genesis_hash()
    }

    // --- blocks ---

    /// The precommits of these validators for a header.
    pub(crate) fn precommits(&self, header: &Header, signers: &[SecretKey]) -> CommitCertificate {
        let sign = |key: &SecretKey| {
            let vote = Vote {
                kind: VoteKind::Precommit,
                height: header.height,
                round: Round(0),
                value_id: Some(header.hash()),
                validator: key.public(),
            };
            let signature = vote.sign(&self.genesis_hash(), key).signature;
            CommitSignature { validator: key.public(), signature }
        };
        CommitCertificate {
            height: header.height,
            round: Round(0),
            value_id: header.hash(),
            signatures: signers.iter().map(sign).collect(),
        }
    }

    /// The precommits of a quorum for the block at a height.
    pub(crate) fn commit(&self, height: Height) -> Option<CommitCertificate> {
        let index = usize::try_from(height.0.checked_sub(1)?).unwrap();
        Some(self.precommits(&self.blocks[index].header, &self.validators[..3]))
    }

    /// An empty next block, a second after its parent.
    pub(crate) fn candidate(&self) -> Candidate {
        Candidate {
            time: self.state.time().plus(1000),
            proposer: self.validators[0].public(),
            batches: Vec::new(),
            system: Vec::new(),
            parent_commit: self.commit(self.state.height()),
        }
    }

    /// Builds the next block with all of these batches, executes it as the other validators do, and makes it the last.
    pub(crate) fn advance(&mut self, candidate: Candidate) -> Vec<Receipt> {
        let count = candidate.batches.len();
        let receipts = self.advance_with_what_pays(candidate);
        assert_eq!(self.blocks.last().unwrap().body.batches.len(), count, "a batch was left out");
        receipts
    }

    /// As [`Self::advance`]; a batch of which nobody pays for anything is left out.
    pub(crate) fn advance_with_what_pays(&mut self, candidate: Candidate) -> Vec<Receipt> {
        let given = candidate.batches.clone();
        let (block, built) = self.state.build(candidate);
        let batches = included(&block, &given);
        let executed = self.state.execute(&block, &batches).unwrap();
        assert_eq!(executed.state.head(), built.state.head());
        assert_eq!(executed.receipts, built.receipts);
        assert_eq!(executed.changes, built.changes);
        assert_eq!(Block::from_bytes(&block.to_bytes()).as_ref(), Some(&block));
        assert_eq!(executed.state.supply(), u128::from(self.genesis.supply().unwrap().0));
        assert_eq!(executed.state.totals(), executed.state.count_totals(), "sums and counts follow the rows");
        self.store(executed.changes);
        assert_eq!(executed.movements, built.movements);
        self.movements.push(executed.movements);
        self.entries.extend(executed.entries);
        self.blocks.push(block);
        self.state = executed.state;
        executed.receipts
    }

    /// A block with system operations.
    pub(crate) fn advance_system(&mut self, system: Vec<SystemOperation>) {
        let count = system.len();
        self.advance(Candidate { system, ..self.candidate() });
        assert_eq!(self.blocks.last().unwrap().body.system.len(), count, "a system operation was left out");
    }

    /// An empty block this much after its parent.
    pub(crate) fn pass(&mut self, milliseconds: u64) {
        let time = self.state.time().plus(milliseconds);
        self.advance(Candidate { time, ..self.candidate() });
    }

    // --- operations and batches ---

    /// An owner's operation, which holds for a minute.
    pub(crate) fn operation(&mut self, owner: &SecretKey, action: Action) -> Operation {
        let expires = self.state.time().plus(60_000);
        self.operation_until(owner, action, expires)
    }

    pub(crate) fn operation_until(
        &mut self,
        owner: &SecretKey,
        action: Action,
        expires: UnixMillis,
    ) -> Operation {
        self.nonce += 1;
        let genesis = self.genesis_hash();
        let (owner_key, nonce, fee_max) = (owner.public(), self.nonce, MicroCaesar(u64::MAX));
        OperationBody { genesis, owner: owner_key, nonce, expires, fee_max, action }.sign(owner)
    }

    /// A member's plot.
    pub(crate) fn plot(&self, member: &SecretKey) -> &Plot {
        &self.plots[&member.public()]
    }

    /// A member's next batch, with its ticket in full unless that stands in the state.
    pub(crate) fn batch(&self, member: &SecretKey, operations: Vec<Operation>) -> Batch {
        let row: Member = self.state.get(&member.public()).unwrap();
        let beacon = self.state.beacon();
        let full = !row.tickets.contains_key(&beacon.index);
        self.prove(member, row.next_sequence, beacon.index, full, operations)
    }

    /// A batch with four good proofs under this number and beacon.
    pub(crate) fn prove(
        &self,
        member: &SecretKey,
        sequence: crate::base::Sequence,
        beacon_index: u64,
        full: bool,
        operations: Vec<Operation>,
    ) -> Batch {
        let key = member.public();
        let beacon = self.state.beacon();
        let (value, difficulty) = match beacon.previous {
            Some((value, _)) if beacon_index < beacon.index => (value, beacon.previous_difficulty),
            _ => (beacon.value, beacon.difficulty),
        };
        let statement = Statement {
            genesis: self.genesis_hash(),
            member: key,
            sequence,
            batch_root: batch_root(operations.iter().map(Operation::id)),
            beacon_index,
        };
        let ticket = prove_ticket(&self.plots[&key], &value, &key, &Profile::Sim.proofs());
        let proofs = prove_set(&ticket, full, &statement, &value, difficulty, member);
        let (genesis, omitted) = (self.genesis_hash(), Vec::new());
        Batch { genesis, member: key, sequence, beacon_index, operations, omitted, proofs }
    }

    pub(crate) fn checked(&self, batch: Batch) -> Arc<CheckedBatch> {
        Arc::new(batch.check(&self.genesis_hash()).unwrap())
    }

    /// Has the first validator carry operations into a block, those that are paid for. Its ticket is on chain in time,
    /// or the next beacon is waited for.
    pub(crate) fn carry(&mut self, operations: Vec<Operation>) -> Vec<Receipt> {
        let carrier = self.validators[0].clone();
        self.carry_by(&carrier, operations)
    }

    /// Has a member carry operations into a block, those that are paid for.
    pub(crate) fn carry_by(&mut self, carrier: &SecretKey, operations: Vec<Operation>) -> Vec<Receipt> {
        self.await_ticket_time(carrier);
        let batch = self.checked(self.batch(carrier, operations));
        self.advance_with_what_pays(Candidate { batches: vec![batch], ..self.candidate() })
    }

    /// The receipt of one operation, or why it may be in no block.
    pub(crate) fn carry_or_leave_out(&mut self, operation: Operation) -> Result<Receipt, Unpaid> {
        let checked = operation.clone().check(&self.genesis_hash()).unwrap();
        self.await_ticket_time(&self.validators[0].clone());
        let foreseen = self.state.payable(&checked, self.candidate().time);
        match self.carry(vec![operation]).pop() {
            Some(receipt) => {
                assert_eq!(foreseen, Ok(receipt.fee));
                Ok(receipt)
            }
            None => Err(foreseen.expect_err("what is paid for is in the block")),
        }
    }

    /// Why an operation may be in no block.
    pub(crate) fn unpaid(&mut self, owner: &SecretKey, action: Action) -> Unpaid {
        self.await_ticket_time(&self.validators[0].clone());
        let operation = self.operation(owner, action);
        self.carry_or_leave_out(operation).expect_err("nobody pays for it")
    }

    /// Lets time pass until a member's ticket may be in the next block, if it is not on chain.
    pub(crate) fn await_ticket_time(&mut self, member: &SecretKey) {
        let beacon = self.state.beacon();
        let row: Member = self.state.get(&member.public()).unwrap();
        let late = self.state.time().plus(1000).since(beacon.time) > Profile::Sim.ticket_ms_deadline();
        if late && !row.tickets.contains_key(&beacon.index) {
            self.pass(Profile::Sim.beacon_ms_period());
        }
        if self.state.get::<Member>(&member.public()).unwrap().is_suspended() {
            let operation = self.operation(member, Action::Attest(Attest));
            let batch = self.checked(self.batch(member, vec![operation]));
            self.advance(Candidate { batches: vec![batch], ..self.candidate() });
        }
    }

    /// Carries out one operation.
    pub(crate) fn carry_one(&mut self, owner: &SecretKey, action: Action) -> Receipt {
        self.await_ticket_time(&self.validators[0].clone());
        let operation = self.operation(owner, action);
        self.carry(vec![operation]).remove(0)
    }

    /// What becomes of one operation.
    pub(crate) fn outcome(&mut self, owner: &SecretKey, action: Action) -> Outcome {
        self.carry_one(owner, action).outcome
    }

    /// Carries out what must succeed.
    pub(crate) fn done(&mut self, owner: &SecretKey, action: Action) -> Effect {
        match self.outcome(owner, action) {
            Outcome::Done(effect) => effect,
            Outcome::Refused(refusal) => panic!("refused: {refusal}"),
        }
    }

    /// Carries out what must be refused.
    pub(crate) fn refused(&mut self, owner: &SecretKey, action: Action) -> Refusal {
        match self.outcome(owner, action) {
            Outcome::Refused(refusal) => refusal,
            Outcome::Done(effect) => panic!("done: {effect:?}"),
        }
    }

    // --- the committee ---

    /// A validator's word.
    pub(crate) fn say(&self, validator: &SecretKey, action: SystemAction) -> SystemOperation {
        SystemOperation::sign(self.genesis_hash(), action, validator)
    }

    /// Runs the key generation, its first and third rounds on chain, in two blocks.
    pub(crate) fn generate_keys(&mut self) {
        let attempt = self.state.generation().attempt;
        let session = self.state.generation_session(attempt);
        // Another mesh and another attempt have other keys.
        let mut entropy = Seeded::new(u64::from(attempt) + 1000 * self.genesis.time.since(BEGIN));
        let mut parts = BTreeMap::new();
        let mut system = Vec::new();
        for validator in &self.validators {
            let key = validator.public();
            let (part, package) = KeyGeneration::begin(session.clone(), key, &mut entropy).unwrap();
            parts.insert(key, part);
            system.push(self.say(validator, SystemAction::GenerationRound1 { attempt, package }));
        }
        self.advance_system(system);
        let round1 = self.state.generation().round1;
        let mut dealt = Vec::new();
        for (from, part) in &mut parts {
            let packages = part.receive_round1(&round1).unwrap().packages;
            dealt.extend(packages.into_iter().map(|(to, package)| (*from, to, package)));
        }
        let mut keys = None;
        for (from, to, package) in dealt {
            let generated = parts.get_mut(&to).unwrap().receive_round2(from, package).unwrap();
            if let Some(generated) = generated {
                self.shares.insert(to, generated.shares);
                keys = Some(generated.keys);
            }
        }
        let keys = keys.unwrap();
        let confirm = |validator: &SecretKey| {
            self.say(validator, SystemAction::GenerationConfirm { attempt, keys: keys.clone() })
        };
        self.confirmations = self.validators.iter().map(confirm).collect();
        self.advance_system(self.confirmations.clone());
        assert!(self.state.committee().is_some());
    }

    /// The committee's signature, made with shares of the threshold.
    pub(crate) fn sign(&self, purpose: KeyPurpose, message: &[u8]) -> StrictSignature {
        let committee = Arc::new(Committee::new(self.state.committee().unwrap().keys).unwrap());
        let mut entropy = Seeded::new(11);
        let coordinator = self.validators[0].public();
        let mut pool = CommitmentPool::new();
        let mut signers = BTreeMap::new();
        for validator in &self.validators {
            let me = validator.public();
            let shares = &self.shares[&me];
            let mut signer = Signer::new(me, Arc::clone(&committee), shares, &mut entropy).unwrap();
            let offer = signer.offer(coordinator, purpose, &mut entropy).unwrap();
            pool.accept_offer(&committee, me, offer).unwrap();
            signers.insert(me, signer);
        }
        let preference = committee.validators();
        let mut session =
            SigningSession::begin(committee, purpose, message.to_vec(), &preference, &mut pool).unwrap();
        for validator in &self.validators {
            let signer = signers.get_mut(&validator.public()).unwrap();
            let request = session.request().clone();
            let Ok(share) = signer.sign(&coordinator, &request, message, validator) else { continue };
            if let Progress::Signed(signature) = session.receive(share).unwrap() {
                return signature;
            }
        }
        panic!("too few shares");
    }
}

/// The state after a block of this time that has nothing but these operations: no batch, no proofs, no votes. And what
/// became of them.
pub(crate) fn only(state: &State, time: UnixMillis, operations: &[Operation]) -> (State, Vec<Receipt>) {
    let position = execute::BlockPosition { height: state.height().next(), time };
    let mut draft = state.draft();
    draft.settle_dues(position);
    let receipts = operations
        .iter()
        .map(|operation| {
            let checked = operation.clone().check(&state.genesis_hash()).unwrap();
            let mut carrying = payable::CarryingBatch::of_owner(&checked);
            execute_operation::execute_operation(&mut draft, &checked, &mut carrying, position).unwrap()
        })
        .collect();
    (draft.finish().0, receipts)
}

/// The sets of records at a name.
pub(crate) fn record_sets(mesh: &Mesh, at: &DomainName) -> impl Iterator<Item = RecordSet> {
    let types = mesh.state.record_types(at);
    types.filter_map(|record_type| mesh.state.get::<RecordSet>(&(at.clone(), record_type)))
}

/// An owner as the caller of some operation.
pub(in crate::state) fn caller(owner: &SecretKey) -> Caller<'static> {
    let operation = OperationId(Digest([7; 32]));
    Caller { owner: owner.public(), operation, request: None }
}
