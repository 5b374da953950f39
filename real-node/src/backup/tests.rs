use super::*;
use crate::genesis_file::{GenesisPlan, ValidatorFile, write_genesis};
use crate::init_node::initialise;
use crate::plot::PlotFolder;
use crate::roles::Roles;
use crate::store::RedbStore;
use hypermesh_core::base::{MicroCaesar, Profile, WriteBatch};
use hypermesh_core::hypermesh::committee::{Generated, GenerationSession, KeyGeneration};
use hypermesh_driver::Storage;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use tempfile::TempDir;

const PASSPHRASE: &str = "correct horse battery";

/// Two nodes that were initialised, two more validators, and the genesis of their operators.
struct Mesh {
    folder: TempDir,
    genesis: Genesis,
}

impl Mesh {
    fn new(network: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let validators: Vec<ValidatorFile> =
            (1..=4_u16).map(|number| contribution(&folder, network, number)).collect();
        let plan = GenesisPlan {
            network: network.into(),
            zone: "hypermesh".parse().unwrap(),
            reverse_zones: Vec::new(),
            profile: Profile::Sim,
            time: UnixMillis(1_800_000_000_000),
            validators,
            stake: MicroCaesar(10_000 * MicroCaesar::ONE.0),
            accounts: Vec::new(),
            reserve: MicroCaesar::ONE,
            names: Vec::new(),
            records: Vec::new(),
        };
        let mesh = Self { genesis: plan.build().unwrap(), folder };
        write_genesis(&mesh.path("genesis.json"), &mesh.genesis).unwrap();
        mesh
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn node(&self, number: u16) -> NodeFolder {
        NodeFolder::new(self.path(&format!("node-{number}")))
    }

    /// Generates the committee's keys and gives the row of shares of a node.
    fn shares_of(&self, number: u16) -> Vec<u8> {
        let me = self.node(number).read_identity().unwrap().public();
        let mut validators: Vec<PublicKey> =
            self.genesis.validators.iter().map(|validator| validator.member.key).collect();
        validators.sort();
        let session = GenerationSession { genesis: self.genesis.hash(), attempt: 0, validators };
        let Generated { keys, shares } = generate(&session).remove(&me).unwrap();
        StoredShares { keys, shares }.to_bytes().to_vec()
    }

    fn restore(&self, target: &str, passphrase: &str, expected: Option<Digest>) -> Result<Restored, Failure> {
        let folder = NodeFolder::new(self.path(target));
        restore(&folder, &self.path("node-1.backup"), passphrase, expected, &mut |_| {})
    }
}

fn contribution(folder: &TempDir, network: &str, number: u16) -> ValidatorFile {
    if number <= 2 {
        return init(folder, network, number);
    }
    ValidatorFile {
        network: network.into(),
        profile: Profile::Sim,
        name: format!("node-{number}"),
        key: SecretKey::generate(&mut SystemEntropy).public(),
        plot_root: Digest([7; 32]),
        reveal_anchor: Digest([7; 32]),
        address: format!("[::1]:{}", 7400 + number).parse().unwrap(),
        roles: Roles::default(),
    }
}

fn init(folder: &TempDir, network: &str, number: u16) -> ValidatorFile {
    let config = NodeConfigFile {
        name: format!("node-{number}"),
        network: network.into(),
        profile: Profile::Sim,
        listen: format!("[::1]:{}", 7400 + number).parse().unwrap(),
        address: None,
        dns: None,
        genesis: "../genesis.json".into(),
        metrics_file: None,
        dns_limits: Default::default(),
        roles: Roles::default(),
        peers: BTreeMap::new(),
    };
    let node = NodeFolder::new(folder.path().join(&config.name));
    initialise(&node, &config, config.listen, &mut |_| {}).unwrap()
}

fn generate(session: &GenerationSession) -> BTreeMap<PublicKey, Generated> {
    let begin = |me: &PublicKey| KeyGeneration::begin(session.clone(), *me, &mut SystemEntropy).unwrap();
    let mut begun: BTreeMap<_, _> = session.validators.iter().map(|me| (*me, begin(me))).collect();
    let round1: BTreeMap<_, _> = begun.iter().map(|(me, (_, package))| (*me, package.clone())).collect();
    let dealt: Vec<_> = begun
        .iter_mut()
        .map(|(me, (part, _))| (*me, part.receive_round1(&round1).unwrap().packages))
        .collect();
    let mut generated = BTreeMap::new();
    for (from, packages) in dealt {
        for (to, package) in packages {
            let part = &mut begun.get_mut(&to).unwrap().0;
            generated.extend(part.receive_round2(from, package).unwrap().map(|made| (to, made)));
        }
    }
    generated
}

#[test]
fn a_node_whose_disk_was_wiped_comes_back_from_its_backup() {
    let mesh = Mesh::new("demo");
    let node = mesh.node(1);
    // The node runs: its store is locked.
    let mut store = RedbStore::open(&node.store()).unwrap();
    let mut batch = WriteBatch::default();
    batch.put(hypermesh_core::base::Table::Shares, [0, 0, 0, 0], mesh.shares_of(1));
    batch.put(hypermesh_core::base::Table::Wal, [1], b"a vote");
    store.commit(vec![batch]).unwrap();
    let file = mesh.path("node-1.backup");
    let made = back_up(&node, &file, PASSPHRASE).unwrap();
    assert_eq!((made.shares, made.genesis), (1, mesh.genesis.hash()));
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);

