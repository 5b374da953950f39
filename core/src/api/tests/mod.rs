//! The table of methods, and the encodings of requests and responses.

mod answers;
mod proofs;
mod records;
mod roles;
mod seeds;
mod subscribe;

use super::*;
use crate::base::{
    Digest, Height, LeafIndex, MicroCaesar, PublicKey, SecretKey, Sequence, UnixMillis, decode, encode,
};
use crate::caesar::{HistoryHead, HistoryPage, Holder, ISSUE_FEE};
use crate::hypermesh::proof::{ProofKind, SpaceProof, Statement, TimeProof};
use crate::state::tests::encoding::actions;
use crate::state::tests::test_util::*;
use crate::state::{
    Attest, Batch, Certificate, ConsensusProof, Instance, IssueCertificate, Member, OPERATIONS, Operation,
    OperationKind, RecordKey, SERVICES, batch_root,
};
use crate::trust::Question;
use crate::trust::tests::{certified, signed_with};
use crate::trustchain::ca::SerialNumber;
use crate::trustchain::ct::{TreeHead, verify_consistency, verify_inclusion};
use crate::trustchain::dns::{RecordType, ResolutionOutcome};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use proptest::prelude::*;

fn serial() -> SerialNumber {
    certified().serial
}

fn operation() -> Operation {
    Mesh::new().operation(&alice(), transfer(&bob(), 5))
}

fn batch(mesh: &mut Mesh) -> Batch {
    let operation = mesh.operation(&alice(), transfer(&bob(), 5));
    mesh.batch(&mesh.validators[0], vec![operation])
}

/// A request for every method.
fn requests() -> Vec<Request> {
    let (owner, operation) = (alice().public(), operation());
    let batch = batch(&mut Mesh::new());
    let statement = Statement {
        genesis: batch.genesis,
        member: batch.member,
        sequence: batch.sequence,
        batch_root: batch.root(),
        beacon_index: 0,
    };
    let proofs = batch.proofs.clone();
    let requirements = ConsensusRequirements::default();
    let list = CertificateListRequest {
        owner: Some(owner),
        name: Some(name("given.demo.hypermesh")),
        status: Some(CertificateStatus::Revoked),
        expires_before: Some(BEGIN),
        issued_after: Some(BEGIN),
        after: Some(serial()),
        limit: 5,
    };
    let dns = DnsRequest { name: name("given.demo.hypermesh"), record_type: RecordType::Aaaa };
    let others = vec![
        Request::IssueCertificate(IssueCertificateRequest { operation }),
        Request::GetCertificate(CertificateRequestBySerial { serial_number: serial() }),
        Request::ValidateCertificate(ValidateCertificateRequest { certificate_der: vec![1, 2, 3] }),
        Request::ListCertificates(list),
        Request::GetRevocationList(RevocationListRequest { at_least: Some(3), root_at_least: Some(1) }),
        Request::TrustBundle(TrustBundleRequest {}),
        Request::Name(NameRequest { name: name("given.demo.hypermesh") }),
        Request::Service(ServiceRequest { name: name("given.demo.hypermesh") }),
        Request::SubscribeService(SubscribeServiceRequest { name: name("given.demo.hypermesh") }),
        Request::ResolveDns(dns),
        Request::ListRecords(RecordListRequest {
            name: Some(name("given.demo.hypermesh")),
            after: Some(RecordKey { name: name("given.demo.hypermesh"), record_type: RecordType::Mx }),
            limit: 5,
        }),
        Request::LogCheckpoint(CheckpointRequest {}),
        Request::LogEntry(LogEntryRequest { index: LeafIndex(1) }),
        Request::LogInclusion(InclusionRequest { index: LeafIndex(1), size: None }),
        Request::LogConsistency(ConsistencyRequest { old: 1, new: Some(2) }),
        Request::SubscribeLog(SubscribeLogRequest {
            names: vec![name("given.demo.hypermesh")],
            from: Some(LeafIndex(1)),
        }),
        Request::TrustchainHealth(TrustchainHealthRequest {}),
        Request::TrustchainMetrics(TrustchainMetricsRequest {}),
        Request::TrustchainMethods(TrustchainMethodsRequest {}),
        Request::ValidateBatch(ValidateBatchRequest { batch, requirements }),
        Request::ValidateProofs(ValidateProofsRequest { statement, proofs }),
        Request::Genesis(GenesisRequest {}),
        Request::Addresses(AddressesRequest {}),
        Request::Header(HeaderRequest { height: Some(Height(3)) }),
        Request::Prove(ProveRequest { question: Question::Balance { owner } }),
        Request::SubscribeBlocks(SubscribeBlocksRequest { from: Some(Height(3)) }),
        Request::Member(MemberRequest { member: owner }),
        Request::Status(StatusRequest {}),
        Request::Trace(TraceRequest { id: TraceId([7; 16]) }),
        Request::HypermeshHealth(HypermeshHealthRequest {}),
        Request::HypermeshMetrics(HypermeshMetricsRequest {}),
        Request::HypermeshMethods(HypermeshMethodsRequest {}),
        Request::Balance(BalanceRequest { owner }),
        Request::Fees(FeesRequest {}),
        Request::Supply(SupplyRequest {}),
        Request::Rewards(RewardsRequest {}),
        Request::History(HistoryRequest {
            holder: Holder::Owner(owner),
            before: Some(HistoryCursor { height: Height(3), number: 4 }),
            limit: 5,
        }),
        Request::Movements(MovementsRequest { height: Some(Height(3)) }),
        Request::CaesarHealth(CaesarHealthRequest {}),
        Request::CaesarMetrics(CaesarMetricsRequest {}),
        Request::CaesarMethods(CaesarMethodsRequest {}),
    ];
    [submissions(), others].concat()
}

