//! The state itself, and drafts of the next one.

use crate::base::{Digest, Domain, Height, MicroCaesar, Sequence, UnixMillis};
use crate::caesar::{Ledger, LedgerAccount, Movement};
use crate::hypermesh::committee::GenerationSession;
use crate::hypermesh::ordering::ValidatorSet;
use crate::state::chain::row::{
    Account, ActiveCommittee, Beacon, Due, Generation, Member, NameCount, NameOwner, Reserve, Row, Unbonding,
    Validator,
};
use crate::state::chain::totals::Totals;
use crate::state::chain::tree::StateTree;
use crate::state::{Genesis, Header, SetRecords};
use crate::trustchain::DomainName;
use crate::trustchain::ct::MerkleTree;
use crate::trustchain::dns::{RecordSet, RecordType, TreeKey};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Bound;
use rpds::RedBlackTreeMapSync;

const FIRST_BEACON: Domain = Domain::new("hypermesh v1 first beacon");

/// What the nodes agree on after some block. A copy costs nothing and shares all with the original.
#[derive(Clone)]
pub struct State {
    genesis: Arc<Genesis>,
    genesis_hash: Digest,
    validators: ValidatorSet,
    zones: Arc<[DomainName]>,
    /// What genesis fixed: all that exists.
    supply: MicroCaesar,
    head: Option<Arc<Header>>,
    rows: RedBlackTreeMapSync<Vec<u8>, Arc<[u8]>>,
    tree: StateTree,
    log: MerkleTree,
}

/// A state under construction: the one before, with changes noted as they are made.
pub struct StateDraft {
    base: State,
    changes: BTreeMap<Vec<u8>, Option<Arc<[u8]>>>,
    /// Log entries that were appended, in order.
    pub(in crate::state) entries: Vec<Vec<u8>>,
    /// What was moved, in order.
    pub(in crate::state) movements: Vec<Movement>,
    /// The sums and counts of the state so far.
    pub(in crate::state) totals: Totals,
    /// Why there is to be a new revocation list, if there is.
    pub(in crate::state) list: crate::state::certificates::revocation::ListDue,
    /// The zones that answer otherwise than before.
    pub(in crate::state) changed_zones: BTreeSet<DomainName>,
}

/// Rows that changed, by key; `None` where one was removed.
pub type Changes = BTreeMap<Vec<u8>, Option<Arc<[u8]>>>;

impl State {
    /// The state before the first block.
    #[must_use]
    pub fn genesis(genesis: Arc<Genesis>) -> (Self, Changes) {
        let genesis_hash = genesis.hash();
        let empty = Self {
            validators: genesis.validator_set(),
            zones: served(&genesis),
            supply: genesis.supply().unwrap_or_default(),
            genesis: Arc::clone(&genesis),
            genesis_hash,
            head: None,
            rows: RedBlackTreeMapSync::new_sync(),
            tree: StateTree::new(),
            log: MerkleTree::new(),
        };
        let mut draft = empty.draft();
        draft.found(&genesis, genesis_hash);
        let (state, changes, _) = draft.finish();
        (state, changes)
    }

    /// The state that these rows and log leaves make, after the block with this header.
    #[must_use]
    pub fn restore(
        genesis: Arc<Genesis>,
        head: Option<Header>,
        rows: impl IntoIterator<Item = (Vec<u8>, Vec<u8>)>,
        log: MerkleTree,
    ) -> Self {
        let changes: Changes = rows.into_iter().map(|(key, value)| (key, Some(Arc::from(value)))).collect();
        let mut state = Self {
            validators: genesis.validator_set(),
            zones: served(&genesis),
            supply: genesis.supply().unwrap_or_default(),
            genesis_hash: genesis.hash(),
            genesis,
            head: head.map(Arc::new),
            rows: RedBlackTreeMapSync::new_sync(),
            tree: StateTree::new(),
            log,
        };
        state.tree.update(changes.iter());
        for (key, value) in changes {
            state.rows.insert_mut(key, value.expect("every restored row has a value"));
        }
        state
    }

