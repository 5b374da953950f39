//! One host, and what is done on it.

use super::Init;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How a host begins.
const BEGIN: &str = include_str!("begin.sh");
/// How long a host may take to begin.
const BEGIN_TIMEOUT: Duration = Duration::from_secs(60);
/// How often a condition is looked at.
const LOOK_PERIOD: Duration = Duration::from_millis(100);
/// What the folders of hosts, and with them their control groups, are called.
const FOLDER_PREFIX: &str = "hypermesh-host-";
/// Where the control groups of version 2 are, on a machine that has only those and on one that has both.
const CONTROL_GROUPS: [&str; 2] = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];
/// The home of whoever works on a host, of its own.
pub const HOME: &str = "/root";
/// What commands on a host find in their environment.
const ENVIRONMENT: [&str; 3] =
    ["PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8"];

/// A process that holds namespaces. It ends with the thread that made it, at the latest.
pub(super) struct Held {
    holder: Child,
    /// The process that is in them.
    inner: u32,
}

impl Held {
    /// Runs a command in its network, with this machine's files and processes.
    pub(super) fn run(&self, script: &str) {
        let target = self.inner.to_string();
        let command = ["--target", &target, "--net", "sh", "-ec", script];
        let output = Command::new("nsenter").args(command).output().expect("nsenter is there");
        assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // It may have ended by itself. Waiting for it makes sure that its namespaces are gone.
        drop(self.holder.kill());
        drop(self.holder.wait());
    }
}

/// A switch: a network that nothing else is in.
pub(super) fn switch() -> Held {
    let mut holder = held(&["--net", "sleep", "infinity"], &[]);
    let inner = holder.id();
    let network = |process: &str| fs::read_link(format!("/proc/{process}/ns/net")).ok();
    wait(&mut holder, "the switch", || network(&inner.to_string()) != network("self"));
    Held { holder, inner }
}

fn held(unshare: &[&str], arguments: &[&str]) -> Child {
    let begin = ["--pdeathsig", "KILL", "unshare"];
    let mut command = Command::new("setpriv");
    command.args(begin).args(unshare).args(arguments).stdin(Stdio::null()).stdout(Stdio::null());
    command.spawn().expect("setpriv is there")
}

fn wait(holder: &mut Child, what: &str, until: impl Fn() -> bool) {
    let end = Instant::now() + BEGIN_TIMEOUT;
    while !until() {
        let ended = holder.try_wait().expect("a child can be asked for");
        assert!(ended.is_none() && Instant::now() < end, "{what} did not begin: {ended:?}");
        std::thread::sleep(LOOK_PERIOD);
    }
}

/// A host.
pub struct Host {
    name: String,
    init: Init,
    held: Held,
    /// Where its file system is put together. What is in it, only the host sees.
    _folder: TempDir,
}

impl Host {
    pub(super) fn start(name: &str, init: Init, files: &[(&Path, &str)]) -> Self {
        let folder = tempfile::Builder::new().prefix(FOLDER_PREFIX).tempdir().expect("a folder can be made");
        let text = |path: &Path| path.to_str().expect("paths of tests are text").to_owned();
        let init_name = if init == Init::Systemd { "systemd" } else { "plain" };
        let mut arguments = vec![text(folder.path()), name.to_owned(), init_name.to_owned()];
        for (here, there) in files {
            arguments.extend([text(here), (*there).to_owned()]);
        }
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let namespaces = ["--mount", "--net", "--uts", "--ipc", "--pid", "--fork", "--kill-child"];
        let mut holder = held(&[&namespaces[..], &["sh", "-c", BEGIN, "begin"]].concat(), &arguments);
        let children = format!("/proc/{0}/task/{0}/children", holder.id());
        let child = || fs::read_to_string(&children).ok()?.split_whitespace().next()?.parse().ok();
        wait(&mut holder, name, || child().is_some());
        let inner = child().expect("it was there a moment ago");
        Self { name: name.to_owned(), init, held: Held { holder, inner }, _folder: folder }
    }

    pub(super) fn wait_until_up(&self) {
        let up = match self.init {
            Init::Plain => "test -e /run/up",
            Init::Systemd => "systemctl is-system-running | grep -Eq 'running|degraded'",
        };
        self.until(BEGIN_TIMEOUT, up);
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its first process, as this machine counts.
    pub(super) const fn process(&self) -> u32 {
        self.held.inner
    }

    /// Changes its network from outside.
    pub(super) fn network(&self, script: &str) {
        self.held.run(script);
    }

    /// A shell on the host, at [`HOME`], that ends at the first command that fails.
    #[must_use]
    pub fn shell(&self, script: &str) -> Command {
        let target = self.held.inner.to_string();
        let mut command = Command::new("nsenter");
        command.args(["--target", &target, "--mount", "--net", "--uts", "--ipc", "--pid", "--root", "--wd"]);
        command.args(["env", "-i"]).args(ENVIRONMENT);
        command.args(["bash", "-euo", "pipefail", "-c", &format!("cd {HOME}\n{script}")]);
        command.stdin(Stdio::null());
        command
    }

    /// Runs a script, and gives its exit code and both its outputs.
    ///
    /// # Panics
    /// If no shell can be started on the host.
    #[must_use]
    pub fn run(&self, script: &str) -> (i32, String, String) {
        let Output { status, stdout, stderr } = self.shell(script).output().expect("nsenter is there");
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        (status.code().unwrap_or(-1), text(stdout), text(stderr))
    }

    /// Runs a script, which has to succeed, and gives its standard output.
    ///
    /// # Panics
    /// If it fails.
    #[track_caller]
    pub fn succeed(&self, script: &str) -> String {
        let (code, stdout, stderr) = self.run(script);
        assert_eq!(code, 0, "on {}:\n{script}\n-- said:\n{stdout}{stderr}", self.name);
        stdout
    }

    /// Runs a script again and again until it succeeds, and gives its standard output.
    ///
    /// # Panics
    /// If it takes longer than that.
    #[track_caller]
    pub fn until(&self, patience: Duration, script: &str) -> String {
        let end = Instant::now() + patience;
        loop {
            let (code, stdout, stderr) = self.run(script);
            if code == 0 {
                return stdout;
            }
            let name = &self.name;
            assert!(
                Instant::now() < end,
                "on {name}, not within {patience:?}:\n{script}\n-- said last:\n{stdout}{stderr}"
            );
            std::thread::sleep(LOOK_PERIOD);
        }
    }
}

/// Takes away the control groups of hosts whose folders are gone. Those of a host that is
/// there are not touched, even where they are empty: its systemd has just made them.
pub(super) fn clear_control_groups() {
    for entry in CONTROL_GROUPS.iter().filter_map(|path| fs::read_dir(path).ok()).flatten().flatten() {
        let name = entry.file_name();
        let gone = !std::env::temp_dir().join(&name).exists();
        if gone && name.to_string_lossy().starts_with(FOLDER_PREFIX) {
            clear(&entry.path());
        }
    }
}

/// One that is in use stays: the kernel refuses.
fn clear(group: &Path) {
    for entry in fs::read_dir(group).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            clear(&entry.path());
        }
    }
    drop(fs::remove_dir(group));
}
