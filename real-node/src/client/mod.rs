//! A client of a mesh: finds its nodes, calls its services, signs the owner's operations.
//!
//! Only the bootstrap nodes are configured, with their keys. From one of them comes genesis, whose hash must be
//! the context's; from genesis come the validators' keys; from the mesh's own DNS come the services' addresses
//! (SRV, RFC 2782), which are those of genesis for validators; one that has moved announces where it is, and the
//! context is [refreshed](crate::context::refresh). A node that lies about an address only sends the client to a node that cannot prove its key.
//!
//! What a call answers is as honest as the node that was asked, except where the answer proves itself: genesis
//! by its hash, trust bundles and log proofs by their signatures, which the commands check, and what is asked with
//! [`MeshClient::prove`].

mod addresses;
mod announce;
mod cache;
mod certify;
mod clock;
mod discover;
mod fault;
mod genesis;
mod lookups;
mod low_balance;
mod operation;
mod prove;
mod service;
mod session;
mod several;
mod subscribe;
mod walk;

pub use announce::LeaseNews;
pub use certify::VerifiedCertificate;
pub(crate) use certify::is_for;
pub use clock::ClockError;
pub use fault::failure_of;
pub(crate) use fault::unanswered;
pub use genesis::{genesis_of, validator_at};
pub use low_balance::{CERTIFICATES_LEFT_TOLD, LowBalance};
pub use operation::{FEE_RATE_MAX_DEFAULT, OPERATION_MS_LIFE, done, fee_max_default};
pub use prove::ProvedAnswer;
pub use service::Followed;
pub use session::{listen, session};
pub(crate) use session::{read_context, runtime, shell_word};
pub use subscribe::Answers;

use crate::bind_advice::unbound;
use crate::context::{Bootstrap, Context};
use crate::failure::{Exit, Failure};
use addresses::Addresses;
use discover::Memory;
use genesis::fetch_genesis;
use hypermesh_core::api::{Call, Method, RESPONSE_BYTES_MAX, Request, Response, TraceId};
use hypermesh_core::base::{MicroCaesar, Mono, SecretKey, UnixMillis, decode, encode};
use hypermesh_core::state::Genesis;
use lookups::{Found, Lookups};
use std::collections::BTreeMap;
use std::net::{Ipv6Addr, SocketAddrV6};
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use stoq::{
    Client, ClientConfig, ClientMetrics, Clock, Endpoint, Env, Expect, Identity, Peer, TransportConfig,
};
use walk::{NodeErrors, Target, Targets};

/// A client of one mesh, acting for one owner. Safe to share between tasks; calls of many tasks share
/// connections.
pub struct MeshClient {
    secret: SecretKey,
    timeout: Duration,
    /// The most that is paid for an operation, if the owner has said so.
    fee_max: Option<MicroCaesar>,
    endpoint: Endpoint,
    stoq: Client,
    genesis: Genesis,
    bootstrap: Arc<Targets>,
    addresses: Mutex<Addresses>,
    services: Mutex<BTreeMap<String, Arc<Targets>>>,
    /// Those nodes of the context that it names by their hosts.
    hosts: Vec<Bootstrap>,
    /// Whether no node answered the last call.
    is_lost: AtomicBool,
    /// Whether something was asked that leaves a trace.
    leaves_trace: AtomicBool,
    /// Whether something was signed that the owner pays for.
    has_paid: AtomicBool,
    clock: Arc<dyn Clock>,
    memory: Mutex<Memory>,
    /// The newest block time that was proved, and when.
    block_time: Mutex<Option<(Mono, UnixMillis)>>,
}

impl MeshClient {
    /// Connects to the mesh that the context names; `timeout` bounds this, and each call after it.
    ///
    /// Must be called from within a tokio runtime.
    ///
    /// # Errors
    /// If the key cannot be read, no bootstrap node answers in time, or none is of the context's mesh.
    pub async fn connect(context: &Context, timeout: Duration) -> Result<Self, Failure> {
        Self::connect_traced(context, timeout, None).await
    }

