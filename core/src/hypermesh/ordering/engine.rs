//! The engine: one synchronous step function around Malachite's consensus core.

use super::certificate::CommitCertificate;
use super::context::{CoreHeight, CoreValidator, MeshContext, Value};
use super::convert::{core_round, nobody, round};
use super::evidence::Evidence;
use super::fault::EngineFault;
use super::future_messages::{
    FUTURE_PROPOSALS_PER_VALIDATOR_MAX, FUTURE_VOTES_PER_VALIDATOR_MAX, FutureMessages,
};
use super::host::Host;
use super::message::ConsensusMessage;
use super::outbox::Output;
use super::roster::Roster;
use super::signer::VERIFIED_COUNT_MAX;
use super::timers::Timeouts;
use super::validators::ValidatorSet;
use super::values::Candidate;
use super::vote::{Round, SignedVote};
use super::vote_history::SignedStatement;
use super::wal::{CoreInput, abstention};
use crate::base::{Digest, Height, Marks, Mono, PublicKey, SecretKey, Size, reached};
use crate::planted::{self, Bug};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::mem;
use malachite_consensus::{
    Error, Input as CoreMessage, LocallyProposedValue, Params, ProposedValue, State, process,
};
use malachite_types::{ThresholdParam, ThresholdParams, Validity, ValueOrigin, ValuePayload, ValueResponse};

/// How many pairs of conflicting messages are reported of one validator at one height; one convicts.
const EVIDENCE_PER_VALIDATOR_MAX: usize = 3;

/// The most messages for the next height kept of one validator.
const FUTURE_MESSAGES_PER_VALIDATOR_MAX: usize =
    FUTURE_VOTES_PER_VALIDATOR_MAX + FUTURE_PROPOSALS_PER_VALIDATOR_MAX;

/// Bounds of the core's own queue for later heights, which the engine leaves empty.
const CORE_QUEUE_HEIGHTS: usize = 1;
const CORE_QUEUE_INPUTS: usize = 1;

/// More than two thirds decide; more than one third hold an honest one.
fn thresholds() -> ThresholdParams {
    let thresholds = ThresholdParams::default();
    if planted::is(Bug::QuorumOffByOne) {
        // Two of four.
        return ThresholdParams { quorum: ThresholdParam::new(2, 5), ..thresholds };
    }
    thresholds
}

/// What an engine is told once.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// The genesis hash, bound into every signature.
    pub genesis: Digest,
    /// The key that this node votes with. A node whose key is no validator's follows and never votes.
    pub identity: SecretKey,
    /// How long to wait.
    pub timeouts: Timeouts,
    /// The id of a well-formed block, which must bind every byte of it; `None` if the bytes are no block.
    pub identify: fn(&[u8]) -> Option<Digest>,
    /// The most bytes of a block.
    pub value_bytes_max: usize,
}

/// What happens to an engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Start a height: the first one, the next one after a decision, or a later one whose predecessors' blocks
    /// came another way.
    StartHeight {
        /// The height.
        height: Height,
        /// Its validators, and the order in which they propose.
        roster: Roster,
        /// The entries logged for this height before a restart, in order; empty otherwise.
        wal: Vec<Vec<u8>>,
    },
    /// A message arrived over a link that proves its sender.
    Message {
        /// The sender.
        from: PublicKey,
        /// The message.
        message: ConsensusMessage,
    },
    /// A timeout fired.
    Timeout {
        /// The token that it was set with.
        token: u64,
    },
    /// The answer to [`Output::NeedValue`].
    Value {
        /// The height that it was built for.
        height: Height,
        /// The round that it was built for.
        round: Round,
        /// The block.
        value: Arc<[u8]>,
    },
    /// The answer to [`Output::Validate`], any time later. It is a function of the block and its parent's state
    /// alone: every honest validator must come to the same one.
    Verdict {
        /// The block.
        value_id: Digest,
        /// Whether it is valid.
        valid: bool,
    },
    /// The blocks below this height came another way. The engine forgets the height under way and waits for this
    /// one, as a new engine does.
    Advance {
        /// The height that comes next.
        height: Height,
        /// Its validators, and the order in which they propose.
        roster: Roster,
    },
    /// A peer holds this message with this node's own signature. If the log does not hold it, the log was lost or
    /// rolled back, and this node signs nothing until it is past that height.
    Own(SignedStatement),
    /// A block that others decided, for the height under way. It is validated like any other, and then decided.
    Synced {
        /// The block.
        value: Arc<[u8]>,
        /// Proof that a quorum decided it.
        certificate: CommitCertificate,
    },
}

/// Where a height stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Not started.
    Waiting,
    /// Under way.
    Running,
    /// Decided; the next one is not started.
    Decided,
}