/// A request for every method that submits operations of a kind, in the order of their tags.
fn submissions() -> Vec<Request> {
    let mut mesh = Mesh::new();
    let kinds = OPERATIONS.iter().filter(|kind| kind.service.is_some());
    let of = |kind: &OperationKind| {
        let found = actions().into_iter().map(|(_, action)| action).find(|action| action.kind() == *kind);
        found.expect("there is an action of every kind")
    };
    let operations = kinds.map(|kind| mesh.operation(&alice(), of(kind)));
    operations.map(|operation| Request::Operation(OperationRequest { operation })).collect()
}

fn status() -> NodeStatus {
    NodeStatus {
        network: "test".to_string(),
        genesis: Digest([1; 32]),
        profile: "sim".to_string(),
        node: alice().public(),
        name: "node-1".to_string(),
        height: Height(1),
        time: BEGIN,
        validators: 4,
        connected: 3,
        quorum: 3,
        behind: 0,
        voting: "yes".to_string(),
        unreachable: vec!["node-4".to_string()],
        age_ms: 0,
        ahead_ms: 0,
        standstill: None,
        committee: "active since height 2".to_string(),
        ready: true,
        not_ready: Vec::new(),
        certificates: 1,
        names: 2,
        log_size: 3,
        beacon: 4,
        position: POSITION_NOT_ATTESTED.to_string(),
    }
}

fn view(mesh: &Mesh) -> View {
    let commit = mesh.commit(mesh.state.height());
    let status = NodeStatus { node: mesh.validators[0].public(), ..status() };
    let addresses = Arc::default();
    View { state: mesh.state.clone(), commit, addresses, status, counters: Arc::new(BTreeMap::new()) }
}

fn answer(mesh: &Mesh, request: &Request) -> Result<Response, ApiFault> {
    read(&view(mesh), request, mesh.state.time()).expect("a view can answer it")
}

#[test]
fn a_request_that_brings_an_operation_says_which() {
    let mut operations = vec![operation()];
    operations.extend(submissions().iter().flat_map(|request| request.operations()).cloned());
    for request in requests() {
        // A batch brings many, and is told by its member.
        let batch = matches!(request, Request::ValidateBatch(_));
        let encoded = request.encode();
        let brings = |operation: &&Operation| {
            let bytes = encode(*operation);
            !batch && encoded.windows(bytes.len()).any(|window| window == bytes)
        };
        assert_eq!(request.operation(), operations.iter().find(brings), "{:?}", request.method());
    }
    let brought = requests().iter().filter(|request| request.operation().is_some()).count();
    assert_eq!(brought, submissions().len() + 1, "and the one to issue a certificate");
}

#[test]
fn a_method_takes_operations_of_its_kind_alone() {
    for request in submissions() {
        let Method { service, name, .. } = request.method();
        for other in submissions() {
            let decoded = Request::decode(service, name, &other.encode());
            match other == request {
                true => assert_eq!(decoded, Ok(other)),
                false => {
                    assert!(
                        decoded.unwrap_err().message.contains(
                            "the method accepts operations \
                        to"
                        ),
                        "{name}"
                    )
                }
            }
        }
        let attestation = OperationRequest { operation: Mesh::new().operation(&alice(), Attest.into()) };
        assert!(Request::decode(service, name, &encode(&attestation)).is_err(), "{name}");
    }
    for (tag, kind) in OPERATIONS.iter().enumerate() {
        assert_eq!(usize::from(kind.tag), tag, "{kind:?}");
    }
}

