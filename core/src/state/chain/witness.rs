//! Rows of the state with their proofs: what it takes to answer a question again without trusting who answered it.
//!
//! Who answers runs the question over a [`Witness`], which notes every row that is looked at, there or not. It hands out these
//! rows with their proofs under the state root of a header, and the precommits of a quorum for that header. Who asked checks
//! all of that against genesis ([`StateProof::check`]) and runs the same question, in the same code, over what it has got
//! ([`ProvedState`]). A row that is not among them is not taken for absent: the answer is refused.
//!
//! What this does not show: that there is no later block. The header says of when it is.

use crate::base::{Digest, Height, UnixMillis, decode, encode};
use crate::hypermesh::ordering::{CertificateFault, CommitCertificate};
use crate::state::chain::tree::{StateTree, TreeHasher, key_hash};
use crate::state::names::rent::term_of;
use crate::state::names::zone::soa_of;
use crate::state::{Genesis, Header, Row, State};
use crate::trustchain::DomainName;
use crate::trustchain::dns::{RecordSet, RecordType, Soa, ZoneSource};
use alloc::borrow::Cow;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};
use core::cell::{Cell, RefCell};
use jmt::RootHash;
use jmt::proof::SparseMerkleProof;
use serde::{Deserialize, Serialize};

/// The most rows that one proof is of: an owner is looked for at each label of a name, and an alias leads to others.
pub const PROVED_ROW_COUNT_MAX: usize = 192;
/// The most bytes in the encoded proof of a row: a sibling for each bit of its path, and a leaf.
pub const ROW_PROOF_BYTES_MAX: usize = 256 * 68 + 128;
/// The most bytes in a row that can be proved.
pub const PROVED_ROW_BYTES_MAX: usize = 1 << 16;

type RowProof = SparseMerkleProof<TreeHasher>;

/// Rows of a state, found by their keys alone: each can be proved, there or not.
pub trait RowSource {
    /// The row's bytes.
    fn row(&self, key: &[u8]) -> Option<Arc<[u8]>>;

    /// Notes that a row is none of its kind.
    fn spoiled(&self);

    /// What the operators agreed on.
    fn founding(&self) -> &Genesis;

    /// The mesh's zone and the reverse zones.
    fn served_zones(&self) -> &[DomainName];

    /// The time of the block that the rows are of: what rules about time are judged by.
    fn of_time(&self) -> UnixMillis;
}

/// The row of a kind with this key.
pub(crate) fn get<R: Row>(source: &dyn RowSource, key: &R::Key) -> Option<R> {
    let bytes = source.row(&crate::state::chain::state::row_key::<R>(key))?;
    let row = borsh::from_slice(&bytes).ok();
    if row.is_none() {
        source.spoiled();
    }
    row
}

impl ZoneSource for &dyn RowSource {
    fn zones(&self) -> &[DomainName] {
        self.served_zones()
    }

    fn soa(&self, zone: &DomainName) -> Soa {
        soa_of(*self, zone)
    }

    fn record_set(&self, name: &DomainName, record_type: RecordType) -> Option<Cow<'_, RecordSet>> {
        if !term_of(*self, name, self.of_time()).is_held() {
            return None;
        }
        get::<RecordSet>(*self, &(name.clone(), record_type)).map(Cow::Owned)
    }

    /// Rows are found by their keys alone, so only types with fields of their own are looked for.
    fn any_record_set(&self, name: &DomainName) -> Option<Cow<'_, RecordSet>> {
        let mut types = RecordType::ALL.into_iter().filter(|found| *found != RecordType::Soa);
        types.find_map(|record_type| self.record_set(name, record_type))
    }

    fn name_exists(&self, name: &DomainName) -> bool {
        term_of(*self, name, self.of_time()).is_held()
            && get::<crate::state::NameCount>(*self, name).is_some()
    }
}

impl RowSource for State {
    fn row(&self, key: &[u8]) -> Option<Arc<[u8]>> {
        self.row_bytes(key)
    }

    /// Rows are written by this code, and restored ones checked against the root.
    fn spoiled(&self) {}

    fn founding(&self) -> &Genesis {
        self.genesis_document()
    }

