//! Other programs: found, started, asked, and ended.

use crate::Options;
use hypermesh_benches::Run;
use serde::Deserialize;
use std::net::{Ipv6Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A program gets this long to take connections.
const STARTS_WITHIN: Duration = Duration::from_secs(20);

/// What is needed of other programs, and where they put their files.
pub(super) struct Tools {
    pub(super) folder: tempfile::TempDir,
    peers: Option<PathBuf>,
    ports: u16,
}

impl Tools {
    pub(super) fn new(options: &Options) -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        // The mesh has the ports above the base; 300 higher there is nothing of its.
        Ok(Self { folder, peers: options.peers.clone(), ports: options.base_port + 300 })
    }

    /// A port for one of the programs, by its number.
    pub(super) const fn port(&self, number: u16) -> u16 {
        self.ports + number
    }

    /// The program that calls peers.
    pub(super) fn peers(&self) -> Result<&Path, String> {
        self.peers.as_deref().ok_or_else(|| "the program of benches/peers was not built".into())
    }

    /// A folder for what a program and those who call it share.
    pub(super) fn folder(&self, name: &str) -> Result<PathBuf, String> {
        let folder = self.folder.path().join(name);
        std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
        Ok(folder)
    }

    /// Has the program that calls peers do so, and takes its samples.
    pub(super) async fn call(
        &self,
        target: &str,
        port: u16,
        count: usize,
        at_once: usize,
    ) -> Result<Run, String> {
        let output = tokio::process::Command::new(self.peers()?)
            .args(["call", target, "--port", &port.to_string(), "--count", &count.to_string()])
            .args(["--at-once", &at_once.to_string(), "--folder"])
            .arg(self.folder(target)?)
            .kill_on_drop(true)
            .output()
            .await
            .map_err(|error| error.to_string())?;
        if !output.status.success() {
            return Err(format!("{target}: {}", String::from_utf8_lossy(&output.stderr).trim()));
        }
        let samples: Samples = serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())?;
        let times = samples.times_us.into_iter().map(Duration::from_micros).collect();
        Ok(Run::new(times, Duration::from_micros(samples.wall_us)))
    }
}

#[derive(Deserialize)]
struct Samples {
    times_us: Vec<u64>,
    wall_us: u64,
}

/// Where a program is, if it is on this machine.
pub(super) fn find(program: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    // Servers of the system's are not in everybody's path.
    let folders = std::env::split_paths(&folders).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    folders.map(|folder| folder.join(program)).find(|path| path.is_file())
}

/// A program that runs until this is dropped.
pub(super) struct Running(Child);

impl Running {
    /// Starts it; what it says goes to a file.
    pub(super) fn start(command: &mut Command, log: &Path) -> Result<Self, String> {
        let failed = |error: std::io::Error| format!("{:?}: {error}", command.get_program());
        let log = std::fs::File::create(log).map_err(failed)?;
        let errors = log.try_clone().map_err(|error| error.to_string())?;
        // A program that serves until its input ends, ends with this one.
        let child = command.stdin(Stdio::piped()).stdout(log).stderr(errors).spawn();
        child.map(Self).map_err(|error| format!("{:?}: {error}", command.get_program()))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _gone = self.0.kill();
        let _status = self.0.wait();
    }
}

/// Waits until something takes connections of TCP there.
pub(super) async fn listens(address: SocketAddr) -> Result<(), String> {
    let end = Instant::now() + STARTS_WITHIN;
    while TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_err() {
        if Instant::now() > end {
            return Err(format!("nothing listens at {address} after {STARTS_WITHIN:?}"));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// A port of this machine's, over IPv6.
pub(super) const fn local(port: u16) -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V6(Ipv6Addr::LOCALHOST), port)
}
