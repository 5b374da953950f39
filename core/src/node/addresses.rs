//! Current addresses of validators that have moved since genesis.
//!
//! A validator that has moved signs its new address ([`AddressRecord`]) and sends the record to the validators that it is
//! linked with. They store it and forward it, so a node that learns one new address finds the others through it. A validator
//! can announce its own address only, at a limited rate, and whoever dials it there requires its key.

use super::context::ADDRESS_KEY_PREFIX;
use super::message::Message;
use super::{Event, OpenFault, context::Context};
use crate::api::AddressRecord;
use crate::base::{Mono, PublicKey, ReadError, Reader, Size, Table, UnixMillis, WriteBatch, decode, encode};
use crate::state::VALIDATOR_COUNT_MAX;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::SocketAddrV6;
use core::time::Duration;

/// The most bytes of a record.
const RECORD_BYTES_MAX: usize = 32 + 18 + 8 + 64;
/// How many new records of one validator are taken at once.
const BURST_COUNT_MAX: u32 = 8;
/// After this long one more is taken. An honest validator makes one each time it is moved.
const REFILL_AFTER: Duration = Duration::from_secs(60);
/// A record may be so far ahead of this node's clock, and no further: otherwise a clock that was once wrong would keep
/// its validator from ever announcing another address.
const AHEAD_MS_MAX: u64 = 3_600_000;

/// The records that this node has: at most one for each validator.
#[derive(Default)]
pub(super) struct Addresses {
    records: Arc<BTreeMap<PublicKey, AddressRecord>>,
    budgets: BTreeMap<PublicKey, Budget>,
    /// This node's own address, if it is configured.
    own: Option<SocketAddrV6>,
}

/// How many more records of a validator are taken.
#[derive(Clone, Copy)]
struct Budget {
    left: u32,
    refilled: Mono,
}

impl Budget {
    const fn full(now: Mono) -> Self {
        Self { left: BURST_COUNT_MAX, refilled: now }
    }

    /// Takes one, if there is one.
    fn take(&mut self, now: Mono) -> bool {
        let periods = now.since(self.refilled).as_millis() / REFILL_AFTER.as_millis();
        if periods > 0 {
            let gained = u32::try_from(periods).unwrap_or(u32::MAX);
            self.left = self.left.saturating_add(gained).min(BURST_COUNT_MAX);
            self.refilled = now;
        }
        let taken = self.left > 0;
        self.left = self.left.saturating_sub(1);
        taken
    }
}

impl Addresses {
    /// Those that the store has. Where one is damaged, all are left out: the peers have them.
    pub(super) fn load(reader: &dyn Reader, genesis: &crate::base::Digest) -> Result<Self, OpenFault> {
        let rows = match reader.range(Table::Meta, ADDRESS_KEY_PREFIX, VALIDATOR_COUNT_MAX) {
            Err(ReadError::Damaged { .. }) => Vec::new(),
            rows => rows?,
        };
        let mut records = BTreeMap::new();
        for (key, value) in rows {
            if !key.starts_with(ADDRESS_KEY_PREFIX) {
                break;
            }
            if let Ok(record) = decode::<AddressRecord>(&value, RECORD_BYTES_MAX)
                && record.is_valid(genesis)
            {
                records.insert(record.validator, record);
            }
        }
        Ok(Self { records: Arc::new(records), ..Self::default() })
    }

    /// The records, by validator.
    pub(super) const fn records(&self) -> &Arc<BTreeMap<PublicKey, AddressRecord>> {
        &self.records
    }

    pub(super) fn size(&self, validators: usize) -> Size {
        Size::limited("addresses announced", self.records.len(), validators)
    }

