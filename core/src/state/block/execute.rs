//! What a block does to the state, and whether it may.

use crate::base::{Digest, Height, MicroCaesar, PublicKey, Sequence, UnixMillis, encode};
use crate::caesar::{BlockMovements, Ledger, LedgerAccount, Movement, MovementReason, STAKE_MINIMUM, reward};
use crate::hypermesh::ordering::{CertificateFault, CommitCertificate};
use crate::hypermesh::proof::{Diligence, Expectation, FourProofSet, ProofRejection, Statement};
use crate::planted::{self, Bug};
use crate::state::block::execute_operation::execute_operation;
use crate::state::block::format::BLOCK_FRAME_BYTES_MAX;
use crate::state::block::include::Included;
use crate::state::block::payable::{CarryingBatch, Unpaid};
use crate::state::chain::state::Changes;
use crate::state::{
    AUDIT_MISSES_MAX, BLOCK_BYTES_MAX, BLOCK_TIME_MAX, BLOCK_VERSION, Batch, Block, Body, CheckedBatch,
    CheckedOperation, Earnings, Header, Member, OperationId, Receipt, SYSTEM_BYTES_MAX,
    SYSTEM_OPERATION_COUNT_MAX, State, StateDraft, SystemOperation,
};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::borrow::Borrow;
use core::convert::Infallible;

/// What a proposer would put into the next block.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The block's time, later than the parent's.
    pub time: UnixMillis,
    /// Who builds it.
    pub proposer: PublicKey,
    /// Batches, checked; those that may not be in this block are left out.
    pub batches: Vec<Arc<CheckedBatch>>,
    /// System operations; likewise.
    pub system: Vec<SystemOperation>,
    /// The precommits that decided the parent; none at height 1.
    pub parent_commit: Option<CommitCertificate>,
}

/// What a block makes of the state.
#[derive(Clone)]
pub struct Executed {
    /// The state after it.
    pub state: State,
    /// What became of its operations, in order.
    pub receipts: Vec<Receipt>,
    /// Log entries that it appended, in order.
    pub entries: Vec<Vec<u8>>,
    /// What moved in the ledger.
    pub movements: BlockMovements,
    /// Rows that changed.
    pub changes: Changes,
}

/// Why a well-formed batch may not be in the next block.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Inadmissible {
    /// Its submitter is no member.
    #[error("{member} is not a member of this mesh")]
    NotMember {
        /// Who submitted it.
        member: PublicKey,
    },
    /// Its number is not the member's next.
    #[error("the batch has number {given}, and the member's next is {next}")]
    Sequence {
        /// Its number.
        given: Sequence,
        /// The member's next.
        next: Sequence,
    },
    /// It is bound to a beacon that is too old, or not there yet.
    #[error("the batch is bound to beacon {given}, and the current one is {current}")]
    Beacon {
        /// What it is bound to.
        given: u64,
        /// The current one.
        current: u64,
    },
    /// Its submitter has not proved for too long that it holds its plot.
    #[error(
        "{member} is suspended: it has put no ticket on chain for {AUDIT_MISSES_MAX} beacons; a batch that only attests \
         takes it back"
    )]
    Suspended {
        /// Who submitted it.
        member: PublicKey,
    },
    /// A second batch of one member in one block.
    #[error("{member} has another batch in the block")]
    Second {
        /// Who submitted both.
        member: PublicKey,
    },
    /// More operations than a block may have.
    #[error("the block is full")]
    Full,
    /// All its operations are left out of it.
    #[error("no operation is left of the batch of {member}")]
    Hollow {
        /// Who submitted it.
        member: PublicKey,
    },
    /// It carries in full a ticket that stands in the state.
    #[error(
        "{member} has put its ticket for beacon {beacon} on chain: the batch names it and need not carry it"
    )]
    RepeatsTicket {
        /// Who submitted it.
        member: PublicKey,
        /// The beacon.
        beacon: u64,
    },
    /// One of its operations may not be in the block; where no block is spoken of, none of them may be in the next.
    #[error("operation {operation}: {reason}")]
    Unpaid {
        /// Which; the first, where none of them may.
        operation: OperationId,
        /// Why not.
        reason: Unpaid,
    },
    /// Some of the four proofs do not hold.
    #[error(transparent)]
    Proofs(#[from] ProofRejection),
}

