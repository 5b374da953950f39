//! What every part of a node is handed: the state, the store, the links and the time. A part has effects through it alone:
//! writes, messages, answers, events, timers and jobs.

use super::{
    Ask, Event, PersistToken, RequestId, admission, discontinuity, job, output, quorum, store, timers, trace,
};
use crate::api::{ApiFault, Counters, Response, View};
use crate::base::{
    Entropy, Height, Marks, MicroCaesar, Now, PublicKey, ReadError, Reader, SecretKey, Table, UnixMillis,
};
use crate::caesar::{LedgerAccount, STAKE_MINIMUM};
use crate::hypermesh::committee::{Committee, CommitteeKeys, KeyShares, StoredShares};
use crate::hypermesh::ordering::CommitCertificate;
use crate::state::{Action, CheckedOperation, Member, OperationBody, State, Validator};
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// How long the operations that a node makes for itself may take.
const OWN_OPERATION_MS_LIFE: u64 = 5 * 60 * 1000;

/// A block may be this much ahead of this node's clock before its verdict is put off.
pub(super) const BLOCK_MS_AHEAD_MAX: u64 = 500;
/// Block time that is ahead of this node's clock by more than this is reported.
pub(super) const AHEAD_MS_REPORTED: u64 = 2 * BLOCK_MS_AHEAD_MAX;
/// Begins the keys of the stored records, among the other rows of [`Table::Meta`].
pub(super) const ADDRESS_KEY_PREFIX: &[u8] = b"address ";
/// A node that is this many blocks behind is far behind, and says so.
pub(super) const REPORT_BLOCK_COUNT_MIN: u64 = 16;

/// The key under which the shares of an attempt are stored.
pub(super) fn shares_key(attempt: u32) -> [u8; 4] {
    attempt.to_be_bytes()
}

/// What the parts of a node share.
pub(super) struct Context {
    pub(super) identity: SecretKey,
    pub(super) entropy: discontinuity::HedgedEntropy,
    pub(super) store: store::Store,
    pub(super) now: Now,
    /// The state after the last decided block, whether that is durable yet or not.
    pub(super) state: State,
    /// The precommits that decided that block.
    pub(super) commit: Option<CommitCertificate>,
    pub(super) view: Arc<View>,
    pub(super) connected: BTreeSet<PublicKey>,
    pub(super) counters: BTreeMap<&'static str, Counters>,
    pub(super) outbox: output::Outbox,
    pub(super) timers: timers::Timers,
    pub(super) jobs: job::Jobs,
    pub(super) quorum: quorum::Quorum,
    pub(super) traces: trace::Traces,
    pub(super) admission: admission::Admission,
    pub(super) marks: Marks,
    /// Why this node follows no further, if it does not.
    pub(super) stopped: Option<String>,
    /// The highest block that others are known to have decided.
    pub(super) decided_elsewhere: Height,
    /// The committee, once its keys are active.
    pub(super) committee: Option<Arc<Committee>>,
    /// Whether this node can give signature shares.
    pub(super) holds_shares: bool,
    /// The write of key shares that were repaired: until it is durable, a loss of power takes them again.
    pub(super) shares_token: PersistToken,
    /// What parts have asked of others and the node has not handed on yet.
    pub(super) asks: VecDeque<Ask>,
    /// Whether a new view is to be published.
    pub(super) publish_due: bool,
}

/// What a context is made of.
pub(super) struct ContextConfig {
    pub(super) identity: SecretKey,
    pub(super) entropy: Box<dyn Entropy>,
    pub(super) reader: Box<dyn Reader>,
    pub(super) now: Now,
    pub(super) state: State,
    pub(super) commit: Option<CommitCertificate>,
    pub(super) view: Arc<View>,
    /// Holds what reading the store has caused already: repairs, and events about them.
    pub(super) outbox: output::Outbox,
}

impl Context {
    pub(super) fn new(config: ContextConfig) -> Self {
        Self {
            identity: config.identity,
            entropy: discontinuity::HedgedEntropy::new(config.entropy),
            store: store::Store::new(config.reader),
            now: config.now,
            state: config.state,
            commit: config.commit,
            view: config.view,
            connected: BTreeSet::new(),
            counters: BTreeMap::new(),
            outbox: config.outbox,
            timers: timers::Timers::default(),
            jobs: job::Jobs::default(),
            quorum: quorum::Quorum::default(),
            traces: trace::Traces::default(),
            admission: admission::Admission::default(),
            marks: Marks::default(),
            stopped: None,
            decided_elsewhere: Height::GENESIS,
            committee: None,
            holds_shares: false,
            shares_token: PersistToken::default(),
            asks: VecDeque::new(),
            publish_due: false,
        }
    }

    pub(super) fn peers(&self) -> impl Iterator<Item = PublicKey> + use<> {
        let me = self.identity.public();
        let validators = self.state.validators().clone();
        validators.as_slice().to_vec().into_iter().filter(move |peer| *peer != me)
    }

