//! The ledger against a book: who has how much, what each operation paid, which were seen before.

use super::{config, found_out};
use crate::base::{MicroCaesar, Sequence, UnixMillis};
use crate::caesar::{BOND_FEE, LedgerAccount, REGISTER_FEE, TRANSFER_FEE};
use crate::state::tests::test_util::{BEGIN, FUNDS, Mesh, alice, bob, pauper, register, transfer};
use crate::state::{
    Action, Attest, Bond, Candidate, Member, Operation, OperationBody, Outcome, Receipt, Refusal, State,
    Unbond,
};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use proptest::prelude::*;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};

/// Those who are no members: one with funds, another, and one with nothing.
const OWNER_COUNT: usize = 3;
/// Those who ask for something: they, and the first validator.
const ASKING_COUNT: usize = OWNER_COUNT + 1;
/// All accounts: the owners', then the validators', of whom the first has funds.
const ACCOUNT_COUNT: usize = OWNER_COUNT + 4;
const RESERVE: u64 = 1_000_000_000_000;
/// A thousandth of the reserve a day.
const REWARD_MS_DIVISOR: u64 = 86_400_000_000;
const REWARD_MS_MAX: u64 = 600_000;
const STAKE: u64 = 1_000_000_000;
const UNBONDING_MS: u64 = 86_400_000;
const UNBONDING_COUNT_MAX: usize = 16;
const LIFE_MS_MAX: i64 = 3_600_000;
const MISSES_MAX: u32 = 3;
const BEACON_MS: u64 = 10_000;
const TICKET_MS: u64 = 8_000;

/// What an operation does.
#[derive(Clone, Copy, Debug)]
enum Act {
    Transfer {
        to: usize,
        amount: u64,
    },
    Bond(u64),
    Unbond(u64),
    /// What only members may, for nothing.
    Attest,
    /// A name that somebody has: refused, and paid for.
    TakenName,
}

/// An operation as it was signed; its number is its place among all that were.
#[derive(Clone, Copy, Debug)]
struct Signed {
    owner: usize,
    act: Act,
    /// When it expires, after genesis; it may be before.
    expires: i64,
}

/// What a batch has in a place.
#[derive(Clone, Copy, Debug)]
enum Item {
    /// A new operation that expires so long after the block's time.
    New { owner: usize, act: Act, life: i64 },
    /// One that was signed before, by its number modulo how many there are.
    Again(usize),
}

/// A block.
#[derive(Clone, Debug)]
struct ModelStep {
    /// How long after its parent, in milliseconds.
    after_ms: u64,
    /// How many precommits decided its parent.
    signers: usize,
    /// What the first validator's batch has in it; no batch if nothing.
    items: Vec<Item>,
}

/// What a receipt says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ModelOutcome {
    Done,
    Funds { balance: u64, needed: u64 },
    Stake { stake: u64 },
    UnbondingFull,
    NotMember,
    Taken,
}

/// The model. `WRONG` is added to every fee: zero, unless it is to be found out.
#[derive(Clone, Debug)]
struct ModelLedger<const WRONG: u64> {
    time: u64,
    height: u64,
    accounts: [u64; ACCOUNT_COUNT],
    reserve: u64,
    /// What the first validator has at stake, and what is on its way out of that: how much, and when it is released.
    stake: u64,
    unbonding: Vec<(u64, u64)>,
    batches: u64,
    signed: Vec<Signed>,
    /// Operations that were paid for: they have their receipt, until it goes.
    receipts: BTreeMap<usize, i64>,
    /// The operations of the last block: which, what they paid, their outcomes.
    outcomes: Vec<(usize, u64, ModelOutcome)>,
    beacon: (u64, u64),
    tickets: BTreeSet<u64>,
    /// For how many beacons in a row the first validator, and the others, have shown nothing.
    missed: [u32; 2],
}