    let restored = mesh.restore("anew", PASSPHRASE, Some(mesh.genesis.hash())).unwrap();
    assert_eq!((restored.key, restored.shares), (made.key, 1));
    let anew = NodeFolder::new(mesh.path("anew"));
    assert_eq!(anew.read_identity().unwrap().public(), made.key);
    assert_eq!(read_genesis(&anew.read_config().unwrap().genesis).unwrap(), mesh.genesis);
    assert_eq!(
        ValidatorFile::read(&anew.validator()).unwrap(),
        ValidatorFile::read(&node.validator()).unwrap()
    );
    let shares = |folder: &NodeFolder| ShareFiles::beside(&folder.store()).rows().unwrap();
    assert_eq!(shares(&anew), shares(&node));
    assert!(!anew.store().exists(), "neither the chain nor the log of votes comes back");
    let plot = PlotFolder::new(anew.plot(), "demo", Profile::Sim, &made.key).load().unwrap();
    assert_eq!(plot.root(), ValidatorFile::read(&node.validator()).unwrap().plot_root);
}

#[test]
fn a_refused_restoration_leaves_nothing_behind() {
    let mesh = Mesh::new("demo");
    back_up(&mesh.node(1), &mesh.path("node-1.backup"), PASSPHRASE).unwrap();
    let refused = |passphrase, expected, says: &str| {
        let failure = mesh.restore("anew", passphrase, expected).unwrap_err();
        assert!(failure.exit == Exit::Input && failure.message.contains(says), "{failure}");
        assert!(!mesh.path("anew").exists());
    };
    refused("wrong horse battery", None, "passphrase is wrong");
    refused(PASSPHRASE, Some(Digest([7; 32])), "belongs to the mesh with genesis");
    let whole = std::fs::read(mesh.path("node-1.backup")).unwrap();
    std::fs::write(mesh.path("node-1.backup"), &whole[..whole.len() / 2]).unwrap();
    refused(PASSPHRASE, None, "truncated");
    let newer = [&whole[..22], &[9, 0], &whole[24..]].concat();
    std::fs::write(mesh.path("node-1.backup"), newer).unwrap();
    refused(PASSPHRASE, None, "version 9");
}

#[test]
fn a_folder_with_something_in_it_is_left_alone_and_an_interrupted_restoration_goes_on() {
    let mesh = Mesh::new("demo");
    back_up(&mesh.node(1), &mesh.path("node-1.backup"), PASSPHRASE).unwrap();
    let before = std::fs::read(mesh.node(2).identity()).unwrap();
    let refused = mesh.restore("node-2", PASSPHRASE, None).unwrap_err();
    assert!(refused.message.contains("not empty"), "{refused}");
    assert_eq!(std::fs::read(mesh.node(2).identity()).unwrap(), before);

    let anew = NodeFolder::new(mesh.path("anew"));
    let interrupted = std::panic::catch_unwind(|| {
        restore(&anew, &mesh.path("node-1.backup"), PASSPHRASE, None, &mut |_| panic!("the power fails"))
    });
    assert!(interrupted.is_err() && anew.identity().exists());
    mesh.restore("anew", PASSPHRASE, None).unwrap();
    let again = mesh.restore("anew", PASSPHRASE, None).unwrap_err();
    assert!(again.message.contains("not empty"), "a whole node is not restored over: {again}");
}

#[test]
fn a_backup_is_never_overwritten_and_holds_no_shares_of_another_mesh() {
    let (mesh, other) = (Mesh::new("demo"), Mesh::new("other"));
    let file = mesh.path("node-1.backup");
    ShareFiles::beside(&mesh.node(1).store()).put(&[0; 4], &other.shares_of(1)).unwrap();
    let refused = back_up(&mesh.node(1), &file, PASSPHRASE).unwrap_err();
    assert!(refused.message.contains("another mesh") && !file.exists(), "{refused}");
    ShareFiles::beside(&mesh.node(1).store()).put(&[0; 4], &mesh.shares_of(2)).unwrap();
    let refused = back_up(&mesh.node(1), &file, PASSPHRASE).unwrap_err();
    assert!(refused.message.contains("does not match its public half") && !file.exists(), "{refused}");
    back_up(&mesh.node(2), &file, PASSPHRASE).unwrap();
    let before = std::fs::read(&file).unwrap();
    let refused = back_up(&mesh.node(2), &file, PASSPHRASE).unwrap_err();
    assert!(refused.message.contains("never overwritten"), "{refused}");
    assert_eq!(std::fs::read(&file).unwrap(), before);
}
