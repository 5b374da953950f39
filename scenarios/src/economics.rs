//! What it pays to run a validator: weeks of a mesh in which some are honest, some lazy, and one lies.
//!
//! This is the ledger's own code, `State::build` and `State::execute` with real batches, proofs, precommits and evidence,
//! without nodes and without a network: what is tried is what the rules pay, not whether messages arrive. Every ten
//! minutes of block time there are two blocks a second apart, one that makes a beacon and one that can carry the tickets
//! for it, so that weeks take a minute or two. A live mesh makes blocks far more often; since rewards go by time and not
//! by blocks, what validators earn is the same, and only the fees of that many more operations would be more.
//!
//! Who earns what follows from four habits. The *honest* vote for every block and prove in time that they hold their
//! plots. The *sleepy* vote for every other block. The *plotless* vote for every block and prove nothing. The *lying* one
//! does all that the honest do, and on one day votes both ways.

use hypermesh_core::base::{MicroCaesar, PublicKey, SecretKey, UnixMillis};
use hypermesh_core::caesar::{LedgerAccount, Movement, MovementReason};
use hypermesh_core::hypermesh::ordering::{
    CommitCertificate, CommitSignature, Evidence, Round, Vote, VoteKind,
};
use hypermesh_core::hypermesh::proof::{Statement, prove_set, prove_ticket};
use hypermesh_core::state::{
    Action, Attest, Batch, Block, Candidate, CheckedBatch, Genesis, GrantLimits, Header, Member, Offence,
    Operation, OperationBody, RegisterName, State, SystemAction, SystemOperation, Transfer, batch_root,
};
use hypermesh_sim::world::{Participants, name};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Block time from one pair of blocks to the next.
pub const TURN_MS: u64 = 10 * 60 * 1000;
/// Block time between the two of a pair.
const PAIR_MS: u64 = 1_000;
/// Turns in a day.
pub const DAY_TURNS: u64 = 24 * 60 * 60 * 1000 / TURN_MS;
/// The day on which the liar votes both ways.
pub const LIE_DAY: u64 = 9;

/// What rewards come out of at first: a million Caesar, so that a bond of ten thousand is worth months of honest work.
const RESERVE: MicroCaesar = MicroCaesar(1_000_000 * MicroCaesar::ONE.0);

/// What a validator does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ValidatorBehaviour {
    /// It votes for every block, and proves in time that it holds its plot.
    Honest,
    /// It votes for every other block.
    Sleepy,
    /// It votes for every block, and proves nothing.
    Plotless,
    /// It does as the honest do, but for one day on which it votes both ways.
    Lying,
}

/// The validators: a quorum of five votes for every block.
pub const HABITS: [ValidatorBehaviour; 7] = [
    ValidatorBehaviour::Honest,
    ValidatorBehaviour::Honest,
    ValidatorBehaviour::Honest,
    ValidatorBehaviour::Honest,
    ValidatorBehaviour::Sleepy,
    ValidatorBehaviour::Plotless,
    ValidatorBehaviour::Lying,
];

/// What became of one validator.
#[derive(Clone, Debug, Serialize)]
pub struct Account {
    /// Its name.
    pub name: String,
    /// Its habit.
    pub behaviour: ValidatorBehaviour,
    /// All rewards.
    pub earned: MicroCaesar,
    /// What it lost because it lied.
    pub slashed: MicroCaesar,
    /// How many blocks it voted for.
    pub votes: u64,
    /// After how many blocks it was suspended.
    pub suspended: u64,
    /// What it holds at the end of each day, account and stake together; at first what genesis gave it.
    pub holds: Vec<MicroCaesar>,
}

/// The whole run.
#[derive(Clone, Debug, Serialize)]
pub struct Economics {
    /// How many days.
    pub days: u64,
    /// How many blocks.
    pub blocks: u64,
    /// Block time between two pairs of them, in milliseconds.
    pub turn_ms: u64,
    /// How many operations clients asked for.
    pub operations: u64,
    /// What exists, from the first block to the last.
    pub supply: MicroCaesar,
    /// Fees and rent that clients paid.
    pub paid: MicroCaesar,
    /// What was in the reserve at the end of each day; at first what genesis gave it.
    pub reserve: Vec<MicroCaesar>,
    /// The highest rate of the fees on each day, in thousandths.
    pub fee_rate: Vec<u64>,
    /// The validators.
    pub accounts: Vec<Account>,
}

