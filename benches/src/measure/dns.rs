//! DNS over UDP: `dnsperf` asks a node, hickory-dns and Knot for the same thousand names, one worker each.

use super::Measured;
use super::child::{Running, Tools, find, listens, local};
use super::session::{Session, call, operation};
use hypermesh::devnet::DNS_VARIABLE;
use hypermesh_benches::{Figure, Run};
use hypermesh_core::api::OperationRequest;
use hypermesh_core::state::SetRecords;
use hypermesh_core::trustchain::dns::{RecordData, RecordSet, RecordType};
use std::fmt::Write as _;
use std::net::{Ipv6Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use tokio::task::JoinSet;

const NAMES: u16 = 1000;
const TTL_SECONDS: u32 = 60;
/// So many names are set at once.
const AT_ONCE: usize = 50;

pub(super) async fn figures(
    session: &Session,
    tools: &Tools,
    scale: usize,
    runs: usize,
) -> Result<Measured, String> {
    let Some(dnsperf) = find("dnsperf") else {
        let absent = vec!["DNS over UDP: dnsperf is not installed".into()];
        return Ok(Measured { absent, ..Measured::default() });
    };
    publish(session).await?;
    let folder = tools.folder("dns")?;
    let queries = folder.join("queries");
    write(
        &queries,
        &(0..NAMES).fold(String::new(), |text, number| text + &format!("d{number}.demo.hypermesh AAAA\n")),
    )?;
    write(&folder.join("hypermesh.zone"), &zone_file())?;
    let node: SocketAddr = std::env::var(DNS_VARIABLE)
        .ok()
        .and_then(|words| {
            words.strip_prefix('@')?.split_once(" -p ").map(|(ip, port)| format!("[{ip}]:{port}"))
        })
        .and_then(|address| address.parse().ok())
        .ok_or("the devnet does not say where DNS is answered")?;
    let mut absent = Vec::new();
    let mut servers = vec![("a node, DNS over UDP", node, None)];
    for (name, start) in
        [("Knot, DNS over UDP", knot as Start), ("hickory-dns, DNS over UDP", hickory as Start)]
    {
        let port = tools.port(10 + servers.len() as u16);
        match start(&folder, port)? {
            Some(running) => {
                listens(local(port)).await?;
                servers.push((name, local(port), Some(running)));
            }
            None => absent.push(format!("{name}: not installed")),
        }
    }
    let mut rounds: Vec<Vec<Run>> = servers.iter().map(|_| Vec::new()).collect();
    for _ in 0..runs {
        for ((_, address, _), rounds) in servers.iter().zip(&mut rounds) {
            rounds.push(ask(&dnsperf, *address, &queries, if scale > 1 { 5 } else { 2 }).await?);
        }
    }
    let mut figures: Vec<Figure> =
        servers.iter().zip(&rounds).map(|((name, ..), runs)| Figure::of(*name, runs)).collect();
    let ours = figures.remove(0);
    // Hickory is the bound; Knot is what one would like to reach.
    let bound = |name: &str| name.starts_with("hickory").then_some(1.0);
    let ours = figures.iter().fold(ours, |ours, peer| ours.rate_over(peer, bound(&peer.name)));
    figures.insert(0, ours);
    Ok(Measured { figures, levels: Vec::new(), absent })
}

type Start = fn(&Path, u16) -> Result<Option<Running>, String>;

fn write(path: &Path, text: &str) -> Result<(), String> {
    std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}

fn address(number: u16) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, number)
}

