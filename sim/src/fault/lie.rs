//! The ways in which a node lies.

use super::{FaultClass, WorldKind};
use crate::base::NodeIndex;
use serde::{Deserialize, Serialize};

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

/// A node that lies in a run from its beginning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Liar {
    /// Which, from 0.
    pub place: NodeIndex,
    /// How.
    pub lie: Lie,
}
