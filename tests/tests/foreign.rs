//! Certificates in other people's hands: programs and libraries that check them by rules of their own.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod desk;

use desk::Desk;
use hypermesh_core::trustchain::ca::{PemLabel, from_pem, pem};
use std::path::Path;
use std::process::Command;

/// A C program of `tests/foreign`, compiled against a library.
fn compiled(desk: &Desk, name: &str, library: &str) -> std::path::PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("foreign").join(format!("{name}.c"));
    let program = desk.path(name);
    let output =
        Command::new("cc").arg(source).arg("-o").arg(&program).arg(format!("-l{library}")).output().unwrap();
    assert!(
        output.status.success(),
        "is lib{library}-dev installed? {}",
        String::from_utf8_lossy(&output.stderr)
    );
    program
}

#[tokio::test(flavor = "multi_thread")]
async fn wolfssl_takes_the_chain_and_not_a_certificate_that_was_changed() {
    let mut desk = Desk::new().await;
    desk.succeed(&["cert", "issue", "web.demo.hypermesh", "--out", "web"]);
    let program = compiled(&desk, "wolfssl", "wolfssl");
    let verify = |leaf: &str| {
        let paths = ["web/root.pem", "web/chain.pem", leaf].map(|path| desk.path(path));
        let output = Command::new(&program).args(paths).output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (taken, said) = verify("web/cert.pem");
    assert!(taken, "{said}");
    let mut changed = from_pem(PemLabel::Certificate, &desk.read("web/cert.pem")).unwrap();
    *changed.last_mut().unwrap() ^= 1;
    std::fs::write(desk.path("changed.pem"), pem(PemLabel::Certificate, &changed)).unwrap();
    assert!(!verify("changed.pem").0);
    desk.mesh.stop().await;
}