    /// As [`Self::connect`]; all calls have this trace id, if one is given.
    ///
    /// # Errors
    /// As [`Self::connect`].
    pub async fn connect_traced(
        context: &Context,
        timeout: Duration,
        trace: Option<TraceId>,
    ) -> Result<Self, Failure> {
        let secret = context.key()?;
        let env = Env::real(Identity::new(secret.clone()));
        let clock = Arc::clone(&env.clock);
        let any = SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, 0, 0, 0);
        let endpoint = Endpoint::bind(env, any, TransportConfig::default())
            .map_err(|error| Failure::new(Exit::Failed, unbound(&error)))?;
        let trace_id = trace.map(|trace| trace.0);
        let config = ClientConfig { attempts_max: ATTEMPTS_MAX, trace_id, ..ClientConfig::default() };
        let stoq = Client::new(&endpoint, config);
        let (genesis, bootstrap, found) = begin(&stoq, context, timeout).await?;
        let within = (timeout, clock.now().mono);
        let addresses = Addresses::find(&stoq, &bootstrap, &found, &genesis, within).await;
        bootstrap.add(addresses.targets());
        Ok(Self {
            secret,
            timeout,
            fee_max: None,
            endpoint,
            stoq,
            genesis,
            bootstrap: Arc::new(bootstrap),
            hosts: context.bootstrap.iter().filter(|node| node.address.is_host()).cloned().collect(),
            is_lost: AtomicBool::new(false),
            addresses: Mutex::new(addresses),
            services: Mutex::default(),
            leaves_trace: AtomicBool::new(false),
            has_paid: AtomicBool::new(false),
            clock,
            memory: Mutex::default(),
            block_time: Mutex::default(),
        })
    }

    /// Calls a method.
    ///
    /// # Errors
    /// If no node can answer in time, or the mesh refuses; the exit code tells which.
    pub async fn call<C: Call>(&self, request: &C) -> Result<C::Response, Failure> {
        let method = request.method();
        let what = (method.service, method.name);
        self.call_checked(what, &encode(request), |bytes| {
            decode(bytes, RESPONSE_BYTES_MAX).map_err(|fault| malformed(what, &fault))
        })
        .await
    }

    /// Calls the method that a request of any type is for, on a node of its service.
    ///
    /// # Errors
    /// As [`Self::call`].
    pub async fn call_raw(&self, request: &Request) -> Result<Response, Failure> {
        let method = request.method();
        let what = (method.service, method.name);
        self.call_checked(what, &request.encode(), |bytes| {
            Response::decode(method.service, method.name, bytes).map_err(|fault| malformed(what, &fault))
        })
        .await
    }

    async fn call_checked<T>(
        &self,
        (service, method): (&str, &str),
        body: &[u8],
        accept: impl Fn(&[u8]) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        Ok(self.walk((service, method), body, accept).await?.0)
    }

    async fn walk<T>(
        &self,
        (service, method): (&str, &str),
        body: &[u8],
        accept: impl Fn(&[u8]) -> Result<T, Failure>,
    ) -> Result<(T, NodeErrors), Failure> {
        if self.is_lost.swap(false, Relaxed) {
            self.follow_addresses().await;
        }
        let targets = self.service(service).await?;
        if Method::find(service, method).is_none_or(|method| !method.early) {
            self.leaves_trace.store(true, Relaxed);
        }
        let walked = walk::walk(&self.stoq, &targets, (service, method), body, self.timeout, accept).await;
        match &walked {
            Ok((_, errors)) if errors.is_empty() => {}
            Ok(_) => self.follow_addresses().await,
            // Its time is up: the next call looks around first.
            Err(_) => self.is_lost.store(true, Relaxed),
        }
        walked
    }

    /// The nodes that a service was found at, found once.
    async fn service(&self, service: &str) -> Result<Arc<Targets>, Failure> {
        let known = |services: &Mutex<BTreeMap<String, Arc<Targets>>>| {
            services.lock().unwrap_or_else(PoisonError::into_inner).get(service).cloned()
        };
        if let Some(targets) = known(&self.services) {
            return Ok(targets);
        }
        let targets = Arc::new(Targets::new(self.discover(service).await?));
        let mut services = self.services.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(services.entry(service.to_owned()).or_insert(targets).clone())
    }

    /// The mesh's genesis, whose hash is the context's.
    #[must_use]
    pub const fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// The owner's key.
    #[must_use]
    pub const fn secret(&self) -> &SecretKey {
        &self.secret
    }

    /// What calls are made with, for those that go to one node of the caller's choice.
    #[must_use]
    pub const fn stoq(&self) -> &Client {
        &self.stoq
    }

    /// How long a call may take.
    #[must_use]
    pub const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// The same client, with another limit for each call.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// The same client, which pays another amount at most for an operation.
    #[must_use]
    pub fn with_fee_max(self, fee_max: MicroCaesar) -> Self {
        Self { fee_max: Some(fee_max), ..self }
    }

    /// Whether something was asked of which nodes keep a trace.
    #[must_use]
    pub fn leaves_trace(&self) -> bool {
        self.leaves_trace.load(Relaxed)
    }

    /// What was counted so far: requests, outcomes, latencies.
    #[must_use]
    pub fn metrics(&self) -> ClientMetrics {
        self.stoq.metrics()
    }

    /// Tells the nodes that this client is gone.
    pub async fn close(self) {
        drop(self.stoq);
        if tokio::time::timeout(CLOSE_TIMEOUT, self.endpoint.close()).await.is_err() {
            tracing::debug!(
                "nodes were not notified that this client disconnects: they detect it by \
                themselves"
            );
        }
    }
}

