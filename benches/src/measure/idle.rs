//! What a mesh costs that nobody asks: the processor time and memory of its nodes, heartbeats and tickets included.

use super::session::Session;
use hypermesh::data::NodeFolder;
use hypermesh_benches::Level;
use std::time::{Duration, Instant};

/// Clock ticks of `/proc` in a second: the same on every Linux (`getconf CLK_TCK`).
pub(super) const TICKS: f64 = 100.0;

/// Processor time a node, in per cent of a core, and the most memory of any node.
pub(super) async fn levels(session: &Session, scale: usize) -> Result<Vec<Level>, String> {
    let nodes = session.peers.len();
    let processes = processes(session)?;
    let ticks = || processes.iter().map(|process| ticks(*process)).sum::<Result<f64, String>>();
    // Two beacons of a devnet at least, so that each node makes its tickets meanwhile.
    let watched = Duration::from_secs(if scale > 1 { 90 } else { 35 });
    let (before, begun) = (ticks()?, Instant::now());
    tokio::time::sleep(watched).await;
    let share = (ticks()? - before) / TICKS / begun.elapsed().as_secs_f64() / nodes as f64 * 100.0;
    let memory = processes.iter().map(|process| resident(*process)).collect::<Result<Vec<f64>, _>>()?;
    let level =
        |name, value, unit: &str, design| Level { name, value, unit: unit.into(), design: Some(design) };
    Ok(vec![
        level(format!("idle mesh of {nodes}: processor, a node"), share, "% of one", 1.0),
        level(
            format!("idle mesh of {nodes}: memory, the largest node"),
            memory.into_iter().fold(0.0, f64::max),
            "MiB",
            100.0,
        ),
    ])
}

/// The processes of the nodes.
pub(super) fn processes(session: &Session) -> Result<Vec<u32>, String> {
    let process = |number| NodeFolder::new(session.folder.join(format!("node-{number}"))).process();
    let processes: Option<Vec<u32>> = (1..=session.peers.len()).map(process).collect();
    processes.ok_or_else(|| "a node does not say which process it is".into())
}

fn read(process: u32, file: &str) -> Result<String, String> {
    let path = format!("/proc/{process}/{file}");
    std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))
}

/// Processor time of all its threads, in clock ticks: fields 14 and 15 (proc(5)).
pub(super) fn ticks(process: u32) -> Result<f64, String> {
    let stat = read(process, "stat")?;
    // The program's name, in parentheses, may have spaces.
    let behind = stat.rsplit_once(')').map(|(_, behind)| behind).unwrap_or_default();
    let fields: Vec<f64> =
        behind.split_whitespace().skip(11).take(2).filter_map(|field| field.parse().ok()).collect();
    if fields.len() == 2 {
        Ok(fields.iter().sum())
    } else {
        Err(format!("/proc/{process}/stat is not as expected"))
    }
}

/// Memory in use, in MiB.
fn resident(process: u32) -> Result<f64, String> {
    let status = read(process, "status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kib.map(|kib| kib / 1024.0).ok_or_else(|| format!("/proc/{process}/status is not as expected"))
}
