//! The command line against a mesh: what the README promises, as typed there, by the shipped binary; and what
//! it wrote, changed bit by bit, verified offline.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod desk;

use desk::Desk;
use hypermesh_core::base::UnixMillis;
use hypermesh_core::trust::{CertificateProof, TrustBundle, verify_certificate};
use hypermesh_core::trustchain::ca::{PemLabel, from_pem, pem};
use hypermesh_tests::wall;

#[tokio::test(flavor = "multi_thread")]
async fn certificates_names_log_and_ledger_work_as_typed() {
    let mut desk = Desk::new().await;
    desk.openssl(&[
        "req",
        "-new",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-384",
        "-nodes",
        "-keyout",
        "web.key",
        "-out",
        "web.csr",
        "-subj",
        "/",
        "-addext",
        "subjectAltName=DNS:web.demo.hypermesh",
    ]);
    let issued = desk.succeed(&["cert", "issue", "--csr", "web.csr", "--out", "web/"]);
    assert!(
        issued.starts_with("issued web.demo.hypermesh until ") && issued.lines().count() == 1,
        "{issued}"
    );
    let verified = desk.openssl(&[
        "verify",
        "-x509_strict",
        "-CAfile",
        "web/root.pem",
        "-untrusted",
        "web/chain.pem",
        "web/cert.pem",
    ]);
    assert!(verified.contains("web/cert.pem: OK"), "{verified}");
    desk.succeed(&["trust", "export", "--out", "mesh.trust"]);
    let checks = desk.succeed(&["cert", "verify", "--trust", "mesh.trust", "web/cert.pem"]);
    for word in ["chain", "time", "names", "approved", "logged", "precommits", "checkpoint", "node-"] {
        assert!(checks.contains(word), "{word} in {checks}");
    }
    certificates(&desk);
    names(&desk);
    log(&desk);
    ledger_and_calls(&desk);
    desk.mesh.stop().await;
    // Offline is offline: the mesh is gone, and no context is asked for.
    desk.succeed(&[
        "cert",
        "verify",
        "--offline",
        "--trust",
        "mesh.trust",
        "web/cert.pem",
        "--name",
        "web.demo.hypermesh",
    ]);
    desk.fail(&["--timeout", "4", "caesar", "balance"], 4, "no node is reachable");
    desk.fail(&["--timeout", "4", "node", "status"], 4, "no answer from [::1]:");
}

fn certificates(desk: &Desk) {
    desk.succeed(&["cert", "issue", "api.demo.hypermesh", "--out", "api", "--port", "8443/tcp"]);
    desk.openssl(&["pkey", "-in", "api/key.pem", "-noout", "-check"]);
    let key = desk.read("api/key.pem");
    let first = desk.read("api/cert.pem");
    desk.succeed(&["cert", "renew", "api"]);
    assert!(desk.read("api/key.pem") == key && desk.read("api/cert.pem") != first, "the same key, anew");
    let tlsa = desk.succeed(&["dns", "lookup", "_8443._tcp.api.demo.hypermesh", "TLSA"]);
    assert!(tlsa.contains("TLSA 3 1 1 "), "{tlsa}");
    desk.fail(&["cert", "issue", "x.demo.hypermesh", "--out", "api"], 3, "--force");
    desk.fail(&["cert", "issue", "--csr", "web.csr", "--out", "api"], 3, "--force");
    assert_eq!(desk.read("api/key.pem"), key);
    desk.fail(
        &["--context", "absent.toml", "cert", "issue", "x.demo.hypermesh", "--out", "x"],
        3,
        "absent.toml",
    );
    assert!(!desk.path("x").exists(), "no key is left where nothing was sent");
    // One node's refusal proves nothing: the key stays until that of another name is forced.
    desk.fail(&["cert", "issue", "x.other.hypermesh", "--out", "x"], 5, "belongs to");
    let begun = desk.read("x/.hypermesh/1/key.pem");
    desk.fail(&["--context", "absent.toml", "cert", "renew", "x"], 3, "absent.toml");
    desk.fail(&["cert", "issue", "x.demo.hypermesh", "--out", "x"], 3, "--force");
    assert_eq!(desk.read("x/.hypermesh/1/key.pem"), begun);
    desk.fail(
        &["cert", "issue", "x.demo.hypermesh", "--out", "x", "--lifetime", "4m"],
        2,
        "from 5 minutes to 90 days",
    );
    desk.fail(
        &["cert", "issue", "x.demo.hypermesh", "--out", "x", "--lifetime", "91d"],
        2,
        "from 5 minutes to 90 days",
    );
    desk.fail(&["cert", "show", &format!("01{}", "0".repeat(30))], 6, "");
    desk.fail(&["caesar", "transfer", &"0".repeat(64), "0"], 2, "");
    let json = r#"{"error":{"kind":"refused","exit":5,"message":"#;
    desk.fail(&["cert", "issue", "x.other.hypermesh", "--out", "x", "--force", "--json"], 5, json);
    let json = r#"{"error":{"kind":"usage","exit":2,"message":"#;
    desk.fail(&["cert", "issue", "--json"], 2, json);
    desk.fail(&["cert", "issue", "--csr", "web.key", "--out", "x"], 3, "web.key");
    let listed = desk.succeed(&["cert", "list", "--mine"]);
    assert_eq!(listed.lines().count(), 4, "headings, and a line each: {listed}");
    desk.succeed(&["cert", "verify", "--trust", "mesh.trust", "web"]);
    desk.fail(
        &["cert", "verify", "--trust", "mesh.trust", "web/cert.pem", "--at", "2036-01-01T00:00:00Z"],
        7,
        "expired",
    );
    desk.fail(
        &["cert", "verify", "--trust", "mesh.trust", "web/cert.pem", "--proof", "api/cert.proof"],
        7,
        "proof file is of the certificate",
    );
    std::fs::copy(desk.path("web/cert.pem"), desk.path("alone.pem")).unwrap();
    desk.fail(&["cert", "verify", "--trust", "mesh.trust", "alone.pem"], 3, "--without-proof");
    let alone = desk.succeed(&["cert", "verify", "--trust", "mesh.trust", "alone.pem", "--without-proof"]);
    assert!(alone.contains("only the committee's signature proves"), "{alone}");
}

