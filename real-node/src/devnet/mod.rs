//! A whole mesh on one machine, of real processes: `hypermesh devnet`.
//!
//! Each validator is a process of this same program, `node run`, in a folder of its own; they find each other
//! on `[::1]`. The devnet makes their folders, starts them, shows how they are and stops them. It never starts
//! one again by itself: who kills a node wants to see what the others do without it, and
//! `hypermesh node run --data-dir …/node-N` brings it back.
//!
//! | address | what |
//! |---|---|
//! | `[::1]`, port base + N | STOQ of `node-N`, UDP |
//! | `[::1]`, port base + 100 + N | plain DNS of `node-N`, UDP and TCP |

mod children;
mod command;
mod folder;
mod live;
mod ports;
mod prepare;
mod signals;
mod watch;

pub use command::DNS_VARIABLE;
pub use folder::{DevnetFolder, VALIDATORS_DEFAULT};

use crate::client::shell_word;
use crate::context::CONTEXT_VARIABLE;
use crate::data::PidFile;
use crate::failure::{Exit, Failure};
use crate::output::Output;
use children::Children;
use hypermesh_core::base::Digest;
use hypermesh_core::state::Genesis;
use live::Live;
use serde::Serialize;
use signals::Signals;
use std::ffi::OsString;
use std::net::SocketAddrV6;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use tokio::time::{Instant, sleep};
use watch::Watch;

/// How long a mesh may take until it is ready, where a command waits for it.
const READY_TIMEOUT: Duration = Duration::from_secs(180);
/// How often the nodes are asked while the mesh starts.
const START_PERIOD: Duration = Duration::from_millis(250);
/// How often they are asked from then on.
const LIVE_PERIOD: Duration = Duration::from_secs(1);

/// What a devnet says of itself when it is ready, for scripts.
#[derive(Clone, Debug, Serialize)]
struct Ready {
    context: PathBuf,
    genesis: Digest,
    stoq: Vec<SocketAddrV6>,
    dns: Vec<SocketAddrV6>,
}

/// A mesh whose processes were started.
struct Mesh<'a> {
    folder: &'a DevnetFolder,
    children: Children,
    watch: Watch,
    live: Live,
}

/// Starts a mesh and shows it until it is stopped; or runs a command against it, takes it down, and passes
/// the command's exit status on.
///
/// # Errors
/// If the mesh cannot be started.
pub fn run(folder: &DevnetFolder, command: &[OsString], output: Output) -> Result<ExitCode, Failure> {
    // Nothing is left behind that would hold the next start to ports that are not free.
    if !folder.is_fixed() {
        ports::check(folder)?;
    }
    folder.create()?;
    let _mark = PidFile::create(&folder.pid())?;
    ports::check(folder)?;
    folder.fix()?;
    let genesis = prepare::prepare(folder, output)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Failed, format!("cannot start a runtime: {error}")))?;
    runtime.block_on(async {
        let mut signals = Signals::new()?;
        let mut mesh = Mesh {
            folder,
            watch: Watch::new(folder, &genesis)?,
            live: Live::new(folder, output),
            children: Children::default(),
        };
        let outcome = mesh.lead(&genesis, command, output, &mut signals).await;
        mesh.live.tell("stopping the nodes");
        mesh.stop(&mut signals).await;
        outcome
    })
}

