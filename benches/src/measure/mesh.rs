//! A client's own figures: reads, connections, certificates, alone and among many.

use super::session::{DEADLINE, Session, call, client, repeat};
use super::trustchain::TrustChain;
use hypermesh::data::NodeFolder;
use hypermesh_benches::{Figure, Run};
use hypermesh_core::api::{
    ConsensusRequirements, DnsRequest, IssueCertificateRequest, ProveRequest, StatusRequest,
    ValidateCertificateRequest,
};
use hypermesh_core::trust::Question;
use hypermesh_core::trustchain::dns::RecordType;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};
use stoq::Client;
use tokio::sync::Barrier;

/// Everything, the last of it with a node killed.
pub(super) async fn figures(session: &Session, scale: usize, runs: usize) -> Result<Vec<Figure>, String> {
    let mut figures = Vec::new();
    let dns = DnsRequest {
        name: "web.demo.hypermesh".parse().map_err(|_| "no name")?,
        record_type: RecordType::Aaaa,
    };
    if call(&session.client, session.peer(0), &dns).await?.answers.is_empty() {
        return Err("the devnet has no address for web.demo.hypermesh".into());
    }
    let mut rounds = Vec::new();
    for _ in 0..runs {
        rounds.push(repeat(500 * scale, || call(&session.client, session.peer(0), &dns)).await?);
    }
    figures.push(Figure::of("DNS over STOQ, warm", &rounds).targets(Some(4.0), Some(0.15)));
    let question = Question::Records { name: dns.name.clone(), record_type: dns.record_type };
    let prove = ProveRequest { question };
    let mut rounds = Vec::new();
    for _ in 0..runs {
        rounds.push(repeat(100 * scale, || call(&session.client, session.peer(0), &prove)).await?);
    }
    figures.push(Figure::of("the same with its state proof", &rounds));
    figures.extend(connections(session, &dns, scale, runs).await?);

    let mut rounds = Vec::new();
    let mut last = None;
    for _ in 0..runs {
        let mut times = Vec::new();
        let begun = Instant::now();
        for _ in 0..20 * scale {
            let (operation, start) = (session.issue()?, Instant::now());
            last =
                Some(call(&session.client, session.peer(0), &IssueCertificateRequest { operation }).await?);
            times.push(start.elapsed());
        }
        rounds.push(Run::new(times, begun.elapsed()));
    }
    let alone = Figure::of("issue a certificate, one at a time", &rounds).targets(None, Some(10.0));

    let issued = last.ok_or("nothing was issued")?;
    let request = ValidateCertificateRequest { certificate_der: issued.certificate_der };
    let mut rounds = Vec::new();
    for _ in 0..runs {
        rounds.push(repeat(300 * scale, || call(&session.client, session.peer(0), &request)).await?);
    }
    figures.push(Figure::of("trustchain/validate_certificate", &rounds).targets(Some(8.0), Some(0.3)));
    let trustchain = TrustChain::open(session).await?;
    for (words, requirements, count, user, design) in [
        ("Checked", ConsensusRequirements::Checked, 50 * scale, Some(8.0), 0.3),
        ("Committed", ConsensusRequirements::Committed, 20 * scale, None, 8.0),
    ] {
        let mut rounds = Vec::new();
        for _ in 0..runs {
            rounds.push(trustchain.validate(requirements, count).await?);
        }
        let name = format!("consensus/validate_certificate, {words}");
        figures.push(Figure::of(name, &rounds).targets(user, Some(design)));
    }

    let mut rounds = Vec::new();
    for _ in 0..runs {
        rounds.push(at_once(session, 100, 2 * scale).await?);
    }
    let hundred = Figure::of("issue, 100 clients at once", &rounds);
    figures.extend([hundred.tail_over(&alone, Some(10.0)), alone]);
    figures.push(Figure::of("issue, one of four dead", &[without_one(session, 20 * scale).await?]));
    Ok(figures)
}