#[test]
fn every_method_has_the_name_that_it_was_promised_under() {
    let has = |service: &str, name: &str| {
        METHODS.iter().any(|method| (method.service, method.name) == (service, name))
    };
    for name in ["issue_certificate", "validate_certificate", "resolve_dns", "health", "metrics"] {
        assert!(has("trustchain", name), "{name}");
    }
    for name in ["consensus/validate_certificate", "consensus/validate_proofs", "health", "metrics"] {
        assert!(has("hypermesh", name), "{name}");
    }
    for name in ["balance", "transfer", "health", "metrics"] {
        assert!(has("caesar", name), "{name}");
    }
    let unique: BTreeSet<_> = METHODS.iter().map(|method| (method.service, method.name)).collect();
    assert_eq!(unique.len(), METHODS.len());
    for service in SERVICES {
        assert!(has(service, "health") && has(service, "metrics") && has(service, "methods"));
    }
    assert!(METHODS.iter().all(|method| SERVICES.contains(&method.service)));
}

#[test]
fn a_request_of_every_method_travels_and_comes_back() {
    let requests = requests();
    let methods: Vec<_> = requests.iter().map(Request::method).collect();
    assert_eq!(methods, METHODS, "one request for each method, in order");
    for request in requests {
        let Method { service, name, .. } = request.method();
        let bytes = request.encode();
        assert_eq!(Request::decode(service, name, &bytes), Ok(request.clone()));
        let longer = [&bytes[..], &[0]].concat();
        let fault = Request::decode(service, name, &longer).unwrap_err();
        assert_eq!(fault.kind, FaultKind::InvalidArgument, "{service}/{name}");
        if let Some((_, shorter)) = bytes.split_last() {
            assert!(Request::decode(service, name, shorter).is_err());
        }
    }
}

#[test]
fn a_request_is_written_by_people_as_well() {
    let json = serde_json::json!({ "owner": alice().public() });
    let request = Request::deserialize("caesar", "balance", json).unwrap();
    assert_eq!(request, Request::Balance(BalanceRequest { owner: alice().public() }));
    let request = Request::deserialize("hypermesh", "consensus/status", serde_json::json!({})).unwrap();
    assert_eq!(request, Request::Status(StatusRequest {}));
    let fault = Request::deserialize("caesar", "mint", serde_json::json!({})).unwrap_err();
    assert!(fault.to_string().contains("caesar/methods"), "{fault}");
}

#[test]
fn only_what_a_view_answers_may_be_asked_in_a_first_flight() {
    let mesh = Mesh::new();
    for request in requests() {
        let method = request.method();
        assert_eq!(Method::find(method.service, method.name), Some(&method));
        let answered = read(&view(&mesh), &request, BEGIN).is_some();
        assert!(answered || !method.early, "{method:?}");
        assert!(
            request.operation().is_none() || method.writes,
            "mark it Receipt, Certificate or Batch: {method:?}"
        );
        assert!(!(method.early && method.writes), "{method:?}");
        assert!(method.shape == Shape::Unary || !method.early, "{method:?}");
    }
    assert_eq!(Method::find("trustchain", "subscribe_log").unwrap().shape, Shape::Bidirectional);
    assert_eq!(
        Method::find("hypermesh", "consensus/subscribe_blocks").unwrap().shape,
        Shape::ServerStreaming
    );
}

#[test]
fn a_request_of_every_method_can_be_written_as_json_and_its_shape_names_each_field() {
    for request in requests() {
        let Method { service, name, request_shape, response_shape, .. } = request.method();
        let json = serde_json::to_value(&request).unwrap();
        assert_eq!(Request::deserialize(service, name, json.clone()).unwrap(), request, "{service}/{name}");
        for field in json.as_object().unwrap().keys() {
            assert!(request_shape.contains(&alloc::format!(" {field}: ")), "{field} in {request_shape}");
        }
        assert!(!response_shape.is_empty());
    }
    for (method, response) in responses() {
        if let serde_json::Value::Object(fields) = serde_json::to_value(&response).unwrap() {
            let shape = method.response_shape;
            let named = |field: &str| matches!(field, "result" | "status") || shape.contains(field);
            assert!(fields.keys().all(|field| named(field)), "{shape} for {:?}", fields.keys());
        }
    }
}