/// Why a block is invalid: validators vote nil on it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BlockFault {
    /// A header field is not what the parent and the body make it.
    #[error("header field {field} is wrong")]
    Header {
        /// Which.
        field: &'static str,
    },
    /// More of something than a block may have.
    #[error("the block has too many {what}")]
    TooMany {
        /// Of what.
        what: &'static str,
    },
    /// A batch that may not be in it.
    #[error("batch {position}: {reason}")]
    Batch {
        /// Its place, from 0.
        position: usize,
        /// Why not.
        reason: Inadmissible,
    },
    /// A system operation that may not be in it.
    #[error("system operation {position} is not one that may happen now")]
    System {
        /// Its place, from 0.
        position: usize,
    },
    /// The parent's commit certificate does not hold.
    #[error("the parent's commit certificate: {0}")]
    ParentCommit(#[from] CertificateFault),
}

/// Where and when an operation happens.
#[derive(Clone, Copy, Debug)]
pub(in crate::state) struct BlockPosition {
    pub(in crate::state) height: Height,
    pub(in crate::state) time: UnixMillis,
}

impl State {
    /// Whether a batch could be in the next block, if that had this time: the member, its number, the beacon,
    /// all four proofs, and an operation that is paid for.
    ///
    /// # Errors
    /// With what stands against it; all the proofs that fail, if `diligence` says so.
    pub fn admit(
        &self,
        batch: &CheckedBatch,
        time: UnixMillis,
        diligence: Diligence,
    ) -> Result<Digest, Inadmissible> {
        let proof_hash = self.admit_in_block(batch, time, diligence)?;
        self.require_payable(batch, time)?;
        Ok(proof_hash)
    }

    /// As [`Self::admit`], of a batch whose operations are looked at one by one.
    pub(in crate::state) fn admit_in_block(
        &self,
        batch: &CheckedBatch,
        time: UnixMillis,
        diligence: Diligence,
    ) -> Result<Digest, Inadmissible> {
        self.require_audited(&batch.batch)?;
        self.judge(&batch.statement(), &batch.batch.proofs, time, diligence)
    }

    /// As [`Self::admit`], of a batch of which nothing else has been checked. The member's signature in the
    /// proofs covers the operations, so where this holds it is the member's doing if an operation is not its
    /// owner's.
    ///
    /// # Errors
    /// As [`Self::admit`].
    pub fn admit_proofs(
        &self,
        batch: &Batch,
        time: UnixMillis,
        diligence: Diligence,
    ) -> Result<Digest, Inadmissible> {
        self.require_audited(batch)?;
        self.judge(&batch.statement(), &batch.proofs, time, diligence)
    }

    fn require_audited(&self, batch: &Batch) -> Result<(), Inadmissible> {
        match self.asks_too_much(batch) {
            true => Err(Inadmissible::Suspended { member: batch.member }),
            false => Ok(()),
        }
    }

    fn judge(
        &self,
        statement: &Statement,
        proofs: &FourProofSet,
        time: UnixMillis,
        diligence: Diligence,
    ) -> Result<Digest, Inadmissible> {
        let key = statement.member;
        let member = self.get::<Member>(&key).ok_or(Inadmissible::NotMember { member: key })?;
        let (given, next) = (statement.sequence, member.next_sequence);
        if given != next {
            return Err(Inadmissible::Sequence { given, next });
        }
        let expectation = self.expectation(&member, statement.beacon_index, time)?;
        let proof_hash = match proofs.verify(statement, &expectation, diligence) {
            Err(_) if planted::is(Bug::ProofCheckSkipped) => Digest::ZERO,
            judged => judged?,
        };
        if proofs.carries_ticket() && expectation.ticket.is_some() {
            return Err(Inadmissible::RepeatsTicket { member: key, beacon: statement.beacon_index });
        }
        Ok(proof_hash)
    }

    /// What the proofs of a member's batch under this beacon are held against.
    ///
    /// # Errors
    /// If that beacon is too old, or not there yet.
    pub fn expectation(
        &self,
        member: &Member,
        beacon_index: u64,
        time: UnixMillis,
    ) -> Result<Expectation, Inadmissible> {
        let beacon = self.beacon();
        let (value, made, difficulty) = match beacon.previous {
            _ if beacon_index == beacon.index => (beacon.value, beacon.time, beacon.difficulty),
            Some((value, made)) if beacon_index.checked_add(1) == Some(beacon.index) => {
                (value, made, beacon.previous_difficulty)
            }
            _ => return Err(Inadmissible::Beacon { given: beacon_index, current: beacon.index }),
        };
        let profile = self.genesis_document().profile;
        Ok(Expectation {
            parameters: profile.proofs(),
            beacon: value,
            plot_root: Some(member.plot_root),
            stake: member.stake,
            stake_minimum: STAKE_MINIMUM,
            difficulty,
            ticket: member.tickets.get(&beacon_index).copied(),
            ticket_open: time.since(made) <= profile.ticket_ms_deadline(),
        })
    }

