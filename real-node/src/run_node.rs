//! Running a node: from its folder to a driver that turns it, until it is told to stop.

use crate::bind_advice::unbound;
use crate::data::{NodeFolder, PidFile};
use crate::descriptors;
use crate::dns_listener::{BindError, DnsListener};
use crate::event_log::{TWIN_RUNS, observer};
use crate::exposition::MetricsFile;
use crate::failure::{Exit, Failure};
use crate::genesis_file::read_genesis;
use crate::listeners::DnsService;
use crate::logs::AUDIT;
use crate::machine_watch::MachineWatch;
use crate::memory;
use crate::node_config::{NodeConfigFile, PeerHint};
use crate::peer_lookups::PeerLookups;
use crate::plot::PlotFolder;
use crate::readiness_log;
use crate::reload::Changes;
use crate::roles::Roles;
use crate::scrub::Scrub;
use crate::service_manager::{self, Reports, Starting};
use crate::session_file;
use crate::store::{RedbStore, StoreError};
use crate::vitals::{Start, Vitals};
use hypermesh_core::base::{SecretKey, Table};
use hypermesh_core::hypermesh::RevealChain;
use hypermesh_core::hypermesh::ordering::Timeouts;
use hypermesh_core::hypermesh::proof::Plot;
use hypermesh_core::node::{Node, NodeConfig, OpenFault};
use hypermesh_core::state::Genesis;
use hypermesh_driver::{Driver, DriverConfig, DriverFault, ThreadWorkers};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};
use stoq::{Clock, CoreEntropy, Env, Identity};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How long a node may take to stop: what was handed out is made durable first.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// What whoever looks at a node that ended because its machine was resumed has to know.
const RESUMED: &str = "this machine was resumed from a snapshot or cloned: the process ends, so that \
    connection keys and randomness from before the snapshot are not used twice. Start it again (systemd \
    does); if it is a clone, shut one of the two down permanently";

/// What a node reads from its folder before it starts.
struct Loaded {
    genesis: Genesis,
    identity: SecretKey,
    plot: Plot,
    reveals: RevealChain,
    store: RedbStore,
    hints: Vec<PeerHint>,
}

/// A node that runs.
pub struct RunningNode {
    driver: Driver,
    peers: PeerLookups,
    dns: Option<DnsService>,
    metrics: Option<MetricsFile>,
    reports: Reports,
    readiness: JoinHandle<()>,
    scrub: Scrub,
    config: NodeConfigFile,
    clock: Arc<dyn Clock>,
    alarm: watch::Receiver<bool>,
    /// Raised when the machine was resumed from a snapshot.
    resumed: watch::Receiver<bool>,
    _machine: MachineWatch,
    vitals: Arc<Vitals>,
    sessions: PathBuf,
    /// Kept last: the folder is free once everything else has stopped.
    _mark: PidFile,
}

/// Runs the node of a folder until SIGINT or SIGTERM, of which a second one ends it at once. SIGHUP has it read its
/// configuration again.
///
/// # Errors
/// If it cannot start, or its store fails.
pub async fn run(folder: &NodeFolder) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::new(Exit::Failed, format!("signals: {error}"));
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut hangup = signal(SignalKind::hangup()).map_err(failed)?;
    let mut stopping = async || {
        tokio::select! {
            biased;
            _ = interrupt.recv() => "interrupted",
            _ = terminate.recv() => "told to",
        }
    };
    let mut node = tokio::select! {
        biased;
        started = RunningNode::start(folder) => started?,
        why = stopping() => {
            tracing::info!("stopped before it ran: {why}");
            return Ok(());
        }
    };
    let reason = loop {
        tokio::select! {
            biased;
            why = stopping() => {
                tracing::info!("stopping: {why}");
                break None;
            }
            _ = hangup.recv() => {
                service_manager::reloading();
                node.reload(folder).await;
                service_manager::reloaded();
            }
            () = raised(&mut node.alarm) => break Some(TWIN_RUNS),
            () = raised(&mut node.resumed) => break Some(RESUMED),
            outcome = node.driver.stopped() => return Err(ended(outcome)),
        }
    };
    tokio::select! {
        biased;
        stopped = node.stop() => stopped?,
        why = stopping() => {
            let message = format!("stopped immediately: {why} twice; no committed data is lost");
            return Err(Failure::new(Exit::Failed, message));
        }
    }
    match reason {
        Some(reason) => Err(Failure::new(Exit::Failed, reason)),
        None => Ok(()),
    }
}

