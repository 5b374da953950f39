//! The mesh of real processes that a newcomer starts: it comes up, runs a command, notices the loss and the
//! return of a node, stops cleanly, and resumes with everything it had.
#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

use rustix::process::{Pid, Signal, kill_process};
use std::net::{Ipv6Addr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};
use tokio::time::timeout;

/// Plots and key generation on a busy machine, without optimisation.
const PATIENCE: Duration = Duration::from_secs(180);

/// A base port above which everything is free that a devnet of four needs.
fn free_base_port() -> u16 {
    let is_free = |port: &u16| {
        UdpSocket::bind((Ipv6Addr::LOCALHOST, *port)).is_ok()
            && TcpListener::bind((Ipv6Addr::LOCALHOST, *port)).is_ok()
    };
    let ports = |base: u16| (1..=4).flat_map(move |number| [base + number, base + 100 + number]);
    let first = 20_000 + u16::try_from(std::process::id() % 40_000).unwrap();
    (first..65_000).step_by(8).find(|base| ports(*base).all(|port| is_free(&port))).unwrap()
}

fn hypermesh() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hypermesh"));
    command.env_remove("HYPERMESH_CONTEXT").stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// A process whose standard error is read line by line.
struct Talking {
    process: Child,
    lines: Lines<BufReader<ChildStderr>>,
}

impl Talking {
    fn start(command: &mut Command) -> Self {
        let mut process = command.stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(process.stderr.take().unwrap()).lines();
        Self { process, lines }
    }

    async fn says(&mut self, expected: &str) -> String {
        let mut said = String::new();
        let found = timeout(PATIENCE, async {
            while let Some(line) = self.lines.next_line().await.unwrap() {
                if line.contains(expected) {
                    return Some(line);
                }
                said.push_str(&line);
                said.push('\n');
            }
            None
        });
        let found = found.await.unwrap_or_default();
        found.unwrap_or_else(|| panic!("{expected:?} was not said, but\n{said}"))
    }

    fn signal(&self, signal: Signal) {
        kill(self.process.id().unwrap(), signal);
    }

    async fn ends(mut self) -> Option<i32> {
        timeout(PATIENCE, self.process.wait()).await.unwrap().unwrap().code()
    }
}

fn kill(process: u32, signal: Signal) {
    kill_process(Pid::from_raw(i32::try_from(process).unwrap()).unwrap(), signal).unwrap();
}

fn process_of(node: &Path) -> u32 {
    std::fs::read_to_string(node.join("node.pid")).unwrap().trim().parse().unwrap()
}

/// What every node says of itself.
async fn statuses(folder: &Path, base_port: u16, more: &str) -> (Option<i32>, Vec<serde_json::Value>) {
    let script = format!("hypermesh --json node status && {more}");
    let mut command = hypermesh();
    command.args(["devnet", "--base-port", &base_port.to_string(), "--data-dir"]).arg(folder);
    let output = command.args(["--", "sh", "-c", &script]).output();
    let output = timeout(PATIENCE, output).await.unwrap().unwrap();
    let reports = serde_json::from_slice(&output.stdout);
    let reports: Vec<serde_json::Value> =
        reports.unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    (output.status.code(), reports)
}

fn field(reports: &[serde_json::Value], name: &str) -> Vec<serde_json::Value> {
    reports.iter().map(|report| report["status"][name].clone()).collect()
}

#[tokio::test]
async fn a_mesh_of_processes_comes_up_survives_a_loss_and_resumes() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path().join("mesh");
    let base_port = free_base_port();

    let (code, first) = statuses(&folder, base_port, "exit 7").await;
    assert_eq!(code, Some(7), "the command's exit status is passed on");
    assert_eq!(field(&first, "ready"), vec![true; 4]);
    assert_eq!(field(&first, "connected"), vec![4; 4]);
    assert_eq!(left_behind(&folder), Vec::<PathBuf>::new(), "every node stopped cleanly");

    let mut mesh = Talking::start(hypermesh().arg("devnet").arg("--data-dir").arg(&folder));
    mesh.says("the mesh is ready").await;
    refuses_a_second_one(&folder).await;
    let node = folder.join("node-2");
    kill(process_of(&node), Signal::KILL);
    mesh.says("!!! node-2 ended: signal: 9").await;
    let mut again = Talking::start(hypermesh().args(["node", "run", "--data-dir"]).arg(&node));
    again.says("running").await;
    mesh.says("node-2 runs again").await;
    again.signal(Signal::TERM);
    assert_eq!(again.ends().await, Some(0));
    mesh.says("node-2 stopped again").await;
    mesh.signal(Signal::INT);
    assert_eq!(mesh.ends().await, Some(0));

    let (code, last) = statuses(&folder, base_port, "kill -TERM $$").await;
    assert_eq!(code, Some(128 + 15), "a signal is passed on as shells do");
    assert_eq!(field(&last, "genesis"), field(&first, "genesis"));
    let height = |reports: &[_]| field(reports, "height").iter().map(|height| height.as_u64().unwrap()).min();
    assert!(height(&last) >= height(&first), "{last:?}");
}

/// Pid files of nodes that did not stop by themselves.
fn left_behind(folder: &Path) -> Vec<PathBuf> {
    let nodes = (1..=4).map(|number| folder.join(format!("node-{number}")).join("node.pid"));
    nodes.filter(|path| path.exists()).collect()
}

async fn refuses_a_second_one(folder: &Path) {
    let second = hypermesh().arg("devnet").arg("--data-dir").arg(folder).output().await.unwrap();
    let error = String::from_utf8(second.stderr).unwrap();
    assert_eq!(second.status.code(), Some(1));
    assert!(error.contains("is in use by another hypermesh (process "), "{error}");
    let node = folder.join("node-3");
    let second = hypermesh().args(["node", "run", "--data-dir"]).arg(&node).output().await.unwrap();
    let error = String::from_utf8(second.stderr).unwrap();
    assert!(error.contains(&format!("process {}", process_of(&node))), "{error}");
}
