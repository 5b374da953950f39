//! Nodes that lost their key shares, one after the other, by the manual's procedure: each waits until it is told that it may
//! go on, and no more. The certificate authority must survive that, however often it is done.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use hypermesh_core::api::Condition;
use hypermesh_tests::processes::ProcessMesh;
use std::process::{Command, Output};

const PROGRAM: &str = env!("CARGO_BIN_EXE_hypermesh-under-test");

fn hypermesh(mesh: &ProcessMesh, words: &[&str]) -> Output {
    let mut command = Command::new(PROGRAM);
    command.args(["--timeout", "120", "--context"]).arg(mesh.context()).args(words);
    command.output().unwrap()
}

/// Issues a certificate by the command line, and says what went wrong if it did not.
fn issue(mesh: &ProcessMesh, name: &str) -> Result<(), String> {
    let folder = mesh.context().with_file_name(name);
    let issued = hypermesh(mesh, &["cert", "issue", name, "--out", folder.to_str().unwrap()]);
    match issued.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&issued.stderr).into_owned()),
    }
}

/// "Without a backup": stop, remove store and shares, start, wait until it is ready.
async fn rebuild(mesh: &mut ProcessMesh, number: usize) {
    mesh.signal(number, "TERM");
    assert!(mesh.ended(number).await.success());
    let folder = mesh.node(number).path().to_path_buf();
    std::fs::remove_file(folder.join("store.redb")).unwrap();
    std::fs::remove_dir_all(folder.join("store.shares")).unwrap();
    mesh.start(number);
    let folder = folder.to_str().unwrap().to_owned();
    let waited = hypermesh(mesh, &["node", "status", "--data-dir", &folder, "--until-ready"]);
    let told = String::from_utf8_lossy(&waited.stderr).into_owned();
    assert!(waited.status.success(), "{told}");
    // Which conditions are seen depends on when the command asks: the keys come first, the shares last.
    let named =
        ["keys: ", "shares: this node has no key shares"].iter().any(|condition| told.contains(condition));
    assert!(named, "what is waited for is named: {told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_rebuilt_one_after_the_other_leave_an_authority_that_signs() {
    let mut mesh = ProcessMesh::started(PROGRAM).await;
    issue(&mesh, "before.demo.hypermesh").unwrap();
    for number in [0, 1, 2] {
        rebuild(&mut mesh, number).await;
        let status = mesh.status(number).await.unwrap();
        assert!(!status.committee.contains("lacks"), "ready without shares: {}", status.committee);
    }
    // Without the only node that was never rebuilt, each of the others' shares is needed.
    mesh.kill(&[3]);
    mesh.until(0, |status| status.connected == 3 && status.ready).await;
    issue(&mesh, "after.demo.hypermesh").unwrap();
    mesh.start(3);
    mesh.until_all(|status| status.ready && status.connected == 4).await;
    mesh.stop().await;
}

/// What a mesh says whose key shares are gone for good: that, and not that a quorum is missing.
#[tokio::test(flavor = "multi_thread")]
async fn an_authority_without_shares_is_named_as_the_cause() {
    let mut mesh = ProcessMesh::started(PROGRAM).await;
    for number in [0, 1] {
        mesh.signal(number, "TERM");
        assert!(mesh.ended(number).await.success());
        let folder = mesh.node(number).path().to_path_buf();
        std::fs::remove_dir_all(folder.join("store.shares")).unwrap();
    }
    [0, 1].into_iter().for_each(|number| mesh.start(number));
    let lacks = |status: &hypermesh_core::api::NodeStatus, condition| {
        status.not_ready.iter().any(|unmet| unmet.condition == condition)
    };
    mesh.until_all(|status| status.connected == 4 && status.voting == "yes").await;
    for number in [0, 1] {
        let status = mesh.until(number, |status| lacks(status, Condition::Shares)).await;
        assert!(!status.ready, "{status:?}");
    }
    let status = mesh.until(2, |status| lacks(status, Condition::Signers)).await;
    let signers = status.not_ready.iter().find(|unmet| unmet.condition == Condition::Signers).unwrap();
    assert!(signers.detail.contains("2 of the 3") && signers.detail.contains("node-1, node-2"), "{signers}");
    let mut command = Command::new(PROGRAM);
    command.args(["--timeout", "4", "--context"]).arg(mesh.context());
    let refused = command
        .args(["cert", "issue", "no.demo.hypermesh", "--out"])
        .arg(mesh.context().with_file_name("no"));
    let refused = refused.output().unwrap();
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(4), "{told}");
    assert!(told.contains("hold key shares") && !told.contains("quorum"), "{told}");
}
