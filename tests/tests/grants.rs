//! A name that is granted to a host, used by it within its limits, and taken back, as typed.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod desk;

use desk::Desk;
use hypermesh::file::{self, Access};

const HOST: &str = "host1.demo.hypermesh";

#[tokio::test(flavor = "multi_thread")]
async fn a_granted_name_is_used_within_its_limits_and_taken_back() {
    let desk = Desk::new().await;
    let key = host_context(&desk);
    desk.succeed(&["trust", "export", "--out", "mesh.trust"]);
    let said = desk.succeed(&["dns", "register", HOST, "--owner", &key, "--for", "2d", "--no-further"]);
    assert!(said.contains("granted until"), "{said}");
    let said = desk.succeed(&["dns", "owner", HOST]);
    assert!(said.contains("granted until") && said.contains("for no names below it"), "{said}");
    assert!(said.contains(&key) && said.contains("can take it back"), "{said}");
    let json = desk.succeed(&["dns", "owner", HOST, "--json"]);
    assert!(json.contains(r#""may_grant": false"#) && !json.contains(r#""until": null"#), "{json}");
    used(&desk);
    taken_back(&desk);
    // The rebuilt host has the name again.
    desk.succeed(&["dns", "register", HOST, "--owner", &key]);
    desk.succeed(&["cert", "issue", HOST, "--out", "rebuilt", "--context", "host.toml"]);
    desk.fail(&["dns", "register", HOST, "--owner", &key, "--for", "1d"], 5, "without an end");
}

/// Writes a context for the owner of another key, who has funds and no name here, and gives that key.
fn host_context(desk: &Desk) -> String {
    let other = &desk.mesh.participants.other;
    let seed: String = other.seed().iter().map(|byte| format!("{byte:02x}")).collect();
    file::write(&desk.path("host.key"), seed.as_bytes(), Access::Private).unwrap();
    let context = desk.read("context.toml");
    assert!(context.contains("owner.key"), "{context}");
    std::fs::write(desk.path("host.toml"), context.replace("owner.key", "host.key")).unwrap();
    other.public().to_string()
}

/// By its owner, as long as it lasts, and no further.
fn used(desk: &Desk) {
    let host = ["--context", "host.toml"];
    let issue = ["cert", "issue", HOST, "--out", "host", "--port", "443"];
    desk.succeed(&[&issue[..], &host].concat());
    let longer = ["cert", "issue", HOST, "--out", "longer", "--lifetime", "3d"];
    desk.fail(&[&longer[..], &host].concat(), 5, "is granted until");
    let below = ["dns", "register", "vm.host1.demo.hypermesh"];
    desk.fail(&[&below[..], &host].concat(), 5, "without the right to grant further");
    desk.fail(&[&["dns", "reclaim", HOST][..], &host].concat(), 5, "can be taken back by");
    desk.succeed(&["dns", "lookup", "_443._tcp.host1.demo.hypermesh", "TLSA"]);
}

fn taken_back(desk: &Desk) {
    let said = desk.succeed(&["dns", "reclaim", HOST]);
    assert!(
        said.contains("took host1.demo.hypermesh back") && said.contains("1 certificates revoked"),
        "{said}"
    );
    desk.succeed(&["cert", "crl", "--out", "crl.pem"]);
    let verify = ["cert", "verify", "--trust", "mesh.trust", "host/cert.pem", "--crl", "crl.pem"];
    desk.fail(&verify, 7, "privilegeWithdrawn");
    desk.fail(&["dns", "lookup", "_443._tcp.host1.demo.hypermesh", "TLSA"], 6, "does not exist");
    let again = ["cert", "issue", HOST, "--out", "again", "--context", "host.toml"];
    desk.fail(&again, 5, "belongs to");
    let json = desk.succeed(&["dns", "reclaim", HOST, "--json"]);
    assert!(json.contains(r#""previous": null"#) && json.contains(r#""rest": null"#), "{json}");
    desk.fail(&["dns", "reclaim", "demo.hypermesh"], 5, "cannot be taken back");
    desk.fail(&["dns", "register", "free.hypermesh", "--for", "1d"], 5, "without limits");
}
