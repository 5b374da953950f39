//! `hypermesh node …`.

mod backup;
mod fsck;

use super::Global;
use crate::client::read_context;
use crate::context::Bootstrap;
use crate::data::NodeFolder;
use crate::dns_listener::DnsLimits;
use crate::exposition;
use crate::failure::{Exit, Failure};
use crate::genesis_file::ValidatorFile;
use crate::init_node::initialise;
use crate::logs::{self, LogFormat};
use crate::memory;
use crate::moment;
use crate::node_address::NodeAddress;
use crate::node_config::NodeConfigFile;
use crate::output::Output;
use crate::plot_progress::PlotBars;
use crate::probe::Probe;
use crate::roles::Roles;
use crate::run_node;
use clap::{Args, Subcommand};
use hypermesh_core::api::NodeStatus;
use hypermesh_core::base::{Profile, PublicKey};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::{Ipv6Addr, SocketAddrV6};
use std::path::PathBuf;
use std::time::Duration;
use tokio::runtime::Builder;
use tokio::time::{Instant, sleep};

/// What `hypermesh node` can do.
#[derive(Debug, Subcommand)]
pub enum NodeCommand {
    /// Make a node: its key, its plot, and its contribution to genesis
    Init(InitArgs),
    /// Run a node until SIGINT or SIGTERM
    Run(RunArgs),
    /// Show the status of a node, or of every node in the context
    Status(StatusArgs),
    /// Show the metrics of a node, in Prometheus' text format
    Metrics(MetricsArgs),
    /// Check every page and row of a node's store, while the node does not run; changes nothing
    Fsck(fsck::FsckArgs),
    /// Write a node's key, key shares, configuration and genesis into an encrypted file
    Backup(backup::BackupArgs),
    /// Make a node's folder again from its backup
    Restore(backup::RestoreArgs),
}

/// How to make a node.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// The node's folder
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
    /// The node's name, a label: it will answer to NAME.ZONE
    #[arg(long)]
    name: String,
    /// The mesh's name, a label: the plot is bound to it
    #[arg(long)]
    network: String,
    /// The parameters: production (a plot of 1 GiB, which takes long to make) or devnet
    #[arg(long, default_value = "production")]
    profile: Profile,
    /// Where to listen for STOQ, over UDP
    #[arg(long, value_name = "[ADDRESS]:PORT")]
    listen: SocketAddrV6,
    /// The address that other nodes dial, if it differs from --listen
    #[arg(long, value_name = "[ADDRESS]:PORT")]
    address: Option<SocketAddrV6>,
    /// Where to listen for plain DNS, over UDP and TCP
    #[arg(long, value_name = "[ADDRESS]:PORT")]
    dns: Option<SocketAddrV6>,
    /// The services that the node exposes: trustchain, hypermesh, caesar; default: all
    #[arg(long, value_name = "SERVICE,…", default_value_t)]
    roles: Roles,
    /// The path of the genesis file, relative to the folder
    #[arg(long, value_name = "FILE", default_value = "genesis.json")]
    genesis: PathBuf,
}

/// How to run a node.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The node's folder
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
    /// The format of the log
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    log_format: LogFormat,
    /// Stop when the process that started this one ends
    #[arg(long, hide = true)]
    with_parent: bool,
}

/// Which node to look at.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// The node's folder; default: query the nodes of the context
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Wait until every queried node is ready, for at most --timeout, and show what is missing
    #[arg(long)]
    until_ready: bool,
}

/// Whose metrics to show.
#[derive(Debug, Args)]
pub struct MetricsArgs {
    /// The node's folder
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
}