/// Decides one block a height together with the other validators.
///
/// The host calls [`Self::step`] with every input in the order of their arrival and carries out every output, in
/// order, as [`Output`] says. A new engine waits for [`Input::StartHeight`]; a decided one waits for the next.
/// Meanwhile messages for the height to come are kept: [`Self::future_message_signers`] and [`Self::has_future_proposal`]
/// are reasons to start it. The engine never votes for a block that the host has not called valid, and signs
/// nothing at a height for which its log turns out not to be whole.
pub struct Engine {
    pub(super) state: State<MeshContext>,
    pub(super) host: Host,
    pub(super) phase: Phase,
    pub(super) roster: Roster,
    pub(super) next_roster: Option<Roster>,
    /// The height that is waited for, where the core has not been told of it yet.
    pub(super) waits_for: Option<Height>,
    pub(super) future_messages: FutureMessages,
    pub(super) awaiting_value: Option<(Height, Round)>,
    /// The highest height that each validator has sent a message for, where above this node's.
    pub(super) seen: BTreeMap<PublicKey, Height>,
    /// When a peer was last said to be behind, and at which height.
    pub(super) behind: BTreeMap<PublicKey, (Height, Mono)>,
    /// The evidence reported at this height.
    pub(super) reported: BTreeMap<PublicKey, BTreeSet<Digest>>,
    /// The height through which the log says that this node abstains.
    pub(super) abstention_logged: Option<Height>,
}

impl Engine {
    /// An engine that waits to start `height`, whose validators these are.
    #[must_use]
    pub fn new(config: EngineConfig, height: Height, roster: Roster) -> Self {
        let params = Params {
            address: CoreValidator(config.identity.public()),
            threshold_params: thresholds(),
            value_payload: ValuePayload::ProposalAndParts,
            enabled: true,
        };
        let state = State::new(
            MeshContext,
            CoreHeight(height),
            roster.clone().into(),
            params,
            CORE_QUEUE_HEIGHTS,
            CORE_QUEUE_INPUTS,
        );
        Self {
            state,
            host: Host::new(config, height),
            phase: Phase::Waiting,
            roster,
            next_roster: None,
            waits_for: None,
            future_messages: FutureMessages::default(),
            awaiting_value: None,
            seen: BTreeMap::new(),
            behind: BTreeMap::new(),
            reported: BTreeMap::new(),
            abstention_logged: None,
        }
    }

    /// Takes one input; what is to be done about it.
    #[must_use = "what is not carried out is lost"]
    pub fn step(&mut self, now: Mono, input: Input) -> Vec<Output> {
        self.host.now = now;
        self.host.sender = None;
        match input {
            Input::StartHeight { height, roster, wal } => self.start_height(height, roster, &wal),
            Input::Advance { height, roster } => self.advance(height, roster),
            Input::Own(statement) => self.on_own_statement(statement),
            Input::Message { from, message } => self.on_message(from, message),
            Input::Timeout { token } => {
                if let Some(timeout) = self.host.timers.fire(token) {
                    self.feed(CoreMessage::TimeoutElapsed(timeout));
                }
            }
            Input::Value { height, round, value } => self.on_value(height, round, value),
            Input::Verdict { value_id, valid } => self.on_verdict(value_id, valid),
            Input::Synced { value, certificate } => self.on_synced(value, &certificate),
        }
        self.log_abstention();
        self.host.outbox.take(&self.host.timers)
    }

    /// Tells the roster of the next height, once it is known, so that their messages are kept even if
    /// they are no validators now.
    pub fn expect_roster(&mut self, next: Roster) {
        self.next_roster = Some(next);
    }

    /// The height under way, decided, or waited for.
    #[must_use]
    pub fn height(&self) -> Height {
        self.waits_for.unwrap_or_else(|| self.state.height().0)
    }

    /// The round under way; 0 before the start.
    #[must_use]
    pub fn round(&self) -> Round {
        round(self.state.round())
    }

