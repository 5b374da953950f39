//! What a client may send and should not: requests as `openssl req` makes them, operations that are not what they
//! say, batches of rubbish. Each is refused with what is wrong, over STOQ, by four real nodes; nothing is lost, and
//! the mesh goes on.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use hypermesh_core::api::{
    BalanceRequest, ConsensusRequirements, ConsensusValidationResult, IssueCertificateRequest, MemberRequest,
    OperationRequest, Request, StatusRequest, ValidateBatchRequest,
};
use hypermesh_core::base::{Digest, MicroCaesar, SecretKey, Signature, UnixMillis};
use hypermesh_core::hypermesh::proof::{
    FourProofSet, SequentialProof, SpaceAnswer, SpaceProof, StakeProof, TimeProof, WORK_PUZZLES, WorkProof,
};
use hypermesh_core::state::{
    Action, Batch, CertificateProfile, IssueCertificate, LEAF_SECONDS_DEFAULT, OPERATION_MS_LIFE_MAX,
    Operation, OperationBody,
};
use hypermesh_sim::world::Owner;
use hypermesh_tests::{LocalMesh, call, client, wall};
use std::path::Path;
use std::process::Command;
use stoq::{CallError, Client, StatusCode};

/// A key by openssl, as it names it, and the subjectAltName to ask for.
struct Asked<'a> {
    key: &'a [&'a str],
    names: &'a str,
}

const ED25519: &[&str] = &["-algorithm", "ED25519"];

