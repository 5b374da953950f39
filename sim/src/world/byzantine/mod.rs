//! Nodes that lie. Each runs the honest code underneath, so that it knows all that a validator knows, and has its own
//! key and a memory: what it says is changed, made anew and signed, held back, or said to some and not to others.
//!
//! One file for each family: [`wire`] (silence, garbage, lying synchronisation), [`blocks`] (what proposers do),
//! [`votes`] (what voters do), [`shares`] (keys and signatures), [`twist`] (finished signatures), [`unpaid`] (what members
//! submit), [`answers`] (what clients are told).

mod answers;
mod blocks;
mod shares;
mod twist;
mod unpaid;
mod votes;
mod wire;

#[cfg(test)]
mod tests;

pub(crate) use twist::StolenKeys;
pub use wire::serve_block;

use super::network::NodeIndex;
use super::participants::Participants;
use super::random::Random;
use crate::plan::{FaultClass, WorldKind};
use borsh::BorshSerialize;
use hypermesh_core::api::{Request, Response, View};
use hypermesh_core::base::{Digest, Height, PublicKey, SecretKey, encode};
use hypermesh_core::hypermesh::ordering::ConsensusMessage;
use hypermesh_core::hypermesh::proof::Plot;
use hypermesh_core::state::{BLOCK_BYTES_MAX, Batch};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The first byte of messages of the ordering.
const CONSENSUS: u8 = 0;
/// The first byte of messages with a batch.
const BATCH: u8 = 1;

