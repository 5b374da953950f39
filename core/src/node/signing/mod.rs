//! Threshold signing, both sides: as coordinator this node gathers shares for what its clients wait for; as
//! signer it gives shares for bytes that it derived itself.

mod authority;
mod checkpoint;
mod commitments;
mod coordinator;
mod finished;
mod revocation;
mod signer;
#[cfg(test)]
#[cfg(not(hypermesh_simulation_crypto))]
pub(in crate::node) mod tests;
mod waiting;

use crate::api::{IssuedCertificate, Response};
use crate::base::{Digest, Mono, PublicKey, Reader as _, Size, StrictSignature, Table, WriteBatch};
use crate::hypermesh::committee::{CommitmentPool, Committee, Signer, SigningSession};
use crate::node::commit::Committed;
use crate::node::message::TaskSignature;
use crate::node::task::Task;
use crate::node::timers::Timer;
use crate::node::waiters::{WAITER_COUNT_MAX, Waiters};
use crate::node::{Event, Node, OpenFault, RequestId};
use crate::state::{ActiveCommittee, Block, SystemAction, SystemOperation};
use crate::trustchain::ca::SerialNumber;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

/// Signers that have not answered after this long are passed over for others.
const SIGNER_TIMEOUT: Duration = Duration::from_millis(300);
/// Which response a certificate is: several methods answer with one.
pub(in crate::node) type CertificateResponse = fn(IssuedCertificate) -> Response;

/// How many finished checkpoints are kept in memory.
const CHECKPOINTS_KEPT: usize = 64;

/// Signing, as coordinator and as signer.
#[derive(Default)]
pub(in crate::node) struct Signing {
    pub(in crate::node) committee: Option<Arc<Committee>>,
    signer: Option<Signer>,
    stock: CommitmentPool,
    /// Peers that are linked and have offered commitments since: they hold key shares.
    offered: BTreeSet<PublicKey>,
    /// When those that have not were asked last.
    offers_asked: Mono,
    /// Sessions under way, by task.
    sessions: BTreeMap<Task, Session>,
    /// Their tasks, by the name that the shares bear.
    tasks: BTreeMap<Digest, Task>,
    /// Tasks that were asked for in the step under way; they are begun together at its end.
    pub(in crate::node) fresh: BTreeSet<Task>,
    /// Tasks that wait for commitments.
    starved: BTreeSet<Task>,
    /// How often tasks were tried again: another comes first each time.
    turn: usize,
    /// Requests for blocks that this node has not applied yet.
    waiting: waiting::Waiting,
    /// When each coordinator was last given new commitments because it named ones that this node does not have.
    renewed: BTreeMap<PublicKey, Mono>,
    /// Who waits for a certificate, and as what it is answered; and who for a checkpoint.
    pub(in crate::node) certificates: Waiters<SerialNumber, (RequestId, CertificateResponse)>,
    pub(in crate::node) checkpoints: Waiters<u64, RequestId>,
    /// The checkpoints that answers with certificates need, by the log's size.
    pub(in crate::node) log_sizes: BTreeMap<SerialNumber, u64>,
    /// Finished signatures: those that the whole mesh shares, and those that someone waits for.
    pub(in crate::node) finished: BTreeMap<Task, StrictSignature>,
    /// Cosignatures by log size and validator.
    cosignatures: BTreeMap<u64, BTreeMap<PublicKey, StrictSignature>>,
    /// Who gave a share for a checkpoint and no cosignature: asked last from then on.
    uncosigned: BTreeSet<(Task, PublicKey)>,
    /// The validators' signed confirmations of the committee's keys.
    pub(in crate::node) confirmations: BTreeMap<PublicKey, SystemOperation>,
    /// Tasks that the whole mesh shares and that are not signed yet, and since when this node knows of them.
    wanted_since: BTreeMap<Task, Mono>,
    /// Signatures for blocks that this node has not applied yet, one of each peer.
    early: BTreeMap<PublicKey, TaskSignature>,
    /// The issuing certificate that this node told of last.
    issuing_told: Option<u32>,
    /// The revocation lists: what is to be signed, what is, and who waits for it.
    lists: revocation::Lists,
}

impl Signing {
    pub(in crate::node) fn sizes(&self, validators: usize) -> [Size; 12] {
        let (requests, checkpoints) = (self.certificates.count(), self.checkpoints.count());
        let waited = self.checkpoints.thing_count() + self.certificates.thing_count();
        let cosigned_max = CHECKPOINTS_KEPT + 1 + waited;
        [
            Size::limited("peers that offered commitments", self.offered.len(), validators),
            Size::unstated("signing sessions", self.sessions.len()),
            Size::limited("tasks of signing sessions", self.tasks.len(), self.sessions.len()),
            Size::unstated("tasks that wait for commitments", self.starved.len()),
            Size::limited(
                "requests for shares that wait",
                self.waiting.count(),
                self.waiting.count_max(validators),
            ),
            Size::limited("coordinators that were given new commitments", self.renewed.len(), validators),
            Size::limited("requests that wait for certificates", requests, WAITER_COUNT_MAX),
            Size::limited("requests that wait for checkpoints", checkpoints, WAITER_COUNT_MAX),
            Size::unstated("finished signatures", self.finished.len()),
            Size::limited("checkpoints with cosignatures", self.cosignatures.len(), cosigned_max),
            Size::unstated("signers without a cosignature", self.uncosigned.len()),
            Size::limited("signatures that came before their blocks", self.early.len(), validators),
        ]
    }
}