impl<const WRONG: u64> ModelLedger<WRONG> {
    fn new() -> Self {
        let mut accounts = [0; ACCOUNT_COUNT];
        for funded in [0, 1, OWNER_COUNT] {
            accounts[funded] = FUNDS.0;
        }
        Self {
            time: 0,
            height: 0,
            accounts,
            reserve: RESERVE,
            stake: STAKE,
            unbonding: Vec::new(),
            batches: 0,
            signed: Vec::new(),
            receipts: BTreeMap::new(),
            outcomes: Vec::new(),
            beacon: (0, 0),
            tickets: BTreeSet::new(),
            missed: [0; 2],
        }
    }

    /// Whether the first validator can put a batch into a block at this time: with a ticket that is on chain, or in time.
    fn has_ticket(&self, time: u64) -> bool {
        self.tickets.contains(&self.beacon.0) || time - self.beacon.1 <= TICKET_MS
    }

    /// Whether the first validator's batch may have these in it: anything, or attestations alone if it is suspended.
    /// Asked of all items together, because which operation an [`Item::Again`] stands for depends on how many new ones
    /// are signed for the same batch.
    fn may_carry(&self, items: &[Item]) -> bool {
        let mut after = self.clone();
        let numbers = after.numbers(items);
        self.missed[0] < MISSES_MAX
            || numbers.iter().all(|number| matches!(after.signed[*number].act, Act::Attest))
    }

    fn block(&mut self, step: &ModelStep) {
        self.time += step.after_ms;
        if self.height > 0 {
            let ms = u128::from(step.after_ms.min(REWARD_MS_MAX));
            let due = u128::from(self.reserve) * ms / u128::from(REWARD_MS_DIVISOR);
            let share = u64::try_from(due).unwrap() / 4;
            let earns = |validator: &usize| self.missed[usize::from(*validator > 0)] < MISSES_MAX;
            for validator in (0..step.signers).filter(earns).collect::<Vec<_>>() {
                self.reserve -= share;
                self.accounts[OWNER_COUNT + validator] += share;
            }
        }
        self.height += 1;
        let (released, waiting) = self.unbonding.iter().partition(|(_, time)| *time < self.time);
        self.unbonding = waiting;
        let released: Vec<(u64, u64)> = released;
        self.accounts[OWNER_COUNT] += released.iter().map(|(amount, _)| amount).sum::<u64>();
        let time = self.time.cast_signed();
        self.receipts.retain(|_, expires| *expires >= time);
        self.outcomes.clear();
        let numbers = self.numbers(&step.items);
        let mut attests = !self.tickets.contains(&self.beacon.0);
        for number in numbers {
            self.carry(number, &mut attests);
        }
        // A batch of which nobody pays for anything is in no block.
        if !self.outcomes.is_empty() {
            self.batches += 1;
            self.tickets.insert(self.beacon.0);
            self.missed[0] = 0;
        }
        if self.time - self.beacon.1 >= BEACON_MS {
            // Where nobody's ticket came on chain, nobody has missed anything.
            if self.tickets.contains(&self.beacon.0) {
                self.missed = [0, self.missed[1] + 1];
            }
            self.beacon = (self.beacon.0 + 1, self.time);
        }
    }

    /// Signs what is new in a batch; the numbers of all that is in it, each once.
    fn numbers(&mut self, items: &[Item]) -> Vec<usize> {
        let mut numbers = Vec::new();
        for item in items {
            let number = match *item {
                Item::New { owner, act, life } => {
                    self.signed.push(Signed { owner, act, expires: self.time.cast_signed() + life });
                    self.signed.len() - 1
                }
                Item::Again(any) => any % self.signed.len().max(1),
            };
            if number < self.signed.len() && !numbers.contains(&number) {
                numbers.push(number);
            }
        }
        numbers
    }

    /// Carries an operation if it is paid for. `attests` is whether an attestation of the carrier's would be free.
    fn carry(&mut self, number: usize, attests: &mut bool) {
        let Signed { owner, act, expires } = self.signed[number];
        let left = expires - self.time.cast_signed();
        if self.receipts.contains_key(&number) || !(0..=LIFE_MS_MAX).contains(&left) {
            return;
        }
        if matches!(act, Act::Attest) && !(owner == OWNER_COUNT && core::mem::take(attests)) {
            return;
        }
        let fee = match act {
            Act::Transfer { .. } => TRANSFER_FEE.0 + WRONG,
            Act::Bond(_) | Act::Unbond(_) => BOND_FEE.0 + WRONG,
            Act::Attest => 0,
            Act::TakenName => REGISTER_FEE.0 + WRONG,
        };
        if self.accounts[owner] < fee {
            return;
        }
        self.receipts.insert(number, expires);
        self.accounts[owner] -= fee;
        self.reserve += fee;
        let outcome = self.act(owner, act);
        self.outcomes.push((number, fee, outcome));
    }