/// Waits until the alarm is raised, for ever if it never is.
async fn raised(alarm: &mut watch::Receiver<bool>) {
    if alarm.wait_for(|raised| *raised).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Why a node ended that nobody stopped.
fn ended(outcome: Result<(), DriverFault>) -> Failure {
    let Err(fault) = outcome else {
        return Failure::new(Exit::Failed, "the node stopped by itself");
    };
    let exit = if matches!(fault, DriverFault::Store { .. }) { Exit::Storage } else { Exit::Failed };
    Failure::new(exit, format!("the node stopped: {fault}"))
}

impl RunningNode {
    /// Starts the node of a folder. Must be called from within a tokio runtime.
    ///
    /// # Errors
    /// If the folder is in use or incomplete, an address is taken, or what it holds does not fit together.
    pub async fn start(folder: &NodeFolder) -> Result<Self, Failure> {
        let begun = Instant::now();
        descriptors::raise();
        let starting = Arc::new(Starting::begin());
        let config = folder.read_config()?;
        let mark = PidFile::create(&folder.pid())?;
        let dns = match config.dns {
            Some(address) => Some(DnsService::bind(address.into()).await.map_err(failure)?),
            None => None,
        };
        let (listen, metrics_file) = (config.listen, config.metrics_file.clone());
        let loading = {
            let (folder, config, starting) = (folder.clone(), config.clone(), Arc::clone(&starting));
            move || load(&folder, &config, &starting)
        };
        let loaded = tokio::task::spawn_blocking(loading).await.map_err(failure)??;
        let env = Env::real(Identity::new(loaded.identity.clone()));
        let node = NodeConfig {
            genesis: Arc::new(loaded.genesis),
            identity: loaded.identity,
            plot: Arc::new(loaded.plot),
            reveals: loaded.reveals,
            entropy: Box::new(CoreEntropy(Arc::clone(&env.entropy))),
            reader: Box::new(loaded.store.reader()),
            timeouts: Timeouts::default(),
        };
        let (reader, crashed) = (loaded.store.reader(), loaded.store.was_crashed());
        let clock = Arc::clone(&env.clock);
        starting.step("reading the state and the log");
        let node = Node::open(clock.now(), node).map_err(|fault| unopened(folder, &fault))?;
        let vitals = Arc::new(Vitals::new(folder.store()));
        let workers = Arc::new(ThreadWorkers::new(Box::new(vitals.timed(loaded.store))));
        let (raise, alarm) = watch::channel(false);
        let (moved, observer) = (BTreeMap::new(), observer(raise));
        let driver = DriverConfig { env, listen, moved, node, workers, observer };
        let driver = Driver::start(driver).map_err(|error| failure(unbound(&error)))?;
        let peers = PeerLookups::start(loaded.hints, &driver);
        session_file::take_up(&folder.sessions(), driver.endpoint());
        let meters = Arc::clone(&vitals);
        driver.extend_meters(Arc::new(move |service| meters.counters(service)));
        if let Some(listener) = &dns {
            vitals.watch_dns(listener.counters());
        }
        let dns = dns.map(|listener| {
            DnsService::start(listener, config.dns_limits.clone(), driver.views(), Arc::clone(&clock))
        });
        let metrics = metrics_file.map(|file| {
            MetricsFile::start(file, driver.views(), driver.meters().clone(), Arc::clone(&clock))
        });
        announce(&driver, dns.as_ref());
        announce_address(&driver, &config).await;
        let (raise_resumed, resumed) = watch::channel(false);
        let machine = MachineWatch::start(driver.continuity(), raise_resumed);
        let readiness = tokio::spawn(readiness_log::follow(driver.views(), Arc::clone(&clock)));
        let scrub = Scrub::start(reader, driver.damage_reports(), vitals.scrub(), folder.scrub());
        vitals.set_start(Start { took: begun.elapsed(), crashed });
        drop(starting);
        let reports = Reports::start(driver.liveness(), driver.views(), Arc::clone(&clock));
        Ok(Self {
            driver,
            peers,
            dns,
            metrics,
            reports,
            readiness,
            scrub,
            config,
            clock,
            alarm,
            resumed,
            _machine: machine,
            vitals,
            sessions: folder.sessions(),
            _mark: mark,
        })
    }

    /// The driver that turns the node.
    #[must_use]
    pub const fn driver(&self) -> &Driver {
        &self.driver
    }

    /// Takes up a changed configuration, as far as a node that runs can; a bad one changes nothing.
    pub async fn reload(&mut self, folder: &NodeFolder) {
        let read = folder.read_config();
        let checked = read.and_then(|config| {
            let view = self.driver.view();
            let hints = config.hints(view.state.genesis_document());
            let wrong =
                |reason| Failure::new(Exit::Input, format!("{}: {reason}", folder.config().display()));
            Ok((Changes::between(&self.config, config), hints.map_err(wrong)?))
        });
        let (changes, hints) = match checked {
            Ok(checked) => checked,
            Err(failure) => {
                return tracing::error!(%failure, "configuration not reloaded: the previous one stays in use");
            }
        };
        if changes.dns
            && let Err(error) = self.move_dns(&changes.config).await
        {
            return tracing::error!(%error, "configuration not reloaded: the previous one stays in use");
        }
        tracing::info!(changes = changes.summary(), "configuration reloaded");
        if changes.dns_limits
            && let Some(dns) = &self.dns
        {
            dns.set_limits(changes.config.dns_limits.clone());
        }
        if changes.peers {
            self.peers = PeerLookups::start(hints, &self.driver);
        }
        self.config = changes.config;
        if changes.address {
            announce_address(&self.driver, &self.config).await;
        }
    }

    async fn move_dns(&mut self, config: &NodeConfigFile) -> Result<(), BindError> {
        let listener = match config.dns {
            Some(address) => Some(DnsService::bind(address.into()).await?),
            None => None,
        };
        let start = |listener: DnsListener| {
            self.vitals.watch_dns(listener.counters());
            let limits = config.dns_limits.clone();
            DnsService::start(listener, limits, self.driver.views(), Arc::clone(&self.clock))
        };
        let before = std::mem::replace(&mut self.dns, listener.map(start));
        if let Some(before) = before {
            before.stop().await;
        }
        Ok(())
    }

    /// Stops the node, once everything that it has handed out is durable.
    ///
    /// # Errors
    /// If the store fails, or it takes too long.
    pub async fn stop(self) -> Result<(), Failure> {
        self.reports.stop();
        self.readiness.abort();
        drop((self.metrics, self.scrub, self.peers));
        if let Some(dns) = self.dns {
            dns.stop().await;
        }
        let endpoint = self.driver.endpoint().clone();
        let stopped = tokio::time::timeout(STOP_TIMEOUT, self.driver.stop()).await;
        let late = |_| Failure::new(Exit::Failed, format!("not stopped within {STOP_TIMEOUT:?}"));
        stopped.map_err(late)?.map_err(|fault| ended(Err(fault)))?;
        session_file::leave(&self.sessions, &endpoint);
        tracing::info!(target: AUDIT, "stopped");
        Ok(())
    }
}

/// Reads what the node needs. The plot and the chain of reveals take a processor each for a moment.
fn load(folder: &NodeFolder, config: &NodeConfigFile, starting: &Starting) -> Result<Loaded, Failure> {
    starting.step("reading genesis");
    let identity = folder.read_identity()?;
    let genesis = read_genesis(&config.genesis)?;
    if (&genesis.network, genesis.profile) != (&config.network, config.profile) {
        let message = format!(
            "{}: network {} and profile {} are not those of {}: {} and {}",
            folder.config().display(),
            config.network,
            config.profile,
            config.genesis.display(),
            genesis.network,
            genesis.profile
        );
        return Err(Failure::new(Exit::Input, message));
    }
    let own = genesis.validators.iter().find(|listed| listed.member.key == identity.public());
    if let Some(exposed) =
        own.map(|own| Roles::by_genesis(&genesis, own)).filter(|roles| *roles != config.roles)
    {
        let (file, roles) = (folder.config(), &config.roles);
        let message =
            format!("{}: roles are {roles}, and those of genesis {exposed}: correct them", file.display());
        return Err(Failure::new(Exit::Input, message));
    }
    let hints = config
        .hints(&genesis)
        .map_err(|reason| Failure::new(Exit::Input, format!("{}: {reason}", folder.config().display())))?;
    starting.step("opening the store");
    let store = RedbStore::open(&folder.store()).map_err(|error| Failure::new(exit_of(&error), error))?;
    let rows =
        store.reader().table_row_count(Table::State).map_err(|error| Failure::new(Exit::Storage, error))?;
    memory::check(memory::Need::of(config.profile).with_rows(rows), &memory::limits())?;
    starting.step("reading the plot");
    let plot = PlotFolder::new(folder.plot(), &config.network, config.profile, &identity.public());
    let (plot, reveals) = thread::scope(|scope| {
        let reveals = scope.spawn(|| RevealChain::new(identity.seed()));
        (plot.load(), reveals.join().expect("hashing does not panic"))
    });
    Ok(Loaded { genesis, identity, plot: plot?, reveals, store, hints })
}

/// What scripts are told of a store that cannot be opened.
const fn exit_of(error: &StoreError) -> Exit {
    match error {
        StoreError::Locked { .. } => Exit::Failed,
        StoreError::Layout { .. } => Exit::Input,
        _ => Exit::Storage,
    }
}

fn unopened(folder: &NodeFolder, fault: &OpenFault) -> Failure {
    let exit = match fault {
        OpenFault::Read(_) | OpenFault::Damaged { .. } => Exit::Storage,
        _ => Exit::Input,
    };
    Failure::new(exit, format!("{}: {fault}", folder.path().display()))
}

/// Has the node tell the others where it is, if that has changed.
async fn announce_address(driver: &Driver, config: &NodeConfigFile) {
    if let Some(address) = config.own_address() {
        driver.announce_address(address).await;
    }
}

fn announce(driver: &Driver, dns: Option<&DnsService>) {
    let view = driver.view();
    let status = &view.status;
    tracing::info!(
        target: AUDIT,
        name = status.name,
        key = %status.node,
        network = status.network,
        genesis = %status.genesis,
        height = status.height.0,
        stoq = driver.local_addr().map(|address| address.to_string()).unwrap_or_default(),
        dns = dns.map(|dns| dns.address().to_string()).unwrap_or_default(),
        "running"
    );
}

fn failure(error: impl std::fmt::Display) -> Failure {
    Failure::new(Exit::Failed, error)
}