#[test]
fn a_method_that_is_not_there_is_said_to_be_so() {
    let fault = Request::decode("trustchain", "forge", &[]).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Unimplemented);
    assert_eq!(fault.message, "service trustchain has no method forge: call trustchain/methods for a list");
    let fault = Request::decode("bank", "health", &[]).unwrap_err();
    assert_eq!(fault.message, "unknown service bank: expected one of trustchain, hypermesh, caesar");
    assert_eq!(Response::decode("bank", "health", &[]).unwrap_err().kind, FaultKind::Unimplemented);
}

#[test]
fn a_request_holds_its_length_at_the_limit_and_one_past_it() {
    let of = |bytes: usize| {
        let request = ValidateCertificateRequest { certificate_der: vec![0; bytes - 4] };
        Request::decode("trustchain", "validate_certificate", &encode(&request))
    };
    assert!(of(REQUEST_BYTES_MAX).is_ok());
    let fault = of(REQUEST_BYTES_MAX + 1).unwrap_err();
    assert_eq!(fault.kind, FaultKind::InvalidArgument);
    assert!(fault.message.contains("bytes, at most"), "{fault}");
}

/// An instance as it stands in the state.
fn announced() -> Instance {
    let offer = crate::state::Offer { tags: vec!["canary".to_string()], ..offer("2001:db8::7") };
    let name = instance("given.demo.hypermesh", "east");
    Instance { name, owner: alice().public(), offer, since: Height(2), lease_seconds: 60, expires: BEGIN }
}

/// A response of every method: what a view answers, and the rest by hand.
fn responses() -> Vec<(Method, Response)> {
    let certified = certified();
    let mesh = &certified.mesh;
    let receipt = Mesh::new().carry_one(&alice(), transfer(&bob(), 5));
    let issued = IssuedCertificate {
        serial_number: serial(),
        certificate_der: certified.der.clone(),
        certificate_pem: "a".to_string(),
        chain_pem: "b".to_string(),
        root_pem: "c".to_string(),
        proof_pem: certified.proof.to_pem(),
        height: Height(3),
        leaf_index: LeafIndex(1),
        not_after: BEGIN,
        fee: ISSUE_FEE,
    };
    let header = mesh.blocks[0].header.clone();
    let list = |number| PublishedList {
        number,
        this_update: BEGIN,
        next_update: BEGIN.plus(1),
        crl_der: vec![1, 2, 3],
    };
    let by_hand = |request: &Request| match request {
        Request::IssueCertificate(_) => Response::IssueCertificate(issued.clone()),
        Request::GetCertificate(_) => Response::GetCertificate(issued.clone()),
        Request::Operation(_) => Response::Operation(receipt.clone()),
        Request::GetRevocationList(_) => Response::GetRevocationList(PublishedLists {
            issuing: Some(list(3)),
            root: Some(list(1)),
            newest: 4,
            root_newest: 1,
        }),
        Request::TrustBundle(_) => Response::TrustBundle(certified.bundle.clone()),
        Request::SubscribeService(_) => Response::SubscribeService(ServiceState {
            name: name("given.demo.hypermesh"),
            instances: vec![Instance::into(announced())],
            height: Height(3),
            time: BEGIN,
        }),
        Request::History(request) => {
            let own = mesh.movements[0].of(request.holder, Height(0));
            let movements = own.map(|(_, entry)| entry).collect();
            let next = Some(HistoryCursor { height: Height(3), number: 4 });
            let page = HistoryPage { before: Digest([1; 32]), movements };
            Response::History(History { head: HistoryHead::default(), page, next, height: Height(3) })
        }
        Request::Movements(_) => {
            let block = mesh.movements[0].clone();
            let after = block.journal.after(Height(0), &block.movements);
            Response::Movements(Movements {
                height: Height(0),
                time: block.time,
                movements: block.movements,
                before: block.journal,
                after,
            })
        }
        Request::LogCheckpoint(_) => {
            let (note, root) = (certified.proof.checkpoint.clone(), Digest([1; 32]));
            Response::LogCheckpoint(CheckpointNote { note, size: 3, root })
        }
        Request::LogEntry(_) => {
            Response::LogEntry(LogEntry { index: LeafIndex(0), entry: mesh.entries[0].clone() })
        }
        Request::Trace(_) => Response::Trace(NodeTrace {
            node: mesh.member.public(),
            name: "node-1".to_string(),
            steps: vec![
                TraceStep { time: BEGIN, after_us: 0, step: TraceEvent::TakenUp },
                TraceStep {
                    time: BEGIN,
                    after_us: 7,
                    step: TraceEvent::SharesAsked { on: Signed::Checkpoint, of: vec![mesh.member.public()] },
                },
            ],
            left_out: 3,
        }),
        Request::Header(_) => {
            let commit = mesh.commit(Height(1)).unwrap();
            Response::Header(BlockProof { header: header.clone(), commit })
        }
        Request::SubscribeBlocks(_) => {
            let commit = mesh.commit(Height(1)).unwrap();
            Response::SubscribeBlocks(BlockProof { header: header.clone(), commit })
        }
        Request::SubscribeLog(_) => {
            let entry = LogEntry { index: LeafIndex(0), entry: mesh.entries[0].clone() };
            Response::SubscribeLog(LogNews { size: 1, entries: vec![entry] })
        }
        Request::ValidateBatch(_) => Response::ValidateBatch(ConsensusValidationResult::Valid {
            proof_hash: Digest([1; 32]),
            height: Some(Height(3)),
            receipts: vec![receipt.clone()],
        }),
        Request::Member(_) => {
            let request = Request::Member(MemberRequest { member: mesh.member.public() });
            answer(mesh, &request).unwrap()
        }
        other => answer(mesh, other).unwrap(),
    };
    requests().iter().map(|request| (request.method(), by_hand(request))).collect()
}