    fn act(&mut self, owner: usize, act: Act) -> ModelOutcome {
        let balance = self.accounts[owner];
        let is_member = owner == OWNER_COUNT;
        match act {
            Act::Attest => ModelOutcome::Done,
            Act::Bond(_) | Act::Unbond(_) if !is_member => ModelOutcome::NotMember,
            Act::Bond(amount) if amount > balance => ModelOutcome::Funds { balance, needed: amount },
            Act::Bond(amount) => {
                self.accounts[owner] -= amount;
                self.stake += amount;
                ModelOutcome::Done
            }
            Act::Unbond(amount) if self.stake < STAKE + amount => ModelOutcome::Stake { stake: self.stake },
            Act::Unbond(_) if self.unbonding.len() == UNBONDING_COUNT_MAX => ModelOutcome::UnbondingFull,
            Act::Unbond(amount) => {
                self.stake -= amount;
                self.unbonding.push((amount, self.time + UNBONDING_MS));
                ModelOutcome::Done
            }
            Act::TakenName => ModelOutcome::Taken,
            Act::Transfer { amount, .. } if amount > balance => {
                ModelOutcome::Funds { balance, needed: amount }
            }
            Act::Transfer { to, amount } => {
                self.accounts[owner] -= amount;
                self.accounts[to] += amount;
                ModelOutcome::Done
            }
        }
    }
}

fn acts() -> impl Strategy<Value = Act> {
    let amounts = prop_oneof![
        4 => 1..2_000_u64,
        2 => 1..FUNDS.0,
        1 => Just(FUNDS.0),
        1 => Just(FUNDS.0 - TRANSFER_FEE.0),
    ];
    prop_oneof![
        6 => (0..=OWNER_COUNT, amounts).prop_map(|(to, amount)| Act::Transfer { to, amount }),
        2 => (1..3_000_u64).prop_map(Act::Bond),
        2 => (1..3_000_u64).prop_map(Act::Unbond),
        2 => Just(Act::Attest),
        1 => Just(Act::TakenName),
    ]
}

fn items() -> impl Strategy<Value = Item> {
    let lives = prop_oneof![
        6 => 0..20_000_i64,
        1 => Just(0),
        1 => Just(-1),
        1 => Just(LIFE_MS_MAX),
        1 => Just(LIFE_MS_MAX + 1),
    ];
    prop_oneof![
        3 => (0..ASKING_COUNT, acts(), lives).prop_map(|(owner, act, life)| Item::New { owner, act, life }),
        2 => (0..100_usize).prop_map(Item::Again),
    ]
}

impl<const WRONG: u64> ReferenceStateMachine for ModelLedger<WRONG> {
    type State = Self;
    type Transition = ModelStep;

    fn init_state() -> BoxedStrategy<Self> {
        Just(Self::new()).boxed()
    }

    fn transitions(book: &Self) -> BoxedStrategy<ModelStep> {
        let pauses = prop_oneof![6 => 1..3_000_u64, 2 => 1..12_000_u64, 1 => 12_000..4_000_000_u64, 1 => 86_000_000..90_000_000_u64];
        let book = book.clone();
        (pauses, 3..=4_usize, prop::collection::vec(items(), 0..5))
            .prop_map(move |(after_ms, signers, drawn)| {
                let mut items = Vec::new();
                for item in drawn.into_iter().filter(|_| book.has_ticket(book.time + after_ms)) {
                    items.push(item);
                    if !book.may_carry(&items) {
                        items.pop();
                    }
                }
                ModelStep { after_ms, signers, items }
            })
            .boxed()
    }

    fn preconditions(book: &Self, step: &ModelStep) -> bool {
        book.may_carry(&step.items) && (step.items.is_empty() || book.has_ticket(book.time + step.after_ms))
    }