    /// What the operators agreed on.
    #[must_use]
    pub const fn genesis_document(&self) -> &Arc<Genesis> {
        &self.genesis
    }

    /// What names the mesh.
    #[must_use]
    pub const fn genesis_hash(&self) -> Digest {
        self.genesis_hash
    }

    /// All that exists, as genesis fixed it. Added up once, when the state is made.
    #[must_use]
    pub const fn founding_supply(&self) -> MicroCaesar {
        self.supply
    }

    /// Who decides blocks.
    #[must_use]
    pub const fn validators(&self) -> &ValidatorSet {
        &self.validators
    }

    /// The zones that the mesh answers for.
    pub(in crate::state) fn zone_list(&self) -> &[DomainName] {
        &self.zones
    }

    /// The header of the last block; none before the first.
    #[must_use]
    pub fn head(&self) -> Option<&Header> {
        self.head.as_deref()
    }

    /// The last block's height; zero before the first.
    #[must_use]
    pub fn height(&self) -> Height {
        self.head().map_or(Height::GENESIS, |header| header.height)
    }

    /// The last block's time; genesis time before the first.
    #[must_use]
    pub fn time(&self) -> UnixMillis {
        self.head().map_or(self.genesis.time, |header| header.time)
    }

    /// The root of the authenticated state.
    #[must_use]
    pub const fn root(&self) -> Digest {
        self.tree.root()
    }

    /// The certificate log.
    #[must_use]
    pub const fn log(&self) -> &MerkleTree {
        &self.log
    }

    /// The row with this key.
    #[must_use]
    pub fn get<R: Row>(&self, key: &R::Key) -> Option<R> {
        self.rows.get(&row_key::<R>(key)).map(|bytes| decode_row(bytes))
    }

    /// The rows of a kind whose keys begin with `prefix`, in order, with their key bytes.
    pub fn rows<R: Row>(&self, prefix: Vec<u8>) -> impl Iterator<Item = (Vec<u8>, R)> {
        let start = [[R::TAG].as_slice(), &prefix].concat();
        let end = start.clone();
        self.rows
            .range(start..)
            .take_while(move |(key, _)| key.starts_with(&end))
            .map(|(key, bytes)| (key.get(1..).unwrap_or_default().to_vec(), decode_row(bytes)))
    }

    /// The rows of a kind behind `after`, or all of them, in order, with their key bytes.
    pub fn rows_after<R: Row>(&self, after: Option<&R::Key>) -> impl Iterator<Item = (Vec<u8>, R)> {
        let all = Bound::Included(alloc::vec![R::TAG]);
        let start = after.map_or(all, |key| Bound::Excluded(row_key::<R>(key)));
        self.rows
            .range((start, Bound::Unbounded))
            .take_while(|(key, _)| key.first() == Some(&R::TAG))
            .map(|(key, bytes)| (key.get(1..).unwrap_or_default().to_vec(), decode_row(bytes)))
    }

    /// The rows of a kind from the one with these key bytes on, in order, with their key bytes.
    pub(in crate::state) fn rows_from<R: Row>(&self, start: Vec<u8>) -> impl Iterator<Item = (Vec<u8>, R)> {
        self.rows
            .range([[R::TAG].as_slice(), &start].concat()..)
            .take_while(|(key, _)| key.first() == Some(&R::TAG))
            .map(|(key, bytes)| (key.get(1..).unwrap_or_default().to_vec(), decode_row(bytes)))
    }