fn names(desk: &Desk) {
    desk.succeed(&["dns", "set", "web.demo.hypermesh", "AAAA", "2001:db8::7", "fd00::1"]);
    let found = desk.succeed(&["dns", "lookup", "web.demo.hypermesh"]);
    assert!(found.contains("IN AAAA 2001:db8::7") && found.contains("IN AAAA fd00::1"), "{found}");
    desk.succeed(&["dns", "set", "web.demo.hypermesh", "AAAA", "--remove"]);
    desk.fail(&["dns", "lookup", "web.demo.hypermesh"], 6, "AAAA");
    desk.succeed(&["dns", "register", "shop.hypermesh"]);
    desk.fail(&["dns", "register", "shop.hypermesh"], 5, "already registered");
    assert!(desk.succeed(&["dns", "renew", "shop.hypermesh"]).contains("paid for until"));
    assert!(desk.succeed(&["dns", "owner", "a.shop.hypermesh"]).contains("another period costs 0.1 Caesar"));
    desk.fail(&["dns", "renew", "demo.hypermesh"], 5, "costs no rent");
    desk.fail(&["dns", "lookup", "nobody.demo.hypermesh"], 6, "does not exist");
    desk.fail(&["dns", "set", "web.demo.hypermesh", "AAAA", "192.0.2.1"], 2, "for example");
    // Options are options wherever they stand; a value that looks like one comes after two hyphens.
    desk.succeed(&["dns", "set", "web.demo.hypermesh", "TXT", "hello", "--ttl", "60"]);
    let found = desk.succeed(&["dns", "lookup", "web.demo.hypermesh", "TXT"]);
    assert!(found.contains(" 60 ") && found.contains("hello") && !found.contains("ttl"), "{found}");
    desk.fail(&["dns", "set", "web.demo.hypermesh", "TXT", "hello", "--tll", "60"], 2, "--ttl");
    desk.succeed(&["dns", "set", "web.demo.hypermesh", "TXT", "--", "--ttl"]);
    assert!(desk.succeed(&["dns", "lookup", "web.demo.hypermesh", "TXT"]).contains("--ttl"));
    records(desk);
}

