//! A node that is given too little memory says so in a sentence and ends, whatever the limit is.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use hypermesh::data::NodeFolder;
use hypermesh::init_node::initialise;
use hypermesh::memory::Need;
use hypermesh::node_config::NodeConfigFile;
use hypermesh::roles::Roles;
use hypermesh_core::base::Profile;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

fn make(folder: &Path) {
    let listen = "[::1]:7400".parse().unwrap();
    let config = NodeConfigFile {
        address: None,
        name: "node-1".into(),
        network: "memory".into(),
        profile: Profile::Sim,
        listen,
        dns: None,
        genesis: "genesis.json".into(),
        metrics_file: None,
        dns_limits: Default::default(),
        roles: Roles::default(),
        peers: BTreeMap::new(),
    };
    initialise(&NodeFolder::new(folder), &config, listen, &mut |_| ()).unwrap();
}

#[test]
fn a_limit_that_is_too_small_ends_in_a_sentence() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path().join("node-1");
    make(&folder);
    let limited = |kibibytes: u64| {
        let script = format!("ulimit -v {kibibytes}; exec \"$0\" node run --data-dir \"$1\"");
        let mut command = Command::new("bash");
        command.args(["-c", &script, env!("CARGO_BIN_EXE_hypermesh")]).arg(&folder);
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let need = Need::of(Profile::Sim).address_bytes().div_ceil(1 << 20);
    // From what the program itself hardly loads in, to a little less than the check takes for enough.
    for mebibytes in (40..need).step_by(2).take(5).chain([need - 1]) {
        let (code, told) = limited(mebibytes * 1024);
        assert_eq!(code, Some(1), "{mebibytes} MiB: {told}");
        assert!(told.starts_with("error: too little memory: ulimit -v allows"), "{mebibytes} MiB: {told}");
        assert!(told.contains(&format!("this node needs at least {need} MiB")), "{told}");
    }
    // With enough, it gets as far as to miss its genesis.
    for mebibytes in [need, need + 16, need + 512] {
        let (code, told) = limited(mebibytes * 1024);
        assert_eq!(code, Some(3), "{mebibytes} MiB: {told}");
        assert!(told.contains("genesis.json"), "{told}");
    }
}