    /// The keys of a kind's rows whose key bytes begin with `prefix`, the tag included, in order: those behind `after`, or all.
    pub(in crate::state) fn keys_after<'a, R: Row>(
        &'a self,
        prefix: Vec<u8>,
        after: Option<&R::Key>,
    ) -> impl Iterator<Item = &'a [u8]> + use<'a, R> {
        let prefix = [[R::TAG].as_slice(), &prefix].concat();
        let start = after.map_or(Bound::Included(prefix.clone()), |key| Bound::Excluded(row_key::<R>(key)));
        let range = self.rows.range((start, Bound::Unbounded));
        range.take_while(move |(key, _)| key.starts_with(&prefix)).map(|(key, _)| key.as_slice())
    }

    /// The bytes of the row with this key, its kind's tag first.
    pub(crate) fn row_bytes(&self, key: &[u8]) -> Option<Arc<[u8]>> {
        self.rows.get(key).cloned()
    }

    /// The rows as a tree.
    pub(in crate::state) const fn tree(&self) -> &StateTree {
        &self.tree
    }

    /// The keys that begin with `prefix`, the tag included, in order.
    pub(in crate::state) fn keys(&self, prefix: &[u8]) -> impl Iterator<Item = Vec<u8>> {
        let (start, end) = (prefix.to_vec(), prefix.to_vec());
        self.rows.range(start..).take_while(move |(key, _)| key.starts_with(&end)).map(|(key, _)| key.clone())
    }

    /// The first key of a kind of rows, the tag included.
    pub(in crate::state) fn first_key(&self, tag: u8) -> Option<&[u8]> {
        let kind = alloc::vec![tag]..alloc::vec![tag.saturating_add(1)];
        self.rows.range(kind).next().map(|(key, _)| key.as_slice())
    }

    /// The last key of a kind of rows, the tag included.
    pub(in crate::state) fn last_key(&self, tag: u8) -> Option<&[u8]> {
        let kind = alloc::vec![tag]..alloc::vec![tag.saturating_add(1)];
        self.rows.range(kind).next_back().map(|(key, _)| key.as_slice())
    }

    /// The current beacon.
    #[must_use]
    pub fn beacon(&self) -> Beacon {
        self.get::<Beacon>(&()).expect("genesis makes the first beacon")
    }

    /// The committee, once its keys are active.
    #[must_use]
    pub fn committee(&self) -> Option<ActiveCommittee> {
        self.get::<ActiveCommittee>(&())
    }

    /// The key generation under way.
    #[must_use]
    pub fn generation(&self) -> Generation {
        self.get::<Generation>(&()).unwrap_or_default()
    }

    /// The session of an attempt at key generation: all validators of genesis.
    #[must_use]
    pub fn generation_session(&self, attempt: u32) -> GenerationSession {
        GenerationSession {
            genesis: self.genesis_hash,
            attempt,
            validators: self.validators.as_slice().to_vec(),
        }
    }

    /// What stands at a place of the ledger.
    #[must_use]
    pub fn balance(&self, place: LedgerAccount) -> MicroCaesar {
        match place {
            LedgerAccount::Account(owner) => self.get::<Account>(&owner).unwrap_or_default().balance,
            LedgerAccount::Reserve => self.get::<Reserve>(&()).unwrap_or_default().balance,
            LedgerAccount::Stake(member) => {
                self.get::<Member>(&member).map(|row| row.stake).unwrap_or_default()
            }
            LedgerAccount::Unbonding(member) => self.unbonding(&member).balance,
            LedgerAccount::Genesis => MicroCaesar::ZERO,
        }
    }

    /// Opens a draft of the next state.
    #[must_use]
    pub fn draft(&self) -> StateDraft {
        StateDraft {
            base: self.clone(),
            changes: BTreeMap::new(),
            entries: Vec::new(),
            movements: Vec::new(),
            totals: self.totals(),
            list: crate::state::certificates::revocation::ListDue::default(),
            changed_zones: BTreeSet::new(),
        }
    }

    /// This state, with the header of the block that made it.
    pub(in crate::state) fn crowned(mut self, header: Header) -> Self {
        self.head = Some(Arc::new(header));
        self
    }
}

