//! A mesh of four processes of the shipped program on `[::1]`, which a test may kill.
//!
//! The nodes are made as an operator makes them, with the smallest plots, and run `node run` in folders of
//! their own. They share nothing with the test but the loopback and the disk.

use crate::{call, client, wall};
use hypermesh::context::{Bootstrap, Context};
use hypermesh::data::NodeFolder;
use hypermesh::genesis_file::{GenesisPlan, ValidatorFile, write_genesis};
use hypermesh::init_node::initialise;
use hypermesh::node_config::NodeConfigFile;
use hypermesh::roles::Roles;
use hypermesh_core::api::{NodeStatus, StatusRequest};
use hypermesh_core::base::{MicroCaesar, Profile, SecretKey};
use hypermesh_core::state::{Genesis, GenesisAccount, GenesisName};
use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::net::{Ipv6Addr, SocketAddrV6, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use stoq::{Client, Expect, Peer};
use tempfile::TempDir;

/// How many nodes there are.
pub const NODES: usize = 4;
/// How long anything may take that a healthy mesh does in moments, on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(90);
/// What the owner has at first.
pub const OWNERS_BALANCE: MicroCaesar = MicroCaesar(1_000_000 * MicroCaesar::ONE.0);
const OWNERS_SEED: [u8; 32] = [0x0a; 32];
/// Who asks the nodes how they are.
const ASKERS_SEED: [u8; 32] = [0xa5; 32];
/// How often is looked whether something has happened.
const LOOK_PERIOD: Duration = Duration::from_millis(20);

/// Four processes.
pub struct ProcessMesh {
    folder: TempDir,
    program: PathBuf,
    genesis: Genesis,
    owner: SecretKey,
    nodes: Vec<NodeProcess>,
    asking: Client,
}

struct NodeProcess {
    folder: NodeFolder,
    peer: Peer,
    dns: SocketAddrV6,
    process: Option<Child>,
}

impl ProcessMesh {
    /// Makes four nodes and what they agree on; `program` is to run them. Must be called from within a tokio
    /// runtime.
    ///
    /// # Panics
    /// If the disk or the loopback does not allow it.
    #[must_use]
    pub fn new(program: &str) -> Self {
        Self::made(program, &[const { None }; NODES])
    }

    /// As [`Self::new`], of nodes that expose these services, with commas between them.
    ///
    /// # Panics
    /// If one is no service, and as [`Self::new`].
    #[must_use]
    pub fn with_roles(program: &str, roles: [&str; NODES]) -> Self {
        Self::made(program, &roles.map(|roles| Some(roles.parse().expect("names of services"))))
    }

    fn made(program: &str, roles: &[Option<Roles>; NODES]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let ports = free_ports(2 * NODES);
        let (stoq, dns) = ports.split_at(NODES);
        let mut files = Vec::new();
        for (number, ((listen, dns), roles)) in (1..).zip(stoq.iter().zip(dns).zip(roles)) {
            files.push(make(folder.path(), number, *listen, *dns, roles.clone().unwrap_or_default()));
        }
        let owner = SecretKey::from_seed(OWNERS_SEED);
        let genesis = plan(files.clone(), &owner).build().expect("the nodes make a genesis");
        write_genesis(&folder.path().join("genesis.json"), &genesis).expect("the disk has room");
        let node = |(file, dns): (&ValidatorFile, &SocketAddrV6)| NodeProcess {
            folder: NodeFolder::new(folder.path().join(&file.name)),
            peer: Peer { addr: file.address, expect: Expect::Key(file.key) },
            dns: *dns,
            process: None,
        };
        let nodes = files.iter().zip(dns).map(node).collect();
        write_context(folder.path(), &files, &genesis, &owner);
        let asking = client(SecretKey::from_seed(ASKERS_SEED));
        Self { program: program.into(), genesis, owner, nodes, asking, folder }
    }

    /// Four nodes that run and can issue.
    ///
    /// # Panics
    /// If they cannot be made or started.
    pub async fn started(program: &str) -> Self {
        let mut mesh = Self::new(program);
        (0..NODES).for_each(|number| mesh.start(number));
        mesh.until_all(|status| status.ready).await;
        mesh
    }

    /// Starts a node.
    ///
    /// # Panics
    /// If it runs already, or cannot be started.
    pub fn start(&mut self, number: usize) {
        let node = &mut self.nodes[number];
        assert!(node.process.is_none(), "{} runs already", node.folder.path().display());
        let log = OpenOptions::new().create(true).append(true).open(node.folder.log());
        let process = Command::new(&self.program)
            .args(["node", "run", "--with-parent", "--data-dir"])
            .arg(node.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log.expect("the log can be written"))
            .spawn();
        node.process = Some(process.expect("the program starts"));
    }

    /// Has a node that does not run listen elsewhere from its next start on.
    ///
    /// # Panics
    /// If it runs, or its configuration cannot be changed.
    pub fn move_to(&mut self, number: usize, listen: SocketAddrV6) {
        let node = &mut self.nodes[number];
        assert!(node.process.is_none(), "{} runs", node.folder.path().display());
        node.peer.addr = listen;
        self.configure(number, |config| config.listen = listen);
    }

    /// Changes a node's configuration file. One that runs hears of it by SIGHUP.
    ///
    /// # Panics
    /// If it cannot be changed.
    pub fn configure(&self, number: usize, change: impl FnOnce(&mut NodeConfigFile)) {
        let path = self.nodes[number].folder.config();
        let text = std::fs::read_to_string(&path).expect("the configuration can be read");
        let mut config = NodeConfigFile::parse(&text).expect("the configuration is right");
        change(&mut config);
        let text = config.to_toml().expect("a configuration can be written");
        std::fs::write(&path, text).expect("the disk has room");
    }

    /// Kills nodes as `kill -9` does, all at once, and waits until they are gone.
    ///
    /// # Panics
    /// If one does not run.
    pub fn kill(&mut self, numbers: &[usize]) {
        let running = |mesh: &mut Self, number: usize| mesh.nodes[number].process.take();
        let victims = numbers.iter().map(|number| running(self, *number).expect("it runs"));
        let mut victims: Vec<Child> = victims.collect();
        victims.iter_mut().for_each(|victim| victim.kill().expect("a child can be killed"));
        for mut victim in victims {
            victim.wait().expect("a child can be waited for");
        }
    }

    /// Sends a node a signal by its name, as the `kill` command does.
    ///
    /// # Panics
    /// If it does not run.
    pub fn signal(&self, number: usize, signal: &str) {
        let process = self.nodes[number].process.as_ref().expect("it runs").id();
        let sent = Command::new("kill").args([&format!("-{signal}"), &process.to_string()]).status();
        assert!(sent.expect("kill can be run").success(), "{signal} cannot be sent");
    }

    /// Waits until a node ends by itself, and tells how.
    ///
    /// # Panics
    /// If it does not run, or takes too long.
    pub async fn ended(&mut self, number: usize) -> ExitStatus {
        let end = Instant::now() + PATIENCE;
        let process = self.nodes[number].process.as_mut().expect("it runs");
        loop {
            if let Some(status) = process.try_wait().expect("a child can be waited for") {
                self.nodes[number].process = None;
                return status;
            }
            assert!(Instant::now() < end, "node-{} does not end", number + 1);
            tokio::time::sleep(LOOK_PERIOD).await;
        }
    }

    /// Waits until some words are in the log of a node, after that many bytes of it.
    ///
    /// # Panics
    /// If it does not in time.
    pub async fn wait_for_log(&self, number: usize, after: usize, words: &str) {
        let end = Instant::now() + PATIENCE;
        while !self.log(number)[after..].contains(words) {
            assert!(Instant::now() < end, "node-{} did not say {words:?}: {}", number + 1, self.log(number));
            tokio::time::sleep(LOOK_PERIOD).await;
        }
    }

    /// Stops every node with SIGTERM; each has to end well.
    ///
    /// # Panics
    /// If one does not.
    pub async fn stop(&mut self) {
        let running: Vec<usize> = (0..NODES).filter(|number| self.nodes[*number].process.is_some()).collect();
        running.iter().for_each(|number| self.signal(*number, "TERM"));
        for number in running {
            let status = self.ended(number).await;
            assert!(status.success(), "node-{} ended with {status}: {}", number + 1, self.log(number));
        }
    }

    /// What a node says of itself, if it answers.
    pub async fn status(&self, number: usize) -> Option<NodeStatus> {
        let asked = call(&self.asking, self.peer(number), &StatusRequest {});
        tokio::time::timeout(Duration::from_secs(1), asked).await.ok()?.ok()
    }

    /// Waits until a node says what is hoped for.
    ///
    /// # Panics
    /// If it does not in time.
    pub async fn until(&mut self, number: usize, hoped: impl Fn(&NodeStatus) -> bool) -> NodeStatus {
        let end = Instant::now() + PATIENCE;
        loop {
            let status = self.status(number).await;
            if let Some(status) = status.as_ref().filter(|status| hoped(status)) {
                return status.clone();
            }
            let ended = self.nodes[number].process.as_mut().and_then(|child| child.try_wait().ok().flatten());
            let late = Instant::now() > end;
            assert!(
                !late && ended.is_none(),
                "node-{} is not as hoped: {status:?}, {ended:?}; it said\n{}",
                number + 1,
                last_lines(&self.log(number))
            );
            tokio::time::sleep(LOOK_PERIOD).await;
        }
    }

    /// Waits until every node says what is hoped for.
    ///
    /// # Panics
    /// If one does not in time.
    pub async fn until_all(&mut self, hoped: impl Fn(&NodeStatus) -> bool) {
        for number in 0..NODES {
            self.until(number, &hoped).await;
        }
    }

    /// Where a node is, and who it must prove to be.
    ///
    /// # Panics
    /// If there is no such node.
    #[must_use]
    pub fn peer(&self, number: usize) -> &Peer {
        &self.nodes[number].peer
    }

    /// Where a node answers plain DNS.
    ///
    /// # Panics
    /// If there is no such node.
    #[must_use]
    pub fn dns(&self, number: usize) -> SocketAddrV6 {
        self.nodes[number].dns
    }

    /// A node's folder.
    ///
    /// # Panics
    /// If there is no such node.
    #[must_use]
    pub fn node(&self, number: usize) -> &NodeFolder {
        &self.nodes[number].folder
    }

    /// What a node has said so far, in all its lives.
    #[must_use]
    pub fn log(&self, number: usize) -> String {
        std::fs::read_to_string(self.node(number).log()).unwrap_or_default()
    }

    /// The client context: of an owner with means, who has `demo.hypermesh`.
    #[must_use]
    pub fn context(&self) -> PathBuf {
        self.folder.path().join("context.toml")
    }

    /// What the nodes agreed on.
    #[must_use]
    pub const fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// The owner's key.
    #[must_use]
    pub const fn owner(&self) -> &SecretKey {
        &self.owner
    }
}

impl Drop for ProcessMesh {
    fn drop(&mut self) {
        for process in self.nodes.iter_mut().filter_map(|node| node.process.as_mut()) {
            // One that has ended cannot be killed, which is as well.
            drop(process.kill());
            drop(process.wait());
        }
        if std::thread::panicking() {
            for number in 0..self.nodes.len() {
                eprintln!("--- node-{}\n{}", number + 1, last_lines(&self.log(number)));
            }
        }
    }
}

fn make(
    folder: &Path,
    number: usize,
    listen: SocketAddrV6,
    dns: SocketAddrV6,
    roles: Roles,
) -> ValidatorFile {
    let name = format!("node-{number}");
    let config = NodeConfigFile {
        name: name.clone(),
        network: "processes".into(),
        profile: Profile::Sim,
        listen,
        address: None,
        dns: Some(dns),
        genesis: "../genesis.json".into(),
        metrics_file: None,
        dns_limits: Default::default(),
        roles,
        peers: BTreeMap::new(),
    };
    let folder = NodeFolder::new(folder.join(name));
    initialise(&folder, &config, listen, &mut |_| ()).expect("a node can be made")
}

fn plan(validators: Vec<ValidatorFile>, owner: &SecretKey) -> GenesisPlan {
    let caesar = |amount: u64| MicroCaesar(amount * MicroCaesar::ONE.0);
    let owner = owner.public();
    GenesisPlan {
        network: "processes".into(),
        zone: "hypermesh".parse().expect("a name"),
        reverse_zones: Vec::new(),
        profile: Profile::Sim,
        time: wall(),
        validators,
        stake: caesar(10_000),
        accounts: vec![GenesisAccount { owner, balance: OWNERS_BALANCE }],
        reserve: caesar(1_000_000),
        names: vec![GenesisName { name: "demo.hypermesh".parse().expect("a name"), owner }],
        records: Vec::new(),
    }
}

fn write_context(folder: &Path, files: &[ValidatorFile], genesis: &Genesis, owner: &SecretKey) {
    let bootstrap = files.iter().map(|file| Bootstrap { address: file.address.into(), key: file.key });
    let context = Context {
        genesis: genesis.hash(),
        key_file: "owner.key".into(),
        bootstrap: bootstrap.collect(),
        dns: Vec::new(),
    };
    let seed: String = owner.seed().iter().map(|byte| format!("{byte:02x}")).collect();
    let private = hypermesh::file::Access::Private;
    let text = context.to_toml().expect("a context can be written");
    for (name, text) in [("owner.key", &seed), ("context.toml", &text)] {
        hypermesh::file::write(&folder.join(name), text.as_bytes(), private).expect("the disk has room");
    }
}

/// Ports of loopback that are free over UDP and TCP. All are held until all are known, so that no two are the same.
///
/// # Panics
/// If there are not enough.
#[must_use]
pub fn free_ports(count: usize) -> Vec<SocketAddrV6> {
    let mut held = Vec::new();
    while held.len() < count {
        let udp = UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).expect("loopback has a free port");
        let port = udp.local_addr().expect("a bound socket has an address").port();
        if let Ok(tcp) = TcpListener::bind((Ipv6Addr::LOCALHOST, port)) {
            held.push((SocketAddrV6::new(Ipv6Addr::LOCALHOST, port, 0, 0), udp, tcp));
        }
    }
    held.into_iter().map(|(address, ..)| address).collect()
}

fn last_lines(text: &str) -> String {
    const SHOWN: usize = 15;
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(SHOWN)..].join("\n")
}