/// The status of a node, or why it did not answer.
#[derive(Debug, Serialize)]
struct NodeReport {
    address: NodeAddress,
    key: PublicKey,
    /// The process, where the node's folder is at hand and says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    process: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<NodeStatus>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// Runs a command.
///
/// # Errors
/// If it fails.
pub fn run(command: NodeCommand, global: &Global, output: Output) -> Result<(), Failure> {
    match command {
        NodeCommand::Init(args) => init(args, output),
        NodeCommand::Run(args) => run_node(&args),
        NodeCommand::Status(args) => status(args, global, output),
        NodeCommand::Metrics(args) => metrics(&args, global, output),
        NodeCommand::Fsck(args) => fsck::run(&args, output),
        NodeCommand::Backup(args) => backup::backup(&args, output),
        NodeCommand::Restore(args) => backup::restore(&args, output),
    }
}

fn init(args: InitArgs, output: Output) -> Result<(), Failure> {
    let InitArgs { data_dir, name, network, profile, listen, address, dns, roles, genesis } = args;
    let (peers, metrics_file, dns_limits) = (BTreeMap::new(), None, DnsLimits::default());
    let found = address.unwrap_or(listen);
    // Said once more in the configuration, where it can be changed when the node moves.
    let address = address.filter(|address| *address != listen);
    let config = NodeConfigFile {
        name,
        network,
        profile,
        listen,
        address,
        dns,
        genesis,
        metrics_file,
        dns_limits,
        roles,
        peers,
    };
    let folder = NodeFolder::new(data_dir);
    let mut bar = PlotBars::new(output).add(&config.name);
    let made = initialise(&folder, &config, found, &mut |progress| bar.show(progress))?;
    output.print(&made, |made| described(made, &folder))
}

fn described(made: &ValidatorFile, folder: &NodeFolder) -> String {
    format!(
        "name           {}\naddress        {}\nkey            {}\nplot root      {}\nreveal anchor  {}\n\n\
         Give {} to whoever makes genesis (hypermesh genesis new); put the genesis that comes back where {} says.",
        made.name,
        made.address,
        made.key,
        made.plot_root,
        made.reveal_anchor,
        folder.validator().display(),
        folder.config().display(),
    )
}

fn run_node(args: &RunArgs) -> Result<(), Failure> {
    logs::start(args.log_format);
    if args.with_parent {
        end_with_parent()?;
    }
    let folder = NodeFolder::new(&args.data_dir);
    // Before the first thread: without room for its stack the process would panic.
    memory::check(memory::Need::of(folder.read_config()?.profile), &memory::limits())?;
    let runtime = Builder::new_multi_thread().enable_all().build().map_err(no_runtime)?;
    let outcome = runtime.block_on(run_node::run(&folder));
    // A disk that does not answer must not keep the process: what it was asked for was promised to nobody.
    runtime.shutdown_timeout(SHUTDOWN_TIMEOUT);
    outcome
}

/// Has the kernel stop this process when the one that started it ends, whatever ends it.
#[cfg(target_os = "linux")]
fn end_with_parent() -> Result<(), Failure> {
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM))
        .map_err(|error| Failure::new(Exit::Failed, format!("--with-parent: {error}")))
}

/// Elsewhere a child stays when its parent is killed; its pid file says where it is.
#[cfg(not(target_os = "linux"))]
fn end_with_parent() -> Result<(), Failure> {
    Ok(())
}

fn status(args: StatusArgs, global: &Global, output: Output) -> Result<(), Failure> {
    let (nodes, process) = match args.data_dir {
        Some(path) => {
            let folder = NodeFolder::new(path);
            (vec![of_folder(&folder)?], folder.process())
        }
        None => (read_context(global)?.bootstrap, None),
    };
    let runtime = Builder::new_current_thread().enable_all().build().map_err(no_runtime)?;
    let whole = Duration::from_secs(global.timeout);
    let timeout = whole.min(STATUS_TIMEOUT);
    let asked = if args.until_ready {
        runtime.block_on(until_ready(&nodes, process, whole, output))
    } else {
        runtime.block_on(ask(&nodes, process, timeout))
    };
    // A resolver that does not answer must not keep the command.
    runtime.shutdown_background();
    let reports = asked?;
    if reports.iter().any(|report| report.status.is_some()) {
        return output.print(&reports, |reports| table(reports));
    }
    let advice = "check that it runs (`hypermesh node run --data-dir DIR` starts it)";
    Err(Failure::new(Exit::Unreachable, format!("no node answered\n{}{advice}", table(&reports))))
}

fn metrics(args: &MetricsArgs, global: &Global, output: Output) -> Result<(), Failure> {
    let node = of_folder(&NodeFolder::new(&args.data_dir))?;
    let runtime = Builder::new_current_thread().enable_all().build().map_err(no_runtime)?;
    let timeout = Duration::from_secs(global.timeout).min(STATUS_TIMEOUT);
    let (status, services) = runtime.block_on(async {
        let probe = Probe::new()?;
        let status = probe.status(&node, timeout).await?;
        let services = probe.counters(&node, timeout).await?;
        probe.close().await;
        Ok::<_, Failure>((status, services))
    })?;
    output.print(&services, |services| {
        let services = services.iter().map(|(service, counters)| (service.as_str(), counters));
        exposition::text(&status, &services.collect())
    })
}

/// Where the node of a folder answers, seen from this machine.
fn of_folder(folder: &NodeFolder) -> Result<Bootstrap, Failure> {
    let mut address = folder.read_config()?.listen;
    if address.ip().is_unspecified() {
        address.set_ip(Ipv6Addr::LOCALHOST);
    }
    Ok(Bootstrap { address: address.into(), key: folder.read_identity()?.public() })
}