    /// Whether a validator is paid for its votes: it is, with the minimum at stake and its audits passed.
    #[must_use]
    pub fn earns(&self, validator: &PublicKey) -> bool {
        let member = self.get::<Member>(validator);
        member.is_some_and(|member| member.stake >= STAKE_MINIMUM && !member.is_suspended())
    }

    /// What would become of an operation in the next block, if that had this time.
    ///
    /// # Errors
    /// If it may not be in that block.
    pub fn rehearse(&self, operation: &CheckedOperation, time: UnixMillis) -> Result<Receipt, Unpaid> {
        let position = BlockPosition { height: self.height().next(), time };
        execute_operation(&mut self.draft(), operation, &mut CarryingBatch::of_owner(operation), position)
    }

    /// Whether a system operation by a proposer could be in the next block.
    #[must_use]
    pub fn accepts(&self, operation: &SystemOperation) -> bool {
        let position = BlockPosition { height: self.height().next(), time: self.time() };
        self.draft().apply_system(operation, &operation.validator, position)
    }

    /// Builds the next block, leaving out what may not be in it and what would make it longer than
    /// [`BLOCK_BYTES_MAX`]. System operations come first, in the order given and in no more than [`SYSTEM_BYTES_MAX`]:
    /// the mesh runs on them. Batches follow in the order given. Each is sure of an equal share of the room, what one
    /// does not need goes to the others, and operations for which there is no room are left out of their batch.
    #[must_use]
    pub fn build(&self, candidate: Candidate) -> (Block, Executed) {
        let Candidate { time, proposer, batches, system, parent_commit } = candidate;
        let position = BlockPosition { height: self.height().next(), time };
        let commit = parent_commit.clone();
        let built = self.run(commit.as_ref(), proposer, position, |draft, included| {
            let mut room = BLOCK_BYTES_MAX - BLOCK_FRAME_BYTES_MAX;
            room = room.saturating_sub(encode(&parent_commit).len());
            let mut body = Body { parent_commit, ..Body::default() };
            let mut system_room = room.min(SYSTEM_BYTES_MAX);
            for operation in system {
                let bytes = encode(&operation).len();
                let fits = bytes <= system_room && body.system.len() < SYSTEM_OPERATION_COUNT_MAX;
                if fits && draft.apply_system(&operation, &proposer, position) {
                    system_room -= bytes;
                    room -= bytes;
                    body.system.push(operation);
                }
            }
            body.batches = draft.fill(&batches, room, position, included);
            Ok::<Body, Infallible>(body)
        });
        let (header, body, executed) = built.unwrap_or_else(|never| match never {});
        (Block { header, body }, executed)
    }

    /// Executes a block on this state, its parent's.
    ///
    /// `batches` are the body's batches, checked, in order. The commit certificate of the parent is verified.
    ///
    /// # Errors
    /// If the block is invalid.
    ///
    /// # Panics
    /// If `batches` are others than the body's.
    pub fn execute(&self, block: &Block, batches: &[Arc<CheckedBatch>]) -> Result<Executed, BlockFault> {
        let given = batches.iter().map(|checked| &checked.batch);
        assert!(given.eq(&block.body.batches), "a block is executed with its own batches");
        self.check_header(block)?;
        self.check_parent_commit(block.body.parent_commit.as_ref())?;
        let at = BlockPosition { height: block.header.height, time: block.header.time };
        let (proposer, commit) = (block.header.proposer, block.body.parent_commit.as_ref());
        let (header, _, executed) = self.run(commit, proposer, at, |draft, included| {
            for (position, operation) in block.body.system.iter().enumerate() {
                if !draft.apply_system(operation, &proposer, at) {
                    return Err(BlockFault::System { position });
                }
            }
            for (position, batch) in batches.iter().enumerate() {
                let outcome = draft.include(batch, at, included);
                outcome.map_err(|reason| BlockFault::Batch { position, reason })?;
            }
            Ok(&block.body)
        })?;
        compare(&block.header, &header)?;
        Ok(executed)
    }

    /// What a block does, in its order: the parent's votes are counted and paid for, what has fallen due happens, so that the
    /// block's operations find the state as it is at its time; then comes what `fill` puts into the block, and last what
    /// follows from all of it.
    fn run<B: Borrow<Body>, F>(
        &self,
        parent_commit: Option<&CommitCertificate>,
        proposer: PublicKey,
        position: BlockPosition,
        fill: impl FnOnce(&mut StateDraft, &mut Included) -> Result<B, F>,
    ) -> Result<(Header, B, Executed), F> {
        let mut draft = self.draft();
        draft.attend(parent_commit);
        draft.reward(parent_commit, position);
        draft.settle_dues(position);
        let mut included = Included::default();
        let body = fill(&mut draft, &mut included)?;
        let executed = draft.conclude(position, included);
        let header = self.header(position, proposer, body.borrow(), &executed.state);
        let state = executed.state.crowned(header.clone());
        Ok((header, body, Executed { state, ..executed }))
    }

