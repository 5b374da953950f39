//! Clients that never rest, and a book of what they were promised.
//!
//! Each client signs an operation and sends it to one node after another until one of them acknowledges it; what
//! was acknowledged is written down, and [`Load::check`] asks every node for it. An operation is signed once
//! and sent often: if one of them ever happened twice, the owner's balance would tell.

use crate::processes::{NODES, OWNERS_BALANCE, ProcessMesh};
use crate::{call, client, wall};
use hypermesh_core::api::{
    BalanceRequest, Call, CertificateRequestBySerial, CertificateState, DnsRequest, FeesRequest, Request,
    TrustBundleRequest, ValidateCertificateRequest,
};
use hypermesh_core::base::{Digest, MicroCaesar, PublicKey, SecretKey, decode, encode};
use hypermesh_core::caesar::{ISSUE_FEE, NAME_RENT, RECORDS_FEE, REGISTER_FEE, TRANSFER_FEE};
use hypermesh_core::state::SetRecords;
use hypermesh_core::trust::{CertificateProof, verify_certificate};
use hypermesh_core::trustchain::DomainName;
use hypermesh_core::trustchain::ca::SerialNumber;
use hypermesh_core::trustchain::dns::{RecordData, RecordSet, RecordType};
use hypermesh_sim::world::{Owner, Random, Stream};
use std::net::Ipv6Addr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use stoq::{CallError, CallOptions, Client, Peer, StatusCode};
use tokio::task::JoinHandle;

/// How long a node has to acknowledge before the next is asked.
const CALL_TIMEOUT: Duration = Duration::from_secs(4);
/// A pause after a node that could not be asked, so that a dead one is not asked in a circle.
const ERROR_PAUSE: Duration = Duration::from_millis(20);
/// How long a node that runs may be a block behind another.
const BEHIND_MAX: Duration = Duration::from_secs(5);
/// How often balances are read again, because a block was made while they were read.
const BALANCE_ATTEMPTS_MAX: usize = 200;
/// How many certificates are fetched with their signatures from each node.
const FETCHED_MAX: usize = 8;

/// Something that a node acknowledged.
#[derive(Clone, Debug)]
pub enum Promise {
    /// A certificate.
    Certificate {
        /// Its serial number.
        serial: SerialNumber,
        /// Its bytes.
        der: Vec<u8>,
    },
    /// A name that was registered, and the record that was set at it.
    Name {
        /// The name.
        name: DomainName,
        /// Its address.
        address: Ipv6Addr,
    },
    /// An amount that went to an account of its own.
    Transfer {
        /// The account.
        to: PublicKey,
        /// The amount.
        amount: MicroCaesar,
    },
}

/// Clients that never rest.
pub struct Load {
    book: Arc<Mutex<Vec<Promise>>>,
    stopping: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<()>>,
}

/// What one client has.
struct Worker {
    number: u64,
    owner: SecretKey,
    genesis: Digest,
    peers: Vec<Peer>,
    client: Client,
    random: Random,
    book: Arc<Mutex<Vec<Promise>>>,
    stopping: Arc<AtomicBool>,
}

impl Load {
    /// Begins to ask the mesh for things, with as many clients, whose choices follow from the seed.
    #[must_use]
    pub fn start(mesh: &ProcessMesh, clients: u64, seed: u64) -> Self {
        let book = Arc::new(Mutex::new(Vec::new()));
        let stopping = Arc::new(AtomicBool::new(false));
        let worker = |number| Worker {
            number,
            owner: mesh.owner().clone(),
            genesis: mesh.genesis().hash(),
            peers: (0..NODES).map(|node| mesh.peer(node).clone()).collect(),
            client: client(mesh.owner().clone()),
            random: Random::new(Stream { seed, purpose: "load", owner: number, incarnation: 1 }),
            book: Arc::clone(&book),
            stopping: Arc::clone(&stopping),
        };
        let tasks = (0..clients).map(|number| tokio::spawn(worker(number).work())).collect();
        Self { book, stopping, tasks }
    }