fn records(desk: &Desk) {
    desk.succeed(&["dns", "set", "demo.hypermesh", "MX", "10", "mail.demo.hypermesh"]);
    desk.succeed(&["dns", "set", "bytes.demo.hypermesh", "type65280", r"\# 4 0A000001"]);
    let found = desk.succeed(&["dns", "lookup", "bytes.demo.hypermesh", "TYPE65280", "--prove"]);
    assert!(found.contains(r"IN TYPE65280 \# 4 0a000001"), "{found}");
    let alias = ["dns", "set", "www.demo.hypermesh", "CNAME"];
    desk.succeed(&[&alias[..], &["target.demo.hypermesh"]].concat());
    desk.fail(&["dns", "set", "target.demo.hypermesh", "CNAME", "www.demo.hypermesh"], 5, "leads back to");
    desk.fail(&["dns", "set", "a.demo.hypermesh", "MX", "10 www.demo.hypermesh"], 5, "RFC 2181");
    desk.fail(
        &["dns", "set", "mail.demo.hypermesh", "CNAME", "a.example"],
        5,
        "the MX record of demo.hypermesh points at",
    );
    desk.fail(&["dns", "set", "a.demo.hypermesh", "NS", "ns.example"], 2, "the mesh answers for every name");
    desk.fail(&["dns", "set", "*.demo.hypermesh", "AAAA", "::1"], 2, "is a wildcard");
    let first = desk.succeed(&["dns", "list", "demo.hypermesh", "--limit", "1"]);
    assert!(first.contains("--after demo.hypermesh/"), "{first}");
    let rest = desk.succeed(&["dns", "list", "demo.hypermesh", "--after", "demo.hypermesh/TYPE65535"]);
    assert!(
        !rest.contains("demo.hypermesh. 300 IN MX") && rest.contains("www.demo.hypermesh. 300 IN CNAME"),
        "{rest}"
    );
    assert_eq!(desk.succeed(&["dns", "list", "nothing.demo.hypermesh"]), "no records\n");
}

fn log(desk: &Desk) {
    let checkpoint = desk.succeed(&["log", "checkpoint", "--out", "checkpoint"]);
    assert!(checkpoint.contains("cosigned by node-"), "{checkpoint}");
    desk.succeed(&["log", "verify", "checkpoint", "--trust", "mesh.trust"]);
    desk.succeed(&["log", "prove", "--index", "1", "--out", "inclusion.json"]);
    desk.succeed(&["log", "verify", "inclusion.json", "--trust", "mesh.trust"]);
    desk.succeed(&["log", "prove", "--consistency", "1", "3", "--out", "consistency.json"]);
    desk.succeed(&["log", "verify", "consistency.json", "--trust", "mesh.trust"]);
    let changed = desk.read("inclusion.json").replace("\"index\": 1", "\"index\": 2");
    std::fs::write(desk.path("changed.json"), changed).unwrap();
    desk.fail(&["log", "verify", "changed.json", "--trust", "mesh.trust"], 7, "does not lead to the root");
    desk.fail(&["log", "prove", "--index", "99"], 6, "no entry 99");
}