    /// Takes note of where this node is. If the others may not know it, it is announced to them.
    pub(super) fn set_own(&mut self, cx: &mut Context, address: SocketAddrV6) {
        self.own = Some(address);
        let me = cx.identity.public();
        let known = match self.records.get(&me) {
            Some(record) => Some(record.address),
            None => Self::genesis_address(cx, &me),
        };
        if known != Some(address) {
            let before = self.records.get(&me).map(|record| record.sequence);
            self.announce(cx, address, before);
        }
    }

    /// Signs a record of this node's address and sends it to all peers.
    fn announce(&mut self, cx: &mut Context, address: SocketAddrV6, before: Option<u64>) {
        let wall = cx.wall();
        // A record from a time when a clock was wrong is not followed.
        let before = before.filter(|before| is_timely(*before, wall)).unwrap_or_default();
        let sequence = wall.0.max(before.saturating_add(1));
        let record = AddressRecord::sign(&cx.state.genesis_hash(), address, sequence, &cx.identity);
        if !record.is_valid(&cx.state.genesis_hash()) {
            return;
        }
        cx.broadcast(&Message::Addresses(alloc::vec![record.clone()]));
        self.keep_address(cx, record);
    }

    /// Sends all records to a peer that was just linked.
    pub(super) fn send_addresses(&mut self, cx: &mut Context, peer: PublicKey) {
        let records: Vec<AddressRecord> = self.records.values().cloned().collect();
        if !records.is_empty() {
            cx.send(peer, &Message::Addresses(records));
        }
    }

    /// Takes records that a peer has, and passes on those that are new.
    pub(super) fn on_addresses(&mut self, cx: &mut Context, from: PublicKey, records: Vec<AddressRecord>) {
        if records.len() > cx.state.validators().count() {
            let reason = alloc::format!("sent {} addresses of fewer validators", records.len());
            return cx.outbox.event(Event::PeerFault { peer: from, reason });
        }
        for record in records {
            self.on_address(cx, from, record);
        }
    }

    fn on_address(&mut self, cx: &mut Context, from: PublicKey, record: AddressRecord) {
        let known = self.records.get(&record.validator).map_or(0, |known| known.sequence);
        let timely = is_timely(record.sequence, cx.wall());
        if record.sequence <= known || !timely || !cx.state.validators().contains(&record.validator) {
            return;
        }
        if !record.is_valid(&cx.state.genesis_hash()) || !Self::is_of_this_scope(cx, &record) {
            let reason = "sent an address that its validator has not signed, or that nobody can dial".into();
            return cx.outbox.event(Event::PeerFault { peer: from, reason });
        }
        if record.validator == cx.identity.public() {
            return self.on_own_address(cx, record);
        }
        let full = Budget::full(cx.now.mono);
        if !self.budgets.entry(record.validator).or_insert(full).take(cx.now.mono) {
            return;
        }
        let message = Message::Addresses(alloc::vec![record.clone()]);
        for peer in cx.peers().filter(|peer| *peer != from && *peer != record.validator) {
            cx.send(peer, &message);
        }
        self.keep_address(cx, record);
    }

    /// This node has announced that address, and has lost what it knew of that: with its disk, or its clock.
    fn on_own_address(&mut self, cx: &mut Context, record: AddressRecord) {
        match self.own {
            Some(own) if own != record.address => self.announce(cx, own, Some(record.sequence)),
            _ => self.keep_address(cx, record),
        }
    }

    fn keep_address(&mut self, cx: &mut Context, record: AddressRecord) {
        let mut writes = WriteBatch::default();
        writes.put(Table::Meta, [ADDRESS_KEY_PREFIX, record.validator.as_bytes()].concat(), encode(&record));
        let _token = cx.persist(writes);
        cx.outbox.event(Event::AddressChanged { validator: record.validator, address: record.address });
        Arc::make_mut(&mut self.records).insert(record.validator, record);
        cx.publish();
    }

