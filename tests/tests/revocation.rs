//! Certificates end: revoked, renewed, replaced, as typed; and openssl, rustls and the command line refuse what is
//! revoked, and nothing else.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod desk;

use desk::Desk;
use hypermesh::mesh_tls::MeshTls;
use hypermesh_core::state::PUBLISHED_TTL_SECONDS;
use hypermesh_core::trust::TrustBundle;
use hypermesh_core::trustchain::ca::{PemLabel, from_pem, parse_certificate, pem};
use rustls::client::danger::ServerCertVerifier as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, Error};
use std::time::{Duration, Instant};

/// How long resolvers may have TLSA records from before.
const TIME_TO_LIVE: Duration = Duration::from_secs(PUBLISHED_TTL_SECONDS as u64);
/// A renewal that waits for that is over after this long, however slow the machine is.
const RENEWED_WITHIN: Duration = Duration::from_secs(240);
/// How often it is looked whether it is.
const LOOK_PERIOD: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_certificate_is_refused_by_everyone_and_the_one_beside_it_is_not() {
    let mut desk = Desk::new().await;
    for name in ["bad", "good"] {
        desk.succeed(&["cert", "issue", &format!("{name}.demo.hypermesh"), "--out", name]);
    }
    desk.succeed(&["trust", "export", "--out", "mesh.trust"]);
    desk.succeed(&["cert", "crl", "--out", "before.pem"]);
    assert!(openssl_verifies(&desk, "bad", "before.pem").is_ok());

    let said = desk.succeed(&["cert", "revoke", "bad/cert.pem", "--reason", "keyCompromise"]);
    assert!(said.contains("keyCompromise") && said.contains("in revocation list 2"), "{said}");
    let pem_text = desk.succeed(&["cert", "crl", "--pem"]);
    std::fs::write(desk.path("crl.pem"), &pem_text).unwrap();
    let issuing_text = desk.succeed(&["cert", "crl", "--authority", "issuing"]);
    let root_text = desk.succeed(&["cert", "crl", "--authority", "root"]);
    let blocks = |text: &str| text.matches("-----BEGIN X509 CRL-----").count();
    assert_eq!([&pem_text, &issuing_text, &root_text].map(|text| blocks(text)), [2, 1, 1]);
    desk.fail(&["cert", "crl", "--der", "--authority", "both"], 2, "a DER file holds one list");
    desk.succeed(&["cert", "crl", "--der", "--authority", "root", "--out", "root.crl.der"]);
    desk.succeed(&["cert", "crl", "--der", "--out", "crl.der"]);
    let der = std::fs::read(desk.path("crl.der")).unwrap();
    // The same list; its signature may have been made by other validators.
    let from_text = from_pem(PemLabel::RevocationList, &issuing_text).unwrap();
    assert_eq!(pem(PemLabel::RevocationList, &from_text), issuing_text);
    assert_eq!(der[..der.len() - 64], from_text[..from_text.len() - 64]);

    assert!(openssl_verifies(&desk, "good", "crl.pem").is_ok());
    let refusal = openssl_verifies(&desk, "bad", "crl.pem").unwrap_err();
    assert!(refusal.contains("certificate revoked"), "{refusal}");
    let text = desk.openssl(&["crl", "-inform", "DER", "-in", "crl.der", "-noout", "-text"]);
    assert!(text.contains("Key Compromise") && text.contains("X509v3 CRL Number"), "{text}");
    rustls_judges(&desk, &der, &std::fs::read(desk.path("root.crl.der")).unwrap());
    the_command_line_judges(&desk);
    repeats_and_refusals(&desk);
    // What cannot be asked is not valid, unless somebody wants it so.
    desk.mesh.stop().await;
    let verify = ["cert", "verify", "--trust", "mesh.trust", "good/cert.pem"];
    desk.fail(&verify, 7, "not checked: the context's mesh is not reachable");
    desk.fail(&[&verify[..], &["--context", "absent.toml"]].concat(), 7, "not checked");
    let json = desk.succeed(&[&verify[..], &["--offline", "--json"]].concat());
    assert!(json.contains(r#""passed": null"#) && json.contains(r#""detail": "not checked: "#), "{json}");
    desk.succeed(&[&verify[..], &["--crl", "crl.der"]].concat());
    desk.fail(&["cert", "verify", "--trust", "mesh.trust", "bad/cert.pem", "--crl", "crl.der"], 7, "revoked");
}

fn openssl_verifies(desk: &Desk, folder: &str, list: &str) -> Result<(), String> {
    let [root, chain, certificate] = ["root", "chain", "cert"].map(|file| format!("{folder}/{file}.pem"));
    let words = [
        "verify",
        "-x509_strict",
        "-crl_check_all",
        "-CRLfile",
        list,
        "-CAfile",
        &root,
        "-untrusted",
        &chain,
    ];
    let output = std::process::Command::new("openssl")
        .args(words)
        .arg(&certificate)
        .current_dir(desk.folder.path())
        .output()
        .unwrap();
    let text =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    if output.status.success() { Ok(()) } else { Err(text) }
}

/// Both of our rustls verifiers, each with both lists.
fn rustls_judges(desk: &Desk, list: &[u8], root_list: &[u8]) {
    let bundle = TrustBundle::from_pem(&desk.read("mesh.trust")).unwrap();
    let tls = MeshTls::new(&bundle, list, root_list).unwrap();
    let (server, client) = (tls.server_verifier().unwrap(), tls.client_verifier().unwrap());
    let judge = |folder: &str| {
        let [leaf, issuing] = ["cert", "chain"].map(|file| {
            let der = from_pem(PemLabel::Certificate, &desk.read(&format!("{folder}/{file}.pem"))).unwrap();
            CertificateDer::from(der)
        });
        let name = ServerName::try_from(format!("{folder}.demo.hypermesh")).unwrap();
        let (chain, now) = ([issuing], UnixTime::now());
        let as_server = server.verify_server_cert(&leaf, &chain, &name, &[], now).map(|_| ());
        let as_client = client.verify_client_cert(&leaf, &chain, now).map(|_| ());
        [as_server, as_client]
    };
    assert_eq!(judge("good"), [Ok(()), Ok(())]);
    let revoked = || Err(Error::InvalidCertificate(CertificateError::Revoked));
    assert_eq!(judge("bad"), [revoked(), revoked()]);
    let mut changed = list.to_vec();
    *changed.last_mut().unwrap() ^= 1;
    assert!(MeshTls::new(&bundle, root_list, list).is_err(), "neither stands for the other");
    assert!(
        MeshTls::new(&bundle, &changed, root_list).is_err(),
        "a list that nobody signed makes no verifier"
    );
}

fn the_command_line_judges(desk: &Desk) {
    let verify = ["cert", "verify", "--trust", "mesh.trust"];
    let good = desk.succeed(&[&verify[..], &["good/cert.pem"]].concat());
    assert!(good.contains("revocation   ok      not revoked, as is proved at height "), "{good}");
    desk.fail(&[&verify[..], &["bad/cert.pem"]].concat(), 7, "revoked at ");
    let good = desk.succeed(&[&verify[..], &["good/cert.pem", "--crl", "crl.pem"]].concat());
    assert!(good.contains("from crl.pem"), "{good}");
    desk.fail(&[&verify[..], &["bad/cert.pem", "--crl", "crl.pem"]].concat(), 7, "keyCompromise");
    desk.succeed(&[&verify[..], &["bad/cert.pem", "--crl", "before.pem"]].concat());
    let offline = desk.succeed(&[&verify[..], &["bad/cert.pem", "--offline"]].concat());
    assert!(offline.contains("revocation   -       not checked: --offline was given"), "{offline}");

    let shown = desk.succeed(&["cert", "show", "bad"]);
    assert!(shown.contains("status       revoked") && shown.contains("keyCompromise"), "{shown}");
    let serial = serial(desk, "good");
    assert!(desk.succeed(&["cert", "show", &serial]).contains("status       valid"));
    let lines = |words: &[&str]| desk.succeed(&[&["cert", "list"], words].concat()).lines().count();
    assert_eq!(
        (lines(&["--mine"]), lines(&["--status", "valid"]), lines(&["--status", "revoked"])),
        (3, 2, 2),
        "headings, and a line each"
    );
    let listed = desk.succeed(&["cert", "list"]);
    let places = ["SERIAL NUMBER", "bad.demo.hypermesh", "good.demo.hypermesh"].map(|text| listed.find(text));
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "the newest is last: {listed}");
    assert!(desk.succeed(&["cert", "list", "--status", "expired"]).contains("no certificates"));
    assert_eq!(
        lines(&["--expires-before", "2100-01-01T00:00:00Z", "--issued-after", "2020-01-01T00:00:00Z"]),
        3
    );
    assert!(desk.succeed(&["cert", "list", "--name", "bad.demo.hypermesh"]).contains(" revoked "));
    let page = desk.succeed(&["cert", "list", "--limit", "1"]);
    assert!(
        page.contains("good.demo.hypermesh") && page.contains("1 older certificates are not shown"),
        "{page}"
    );
    assert!(desk.succeed(&["cert", "list", "--json"]).contains("\"revocation\""));
    // The keys of the revoked one went with it.
    desk.fail(&["dns", "lookup", "_443._tcp.bad.demo.hypermesh", "TLSA"], 6, "");
    desk.succeed(&["dns", "lookup", "_443._tcp.good.demo.hypermesh", "TLSA"]);
}

fn serial(desk: &Desk, folder: &str) -> String {
    let der = from_pem(PemLabel::Certificate, &desk.read(&format!("{folder}/cert.pem"))).unwrap();
    parse_certificate(&der).unwrap().serial.to_string()
}

fn repeats_and_refusals(desk: &Desk) {
    let again = desk.succeed(&["cert", "revoke", &serial(desk, "bad"), "--reason", "superseded"]);
    assert!(again.contains("keyCompromise") && again.contains("in revocation list 2"), "{again}");
    desk.fail(&["cert", "revoke", "good", "--reason", "certificateHold"], 2, "permanent");
    desk.fail(
        &["cert", "revoke", &format!("01{}", "0".repeat(30)), "--reason", "superseded"],
        6,
        "no certificate",
    );
    desk.fail(&["cert", "revoke", "absent.pem", "--reason", "superseded"], 3, "absent.pem");
    // Somebody else's is refused, by the mesh.
    let seed: String = desk.mesh.participants.other.seed().iter().map(|byte| format!("{byte:02x}")).collect();
    let private = hypermesh::file::Access::Private;
    hypermesh::file::write(&desk.path("other.key"), seed.as_bytes(), private).unwrap();
    let context = desk.read("context.toml").replace("owner.key", "other.key");
    std::fs::write(desk.path("other.toml"), context).unwrap();
    let words = ["--context", "other.toml", "cert", "revoke", "good", "--reason", "superseded"];
    desk.fail(&words, 5, "belongs to");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compromised_key_stays_out() {
    let mut desk = Desk::new().await;
    desk.succeed(&["cert", "issue", "web.demo.hypermesh", "--out", "web"]);
    // The same key for another name, and one of another key.
    std::fs::create_dir(desk.path("api")).unwrap();
    std::fs::copy(desk.path("web/key.pem"), desk.path("api/key.pem")).unwrap();
    desk.succeed(&["cert", "issue", "api.demo.hypermesh", "--out", "api"]);
    desk.succeed(&["cert", "issue", "own.demo.hypermesh", "--out", "own"]);
    let needs = |words: &[&str]| desk.run(&[&["cert", "needs-renewal"], words].concat());
    assert_eq!(needs(&["web"]).0, 1);

    let said = desk.succeed(&["cert", "revoke", "web", "--reason", "keyCompromise"]);
    assert!(said.contains(&format!("revoked {}, which bears the same key", serial(&desk, "api"))), "{said}");
    let (code, said) = needs(&["web"]);
    assert!(code == 0 && said.contains("revoked at") && said.contains("keyCompromise"), "{said}");
    assert_eq!((needs(&["web", "--offline"]).0, needs(&["own"]).0), (1, 1));

    desk.fail(&["cert", "renew", "web"], 5, "--new-key");
    desk.fail(
        &["cert", "issue", "--csr", "web/request.pem", "--out", "again"],
        5,
        "was reported as compromised",
    );
    assert!(!desk.path("again/cert.pem").exists());
    desk.fail(&["dns", "lookup", "_443._tcp.web.demo.hypermesh", "TLSA"], 6, "");
    let said = desk.succeed(&["cert", "renew", "web", "--new-key"]);
    assert!(said.contains("is revoked") && !said.contains("good until"), "{said}");
    desk.succeed(&["dns", "lookup", "_443._tcp.web.demo.hypermesh", "TLSA"]);
    assert_eq!(needs(&["web"]).0, 1);

    // Files that do not belong together.
    for key in [desk.read("own/key.pem"), desk.read("own/key.pem").replace("M", "m"), String::new()] {
        std::fs::write(desk.path("web/key.pem"), key).unwrap();
        let (code, said) = needs(&["web"]);
        assert!(
            code == 0 && said.contains("key.pem belongs to another certificate, or is corrupted"),
            "{said}"
        );
    }
    desk.mesh.stop().await;
    let (code, said) = desk.run(&["cert", "needs-renewal", "own"]);
    assert!(code == 1 && said.contains("revocation was not checked"), "{said}");
}

/// Renews with a new key, revoking the old certificate: while resolvers may have the old TLSA record alone, the old pair is in
/// place and good, and the new key is published beside it.
fn renew_with_new_key(desk: &Desk, old: &str) {
    let words = ["cert", "renew", "web", "--new-key", "--key-type", "ed25519", "--revoke-old"];
    let mut renewal = desk.command(&words).spawn().unwrap();
    let begun = Instant::now();
    // The last moment at which it was not yet published, for certain.
    let mut unpublished = begun;
    loop {
        let looked = Instant::now();
        if tlsa_count(desk) == 2 {
            break;
        }
        unpublished = looked;
        assert!(renewal.try_wait().unwrap().is_none() && begun.elapsed() < RENEWED_WITHIN);
    }
    while renewal.try_wait().unwrap().is_none() {
        if unpublished.elapsed() < TIME_TO_LIVE {
            let (in_place, shown) = (serial(desk, "web"), desk.succeed(&["cert", "show", old]));
            // Judged by the time after the look: where a machine stalls, a look outlasts what was left.
            if unpublished.elapsed() < TIME_TO_LIVE {
                assert_eq!(in_place, old);
                assert!(shown.contains("status       valid"), "{shown}");
            }
        }
        assert!(begun.elapsed() < RENEWED_WITHIN, "the renewal goes on for ever");
        std::thread::sleep(LOOK_PERIOD);
    }
    assert!(unpublished.elapsed() >= TIME_TO_LIVE, "resolvers may have the old TLSA record alone");
    let output = renewal.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && said.contains(old) && said.contains("is revoked"), "{said}");
    assert_eq!(tlsa_count(desk), 1);
}

fn tlsa_count(desk: &Desk) -> usize {
    desk.succeed(&["dns", "lookup", "_443._tcp.web.demo.hypermesh", "TLSA"]).matches("TLSA 3 1 1 ").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_renewed_with_the_same_key_or_a_new_one_and_the_old_one_ends_if_told_to() {
    let mut desk = Desk::new().await;
    desk.succeed(&["cert", "issue", "web.demo.hypermesh", "--out", "web"]);
    desk.succeed(&["trust", "export", "--out", "mesh.trust"]);
    let needs = |words: &[&str]| desk.run(&[&["cert", "needs-renewal"], words].concat()).0;
    assert_eq!((needs(&["web"]), needs(&["web/cert.pem", "--expires-in", "25h"])), (1, 0));
    assert_eq!((needs(&["web", "absent"]), needs(&["web", "--expires-in", "100%"])), (2, 0));
    assert_eq!((needs(&["web/key.pem"]), needs(&[])), (3, 2));

    let (key, first) = (desk.read("web/key.pem"), serial(&desk, "web"));
    let said = desk.succeed(&["cert", "renew", "web"]);
    assert!(said.contains(&first) && said.contains("good until"), "{said}");
    assert_eq!(desk.read("web/key.pem"), key);
    assert!(desk.succeed(&["cert", "show", &first]).contains("status       valid"));
    let second = serial(&desk, "web");
    // The first bears the same key, which would stay published for its sake.
    desk.succeed(&["cert", "revoke", &first, "--reason", "superseded"]);
    renew_with_new_key(&desk, &second);
    assert!(desk.read("web/key.pem") != key && !desk.path("web/key.next.pem").exists());
    assert!(desk.succeed(&["cert", "show", &second]).contains("superseded"));
    desk.succeed(&["cert", "verify", "--trust", "mesh.trust", "web/cert.pem"]);
    let public = |words: &[&str]| desk.openssl(words);
    assert_eq!(
        public(&["pkey", "-in", "web/key.pem", "-pubout"]),
        public(&["x509", "-in", "web/cert.pem", "-noout", "-pubkey"])
    );
    // The file in the folder names it as well. Whoever does not wait finds the old pair until the next renewal.
    let (key, standing) = (desk.read("web/key.pem"), serial(&desk, "web"));
    let said = desk.succeed(&["cert", "renew", "web/cert.pem", "--new-key", "--no-wait"]);
    assert!(said.contains("not in place yet"), "{said}");
    assert_eq!((desk.read("web/key.pem"), serial(&desk, "web")), (key, standing));
    assert_eq!((needs(&["web"]), tlsa_count(&desk)), (1, 2));
    desk.fail(&["cert", "renew", "web/chain.pem"], 3, "expected the folder");
    // Nor does a folder change whose key is of another certificate.
    desk.succeed(&["cert", "issue", "api.demo.hypermesh", "--out", "api"]);
    std::fs::copy(desk.path("web/key.pem"), desk.path("api/key.pem")).unwrap();
    desk.fail(&["cert", "renew", "api"], 3, "key.pem belongs to another certificate");
    desk.fail(
        &["cert", "verify", "--trust", "mesh.trust", "api"],
        7,
        "key.pem belongs to another certificate",
    );
    let said = desk.succeed(&["cert", "show", "api"]);
    assert!(said.contains("key.pem belongs to another certificate"), "{said}");
    // A key that was made elsewhere stays there.
    desk.openssl(&[
        "req",
        "-new",
        "-newkey",
        "ed25519",
        "-nodes",
        "-keyout",
        "own.key",
        "-out",
        "own.csr",
        "-subj",
        "/",
        "-addext",
        "subjectAltName=DNS:own.demo.hypermesh",
    ]);
    desk.succeed(&["cert", "issue", "--csr", "own.csr", "--out", "own"]);
    desk.fail(&["cert", "renew", "own", "--new-key"], 3, "does not have the key");
    desk.succeed(&["cert", "renew", "own"]);
    desk.mesh.stop().await;
}