struct Session {
    session: SigningSession,
    begun: Mono,
}

impl Node {
    /// Picks up what was signed before a restart.
    pub(in crate::node) fn load_signing(&mut self) -> Result<(), OpenFault> {
        // Also while the keys are being generated: who confirmed before a restart is not asked again after it.
        self.load_confirmations()?;
        let Some(committee) = self.state.committee() else { return Ok(()) };
        self.activate(&committee);
        let issuing = self.state.newest_issuing().into_iter().flat_map(|newest| 0..=newest);
        for task in core::iter::once(Task::Root).chain(issuing.map(Task::Issuing)) {
            self.load_signature(task)?;
        }
        self.load_revocation_list()
    }

    fn load_confirmations(&mut self) -> Result<(), OpenFault> {
        let committee = self.state.committee();
        let attempt = committee.map_or_else(|| self.state.generation().attempt, |active| active.attempt);
        for validator in self.state.validators().as_slice().to_vec() {
            let key = confirmation_key(attempt, &validator);
            if let Some(row) = self.store.get(Table::Signed, &key)? {
                let damaged = OpenFault::Damaged { what: "confirmation of the committee's keys" };
                let operation = crate::base::decode(&row, row.len()).map_err(|_| damaged)?;
                self.signing.confirmations.insert(validator, operation);
            }
        }
        Ok(())
    }

    fn load_signature(&mut self, task: Task) -> Result<(), OpenFault> {
        if let Some(row) = self.store.get(Table::Signed, &task.key())? {
            self.take_stored(task, &row);
        }
        Ok(())
    }

    /// Begins to sign with the committee's keys.
    pub(in crate::node) fn activate(&mut self, active: &ActiveCommittee) {
        let Ok(committee) = Committee::new(active.keys.clone()) else { return };
        let committee = Arc::new(committee);
        let shares = self.stored_shares(active.attempt).map(|(_, shares)| shares);
        let me = self.identity.public();
        self.signing.signer =
            shares.and_then(|shares| Signer::new(me, committee.clone(), &shares, self.entropy.as_mut()).ok());
        self.signing.committee = Some(committee);
        self.signing.issuing_told = self.state.newest_issuing();
        let holds_shares = self.signing.signer.is_some();
        self.outbox.event(Event::CommitteeActive { height: active.height, holds_shares });
        // Those whose keys were active first asked in vain, and those whose will be later ask again.
        for peer in self.connected.clone() {
            self.ask_for_commitments(peer);
            self.offer_anew(peer);
        }
        self.offer_commitments(me, false, &[]);
        self.timers.start(Timer::Signing, self.now.mono);
    }

    /// Whether this node can give signature shares.
    pub(in crate::node) const fn holds_shares(&self) -> bool {
        self.signing.signer.is_some()
    }

    /// Keeps the confirmations that a block carries, because a trust bundle needs them. They become durable
    /// together with the block: it is the only time that this node sees them.
    pub(in crate::node) fn keep_confirmations(&mut self, block: &Block, writes: &mut WriteBatch) {
        for operation in &block.body.system {
            if let SystemAction::GenerationConfirm { attempt, .. } = &operation.action {
                let key = confirmation_key(*attempt, &operation.validator);
                writes.put(Table::Signed, key, crate::base::encode(operation));
                self.signing.confirmations.insert(operation.validator, operation.clone());
            }
        }
    }

    pub(in crate::node) fn signing_after(&mut self, committed: &Committed) {
        if self.signing.committee.is_none()
            && let Some(active) = self.state.committee()
        {
            self.activate(&active);
        }
        self.tell_issuing();
        self.derive_revocation_list();
        for (coordinator, requests) in self.signing.waiting.take(committed.height) {
            self.on_share_requests(coordinator, requests);
        }
        for (peer, signature) in core::mem::take(&mut self.signing.early) {
            self.on_task_signature(peer, signature);
        }
        self.ask_for_offers();
        self.want_shared(committed.block.header.time);
    }

    /// Forgets finished signatures that nobody waits for any more.
    pub(in crate::node) fn forget_finished(&mut self) {
        let signing = &mut self.signing;
        let newest = signing.cosignatures.keys().rev().nth(CHECKPOINTS_KEPT).copied().unwrap_or_default();
        let needed: BTreeSet<u64> = signing.log_sizes.values().copied().collect();
        let waited = |size: &u64| signing.checkpoints.has(size) || needed.contains(size);
        signing.cosignatures.retain(|size, _| *size > newest || waited(size));
        signing.uncosigned.retain(|(task, _)| match task {
            Task::Checkpoint(size) => signing.cosignatures.contains_key(size),
            _ => false,
        });
        let certificates = &signing.certificates;
        let cosignatures = &signing.cosignatures;
        let list = signing.lists.newest_signed();
        signing.finished.retain(|task, _| match task {
            Task::Root | Task::Issuing(_) => true,
            Task::RevocationList(number) => Some(*number) == list,
            Task::Leaf(serial) => certificates.has(serial),
            Task::Checkpoint(size) => cosignatures.contains_key(size),
        });
    }
}

fn confirmation_key(attempt: u32, validator: &PublicKey) -> Vec<u8> {
    [b"confirmation/".as_slice(), &attempt.to_be_bytes(), &validator.0].concat()
}