    fn check_header(&self, block: &Block) -> Result<(), BlockFault> {
        let wrong = |field| Err(BlockFault::Header { field });
        let header = &block.header;
        if header.version != BLOCK_VERSION {
            return wrong("version");
        }
        if header.height != self.height().next() {
            return wrong("height");
        }
        if header.time <= self.time() || header.time > BLOCK_TIME_MAX {
            return wrong("time");
        }
        if !self.validators().contains(&header.proposer) {
            return wrong("proposer");
        }
        let system = &block.body.system;
        if system.len() > SYSTEM_OPERATION_COUNT_MAX {
            return Err(BlockFault::TooMany { what: "system operations" });
        }
        if system.iter().map(|operation| encode(operation).len()).sum::<usize>() > SYSTEM_BYTES_MAX {
            return Err(BlockFault::TooMany { what: "bytes of system operations" });
        }
        Ok(())
    }

    fn check_parent_commit(&self, commit: Option<&CommitCertificate>) -> Result<(), BlockFault> {
        let wrong = Err(BlockFault::Header { field: "parent_commit" });
        match (self.head(), commit) {
            (None, None) => Ok(()),
            (Some(head), Some(commit)) if commit.height == head.height && commit.value_id == head.hash() => {
                Ok(commit.verify(&self.genesis_hash(), self.validators())?)
            }
            _ => wrong,
        }
    }

    fn header(&self, position: BlockPosition, proposer: PublicKey, body: &Body, after: &Self) -> Header {
        Header {
            version: BLOCK_VERSION,
            genesis: self.genesis_hash(),
            height: position.height,
            parent: self.head().map_or(Digest::ZERO, Header::hash),
            time: position.time,
            proposer,
            body_root: body.root(),
            state_root: after.root(),
            log_size: after.log().size(),
            log_root: after.log().root(),
            validators_hash: self.validators().hash(),
            beacon: after.beacon().value,
            parent_commit: body.parent_commit_hash(),
        }
    }
}

impl StateDraft {
    /// Pays those whose precommits decided the parent, in equal parts, if they have the minimum at stake.
    fn reward(&mut self, commit: Option<&CommitCertificate>, position: BlockPosition) {
        let Some(commit) = commit else { return };
        let ms_since_parent = position.time.since(self.state().time());
        let validators = self.state().validators().count() as u64;
        let share = reward(self.balance(LedgerAccount::Reserve), ms_since_parent, validators);
        if share == MicroCaesar::ZERO {
            return;
        }
        let mut earnings = self.state().get::<Earnings>(&()).unwrap_or_default();
        for validator in commit.signatures.iter().map(|signature| signature.validator) {
            if !self.state().earns(&validator) {
                continue;
            }
            let movement = Movement {
                source: LedgerAccount::Reserve,
                target: LedgerAccount::Account(validator),
                amount: share,
                reason: MovementReason::Reward,
                operation: None,
            };
            self.carry_out(movement).expect("the parts of a reward add up to less than the reserve");
            let paid = earnings.paid.entry(validator).or_default();
            *paid = paid.checked_add(share).unwrap_or(MicroCaesar(u64::MAX));
        }
        self.put(&(), &earnings);
    }

    fn conclude(mut self, position: BlockPosition, included: Included) -> Executed {
        let Included { receipts, paid, .. } = included;
        self.follow_load(paid);
        self.fix_revocation_list(position);
        self.fix_zone_serials(position);
        self.renew_beacon(position.time);
        self.mark_horizon(position);
        let movements = self.settle_history(position);
        let (state, changes, entries) = self.finish();
        Executed { state, receipts, entries, movements, changes }
    }
}

fn compare(given: &Header, computed: &Header) -> Result<(), BlockFault> {
    let fields = [
        ("genesis", given.genesis == computed.genesis),
        ("parent", given.parent == computed.parent),
        ("body_root", given.body_root == computed.body_root),
        ("state_root", given.state_root == computed.state_root),
        ("log_size", given.log_size == computed.log_size),
        ("log_root", given.log_root == computed.log_root),
        ("validators_hash", given.validators_hash == computed.validators_hash),
        ("beacon", given.beacon == computed.beacon),
        ("parent_commit", given.parent_commit == computed.parent_commit),
    ];
    match fields.into_iter().find(|(_, equal)| !equal) {
        Some((field, _)) => Err(BlockFault::Header { field }),
        None if given == computed => Ok(()),
        None => Err(BlockFault::Header { field: "unnamed" }),
    }
}