fn ledger_and_calls(desk: &Desk) {
    let other: String = desk.mesh.participants.poor.public().to_string();
    desk.succeed(&["caesar", "transfer", &other, "12.5"]);
    assert!(desk.succeed(&["caesar", "balance", &other]).starts_with("12.5 Caesar"));
    desk.fail(&["caesar", "transfer", &other, "99999999"], 5, "are needed");
    desk.fail(&["caesar", "transfer", &other, "0.0000001"], 2, "six decimals");
    desk.fail(&["--fee-max", "0.0001", "caesar", "transfer", &other, "1"], 5, "pays at most");
    desk.fail(&["caesar", "bond", "1"], 5, "not a member");
    let history = desk.succeed(&["caesar", "history", "--limit", "2"]);
    assert!(history.contains("-12.5 Caesar") && history.contains("--before "), "{history}");
    assert!(desk.succeed(&["caesar", "history", "--reserve"]).contains("reward"));
    assert!(desk.succeed(&["caesar", "history", "--block", "0"]).contains("genesis"));
    assert!(desk.succeed(&["caesar", "supply"]).contains("it adds up"));
    assert!(desk.succeed(&["caesar", "fees"]).contains("1.000 times the listed ones"));
    assert!(desk.succeed(&["caesar", "rewards"]).contains("node-4"));
    for report in ["history", "supply", "fees", "rewards"] {
        let json = desk.succeed(&["--json", "caesar", report]);
        assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok(), "{report}: {json}");
    }
    let request = r#"{"name":"node-1.hypermesh","record_type":"AAAA"}"#;
    for words in [
        vec!["rpc", "call", "trustchain", "resolve_dns", request],
        vec!["rpc", "call", "trustchain/resolve_dns", request, "--json"],
        vec!["rpc", "call", "trustchain", "resolve_dns", "--json-body", request],
    ] {
        assert!(desk.succeed(&words).contains("\"::1\""));
    }
    desk.fail(&["rpc", "call", "trustchain", "nothing"], 6, "unknown method trustchain/nothing");
    let misspelt = r#"{"name":"web.demo.hypermesh","record_type":"AAAA","recordtype":"TXT"}"#;
    desk.fail(&["rpc", "call", "trustchain", "resolve_dns", misspelt], 2, "no field recordtype");
    let blocks = desk.succeed(&[
        "--timeout",
        "2",
        "rpc",
        "call",
        "hypermesh/consensus/subscribe_blocks",
        "{\"from\":1}",
    ]);
    let heights = blocks.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let heights: Vec<_> = heights.map(|block| block["header"]["height"].as_u64().unwrap()).collect();
    assert!(heights.len() > 2 && heights.iter().zip(1..).all(|(height, n)| *height == n), "{heights:?}");
    assert!(desk.succeed(&["rpc", "list"]).contains("hypermesh/consensus/validate_proofs"));
    let described = desk.succeed(&["rpc", "list", "trustchain"]);
    for part in
        ["resolve_dns  (may be sent in a first flight (0-RTT))", "name: DomainName, record_type: RecordType,"]
    {
        assert!(described.contains(part), "{part} in {described}");
    }
    let pinged = desk.succeed(&["rpc", "ping"]);
    assert!(pinged.contains(" ms (0-RTT)"), "{pinged}");
    assert!(pinged.lines().count() == 4 && pinged.contains("X25519MLKEM768"), "{pinged}");
    desk.fail(&["rpc", "ping", "nobody"], 6, "no validator");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_flipped_bit_anywhere_is_refused() {
    let mut desk = Desk::new().await;
    desk.succeed(&["cert", "issue", "web.demo.hypermesh", "--out", "web"]);
    desk.succeed(&["trust", "export", "--out", "mesh.trust"]);
    desk.mesh.stop().await;
    let files = [desk.read("mesh.trust"), desk.read("web/cert.pem"), desk.read("web/cert.proof")];
    let at = wall();
    assert_eq!(verdict(&files, at), Ok(()));
    for (which, step) in [(0, BUNDLE_BIT_STEP), (1, BIT_STEP), (2, BIT_STEP)] {
        for bit in (0..files[which].len() * 8).step_by(step) {
            let mut bytes = files[which].clone().into_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let Ok(changed) = String::from_utf8(bytes) else { continue };
            let mut files = files.clone();
            files[which] = changed;
            assert!(
                verdict(&files, at).is_err(),
                "bit {bit} of file {which} was flipped and nothing said so"
            );
        }
    }
    // The binary says it too, with the reason and its exit code.
    let mut altered = from_pem(PemLabel::Certificate, &files[1]).unwrap();
    *altered.last_mut().unwrap() ^= 1;
    std::fs::write(desk.path("web/cert.pem"), pem(PemLabel::Certificate, &altered)).unwrap();
    desk.fail(&["cert", "verify", "--trust", "mesh.trust", "web/cert.pem"], 7, "is not valid");
}

/// What is made of a trust bundle, a certificate and a proof, each the text of its file.
fn verdict([bundle, certificate, proof]: &[String; 3], at: UnixMillis) -> Result<(), String> {
    let bundle = TrustBundle::from_pem(bundle).map_err(|error| error.to_string())?;
    let der = from_pem(PemLabel::Certificate, certificate).map_err(|error| error.to_string())?;
    if pem(PemLabel::Certificate, &der) != *certificate {
        return Err("altered".to_owned());
    }
    let proof = CertificateProof::from_pem(proof).map_err(|error| error.to_string())?;
    let verification = verify_certificate(&bundle, &der, Some(&proof), None, at);
    let failed = verification.failed().cloned();
    failed.map_or(Ok(()), |check| Err(check.detail))
}

/// Not every bit is tried, since each trial verifies some twenty signatures; but every byte is, and, the step
/// being odd, every place in a byte.
const BIT_STEP: usize = 7;
/// The bundle is seven times as long as the others.
const BUNDLE_BIT_STEP: usize = 13;