    /// How much was acknowledged so far.
    #[must_use]
    pub fn acknowledged(&self) -> usize {
        self.book.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Lets every client finish what it is at.
    ///
    /// # Panics
    /// If a client was refused something, or does not finish.
    pub async fn finish(&mut self) {
        self.stopping.store(true, Ordering::Relaxed);
        for task in self.tasks.drain(..) {
            let finished = tokio::time::timeout(crate::processes::PATIENCE, task).await;
            finished.expect("the mesh acknowledges in time").expect("a client is refused nothing");
        }
    }

    /// Asks every node for all that was acknowledged; what there is of each kind. The clients have finished.
    ///
    /// # Panics
    /// If something is not there, or the balances do not add up.
    pub async fn check(&self, mesh: &ProcessMesh) -> [usize; 3] {
        assert!(self.tasks.is_empty(), "clients that go on change what is checked");
        let book = self.book.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let checks = (0..NODES).map(|number| check_node(mesh, number, &book));
        for check in checks {
            check.await;
        }
        let count = |wanted: fn(&Promise) -> bool| book.iter().filter(|promise| wanted(promise)).count();
        [
            count(|promise| matches!(promise, Promise::Certificate { .. })),
            count(|promise| matches!(promise, Promise::Name { .. })),
            count(|promise| matches!(promise, Promise::Transfer { .. })),
        ]
    }
}

impl Worker {
    async fn work(mut self) {
        let mut count = 0;
        while !self.stopping.load(Ordering::Relaxed) {
            let nonce = (self.number << 32) | count;
            count += 1;
            let promise = match nonce % 3 {
                0 => self.certificate(nonce).await,
                1 => self.name(nonce).await,
                _ => self.transfer(nonce).await,
            };
            self.book.lock().unwrap_or_else(PoisonError::into_inner).push(promise);
        }
    }

    fn asks(&self) -> Owner {
        Owner::new(self.owner.clone(), self.genesis, wall())
    }

    async fn certificate(&mut self, nonce: u64) -> Promise {
        let Request::IssueCertificate(request) =
            self.asks().issue(nonce, &[&format!("c{nonce}.demo.hypermesh")])
        else {
            unreachable!("an owner asks for what it is told to")
        };
        let issued = self.acknowledged(&request).await;
        Promise::Certificate { serial: issued.serial_number, der: issued.certificate_der }
    }

    async fn name(&mut self, nonce: u64) -> Promise {
        let name: DomainName = format!("n{nonce}.hypermesh").parse().expect("a name");
        let owner = self.owner.public();
        let Request::Operation(request) = self.asks().register(2 * nonce, name.clone(), owner) else {
            unreachable!("an owner asks for what it is told to")
        };
        self.acknowledged(&request).await;
        let address = Ipv6Addr::from(u128::from(nonce) | 0xfd00 << 112);
        let records = RecordSet::new(60, vec![RecordData::Aaaa(address)]).expect("one record is a set");
        let records =
            SetRecords { name: name.clone(), record_type: RecordType::Aaaa, records: Some(records) };
        let Request::Operation(request) = self.asks().set(2 * nonce + 1, records) else {
            unreachable!("an owner asks for what it is told to")
        };
        self.acknowledged(&request).await;
        Promise::Name { name, address }
    }

    async fn transfer(&mut self, nonce: u64) -> Promise {
        let mut seed = [0x77; 32];
        seed[..8].copy_from_slice(&nonce.to_le_bytes());
        let (to, amount) = (SecretKey::from_seed(seed).public(), MicroCaesar(1 + nonce % 1000));
        let Request::Operation(request) = self.asks().transfer(nonce, to, amount) else {
            unreachable!("an owner asks for what it is told to")
        };
        self.acknowledged(&request).await;
        Promise::Transfer { to, amount }
    }

