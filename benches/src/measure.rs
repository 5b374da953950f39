//! The measurements, each from a client's side of a real connection.

use hypermesh::context::{CONTEXT_VARIABLE, Context, read_key};
use hypermesh::data::NodeFolder;
use hypermesh::plot::PlotFolder;
use hypermesh_benches::{Figure, heading};
use hypermesh_core::api::{
    Call, ConsensusRequirements, ConsensusValidationResult, DnsRequest, GenesisRequest,
    IssueCertificateRequest, IssuedCertificate, MemberRequest, RESPONSE_BYTES_MAX, Request, StatusRequest,
    ValidateBatchRequest, ValidateCertificateRequest,
};
use hypermesh_core::base::{Digest, MicroCaesar, Profile, SecretKey, Sequence, UnixMillis, decode, encode};
use hypermesh_core::hypermesh::proof::{
    Diligence, Expectation, Plot, Plotter, Statement, plot_key, prove_set, prove_ticket,
};
use hypermesh_core::state::{Batch, Operation, batch_root};
use hypermesh_core::trustchain::dns::RecordType;
use hypermesh_sim::world::Owner;
use std::net::{Ipv6Addr, SocketAddrV6};
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use stoq::{CallOptions, Client, ClientConfig, Endpoint, Env, Expect, Identity, Peer, TransportConfig};

const DEADLINE: Duration = Duration::from_secs(60);

struct Session {
    key: SecretKey,
    genesis: Digest,
    folder: PathBuf,
    peers: Vec<Peer>,
    client: Client,
}

