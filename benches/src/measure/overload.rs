//! A mesh that gets more than it can do: 1,000 clients in a sustained closed loop, on processors that have a busy neighbour
//! each. What it issues then, against the most that it issues, and how soon it is calm when all of them have left at once.

use super::idle::{TICKS, processes, ticks};
use super::session::{Session, call, client};
use hypermesh_benches::{Figure, Level, Run};
use hypermesh_core::api::{HypermeshMetricsRequest, IssueCertificateRequest, StatusRequest};
use hypermesh_core::base::encode;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use stoq::{CallOptions, Client, Peer};

/// Clients up to which the most that the mesh issues is looked for.
const PEAK_CLIENTS: [usize; 4] = [10, 30, 100, 300];
/// Clients of the overload.
const CLIENTS: usize = 1_000;
/// A client gives up on a certificate after this long, and asks for the next.
const PATIENCE: Duration = Duration::from_secs(10);
/// So long a closed loop runs before it is measured.
const WARM_UP: Duration = Duration::from_secs(3);
/// What the mesh issues under overload, of the most that it issues.
const SHARE_MIN: f64 = 0.8;
/// A mesh that is not calm after this long is not waited for.
const CALM_TIMEOUT: Duration = Duration::from_secs(120);
/// Calm nodes take no more of one processor, all together.
const CALM_SHARE_MAX: f64 = 0.25;
/// The tables of a node that hold what is done for clients.
const CLIENT_TABLES: [&str; 3] =
    ["requests under way", "signing sessions", "operations of clients that wait for a batch"];

/// The figures, on processors with busy neighbours.
pub(super) async fn figures(session: &Session, scale: usize) -> Result<(Vec<Figure>, Vec<Level>), String> {
    let _neighbours = Neighbours::start()?;
    let seconds = if scale > 1 { 20 } else { 8 };
    let mut peak: Option<Figure> = None;
    for clients in PEAK_CLIENTS {
        let loaded = closed_loop(session, clients, Duration::from_secs(seconds)).await?;
        eprintln!("  {clients} clients: {}", loaded.words());
        let figure = Figure::of(format!("starved: issue, the most ({clients} clients)"), &[loaded.run]);
        if peak.as_ref().is_none_or(|peak| figure.rate > peak.rate) {
            peak = Some(figure);
        }
    }
    let peak = peak.ok_or("nothing was issued")?;
    let loaded = closed_loop(session, CLIENTS, Duration::from_secs(seconds * 2)).await?;
    eprintln!("  {CLIENTS} clients: {}", loaded.words());
    let calm = calm(session).await?;
    let errors = Level {
        name: format!("starved: certificates not issued within {PATIENCE:?}, {CLIENTS} clients"),
        value: loaded.failed as f64,
        unit: String::new(),
        design: None,
    };
    let calm = Level {
        name: format!("starved: calm after {CLIENTS} clients left"),
        value: calm.as_secs_f64(),
        unit: "s".into(),
        design: Some(10.0),
    };
    let overloaded = Figure::of(format!("starved: issue, {CLIENTS} clients"), &[loaded.run]);
    let overloaded = overloaded.rate_over(&peak, Some(SHARE_MIN));
    Ok((vec![peak, overloaded], vec![errors, calm]))
}

/// What came of a closed loop.
struct Loaded {
    run: Run,
    /// Calls that had no answer in time.
    failed: u64,
    /// Calls that were refused with a retry-after past their deadline.
    refused: u64,
}

impl Loaded {
    fn words(&self) -> String {
        format!("{:.0}/s, {} failed, {} refused", self.run.rate(), self.failed, self.refused)
    }
}

