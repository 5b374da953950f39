//! Valid encodings for the fuzzer to begin with: `cargo test -p hypermesh-core seeds -- --ignored` writes them
//! to `tests/fuzz/seeds`. The first byte chooses the parser, as the targets say.

use super::*;
use crate::hypermesh::committee::KeyPurpose;
use crate::hypermesh::ordering::{CommitSignature, ConsensusMessage, PolkaCertificate, Round, SignedVote};
use crate::hypermesh::ordering::{Vote, VoteKind};
use crate::hypermesh::proof::prove_ticket;
use crate::trustchain::ca::{CertificateRequest, PemLabel, crl_der, parse_certificate, pem};
use std::fs;
use std::path::PathBuf;

const CSRS: [&[u8]; 3] = [
    include_bytes!("../../trustchain/ca/fixtures/ed25519.der"),
    include_bytes!("../../trustchain/ca/fixtures/p256.der"),
    include_bytes!("../../trustchain/ca/fixtures/p384_sha384.der"),
];

fn write(target: &str, which: u8, name: &str, bytes: &[u8]) {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fuzz/seeds")).join(target);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(name), [&[which], bytes].concat()).unwrap();
}

#[test]
#[ignore = "writes files: run it when an encoding has changed"]
fn seeds_of_messages_and_state() {
    let mut mesh = Mesh::active();
    let batch = batch(&mut mesh);
    let traced = vec![(0_u16, TraceId([9; 16]))];
    write("messages", 0, "batch", &[&[1], &encode(&(&batch, traced))[..]].concat());
    let system = mesh.confirmations[0].clone();
    write("messages", 0, "system", &[&[2], &encode(&system)[..]].concat());
    write("messages", 0, "height", &[&[3], &encode(&Height(3))[..]].concat());
    let block = mesh.blocks.last().unwrap().clone();
    let commit = mesh.commit(block.header.height).unwrap();
    let blocks = vec![(block.to_bytes(), commit.clone())];
    write("messages", 0, "block", &[&[5], &encode(&(Height(2), blocks))[..]].concat());
    let signature = commit.signatures[0].signature;
    let vote = Vote {
        kind: VoteKind::Precommit,
        height: Height(2),
        round: Round(0),
        value_id: Some(Digest([1; 32])),
        validator: alice().public(),
    };
    let vote = SignedVote { vote, signature };
    write("messages", 1, "vote", &ConsensusMessage::Vote(vote).encode());
    let signatures = vec![CommitSignature { validator: alice().public(), signature }];
    let polka =
        PolkaCertificate { height: Height(2), round: Round(0), value_id: Digest([1; 32]), signatures };
    write("messages", 1, "polka", &ConsensusMessage::PolkaCertificate(polka).encode());
    let record = [&encode(&Height(2)), &[0][..], &encode(&vote)].concat();
    let length = u16::try_from(record.len()).unwrap().to_le_bytes();
    write("messages", 7, "log", &[&length, &record[..], &length, &record[..]].concat());

    write("state", 0, "operation", &encode(&operation()));
    let asked = mesh.operation(&alice(), issue(&["given.demo.hypermesh", "2001:db8::10"]));
    write("state", 0, "issue", &encode(&asked));
    write("state", 1, "batch", &encode(&batch));
    write("state", 2, "block", &block.to_bytes());
    write("state", 3, "header", &encode(&block.header));
    write("state", 4, "body", &encode(&block.body));
    write("state", 5, "system", &encode(&system));
    write("state", 6, "commit", &encode(&commit));
    write("state", 7, "genesis", &encode(&*mesh.genesis));
    write("files", 2, "genesis", &serde_json::to_vec(&*mesh.genesis).unwrap());
    for (key, value) in &mesh.rows {
        // Each row's tag, moved to where the target has the row.
        let rows = [10, 11, 12, 13, 8, 14, 9, 19, 15, 20, 16, 17, 18, 23, 24, 25];
        if let Some(which) = rows.get(usize::from(key[0]) - 1) {
            write("state", *which, &alloc::format!("row-{}", key[0]), value);
        }
    }
    write("proofs", 0, "set", &encode(&batch.proofs));
    let parameters = crate::base::Profile::Sim.proofs();
    let member = mesh.validators[0].public();
    let ticket = prove_ticket(mesh.plot(&mesh.validators[0]), &Digest([9; 32]), &member, &parameters);
    write("proofs", 1, "space", &encode(&ticket.space));
    write("proofs", 2, "time", &encode(&ticket.time));
}

