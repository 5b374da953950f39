//! What the state holds, row by row: each kind of row has a tag, a key and a value.

use crate::base::{Digest, Height, LeafIndex, MicroCaesar, PublicKey, Sequence, UnixMillis};
use crate::caesar::{HistoryHead, JournalHead};
use crate::hypermesh::committee::{CommitteeKeys, Round1};
use crate::state::{Grant, InstanceName, Offer, OperationId, Receipt};
use crate::trustchain::DomainName;
use crate::trustchain::ca::{RevocationReason, SerialNumber, SubjectNames};
use crate::trustchain::dns::{RecordSet, RecordType, TreeKey};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};
use core::net::SocketAddrV6;
use serde::{Deserialize, Serialize};

/// A kind of row.
pub trait Row: BorshSerialize + BorshDeserialize {
    /// What rows of this kind are found by.
    type Key: ?Sized;
    /// The first byte of their keys. Part of the on-disk format.
    const TAG: u8;

    /// The bytes that a row's key adds to the tag. Their order is the order of the rows.
    fn key_bytes(key: &Self::Key) -> Vec<u8>;
}

macro_rules! row {
    ($kind:ty, $tag:literal, $key_type:ty, |$key:ident| $bytes:expr) => {
        impl $crate::state::Row for $kind {
            type Key = $key_type;
            const TAG: u8 = $tag;

            fn key_bytes($key: &Self::Key) -> Vec<u8> {
                $bytes
            }
        }
    };
}

pub(in crate::state) use row;

row!(Account, 1, PublicKey, |owner| owner.0.to_vec());
row!(Member, 2, PublicKey, |member| member.0.to_vec());
row!(Validator, 3, PublicKey, |validator| validator.0.to_vec());
row!(NameOwner, 4, DomainName, |name| TreeKey::from(name).as_bytes().to_vec());
row!(RecordSet, 5, (DomainName, RecordType), |key| records_key(&key.0, key.1));
row!(Certificate, 6, SerialNumber, |serial| serial.as_bytes().to_vec());
row!(Receipt, 7, OperationId, |id| id.0.0.to_vec());
row!(Due, 8, (UnixMillis, Due), |key| due_key(key.0, &key.1));
row!(Beacon, 9, (), |_unit| Vec::new());
row!(Reserve, 10, (), |_unit| Vec::new());
row!(Generation, 11, (), |_unit| Vec::new());
row!(ActiveCommittee, 12, (), |_unit| Vec::new());
row!(Published, 13, DomainName, |name| TreeKey::from(name).as_bytes().to_vec());
row!(IssuingCertificate, 14, u32, |number| number.to_be_bytes().to_vec());
row!(Revoked, 15, SerialNumber, |serial| serial.as_bytes().to_vec());
row!(RevocationListHead, 16, (), |_unit| Vec::new());
row!(Unbonding, 17, PublicKey, |member| member.0.to_vec());
row!(Offences, 22, PublicKey, |validator| validator.0.to_vec());
row!(EvidenceHorizon, 23, (), |_unit| Vec::new());
row!(JournalHead, 18, (), |_unit| Vec::new());
row!(Earnings, 19, (), |_unit| Vec::new());
row!(FeeRate, 26, (), |_unit| Vec::new());
row!(Attendance, 20, (), |_unit| Vec::new());
row!(Instance, 27, InstanceName, |name| instance_key(name));
row!(RootRevocationList, 33, u64, |number| number.to_be_bytes().to_vec());
row!(NameCount, 28, DomainName, |name| TreeKey::from(name).as_bytes().to_vec());

/// How many sets of records stand at a name and below it; there is no row where there are none. So that a name does not exist
/// (RFC 8020) can be proved by one row that is not there.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
pub struct NameCount {
    /// How many.
    pub sets: u64,
}

/// When each validator was last seen to vote.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Attendance {
    /// By validator: the highest height whose commit certificate, in the block after it, holds its precommit.
    pub last: BTreeMap<PublicKey, Height>,
}

/// An account.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
pub struct Account {
    /// What is in it.
    pub balance: MicroCaesar,
    /// How far the owner's history goes: of this account, of the stake, and of what is being unbonded.
    pub history: HistoryHead,
}

/// The named reserve that fees go into and rewards come out of.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
pub struct Reserve {
    /// What is in it.
    pub balance: MicroCaesar,
    /// How far its history goes.
    pub history: HistoryHead,
}

/// What a member has taken out of its stake and cannot have yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Unbonding {
    /// All of it.
    pub balance: MicroCaesar,
    /// The parts and when each goes to the member's account, in that order.
    pub releases: Vec<Release>,
}

/// A part of what is being unbonded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Release {
    /// The first block later than this releases it.
    pub time: UnixMillis,
    /// How much.
    pub amount: MicroCaesar,
}

/// What a validator was punished for.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Offences {
    /// How often.
    pub count: u32,
    /// What it has lost, in all.
    pub slashed: MicroCaesar,
    /// Equivocations up to this height are punished.
    pub through: Option<Height>,
    /// The signing sessions of the bad shares, and the digests of the false claims, that it was punished for.
    pub shares: BTreeSet<Digest>,
}