impl Account {
    /// What it has more at the end than at the beginning, in millionths; less, if below zero.
    #[must_use]
    pub fn gain(&self) -> i128 {
        let ends = self.holds.first().zip(self.holds.last());
        ends.map_or(0, |(first, last)| i128::from(last.0) - i128::from(first.0))
    }
}

/// Runs a mesh for so many days.
///
/// # Errors
/// If a block does not follow the rules, or something was made out of nothing or lost: a bug of the ledger.
pub fn run_economics(days: u64) -> Result<Economics, String> {
    let mut mesh = Mesh::new();
    for day in 0..days {
        for turn in 0..DAY_TURNS {
            mesh.block(TURN_MS - PAIR_MS, Vec::new())?;
            let batches = mesh.batches(day, turn, mesh.state.time().plus(PAIR_MS));
            mesh.block(PAIR_MS, batches)?;
            if (day, turn) == (LIE_DAY, 0) {
                mesh.lie();
            }
        }
        mesh.close_day();
    }
    Ok(mesh.close(days))
}

struct Mesh {
    participants: Participants,
    genesis: Arc<Genesis>,
    state: State,
    commit: Option<CommitCertificate>,
    nonce: u64,
    /// Evidence that waits to be brought.
    evidence: Vec<SystemOperation>,
    operations: u64,
    paid: u64,
    reserve: Vec<MicroCaesar>,
    fee_rate: Vec<u64>,
    rate_today: u64,
    accounts: Vec<Account>,
}

impl Mesh {
    fn new() -> Self {
        let participants = Participants::new(HABITS.len());
        let genesis = Arc::new(Genesis { reserve: RESERVE, ..participants.genesis.as_ref().clone() });
        let (state, _) = State::genesis(Arc::clone(&genesis));
        let mut mesh = Self {
            participants,
            genesis,
            state,
            commit: None,
            nonce: 0,
            evidence: Vec::new(),
            operations: 0,
            paid: 0,
            reserve: Vec::new(),
            fee_rate: Vec::new(),
            rate_today: 0,
            accounts: Vec::new(),
        };
        let account =
            |(validator, behaviour): (&hypermesh_sim::world::Validator, ValidatorBehaviour)| Account {
                name: validator.name.clone(),
                behaviour,
                earned: MicroCaesar::ZERO,
                slashed: MicroCaesar::ZERO,
                votes: 0,
                suspended: 0,
                holds: Vec::new(),
            };
        mesh.accounts = mesh.participants.validators.iter().zip(HABITS).map(account).collect();
        mesh.close_day();
        mesh
    }

    fn key(&self, place: usize) -> &SecretKey {
        &self.participants.validators[place].member.identity
    }

    fn block(&mut self, after_ms: u64, batches: Vec<Arc<CheckedBatch>>) -> Result<(), String> {
        let time = self.state.time().plus(after_ms);
        let place = usize::try_from(self.state.height().0).unwrap_or_default() % HABITS.len();
        let candidate = Candidate {
            time,
            proposer: self.key(place).public(),
            batches: batches.clone(),
            system: std::mem::take(&mut self.evidence),
            parent_commit: self.commit.take(),
        };
        let (block, _) = self.state.build(candidate);
        if block.body.batches.len() != batches.len() {
            return Err(format!("a batch was left out of block {}", block.header.height));
        }
        let executed = self.state.execute(&block, &batches).map_err(|fault| fault.to_string())?;
        self.state = executed.state;
        self.count(&executed.movements.movements);
        let supply = self.genesis.supply().map_err(|fault| fault.to_string())?;
        if self.state.supply() != u128::from(supply.0) || self.state.totals() != self.state.count_totals() {
            return Err(format!("block {} has not kept the supply", block.header.height));
        }
        self.vote(&block);
        Ok(())
    }

    /// Who votes for a block. The blocks that the sleepy vote for are as far apart as the others.
    fn vote(&mut self, block: &Block) {
        let pair = block.header.height.0 / 2;
        let awake =
            |behaviour: ValidatorBehaviour| behaviour != ValidatorBehaviour::Sleepy || pair.is_multiple_of(2);
        let places: Vec<usize> = (0..HABITS.len()).filter(|place| awake(HABITS[*place])).collect();
        let header = &block.header;
        let value_id = header.hash();
        let signatures = places.iter().map(|place| {
            let signed = self.precommit(*place, header, Some(value_id));
            CommitSignature { validator: signed.vote.validator, signature: signed.signature }
        });
        let signatures = signatures.collect();
        self.commit =
            Some(CommitCertificate { height: header.height, round: Round(0), value_id, signatures });
        for place in places {
            self.accounts[place].votes += 1;
        }
    }