    pub(super) fn count(&mut self, service: &'static str, name: &'static str, amount: u64) {
        let counter = self.counters.entry(service).or_default().entry(name.into()).or_default();
        *counter = counter.saturating_add(amount);
    }

    /// The names of the validators that are not linked.
    pub(super) fn unreachable(&self) -> Vec<String> {
        let missing = self.peers().filter(|peer| !self.connected.contains(peer));
        let mut names: Vec<String> = missing.map(|peer| self.name_of(&peer)).collect();
        names.sort();
        names
    }

    /// A validator's name, or its key if it has none.
    pub(super) fn name_of(&self, validator: &PublicKey) -> String {
        self.state.get::<Validator>(validator).map_or_else(|| validator.to_string(), |row| row.name)
    }

    /// Reports a failed read. The calling part goes on without the row.
    pub(super) fn store_fault(&mut self, fault: &ReadError) {
        self.outbox.event(Event::StoreFault { reason: fault.to_string() });
    }

    pub(super) fn member(&self) -> Member {
        self.state
            .get::<Member>(&self.identity.public())
            .expect("a node is a validator, and validators are members")
    }

    pub(super) const fn wall(&self) -> UnixMillis {
        self.now.wall
    }

    /// By how much the last block's time is ahead of this node's clock, in milliseconds.
    pub(super) fn block_ms_ahead(&self) -> u64 {
        self.state.time().since(self.wall())
    }

    /// Whether this node follows no further.
    pub(super) const fn is_stopped(&self) -> bool {
        self.stopped.is_some()
    }

    /// The height that is being decided, or will be next.
    pub(super) fn next_height(&self) -> Height {
        self.state.height().next()
    }

    /// The stored keys and shares of an attempt.
    pub(super) fn stored_shares(&mut self, attempt: u32) -> Option<(CommitteeKeys, KeyShares)> {
        let row = match self.store.get(Table::Shares, &shares_key(attempt)) {
            Ok(row) => row?,
            Err(fault) => {
                self.store_fault(&fault);
                return None;
            }
        };
        let StoredShares { keys, shares } = StoredShares::from_bytes(&row).ok()?;
        Some((keys, shares))
    }

    /// Why this node's batches are not admitted, if its stake is too small for that.
    pub(super) fn understaked(&self) -> Option<ApiFault> {
        let stake = self.state.balance(LedgerAccount::Stake(self.identity.public()));
        (stake < STAKE_MINIMUM).then(|| {
            let message = alloc::format!(
                "this node has {} at stake, and without {} nobody takes its batches: ask another node; its operator can \
                 bond more through one",
                stake.in_caesar(),
                STAKE_MINIMUM.in_caesar()
            );
            ApiFault::unavailable(message)
        })
    }

    /// Any number, which no other node draws at the same time.
    pub(super) fn jitter(&mut self) -> u16 {
        let mut bytes = [0; 2];
        self.entropy.as_mut().fill(&mut bytes);
        u16::from_le_bytes(bytes)
    }

    pub(super) fn own_operation(&mut self, action: Action) -> CheckedOperation {
        let mut nonce = [0; 8];
        self.entropy.as_mut().fill(&mut nonce);
        let body = OperationBody {
            genesis: self.state.genesis_hash(),
            owner: self.identity.public(),
            nonce: u64::from_le_bytes(nonce),
            expires: self.wall().max(self.state.time()).plus(OWN_OPERATION_MS_LIFE),
            fee_max: MicroCaesar::ZERO,
            action,
        };
        let operation = body.sign(&self.identity).check(&self.state.genesis_hash());
        operation.expect("a node's own operations are well-formed")
    }

    /// Answers once everything that was written so far is durable.
    pub(super) fn respond_durably(&mut self, id: RequestId, response: Result<Response, ApiFault>) {
        let token = self.outbox.last_token();
        self.outbox.after(token, super::Output::Respond { id, response });
    }

    /// How many blocks this node is behind, as far as it can know.
    pub(super) fn behind(&self) -> u64 {
        self.decided_elsewhere.0.saturating_sub(self.state.height().0)
    }

    /// Whether this node is catching up over a long way, so that what is only of use at the end can wait.
    pub(super) fn is_far_behind(&self) -> bool {
        self.behind() >= REPORT_BLOCK_COUNT_MIN
    }

    /// Key shares of this node wait to become durable with this write.
    pub(super) fn await_shares(&mut self, token: PersistToken) {
        self.shares_token = token;
    }

    /// Whether this node holds its key shares, and a loss of power would not take them.
    pub(super) fn holds_shares_durably(&self) -> bool {
        self.holds_shares && self.outbox.is_durable(self.shares_token)
    }

    /// Has readiness published anew once the repaired shares are durable.
    pub(super) fn shares_after(&mut self, durable: PersistToken) {
        if self.shares_token != PersistToken::default() && self.shares_token <= durable {
            self.shares_token = PersistToken::default();
            self.publish();
        }
    }
}