/// So many clients at once, each with a connection of its own, each asking for the next certificate as soon as it has one.
/// At the end all leave at once, in the middle of what they do.
async fn closed_loop(session: &Session, clients: usize, measured: Duration) -> Result<Loaded, String> {
    let counts = Arc::new(AtomicBool::new(false));
    let (failed, refused) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let (done, mut times) = tokio::sync::mpsc::unbounded_channel();
    let mut tasks = tokio::task::JoinSet::new();
    let session_key = session.key.clone();
    for number in 0..clients {
        let (client, peer): (Client, Peer) = (client(&session_key)?, session.peer(number).clone());
        let maker = session.issuer();
        let (counts, done) = (Arc::clone(&counts), done.clone());
        let (failed, refused) = (Arc::clone(&failed), Arc::clone(&refused));
        tasks.spawn(async move {
            loop {
                let Ok(operation) = maker.issue() else { return };
                let begun = Instant::now();
                let body = encode(&IssueCertificateRequest { operation });
                let method = IssueCertificateRequest::METHOD;
                let options = CallOptions::repeatable(PATIENCE);
                let issued = client.call(&peer, method.service, method.name, body, options).await;
                let is_counted = counts.load(Relaxed);
                match issued {
                    Ok(_) if is_counted => drop(done.send(begun.elapsed())),
                    Ok(_) => {}
                    // A client whose deadline is before the retry-after waits for that before its next call.
                    Err(error) => match error.retry_after() {
                        Some(wait) => {
                            refused.fetch_add(u64::from(is_counted), Relaxed);
                            tokio::time::sleep(wait).await;
                        }
                        None => drop(failed.fetch_add(u64::from(is_counted), Relaxed)),
                    },
                }
            }
        });
    }
    tokio::time::sleep(WARM_UP).await;
    counts.store(true, Relaxed);
    let begun = Instant::now();
    tokio::time::sleep(measured).await;
    counts.store(false, Relaxed);
    let took = begun.elapsed();
    tasks.shutdown().await;
    drop(done);
    let mut all = Vec::new();
    while let Ok(time) = times.try_recv() {
        all.push(time);
    }
    Ok(Loaded { run: Run::new(all, took), failed: failed.load(Relaxed), refused: refused.load(Relaxed) })
}

/// How long it takes until the nodes do nothing for clients any more, rest, and issue at once to whoever asks.
async fn calm(session: &Session) -> Result<Duration, String> {
    let (begun, processes) = (Instant::now(), processes(session)?);
    let used = || processes.iter().map(|process| ticks(*process)).sum::<Result<f64, String>>();
    let height =
        async || Ok::<_, String>(call(&session.client, session.peer(0), &StatusRequest {}).await?.height);
    let first = height().await?;
    while begun.elapsed() < CALM_TIMEOUT {
        let (before, since) = (used()?, Instant::now());
        tokio::time::sleep(Duration::from_millis(500)).await;
        let share = (used()? - before) / TICKS / since.elapsed().as_secs_f64();
        if share > CALM_SHARE_MAX || !are_idle(session).await? {
            continue;
        }
        let calm = begun.elapsed();
        let operation = session.issue()?;
        call(&session.client, session.peer(0), &IssueCertificateRequest { operation }).await?;
        if height().await? > first {
            return Ok(calm);
        }
    }
    Ok(begun.elapsed())
}

/// Whether no node has anything in hand for clients, as its metrics say.
async fn are_idle(session: &Session) -> Result<bool, String> {
    for number in 0..session.peers.len() {
        let metrics = call(&session.client, session.peer(number), &HypermeshMetricsRequest {}).await?;
        for table in CLIENT_TABLES {
            let name = format!("table_entries{{table=\"{table}\"}}");
            let held = metrics.counters.get(name.as_str());
            if *held.ok_or_else(|| format!("a node has no metric {name}"))? > 0 {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// Programs that keep every processor busy, until this is dropped.
struct Neighbours(Vec<Child>);

impl Neighbours {
    fn start() -> Result<Self, String> {
        let executable = std::env::current_exe().map_err(|error| error.to_string())?;
        let count = std::thread::available_parallelism().map_or(1, usize::from);
        let mut neighbours = Self(Vec::new());
        for _ in 0..count {
            let child = Command::new(&executable).arg("spin").stdin(Stdio::piped()).spawn();
            neighbours.0.push(child.map_err(|error| error.to_string())?);
        }
        Ok(neighbours)
    }
}

impl Drop for Neighbours {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // It may have ended by itself.
            let _gone = child.kill();
            let _status = child.wait();
        }
    }
}

/// Keeps one processor busy until standard input ends.
pub(crate) fn spin() {
    let ended = Arc::new(AtomicBool::new(false));
    let ends = Arc::clone(&ended);
    std::thread::spawn(move || {
        let mut input = String::new();
        // Whatever comes of it, whoever started this is gone.
        let _over = std::io::Read::read_to_string(&mut std::io::stdin(), &mut input);
        ends.store(true, Relaxed);
    });
    let mut number = 0_u64;
    while !ended.load(Relaxed) {
        for _ in 0..1 << 16 {
            number = std::hint::black_box(number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
        }
    }
}