/// Genesis from the first node of the context that gives it, the nodes to begin with, and where they are. Hosts that are
/// slow to be found are waited for only where no other node answers.
async fn begin(
    stoq: &Client,
    context: &Context,
    timeout: Duration,
) -> Result<(Genesis, Targets, Vec<Found>), Failure> {
    if context.bootstrap.is_empty() {
        return Err(Failure::new(Exit::Input, "the context has no bootstrap node: add one"));
    }
    let begun = tokio::time::Instant::now();
    let mut lookups = Lookups::begin(&context.bootstrap);
    let mut found = lookups.first().await;
    let bootstrap = Targets::new(bootstrap_targets(&found));
    bootstrap.note_faults(lookups.faults());
    let mut genesis = fetch_genesis(stoq, &bootstrap, context.genesis, timeout).await;
    if genesis.is_err() && lookups.is_under_way() {
        let more = lookups.rest().await;
        bootstrap.add(bootstrap_targets(&more));
        bootstrap.note_faults(lookups.faults());
        found.extend(more);
        let left = timeout.saturating_sub(begun.elapsed());
        genesis = fetch_genesis(stoq, &bootstrap, context.genesis, left).await;
    }
    Ok((genesis?, bootstrap, found))
}

fn bootstrap_targets(found: &[Found]) -> Vec<Target> {
    let target = |(key, address): &Found| Target {
        name: "bootstrap node".into(),
        peer: Peer { addr: *address, expect: Expect::Key(*key) },
    };
    found.iter().map(target).collect()
}

fn malformed((service, method): (&str, &str), fault: &dyn std::fmt::Display) -> Failure {
    let message = format!(
        "its response to {service}/{method} is malformed ({fault}): check that it runs the same \
            version"
    );
    Failure::new(Exit::Failed, message)
}

/// Attempts at a node before the next is asked: one more than none, for a connection that was lost.
const ATTEMPTS_MAX: u32 = 3;
/// How long to wait for the nodes to hear that the client is gone.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(300);