    /// Whether a height is under way: started and not decided.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.phase == Phase::Running
    }

    /// The height that the next [`Input::StartHeight`] is expected to start.
    #[must_use]
    pub fn next_height(&self) -> Height {
        match self.phase {
            Phase::Waiting => self.height(),
            Phase::Running | Phase::Decided => self.height().next(),
        }
    }

    /// The validators of the height under way, decided, or waited for.
    #[must_use]
    pub fn validators(&self) -> &ValidatorSet {
        &self.roster
    }

    /// Whether this node signs nothing at this height, because its log for it is not whole.
    #[must_use]
    pub fn abstains(&self) -> bool {
        self.host.signer.abstains()
    }

    /// From the number of validators messages for the next height. More than f of them show that the mesh
    /// has begun it.
    #[must_use]
    pub fn future_message_signers(&self) -> usize {
        self.future_messages.signers()
    }

    /// Whether there is a proposal for the next height, well formed and signed by the proposer of its round.
    #[must_use]
    pub fn has_future_proposal(&self) -> bool {
        self.future_messages.has_proposal()
    }

    /// The highest height above this node's that a validator has sent a message for, and which one. A validator
    /// may lie about it; [`Self::peers_ahead`] names the others.
    #[must_use]
    pub fn highest_seen(&self) -> Option<(PublicKey, Height)> {
        self.peers_ahead().max_by_key(|(_, height)| *height)
    }

    /// The validators that have sent messages for heights above this node's, and the highest of each.
    pub fn peers_ahead(&self) -> impl Iterator<Item = (PublicKey, Height)> + '_ {
        self.seen.iter().map(|(peer, height)| (*peer, *height))
    }

    /// How many signatures were checked so far. Those that this node made or has checked before cost nothing.
    #[must_use]
    pub const fn signature_checks(&self) -> u64 {
        self.host.verifier.checks()
    }

    /// Which rare branches were taken, and how often.
    #[must_use]
    pub const fn marks(&self) -> &Marks {
        &self.host.marks
    }

    /// The height that is being decided, a message of which is taken up at once, and the round that it has come to: votes
    /// of earlier rounds may have been let go.
    #[must_use]
    pub fn running(&self) -> Option<(Height, Round)> {
        (self.phase == Phase::Running).then(|| (self.height(), self.round()))
    }

    /// How much the engine's tables hold. The core's own follow the rounds of the height under way.
    #[must_use]
    pub fn sizes(&self) -> [Size; 4] {
        let validators = self.roster.count();
        let reported = self.reported.values().map(BTreeSet::len).sum();
        [
            Size::limited(
                "messages for the next height",
                self.future_messages.count(),
                validators * FUTURE_MESSAGES_PER_VALIDATOR_MAX,
            ),
            Size::limited("verified signatures", self.host.verifier.count(), VERIFIED_COUNT_MAX),
            Size::limited("evidence of the height", reported, validators * EVIDENCE_PER_VALIDATOR_MAX),
            Size::limited("validators seen ahead", self.seen.len(), validators),
        ]
    }

    /// A restart must not forget that this node abstains.
    fn log_abstention(&mut self) {
        let through = self.host.signer.abstains_through();
        if let (Phase::Running, Some(through)) =
            (self.phase, through.filter(|_| through != self.abstention_logged))
        {
            self.abstention_logged = Some(through);
            reached!(self.host.marks, "a node abstains");
            self.host.outbox.push(Output::Wal { entry: abstention(self.height(), through) });
        }
    }

    fn on_value(&mut self, height: Height, in_round: Round, bytes: Arc<[u8]>) {
        if self.awaiting_value != Some((height, in_round)) || self.phase != Phase::Running {
            return;
        }
        self.awaiting_value = None;
        let fits = bytes.len() <= self.host.config.value_bytes_max;
        let Some(id) = (self.host.config.identify)(&bytes).filter(|_| fits) else {
            self.host.outbox.fault(EngineFault::OwnValueRefused { height, round: in_round });
            return;
        };
        let value = Value { id, bytes };
        self.feed(CoreMessage::Propose(LocallyProposedValue {
            height: CoreHeight(height),
            round: core_round(in_round),
            value,
        }));
    }

    fn on_verdict(&mut self, value_id: Digest, valid: bool) {
        let Some(candidate) = self.host.values.waiting(&value_id).cloned() else { return };
        if self.phase != Phase::Running {
            return;
        }
        let Candidate { height, round, valid_round, proposer, value, certified } = candidate;
        if certified && !valid {
            self.host.outbox.fault(EngineFault::DecidedValueRefused { height, value_id });
        }
        self.host.values.judged(value_id, valid);
        let validity = Validity::from_bool(valid);
        let origin = if certified { ValueOrigin::Sync } else { ValueOrigin::Consensus };
        let proposed = ProposedValue {
            height: CoreHeight(height),
            round,
            valid_round,
            proposer: CoreValidator(proposer),
            value,
            validity,
        };
        self.feed(CoreMessage::ProposedValue(proposed, origin));
    }

    fn on_synced(&mut self, bytes: Arc<[u8]>, certificate: &CommitCertificate) {
        let height = certificate.height;
        if height != self.height() || self.phase != Phase::Running {
            self.host.outbox.fault(EngineFault::SyncedOtherHeight { height });
            return;
        }
        let votes: Vec<SignedVote> = certificate.votes().collect();
        let quorum = self.roster.quorum();
        if let Err(fault) = self.host.verifier.votes(&votes, &self.roster, quorum) {
            self.host.outbox.fault(EngineFault::SyncedBadCertificate { height, fault });
            return;
        }
        let fits = bytes.len() <= self.host.config.value_bytes_max;
        if !fits || (self.host.config.identify)(&bytes) != Some(certificate.value_id) {
            self.host.outbox.fault(EngineFault::SyncedOtherValue { height });
            return;
        }
        self.host.synced = Some(Value { id: certificate.value_id, bytes });
        let response = ValueResponse::new(nobody(), Default::default(), certificate.into());
        self.feed(CoreMessage::SyncValueResponse(response));
        self.host.synced = None;
    }

    /// Runs the core on one input, answering its effects, and looks at what came of it.
    pub(super) fn feed(&mut self, input: CoreInput) {
        let round_before = self.round();
        let (host, state, metrics) = (&mut self.host, &mut self.state, ());
        let result: Result<(), Error<MeshContext>> = process!(
            input: input,
            state: state,
            metrics: &metrics,
            with: effect => host.perform(effect)
        );
        match result {
            // The second is how the core stops at a signature that the signer refused, and has said so.
            Ok(()) | Err(Error::UnexpectedResume(..)) => (),
            Err(Error::ReplayDivergence(_, height, _)) => {
                self.host.signer.abstain(height.0);
                self.host.outbox.fault(EngineFault::WalDiverged { height: height.0 });
            }
            Err(error) => self.host.outbox.fault(EngineFault::Core { reason: error.to_string() }),
        }
        self.note_round(round_before);
        self.state.params.enabled = !self.host.signer.abstains();
        self.collect_evidence();
        self.collect_decision();
        if self.host.replaying.is_none() {
            self.after_input();
        }
    }

    fn note_round(&mut self, before: Round) {
        if self.round() <= before {
            return;
        }
        reached!(self.host.marks, "a round ends without a decision");
        if self.state.driver.round_state().locked.is_some() {
            reached!(self.host.marks, "a locked block is carried to a later round");
        }
    }

    /// Asks the host for what the core waits for. Not while the log is replayed: it may hold the answers.
    pub(super) fn after_input(&mut self) {
        if self.phase != Phase::Running {
            return;
        }
        for (height, in_round) in mem::take(&mut self.host.needs) {
            self.awaiting_value = Some((height, in_round));
            self.host.outbox.push(Output::NeedValue { height, round: in_round });
        }
        for candidate in self.host.values.unasked() {
            self.host.outbox.push((&candidate).into());
        }
        let height = self.height();
        let (state, needed) = (&self.state, self.roster.tolerated_faults() + 1);
        let endorsed = self.host.values.newly_endorsed(|candidate| candidate.is_endorsed(state, needed));
        for value_id in endorsed {
            reached!(self.host.marks, "a block without a verdict is endorsed");
            self.host.outbox.push(Output::Endorsed { height, value_id });
        }
    }

    fn collect_decision(&mut self) {
        let (Phase::Running, Some(certificate)) = (self.phase, &self.host.decided) else { return };
        let Some((_, value)) = self.state.decided_value() else { return };
        self.phase = Phase::Decided;
        self.awaiting_value = None;
        let certificate = CommitCertificate::from(certificate);
        let round = certificate.round;
        self.host.outbox.push(Output::Decided { round, value: value.bytes, certificate });
    }

    /// Reports the evidence that the core holds, each piece once. It stays with the core, which by it knows whose
    /// further conflicting votes are not worth a check.
    fn collect_evidence(&mut self) {
        let mut found = Vec::new();
        let driver = &self.state.driver;
        let let_go = self.host.evidence.take();
        let votes = [Some(driver.votes().evidence()), let_go.as_ref().map(|evidence| &evidence.votes)];
        for (first, second) in votes.into_iter().flatten().flatten().flat_map(|(_, pairs)| pairs) {
            found.push(Evidence::from_votes(first.into(), second.into()));
        }
        let proposals =
            [Some(driver.proposals().evidence()), let_go.as_ref().map(|evidence| &evidence.proposals)];
        for (_, pairs) in proposals.into_iter().flatten().flat_map(|map| map.iter()) {
            for (first, second) in pairs {
                found.push(Evidence::from_proposals(first.into(), second.into()));
            }
        }
        for evidence in found {
            let reported = self.reported.entry(evidence.offender()).or_default();
            if reported.len() < EVIDENCE_PER_VALIDATOR_MAX && reported.insert(evidence.id()) {
                reached!(self.host.marks, "a validator contradicts itself");
                self.host.outbox.push(Output::Evidence(evidence));
            }
        }
    }
}

const _: () = {
    const fn is_send<T: Send>() {}
    is_send::<Engine>();
};
