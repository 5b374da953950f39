//! A client of the mesh under measurement.

use hypermesh::context::{CONTEXT_VARIABLE, Context};
use hypermesh_benches::Run;
use hypermesh_core::api::{Call, RESPONSE_BYTES_MAX, Request};
use hypermesh_core::base::{Digest, SecretKey, UnixMillis, decode, encode};
use hypermesh_core::state::Operation;
use hypermesh_sim::world::Owner;
use std::net::{Ipv6Addr, SocketAddrV6};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use stoq::{CallOptions, Client, ClientConfig, Endpoint, Env, Expect, Identity, Peer, TransportConfig};

pub(super) const DEADLINE: Duration = Duration::from_secs(60);

/// The context that the devnet names, and a client that acts for it.
pub(super) struct Session {
    pub(super) key: SecretKey,
    pub(super) genesis: Digest,
    pub(super) folder: PathBuf,
    pub(super) peers: Vec<Peer>,
    pub(super) client: Client,
    nonce: Arc<AtomicU64>,
}

/// Makes requests for certificates, for a task of its own.
#[derive(Clone)]
pub(super) struct Issuer {
    key: SecretKey,
    genesis: Digest,
    nonce: Arc<AtomicU64>,
}

impl Session {
    pub(super) async fn open() -> Result<Self, String> {
        let path = std::env::var_os(CONTEXT_VARIABLE).ok_or("the devnet names no context")?;
        let path = PathBuf::from(path);
        let folder = path.parent().ok_or("the context lies in no folder")?.to_path_buf();
        let context = Context::read(&path).map_err(|error| error.to_string())?;
        let key = context.key().map_err(|error| error.to_string())?;
        let mut peers = Vec::new();
        for node in &context.bootstrap {
            let found = node.address.resolve().await?;
            peers.extend(found.into_iter().map(|addr| Peer { addr, expect: Expect::Key(node.key) }));
        }
        let client = client(&key)?;
        // It differs from run to run, too.
        let nonce = Arc::new(AtomicU64::new(wall().0.wrapping_mul(1 << 20)));
        Ok(Self { key, genesis: context.genesis, folder, peers, client, nonce })
    }

    pub(super) fn peer(&self, number: usize) -> &Peer {
        &self.peers[number % self.peers.len()]
    }

    /// Somebody who asks now.
    pub(super) fn owner(&self) -> Owner {
        Owner::new(self.key.clone(), self.genesis, wall())
    }

    pub(super) fn nonce(&self) -> u64 {
        self.nonce.fetch_add(1, Relaxed)
    }

    /// Asks for a certificate for a name that nobody has asked for yet.
    pub(super) fn issue(&self) -> Result<Operation, String> {
        self.issuer().issue()
    }

    /// Who asks for certificates as this session does.
    pub(super) fn issuer(&self) -> Issuer {
        Issuer { key: self.key.clone(), genesis: self.genesis, nonce: Arc::clone(&self.nonce) }
    }
}

impl Issuer {
    /// Asks for a certificate for a name that nobody has asked for yet.
    pub(super) fn issue(&self) -> Result<Operation, String> {
        let nonce = self.nonce.fetch_add(1, Relaxed);
        let owner = Owner::new(self.key.clone(), self.genesis, wall());
        operation(&owner.issue(nonce, &[&format!("n{nonce}.demo.hypermesh")]))
    }
}

/// The operation that a request brings.
pub(super) fn operation(request: &Request) -> Result<Operation, String> {
    request.operation().cloned().ok_or_else(|| "an owner asked for something without an operation".into())
}

/// A client with a socket of its own.
pub(super) fn client(key: &SecretKey) -> Result<Client, String> {
    let any = SocketAddrV6::new(Ipv6Addr::LOCALHOST, 0, 0, 0);
    let endpoint = Endpoint::bind(Env::real(Identity::new(key.clone())), any, TransportConfig::default());
    Ok(Client::new(&endpoint.map_err(|error| error.to_string())?, ClientConfig::default()))
}

pub(super) async fn call<C: Call>(client: &Client, peer: &Peer, request: &C) -> Result<C::Response, String> {
    let method = request.method();
    let mut options = CallOptions::repeatable(DEADLINE);
    options.early = method.early;
    let body = client.call(peer, method.service, method.name, encode(request), options).await;
    let body = body.map_err(|error| format!("{}/{}: {error}", method.service, method.name))?;
    decode(&body, RESPONSE_BYTES_MAX).map_err(|error| error.to_string())
}

/// Does something so often, one at a time.
pub(super) async fn repeat<F, T>(count: usize, mut make: impl FnMut() -> F) -> Result<Run, String>
where
    F: Future<Output = Result<T, String>>,
{
    let mut times = Vec::with_capacity(count);
    let begun = Instant::now();
    for _ in 0..count {
        let start = Instant::now();
        make().await?;
        times.push(start.elapsed());
    }
    Ok(Run::new(times, begun.elapsed()))
}

pub(super) fn wall() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
