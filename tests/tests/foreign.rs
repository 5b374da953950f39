//! Certificates in other people's hands: programs and libraries that check them by rules of their own.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod desk;

use desk::Desk;
use hypermesh_core::trustchain::ca::{PemLabel, from_pem, pem};
use hypermesh_tests::foreign::are_installed;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A C program of `tests/foreign`, compiled against a library.
fn compiled(desk: &Desk, name: &str, library: &str) -> PathBuf {
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
    if !are_installed(&["cc", "/usr/include/wolfssl/ssl.h"]) {
        return;
    }
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

/// The Python that has libraries from PyPI, in an environment that CI makes. `None` where it is missing, which is said.
fn python_with(library: &str) -> Option<PathBuf> {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/foreign-python/bin/python");
    let imported = Command::new(&python).args(["-c", &format!("import {library}")]).output();
    if imported.is_ok_and(|output| output.status.success()) {
        return Some(python);
    }
    assert!(std::env::var_os("CI").is_none(), "{} has no {library}", python.display());
    eprintln!("!!! SKIPPED, NOTHING WAS TRIED: {} has no {library}; .ci/run makes it", python.display());
    None
}

/// gRPC brings BoringSSL, which takes Ed25519 in certificates' signatures but not as the key of a peer.
#[tokio::test(flavor = "multi_thread")]
async fn grpc_takes_the_default_key_at_both_ends_and_no_ed25519_key_of_a_peer() {
    let Some(python) = python_with("grpc") else { return };
    let mut desk = Desk::new().await;
    desk.succeed(&["cert", "issue", "web.demo.hypermesh", "--out", "web"]);
    desk.succeed(&["cert", "issue", "ed.demo.hypermesh", "--key-type", "ed25519", "--out", "ed"]);
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("foreign/grpc_tls.py");
    let call = |name: &str, server: &str, client: &str| {
        let mut command = Command::new(&python);
        let output = command.arg(&program).args([name, server, client]).current_dir(&desk.folder).output();
        let output = output.unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&said).into_owned())
    };
    let (code, said) = call("web.demo.hypermesh", "web", "web");
    assert!(code == Some(0) && said.contains("answered hello"), "{said}");
    for (name, server, client, why) in [
        ("other.demo.hypermesh", "web", "web", "Hostname Verification Check failed"),
        ("web.demo.hypermesh", "web", "none", "PEER_DID_NOT_RETURN_A_CERTIFICATE"),
        ("ed.demo.hypermesh", "ed", "web", "NO_COMMON_SIGNATURE_ALGORITHMS"),
        ("web.demo.hypermesh", "web", "ed", "NO_COMMON_SIGNATURE_ALGORITHMS"),
    ] {
        let (code, said) = call(name, server, client);
        assert!(code == Some(1) && said.contains(why), "{server}, {client}: {code:?} {said}");
    }
    desk.mesh.stop().await;
}

/// What Knot's checker says of a zone file; `None` if it is not installed.
fn kzonecheck(zone: &str, file: &Path) -> Option<(bool, String)> {
    let Ok(output) = Command::new("kzonecheck").arg("-o").arg(zone).arg(file).output() else {
        assert!(std::env::var_os("CI").is_none(), "kzonecheck is not installed");
        eprintln!("kzonecheck (knot-dnssecutils) is not installed: nothing was tried");
        return None;
    };
    let said = [output.stdout, output.stderr].concat();
    Some((output.status.success(), String::from_utf8_lossy(&said).into_owned()))
}

#[tokio::test(flavor = "multi_thread")]
async fn knot_loads_the_zone_that_is_exported() {
    let mut desk = Desk::new().await;
    let records: [(&str, &[&str]); 12] = [
        ("web.demo.hypermesh", &["AAAA", "2001:db8::7", "2001:db8::8"]),
        (
            "web.demo.hypermesh",
            &["HTTPS", "1 . mandatory=alpn,port alpn=h2,h3 port=8443 ipv6hint=2001:db8::7"],
        ),
        ("_dns.demo.hypermesh", &["SVCB", "0", "web.demo.hypermesh"]),
        ("demo.hypermesh", &["MX", "10", "web.demo.hypermesh"]),
        ("nomail.demo.hypermesh", &["MX", "0 ."]),
        ("demo.hypermesh", &["TXT", r#"a;b "c" \d é"#, "second"]),
        ("demo.hypermesh", &["CAA", "128 issue \"ca.example; account=7\""]),
        (
            "web.demo.hypermesh",
            &["SSHFP", "4 2 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"],
        ),
        ("demo.hypermesh", &["NAPTR", r#"100 10 "u" "E2U+sip" "!^\\+44(.*)$!sip:\\1@example.com!" ."#]),
        ("www.demo.hypermesh", &["CNAME", "web.demo.hypermesh"]),
        ("_x._tcp.demo.hypermesh", &["SRV", "0", "5", "8443", "web.demo.hypermesh"]),
        ("web.demo.hypermesh", &["TYPE65280", r"\# 4 0A000001"]),
    ];
    for (name, words) in records {
        desk.succeed(&[&["dns", "set", name], words].concat());
    }
    desk.succeed(&["cert", "issue", "web.demo.hypermesh", "--port", "443/tcp", "--out", "web"]);
    let zone = desk.succeed(&["dns", "export"]);
    for line in [
        "web.demo.hypermesh. 300 IN TYPE65280 \\# 4 0a000001",
        "_443._tcp.web.demo.hypermesh. 60 IN TLSA 3 1 1 ",
    ] {
        assert!(zone.contains(line), "{line} is not in {zone}");
    }
    let (whole, headless) = (desk.path("whole.zone"), desk.path("headless.zone"));
    std::fs::write(&whole, &zone).unwrap();
    std::fs::write(&headless, zone.replacen("hypermesh. 60 IN SOA", "; hypermesh. 60 IN SOA", 1)).unwrap();
    if let Some((loads, said)) = kzonecheck("hypermesh", &whole) {
        assert!(loads, "{said}{zone}");
        assert!(!kzonecheck("hypermesh", &headless).unwrap().0, "a zone without a start is loaded");
    }
    // What is listed is what is exported.
    let listed = desk.succeed(&["dns", "list", "demo.hypermesh", "--limit", "1000"]);
    assert!(listed.lines().count() >= 14 && listed.lines().all(|line| zone.contains(line)), "{listed}");
    desk.fail(&["dns", "export", "demo.hypermesh"], 6, "demo.hypermesh is not a zone of this mesh");
    desk.mesh.stop().await;
}