#[test]
fn a_response_of_every_method_travels_and_comes_back() {
    for (Method { service, name, .. }, response) in responses() {
        let bytes = response.encode();
        assert_eq!(Response::decode(service, name, &bytes), Ok(response.clone()), "{service}/{name}");
        let longer = [&bytes[..], &[0]].concat();
        assert!(Response::decode(service, name, &longer).is_err());
        assert!(serde_json::to_string(&response).is_ok(), "{service}/{name}");
    }
}

#[test]
fn a_call_picks_its_own_response() {
    let response = answer(&Mesh::new(), &Request::Fees(FeesRequest {})).unwrap();
    let fees = <FeesRequest as Call>::response(response.clone()).unwrap();
    assert_eq!(fees.of(&IssueCertificate::KIND), ISSUE_FEE);
    assert_eq!(<BalanceRequest as Call>::response(response), None);
    assert_eq!(FeesRequest::METHOD.response, "FeeSchedule");
}

#[test]
fn what_only_a_node_can_answer_a_view_leaves_to_it() {
    let mesh = Mesh::new();
    let left = requests().into_iter().filter(|request| read(&view(&mesh), request, BEGIN).is_none());
    let left: Vec<_> = left.map(|request| request.method().name).collect();
    assert_eq!(
        left,
        [
            "register_name",
            "set_records",
            "transfer",
            "revoke_certificate",
            "bond",
            "unbond",
            "renew_name",
            "announce_service",
            "withdraw_service",
            "reclaim_name",
            "issue_certificate",
            "get_certificate",
            "get_crl",
            "trust_bundle",
            "subscribe_service",
            "log_checkpoint",
            "log_entry",
            "subscribe_log",
            "consensus/validate_certificate",
            "consensus/header",
            "consensus/subscribe_blocks",
            "trace",
            "history",
            "movements",
        ]
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn requests_from_outside_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), at in any::<usize>()) {
        let mesh = &certified().mesh;
        let view = view(mesh);
        for Method { service, name, .. } in METHODS {
            if let Ok(request) = Request::decode(service, name, &bytes) {
                prop_assert_eq!(request.encode(), bytes.clone());
                let _answer = read(&view, &request, BEGIN);
            }
            let _response = Response::decode(service, name, &bytes);
        }
        let request = &requests()[at % METHODS.len()];
        let mut edited = request.encode();
        for (position, byte) in edited.iter_mut().zip(&bytes).skip(at % 50).step_by(37) {
            *position ^= byte;
        }
        let Method { service, name, .. } = request.method();
        if let Ok(request) = Request::decode(service, name, &edited) {
            let _answer = read(&view, &request, BEGIN);
        }
    }
}

#[test]
fn a_fault_travels() {
    let fault = ApiFault::precondition("not yet");
    assert_eq!(decode::<ApiFault>(&encode(&fault), 64), Ok(fault.clone()));
    assert_eq!(serde_json::to_value(&fault).unwrap()["kind"], "failed_precondition");
}