    fn apply(mut book: Self, step: &ModelStep) -> Self {
        book.block(step);
        book
    }
}

/// The real state machine, and what was signed.
struct Real<const WRONG: u64> {
    mesh: Mesh,
    signed: Vec<Operation>,
}

impl<const WRONG: u64> Real<WRONG> {
    fn sign(&mut self, signed: &Signed) {
        let owners = [alice(), bob(), pauper(), self.mesh.validators[0].clone()];
        let owner = &owners[signed.owner];
        let target = |to: usize| owners.get(to).cloned().unwrap_or_else(|| self.mesh.validators[0].clone());
        let action = match signed.act {
            Act::Transfer { to, amount } => transfer(&target(to), amount),
            Act::Bond(amount) => Action::Bond(Bond { amount: MicroCaesar(amount) }),
            Act::Unbond(amount) => Action::Unbond(Unbond { amount: MicroCaesar(amount) }),
            Act::Attest => Action::Attest(Attest),
            Act::TakenName => register("given.demo.hypermesh", owner),
        };
        let body = OperationBody {
            genesis: self.mesh.genesis_hash(),
            owner: owner.public(),
            nonce: self.signed.len() as u64,
            fee_max: MicroCaesar(u64::MAX),
            expires: UnixMillis(BEGIN.0.saturating_add_signed(signed.expires)),
            action,
        };
        self.signed.push(body.sign(owner));
    }

    fn outcome(receipt: &Receipt) -> ModelOutcome {
        match &receipt.outcome {
            Outcome::Done(_) => ModelOutcome::Done,
            Outcome::Refused(refusal) => match refusal {
                Refusal::Funds { balance, needed, .. } => {
                    ModelOutcome::Funds { balance: balance.0, needed: needed.0 }
                }
                Refusal::Stake { stake, .. } => ModelOutcome::Stake { stake: stake.0 },
                Refusal::UnbondingFull { .. } => ModelOutcome::UnbondingFull,
                Refusal::NotMember { .. } => ModelOutcome::NotMember,
                Refusal::AlreadyRegistered { .. } => ModelOutcome::Taken,
                other => panic!("{other}"),
            },
        }
    }
}

impl<const WRONG: u64> StateMachineTest for Real<WRONG> {
    type SystemUnderTest = Self;
    type Reference = ModelLedger<WRONG>;

    fn init_test(_: &ModelLedger<WRONG>) -> Self {
        Self { mesh: Mesh::new(), signed: Vec::new() }
    }

    fn apply(mut real: Self, book: &ModelLedger<WRONG>, step: ModelStep) -> Self {
        for signed in &book.signed[real.signed.len()..] {
            real.sign(signed);
        }
        // Which operations are in the batch follows from what was signed up to it, as in the book.
        let new = step.items.iter().filter(|item| matches!(item, Item::New { .. })).count();
        let mut before =
            ModelLedger { signed: book.signed[..book.signed.len() - new].to_vec(), ..book.clone() };
        let numbers = before.numbers(&step.items);
        let operations: Vec<Operation> = numbers.iter().map(|number| real.signed[*number].clone()).collect();
        let mesh = &mut real.mesh;
        let carrier = mesh.validators[0].clone();
        let batches = match operations.is_empty() {
            true => Vec::new(),
            false => [mesh.checked(mesh.batch(&carrier, operations))].into(),
        };
        let head = mesh.state.head().cloned();
        let parent_commit = head.map(|head| mesh.precommits(&head, &mesh.validators[..step.signers]));
        let time = mesh.state.time().plus(step.after_ms);
        let receipts =
            mesh.advance_with_what_pays(Candidate { time, batches, parent_commit, ..mesh.candidate() });
        let outcomes: Vec<_> = receipts
            .iter()
            .map(|receipt| {
                let number = real.signed.iter().position(|signed| signed.id() == receipt.operation);
                (
                    number.expect("a receipt is of something that was signed"),
                    receipt.fee.0,
                    Self::outcome(receipt),
                )
            })
            .collect();
        assert_eq!(outcomes, book.outcomes, "receipts");
        real
    }

