//! The nodes' processes.

use super::DevnetFolder;
use super::signals::Signals;
use super::watch::Nodes;
use crate::data::NodeFolder;
use crate::failure::{Exit, Failure};
use rustix::process::{Pid, Signal, kill_process};
use std::fmt::Display;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::process::{Child, Command};

/// How long a node has to stop cleanly before it is killed: longer than it gives itself.
const STOP_TIMEOUT: Duration = Duration::from_secs(12);
/// How much of a log is shown when its node ends.
const LOG_LINES_SHOWN: usize = 5;
const LOG_BYTES_READ_MAX: u64 = 4096;

/// The processes of all nodes.
#[derive(Default)]
pub(super) struct Children {
    nodes: Vec<NodeProcess>,
}

struct NodeProcess {
    name: String,
    folder: NodeFolder,
    process: Child,
    /// It has ended, and that was told.
    ended: bool,
    /// Someone else started it again, and that was told.
    returned: bool,
}

impl Children {
    /// Starts every node. If one cannot be started, those before it are killed.
    pub(super) fn start(folder: &DevnetFolder) -> Result<Self, Failure> {
        let mut children = Self::default();
        for number in folder.numbers() {
            let (name, node) = (folder.name(number), folder.node(number));
            let process = spawn(&node)
                .map_err(|error| Failure::new(Exit::Failed, format!("cannot start {name}: {error}")))?;
            let child = NodeProcess { name, folder: node, process, ended: false, returned: false };
            children.nodes.push(child);
        }
        Ok(children)
    }

    /// What there is to tell of nodes that have ended since the last time.
    pub(super) fn ended(&mut self) -> Vec<String> {
        self.nodes.iter_mut().filter_map(NodeProcess::obituary).collect()
    }

    /// What there is to tell of nodes that had ended and answer again.
    pub(super) fn returned(&mut self, nodes: &Nodes) -> Vec<String> {
        let mut reports = Vec::new();
        for (child, node) in self.nodes.iter_mut().zip(nodes.iter()) {
            let answers = node.status.is_some();
            if child.ended && answers != child.returned {
                child.returned = answers;
                reports.push(match (answers, child.folder.process()) {
                    (true, Some(process)) => format!("{} runs again (process {process})", child.name),
                    (true, None) => format!("{} runs again", child.name),
                    (false, _) => format!("{} stopped again", child.name),
                });
            }
        }
        reports
    }

    /// Stops the nodes: asks them to, waits, and kills those that do not, or all at the next signal. Nodes
    /// that someone else has started go on; what there is to tell of them.
    pub(super) async fn stop(mut self, signals: &mut Signals) -> Vec<String> {
        for child in &self.nodes {
            child.signal(Signal::TERM);
        }
        let all_ended = async {
            for child in &mut self.nodes {
                // An error says that there is no such process any more.
                drop(child.process.wait().await);
            }
        };
        tokio::select! {
            biased;
            () = all_ended => {}
            _ = signals.next() => {}
            () = tokio::time::sleep(STOP_TIMEOUT) => {}
        }
        for child in &mut self.nodes {
            // One that has ended cannot be killed, which is as well.
            drop(child.process.kill().await);
        }
        let left_alone = self.nodes.iter().filter(|child| child.returned);
        left_alone
            .map(|child| {
                let process =
                    child.folder.process().map_or_else(String::new, |pid| format!(" (process {pid})"));
                format!("{} was not started by this devnet{process} and continues to run", child.name)
            })
            .collect()
    }
}

impl NodeProcess {
    fn signal(&self, signal: Signal) {
        let pid = self.process.id().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
        // It has no number once it has ended.
        if let Some(pid) = pid {
            kill_process(pid, signal).unwrap_or_default();
        }
    }

    fn obituary(&mut self) -> Option<String> {
        if self.ended {
            return None;
        }
        let status = self.process.try_wait().ok().flatten()?;
        self.ended = true;
        Some(self.describe_end(status))
    }

    fn describe_end(&self, status: ExitStatus) -> String {
        let (name, folder) = (&self.name, self.folder.path().display());
        let last = last_lines(&self.folder);
        format!(
            "!!! {name} ended: {status}. Its log, {}, ends with\n{last}\n!!! `hypermesh node run --data-dir {folder}` \
             starts it again",
            self.folder.log().display()
        )
    }
}

fn spawn(node: &NodeFolder) -> Result<Child, String> {
    let text = |error: &dyn Display| error.to_string();
    let program = std::env::current_exe().map_err(|error| text(&error))?;
    let log = OpenOptions::new().create(true).append(true).open(node.log()).map_err(|error| text(&error))?;
    let errors = log.try_clone().map_err(|error| text(&error))?;
    let mut command = Command::new(program);
    command
        .args(["node", "run", "--with-parent", "--data-dir"])
        .arg(node.path())
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors)
        // Ctrl-C is for the devnet, which then stops its nodes in order.
        .process_group(0)
        .kill_on_drop(true);
    command.spawn().map_err(|error| text(&error))
}

/// The last lines of a node's log.
fn last_lines(node: &NodeFolder) -> String {
    let read = || {
        let mut file = File::open(node.log())?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(LOG_BYTES_READ_MAX)))?;
        let mut bytes = Vec::new();
        file.take(LOG_BYTES_READ_MAX).read_to_end(&mut bytes)?;
        Ok::<_, std::io::Error>(bytes)
    };
    let bytes = read().unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<_> = text.lines().collect();
    let shown = lines.get(lines.len().saturating_sub(LOG_LINES_SHOWN)..).unwrap_or_default();
    shown.iter().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}