#[test]
#[ignore = "writes files: run it when an encoding has changed"]
fn seeds_of_requests() {
    for request in requests() {
        let method = METHODS.iter().position(|method| *method == request.method()).unwrap();
        let name = request.method().name.replace('/', "-");
        let bytes = [&[u8::try_from(method).unwrap()], &request.encode()[..]].concat();
        if bytes.len() > 40 {
            write("requests", 0, &alloc::format!("{}-{name}", request.method().service), &bytes);
        }
        let mesh = &certified().mesh;
        if let Some(Ok(response)) = read(&view(mesh), &request, mesh.state.time()) {
            let bytes = [&[u8::try_from(method).unwrap()], &response.encode()[..]].concat();
            write("requests", 1, &alloc::format!("{}-{name}-response", request.method().service), &bytes);
        }
    }
    let dns = METHODS.iter().position(|method| method.name == "resolve_dns").unwrap();
    let json = br#"{"name":"given.demo.hypermesh","record_type":"AAAA"}"#;
    write("requests", 2, "json", &[&[u8::try_from(dns).unwrap()], &json[..]].concat());
}

#[test]
#[ignore = "writes files: run it when an encoding has changed"]
fn seeds_of_certificates() {
    for (number, csr) in CSRS.iter().enumerate() {
        write("request", 0, &alloc::format!("csr-{number}"), csr);
        let request = CertificateRequest::from_csr(csr).unwrap();
        write("request", 2, &alloc::format!("key-{number}"), request.subject_key.spki_der());
        write("request", 3, &alloc::format!("names-{number}"), &encode(&request.names));
        let text = pem(PemLabel::CertificateRequest, csr);
        write("request", 4, &alloc::format!("pem-{number}"), text.as_bytes());
    }
    let certified = certified();
    let certificate = parse_certificate(&certified.der).unwrap();
    write("certificate", 0, "leaf", &certified.der);
    write("certificate", 0, "root", &certified.bundle.root_der);
    write("certificate", 0, "issuing", &certified.bundle.issuing_ders[0].0);
    let list = certified.mesh.state.revocation_list_tbs().unwrap();
    let signature = certified.mesh.sign(KeyPurpose::Issuing, &list);
    write("certificate", 5, "list", &crl_der(&list, &signature).unwrap());
    write("certificate", 2, "tbs", &certificate.tbs);
    write("certificate", 3, "serial", &encode(&certificate.serial));
    write("certificate", 4, "pem", pem(PemLabel::Certificate, &certified.der).as_bytes());
    write("trust", 0, "bundle", &encode(&certified.bundle));
    write("trust", 1, "proof", &encode(&certified.proof));
    write("trust", 2, "proof-pem", certified.proof.to_pem().as_bytes());
    let short =
        alloc::format!("-----BEGIN {0}-----\nYWJj\n-----END {0}-----\n", crate::trust::PROOF_PEM_LABEL);
    write("trust", 3, "armour", short.as_bytes());
    write("log", 0, "note", certified.proof.checkpoint.as_bytes());
    let mesh = &certified.mesh;
    write("log", 1, "entry", mesh.entries.last().unwrap());
    let (log, head) = (mesh.state.log(), mesh.state.log().head());
    let size = head.size;
    let index = LeafIndex(1);
    let leaf = crate::trustchain::ct::leaf_hash(&mesh.entries[1]);
    let path = log.inclusion_proof(index, size).unwrap();
    write("log", 2, "inclusion", &encode(&(leaf, index, path, head)));
    let old = TreeHead { size: 2, root: log.root_at(2).unwrap() };
    let path = log.consistency_proof(2, size).unwrap();
    write("log", 3, "consistency", &encode(&(old, head, path)));
}