    fn check_invariants(real: &Self, book: &ModelLedger<WRONG>) {
        let state: &State = &real.mesh.state;
        let owners = [alice(), bob(), pauper()];
        let accounts = owners.iter().chain(&real.mesh.validators).map(|key| key.public());
        for (account, held) in accounts.zip(book.accounts) {
            assert_eq!(
                state.balance(LedgerAccount::Account(account)),
                MicroCaesar(held),
                "balance of {account}"
            );
        }
        assert_eq!(state.balance(LedgerAccount::Reserve), MicroCaesar(book.reserve), "reserve");
        let first = real.mesh.validators[0].public();
        assert_eq!(state.balance(LedgerAccount::Stake(first)), MicroCaesar(book.stake), "stake");
        let unbonding: Vec<(u64, u64)> = state
            .unbonding(&first)
            .releases
            .iter()
            .map(|release| (release.amount.0, release.time.since(BEGIN)))
            .collect();
        assert_eq!(unbonding, book.unbonding, "unbonding");
        let sum = MicroCaesar(unbonding.iter().map(|(amount, _)| amount).sum());
        assert_eq!(state.balance(LedgerAccount::Unbonding(first)), sum, "all that is unbonded");
        let carrier: Member = state.get(&real.mesh.validators[0].public()).unwrap();
        assert_eq!(carrier.next_sequence, Sequence(book.batches), "the next batch's number");
        for (number, signed) in real.signed.iter().enumerate() {
            let stands = state.get::<Receipt>(&signed.id()).is_some();
            assert_eq!(stands, book.receipts.contains_key(&number), "receipt of operation {number}");
        }
    }
}

prop_state_machine! {
    #![proptest_config(config(64))]
    #[test]
    fn the_ledger_is_as_a_book_has_it(sequential 1..16 => Real<0>);
}

#[test]
fn a_fee_that_is_off_by_a_millionth_is_found_out_by_one_operation() {
    let steps = found_out::<Real<1>>(1..16);
    let items: Vec<&Item> = steps.iter().flat_map(|step| &step.items).collect();
    let pays = |item: &&Item| matches!(item, Item::New { act, .. } if !matches!(act, Act::Attest));
    assert_eq!((steps.len(), items.len()), (1, 1), "{steps:?}");
    assert!(items.iter().all(pays), "{steps:?}");
}

/// The case that `proptest-regressions/models/ledger.txt` was kept for. Its batch repeats operation 2, a registration, and not
/// operation 4, an attestation: one more has been signed when the repeat is resolved. A suspended member's batch may not have it.
#[test]
fn a_repeat_is_judged_by_what_it_stands_for_once_the_batch_is_signed() {
    let new = |owner, act, life| Item::New { owner, act, life };
    let step = |after_ms, items| ModelStep { after_ms, signers: 3, items };
    let mut steps = alloc::vec![
        step(
            79,
            [new(0, Act::Bond(1190), -1), new(1, Act::Transfer { to: 0, amount: 99 }, 3_600_000)].into()
        ),
        step(2_528, [new(2, Act::TakenName, 16_436), Item::Again(58)].into()),
        step(
            7_393,
            [new(1, Act::Transfer { to: 1, amount: 1159 }, 0), new(3, Act::Attest, 14_384), Item::Again(35),]
                .into(),
        ),
    ];
    steps.extend(core::iter::repeat_n(step(12_000, Vec::new()), 3));
    // Suspended by hand: a beacon for which nobody's ticket came counts for nobody, and this model has one submitter.
    let book = steps.iter().fold(ModelLedger::<0>::new(), <ModelLedger<0> as ReferenceStateMachine>::apply);
    let book = ModelLedger { missed: [MISSES_MAX; 2], ..book };
    let last = |number| step(1, [new(0, Act::Attest, 0), Item::Again(number)].into());
    assert!(!ModelLedger::preconditions(&book, &last(74)));
    assert!(ModelLedger::preconditions(&book, &last(76)), "operation 4 is an attestation");
    steps.push(last(76));
    Real::<0>::test_sequential(config(1), ModelLedger::new(), steps, None);
}
