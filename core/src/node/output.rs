//! What a node wants done, and what has to wait for the disk first.

use super::{Job, JobId, MessageClass};
use crate::api::{ApiFault, FaultKind, Response, TraceEvent, TraceId};
use crate::base::{Digest, Height, MicroCaesar, Mono, PublicKey, Size, UnixMillis, WriteBatch};
use crate::hypermesh::ordering::Evidence;
use crate::state::{Batch, OperationId};
use crate::trustchain::ca::SerialNumber;
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// The most outputs that wait for the disk. Past it a message is lost, as any may be, and a request is refused; what this
/// node tells of itself still waits, because there is one such for each of its writes.
const HELD_COUNT_MAX: usize = 16_384;
/// What this node tells of itself may wait beyond [`HELD_COUNT_MAX`]: blocks that are not durable yet are fewer.
const HELD_EVENT_COUNT_MAX: usize = 1024;

/// Names a request until it is answered. The driver chooses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// Names a write. Writes become durable in the order of their tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PersistToken(pub u64);

/// What became of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerStatus {
    /// It was made.
    Connected,
    /// It was lost.
    Lost,
    /// The peer says that another process with this node's key is linked to it. It may lie.
    Refused,
    /// Another process with the peer's key asked for a link, and was refused: the first one still answers.
    Doubled,
}

/// What a node wants done.
#[derive(Debug)]
#[must_use]
#[expect(clippy::large_enum_variant, reason = "an output lives for a moment in a queue")]
pub enum Output {
    /// Make these writes durable, all or none, after those before; then call `handle_persisted`.
    Persist {
        /// Names the write.
        token: PersistToken,
        /// The writes.
        batch: WriteBatch,
    },
    /// Send to a validator. It may be lost.
    Send {
        /// To whom.
        to: PublicKey,
        /// How urgent.
        class: MessageClass,
        /// The message.
        message: Arc<[u8]>,
    },
    /// Answer a request.
    Respond {
        /// Which.
        id: RequestId,
        /// The answer.
        response: Result<Response, ApiFault>,
    },
    /// Run a job on another thread and call `handle_job` with its outcome.
    Run {
        /// Names the job.
        id: JobId,
        /// The job.
        job: Job,
    },
    /// Tell whoever watches.
    Event(Event),
    /// Ask a node that exposes `hypermesh` to have this batch ordered. It may fail.
    HandOver {
        /// The batch, of this node's own.
        batch: Box<Batch>,
        /// A request that it is for.
        trace: Option<TraceId>,
        /// When those who wait for it stop waiting.
        deadline: Mono,
    },
    /// Tell whoever follows requests.
    Step {
        /// The request.
        trace: TraceId,
        /// What was done for it.
        step: TraceEvent,
    },
}

