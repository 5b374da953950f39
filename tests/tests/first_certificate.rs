//! The first certificate, as a newcomer sees it: real processes, and openssl, certtool, dig and rustls as
//! judges. One devnet serves all the checks; it is started with the shipped command line and ends by itself.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::Path;
use std::process::{Command, Output};
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_hypermesh-under-test");

/// Runs a script against a devnet of its own, with `X` as the binary, `DIR` as a scratch folder and `DNS_PORT`
/// as the port where the first node answers plain DNS. Every line has to succeed.
fn against_a_devnet(folder: &TempDir, base_port: u16, script: &str) -> Output {
    let script = format!("set -eu; cd \"$DIR\"; DNS_PORT=${{HYPERMESH_DNS##* }}\n{script}");
    let output = Command::new(BINARY)
        .args(["devnet", "--data-dir"])
        .arg(folder.path().join("mesh"))
        .args(["--base-port", &base_port.to_string(), "--", "bash", "-c", &script])
        .env("X", BINARY)
        .env("DIR", folder.path())
        .output()
        .expect("the binary that this package builds can be run");
    assert!(
        output.status.success(),
        "exit {:?}\n--- stdout\n{}\n--- stderr\n{}",
        output.status.code(),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// A base port that no other test process of this run uses.
fn base_port(number: u16) -> u16 {
    let process = u16::try_from(std::process::id() % 100).expect("below 100");
    20_000 + process * 400 + number * 200
}

fn run(program: &str, arguments: &[&str], folder: &Path) -> String {
    let output = Command::new(program).args(arguments).current_dir(folder).output();
    let output = output.unwrap_or_else(|error| panic!("{program} is needed for this test: {error}"));
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

const ISSUE: &str = r#"
for kind in ED25519 "EC -pkeyopt ec_paramgen_curve:P-256" "EC -pkeyopt ec_paramgen_curve:P-384"; do
    name=$(echo "$kind" | tr -dc 'A-Z0-9' | tr 'A-Z' 'a-z')
    openssl genpkey -algorithm $kind -out "$name.key"
    openssl req -new -key "$name.key" -subj "/CN=web.demo.hypermesh" -out "$name.csr" \
        -addext "subjectAltName=DNS:web.demo.hypermesh,IP:::1,URI:spiffe://demo.hypermesh/web"
    "$X" cert issue --csr "$name.csr" --out "$name/"
    openssl verify -x509_strict -CAfile "$name/root.pem" -untrusted "$name/chain.pem" "$name/cert.pem"
    cat "$name/cert.pem" "$name/chain.pem" "$name/root.pem" > "$name/all.pem"
    certtool --verify-chain --infile "$name/all.pem" > "$name/certtool.txt"
done
"$X" cert issue own.demo.hypermesh --out own/
openssl verify -x509_strict -CAfile own/root.pem -untrusted own/chain.pem own/cert.pem
openssl pkey -in own/key.pem -noout
cat own/cert.pem own/chain.pem | cmp - own/fullchain.pem
openssl verify -x509_strict -CAfile own/root.pem -untrusted own/fullchain.pem own/fullchain.pem
if "$X" cert issue nobody.other.hypermesh --out refused/; then exit 1; fi
[ ! -e refused/cert.pem ] && [ ! -e refused/key.pem ]
"$X" trust export > mesh.trust
"$X" cert list --json > list.json
"$X" log checkpoint > checkpoint.txt
"$X" caesar balance --json > balance.json
"$X" rpc list > methods.txt
"$X" rpc ping > ping.txt
"$X" node status --json > status.json

dig +short @::1 -p "$DNS_PORT" web.demo.hypermesh AAAA > aaaa.txt
dig +short @::1 -p "$DNS_PORT" web.demo.hypermesh SRV > srv.txt
dig +short @::1 -p "$DNS_PORT" _443._tcp.web.demo.hypermesh TLSA > tlsa.txt
dig +short +tcp @::1 -p "$DNS_PORT" _443._tcp.web.demo.hypermesh TLSA > tlsa-tcp.txt
dig @::1 -p "$DNS_PORT" nobody.demo.hypermesh AAAA > nxdomain.txt
dig @::1 -p "$DNS_PORT" example.org AAAA > refused.txt
"$X" dns lookup web.demo.hypermesh AAAA > lookup.txt
"#;

#[test]
fn the_first_certificate_is_issued_logged_named_and_verified_by_everyone() {
    let folder = tempfile::tempdir().unwrap();
    against_a_devnet(&folder, base_port(0), ISSUE);
    let path = folder.path();
    let read = |name: &str| std::fs::read_to_string(path.join(name)).unwrap();

    // dig's answers, and the key in the certificate.
    assert_eq!(read("aaaa.txt").trim(), "::1");
    assert!(read("srv.txt").contains("443 web.demo.hypermesh."), "{}", read("srv.txt"));
    let key = run(
        "bash",
        &[
            "-c",
            "openssl x509 -in ed25519/cert.pem -noout -pubkey | openssl pkey -pubin -outform DER | sha256sum",
        ],
        path,
    );
    let hash = key.split_whitespace().next().unwrap().to_uppercase();
    let published = |file: &str| read(file).lines().map(|line| line.replace(' ', "")).collect::<Vec<_>>();
    assert!(published("tlsa.txt").contains(&format!("311{hash}")), "{} lacks {hash}", read("tlsa.txt"));
    let sorted = |mut lines: Vec<String>| {
        lines.sort();
        lines
    };
    assert_eq!(sorted(published("tlsa.txt")), sorted(published("tlsa-tcp.txt")));
    assert!(read("nxdomain.txt").contains("status: NXDOMAIN") && read("nxdomain.txt").contains("SOA"));
    assert!(read("refused.txt").contains("status: REFUSED"));

    // Offline, against the exported trust bundle: every check is named.
    let verified =
        run(BINARY, &["cert", "verify", "--offline", "--trust", "mesh.trust", "ed25519/cert.pem"], path);
    for wanted in ["approved", "logged", "node-"] {
        assert!(verified.to_lowercase().contains(wanted), "{verified}");
    }
    refuses_what_was_changed(path);
    speaks_tls(path);
}

/// A flipped character anywhere in the certificate or its proof is refused.
fn refuses_what_was_changed(path: &Path) {
    let original = std::fs::read_to_string(path.join("ed25519/cert.pem")).unwrap();
    let body = original.find('\n').unwrap() + 1..original.rfind("\n-----END").unwrap();
    std::fs::copy(path.join("ed25519/cert.proof"), path.join("changed.proof")).unwrap();
    for at in body.step_by(97).filter(|at| original.as_bytes()[*at] != b'\n') {
        let mut changed = original.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        std::fs::write(path.join("changed.pem"), &changed).unwrap();
        let output = Command::new(BINARY)
            .args([
                "cert",
                "verify",
                "--offline",
                "--trust",
                "mesh.trust",
                "--proof",
                "changed.proof",
                "changed.pem",
            ])
            .current_dir(path)
            .output()
            .unwrap();
        assert!(!output.status.success(), "a change at {at} was accepted");
    }
}

/// openssl and rustls speak over the certificate, each as server and as client.
fn speaks_tls(path: &Path) {
    let port = base_port(1) + 150;
    let script = format!(
        r#"
        openssl s_server -accept '[::1]:{port}' -naccept 1 -key ed25519.key -cert ed25519/cert.pem \
            -cert_chain ed25519/chain.pem -quiet < /dev/null > server.txt 2>&1 &
        server=$!
        for attempt in $(seq 50); do
            if echo | openssl s_client -connect '[::1]:{port}' -CAfile ed25519/root.pem -verify_return_error \
                -verify_hostname web.demo.hypermesh -brief > client.txt 2>&1; then break; fi
            kill -0 $server 2>/dev/null || break
        done
        wait $server || true
        grep -q 'Verification: OK' client.txt
        "#
    );
    run("bash", &["-ec", &script], path);
    rustls_both_ways(path);
}

fn rustls_both_ways(path: &Path) {
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
    use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};
    use std::sync::Arc;

    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(path.join("ed25519/root.pem")).unwrap()).unwrap();
    let chain: Vec<_> = ["ed25519/cert.pem", "ed25519/chain.pem"]
        .map(|file| CertificateDer::from_pem_file(path.join(file)).unwrap())
        .to_vec();
    let key = PrivateKeyDer::from_pem_file(path.join("ed25519.key")).unwrap();
    let roots = Arc::new(roots);
    let verifier =
        rustls::server::WebPkiClientVerifier::builder_with_provider(roots.clone(), provider.clone());
    let server = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(chain.clone(), key.clone_key())
        .unwrap();
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)
        .unwrap();
    let name = ServerName::try_from("web.demo.hypermesh").unwrap();
    let mut client = ClientConnection::new(Arc::new(client), name).unwrap();
    let mut server = ServerConnection::new(Arc::new(server)).unwrap();
    for _ in 0..8 {
        let mut bytes = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut bytes).unwrap();
        }
        let mut unread = bytes.as_slice();
        while !unread.is_empty() {
            server.read_tls(&mut unread).unwrap();
            server.process_new_packets().unwrap();
        }
        bytes.clear();
        while server.wants_write() {
            server.write_tls(&mut bytes).unwrap();
        }
        let mut unread = bytes.as_slice();
        while !unread.is_empty() {
            client.read_tls(&mut unread).unwrap();
            client.process_new_packets().unwrap();
        }
    }
    assert!(!client.is_handshaking() && !server.is_handshaking());
    assert!(server.peer_certificates().is_some(), "the certificate serves the client's end too");
}

#[test]
fn the_devnet_passes_the_exit_status_on_and_resumes_with_everything_it_had() {
    let folder = tempfile::tempdir().unwrap();
    let port = base_port(1);
    against_a_devnet(&folder, port, "\"$X\" cert issue kept.demo.hypermesh --out kept/");
    against_a_devnet(
        &folder,
        port,
        "\"$X\" cert list --json | grep -q kept.demo.hypermesh; \"$X\" dns set kept.demo.hypermesh TXT 'still here'; \
         \"$X\" dns lookup kept.demo.hypermesh TXT | grep -q 'still here'",
    );
    let status = Command::new(BINARY)
        .args(["devnet", "--data-dir"])
        .arg(folder.path().join("mesh"))
        .args(["--", "bash", "-c", "exit 42"])
        .output()
        .unwrap();
    assert_eq!(status.status.code(), Some(42), "{}", String::from_utf8_lossy(&status.stderr));
}
