//! Questions that a node answers with proof, and the answers that a client works out by itself from what was proved.
//!
//! One function answers a question, over whatever rows there are ([`Question::answer`]): the node's own, of which it notes
//! those that are looked at, or those that came with their proofs. So a node cannot answer anything but what the rows say, and
//! cannot leave out a row that matters.

use crate::base::{Height, MicroCaesar, PublicKey, UnixMillis};
use crate::caesar::{HistoryHead, Holder};
use crate::state::{
    Account, Certificate, Genesis, Member, Release, Reserve, RowSource, StateProof, StateProofFault,
    Unbonding, Unproved, get, holding_of, term_of,
};
use crate::trustchain::DomainName;
use crate::trustchain::ca::SerialNumber;
use crate::trustchain::dns::{RecordType, Resolution, ZoneSource, resolve};
use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// What can be asked with proof.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "about")]
#[non_exhaustive]
pub enum Question {
    /// A name's records of one type; that there are none, or that there is no such name.
    Records {
        /// The name.
        name: DomainName,
        /// The type.
        record_type: RecordType,
    },
    /// Whose a name is; that it is nobody's.
    Owner {
        /// The name.
        name: DomainName,
    },
    /// What an account holds.
    Balance {
        /// Whose.
        owner: PublicKey,
    },
    /// What became of a certificate; that it is not revoked, or was never approved.
    Certificate {
        /// Its serial number.
        serial_number: SerialNumber,
    },
    /// How far the history of an account or of the reserve goes: what a page of it is held against.
    History {
        /// Whose.
        holder: Holder,
    },
}

/// What the rows say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum Answer {
    /// Records.
    Records(Resolution),
    /// Whose a name is, if it is anybody's.
    Owner(Option<Holding>),
    /// What an account holds.
    Balance(Funds),
    /// What was approved, if it was.
    Certificate(Option<Certificate>),
    /// How far a history goes.
    History(HistoryHead),
}

/// Why somebody owns a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Holding {
    /// Who.
    pub owner: PublicKey,
    /// The name that was registered: the name itself, or one above it.
    pub registered: DomainName,
    /// In which block; 0 is genesis.
    pub since: Height,
    /// Until when it is paid for, if it costs rent.
    pub expires: Option<UnixMillis>,
    /// If it is not paid for any more: until when its owner can renew it. It is not answered meanwhile.
    pub freed: Option<UnixMillis>,
    /// Until when it is granted: the end of the grant that ends first, of those that it rests on.
    pub until: Option<UnixMillis>,
    /// Whether names may be registered below it.
    pub may_grant: bool,
    /// Who can take it back first: the owner of the name that it was granted under. None if nobody can.
    pub granter: Option<PublicKey>,
}

/// What somebody has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Funds {
    /// In the account.
    pub balance: MicroCaesar,
    /// At stake, for a member.
    pub stake: MicroCaesar,
    /// On its way out of the stake, and when each part comes into the account.
    pub unbonding: Vec<Release>,
}

/// An answer that was proved, and the block that it is of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Proved {
    /// The answer.
    pub answer: Answer,
    /// The block.
    pub height: Height,
    /// Its time. There may be later blocks: who is told of an old one sees it here.
    pub time: UnixMillis,
}

/// An answer that is not proved.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotProved {
    /// The proof proves nothing.
    #[error("its proof is invalid: {0}")]
    Proof(#[from] StateProofFault),
    /// It is of something else.
    #[error("its proof is for another request: {0}")]
    Rows(#[from] Unproved),
}

impl Question {
    /// The answer that rows give.
    #[must_use]
    pub fn answer(&self, source: &dyn RowSource) -> Answer {
        match self {
            Self::Records { name, record_type } => {
                let zones: &dyn ZoneSource = &source;
                Answer::Records(resolve(zones, name, *record_type))
            }
            Self::Owner { name } => {
                let at = source.of_time();
                Answer::Owner(holding_of(source, name, at).map(|holding| Holding {
                    owner: holding.owner(),
                    since: holding.registered.row.since,
                    expires: holding.registered.row.expires,
                    freed: term_of(source, name, at).freed(),
                    until: holding.until(),
                    may_grant: holding.may_grant(),
                    granter: holding.granter(),
                    registered: holding.registered.name,
                }))
            }
            Self::Balance { owner } => Answer::Balance(Funds {
                balance: get::<Account>(source, owner).unwrap_or_default().balance,
                stake: get::<Member>(source, owner).map(|member| member.stake).unwrap_or_default(),
                unbonding: get::<Unbonding>(source, owner).unwrap_or_default().releases,
            }),
            Self::Certificate { serial_number } => {
                Answer::Certificate(get::<Certificate>(source, serial_number))
            }
            Self::History { holder } => Answer::History(match holder {
                Holder::Owner(owner) => get::<Account>(source, owner).unwrap_or_default().history,
                Holder::Reserve => get::<Reserve>(source, &()).unwrap_or_default().history,
            }),
        }
    }

    /// The answer that a proof gives, checked against genesis.
    ///
    /// # Errors
    /// If the proof does not hold, or is not of all that the answer rests on.
    pub fn check(&self, proof: &StateProof, genesis: &Genesis) -> Result<Proved, NotProved> {
        let proved = proof.check(genesis)?;
        let answer = proved.ask(|rows| self.answer(rows))?;
        Ok(Proved { answer, height: proved.height(), time: proved.time() })
    }
}
