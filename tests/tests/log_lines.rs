//! How much a node logs at `info` for what it is asked: a line for each change, at the node that was asked for it, and
//! nothing for reads, blocks, batches and refusals.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use hypermesh_tests::processes::{NODES, ProcessMesh};
use std::process::Command;

const PROGRAM: &str = env!("CARGO_BIN_EXE_hypermesh-under-test");
/// Of each kind of request.
const REQUESTS: usize = 5;
/// A line about a change, and a half of it to spare.
const LINE_BYTES_MAX: usize = 900;

fn hypermesh(mesh: &ProcessMesh, words: &[&str]) -> bool {
    let mut command = Command::new(PROGRAM);
    command.args(["--context"]).arg(mesh.context()).args(words);
    command.output().unwrap().status.success()
}

fn logs(mesh: &ProcessMesh) -> Vec<String> {
    (0..NODES).map(|number| mesh.log(number)).collect()
}

/// What a busy machine may bring about meanwhile, whatever is asked: a node is held up, or a link is lost and comes again.
const OF_THE_MACHINE: [&str; 5] = ["ready height=", "linked", "link lost", "suspended", "votes again"];

/// The lines since, of all nodes, that what was asked can be the cause of.
fn since(mesh: &ProcessMesh, before: &[String]) -> Vec<String> {
    let now = logs(mesh);
    let new = now.iter().zip(before).flat_map(|(now, before)| now[before.len()..].lines());
    let of_requests = new.filter(|line| !OF_THE_MACHINE.iter().any(|words| line.contains(words)));
    of_requests.map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_one_line_and_a_read_is_none() {
    let mut mesh = ProcessMesh::started(PROGRAM).await;
    mesh.until_all(|status| status.connected == NODES as u64).await;
    for number in 0..NODES {
        mesh.wait_for_log(number, 0, "ready").await;
    }
    assert!(hypermesh(&mesh, &["dns", "set", "demo.hypermesh", "AAAA", "2001:db8::1"]));

    let before = logs(&mesh);
    for number in 0..REQUESTS {
        assert!(hypermesh(&mesh, &["dns", "register", &format!("name{number}.hypermesh")]));
        let name = format!("web{number}.demo.hypermesh");
        let folder = mesh.context().with_file_name(format!("web{number}"));
        assert!(hypermesh(&mesh, &["cert", "issue", &name, "--out", folder.to_str().unwrap()]));
        let certificate = folder.join("cert.pem");
        assert!(hypermesh(
            &mesh,
            &["cert", "revoke", certificate.to_str().unwrap(), "--reason", "superseded"]
        ));
    }
    let lines = since(&mesh, &before);
    let of =
        |action: &str| lines.iter().filter(|line| line.contains(&format!("action=\"{action}\""))).count();
    let all = lines.join("\n");
    assert_eq!(lines.len(), 3 * REQUESTS, "{all}");
    for action in ["register_name", "issue_certificate", "revoke_certificate"] {
        assert_eq!(of(action), REQUESTS, "{action} in {all}");
    }
    assert!(lines.iter().all(|line| line.len() <= LINE_BYTES_MAX), "{all}");
    assert_eq!(lines.iter().filter(|line| line.contains("serial=")).count(), REQUESTS, "{all}");
    let bytes: usize = lines.iter().map(String::len).sum();
    eprintln!("{} bytes a change, on all {NODES} nodes together", bytes / lines.len());

    let before = logs(&mesh);
    for number in 0..REQUESTS {
        let folder = mesh.context().with_file_name(format!("web{number}"));
        assert!(hypermesh(&mesh, &["dns", "lookup", "demo.hypermesh", "AAAA"]), "it was given an address");
        assert!(hypermesh(&mesh, &["log", "checkpoint"]));
        assert!(hypermesh(&mesh, &["caesar", "history"]));
        assert!(hypermesh(&mesh, &["cert", "show", folder.join("cert.pem").to_str().unwrap()]));
        assert!(!hypermesh(&mesh, &["dns", "register", "name0.hypermesh"]), "it is taken already");
    }
    let lines = since(&mesh, &before);
    assert!(lines.is_empty(), "{}", lines.join("\n"));
    mesh.stop().await;
}