impl Mesh<'_> {
    async fn lead(
        &mut self,
        genesis: &Genesis,
        command: &[OsString],
        output: Output,
        signals: &mut Signals,
    ) -> Result<ExitCode, Failure> {
        self.children = Children::start(self.folder)?;
        let patient = command.is_empty();
        let ready = tokio::select! {
            biased;
            stopped = signals.next() => Err(stopped),
            ready = self.wait_until_ready(patient) => Ok(ready),
        };
        match (ready, patient) {
            (Ok(ready), _) => ready?,
            (Err(_), true) => return Ok(ExitCode::SUCCESS),
            (Err(stopped), false) => return Ok(stopped.exit_code()),
        }
        self.live.tell(&self.usage(genesis, command));
        if !patient {
            return self.run_command(command, signals).await;
        }
        if output.json {
            output.print(&self.ready(genesis), |_| String::new())?;
        }
        tokio::select! {
            biased;
            _ = signals.next() => Ok(ExitCode::SUCCESS),
            never = self.show() => never,
        }
    }

    /// Waits until every node says that it is ready. If a command waits too (not `patient`), a node that
    /// ends, or that takes too long, is a failure.
    async fn wait_until_ready(&mut self, patient: bool) -> Result<(), Failure> {
        let end = Instant::now() + READY_TIMEOUT;
        loop {
            let dead = self.notice_the_dead();
            if let (false, Some(reason)) = (patient, dead) {
                return Err(Failure::new(Exit::Failed, reason));
            }
            let nodes = self.watch.look().await;
            let Some(waiting) = nodes.waiting_for() else {
                self.live.ready();
                return Ok(());
            };
            if !patient && Instant::now() > end {
                let message = format!("not ready within {} s: {waiting}", READY_TIMEOUT.as_secs());
                return Err(Failure::new(Exit::Unreachable, message));
            }
            self.live.waiting(&waiting);
            sleep(START_PERIOD).await;
        }
    }

    /// Shows how the nodes are, until this future is dropped.
    async fn show(&mut self) -> Result<ExitCode, Failure> {
        loop {
            self.notice_the_dead();
            let nodes = self.watch.look().await;
            for returned in self.children.returned(&nodes) {
                self.live.tell(&returned);
            }
            self.live.show(&nodes);
            sleep(LIVE_PERIOD).await;
        }
    }

    async fn run_command(
        &mut self,
        command: &[OsString],
        signals: &mut Signals,
    ) -> Result<ExitCode, Failure> {
        let mut running = command::start(self.folder, command)?;
        loop {
            tokio::select! {
                biased;
                ended = running.wait() => {
                    let failed = |error| Failure::new(Exit::Failed, format!("waiting for the command: {error}"));
                    return Ok(command::exit_code(ended.map_err(failed)?));
                }
                stopped = signals.next() => command::pass_on(&running, stopped),
                () = sleep(LIVE_PERIOD) => drop(self.notice_the_dead()),
            }
        }
    }

    /// Tells of nodes that have ended since the last time; what was told last.
    fn notice_the_dead(&mut self) -> Option<String> {
        let obituaries = self.children.ended();
        for obituary in &obituaries {
            self.live.tell(obituary);
        }
        obituaries.into_iter().last()
    }

    async fn stop(self, signals: &mut Signals) {
        for left_alone in self.children.stop(signals).await {
            self.live.tell(&left_alone);
        }
        self.live.end();
        self.watch.close().await;
    }

    fn ready(&self, genesis: &Genesis) -> Ready {
        Ready {
            context: self.folder.context(),
            genesis: genesis.hash(),
            stoq: self.folder.numbers().map(|number| self.folder.stoq(number)).collect(),
            dns: self.folder.numbers().map(|number| self.folder.dns(number)).collect(),
        }
    }

    /// What to type now: where the mesh was started, or in the command that it was started for, which has the variables.
    fn usage(&self, genesis: &Genesis, command: &[OsString]) -> String {
        let (first, last) = (self.folder.dns(1).port(), self.folder.dns(self.folder.validators()).port());
        let (stops, given) = match command.first() {
            Some(program) => (
                format!("it stops when {} ends", program.to_string_lossy()),
                ", which has both of these variables",
            ),
            None => ("Ctrl-C stops it".to_owned(), ""),
        };
        format!(
            "the mesh is ready: {} validators, zone {}; {stops}{given}. In another terminal:\n  \
             export {CONTEXT_VARIABLE}={} {DNS_VARIABLE}='{}'\nTo begin with:\n  \
             hypermesh cert issue web.demo.hypermesh --out web/\n  \
             dig ${DNS_VARIABLE} web.demo.hypermesh AAAA     (DNS at ports {first} to {last})",
            self.folder.validators(),
            genesis.zone,
            shell_word(&self.folder.context()),
            command::dig_words(self.folder.dns(1)),
        )
    }
}