/// Sets the names' addresses, as their owner.
async fn publish(session: &Session) -> Result<(), String> {
    let numbers: Vec<u16> = (0..NAMES).collect();
    for numbers in numbers.chunks(AT_ONCE) {
        let mut asked = JoinSet::new();
        for number in numbers {
            let name = format!("d{number}.demo.hypermesh").parse().map_err(|_| "no name")?;
            let data = vec![RecordData::Aaaa(address(*number))];
            let records = Some(RecordSet { ttl_seconds: TTL_SECONDS, data });
            let set = SetRecords { name, record_type: RecordType::Aaaa, records };
            let request =
                OperationRequest { operation: operation(&session.owner().set(session.nonce(), set))? };
            let (client, peer) = (session.client.clone(), session.peer(0).clone());
            asked.spawn(async move { call(&client, &peer, &request).await.map(drop) });
        }
        for set in asked.join_all().await {
            set?;
        }
    }
    Ok(())
}

fn zone_file() -> String {
    let mut text = format!(
        "$ORIGIN hypermesh.\n$TTL {TTL_SECONDS}\n@ SOA node-1.hypermesh. owner.hypermesh. 1 60 60 3600 60\n@ NS node-1\n\
         node-1 AAAA ::1\n"
    );
    for number in 0..NAMES {
        let _infallible = writeln!(text, "d{number}.demo AAAA {}", address(number));
    }
    text
}

fn knot(folder: &Path, port: u16) -> Result<Option<Running>, String> {
    let Some(program) = find("knotd") else { return Ok(None) };
    let config = folder.join("knot.conf");
    let here = folder.display();
    write(
        &config,
        &format!(
            "server:\n  listen: ::1@{port}\n  udp-workers: 1\n  tcp-workers: 1\n  background-workers: 1\n  rundir: \"{here}\"\n\
             database:\n  storage: \"{here}/knot\"\n\
             zone:\n  - domain: hypermesh\n    file: \"{here}/hypermesh.zone\"\n    zonefile-sync: -1\n    journal-content: none\n"
        ),
    )?;
    std::fs::create_dir_all(folder.join("knot")).map_err(|error| error.to_string())?;
    Running::start(Command::new(program).arg("-c").arg(config), &folder.join("knot.log")).map(Some)
}

fn hickory(folder: &Path, port: u16) -> Result<Option<Running>, String> {
    let Some(program) = find("hickory-dns") else { return Ok(None) };
    let config = folder.join("hickory.toml");
    // Run by root it wants to become somebody else, of a group that not every system has.
    let user = std::env::var("USER").unwrap_or_else(|_| "root".into());
    let text = format!(
        "user = \"{user}\"\ngroup = \"{user}\"\nlisten_addrs_ipv4 = []\nlisten_addrs_ipv6 = [\"::1\"]\nlisten_port = {port}\n\
         [[zones]]\nzone = \"hypermesh\"\nzone_type = \"Primary\"\nfile = \"hypermesh.zone\"\n"
    );
    write(&config, &text)?;
    let mut command = Command::new(program);
    command.arg("--quiet").args(["--workers", "1"]).arg("-c").arg(config).arg("-z").arg(folder);
    Running::start(&mut command, &folder.join("hickory.log")).map(Some)
}

/// Asks for so many seconds, and reads the rate out of what dnsperf prints.
async fn ask(dnsperf: &Path, server: SocketAddr, queries: &Path, seconds: u32) -> Result<Run, String> {
    let output = tokio::process::Command::new(dnsperf)
        .args(["-s", &server.ip().to_string(), "-p", &server.port().to_string(), "-l", &seconds.to_string()])
        .args(["-T", "1", "-c", "1", "-q", "100", "-d"])
        .arg(queries)
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stdout);
    let value = |label: &str| {
        let line = said.lines().find_map(|line| line.trim().strip_prefix(label))?;
        line.split_whitespace().next()?.parse::<f64>().ok()
    };
    let whole = || said.lines().any(|line| line.contains("NOERROR") && line.contains("100.00%"));
    match (value("Queries per second:"), value("Queries completed:")) {
        (Some(rate), Some(count)) if count > 0.0 && whole() => Ok(Run::of_rate(count as usize, rate)),
        _ => Err(format!("{server}: dnsperf: {said}{}", String::from_utf8_lossy(&output.stderr))),
    }
}