/// Something that happened, for whoever watches.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A block was decided.
    Committed {
        /// Its height.
        height: Height,
        /// Its header's hash.
        hash: Digest,
        /// Its time.
        time: UnixMillis,
        /// How many operations it carried.
        operations: u64,
    },
    /// A block is durable on this node.
    Durable {
        /// Its height.
        height: Height,
    },
    /// An operation was refused before it reached a batch, or by a block.
    Refused {
        /// Which.
        operation: OperationId,
        /// Why.
        reason: String,
    },
    /// A certificate was signed with this node as coordinator.
    Issued {
        /// Its serial number.
        serial: SerialNumber,
        /// The block that approved it.
        height: Height,
    },
    /// A block fixed and logged a new issuing certificate, because two thirds of the last one's life are over.
    IssuingRenewed {
        /// Its number; the first was 0.
        number: u32,
        /// Its last moment.
        not_after: UnixMillis,
    },
    /// A validator has announced where it is.
    AddressChanged {
        /// Which.
        validator: PublicKey,
        /// Where it is.
        address: core::net::SocketAddrV6,
    },
    /// This node has a new revocation list, signed.
    RevocationListSigned {
        /// Its number.
        number: u64,
    },
    /// A key generation began.
    GenerationBegan {
        /// Its number.
        attempt: u32,
    },
    /// A key generation was given up.
    GenerationAborted {
        /// Its number.
        attempt: u32,
        /// Why, and who says so.
        reason: String,
    },
    /// The committee's keys are active.
    CommitteeActive {
        /// The block that made them so.
        height: Height,
        /// Whether this node holds its shares.
        holds_shares: bool,
    },
    /// A validator that lost its key shares asked for repair.
    RepairBegan {
        /// Whose shares.
        validator: PublicKey,
        /// The how many-th of that validator, from 0.
        number: u32,
    },
    /// A repair of key shares is over.
    RepairEnded {
        /// Whose shares.
        validator: PublicKey,
        /// The how many-th of that validator.
        number: u32,
        /// Why it was given up, and who says so; `None` if the shares were repaired.
        given_up: Option<String>,
    },
    /// This node has its key shares again.
    SharesRepaired {
        /// The how many-th repair it took, from 0.
        number: u32,
    },
    /// A validator sent a signature share, or its part in a repair, that does not hold.
    Culprit {
        /// Who.
        validator: PublicKey,
        /// What happened.
        reason: String,
    },
    /// Two processes hold this validator's key at once. The second was refused.
    Doubled {
        /// Whose key.
        validator: PublicKey,
    },
    /// A peer refused a link: it says that another process with this node's key is linked to it.
    RefusedAsTwin {
        /// Who says so.
        by: PublicKey,
    },
    /// More peers say so than can be lying: another process runs with this node's key. This node says nothing more.
    TwinRuns {
        /// Who says so.
        by: Vec<PublicKey>,
    },
    /// A validator signed two things that contradict each other.
    Equivocation(Box<Evidence>),
    /// A block punished a validator: evidence of a lie was brought, and all that it had at stake went to the reserve.
    Slashed {
        /// Who.
        validator: PublicKey,
        /// What it lost.
        amount: MicroCaesar,
        /// The system operation that brought the evidence.
        evidence: Digest,
    },
    /// A peer sent what no correct node sends.
    PeerFault {
        /// Who.
        peer: PublicKey,
        /// What.
        reason: String,
    },
    /// A proposed block was found invalid.
    InvalidBlock {
        /// Its height.
        height: Height,
        /// Who proposed it.
        proposer: PublicKey,
        /// Why.
        reason: String,
    },
    /// This node's own store failed.
    StoreFault {
        /// How.
        reason: String,
    },
    /// A row of this node's own store was damaged, and is whole again.
    Repaired {
        /// What it holds.
        what: String,
    },
    /// This node is catching up, or has.
    Syncing {
        /// How far it is.
        height: Height,
        /// How many blocks it is behind, as far as it can know; none if it has caught up.
        behind: u64,
    },
    /// This node's memory may be older than what it has sent, so that it has destroyed its nonces and votes only once it
    /// knows what it voted for last.
    Discontinuity {
        /// What happened.
        what: super::Discontinuity,
    },
    /// The last block's time is ahead of this node's clock by more than clocks may differ: the clocks of more than f
    /// validators were ahead, or this node's is behind.
    BlockTimeAhead {
        /// By how much, in milliseconds.
        ahead_ms: u64,
    },
    /// Block time was ahead of this node's clock, and is not any more.
    BlockTimeCaughtUp,
    /// This node does not know all that it has signed, because its log of votes was lost, damaged or rolled back:
    /// it neither votes nor proposes until that is past.
    Abstains {
        /// The last height at which it does not.
        through: Height,
        /// How it knows.
        reason: String,
    },
    /// This node abstained, and votes again.
    VotesAgain {
        /// From this height on.
        height: Height,
    },
    /// What cannot happen unless more than f validators are faulty, or this node is: it must be looked into.
    Broken {
        /// What happened.
        reason: String,
    },
    /// The member's ticket stands in the state: it can submit.
    TicketStands {
        /// The beacon that it is for.
        beacon: u64,
    },
}

/// What a node wants done, in order, and what waits for the disk.
#[derive(Default)]
pub(super) struct Outbox {
    ready: VecDeque<Output>,
    held: BTreeMap<PersistToken, Vec<Output>>,
    /// How many outputs these are.
    held_count: usize,
    last_token: PersistToken,
    durable: PersistToken,
}

impl Outbox {
    pub(super) fn pop(&mut self) -> Option<Output> {
        self.ready.pop_front()
    }

    pub(super) fn event(&mut self, event: Event) {
        self.ready.push_back(Output::Event(event));
    }

    pub(super) fn step(&mut self, trace: TraceId, step: TraceEvent) {
        self.ready.push_back(Output::Step { trace, step });
    }