macro_rules! lies {
    ($($(#[doc = $means:literal])+ $lie:ident => $class:expr, $plans:literal;)*) => {
        /// How a node lies.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        #[non_exhaustive]
        pub enum Lie {
            $($(#[doc = $means])+ $lie,)*
        }

        impl Lie {
            /// Every lie there is.
            pub const EVERY: &'static [Self] = &[$(Self::$lie),*];

            /// The class of faults that it is one of, once it is told; `None` for those of repair.
            pub(crate) const fn class(self) -> Option<FaultClass> {
                match self { $(Self::$lie => $class),* }
            }

            /// Whether a plan of a mesh that has its keys may choose it.
            #[must_use]
            pub const fn is_planned(self) -> bool {
                match self { $(Self::$lie => $plans),* }
            }
        }
    };
}

lies! {
    /// It sends signature shares that do not hold, and puts its name to them.
    BadShares => Some(FaultClass::BadShares), true;
    /// It sends no private shares in key generation.
    NoPrivateShares => None, false;
    /// It sends sums that do not hold to whoever asks for repair of its key shares.
    BadRepairSums => None, false;
    /// It sends summands that do not hold to the other helpers of a repair.
    BadRepairDeltas => None, false;
    /// It answers questions for blocks with blocks that no quorum decided.
    RubbishBlocks => Some(FaultClass::RubbishBlocks), true;
    /// It claims to have the highest block that there can be.
    FalseHeights => Some(FaultClass::FalseHeights), true;
    /// It does not answer questions for blocks.
    NoBlocks => Some(FaultClass::WithheldBlocks), true;
    /// It says nothing at all.
    Silence => Some(FaultClass::Silence), true;
    /// It says nothing to half of the others.
    SelectiveSilence => Some(FaultClass::SelectiveSilence), true;
    /// It sends bytes that are no message, and now and then more of them than a message may have.
    Garbage => Some(FaultClass::Garbage), true;
    /// It proposes two blocks in a round, one to each half of the others and both to some, and votes likewise.
    EquivocatingProposer => Some(FaultClass::EquivocatingProposer), true;
    /// It votes for a block to some, for none to others, and both ways to some.
    EquivocatingVoter => Some(FaultClass::EquivocatingVoter), true;
    /// It forgets what it is locked on, and which round it is: it prevotes for whatever was proposed last.
    Amnesia => Some(FaultClass::Amnesia), true;
    /// It proposes nothing when its turn has come.
    WithheldProposals => Some(FaultClass::WithheldProposal), true;
    /// It proposes blocks whose state root is not what comes of them.
    WrongStateRoot => Some(FaultClass::WrongStateRoot), true;
    /// It proposes blocks whose log root is not what comes of them.
    WrongLogRoot => Some(FaultClass::WrongLogRoot), true;
    /// It proposes blocks whose time is not later than their parent's.
    WrongTime => Some(FaultClass::WrongTime), true;
    /// It proposes batches whose four proofs do not hold.
    BadProof => Some(FaultClass::BadProof), true;
    /// It proposes system operations that must not happen now.
    BadPolicy => Some(FaultClass::BadPolicy), true;
    /// It proposes blocks after which it has more funds and more at stake than it should.
    Fraud => Some(FaultClass::Fraud), true;
    /// It proposes batches that have been carried out before.
    ReplayedBatches => Some(FaultClass::ReplayedBatch), true;
    /// Its blocks are without its reveal for the next beacon.
    WithheldReveals => Some(FaultClass::WithheldReveal), true;
    /// It deals private shares that do not hold in the first key generation.
    BadDealing => Some(FaultClass::BadDealing), false;
    /// Its signature shares come late.
    LateShares => Some(FaultClass::LateShares), true;
    /// It puts another's name to its signature shares.
    FramedShares => Some(FaultClass::FramedShares), true;
    /// As coordinator it asks for shares over bytes that nobody derives from the state: those of a certificate that
    /// was never approved, say.
    OtherBytes => Some(FaultClass::OtherBytes), true;
    /// It cosigns another log than the one that all others see.
    SplitView => Some(FaultClass::SplitView), true;
    /// What it finishes as coordinator, and what it cosigns, holds by ZIP-215 alone: the commitment has a part of small
    /// order. No other implementation accepts it.
    TwistedSignatures => Some(FaultClass::TwistedSignature), false;
    /// It submits batches under a member's key that it has stolen, and has no plot for.
    StolenMemberKey => Some(FaultClass::StolenMemberKey), true;
    /// It submits batches with four good proofs of operations that nobody pays for: expired ones, ones of an empty account,
    /// ones that cost more than their limit, and repeats.
    UnpaidOperations => Some(FaultClass::UnpaidOperations), true;
    /// It proposes blocks with no more than the first operation of each batch, and leaves out the others, as it may where they do
    /// not fit.
    ShortenedBatches => Some(FaultClass::ShortenedBatch), true;
    /// Its key is on a second machine that runs too.
    Twin => Some(FaultClass::Twin), true;
    /// It answers clients with records that nobody set.
    ForgedAnswers => Some(FaultClass::ForgedAnswer), true;
    /// It answers clients with what it said first, as if no time had passed.
    StaleAnswers => Some(FaultClass::StaleAnswer), true;
    /// It hands out certificates that consensus never approved.
    RogueCertificates => Some(FaultClass::RogueCertificate), true;
}

impl Lie {
    /// Whether it can be told in a world.
    #[must_use]
    pub const fn is_of(self, world: WorldKind) -> bool {
        match self.class() {
            Some(class) => class.is_of(world),
            None => true,
        }
    }

    /// Whether it leaves two signed messages that contradict each other.
    #[must_use]
    pub const fn equivocates(self) -> bool {
        matches!(self, Self::EquivocatingProposer | Self::EquivocatingVoter)
    }
}

/// What becomes of an honest message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Tampering {
    /// It is sent as it is.
    Honestly,
    /// This is sent in its place.
    Instead(Vec<u8>),
    /// It is sent, and this too.
    Both(Vec<u8>),
    /// It is sent so much later.
    Late(Duration),
    /// Nothing is sent.
    Nothing,
}

/// A node that lies, and what it remembers.
pub(crate) struct Liar {
    pub(crate) lie: Lie,
    /// What it proposes in place of its own blocks: by id, the other id and block.
    forged: BTreeMap<Digest, (Digest, Arc<[u8]>)>,
    /// What others have proposed last at each height.
    proposed: BTreeMap<Height, Digest>,
    /// A batch that was carried out.
    old: Option<Batch>,
    /// Its first answers, to what they were given.
    first: BTreeMap<Vec<u8>, Response>,
    /// How often it has done what costs much.
    done: u32,
}

/// Where a liar is when it speaks.
pub(crate) struct LiarContext<'a> {
    /// Its key.
    pub(crate) identity: &'a SecretKey,
    /// Its plot.
    pub(crate) plot: &'a Plot,
    /// The key that it has stolen.
    pub(crate) stolen: &'a SecretKey,
    /// What it has seen decided.
    pub(crate) view: &'a View,
    /// To whom it speaks.
    pub(crate) target: NodeIndex,
    /// The other validators.
    pub(crate) another: PublicKey,
    /// What its accomplices have of the committee's keys.
    pub(crate) stolen_keys: &'a StolenKeys,
    /// What all that propose two blocks have agreed on: the second of each.
    pub(crate) agreed: &'a mut BTreeMap<Digest, Digest>,
    pub(crate) random: &'a mut Random,
}

impl LiarContext<'_> {
    pub(super) fn genesis(&self) -> Digest {
        self.view.state.genesis_hash()
    }

    /// Whether those it speaks to are of the half that is told the other thing.
    const fn is_other_half(&self) -> bool {
        self.target % 2 == 1
    }

    /// The other thing to one half, the honest one to the other, and both to some: so they find out.
    fn split(&mut self, other: Vec<u8>) -> Tampering {
        if self.random.per_mille(250) {
            Tampering::Both(other)
        } else if self.is_other_half() {
            Tampering::Instead(other)
        } else {
            Tampering::Honestly
        }
    }
}

impl Liar {
    pub(crate) const fn new(lie: Lie) -> Self {
        Self {
            lie,
            forged: BTreeMap::new(),
            proposed: BTreeMap::new(),
            old: None,
            first: BTreeMap::new(),
            done: 0,
        }
    }

    /// What it makes of a message of the honest code.
    pub(crate) fn tell(&mut self, context: &mut LiarContext<'_>, message: &[u8]) -> Tampering {
        let Some((kind, rest)) = message.split_first() else { return Tampering::Honestly };
        match self.lie {
            Lie::Silence | Lie::SelectiveSilence | Lie::Garbage => self.speak(context),
            Lie::RubbishBlocks | Lie::FalseHeights | Lie::NoBlocks => wire::serve(self.lie, *kind, rest),
            Lie::BadShares
            | Lie::NoPrivateShares
            | Lie::BadRepairSums
            | Lie::BadRepairDeltas
            | Lie::BadDealing
            | Lie::LateShares
            | Lie::FramedShares
            | Lie::OtherBytes
            | Lie::SplitView => self.sign(context, message),
            Lie::TwistedSignatures => twist::finish(context, *kind, rest),
            Lie::StolenMemberKey => self.steal(context),
            Lie::UnpaidOperations => self.submit_unpaid(context),
            Lie::Twin | Lie::ForgedAnswers | Lie::StaleAnswers | Lie::RogueCertificates => {
                Tampering::Honestly
            }
            _ if *kind == CONSENSUS => match ConsensusMessage::decode(rest, BLOCK_BYTES_MAX) {
                Ok(consensus) => self.take_part(context, consensus),
                Err(_) => Tampering::Honestly,
            },
            _ => Tampering::Honestly,
        }
    }

    fn take_part(&mut self, context: &mut LiarContext<'_>, message: ConsensusMessage) -> Tampering {
        match (self.lie, message) {
            (Lie::WithheldProposals, ConsensusMessage::Proposal(_)) => Tampering::Nothing,
            (_, ConsensusMessage::Proposal(proposal)) => self.propose(context, proposal),
            (_, ConsensusMessage::Vote(vote)) => self.vote(context, vote, ConsensusMessage::Vote),
            (_, ConsensusMessage::RepeatedVote(vote)) => {
                self.vote(context, vote, ConsensusMessage::RepeatedVote)
            }
            _ => Tampering::Honestly,
        }
    }

    /// Hears what others say.
    pub(crate) fn hear(&mut self, message: &[u8]) {
        if let (Lie::UnpaidOperations, Some((&BATCH, rest))) = (self.lie, message.split_first()) {
            self.keep_batch(rest);
        }
        let Some((&CONSENSUS, rest)) = message.split_first() else { return };
        if self.lie != Lie::Amnesia {
            return;
        }
        if let Ok(ConsensusMessage::Proposal(proposal)) = ConsensusMessage::decode(rest, BLOCK_BYTES_MAX) {
            let header = proposal.signed.header;
            self.proposed.insert(header.height, header.value_id);
        }
    }

    /// What it makes of an answer to a client. Says whether that is another one.
    pub(crate) fn answer(&mut self, request: Option<&Request>, response: &mut Response) -> bool {
        answers::lie(self.lie, &mut self.first, request, response)
    }
}

/// Whose name a liar puts to what it forges for another.
pub(crate) fn another(participants: &Participants, liar: PublicKey, target: NodeIndex) -> PublicKey {
    let mut others = participants.keys().filter(|key| *key != liar);
    others.nth(target % 3).unwrap_or_else(|| participants.member.identity.public())
}

fn consensus(message: &ConsensusMessage) -> Vec<u8> {
    [&[CONSENSUS], message.encode().as_slice()].concat()
}

/// A message of this kind.
fn message(kind: u8, content: &impl BorshSerialize) -> Vec<u8> {
    [&[kind], encode(content).as_slice()].concat()
}