    /// The liar votes for none as well as for the last block, and another brings the evidence.
    fn lie(&mut self) {
        let (Some(liar), Some(head)) = (
            HABITS.iter().position(|behaviour| *behaviour == ValidatorBehaviour::Lying),
            self.state.head().cloned(),
        ) else {
            return;
        };
        let both = [Some(head.hash()), None].map(|value| self.precommit(liar, &head, value));
        let [one, other] = both;
        let action = SystemAction::Accuse(Box::new(Offence::Equivocation(Evidence::from_votes(one, other))));
        self.evidence.push(SystemOperation::sign(self.genesis.hash(), action, self.key(0)));
    }

    fn precommit(
        &self,
        place: usize,
        header: &Header,
        value_id: Option<hypermesh_core::base::Digest>,
    ) -> hypermesh_core::hypermesh::ordering::SignedVote {
        let key = self.key(place);
        let (kind, round, validator) = (VoteKind::Precommit, Round(0), key.public());
        let vote = Vote { kind, height: header.height, round, value_id, validator };
        vote.sign(&self.genesis.hash(), key)
    }

    /// Each validator that keeps its plot proves it, and the first carries what clients ask for.
    fn batches(&mut self, day: u64, turn: u64, time: UnixMillis) -> Vec<Arc<CheckedBatch>> {
        // A beacon ends with every turn here, and two may be missed.
        let audited = turn.is_multiple_of(2);
        let mut batches = Vec::new();
        for (place, behaviour) in HABITS.into_iter().enumerate() {
            let key = self.key(place).public();
            let Some(member) = self.state.get::<Member>(&key) else { continue };
            let admitted = member.stake >= hypermesh_core::caesar::STAKE_MINIMUM;
            let proves = behaviour != ValidatorBehaviour::Plotless && admitted && audited;
            let mut operations = match proves {
                true => vec![self.operation(place, None, time)],
                false => Vec::new(),
            };
            if place == 0 && proves {
                operations.extend(self.asked(day, turn, time));
            }
            if !operations.is_empty() {
                batches.push(self.batch(place, &member, operations));
            }
        }
        batches
    }

    /// What clients ask for: little by night, more by day, and a rush at noon.
    fn asked(&mut self, day: u64, turn: u64, time: UnixMillis) -> Vec<Operation> {
        let count = match turn * 24 / DAY_TURNS {
            12 => 60,
            8..=18 => 20,
            _ => 4,
        };
        self.operations += count;
        let poor = self.participants.poor.public();
        let label = format!("d{day}t{turn}.{}", hypermesh_sim::world::ZONE);
        let client = self.participants.client.public();
        let register = Action::RegisterName(RegisterName {
            name: name(&label),
            owner: client,
            limits: GrantLimits::default(),
        });
        let transfer = Action::Transfer(Transfer { to: poor, amount: MicroCaesar(1) });
        let actions = (0..count).map(|number| if number == 0 { register.clone() } else { transfer.clone() });
        actions.collect::<Vec<_>>().into_iter().map(|action| self.operation(0, Some(action), time)).collect()
    }

    /// The client's operation, or an attestation of a validator's.
    fn operation(&mut self, place: usize, action: Option<Action>, time: UnixMillis) -> Operation {
        self.nonce += 1;
        let owner = match &action {
            Some(_) => self.participants.client.clone(),
            None => self.key(place).clone(),
        };
        let body = OperationBody {
            genesis: self.genesis.hash(),
            owner: owner.public(),
            nonce: self.nonce,
            expires: time.plus(60_000),
            fee_max: MicroCaesar(u64::MAX),
            action: action.unwrap_or(Action::Attest(Attest)),
        };
        body.sign(&owner)
    }

