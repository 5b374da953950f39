//! A mesh made by hand, as operators do: each makes a node, one makes genesis of what they contribute, and
//! all check that it is the same one.
#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

use std::path::Path;
use std::process::{Command, Output};

fn hypermesh(arguments: &[&str], folder: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hypermesh"));
    command.env_remove("HYPERMESH_CONTEXT").current_dir(folder).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn done(arguments: &[&str], folder: &Path) -> serde_json::Value {
    let output = hypermesh(&[&["--json"], arguments].concat(), folder);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn refused(arguments: &[&str], folder: &Path, exit: i32, expected: &str) {
    let output = hypermesh(arguments, folder);
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(exit), "{arguments:?}: {error}");
    assert!(error.contains(expected), "{arguments:?}: {error}");
    assert!(output.stdout.is_empty(), "data alone goes to standard output");
}

fn init(number: u16, network: &str, folder: &Path) -> serde_json::Value {
    let (name, listen) = (format!("node-{number}"), format!("[::1]:{}", 4840 + number));
    let arguments = ["node", "init", "--profile", "sim", "--network", network, "--data-dir", &name];
    done(&[&arguments[..], &["--name", &name, "--listen", &listen]].concat(), folder)
}

#[test]
fn operators_make_nodes_and_agree_on_a_genesis() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path();
    let nodes: Vec<_> = (1..=4).map(|number| init(number, "demo", folder)).collect();
    assert_eq!(init(1, "demo", folder), nodes[0], "made once");
    let owner = nodes[0]["key"].as_str().unwrap();

    let (account, name) = (format!("{owner}=12.5"), format!("shop.mesh={owner}"));
    let files = ["1", "2", "3", "4"].map(|number| format!("node-{number}/validator.json"));
    let mut arguments = vec!["genesis", "new", "--network", "demo", "--zone", "mesh", "--profile", "sim"];
    arguments.extend(["--out", "node-1/genesis.json", "--account", &account, "--name", &name]);
    arguments.extend(files.iter().map(String::as_str));
    let made = done(&arguments, folder);
    assert_eq!(made["genesis"]["accounts"][0]["balance"], 12_500_000);
    assert_eq!(made["genesis"]["names"][0]["name"], "shop.mesh");
    refused(&arguments, folder, 2, "never overwritten");

    let shown = done(&["genesis", "show", "node-1/genesis.json"], folder);
    assert_eq!(shown["hash"], made["hash"]);
    done(&["config", "validate", "node-1/node.toml"], folder);
    done(&["config", "validate", "node-2/node.toml"], folder);
    std::fs::write(folder.join("node-2/node.toml"), "name = \"node-2\"\nlissten = 1\n").unwrap();
    refused(&["config", "validate", "node-2/node.toml"], folder, 3, "line 2, column 1");
    refused(&["node", "status", "--data-dir", "node-1"], folder, 4, "");
    refused(&["node", "run", "--data-dir", "nowhere"], folder, 3, "not a node's folder");
}

#[test]
fn a_plot_for_another_network_is_of_no_use() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path();
    for number in 1..=4 {
        init(number, if number == 3 { "other" } else { "demo" }, folder);
    }
    let mut arguments = vec!["genesis", "new", "--network", "demo", "--zone", "mesh", "--profile", "sim"];
    let files = ["1", "2", "3", "4"].map(|number| format!("node-{number}/validator.json"));
    arguments.extend(["--out", "genesis.json"]);
    arguments.extend(files.iter().map(String::as_str));
    refused(&arguments, folder, 3, "validator node-3 made its plot for network other");
    assert!(!folder.join("genesis.json").exists());
}