/// Heights of the past and their times, some way apart: how old evidence of a height is.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct EvidenceHorizon {
    /// The oldest first.
    pub marks: Vec<(UnixMillis, Height)>,
}

/// An announced instance of a service.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Instance {
    /// What names it.
    pub name: InstanceName,
    /// Who announced it last.
    pub owner: PublicKey,
    /// What it says of itself.
    pub offer: Offer,
    /// Since which block it has been there without a break.
    pub since: Height,
    /// How long its lease is.
    pub lease_seconds: u32,
    /// The first block later than this takes it away, unless it is renewed.
    pub expires: UnixMillis,
}

/// What the prices of operations are multiplied by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct FeeRate {
    /// In thousandths.
    pub thousandths: u64,
}

impl Default for FeeRate {
    fn default() -> Self {
        Self { thousandths: crate::caesar::FEE_RATE_FLOOR }
    }
}

/// What validators have earned.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Earnings {
    /// By validator, all rewards since genesis.
    pub paid: BTreeMap<PublicKey, MicroCaesar>,
}

/// A member: whose batches may be in blocks.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Member {
    /// The root of its plot.
    pub plot_root: Digest,
    /// What it has at stake.
    pub stake: MicroCaesar,
    /// The number of its next batch.
    pub next_sequence: Sequence,
    /// Its ticket under the current beacon and the one before, by beacon index.
    pub tickets: BTreeMap<u64, Digest>,
    /// For how many beacons in a row, up to now, it has put no ticket on chain; counted up to
    /// [`AUDIT_MISSES_MAX`](crate::state::AUDIT_MISSES_MAX).
    pub missed_audits: u32,
    /// The last block with a batch of its own; zero before the first. Who has waited longest comes first.
    pub last_batch: Height,
}

/// A validator: who votes and holds key shares.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Validator {
    /// Its name, a label.
    pub name: String,
    /// Where it listens for STOQ.
    pub address: SocketAddrV6,
    /// The last link of its hash chain that is known: its next reveal hashes to this.
    pub reveal: Digest,
}

/// Whose a name is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct NameOwner {
    /// The owner of the name and of everything below it that has no owner of its own.
    pub owner: PublicKey,
    /// Since when; height 0 is genesis.
    pub since: Height,
    /// Until when it is paid for. None for what genesis gave away, and for names below others, which last as those do.
    pub expires: Option<UnixMillis>,
    /// The operation that registered it; zeros for what genesis gave.
    pub registration: OperationId,
    /// How the owner of a name above granted it. None for names directly below a zone, and for what genesis gave.
    pub grant: Option<Grant>,
}

impl NameOwner {
    /// A name that genesis gives.
    #[must_use]
    pub const fn of_genesis(owner: PublicKey) -> Self {
        let registration = OperationId(Digest::ZERO);
        Self { owner, since: Height::GENESIS, expires: None, registration, grant: None }
    }
}

/// A certificate: what was approved, never the signed bytes.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Certificate {
    /// Whose operation asked for it.
    pub owner: PublicKey,
    /// The operation.
    pub operation: OperationId,
    /// What it certifies names for.
    pub names: SubjectNames,
    /// The SHA-256 of its pre-certificate bytes.
    pub precertificate: Digest,
    /// Its place in the log.
    pub leaf_index: LeafIndex,
    /// The block that approved and logged it.
    pub height: Height,
    /// Its first moment.
    pub not_before: UnixMillis,
    /// Its last moment.
    pub not_after: UnixMillis,
    /// Names of the TLSA records that were published with it.
    pub tlsa: Vec<DomainName>,
    /// The SHA-256 of its subject public key info, which those records carry.
    pub subject_key: Digest,
    /// The time of the block that approved it.
    pub issued: UnixMillis,
    /// When and why it was revoked, if it was. Once set, it never changes.
    pub revocation: Option<Revocation>,
}

/// When and why a certificate was revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Revocation {
    /// The time of the block that revoked it.
    pub at: UnixMillis,
    /// Why.
    pub reason: RevocationReason,
    /// The number of the first revocation list that it stands in.
    pub list: u64,
}

/// A certificate that stands in the revocation list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Revoked {
    /// The time of the block that revoked it.
    pub at: UnixMillis,
    /// Why.
    pub reason: RevocationReason,
    /// Its last moment, after which it leaves the list.
    pub not_after: UnixMillis,
}

/// The newest revocation list. Its entries are the [`Revoked`] rows, so the two change in one block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct RevocationListHead {
    /// Its number, from 1.
    pub number: u64,
    /// The time of the block that fixed it.
    pub this_update: UnixMillis,
    /// When the last list was fixed that came because of the time, and not because of a revocation.
    pub scheduled: UnixMillis,
    /// How many entries it has.
    pub entries: u32,
}

/// An issuing certificate, by its number from 0. The key is the same in all of them: the committee's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct IssuingCertificate {
    /// The block that fixed and logged it.
    pub height: Height,
    /// That block's time, from which its life counts.
    pub time: UnixMillis,
    /// Its place in the log.
    pub leaf_index: LeafIndex,
}

