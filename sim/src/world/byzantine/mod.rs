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

use crate::base::{NodeIndex, Participants, Random};
use crate::fault::Lie;
use borsh::BorshSerialize;
use hypermesh_core::api::{Request, Response, View};
use hypermesh_core::base::{Digest, Height, PublicKey, SecretKey, encode};
use hypermesh_core::hypermesh::ordering::ConsensusMessage;
use hypermesh_core::hypermesh::proof::Plot;
use hypermesh_core::state::{BLOCK_BYTES_MAX, Batch};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The first byte of messages of the ordering.
const CONSENSUS: u8 = 0;
/// The first byte of messages with a batch.
const BATCH: u8 = 1;

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