/// Asks until all are ready, or the time is up. Says what it waits for, each time that changes.
async fn until_ready(
    nodes: &[Bootstrap],
    process: Option<u32>,
    timeout: Duration,
    output: Output,
) -> Result<Vec<NodeReport>, Failure> {
    let end = Instant::now() + timeout;
    let mut printed = String::new();
    loop {
        let reports = ask(nodes, process, timeout.min(STATUS_TIMEOUT)).await?;
        let missing: Vec<String> = reports.iter().filter_map(missing).collect();
        if missing.is_empty() {
            return Ok(reports);
        }
        if Instant::now() >= end {
            let message = format!("not ready within {} s\n{}", timeout.as_secs(), table(&reports));
            return Err(Failure::new(Exit::Unreachable, message.trim_end()));
        }
        let lines = missing.join("\n");
        if lines != printed {
            output.tell(&lines);
            printed = lines;
        }
        sleep(READY_PERIOD).await;
    }
}

/// What a node is waited for, if it is.
fn missing(report: &NodeReport) -> Option<String> {
    match (&report.status, &report.error) {
        (Some(status), _) if status.ready => None,
        (Some(status), _) => {
            let lacks: Vec<String> = status.not_ready.iter().map(ToString::to_string).collect();
            Some(format!("waiting for {}: {}", status.name, lacks.join("; ")))
        }
        (None, error) => {
            Some(format!("waiting for {}: {}", report.address, error.as_deref().unwrap_or("no answer")))
        }
    }
}

async fn ask(
    nodes: &[Bootstrap],
    process: Option<u32>,
    timeout: Duration,
) -> Result<Vec<NodeReport>, Failure> {
    let probe = Probe::new()?;
    let mut reports = Vec::new();
    for (node, answer) in nodes.iter().zip(probe.status_of_all(nodes, timeout).await) {
        let (status, error) = match answer {
            Ok(status) => (Some(status), None),
            Err(failure) => (None, Some(failure.message)),
        };
        reports.push(NodeReport { address: node.address.clone(), key: node.key, process, status, error });
    }
    probe.close().await;
    Ok(one_of_each(reports))
}

/// A context may have several addresses of one node: where it answers counts, and else the first.
fn one_of_each(reports: Vec<NodeReport>) -> Vec<NodeReport> {
    let mut distinct: Vec<NodeReport> = Vec::new();
    for report in reports {
        match distinct.iter_mut().find(|other| other.key == report.key) {
            Some(other) if other.status.is_none() && report.status.is_some() => *other = report,
            Some(_) => {}
            None => distinct.push(report),
        }
    }
    distinct
}

fn table(reports: &[NodeReport]) -> String {
    let mut text = String::new();
    for report in reports {
        let line = match (&report.status, &report.error) {
            (Some(status), _) => described_status(report, status),
            (None, error) => format!("{}  {}\n", report.address, error.as_deref().unwrap_or_default()),
        };
        text.push_str(&line);
    }
    text
}

/// How far the last block's time is from the node's clock.
fn distance(status: &NodeStatus) -> String {
    match status.ahead_ms / 1000 {
        0 => format!("{} s ago", status.age_ms / 1000),
        ahead => format!("{ahead} s ahead of this node's clock"),
    }
}

fn described_status(report: &NodeReport, status: &NodeStatus) -> String {
    let ready = if status.ready { "ready" } else { "not ready" };
    let mut text = match &status.standstill {
        Some(standstill) => {
            format!("{} at {}: NOTHING CAN BE DECIDED: {standstill}\n", status.name, report.address)
        }
        None => format!("{} at {}: {ready}\n", status.name, report.address),
    };
    for unmet in &status.not_ready {
        writeln!(text, "  not ready     {unmet}").expect("writing into a string does not fail");
    }
    let process = report.process.map(|process| process.to_string());
    let rows = [
        ("process", process.unwrap_or_default()),
        ("network", format!("{} ({})", status.network, status.profile)),
        ("genesis", status.genesis.to_string()),
        ("key", status.node.to_string()),
        ("height", format!("{} at {}, {}", status.height, moment::text(status.time), distance(status))),
        (
            "validators",
            format!("{} of {} linked, {} decide", status.connected, status.validators, status.quorum),
        ),
        ("voting", status.voting.clone()),
        ("behind", if status.behind == 0 { String::new() } else { format!("{} blocks", status.behind) }),
        ("not linked", status.unreachable.join(", ")),
        ("committee", status.committee.clone()),
        ("certificates", format!("{}, log of {} entries", status.certificates, status.log_size)),
        ("names", status.names.to_string()),
        ("beacon", status.beacon.to_string()),
        ("position", status.position.clone()),
    ];
    for (name, value) in rows.iter().filter(|(_, value)| !value.is_empty()) {
        writeln!(text, "  {name:<13} {value}").expect("writing into a string does not fail");
    }
    text
}

fn no_runtime(error: std::io::Error) -> Failure {
    Failure::new(Exit::Failed, format!("cannot start a runtime: {error}"))
}

/// How long threads that are at work may take when the node has ended.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(1);
/// A node that runs answers in milliseconds.
const STATUS_TIMEOUT: Duration = Duration::from_secs(3);
/// How often nodes are asked whether they are ready.
const READY_PERIOD: Duration = Duration::from_millis(500);