/// A revocation list of the root key, by its number from 1. It has no entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct RootRevocationList {
    /// The time of the block that fixed it.
    pub time: UnixMillis,
}

/// The keys that a TLSA name publishes, by certificate, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Published {
    /// Serial number and SHA-256 of the subject public key info.
    pub keys: Vec<(SerialNumber, Digest)>,
}

/// Something that happens to the state by itself when its time has come.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub enum Due {
    /// An operation has expired: its receipt goes.
    Receipt(OperationId),
    /// A certificate has expired: its TLSA records go.
    Certificate(SerialNumber),
    /// The period is over: there is a new revocation list.
    RevocationList,
    /// Two thirds of the issuing certificate's life are over: there is a new one.
    Issuing,
    /// Something that a member took out of its stake goes to its account.
    Release(PublicKey),
    /// The grace of a name that was not renewed is over: what it left is cleared away.
    NameFreed(DomainName),
    /// An instance of a service was not renewed in time.
    Lease(InstanceName),
    /// A name was not renewed in time: it is not answered any more.
    NameLapsed(DomainName),
    /// The period is over: there is a new revocation list of the root key.
    RootRevocationList,
    /// The grant of a name is over: it belongs to the owner of the name above. What was granted below it is cleared away, from one
    /// name on if blocks before this one have begun with that.
    GrantEnded {
        /// The name.
        name: DomainName,
        /// The last name that was looked at.
        after: Option<DomainName>,
    },
}

/// The unpredictable value that proofs are bound to, and what the next one is made of.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Beacon {
    /// Its number; genesis makes number 0.
    pub index: u64,
    /// Its value.
    pub value: Digest,
    /// The time of the block that made it.
    pub time: UnixMillis,
    /// The value and time of the one before, if there is one.
    pub previous: Option<(Digest, UnixMillis)>,
    /// What proposers have revealed since, in ascending order of keys.
    pub reveals: BTreeMap<PublicKey, Digest>,
    /// The difficulty of the proof of work under this beacon.
    pub difficulty: u64,
    /// The difficulty under the one before.
    pub previous_difficulty: u64,
    /// Operations since this beacon.
    pub operations: u64,
}

/// A key generation under way.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Generation {
    /// Its number, from 0.
    pub attempt: u32,
    /// When it began: the time of the block before its first.
    pub begun: UnixMillis,
    /// Commitments by validator.
    pub round1: BTreeMap<PublicKey, Round1>,
    /// The keys that follow from the commitments, once all are in.
    pub keys: Option<CommitteeKeys>,
    /// Who holds its shares and has confirmed the keys.
    pub confirmed: BTreeSet<PublicKey>,
    /// Why the attempt before was given up, in words, and who gave it up.
    pub aborted: Option<(PublicKey, String)>,
}

/// The committee that holds the keys.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct ActiveCommittee {
    /// The attempt at key generation that succeeded.
    pub attempt: u32,
    /// The public keys and each validator's verifying shares.
    pub keys: CommitteeKeys,
    /// The block in which the last validator confirmed.
    pub height: Height,
    /// That block's time: the root and issuing certificates begin here.
    pub time: UnixMillis,
}

/// A name's own record sets share this prefix; the names below it share its [`TreeKey`] and differ here.
pub(in crate::state) fn own_records_key(name: &DomainName) -> Vec<u8> {
    let mut key = TreeKey::from(name).as_bytes().to_vec();
    key.push(0);
    key
}

/// The name, as a tree's key, in the key of a set of records, the tag included.
pub(in crate::state) fn name_of_records(key: &[u8]) -> Option<&[u8]> {
    key.get(1..key.len().checked_sub(RECORD_TYPE_KEY_BYTES)?)
}

/// What stands behind the name in the key of a set of records: a zero and the type's number.
const RECORD_TYPE_KEY_BYTES: usize = 3;

fn records_key(name: &DomainName, record_type: RecordType) -> Vec<u8> {
    let mut key = own_records_key(name);
    key.extend(record_type.number().to_be_bytes());
    key
}

/// What a set of records is found by.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
pub struct RecordKey {
    /// The name that it stands at.
    pub name: DomainName,
    /// Its type.
    pub record_type: RecordType,
}

impl RecordKey {
    /// What the set with this row's key is found by; the tag is not included.
    #[must_use]
    pub fn of(key: &[u8]) -> Option<Self> {
        let (name, [0, high, low]) = key.split_last_chunk()? else { return None };
        let record_type = RecordType::from_number(u16::from_be_bytes([*high, *low]));
        Some(Self { name: TreeKey::name_of(name)?, record_type })
    }
}

/// The instances of a service stand together, as its own record sets do.
fn instance_key(name: &InstanceName) -> Vec<u8> {
    let mut key = own_records_key(&name.service);
    key.extend(name.label.as_bytes());
    key.push(0);
    key.extend(name.protocol.labels().as_bytes());
    key
}

fn due_key(time: UnixMillis, due: &Due) -> Vec<u8> {
    let mut key = time.0.to_be_bytes().to_vec();
    key.extend(crate::base::encode(due));
    key
}
