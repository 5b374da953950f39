//! Where the validators are: where the context says, where they have announced, where genesis says.
//!
//! An address proves nothing: whoever answers there must hold the validator's key, which genesis fixes. A node that
//! hides records or gives old ones only makes a client try addresses in vain.

use super::lookups::{Found, Lookups};
use super::walk::{self, Target, Targets};
use super::{MeshClient, bootstrap_targets, malformed};
use crate::node_address::NodeAddress;
use hypermesh_core::api::{AddressBook, AddressesRequest, RESPONSE_BYTES_MAX};
use hypermesh_core::base::{Mono, PublicKey, decode, encode};
use hypermesh_core::state::{Genesis, GenesisValidator, VALIDATOR_COUNT_MAX};
use std::collections::BTreeMap;
use std::net::SocketAddrV6;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use stoq::{Client, Expect, Peer};

/// A client that stays asks again after this long, when a node did not answer.
const AGAIN_AFTER: Duration = Duration::from_secs(60);
/// How long a node may take to say what was announced. Nothing depends on it.
const TIMEOUT: Duration = Duration::from_secs(1);

/// The addresses of validators that a client knows beside those of genesis.
#[derive(Default)]
pub(super) struct Addresses {
    /// When the announced addresses were last requested.
    refreshed_at: Mono,
    announced: BTreeMap<PublicKey, SocketAddrV6>,
    by_context: BTreeMap<PublicKey, Vec<SocketAddrV6>>,
}

impl Addresses {
    /// Those of the context, and those that a node says were announced, as far as their validators have signed them.
    pub(super) async fn find(
        stoq: &Client,
        bootstrap: &Targets,
        found: &[Found],
        genesis: &Genesis,
        (timeout, now): (Duration, Mono),
    ) -> Self {
        let mut addresses = Self { refreshed_at: now, ..Self::default() };
        for (key, address) in found {
            addresses.by_context.entry(*key).or_default().push(*address);
        }
        if let Some(book) = ask(stoq, bootstrap, timeout).await {
            addresses.take(&book, genesis);
        }
        addresses
    }

    fn take(&mut self, book: &AddressBook, genesis: &Genesis) {
        let hash = genesis.hash();
        let mut newest = BTreeMap::new();
        for record in book.records.iter().take(VALIDATOR_COUNT_MAX) {
            let listed = genesis.validators.iter().any(|listed| listed.member.key == record.validator);
            let newer = newest.get(&record.validator).is_none_or(|sequence| *sequence < record.sequence);
            if listed && newer && record.is_valid(&hash) {
                newest.insert(record.validator, record.sequence);
                self.announced.insert(record.validator, record.address);
            }
        }
    }

    /// The announced addresses as nodes to ask.
    pub(super) fn targets(&self) -> Vec<Target> {
        let target = |(key, address): (&PublicKey, &SocketAddrV6)| Target {
            name: "validator".into(),
            peer: Peer { addr: *address, expect: Expect::Key(*key) },
        };
        self.announced.iter().map(target).collect()
    }

    /// Where to look for a validator that has answered at `answered`, and is at `listed` by genesis or by DNS, which says
    /// the same.
    pub(super) fn of(
        &self,
        key: &PublicKey,
        answered: impl Iterator<Item = SocketAddrV6>,
        listed: impl IntoIterator<Item = SocketAddrV6>,
    ) -> Vec<SocketAddrV6> {
        let announced = self.announced.get(key).copied();
        let by_context = self.by_context.get(key).into_iter().flatten().copied();
        distinct(announced.into_iter().chain(answered).chain(by_context).chain(listed))
    }
}

/// What a node says was announced.
async fn ask(stoq: &Client, bootstrap: &Targets, timeout: Duration) -> Option<AddressBook> {
    let method = AddressesRequest::METHOD;
    let what = (method.service, method.name);
    let body = encode(&AddressesRequest {});
    let book = walk::walk(stoq, bootstrap, what, &body, timeout.min(TIMEOUT), |bytes| {
        decode::<AddressBook>(bytes, RESPONSE_BYTES_MAX).map_err(|fault| malformed(what, &fault))
    });
    let book = book.await.map(|(book, _errors)| book);
    book.inspect_err(|failure| {
        tracing::debug!(%failure, "no node reported which addresses have \
        changed")
    })
    .ok()
}

impl MeshClient {
    /// Looks the context's hosts up again and asks again what was announced, because a node did not answer; not often.
    pub(super) async fn follow_addresses(&self) {
        let now = self.clock.now().mono;
        {
            let mut addresses = self.addresses_known();
            if now.since(addresses.refreshed_at) < AGAIN_AFTER {
                return;
            }
            addresses.refreshed_at = now;
        }
        self.look_up_again().await;
        let Some(book) = ask(&self.stoq, &self.bootstrap, self.timeout).await else { return };
        let (announced, targets) = {
            let mut addresses = self.addresses_known();
            addresses.take(&book, &self.genesis);
            (addresses.announced.clone(), addresses.targets())
        };
        self.bootstrap.add(targets);
        lock(&self.services).values().for_each(|targets| targets.follow(&announced));
    }

    /// A host may be elsewhere by now.
    async fn look_up_again(&self) {
        if self.hosts.is_empty() {
            return;
        }
        let mut lookups = Lookups::begin(&self.hosts);
        let found = lookups.rest().await;
        self.bootstrap.note_faults(lookups.faults());
        self.bootstrap.add(bootstrap_targets(&found));
        for (key, address) in found {
            let moved = BTreeMap::from([(key, address)]);
            lock(&self.services).values().for_each(|targets| targets.follow(&moved));
        }
    }

    /// Every address of every validator that this client has learned, the best first: where one has announced that it
    /// is, where one has answered, where the context says, where genesis says.
    #[must_use]
    pub fn addresses(&self) -> BTreeMap<PublicKey, Vec<NodeAddress>> {
        let answered = self.answered();
        let validators = self.genesis.validators.iter().map(|validator| {
            let key = validator.member.key;
            let answered = answered.iter().filter(|(of, _)| *of == key).map(|(_, address)| *address);
            let known = self.addresses_known().of(&key, answered, [validator.address]);
            (key, known.into_iter().map(Into::into).collect())
        });
        validators.collect()
    }

    /// The address at which a validator is most likely to be found.
    #[must_use]
    pub fn address_of(&self, validator: &GenesisValidator) -> SocketAddrV6 {
        let answered = self.answered();
        let key = validator.member.key;
        let answered = answered.iter().filter(|(of, _)| *of == key).map(|(_, address)| *address);
        self.addresses_known().of(&key, answered, []).first().copied().unwrap_or(validator.address)
    }

    pub(super) fn addresses_known(&self) -> MutexGuard<'_, Addresses> {
        lock(&self.addresses)
    }

    /// The nodes that answered last.
    fn answered(&self) -> Vec<(PublicKey, SocketAddrV6)> {
        let services = lock(&self.services);
        let targets = services.values().chain([&self.bootstrap]);
        let answered = targets.filter_map(|targets| match targets.live()?.peer {
            Peer { addr, expect: Expect::Key(key) } => Some((key, addr)),
            _ => None,
        });
        answered.collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Each once, in their order.
fn distinct(addresses: impl Iterator<Item = SocketAddrV6>) -> Vec<SocketAddrV6> {
    let mut distinct = Vec::new();
    for address in addresses {
        if !distinct.contains(&address) {
            distinct.push(address);
        }
    }
    distinct
}
