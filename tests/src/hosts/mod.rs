//! Hosts of their own on this machine, on one network: for trying what several hosts do, as operators would.
//!
//! A host is a set of namespaces (network, mounts, processes, names, control groups). Its file system is this
//! machine's as it was, with changes of its own; its network is one cable to a switch that all share. With
//! [`Init::Systemd`] a real systemd is its first process. All of it is held by processes that the kernel ends
//! with the thread that made them, and ends with those: however a test ends, nothing is left but empty
//! control groups, which the next one takes away.
//!
//! It needs root, Linux, iproute2 and util-linux. Where they are missing, [`Network::start`] says so, and
//! fails where the environment says `CI`.

mod host;

pub use host::{HOME, Host};

use std::net::Ipv6Addr;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};

/// A host's first process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Init {
    /// A shell that waits.
    Plain,
    /// systemd, as on a machine.
    Systemd,
}

/// Hosts on one network.
pub struct Network {
    /// The hosts, in the order in which they were named.
    pub hosts: Vec<Host>,
    switch: host::Held,
}

impl Network {
    /// Starts these hosts, the first with the address `2001:db8::1`, the next with `2001:db8::2`, and so on.
    /// Each sees the given files of this machine at the given places, first of all the program at
    /// `/usr/local/bin/hypermesh`. `None` where that is not possible, which is said.
    ///
    /// # Panics
    /// If it is not possible and the environment says `CI`, or a host does not start.
    #[must_use]
    pub fn start(names: &[&str], init: Init, files: &[(&Path, &str)]) -> Option<Self> {
        if let Err(reason) = possible(init) {
            assert!(std::env::var_os("CI").is_none(), "no hosts, where there must be: {reason}");
            eprintln!("!!! SKIPPED, NOTHING WAS TRIED: no hosts can be made here: {reason}");
            return None;
        }
        host::clear_control_groups();
        let switch = host::switch();
        switch.run("ip link add bridge type bridge mcast_snooping 0 && ip link set bridge up");
        let hosts = names.iter().map(|name| Host::start(name, init, files)).collect();
        let network = Self { hosts, switch };
        for (number, host) in (1..).zip(&network.hosts) {
            network.connect(host, address(number));
        }
        network.hosts.iter().for_each(Host::wait_until_up);
        Some(network)
    }

    /// Lays a host's cable.
    fn connect(&self, host: &Host, address: Ipv6Addr) {
        let (name, process) = (host.name(), host.process());
        self.switch.run(&format!(
            "ip link add {name} type veth peer name eth0 netns {process} && ip link set {name} master bridge up"
        ));
        host.network(&format!("ip -6 address add {address}/64 dev eth0 nodad && ip link set eth0 up"));
    }

    /// The host with this name.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn host(&self, name: &str) -> &Host {
        self.hosts.iter().find(|host| host.name() == name).expect("it is one of those that were started")
    }

    /// Pulls a host's cable.
    pub fn link_down(&self, name: &str) {
        self.switch.run(&format!("ip link set {name} down"));
    }

    /// Puts a host's cable back.
    pub fn link_up(&self, name: &str) {
        self.switch.run(&format!("ip link set {name} up"));
    }

    /// Gives a host one more address, with its prefix's length.
    pub fn add_address(&self, name: &str, address: &str) {
        self.host(name).network(&format!("ip address add {address} dev eth0"));
    }

    /// Takes a host's address away and gives it another.
    pub fn readdress(&self, name: &str, old: Ipv6Addr, new: Ipv6Addr) {
        self.host(name).network(&format!(
            "ip -6 address del {old}/64 dev eth0 && ip -6 address add {new}/64 dev eth0 nodad"
        ));
    }
}

/// The address of the host with this number.
#[must_use]
pub const fn address(number: u16) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, number)
}

fn possible(init: Init) -> Result<(), String> {
    let root = std::fs::metadata("/proc/self").is_ok_and(|status| status.uid() == 0);
    if !root {
        return Err("that needs root".into());
    }
    if init == Init::Systemd && !Path::new("/lib/systemd/systemd").exists() {
        return Err("there is no systemd: install the package systemd".into());
    }
    for (program, package) in [("ip", "iproute2"), ("nsenter", "util-linux"), ("setpriv", "util-linux")] {
        let found = Command::new(program).arg("-V").stdout(Stdio::null()).stderr(Stdio::null()).status();
        found.map_err(|error| format!("{program}: {error}: install the package {package}"))?;
    }
    let namespaces = Command::new("unshare").args(["--net", "--mount", "--pid", "--fork", "true"]).output();
    match namespaces {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Err(format!("unshare: {error}: install the package util-linux")),
    }
}