    fn batch(&self, place: usize, member: &Member, operations: Vec<Operation>) -> Arc<CheckedBatch> {
        let beacon = self.state.beacon();
        let key = self.key(place);
        let statement = Statement {
            genesis: self.genesis.hash(),
            member: key.public(),
            sequence: member.next_sequence,
            batch_root: batch_root(operations.iter().map(Operation::id)),
            beacon_index: beacon.index,
        };
        let plot = &self.participants.validators[place].member.plot;
        let ticket = prove_ticket(plot, &beacon.value, &key.public(), &self.genesis.profile.proofs());
        let full = !member.tickets.contains_key(&beacon.index);
        let proofs = prove_set(&ticket, full, &statement, &beacon.value, beacon.difficulty, key);
        let batch = Batch {
            genesis: statement.genesis,
            member: statement.member,
            sequence: statement.sequence,
            beacon_index: statement.beacon_index,
            operations,
            omitted: Vec::new(),
            proofs,
        };
        Arc::new(batch.check(&self.genesis.hash()).expect("what is made here is well-formed"))
    }

    fn count(&mut self, movements: &[Movement]) {
        let places: BTreeMap<PublicKey, usize> = self.participants.keys().zip(0..).collect();
        for Movement { source, target, amount, reason, .. } in movements {
            let ((LedgerAccount::Stake(side) | LedgerAccount::Unbonding(side), LedgerAccount::Reserve)
            | (_, LedgerAccount::Account(side))) = (source, target)
            else {
                self.paid +=
                    if matches!(reason, MovementReason::Fee | MovementReason::Rent) { amount.0 } else { 0 };
                continue;
            };
            let Some(account) = places.get(side).and_then(|place| self.accounts.get_mut(*place)) else {
                continue;
            };
            match reason {
                MovementReason::Reward => account.earned.0 += amount.0,
                MovementReason::Slash => account.slashed.0 += amount.0,
                _ => {}
            }
        }
        self.rate_today = self.rate_today.max(self.state.fee_rate().thousandths);
        for (place, account) in self.accounts.iter_mut().enumerate() {
            let key = self.participants.validators[place].member.identity.public();
            let suspended = self.state.get::<Member>(&key).is_some_and(|member| member.is_suspended());
            account.suspended += u64::from(suspended);
        }
    }

    fn close_day(&mut self) {
        self.reserve.push(self.state.balance(LedgerAccount::Reserve));
        self.fee_rate.push(std::mem::take(&mut self.rate_today));
        for (key, account) in self.participants.keys().zip(&mut self.accounts) {
            let places =
                [LedgerAccount::Account(key), LedgerAccount::Stake(key), LedgerAccount::Unbonding(key)];
            account.holds.push(MicroCaesar(places.iter().map(|place| self.state.balance(*place).0).sum()));
        }
    }

    fn close(mut self, days: u64) -> Economics {
        Economics {
            days,
            blocks: self.state.height().0,
            turn_ms: TURN_MS,
            operations: self.operations,
            supply: self.genesis.supply().unwrap_or_default(),
            paid: MicroCaesar(self.paid),
            reserve: self.reserve,
            fee_rate: self.fee_rate.split_off(1),
            accounts: self.accounts,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn honest_work_pays_laziness_costs_and_a_proved_lie_costs_the_bond() {
        let economics = run_economics(LIE_DAY + 2).unwrap();
        let of = |behaviour| {
            let mut gains = economics.accounts.iter().filter(move |account| account.behaviour == behaviour);
            gains.next().unwrap().clone()
        };
        let [honest, sleepy, plotless, lying] = [
            ValidatorBehaviour::Honest,
            ValidatorBehaviour::Sleepy,
            ValidatorBehaviour::Plotless,
            ValidatorBehaviour::Lying,
        ]
        .map(of);
        assert!(honest.gain() > 0 && honest.slashed == MicroCaesar::ZERO);
        assert!(
            sleepy.gain() > 0 && sleepy.gain() * 100 < honest.gain() * 55,
            "half the votes, half the pay"
        );
        assert!(
            plotless.gain() * 20 < honest.gain(),
            "who proves nothing earns nothing, but for the first hour"
        );
        assert_eq!(plotless.slashed, MicroCaesar::ZERO, "an absence costs no stake");
        let bond = economics.accounts[0].holds[0];
        assert_eq!(lying.slashed, bond, "all that it had at stake");
        assert!(lying.gain() < 0);
        let before = lying.holds[usize::try_from(LIE_DAY).unwrap()];
        assert!(before > bond, "it earned as the honest do, until it lied");
        for account in
            economics.accounts.iter().filter(|account| account.behaviour == ValidatorBehaviour::Honest)
        {
            assert_eq!(account.suspended, 0, "{}", account.name);
        }
    }
}