/// What it takes to be answered without a connection: by a stranger, and by one who was there before.
async fn connections(
    session: &Session,
    dns: &DnsRequest,
    scale: usize,
    runs: usize,
) -> Result<Vec<Figure>, String> {
    let peer = session.peer(0);
    let (mut first, mut again) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        let (mut strangers, mut known) = (Vec::new(), Vec::new());
        let (mut wall_first, mut wall_again) = (Duration::ZERO, Duration::ZERO);
        for _ in 0..10 * scale {
            let client = client(&session.key)?;
            let start = Instant::now();
            call(&client, peer, dns).await?;
            strangers.push(start.elapsed());
            wall_first += start.elapsed();
            // The ticket comes right after the handshake; this call is behind it.
            call(&client, peer, dns).await?;
            client.disconnect(peer);
            let start = Instant::now();
            call(&client, peer, dns).await?;
            known.push(start.elapsed());
            wall_again += start.elapsed();
        }
        first.push(Run::new(strangers, wall_first));
        again.push(Run::new(known, wall_again));
    }
    let first = Figure::of("a stranger's connection and first answer", &first);
    let again = Figure::of("the same resumed, asked in the first flight", &again);
    Ok(vec![first.clone(), again.times_over(&first, None)])
}

/// Certificates by so many clients at once, each with a connection of its own that stands, each again as soon as it is
/// answered.
async fn at_once(session: &Session, clients: usize, rounds: usize) -> Result<Run, String> {
    let barrier = Arc::new(Barrier::new(clients + 1));
    let mut tasks = Vec::new();
    for number in 0..clients {
        let (client, peer): (Client, _) = (client(&session.key)?, session.peer(number).clone());
        let operations: Vec<_> = (0..rounds).map(|_| session.issue()).collect::<Result<_, _>>()?;
        let barrier = Arc::clone(&barrier);
        tasks.push(tokio::spawn(async move {
            let connected = call(&client, &peer, &StatusRequest {}).await;
            barrier.wait().await;
            connected?;
            let mut times = Vec::new();
            for operation in operations {
                let start = Instant::now();
                call(&client, &peer, &IssueCertificateRequest { operation }).await?;
                times.push(start.elapsed());
            }
            Ok::<_, String>(times)
        }));
    }
    barrier.wait().await;
    let begun = Instant::now();
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await.map_err(|error| error.to_string())??);
    }
    Ok(Run::new(times, begun.elapsed()))
}

/// One at a time, at a mesh whose last node was killed. Its turns to propose are waited for, so the slowest tell
/// more than the middle.
async fn without_one(session: &Session, count: usize) -> Result<Run, String> {
    let number = session.peers.len();
    let node = NodeFolder::new(session.folder.join(format!("node-{number}")));
    let process = node.process().ok_or("the last node does not say which process it is")?;
    let killed = Command::new("kill").args(["-9", &process.to_string()]).status();
    if !killed.is_ok_and(|status| status.success()) {
        return Err("the last node cannot be killed".into());
    }
    let end = Instant::now() + DEADLINE;
    while call(&session.client, session.peer(0), &StatusRequest {}).await?.connected == number as u64 {
        if Instant::now() > end {
            return Err("node-1 does not notice that the last node is dead".into());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    repeat(count, || async {
        let operation = session.issue()?;
        call(&session.client, session.peer(0), &IssueCertificateRequest { operation }).await
    })
    .await
}

/// How certificates go as clients grow, on a mesh of whatever size this one has.
pub(super) async fn growth(session: &Session, scale: usize, runs: usize) -> Result<Vec<Figure>, String> {
    let validators = session.peers.len();
    let mut figures = Vec::new();
    // Four grow in clients; larger ones are asked by one and by a hundred.
    let counts: &[usize] = if validators == 4 { &[1, 10, 100, 1000] } else { &[1, 100] };
    for &clients in counts {
        let mut rounds = Vec::new();
        for _ in 0..runs {
            let each = (20 * scale / clients).max(if clients == 1000 { 1 } else { 2 });
            rounds.push(at_once(session, clients, each).await?);
        }
        let figure = Figure::of(format!("issue, {validators} validators, {clients} clients"), &rounds);
        figures.push(if validators == 4 && clients == 1000 { figure.at_least(1000.0) } else { figure });
    }
    Ok(figures)
}