    pub(super) fn hand_over(&mut self, batch: Batch, trace: Option<TraceId>, deadline: Mono) {
        self.ready.push_back(Output::HandOver { batch: Box::new(batch), trace, deadline });
    }

    pub(super) fn run(&mut self, id: JobId, job: Job) {
        self.ready.push_back(Output::Run { id, job });
    }

    pub(super) fn send(&mut self, to: PublicKey, class: MessageClass, message: Arc<[u8]>) {
        self.ready.push_back(Output::Send { to, class, message });
    }

    pub(super) fn persist(&mut self, batch: WriteBatch) -> PersistToken {
        self.last_token = self.next_token();
        self.ready.push_back(Output::Persist { token: self.last_token, batch });
        self.last_token
    }

    /// The token that the next write will have.
    pub(super) const fn next_token(&self) -> PersistToken {
        PersistToken(self.last_token.0 + 1)
    }

    /// The last write that was handed out.
    pub(super) const fn last_token(&self) -> PersistToken {
        self.last_token
    }

    pub(super) fn respond(&mut self, id: RequestId, response: Result<Response, ApiFault>) {
        self.ready.push_back(Output::Respond { id, response });
    }

    /// Hands an output out once the write is durable, at once if it is. Where too many wait already, a message is lost and
    /// a request refused instead.
    pub(super) fn after(&mut self, token: PersistToken, output: Output) {
        if token <= self.durable {
            return self.ready.push_back(output);
        }
        match output {
            Output::Send { .. } if self.held_count >= HELD_COUNT_MAX => {}
            Output::Respond { id, .. } if self.held_count >= HELD_COUNT_MAX => {
                let message = alloc::format!(
                    "{HELD_COUNT_MAX} answers and messages wait for this node's disk, which is slow: ask again in a \
                     second, or ask another node; what was ordered stands"
                );
                self.respond(id, Err(ApiFault::new(FaultKind::ResourceExhausted, message)));
            }
            output => {
                self.held.entry(token).or_default().push(output);
                self.held_count += 1;
            }
        }
    }

    /// How many outputs wait for the disk.
    pub(super) const fn size(&self) -> Size {
        Size::limited(
            "outputs that wait for the disk",
            self.held_count,
            HELD_COUNT_MAX + HELD_EVENT_COUNT_MAX,
        )
    }

    /// Whether this write is durable.
    pub(super) fn is_durable(&self, token: PersistToken) -> bool {
        token <= self.durable
    }

    pub(super) fn release(&mut self, token: PersistToken) {
        self.durable = self.durable.max(token);
        let later = self.held.split_off(&PersistToken(self.durable.0 + 1));
        let released = core::mem::replace(&mut self.held, later);
        self.held_count -= released.values().map(Vec::len).sum::<usize>();
        self.ready.extend(released.into_values().flatten());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_that_wait_for_the_disk_hold_at_their_limit_and_past_it_requests_are_refused() {
        let mut outbox = Outbox::default();
        let token = outbox.persist(WriteBatch::default());
        assert!(matches!(outbox.pop(), Some(Output::Persist { .. })));
        let answer = |id| Output::Respond { id: RequestId(id), response: Err(ApiFault::invalid("no")) };
        (0..HELD_COUNT_MAX as u64).for_each(|id| outbox.after(token, answer(id)));
        assert!(outbox.pop().is_none(), "at the limit all of them wait");
        outbox.after(token, answer(u64::MAX));
        let Some(Output::Respond { id: RequestId(u64::MAX), response: Err(fault) }) = outbox.pop() else {
            panic!("one past the limit is refused at once");
        };
        assert_eq!(fault.kind, FaultKind::ResourceExhausted);
        assert!(fault.message.contains("ask again in a second"));
        let (to, class, message) = (PublicKey([1; 32]), MessageClass::Bulk, Arc::from([]));
        outbox.after(token, Output::Send { to, class, message });
        outbox.after(token, Output::Event(Event::Durable { height: Height(1) }));
        assert!(outbox.pop().is_none());
        outbox.release(token);
        let released: Vec<Output> = core::iter::from_fn(|| outbox.pop()).collect();
        assert_eq!(
            released.len(),
            HELD_COUNT_MAX + 1,
            "the message was lost, and what it tells of itself was not"
        );
        assert_eq!(outbox.size().held, 0);
    }
}