    /// Sends a request to one node after another, until one of them has done it.
    async fn acknowledged<C: Call>(&mut self, request: &C) -> C::Response {
        let method = request.method();
        let body = encode(request);
        let mut refused_since = None;
        loop {
            let peer = &self.peers[usize::try_from(self.random.below(NODES as u64)).expect("four fit")];
            let options = CallOptions::repeatable(CALL_TIMEOUT);
            match self.client.call(peer, method.service, method.name, body.clone(), options).await {
                Ok(body) => {
                    return decode(&body, hypermesh_core::api::RESPONSE_BYTES_MAX)
                        .expect("a node answers in the canonical encoding");
                }
                Err(error) => {
                    // A node that is a block behind may refuse what rests on that block.
                    let behind = error.code() == StatusCode::FailedPrecondition
                        && refused_since.get_or_insert_with(Instant::now).elapsed() < BEHIND_MAX;
                    let what = (method.service, method.name);
                    assert!(behind || passes(&error), "{what:?} was refused: {error}");
                    tokio::time::sleep(ERROR_PAUSE).await;
                }
            }
        }
    }
}

/// Whether another node, or the same one later, may do it.
fn passes(error: &CallError) -> bool {
    matches!(
        error.code(),
        StatusCode::Unavailable
            | StatusCode::DeadlineExceeded
            | StatusCode::Cancelled
            | StatusCode::ResourceExhausted
    )
}

async fn check_node(mesh: &ProcessMesh, number: usize, book: &[Promise]) {
    let (reader, peer) = (client(mesh.owner().clone()), mesh.peer(number));
    let bundle = call(&reader, peer, &TrustBundleRequest {}).await.expect("a node knows its mesh");
    let mut fetched = 0;
    for promise in book.iter().rev() {
        match promise {
            Promise::Certificate { serial, der } => {
                let asked = ValidateCertificateRequest { certificate_der: der.clone() };
                let state = call(&reader, peer, &asked).await.expect("a node answers");
                assert!(
                    matches!(state, CertificateState::Valid { .. }),
                    "{serial} was acknowledged, and node-{} says {state:?}",
                    number + 1
                );
                if fetched < FETCHED_MAX {
                    fetched += 1;
                    let asked = CertificateRequestBySerial { serial_number: *serial };
                    let issued = call(&reader, peer, &asked).await.expect("a node has its certificates");
                    let proof = CertificateProof::from_pem(&issued.proof_pem).expect("a proof");
                    let verified =
                        verify_certificate(&bundle, &issued.certificate_der, Some(&proof), None, wall());
                    assert!(verified.valid, "{:?}", verified.checks);
                }
            }
            Promise::Name { name, address } => {
                let asked = DnsRequest { name: name.clone(), record_type: RecordType::Aaaa };
                let answer = call(&reader, peer, &asked).await.expect("a node answers");
                let found =
                    answer.answers.iter().any(|set| set.set.data.contains(&RecordData::Aaaa(*address)));
                assert!(found, "{name} was acknowledged, and node-{} says {answer:?}", number + 1);
            }
            Promise::Transfer { to, amount } => {
                let balance =
                    call(&reader, peer, &BalanceRequest { owner: *to }).await.expect("a node answers");
                assert_eq!(balance.balance, *amount, "went to {to} once, by node-{}", number + 1);
            }
        }
    }
    check_balances(mesh, &reader, peer, book).await;
}

/// The owner has what is left, to the millionth, and everything adds up to the supply.
async fn check_balances(mesh: &ProcessMesh, reader: &Client, peer: &Peer, book: &[Promise]) {
    let spent = book.iter().map(|promise| match promise {
        Promise::Certificate { .. } => ISSUE_FEE.0,
        Promise::Name { .. } => REGISTER_FEE.0 + NAME_RENT.0 + RECORDS_FEE.0,
        Promise::Transfer { amount, .. } => TRANSFER_FEE.0 + amount.0,
    });
    let left = OWNERS_BALANCE.0 - spent.sum::<u64>();
    let transferred: u64 = book
        .iter()
        .map(|promise| if let Promise::Transfer { amount, .. } = promise { amount.0 } else { 0 })
        .sum();
    let balance = async |owner| call(reader, peer, &BalanceRequest { owner }).await.expect("a node answers");
    for _ in 0..BALANCE_ATTEMPTS_MAX {
        let own = balance(mesh.owner().public()).await;
        assert_eq!(own.balance.0, left, "each of {} acknowledged things was paid for once", book.len());
        let mut sum = own.balance.0 + transferred;
        for validator in &mesh.genesis().validators {
            let held = balance(validator.member.key).await;
            sum += held.balance.0 + held.stake.0;
        }
        let fees = call(reader, peer, &FeesRequest {}).await.expect("a node answers");
        // A block in between moves rewards from the reserve to the validators.
        if balance(mesh.owner().public()).await.height == own.height {
            assert_eq!(sum + fees.reserve.0, fees.supply.0, "nothing was made, nothing was lost");
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("blocks are made faster than balances are read");
}

/// Waits until more is acknowledged than before: the mesh goes on.
///
/// # Panics
/// If nothing is, for too long.
pub async fn goes_on(load: &Load, more: usize) {
    let (before, end) = (load.acknowledged(), Instant::now() + crate::processes::PATIENCE);
    while load.acknowledged() < before + more {
        assert!(Instant::now() < end, "the mesh does not go on");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