    /// Writes the row of a record anew, which is corrupted: the record itself, if this node has it.
    pub(super) fn restore_address(&mut self, cx: &mut Context, key: &[u8]) {
        let validator =
            key.strip_prefix(ADDRESS_KEY_PREFIX).and_then(|key| key.try_into().ok()).map(PublicKey);
        let row = validator.and_then(|validator| self.records.get(&validator)).map(encode);
        cx.rewrite_row(Table::Meta, key, row);
    }

    /// A loopback address leads each node to itself, unless the whole mesh is on one machine.
    fn is_of_this_scope(cx: &Context, record: &AddressRecord) -> bool {
        let genesis = Self::genesis_address(cx, &record.validator);
        !record.address.ip().is_loopback() || genesis.is_some_and(|address| address.ip().is_loopback())
    }

    fn genesis_address(cx: &Context, validator: &PublicKey) -> Option<SocketAddrV6> {
        let listed = &cx.state.genesis_document().validators;
        listed.iter().find(|listed| listed.member.key == *validator).map(|listed| listed.address)
    }
}

const fn is_timely(sequence: u64, wall: UnixMillis) -> bool {
    sequence <= wall.0.saturating_add(AHEAD_MS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Digest, SecretKey};
    #[cfg(not(hypermesh_simulation_crypto))]
    use crate::node::test_util::{context, mesh, sent};

    #[test]
    fn so_many_records_are_taken_at_once_and_one_more_after_each_period() {
        let seconds = |seconds: u64| Mono(seconds * 1_000_000);
        let mut budget = Budget::full(seconds(0));
        assert!((0..BURST_COUNT_MAX).all(|_| budget.take(seconds(1))));
        assert!(!budget.take(seconds(1)));
        let period = REFILL_AFTER.as_secs();
        assert!(!budget.take(seconds(period - 1)));
        assert!(budget.take(seconds(period)));
        assert!(!budget.take(seconds(period)));
        assert!((0..BURST_COUNT_MAX).all(|_| budget.take(seconds(1000 * period))));
        assert!(!budget.take(seconds(1000 * period)), "no more are saved up than a burst");
    }

    #[test]
    fn a_record_may_be_so_far_ahead_of_the_clock_and_no_further() {
        let wall = UnixMillis(1_000_000);
        assert!(is_timely(wall.0 + AHEAD_MS_MAX, wall));
        assert!(!is_timely(wall.0 + AHEAD_MS_MAX + 1, wall));
    }

    #[test]
    fn a_record_is_as_long_as_its_bound_says() {
        let address = "[2001:db8::7]:7400".parse().unwrap();
        let record = AddressRecord::sign(&Digest([1; 32]), address, u64::MAX, &SecretKey::from_seed([3; 32]));
        assert_eq!(encode(&record).len(), RECORD_BYTES_MAX);
    }

    #[test]
    #[cfg(not(hypermesh_simulation_crypto))]
    fn a_newer_address_is_kept_and_passed_on_and_an_older_one_is_not() {
        let mesh = mesh();
        let (mut cx, mut addresses) = (context(&mesh), Addresses::default());
        let (from, of) = (mesh.validators[1].public(), &mesh.validators[2]);
        let wall = cx.wall().0;
        let record = |port, sequence| {
            let ip = core::net::Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 7);
            let address = SocketAddrV6::new(ip, port, 0, 0);
            AddressRecord::sign(&mesh.genesis_hash(), address, sequence, of)
        };
        addresses.on_addresses(&mut cx, from, alloc::vec![record(7401, wall)]);
        let passed_on: Vec<PublicKey> = sent(&mut cx).into_iter().map(|(to, _)| to).collect();
        assert_eq!(passed_on, [mesh.validators[3].public()], "not to its sender, nor to whom it is about");
        assert!(cx.publish_due);
        addresses.on_addresses(&mut cx, from, alloc::vec![record(7402, wall - 1)]);
        assert!(sent(&mut cx).is_empty());
        assert_eq!(addresses.records()[&of.public()].address.port(), 7401);
    }
}