/// Measures, prints the table, and says whether every target of the user's is met.
pub(crate) fn run(quick: bool, json: bool) -> Result<ExitCode, String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let figures = runtime.block_on(measure(if quick { 1 } else { 10 }))?;
    if json {
        println!("{}", serde_json::to_string_pretty(&figures).map_err(|error| error.to_string())?);
    } else {
        println!("{}", heading());
        figures.iter().for_each(|figure| println!("{}", figure.row()));
        println!(
            "\nfour validators and this client share {} processors; stores are synced to disk",
            processors()
        );
    }
    let met = figures.iter().all(|figure| figure.is_met() != Some(false));
    Ok(if met { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

async fn measure(scale: usize) -> Result<Vec<Figure>, String> {
    let session = Session::open()?;
    let mut figures = proofs(scale);
    eprintln!("measuring DNS over STOQ");
    figures.push(session.dns(500 * scale).await?);
    eprintln!("measuring issuance, one at a time");
    let (figure, issued) = session.issue_one_by_one(20 * scale).await?;
    figures.push(figure);
    eprintln!("measuring certificate validation");
    figures.push(session.validate(300 * scale, &issued).await?);
    let trustchain = TrustChain::open(&session).await?;
    let (checked, committed) = (ConsensusRequirements::Checked, ConsensusRequirements::Committed);
    figures.push(trustchain.validate("consensus/validate_certificate, Checked", checked, 50 * scale).await?);
    figures
        .push(trustchain.validate("consensus/validate_certificate, Committed", committed, 20 * scale).await?);
    eprintln!("measuring issuance by 100 at once");
    figures.push(session.issue_at_once(100, 2 * scale).await?);
    eprintln!("measuring issuance with one of four dead");
    figures.push(session.issue_without_one(20 * scale).await?);
    Ok(figures)
}

/// The four proofs of the production profile, checked in this process: the user's figure is of validation alone.
fn proofs(scale: usize) -> Vec<Figure> {
    eprintln!("measuring four-proof validation");
    let profile = Profile::Devnet;
    let parameters = profile.proofs();
    let identity = SecretKey::from_seed([7; 32]);
    let member = identity.public();
    let plot: Plot = Plotter::new(parameters.space, plot_key("compare", profile, &member)).finish();
    let beacon = Digest([3; 32]);
    let ticket = prove_ticket(&plot, &beacon, &member, &parameters);
    let statement = Statement {
        genesis: Digest([1; 32]),
        member,
        sequence: Sequence(0),
        batch_root: Digest([2; 32]),
        beacon_index: 0,
    };
    let difficulty = parameters.work.difficulty_initial;
    let expectation = |ticket| Expectation {
        parameters,
        beacon,
        plot_root: Some(plot.root()),
        stake: MicroCaesar(1),
        stake_minimum: MicroCaesar(1),
        difficulty,
        ticket,
        ticket_open: true,
    };
    let mut figures = Vec::new();
    for (name, full, design) in
        [("four-proof validation, cold", true, 0.35), ("four-proof validation, by ticket", false, 0.06)]
    {
        let set = prove_set(&ticket, full, &statement, &beacon, difficulty, &identity);
        let recorded = (!full).then(|| ticket.digest(&beacon, &member));
        let expectation = expectation(recorded);
        let mut times = Vec::new();
        let begun = Instant::now();
        for _ in 0..200 * scale {
            let start = Instant::now();
            let verdict = set.verify(&statement, &expectation, Diligence::StopAtFirst);
            times.push(start.elapsed());
            assert!(verdict.is_ok(), "an honest set of proofs was refused: {verdict:?}");
        }
        figures.push(Figure::new(name, times, begun.elapsed()).targets(Some(60.0), Some(design)));
    }
    figures
}

impl Session {
    fn open() -> Result<Self, String> {
        let path = std::env::var_os(CONTEXT_VARIABLE).ok_or("the devnet names no context")?;
        let path = PathBuf::from(path);
        let folder = path.parent().ok_or("the context lies in no folder")?.to_path_buf();
        let context = Context::read(&path).map_err(|error| error.to_string())?;
        let key = context.key().map_err(|error| error.to_string())?;
        let peers = context.bootstrap.iter();
        let peers = peers.map(|node| Peer { addr: node.address, expect: Expect::Key(node.key) }).collect();
        let client = client(&key)?;
        Ok(Self { key, genesis: context.genesis, folder, peers, client })
    }

    fn peer(&self, number: usize) -> &Peer {
        &self.peers[number % self.peers.len()]
    }

    async fn dns(&self, count: usize) -> Result<Figure, String> {
        let name = "web.demo.hypermesh".parse().map_err(|_| "no name")?;
        let request = DnsRequest { name, record_type: RecordType::Aaaa };
        let answer = call(&self.client, self.peer(0), &request).await?;
        if answer.answers.is_empty() {
            return Err("the devnet has no address for web.demo.hypermesh".into());
        }
        let (times, wall) = repeat(count, || call(&self.client, self.peer(0), &request)).await?;
        Ok(Figure::new("DNS over STOQ, warm", times, wall).targets(Some(4.0), Some(0.15)))
    }

    fn operation(&self, nonce: u64, name: &str) -> Result<Operation, String> {
        let owner = Owner::new(self.key.clone(), self.genesis, wall());
        match owner.issue(nonce, &[name]) {
            Request::IssueCertificate(request) => Ok(request.operation),
            _ => Err("an owner asked for something else".into()),
        }
    }

    async fn issue_one_by_one(&self, count: usize) -> Result<(Figure, IssuedCertificate), String> {
        let mut last = None;
        let mut times = Vec::new();
        let begun = Instant::now();
        for number in 0..count {
            let operation = self.operation(nonce(number), &format!("one-{number}.demo.hypermesh"))?;
            let start = Instant::now();
            let issued = call(&self.client, self.peer(0), &IssueCertificateRequest { operation }).await?;
            times.push(start.elapsed());
            last = Some(issued);
        }
        let figure = Figure::new("issue a certificate, one at a time", times, begun.elapsed());
        Ok((figure.targets(None, Some(10.0)), last.ok_or("nothing was issued")?))
    }

    /// As above, at a mesh whose last node was killed. Its turns to propose are waited for, so the slowest tell more
    /// than the middle.
    async fn issue_without_one(&self, count: usize) -> Result<Figure, String> {
        let node = NodeFolder::new(self.folder.join("node-4"));
        let process = node.process().ok_or("node-4 does not say which process it is")?;
        let killed = Command::new("kill").args(["-9", &process.to_string()]).status();
        if !killed.is_ok_and(|status| status.success()) {
            return Err("node-4 cannot be killed".into());
        }
        let end = Instant::now() + DEADLINE;
        while call(&self.client, self.peer(0), &StatusRequest {}).await?.connected == self.peers.len() as u64
        {
            if Instant::now() > end {
                return Err("node-1 does not notice that node-4 is dead".into());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let mut times = Vec::new();
        let begun = Instant::now();
        for number in 0..count {
            let operation = self.operation(nonce(number), &format!("less-{number}.demo.hypermesh"))?;
            let start = Instant::now();
            call(&self.client, self.peer(0), &IssueCertificateRequest { operation }).await?;
            times.push(start.elapsed());
        }
        Ok(Figure::new("issue, one of four dead", times, begun.elapsed()))
    }

    async fn validate(&self, count: usize, issued: &IssuedCertificate) -> Result<Figure, String> {
        let request = ValidateCertificateRequest { certificate_der: issued.certificate_der.clone() };
        let (times, wall) = repeat(count, || call(&self.client, self.peer(0), &request)).await?;
        Ok(Figure::new("trustchain/validate_certificate", times, wall).targets(Some(8.0), Some(0.3)))
    }

    /// As many clients as there are requests, each with a connection of its own, all at once.
    async fn issue_at_once(&self, clients: usize, rounds: usize) -> Result<Figure, String> {
        let own: Vec<Client> = (0..clients).map(|_| client(&self.key)).collect::<Result<_, _>>()?;
        let mut times = Vec::new();
        let begun = Instant::now();
        for round in 0..rounds {
            let mut tasks = Vec::new();
            for (number, client) in own.iter().enumerate() {
                let name = format!("many-{round}-{number}.demo.hypermesh");
                let operation = self.operation(nonce(1_000_000 + round * clients + number), &name)?;
                let (client, peer) = (client.clone(), self.peer(number).clone());
                tasks.push(tokio::spawn(async move {
                    let start = Instant::now();
                    let issued = call(&client, &peer, &IssueCertificateRequest { operation }).await;
                    issued.map(|_| start.elapsed())
                }));
            }
            for task in tasks {
                times.push(task.await.map_err(|error| error.to_string())??);
            }
        }
        Ok(Figure::new("issue certificates, 100 clients at once", times, begun.elapsed()))
    }
}

/// A TrustChain host that proves its own batches: it borrows the first node's membership while that is idle.
struct TrustChain<'a> {
    session: &'a Session,
    identity: SecretKey,
    plot: Plot,
    client: Client,
}

impl<'a> TrustChain<'a> {
    async fn open(session: &'a Session) -> Result<Self, String> {
        let genesis = call(&session.client, session.peer(0), &GenesisRequest {}).await?;
        let folder = session.folder.join("node-1");
        let identity = read_key(&folder.join("identity.key")).map_err(|error| error.to_string())?;
        let member = identity.public();
        let plot = PlotFolder::new(folder.join("plot"), &genesis.network, genesis.profile, &member);
        let plot = plot.load().map_err(|error| error.to_string())?;
        let client = client(&identity)?;
        Ok(Self { session, identity, plot, client })
    }

    /// A batch with one request for a certificate, with honest proofs under the ticket that stands.
    async fn batch(&self, number: usize) -> Result<Option<Batch>, String> {
        let member = self.identity.public();
        let state = call(&self.client, self.session.peer(0), &MemberRequest { member }).await?;
        let parameters = Profile::Devnet.proofs();
        let ticket = prove_ticket(&self.plot, &state.beacon.value, &member, &parameters);
        if state.ticket != Some(ticket.digest(&state.beacon.value, &member)) {
            return Ok(None);
        }
        let name = format!("checked-{number}.demo.hypermesh");
        let operations = vec![self.session.operation(nonce(2_000_000 + number), &name)?];
        let statement = Statement {
            genesis: self.session.genesis,
            member,
            sequence: state.next_sequence,
            batch_root: batch_root(operations.iter().map(Operation::id)),
            beacon_index: state.beacon.index,
        };
        let beacon = &state.beacon.value;
        let proofs = prove_set(&ticket, false, &statement, beacon, state.beacon.difficulty, &self.identity);
        Ok(Some(Batch {
            genesis: statement.genesis,
            member,
            sequence: statement.sequence,
            beacon_index: statement.beacon_index,
            operations,
            proofs,
        }))
    }

    async fn validate(
        &self,
        name: &'static str,
        requirements: ConsensusRequirements,
        count: usize,
    ) -> Result<Figure, String> {
        let mut times = Vec::new();
        let begun = Instant::now();
        let mut number = 0;
        while times.len() < count {
            number += 1;
            // Between a new beacon and its ticket there is nothing to measure, and the node's own ticket may
            // take the number: then again.
            let Some(batch) = self.batch(number).await? else {
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            };
            let request = ValidateBatchRequest { batch, requirements };
            let start = Instant::now();
            let result = call(&self.client, self.session.peer(0), &request).await?;
            if matches!(result, ConsensusValidationResult::Valid { .. }) {
                times.push(start.elapsed());
            } else if number > 10 * count {
                return Err(format!("{name}: {result:?}"));
            }
        }
        // The user's 5 to 8 ms are for an opinion; ordering by a quorum has a target of the design's alone.
        let (user, design) = match requirements {
            ConsensusRequirements::Checked => (Some(8.0), 0.3),
            ConsensusRequirements::Committed => (None, 8.0),
        };
        let wall = if times.is_empty() { begun.elapsed() } else { times.iter().sum() };
        Ok(Figure::new(name, times, wall).targets(user, Some(design)))
    }
}

fn client(key: &SecretKey) -> Result<Client, String> {
    let any = SocketAddrV6::new(Ipv6Addr::LOCALHOST, 0, 0, 0);
    let endpoint = Endpoint::bind(Env::real(Identity::new(key.clone())), any, TransportConfig::default());
    Ok(Client::new(&endpoint.map_err(|error| error.to_string())?, ClientConfig::default()))
}

async fn call<C: Call>(client: &Client, peer: &Peer, request: &C) -> Result<C::Response, String> {
    let method = C::METHOD;
    let options = CallOptions::repeatable(DEADLINE);
    let body = client.call(peer, method.service, method.name, encode(request), options).await;
    let body = body.map_err(|error| format!("{}/{}: {error}", method.service, method.name))?;
    decode(&body, RESPONSE_BYTES_MAX).map_err(|error| error.to_string())
}

async fn repeat<F, T>(count: usize, mut make: impl FnMut() -> F) -> Result<(Vec<Duration>, Duration), String>
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
    Ok((times, begun.elapsed()))
}

fn wall() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// A nonce that differs from run to run too.
fn nonce(number: usize) -> u64 {
    wall().0.wrapping_mul(1 << 20).wrapping_add(number as u64)
}