fn openssl(folder: &Path, arguments: &[&str]) {
    let output = Command::new("openssl").args(arguments).current_dir(folder).output();
    let output = output.expect("openssl is needed for this test");
    assert!(output.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// The request that openssl makes.
fn request(folder: &Path, asked: &Asked<'_>) -> Vec<u8> {
    openssl(folder, &[&["genpkey", "-out", "key.pem"], asked.key].concat());
    let config = format!(
        "[req]\ndistinguished_name=dn\nreq_extensions=v3\n[dn]\n[v3]\nsubjectAltName={}\n",
        asked.names
    );
    std::fs::write(folder.join("req.cnf"), config).unwrap();
    let arguments =
        ["req", "-new", "-key", "key.pem", "-subj", "/CN=web.demo.hypermesh", "-config", "req.cnf"];
    openssl(folder, &[&arguments[..], &["-outform", "DER", "-out", "request.der"]].concat());
    std::fs::read(folder.join("request.der")).unwrap()
}

fn body(mesh: &LocalMesh, owner: &SecretKey, nonce: u64, action: Action) -> OperationBody {
    let (genesis, expires) = (mesh.participants.genesis_hash(), wall().plus(60_000));
    OperationBody { genesis, owner: owner.public(), nonce, expires, fee_max: MicroCaesar(u64::MAX), action }
}

fn issue(csr: Vec<u8>) -> Action {
    Action::IssueCertificate(IssueCertificate {
        csr,
        profile: CertificateProfile::Endpoint,
        lifetime_seconds: LEAF_SECONDS_DEFAULT,
        services: Vec::new(),
    })
}

/// What a node says to an operation that asks for a certificate, if it refuses.
async fn refusal(client: &Client, mesh: &LocalMesh, operation: Operation) -> (StatusCode, String) {
    match call(client, &mesh.peer(0), &IssueCertificateRequest { operation }).await {
        Err(CallError::Refused { status }) => (status.code(), status.message().to_owned()),
        other => panic!("{other:?} where a refusal was expected"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_openssl_makes_and_the_profile_forbids_are_refused_with_what_is_wrong() {
    let mut mesh = LocalMesh::start().await;
    let folder = tempfile::tempdir().unwrap();
    let owner = mesh.participants.client.clone();
    let client = client(owner.clone());
    let so_many = |count: usize| {
        let names = (0..count).map(|number| format!("DNS:n{number}.demo.hypermesh"));
        names.collect::<Vec<_>>().join(",")
    };
    let (many, far_too_many) = (so_many(33), so_many(10_000));
    let good = "DNS:web.demo.hypermesh";
    let (malformed, policy) = (StatusCode::InvalidArgument, StatusCode::FailedPrecondition);
    let rsa: &[&str] = &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"];
    let p521: &[&str] = &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"];
    let cases = [
        (rsa, good, malformed, "RSA keys are not supported: use Ed25519, P-256 or P-384"),
        (p521, good, malformed, "P-521 keys are not supported: use Ed25519, P-256 or P-384"),
        (ED25519, "DNS:*.demo.hypermesh", malformed, "wildcard"),
        (ED25519, "DNS:web.demo.hypermesh,IP:192.0.2.1", malformed, "IPv4 address 192.0.2.1 is refused"),
        (ED25519, "DNS:web.demo.hypermesh,IP:ff02::1", malformed, "multicast"),
        (ED25519, "DNS:web.demo.hypermesh,email:a@demo.hypermesh", malformed, "e-mail address"),
        (ED25519, "DNS:xn--pple-43d.demo.hypermesh", malformed, "mixes scripts, Cyrillic and Latin"),
        (ED25519, "DNS:web.other.hypermesh", policy, "other.hypermesh"),
        (ED25519, "DNS:www.example.org", policy, "www.example.org"),
        (ED25519, "DNS:hypermesh", policy, "hypermesh"),
        (ED25519, many.as_str(), malformed, "33 names, at most 32 are allowed"),
        // Refused before anything of it is read.
        (ED25519, far_too_many.as_str(), malformed, "bytes, at most 65536 are allowed"),
    ];
    let mut nonce = 0;
    for (key, names, code, words) in cases {
        nonce += 1;
        let csr = request(folder.path(), &Asked { key, names });
        let operation = body(&mesh, &owner, nonce, issue(csr)).sign(&owner);
        let (found, message) = refusal(&client, &mesh, operation).await;
        assert!(found == code && message.contains(words), "{words}: {found} {message}");
    }
    let csr = request(folder.path(), &Asked { key: ED25519, names: good });
    let mut altered = csr.clone();
    *altered.last_mut().unwrap() ^= 1;
    for (csr, words) in [
        (Vec::new(), "not a PKCS#10"),
        (csr[..csr.len() / 2].to_vec(), "not a PKCS#10"),
        (b"hello".to_vec(), "not a PKCS#10"),
        ([&csr[..], &csr].concat(), "bytes follow the certificate request"),
        (altered, "signature does not verify"),
    ] {
        nonce += 1;
        let operation = body(&mesh, &owner, nonce, issue(csr)).sign(&owner);
        let (code, message) = refusal(&client, &mesh, operation).await;
        assert!(code == malformed && message.contains(words), "{words}: {code} {message}");
    }
    // After all of it the good one is issued, and its log entry is the first leaf's.
    let operation = body(&mesh, &owner, nonce + 1, issue(csr)).sign(&owner);
    let issued = call(&client, &mesh.peer(0), &IssueCertificateRequest { operation }).await.unwrap();
    assert_eq!(issued.leaf_index.get(), 1);
    mesh.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn operations_that_are_not_what_they_say_are_refused_and_a_repeat_happens_once() {
    let mut mesh = LocalMesh::start().await;
    let owner = mesh.participants.client.clone();
    let caller = client(owner.clone());
    let to = mesh.participants.other.public();
    let transfer = |nonce, amount| {
        let asked = Owner::new(owner.clone(), mesh.participants.genesis_hash(), wall()).transfer(
            nonce,
            to,
            MicroCaesar(amount),
        );
        match asked {
            Request::Operation(request) => request.operation,
            other => panic!("asked for {other:?}"),
        }
    };
    let resigned = |change: &dyn Fn(&mut OperationBody), key: &SecretKey| {
        let mut body = transfer(1, 5).body;
        change(&mut body);
        body.sign(key)
    };
    let mut forged = transfer(1, 5);
    forged.signature = Signature([7; 64]);
    let (malformed, policy) = (StatusCode::InvalidArgument, StatusCode::FailedPrecondition);
    let poor = mesh.participants.poor.clone();
    let cases = [
        (forged, malformed, "signature is not by its owner"),
        (resigned(&|_| (), &mesh.participants.other), malformed, "signature is not by its owner"),
        (resigned(&|body| body.genesis = Digest([3; 32]), &owner), malformed, "for the mesh with genesis"),
        (resigned(&|body| body.expires = UnixMillis(1), &owner), policy, "expired"),
        (resigned(&|body| body.expires = wall().plus(2 * OPERATION_MS_LIFE_MAX), &owner), policy, "expires"),
        (resigned(&|body| body.owner = poor.public(), &poor), policy, "holds"),
        (transfer(2, u64::MAX / 2), policy, "holds"),
        (transfer(3, 0), malformed, "above zero"),
    ];
    for (operation, code, words) in cases {
        match call(&caller, &mesh.peer(0), &OperationRequest { operation }).await {
            Err(CallError::Refused { status }) => {
                assert!(status.code() == code && status.message().contains(words), "{words}: {status}");
            }
            other => panic!("{words}: {other:?}"),
        }
    }
    let balance = async || {
        let request = BalanceRequest { owner: to };
        call(&caller, &mesh.peer(1), &request).await.unwrap().balance
    };
    let before = balance().await;
    let once = transfer(9, 1_000_000);
    let mut receipts = Vec::new();
    for node in [0, 1, 2, 3, 0] {
        let request = OperationRequest { operation: once.clone() };
        receipts.push(call(&caller, &mesh.peer(node), &request).await.unwrap());
    }
    assert!(receipts.windows(2).all(|pair| pair[0] == pair[1]), "one receipt, wherever it is sent");
    let reached = async {
        while balance().await != MicroCaesar(before.0 + 1_000_000) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(hypermesh_tests::CALL_DEADLINE, reached).await.unwrap();
    mesh.stop().await;
}

/// A batch that a stranger makes up in a member's name: a thousand operations with signatures that nobody made.
async fn rubbish(caller: &Client, mesh: &LocalMesh) -> Batch {
    let member = mesh.participants.member.identity.public();
    let state = call(caller, &mesh.peer(0), &MemberRequest { member }).await.unwrap();
    let stranger = SecretKey::from_seed([200; 32]);
    let operation = |nonce| {
        let to = mesh.participants.other.public();
        let action = Action::Transfer(hypermesh_core::state::Transfer { to, amount: MicroCaesar(1) });
        Operation { body: body(mesh, &stranger, nonce, action), signature: Signature([9; 64]) }
    };
    Batch {
        genesis: mesh.participants.genesis_hash(),
        member,
        sequence: state.next_sequence,
        beacon_index: state.beacon.index,
        operations: (0..1024).map(operation).collect(),
        omitted: Vec::new(),
        proofs: FourProofSet {
            space_proof: SpaceProof::Full(Box::new(SpaceAnswer { labels: vec![], siblings: vec![] })),
            stake_proof: StakeProof { signature: Signature([1; 64]) },
            work_proof: WorkProof { nonces: [0; WORK_PUZZLES] },
            time_proof: TimeProof::Full(Box::new(SequentialProof { root: Digest::ZERO, siblings: vec![] })),
        },
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_of_rubbish_is_refused_for_its_proofs_before_any_of_its_signatures_is_looked_at() {
    let mut mesh = LocalMesh::start().await;
    let caller = client(SecretKey::from_seed([201; 32]));
    let batch = rubbish(&caller, &mesh).await;
    for requirements in [ConsensusRequirements::Checked, ConsensusRequirements::default()] {
        let request = ValidateBatchRequest { batch: batch.clone(), requirements };
        match call(&caller, &mesh.peer(0), &request).await.unwrap() {
            // A signature that was looked at would be named.
            ConsensusValidationResult::Invalid { failed_proofs, reason } => {
                assert!(failed_proofs.len() >= 3 && !reason.contains("signature is not by"), "{reason}");
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(call(&caller, &mesh.peer(0), &StatusRequest {}).await.unwrap().ready);
    mesh.stop().await;
}