    fn served_zones(&self) -> &[DomainName] {
        self.zone_list()
    }

    fn of_time(&self) -> UnixMillis {
        self.time()
    }
}

/// A state that notes which rows are looked at.
pub struct Witness<'a> {
    state: &'a State,
    keys: RefCell<BTreeSet<Vec<u8>>>,
}

impl<'a> Witness<'a> {
    /// Nothing of it has been looked at.
    #[must_use]
    pub const fn new(state: &'a State) -> Self {
        Self { state, keys: RefCell::new(BTreeSet::new()) }
    }

    /// The rows that were looked at, with their proofs, in the order of their keys.
    ///
    /// # Errors
    /// If they are too many, or one is too large.
    pub fn prove(self) -> Result<Vec<ProvedRow>, TooMuch> {
        let keys = self.keys.into_inner();
        if keys.len() > PROVED_ROW_COUNT_MAX {
            return Err(TooMuch::Rows { count: keys.len() });
        }
        let proved = |key: Vec<u8>| {
            let row = self.state.row_bytes(&key);
            let bytes = row.as_ref().map_or(0, |row| row.len());
            if bytes > PROVED_ROW_BYTES_MAX {
                return Err(TooMuch::Bytes { bytes });
            }
            let proof = self.state.tree().prove(&key, row.as_ref());
            Ok(ProvedRow { row: row.map(|row| RowBytes(row.to_vec())), proof, key })
        };
        keys.into_iter().map(proved).collect()
    }
}

impl RowSource for Witness<'_> {
    fn row(&self, key: &[u8]) -> Option<Arc<[u8]>> {
        self.keys.borrow_mut().insert(key.to_vec());
        self.state.row_bytes(key)
    }

    fn spoiled(&self) {}

    fn founding(&self) -> &Genesis {
        self.state.genesis_document()
    }

    fn served_zones(&self) -> &[DomainName] {
        self.state.zone_list()
    }

    fn of_time(&self) -> UnixMillis {
        self.state.time()
    }
}

/// More than one proof may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TooMuch {
    /// Too many rows.
    #[error("the answer rests on {count} rows, and at most {PROVED_ROW_COUNT_MAX} are proved at once")]
    Rows {
        /// How many.
        count: usize,
    },
    /// A row that is too large.
    #[error("the answer rests on a row of {bytes} bytes, and at most {PROVED_ROW_BYTES_MAX} can be proved")]
    Bytes {
        /// How many bytes it has.
        bytes: usize,
    },
}

/// A row with its proof, or the proof that there is none.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct ProvedRow {
    /// Its key: the kind's tag, and the bytes of the key.
    #[serde(with = "hex::serde")]
    pub key: Vec<u8>,
    /// The row; none if there is none.
    pub row: Option<RowBytes>,
    /// The path in the Jellyfish Merkle tree (`SparseMerkleProof` of jmt 0.12, in borsh).
    #[serde(with = "hex::serde")]
    pub proof: Vec<u8>,
}

/// A row's bytes.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RowBytes(#[serde(with = "hex::serde")] pub Vec<u8>);

/// Rows of a state, and what makes them the mesh's.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct StateProof {
    /// The header whose state root the rows are under.
    pub header: Header,
    /// The precommits of a quorum for it.
    pub commit: CommitCertificate,
    /// The rows, in the order of their keys, each once.
    pub rows: Vec<ProvedRow>,
}

/// A proof that proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StateProofFault {
    /// Of another mesh.
    #[error("the header belongs to another mesh, with genesis {genesis}")]
    OtherMesh {
        /// Its genesis.
        genesis: Digest,
    },
    /// The precommits are for something else.
    #[error("the precommits are for another block than the header's, at height {height}")]
    OtherBlock {
        /// Theirs.
        height: Height,
    },
    /// No quorum.
    #[error("the header was not decided: {0}")]
    NotDecided(#[from] CertificateFault),
    /// More rows than may be, out of order, or one twice.
    #[error("{count} rows that are not each once, in order, and at most {PROVED_ROW_COUNT_MAX}")]
    Rows {
        /// How many.
        count: usize,
    },
    /// A row that is not under the state root.
    #[error("row {number} of {count} differs from the state at height {height}")]
    Row {
        /// Which, from 1.
        number: usize,
        /// Of how many.
        count: usize,
        /// Of which block.
        height: Height,
    },
}

