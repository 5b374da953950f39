//! Files that are not as they should be: each is named, with what is wrong in it and what to do, and the exit code
//! that scripts go by; nothing is started on them, and none is changed.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use hypermesh::store::RedbStore;
use hypermesh_core::base::{Table, WriteBatch};
use hypermesh_driver::Storage;
use hypermesh_tests::LocalMesh;
use hypermesh_tests::processes::ProcessMesh;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

const PROGRAM: &str = env!("CARGO_BIN_EXE_hypermesh-under-test");

/// Runs the command line; its exit code, and standard error.
fn hypermesh(context: &Path, words: &[&str]) -> (i32, String) {
    let mut command = Command::new(PROGRAM);
    command.args(words).env("HYPERMESH_CONTEXT", context).stdin(Stdio::null()).stdout(Stdio::null());
    let output = command.stderr(Stdio::piped()).output().unwrap();
    (output.status.code().unwrap_or(-1), String::from_utf8(output.stderr).unwrap())
}

#[track_caller]
fn fails(context: &Path, words: &[&str], exit: i32, says: &[&str]) {
    let (code, error) = hypermesh(context, words);
    assert_eq!(code, exit, "{words:?}: {error}");
    for word in says {
        assert!(error.contains(word), "{words:?}: {word:?} in {error}");
    }
}

/// Runs a node on a changed file, which has to be refused, and puts the file back.
#[track_caller]
fn refused(node: &Path, file: &Path, change: impl FnOnce(Vec<u8>) -> Vec<u8>, exit: i32, says: &[&str]) {
    let (before, mode) = (fs::read(file).unwrap(), fs::metadata(file).unwrap().permissions());
    let changed = change(before.clone());
    fs::write(file, &changed).unwrap();
    fails(Path::new(""), &["node", "run", "--data-dir", node.to_str().unwrap()], exit, says);
    assert_eq!(fs::read(file).unwrap(), changed, "what is refused is left alone");
    fs::write(file, before).unwrap();
    fs::set_permissions(file, mode).unwrap();
}

fn replace<'a>(from: &'a str, to: &'a str) -> impl FnOnce(Vec<u8>) -> Vec<u8> + 'a {
    move |bytes| String::from_utf8(bytes).unwrap().replacen(from, to, 1).into_bytes()
}

