//! What a node tells the service manager that started it, read from a socket as systemd has one.
#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

use rustix::process::{Pid, Signal, kill_process};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long anything may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often the service manager wants a sign of life.
const WATCHDOG: Duration = Duration::from_millis(600);

static PORTS: std::sync::atomic::AtomicU16 = std::sync::atomic::AtomicU16::new(0);

/// Ends the node with the test.
struct Node(Child);

impl Drop for Node {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl Node {
    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_raw(i32::try_from(self.0.id()).unwrap()).unwrap(), signal).unwrap();
    }
}

fn hypermesh(folder: &Path, arguments: &[&str]) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hypermesh"));
    let output = command.current_dir(folder).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Four nodes and their genesis, of which one will run: it is alive, and decides nothing.
fn make(folder: &Path) {
    // Each test of this file has ports of its own.
    let taken = PORTS.fetch_add(10, std::sync::atomic::Ordering::Relaxed);
    let base = 20_000 + taken + u16::try_from(std::process::id() % 40_000).unwrap();
    for number in 1..=4 {
        let (name, listen) = (format!("node-{number}"), format!("[::1]:{}", base + number));
        let mesh = ["--profile", "sim", "--network", "demo", "--name", &name, "--data-dir", &name];
        hypermesh(folder, &[&["node", "init", "--listen", &listen], &mesh[..]].concat());
    }
    let mesh = ["--network", "demo", "--zone", "mesh", "--profile", "sim", "--out", "node-1/genesis.json"];
    let files = ["1", "2", "3", "4"].map(|number| format!("node-{number}/validator.json"));
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    hypermesh(folder, &[&["genesis", "new"], &mesh[..], &files[..]].concat());
}

/// Waits until a message has this line.
#[track_caller]
fn told(socket: &UnixDatagram, expected: &str) -> String {
    let (end, mut said) = (Instant::now() + PATIENCE, Vec::new());
    let mut buffer = [0; 4096];
    while Instant::now() < end {
        let Ok(bytes) = socket.recv(&mut buffer) else { continue };
        let message = String::from_utf8(buffer[..bytes].to_vec()).unwrap();
        if message.lines().any(|line| line == expected) {
            return message;
        }
        said.push(message);
    }
    panic!("{expected:?} was not told, but {said:?}");
}

/// Runs node-1 as a service manager does.
fn start(folder: &Path) -> Node {
    let node = Command::new(env!("CARGO_BIN_EXE_hypermesh"))
        .current_dir(folder)
        .args(["node", "run", "--data-dir", "node-1"])
        .env("NOTIFY_SOCKET", folder.join("notify"))
        .env("WATCHDOG_USEC", WATCHDOG.as_micros().to_string())
        .stderr(Stdio::null())
        .spawn();
    Node(node.unwrap())
}

fn socket(folder: &Path) -> UnixDatagram {
    let socket = UnixDatagram::bind(folder.join("notify")).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    socket
}

#[test]
fn a_node_whose_start_takes_long_asks_for_more_time_and_says_what_it_does() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path();
    make(folder);
    // Its genesis comes from a pipe, and the start waits for it.
    let path = folder.join("node-1/genesis.json");
    let genesis = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    let socket = socket(folder);
    let mut node = start(folder);
    let asked = told(&socket, "EXTEND_TIMEOUT_USEC=60000000");
    assert!(asked.contains("STATUS=reading genesis ("), "{asked}");
    std::fs::write(&path, genesis).unwrap();
    told(&socket, "READY=1");
    node.signal(Signal::TERM);
    told(&socket, "STOPPING=1");
    assert!(node.0.wait().unwrap().success());
}

#[test]
fn a_node_tells_that_it_started_how_it_is_that_it_lives_and_that_it_stops() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path();
    make(folder);
    let socket = socket(folder);
    let mut node = start(folder);

    let started = told(&socket, "READY=1");
    assert!(started.contains("STATUS=height 0, 1 of 4 validators, not ready: quorum: "), "{started}");
    for _ in 0..4 {
        told(&socket, "WATCHDOG=1");
    }
    // Stopped as a whole, it is as silent as one that is stuck; what it had said before is read first.
    node.signal(Signal::STOP);
    let mut buffer = [0; 4096];
    while socket.recv(&mut buffer).is_ok() {}
    let mut silence = Instant::now();
    let end = Instant::now() + PATIENCE;
    while silence.elapsed() < 2 * WATCHDOG {
        assert!(Instant::now() < end, "a process that stands still is not silent");
        if socket.recv(&mut buffer).is_ok() {
            silence = Instant::now();
        }
    }
    node.signal(Signal::CONT);
    told(&socket, "WATCHDOG=1");
    node.signal(Signal::TERM);
    told(&socket, "STOPPING=1");
    assert!(node.0.wait().unwrap().success());
}