impl StateDraft {
    /// The state so far; its root is that of the state before until [`StateDraft::finish`].
    #[must_use]
    pub const fn state(&self) -> &State {
        &self.base
    }

    /// Sets a row.
    pub fn put<R: Row>(&mut self, key: &R::Key, row: &R) {
        self.put_bytes(row_key::<R>(key), crate::base::encode(row));
    }

    /// Removes a row.
    pub fn remove<R: Row>(&mut self, key: &R::Key) {
        self.remove_key(&row_key::<R>(key));
    }

    /// Sets or removes the records of one type at a name, and counts them there and at the names above it.
    pub(in crate::state) fn set_record_set(
        &mut self,
        name: &DomainName,
        record_type: RecordType,
        set: Option<&RecordSet>,
    ) {
        let key = (name.clone(), record_type);
        let before = self.base.get::<RecordSet>(&key);
        if before.as_ref() != set {
            self.note_zone_change(name);
        }
        let before = before.is_some();
        match set {
            Some(set) => self.put(&key, set),
            None => self.remove::<RecordSet>(&key),
        }
        if before == set.is_some() {
            return;
        }
        self.count_sets(TreeKey::from(name).as_bytes(), !before);
    }

    /// Counts a set of records more, or one fewer, at a name, by its key, and at the names above it up to its zone.
    fn count_sets(&mut self, name: &[u8], added: bool) {
        let zones = self.base.zones.iter().map(|zone| TreeKey::from(zone).as_bytes().to_vec());
        let top =
            zones.filter(|zone| name.starts_with(zone)).map(|zone| zone.len()).max().unwrap_or_default();
        let ends = (1..=name.len()).filter(|end| *end >= top && name.get(end - 1) == Some(&0));
        for end in ends {
            let key = [&[NameCount::TAG], name.get(..end).unwrap_or_default()].concat();
            let sets = self.base.rows.get(&key).map_or(0, |row| decode_row::<NameCount>(row).sets);
            match if added { sets.saturating_add(1) } else { sets.saturating_sub(1) } {
                0 => self.remove_key(&key),
                sets => self.put_bytes(key, crate::base::encode(&NameCount { sets })),
            }
        }
    }

    /// Sets the row with this key, the tag included.
    fn put_bytes(&mut self, key: Vec<u8>, value: Vec<u8>) {
        let value: Arc<[u8]> = Arc::from(value);
        if Totals::counts(&key) && !self.base.rows.contains_key(&key) {
            self.follow_row(&key, 1);
        }
        self.base.rows.insert_mut(key.clone(), Arc::clone(&value));
        self.changes.insert(key, Some(value));
    }

    /// Removes a set of records by its key, the tag included.
    pub(in crate::state) fn remove_record_set_key(&mut self, key: &[u8]) {
        self.remove_key(key);
        if let Some(name) = crate::state::chain::row::name_of_records(key) {
            self.count_sets(name, false);
        }
    }

    /// Removes the row with this key, the tag included.
    pub(in crate::state) fn remove_key(&mut self, key: &[u8]) {
        if self.base.rows.remove_mut(key) {
            self.follow_row(key, -1);
            self.changes.insert(key.to_vec(), None);
        }
    }

    /// Appends an entry to the log.
    pub fn append(&mut self, entry: Vec<u8>) -> crate::base::LeafIndex {
        let index = self.base.log.push(crate::trustchain::ct::leaf_hash(&entry));
        self.entries.push(entry);
        index
    }

    /// Notes what is to happen by itself later.
    pub fn schedule(&mut self, time: UnixMillis, due: Due) {
        self.put(&(time, due.clone()), &due);
    }

    /// The finished state with its new root, the rows that changed, and the log entries.
    #[must_use]
    pub fn finish(mut self) -> (State, Changes, Vec<Vec<u8>>) {
        self.keep_totals();
        self.base.tree.update(self.changes.iter());
        (self.base, self.changes, self.entries)
    }