impl StateProof {
    /// Checks everything against genesis, and gives the rows to ask of.
    ///
    /// # Errors
    /// With the first thing that does not hold.
    pub fn check(&self, genesis: &Genesis) -> Result<ProvedState, StateProofFault> {
        let genesis_hash = genesis.hash();
        let Self { header, commit, rows } = self;
        if header.genesis != genesis_hash {
            return Err(StateProofFault::OtherMesh { genesis: header.genesis });
        }
        if commit.height != header.height || commit.value_id != header.hash() {
            return Err(StateProofFault::OtherBlock { height: commit.height });
        }
        commit.verify(&genesis_hash, &genesis.validator_set())?;
        let (count, height) = (rows.len(), header.height);
        if count > PROVED_ROW_COUNT_MAX || !rows.is_sorted_by(|one, next| one.key < next.key) {
            return Err(StateProofFault::Rows { count });
        }
        let mut proved = BTreeMap::new();
        for (index, row) in rows.iter().enumerate() {
            if !row.holds(header.state_root) {
                return Err(StateProofFault::Row { number: index + 1, count, height });
            }
            proved.insert(row.key.clone(), row.row.as_ref().map(|row| Arc::from(row.0.as_slice())));
        }
        Ok(ProvedState {
            zones: crate::state::chain::state::served(genesis),
            genesis: genesis.clone(),
            header: header.clone(),
            rows: proved,
            unproved: Cell::new(false),
        })
    }
}

impl ProvedRow {
    /// Whether the state with this root holds the row, or none where there is none.
    fn holds(&self, root: Digest) -> bool {
        let Ok(proof) = decode::<RowProof>(&self.proof, ROW_PROOF_BYTES_MAX) else { return false };
        let row = self.row.as_ref().map(|row| &row.0);
        row.is_none_or(|row| row.len() <= PROVED_ROW_BYTES_MAX)
            && proof.verify(RootHash(root.0), key_hash(&self.key), row).is_ok()
    }
}

impl StateTree {
    /// The proof of a row, or that there is none.
    fn prove(&self, key: &[u8], row: Option<&Arc<[u8]>>) -> Vec<u8> {
        encode(&self.path(key_hash(key), row.map(|row| row.to_vec())))
    }
}

/// Rows that were proved, and nothing else.
pub struct ProvedState {
    genesis: Genesis,
    zones: Arc<[DomainName]>,
    header: Header,
    rows: BTreeMap<Vec<u8>, Option<Arc<[u8]>>>,
    unproved: Cell<bool>,
}

/// The answer rests on rows that were not proved, or are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the answer rests on more of the state than was proved")]
pub struct Unproved;

impl ProvedState {
    /// The block that the rows are of.
    #[must_use]
    pub const fn height(&self) -> Height {
        self.header.height
    }

    /// That block's time.
    #[must_use]
    pub const fn time(&self) -> UnixMillis {
        self.header.time
    }

    /// What comes of looking at the rows.
    ///
    /// # Errors
    /// If it looks at one that was not proved.
    pub fn ask<T>(&self, ask: impl FnOnce(&dyn RowSource) -> T) -> Result<T, Unproved> {
        self.unproved.set(false);
        let answer = ask(self);
        if self.unproved.get() { Err(Unproved) } else { Ok(answer) }
    }
}

impl RowSource for ProvedState {
    fn row(&self, key: &[u8]) -> Option<Arc<[u8]>> {
        let Some(row) = self.rows.get(key) else {
            self.spoiled();
            return None;
        };
        row.clone()
    }

    fn spoiled(&self) {
        self.unproved.set(true);
    }

    fn founding(&self) -> &Genesis {
        &self.genesis
    }

    fn served_zones(&self) -> &[DomainName] {
        &self.zones
    }

    fn of_time(&self) -> UnixMillis {
        self.header.time
    }
}