fn cut(bytes: Vec<u8>) -> Vec<u8> {
    bytes[..bytes.len() / 2].to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nodes_files_are_refused_one_by_one_and_taken_as_they_were() {
    let mut mesh = ProcessMesh::new(PROGRAM);
    // A store to damage, which the node itself made.
    mesh.start(0);
    mesh.until(0, |_| true).await;
    mesh.signal(0, "TERM");
    assert_eq!(mesh.ended(0).await.code(), Some(0));
    let node = mesh.node(0);
    let (folder, config) = (node.path(), node.config());
    let toml = |change: (&str, &str), says: &[&str]| {
        refused(folder, &config, replace(change.0, change.1), 3, &[&["node.toml"], says].concat());
    };
    toml(("listen =", "lissten ="), &["line 4, column 1", "did you mean `listen`?"]);
    toml(("listen = \"", "listen = 7 # \""), &["line 4, column 10"]);
    toml(("name =", "name"), &["line 1"]);
    toml(("network = \"processes\"", "network = \"other\""), &["are not those of", "genesis.json"]);
    refused(folder, &config, replace("../genesis.json", "absent.json"), 3, &["absent.json"]);
    refused(folder, &config, cut, 3, &["node.toml"]);

    let key = node.identity();
    refused(folder, &key, cut, 3, &["identity.key", "64 hexadecimal digits"]);
    refused(folder, &key, |_| vec![b'7'; 100_000], 3, &["identity.key"]);
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    refused(folder, &config, |same| same, 3, &["identity.key", "mode 644", "chmod 600"]);
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    refused(folder, &key, |_| b"07".repeat(32), 3, &["plot"]);

    let genesis = folder.parent().unwrap().join("genesis.json");
    refused(folder, &genesis, cut, 3, &["genesis.json", "it is truncated", "copy the whole file again"]);
    refused(
        folder,
        &genesis,
        replace("\"reserve\"", "\"reserves\""),
        3,
        &["did you mean `reserve`?", "line "],
    );
    // The same validators, begun at another time: another mesh.
    refused(
        folder,
        &genesis,
        replace("\"time\": 1", "\"time\": 2"),
        3,
        &["is of the mesh with genesis", "its own folder"],
    );
    let other = ProcessMesh::new(PROGRAM);
    let others = fs::read(other.context().parent().unwrap().join("genesis.json")).unwrap();
    refused(folder, &genesis, |_| others, 3, &["not a validator's in this genesis"]);

    let store = node.store();
    refused(folder, &store, cut, 8, &["store.redb", "is damaged", "restore the folder from a backup"]);
    refused(folder, &store, |bytes| vec![0x5a; bytes.len()], 8, &["store.redb", "is damaged"]);
    let kept = fs::read(&store).unwrap();
    let mut newer = WriteBatch::default();
    newer.put(Table::Meta, "format", 999_u64.to_be_bytes());
    RedbStore::open(&store).unwrap().commit(vec![newer]).unwrap();
    refused(folder, &config, |same| same, 3, &["has format 999", "run the version that wrote it"]);
    fs::write(&store, kept).unwrap();

    mesh.start(0);
    mesh.until(0, |_| true).await;
    mesh.signal(0, "TERM");
    assert_eq!(mesh.ended(0).await.code(), Some(0), "with every file as it was, it runs");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_context_that_is_damaged_is_refused_with_the_place() {
    let mesh = ProcessMesh::new(PROGRAM);
    let context = mesh.context();
    let good = fs::read_to_string(&context).unwrap();
    let ask = ["caesar", "balance"];
    let with = |from: &str, to: &str, says: &[&str]| {
        fs::write(&context, good.replacen(from, to, 1)).unwrap();
        fails(&context, &ask, 3, &[&["context.toml"], says].concat());
    };
    with("key_file", "keyfile", &["line 2, column 1", "did you mean `key_file`?"]);
    with("genesis = \"", "genesis = 7 # \"", &["line 1, column 11"]);
    fs::write(&context, &good[..good.len() / 2]).unwrap();
    fails(&context, &ask, 3, &["context.toml"]);
    fs::write(&context, &good).unwrap();
    let key = context.parent().unwrap().join("owner.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).unwrap();
    fails(&context, &ask, 3, &["owner.key", "mode 640", "chmod 600"]);
    fs::remove_file(&key).unwrap();
    fails(&context, &ask, 3, &["owner.key"]);
    fails(Path::new("absent.toml"), &ask, 3, &["absent.toml"]);
    fails(Path::new(""), &ask, 2, &["no context: give its file with --context"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_has_enough_is_no_error() {
    let mesh = ProcessMesh::new(PROGRAM);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = Command::new(PROGRAM);
    command.args(["--json", "genesis", "show"]).arg(mesh.context().with_file_name("genesis.json"));
    let output = command.stdout(writer).stderr(Stdio::piped()).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_is_reloaded_as_far_as_it_can_be_and_a_bad_one_is_not() {
    let mut mesh = ProcessMesh::new(PROGRAM);
    mesh.start(0);
    mesh.until(0, |_| true).await;
    let config = mesh.node(0).config();
    let good = fs::read_to_string(&config).unwrap();
    let (old, new) = (mesh.dns(0).port(), mesh.dns(1).port());
    fs::write(&config, good.replace("dns =", "dsn =")).unwrap();
    let before = mesh.log(0).len();
    mesh.signal(0, "HUP");
    mesh.wait_for_log(0, before, "configuration not reloaded: the previous one stays in use").await;
    mesh.wait_for_log(0, before, "did you mean `dns`?").await;
    assert!(answers(old) && !answers(new));
    let moved = good.replace(&old.to_string(), &new.to_string()).replace("node-1", "node-9");
    fs::write(&config, moved).unwrap();
    let before = mesh.log(0).len();
    mesh.signal(0, "HUP");
    mesh.wait_for_log(0, before, "name cannot change while the node runs: restart it for that").await;
    assert!(answers(new) && !answers(old));
    fs::write(&config, &good).unwrap();
    let before = mesh.log(0).len();
    mesh.signal(0, "HUP");
    mesh.wait_for_log(0, before, &format!("plain DNS is answered at [::1]:{old}")).await;
    assert!(answers(old) && !answers(new));
    fs::write(&config, good + "\n[dns_limits]\nexempt = [\"::1\"]\n").unwrap();
    let before = mesh.log(0).len();
    mesh.signal(0, "HUP");
    mesh.wait_for_log(0, before, "the limits of plain DNS are now those of [dns_limits]").await;
    assert!(answers(old));
    mesh.stop().await;
}

/// Whether DNS is answered at a port.
fn answers(port: u16) -> bool {
    let mut command = Command::new("dig");
    command.args(["@::1", "-p", &port.to_string(), "+tcp", "+tries=1", "+time=2", "hypermesh", "SOA"]);
    String::from_utf8(command.output().unwrap().stdout).unwrap().contains("status: NOERROR")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trust_bundle_of_another_mesh_trusts_nothing_here() {
    let folder = tempfile::tempdir().unwrap();
    let mut bundles = Vec::new();
    for number in 0..2 {
        let mut mesh = LocalMesh::start().await;
        let reader = hypermesh_tests::client(mesh.participants.client.clone());
        let request = hypermesh_core::api::TrustBundleRequest {};
        bundles.push(hypermesh_tests::call(&reader, &mesh.peer(0), &request).await.unwrap());
        if number == 1 {
            let owner = hypermesh_sim::world::Owner::new(
                mesh.participants.client.clone(),
                mesh.participants.genesis_hash(),
                hypermesh_tests::wall(),
            );
            let hypermesh_core::api::Request::IssueCertificate(request) =
                owner.issue(1, &["web.demo.hypermesh"])
            else {
                unreachable!("an owner asks for what it is told to")
            };
            let issued = hypermesh_tests::call(&reader, &mesh.peer(0), &request).await.unwrap();
            fs::write(folder.path().join("cert.pem"), issued.certificate_pem).unwrap();
            fs::write(folder.path().join("cert.proof"), issued.proof_pem).unwrap();
        }
        mesh.stop().await;
    }
    for (bundle, exit) in bundles.iter().zip([7, 0]) {
        let path = folder.path().join("mesh.trust");
        fs::write(&path, bundle.to_pem()).unwrap();
        let certificate = folder.path().join("cert.pem");
        let words =
            ["cert", "verify", "--offline", "--trust", path.to_str().unwrap(), certificate.to_str().unwrap()];
        let (code, error) = hypermesh(Path::new(""), &words);
        assert_eq!(code, exit, "{error}");
    }
    let path = folder.path().join("mesh.trust");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, &text[..text.len() / 2]).unwrap();
    let words = ["cert", "verify", "--trust", path.to_str().unwrap(), "cert.pem"];
    fails(Path::new(""), &words, 3, &["mesh.trust"]);
}