    fn found(&mut self, genesis: &Genesis, genesis_hash: Digest) {
        self.totals = Totals::founding(genesis);
        for member in genesis.all_members() {
            let row = Member {
                plot_root: member.plot_root,
                stake: member.stake,
                next_sequence: Sequence(0),
                tickets: BTreeMap::new(),
                missed_audits: 0,
                last_batch: Height::GENESIS,
            };
            self.put(&member.key, &row);
        }
        for validator in &genesis.validators {
            let row = Validator {
                name: validator.name.clone(),
                address: validator.address,
                reveal: validator.reveal_anchor,
            };
            self.put(&validator.member.key, &row);
        }
        for account in &genesis.accounts {
            self.put(&account.owner, &Account { balance: account.balance, ..Account::default() });
        }
        for entry in &genesis.names {
            self.put(&entry.name, &NameOwner::of_genesis(entry.owner));
        }
        for SetRecords { name, record_type, records } in &genesis.records {
            if let Some(records) = records {
                self.set_record_set(name, *record_type, Some(records));
            }
        }
        self.publish_mesh(genesis);
        self.put(&(), &Reserve { balance: genesis.reserve, ..Reserve::default() });
        self.keep_heads(&genesis.movements(), Height::GENESIS);
        self.put(&(), &Generation { begun: genesis.time, ..Generation::default() });
        self.put(&(), &self.first_beacon(genesis, genesis_hash));
    }

    fn first_beacon(&self, genesis: &Genesis, genesis_hash: Digest) -> Beacon {
        let difficulty = genesis.profile.proofs().work.difficulty_initial;
        Beacon {
            index: 0,
            value: FIRST_BEACON.hash(&[&genesis_hash.0]),
            time: genesis.time,
            previous: None,
            reveals: BTreeMap::new(),
            difficulty,
            previous_difficulty: difficulty,
            operations: 0,
        }
    }
}

impl Ledger for StateDraft {
    fn balance(&self, place: LedgerAccount) -> MicroCaesar {
        self.base.balance(place)
    }

    fn set_balance(&mut self, place: LedgerAccount, balance: MicroCaesar) {
        self.follow_balance(place, self.balance(place), balance);
        match place {
            LedgerAccount::Account(owner) => {
                let account = self.base.get::<Account>(&owner).unwrap_or_default();
                self.put(&owner, &Account { balance, ..account });
            }
            LedgerAccount::Reserve => {
                let reserve = self.base.get::<Reserve>(&()).unwrap_or_default();
                self.put(&(), &Reserve { balance, ..reserve });
            }
            LedgerAccount::Stake(member) => {
                let row = self.base.get::<Member>(&member).expect("only members' stakes move");
                self.put(&member, &Member { stake: balance, ..row });
            }
            LedgerAccount::Unbonding(member) if balance == MicroCaesar::ZERO => {
                self.remove::<Unbonding>(&member)
            }
            LedgerAccount::Unbonding(member) => {
                let unbonding = self.base.unbonding(&member);
                self.put(&member, &Unbonding { balance, ..unbonding });
            }
            LedgerAccount::Genesis => unreachable!("nothing moves out of genesis after genesis, or into it"),
        }
    }

    fn note(&mut self, movement: Movement) {
        self.movements.push(movement);
    }
}

pub(in crate::state) fn served(genesis: &Genesis) -> Arc<[DomainName]> {
    core::iter::once(&genesis.zone).chain(&genesis.reverse_zones).cloned().collect()
}

pub(in crate::state) fn row_key<R: Row>(key: &R::Key) -> Vec<u8> {
    let mut bytes = alloc::vec![R::TAG];
    bytes.extend(R::key_bytes(key));
    bytes
}

fn decode_row<R: Row>(bytes: &[u8]) -> R {
    borsh::from_slice(bytes)
        .expect("rows are written by this code, and restored ones checked against the root")
}
