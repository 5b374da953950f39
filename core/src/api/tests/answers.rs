//! Answers from a view: opinions on batches and proofs, certificates, the log, members, balances, health.

use super::*;
use crate::state::{Effect, Revocation};
use crate::trustchain::ca::RevocationReason;

fn named(result: &ConsensusValidationResult) -> &[ProofKind] {
    match result {
        ConsensusValidationResult::Invalid { failed_proofs, reason } => {
            assert!(!reason.is_empty());
            failed_proofs
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_good_batch_is_valid_and_changes_nothing() {
    let mut mesh = Mesh::new();
    let batch = batch(&mut mesh);
    let root = mesh.state.root();
    let result = check_batch(&mesh.state, &batch);
    assert!(matches!(result, ConsensusValidationResult::Valid { height: None, .. }), "{result:?}");
    let request = ValidateBatchRequest { batch: batch.clone(), requirements: ConsensusRequirements::Checked };
    let answered = answer(&mesh, &Request::ValidateBatch(request)).unwrap();
    assert_eq!(answered, Response::ValidateBatch(result.clone()));
    assert_eq!(mesh.state.root(), root);
    let statement = mesh.checked(batch.clone()).statement();
    let request = ValidateProofsRequest { statement, proofs: batch.proofs };
    let answered = answer(&mesh, &Request::ValidateProofs(request)).unwrap();
    assert_eq!(answered, Response::ValidateProofs(result));
}

#[test]
fn each_broken_proof_is_named_and_no_other() {
    let mut mesh = Mesh::new();
    let good = batch(&mut mesh);
    let broken = |change: &dyn Fn(&mut Batch)| {
        let mut batch = good.clone();
        change(&mut batch);
        let result = check_batch(&mesh.state, &batch);
        let statement = mesh.checked(batch.clone()).statement();
        let request = ValidateProofsRequest { statement, proofs: batch.proofs };
        let answered = answer(&mesh, &Request::ValidateProofs(request)).unwrap();
        assert_eq!(answered, Response::ValidateProofs(result.clone()));
        named(&result).to_vec()
    };
    let named_ticket = Digest([9; 32]);
    assert_eq!(broken(&|batch| batch.proofs.stake_proof.signature.0[40] ^= 1), [ProofKind::Stake]);
    // What binds a ticket or the work is changed in transit: signature and work are then over something else.
    let space = broken(&|batch| batch.proofs.space_proof = SpaceProof::Ticket(named_ticket));
    assert_eq!(space.first(), Some(&ProofKind::Space));
    let time = broken(&|batch| batch.proofs.time_proof = TimeProof::Ticket(named_ticket));
    assert_eq!(time.last(), Some(&ProofKind::Time));
    let work = broken(&|batch| batch.proofs.work_proof.nonces = [u64::MAX; 16]);
    assert!(
        work.contains(&ProofKind::Work)
            && !work.contains(&ProofKind::Space)
            && !work.contains(&ProofKind::Time)
    );
}

#[test]
fn a_proof_that_its_own_member_got_wrong_is_named_alone() {
    use crate::base::Profile;
    use crate::hypermesh::proof::{prove_set, prove_ticket};
    let mut mesh = Mesh::new();
    let member = mesh.validators[0].clone();
    let operation = mesh.operation(&alice(), transfer(&bob(), 5));
    let beacon = mesh.state.beacon();
    let statement = Statement {
        genesis: mesh.genesis_hash(),
        member: member.public(),
        sequence: Sequence(0),
        batch_root: batch_root([operation.id()]),
        beacon_index: 0,
    };
    let parameters = Profile::Sim.proofs();
    let ticket =
        |plot_of: &SecretKey| prove_ticket(mesh.plot(plot_of), &beacon.value, &member.public(), &parameters);
    let judge = |ticket: &crate::hypermesh::proof::Ticket, difficulty, signer: &SecretKey| {
        let proofs = prove_set(ticket, true, &statement, &beacon.value, difficulty, signer);
        let operations = vec![operation.clone()];
        let batch = Batch {
            genesis: statement.genesis,
            member: statement.member,
            sequence: statement.sequence,
            beacon_index: 0,
            operations,
            omitted: Vec::new(),
            proofs,
        };
        check_batch(&mesh.state, &batch)
    };
    let good = ticket(&member);
    let difficulty = beacon.difficulty;
    assert!(matches!(judge(&good, difficulty, &member), ConsensusValidationResult::Valid { .. }));
    assert_eq!(named(&judge(&ticket(&mesh.validators[1]), difficulty, &member)), [ProofKind::Space]);
    assert_eq!(named(&judge(&good, difficulty, &mesh.validators[1])), [ProofKind::Stake]);
    assert_eq!(named(&judge(&good, 1, &member)), [ProofKind::Work]);
    let mut late = good.clone();
    late.time.root.0[0] ^= 1;
    assert_eq!(named(&judge(&late, difficulty, &member)), [ProofKind::Time]);
}

#[test]
fn what_is_wrong_besides_the_proofs_is_said_and_no_proof_is_blamed() {
    let mut mesh = Mesh::new();
    let good = batch(&mut mesh);
    let reason = |result: ConsensusValidationResult| match result {
        ConsensusValidationResult::Invalid { failed_proofs, reason } if failed_proofs.is_empty() => reason,
        other => panic!("{other:?}"),
    };
    let check = |batch: &Batch| reason(check_batch(&mesh.state, batch));
    assert!(check(&Batch { genesis: Digest::ZERO, ..good.clone() }).contains("another mesh"));
    assert!(check(&Batch { operations: vec![], ..good.clone() }).contains("0 operations"));
    assert!(check(&Batch { member: alice().public(), ..good.clone() }).contains("not a member"));
    assert!(check(&Batch { sequence: Sequence(4), ..good.clone() }).contains("number 4"));
    assert!(check(&Batch { beacon_index: 7, ..good.clone() }).contains("beacon 7"));
    let operation = mesh.operation(&pauper(), transfer(&bob(), 5));
    let poor = mesh.batch(&mesh.validators[0], vec![operation]);
    assert!(reason(check_batch(&mesh.state, &poor)).contains("holds 0"));

    let statement = mesh.checked(good.clone()).statement();
    let proofs = |statement: Statement| {
        let request = ValidateProofsRequest { statement, proofs: good.proofs.clone() };
        match answer(&mesh, &Request::ValidateProofs(request)) {
            Ok(Response::ValidateProofs(result)) => reason(result),
            other => panic!("{other:?}"),
        }
    };
    assert!(proofs(Statement { genesis: Digest::ZERO, ..statement }).contains("another mesh"));
    assert!(proofs(Statement { member: alice().public(), ..statement }).contains("not a member"));
    assert!(proofs(Statement { beacon_index: 7, ..statement }).contains("beacon 7"));
}

// --- certificates ---

fn validate(mesh: &Mesh, der: &[u8], wall: UnixMillis) -> CertificateState {
    let request = Request::ValidateCertificate(ValidateCertificateRequest { certificate_der: der.to_vec() });
    match read(&view(mesh), &request, wall) {
        Some(Ok(Response::ValidateCertificate(state))) => state,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_certificate_is_valid_revoked_out_of_its_time_unknown_or_of_somebody_else() {
    let certified = certified();
    let (mesh, der) = (&certified.mesh, &certified.der);
    let row: Certificate = mesh.state.get(&certified.serial).unwrap();
    let CertificateState::Valid { certificate } = validate(mesh, der, mesh.state.time()) else { panic!() };
    assert_eq!((certificate.serial_number, certificate.owner), (certified.serial, alice().public()));
    assert_eq!((certificate.not_after, certificate.leaf_index), (row.not_after, row.leaf_index));
    let valid = |wall| matches!(validate(mesh, der, wall), CertificateState::Valid { .. });
    let early = |wall| matches!(validate(mesh, der, wall), CertificateState::NotYetValid { .. });
    let late = |wall| matches!(validate(mesh, der, wall), CertificateState::Expired { .. });
    assert!(valid(row.not_before) && early(row.not_before.minus(1)));
    assert!(valid(row.not_after.plus(999)) && late(row.not_after.plus(1000)));
    // Revoked is revoked, in its time and past it, and says when and why.
    let mut revoked = mesh.clone();
    revoked.done(&alice(), revoke(certified.serial, RevocationReason::KeyCompromise));
    for wall in [row.not_before, row.not_after.plus(1000)] {
        let CertificateState::Revoked { certificate } = validate(&revoked, der, wall) else { panic!() };
        let Revocation { at, reason, list } = certificate.revocation.unwrap();
        assert_eq!((at, reason, list), (revoked.state.time(), RevocationReason::KeyCompromise, 2));
    }

    let foreign = |der: &[u8]| matches!(validate(mesh, der, BEGIN), CertificateState::NotOfThisMesh { .. });
    assert!(foreign(b"junk") && foreign(&certified.bundle.root_der));
    for position in (0..der.len()).step_by(7) {
        let mut der = der.clone();
        der[position] ^= 1;
        assert!(foreign(&der), "byte {position}");
    }
    assert!(matches!(validate(&Mesh::new(), der, BEGIN), CertificateState::NotOfThisMesh { .. }));

    // Signed by the committee's shares, and never approved: with a serial number of its own, or a borrowed one.
    let header = mesh.blocks[0].header.clone();
    let proof = ConsensusProof { header, leaf_index: LeafIndex(0), inclusion: Vec::new() };
    for serial in [SerialNumber::from_operation(&Digest([5; 32])), certified.serial] {
        let stolen = signed_with(mesh, &stolen_tbs(mesh, serial), &proof);
        assert!(matches!(validate(mesh, &stolen, mesh.state.time()), CertificateState::Unknown { .. }));
    }
}

fn stolen_tbs(mesh: &Mesh, serial: SerialNumber) -> Vec<u8> {
    use crate::trustchain::ca::{CertificateRequest, LeafParameters, Validity};
    let issuer = mesh.state.issuer().unwrap();
    let request = CertificateRequest::from_csr(&csr(&bob(), &["given.demo.hypermesh"])).unwrap();
    let validity = Validity::leaf(mesh.state.time(), 3_600_000, &issuer.issuing_validity);
    issuer.leaf_tbs(&request, &LeafParameters { serial, validity }).unwrap()
}

fn list(mesh: &Mesh, request: CertificateListRequest) -> CertificateList {
    match answer(mesh, &Request::ListCertificates(request)) {
        Ok(Response::ListCertificates(list)) => list,
        other => panic!("{other:?}"),
    }
}

#[test]
fn certificates_are_listed_page_by_page_and_by_owner_and_name() {
    let mut mesh = Mesh::active();
    mesh.done(&alice(), register("bob.demo.hypermesh", &bob()));
    for _ in 0..3 {
        mesh.done(&alice(), issue(&["given.demo.hypermesh"]));
    }
    mesh.done(&bob(), issue(&["bob.demo.hypermesh"]));
    let all = CertificateListRequest { limit: 1000, ..CertificateListRequest::default() };
    let everything = list(&mesh, all.clone());
    assert_eq!((everything.certificates.len(), everything.next), (4, None));
    let mut pages = Vec::new();
    let mut after = None;
    loop {
        let page = list(&mesh, CertificateListRequest { after, limit: 2, ..all.clone() });
        pages.extend(page.certificates);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(pages, everything.certificates);
    assert!(pages.is_sorted_by_key(|certificate| certificate.serial_number));
    let of = |owner: Option<PublicKey>, name: Option<&str>| {
        let name = name.map(|text| text.parse().unwrap());
        list(&mesh, CertificateListRequest { owner, name, ..all.clone() }).certificates.len()
    };
    assert_eq!((of(Some(bob().public()), None), of(Some(alice().public()), None)), (1, 3));
    assert_eq!((of(None, Some("given.demo.hypermesh")), of(None, Some("demo.hypermesh"))), (3, 0));
    let none = list(&mesh, CertificateListRequest { limit: 0, ..all });
    assert_eq!(none.certificates.len(), 1, "a page has one at least");
}

#[test]
fn certificates_are_listed_by_what_became_of_them_and_when() {
    let mut mesh = Mesh::active();
    let mut serials = Vec::new();
    for _ in 0..3 {
        let Effect::CertificateApproved { serial, .. } =
            mesh.done(&alice(), issue(&["given.demo.hypermesh"]))
        else {
            panic!()
        };
        serials.push(serial);
        mesh.pass(3_600_000);
    }
    mesh.done(&alice(), revoke(serials[1], RevocationReason::Superseded));
    let row = |serial: &SerialNumber| mesh.state.get::<Certificate>(serial).unwrap();
    let after_the_first = row(&serials[0]).not_after.plus(1000);
    let all = CertificateListRequest { limit: 1000, ..CertificateListRequest::default() };
    let found = |request: CertificateListRequest| -> Vec<SerialNumber> {
        let request = Request::ListCertificates(request);
        match read(&view(&mesh), &request, after_the_first) {
            Some(Ok(Response::ListCertificates(list))) => {
                list.certificates.iter().map(|certificate| certificate.serial_number).collect()
            }
            other => panic!("{other:?}"),
        }
    };
    let by = |status| found(CertificateListRequest { status: Some(status), ..all.clone() });
    assert_eq!(by(CertificateStatus::Expired), [serials[0]]);
    assert_eq!(by(CertificateStatus::Revoked), [serials[1]]);
    assert_eq!(by(CertificateStatus::Valid), [serials[2]]);
    let moment = Some(row(&serials[1]).not_after);
    assert_eq!(found(CertificateListRequest { expires_before: moment, ..all.clone() }), [serials[0]]);
    let moment = Some(row(&serials[1]).issued);
    assert_eq!(found(CertificateListRequest { issued_after: moment, ..all }), [serials[2]]);
}

#[test]
fn a_list_looks_at_so_many_certificates_for_a_page_and_goes_on_from_there() {
    let mesh = &certified().mesh;
    let template: Certificate = mesh.state.get(&certified().serial).unwrap();
    let mut draft = mesh.state.draft();
    for number in 0..LIST_SCAN_COUNT_MAX as u64 {
        let serial =
            SerialNumber::from_operation(&crate::base::Domain::new("hypermesh v1 test").hash_of(&number));
        draft.put(&serial, &template);
    }
    let ask = |after| {
        let owner = Some(bob().public());
        let request = CertificateListRequest { owner, after, limit: 10, ..CertificateListRequest::default() };
        let view = View { state: draft.state().clone(), ..view(mesh) };
        match read(&view, &Request::ListCertificates(request), BEGIN) {
            Some(Ok(Response::ListCertificates(list))) => list,
            other => panic!("{other:?}"),
        }
    };
    let first = ask(None);
    assert!(first.certificates.is_empty() && first.next.is_some());
    assert_eq!(ask(first.next).next, None);

    let all = CertificateListRequest { limit: u32::MAX, ..CertificateListRequest::default() };
    let view = View { state: draft.state().clone(), ..view(mesh) };
    let Some(Ok(Response::ListCertificates(page))) = read(&view, &Request::ListCertificates(all), BEGIN)
    else {
        panic!()
    };
    assert_eq!(page.certificates.len(), LIST_COUNT_MAX as usize);
}

#[test]
fn the_log_proves_itself() {
    let mesh = &certified().mesh;
    let size = mesh.state.log().size();
    let inclusion = |index, size| answer(mesh, &Request::LogInclusion(InclusionRequest { index, size }));
    for index in 0..size {
        let Ok(Response::LogInclusion(proof)) = inclusion(LeafIndex(index), None) else { panic!() };
        let leaf = mesh.state.log().leaf_hash(LeafIndex(index)).unwrap();
        let head = TreeHead { size: proof.size, root: proof.root };
        assert_eq!((proof.size, proof.root), (size, mesh.state.log().root()));
        assert_eq!(verify_inclusion(&leaf, LeafIndex(index), &proof.path, &head), Ok(()));
    }
    let kind = |outcome: Result<Response, ApiFault>| outcome.unwrap_err().kind;
    assert_eq!(kind(inclusion(LeafIndex(size), None)), FaultKind::NotFound);
    assert_eq!(kind(inclusion(LeafIndex(0), Some(size + 1))), FaultKind::NotFound);
    assert_eq!(kind(inclusion(LeafIndex(0), Some(0))), FaultKind::NotFound);
    let consistency = |old, new| answer(mesh, &Request::LogConsistency(ConsistencyRequest { old, new }));
    let Ok(Response::LogConsistency(proof)) = consistency(1, None) else { panic!() };
    let head = |size| TreeHead { size, root: mesh.state.log().root_at(size).unwrap() };
    assert_eq!(verify_consistency(&head(1), &head(size), &proof.path), Ok(()));
    assert_eq!(kind(consistency(size + 1, None)), FaultKind::NotFound);
    assert_eq!(kind(consistency(0, Some(u64::MAX))), FaultKind::NotFound);
}

#[test]
fn a_member_learns_what_its_next_batch_has_to_be() {
    let mut mesh = Mesh::new();
    let member = mesh.validators[0].public();
    let ask = |mesh: &Mesh, member| match answer(mesh, &Request::Member(MemberRequest { member })) {
        Ok(Response::Member(state)) => Ok(state),
        Ok(other) => panic!("{other:?}"),
        Err(fault) => Err(fault.kind),
    };
    let before = ask(&mesh, member).unwrap();
    assert_eq!((before.next_sequence, before.ticket), (Sequence(0), None));
    assert_eq!(before.beacon.ticket_deadline, BEGIN.plus(8_000));
    mesh.carry_one(&alice(), transfer(&bob(), 5));
    let after = ask(&mesh, member).unwrap();
    let row: Member = mesh.state.get(&member).unwrap();
    assert_eq!((after.next_sequence, after.ticket), (Sequence(1), row.tickets.get(&0).copied()));
    assert!(after.ticket.is_some());
    assert_eq!(after.position, "not attested");
    assert_eq!(ask(&mesh, alice().public()).err(), Some(FaultKind::NotFound));
}

#[test]
fn balances_fees_and_names_are_told() {
    let mut mesh = Mesh::new();
    mesh.done(&alice(), transfer(&bob(), 5));
    let balance = |owner| match answer(&mesh, &Request::Balance(BalanceRequest { owner })) {
        Ok(Response::Balance(balance)) => balance,
        other => panic!("{other:?}"),
    };
    let told = balance(bob().public());
    assert_eq!(
        (told.balance, told.stake, told.height),
        (MicroCaesar(FUNDS.0 + 5), MicroCaesar(0), Height(1))
    );
    assert_eq!(balance(mesh.member.public()).stake, crate::caesar::STAKE_MINIMUM);
    assert_eq!(balance(pauper().public()).balance, MicroCaesar(0));
    let Ok(Response::Fees(fees)) = answer(&mesh, &Request::Fees(FeesRequest {})) else { panic!() };
    assert_eq!(u128::from(fees.supply.0), mesh.state.supply());
    assert_eq!((fees.rate, fees.of(&IssueCertificate::KIND)), (fees.rate_floor, ISSUE_FEE));
    let Ok(Response::Supply(supply)) = answer(&mesh, &Request::Supply(SupplyRequest {})) else { panic!() };
    assert!(supply.conserved);
    let sum = supply.accounts.0 + supply.stakes.0 + supply.unbonding.0 + supply.reserve.0;
    assert_eq!(sum, supply.genesis.0);
    let dns = DnsRequest { name: name("given.demo.hypermesh"), record_type: RecordType::Aaaa };
    let Ok(Response::ResolveDns(found)) = answer(&mesh, &Request::ResolveDns(dns)) else { panic!() };
    assert_eq!(
        (found.outcome, found.height, found.time),
        (ResolutionOutcome::Found, Height(1), mesh.state.time())
    );
    let Ok(Response::Genesis(genesis)) = answer(&mesh, &Request::Genesis(GenesisRequest {})) else {
        panic!()
    };
    assert_eq!(genesis.hash(), mesh.genesis_hash());
}

#[test]
fn health_says_what_is_missing() {
    let mesh = Mesh::new();
    let health = |change: &dyn Fn(&mut NodeStatus), request: Request| {
        let mut view = view(&mesh);
        change(&mut view.status);
        match read(&view, &request, BEGIN) {
            Some(Ok(Response::TrustchainHealth(health) | Response::CaesarHealth(health))) => {
                (health.serving, health.detail)
            }
            other => panic!("{other:?}"),
        }
    };
    let trustchain = || Request::TrustchainHealth(TrustchainHealthRequest {});
    assert_eq!(health(&|_| (), trustchain()), (true, "ok".to_string()));
    let (serving, detail) = health(&|status| status.connected = 2, trustchain());
    assert!(
        !serving && detail.contains("2 of 4 validators are linked, this one included, and 3 are needed"),
        "{detail}"
    );
    let without_shares = |status: &mut NodeStatus| status.lack(Condition::Shares, || "none here".to_string());
    assert_eq!(health(&without_shares, trustchain()), (false, "shares: none here".to_string()));
    let caesar = || Request::CaesarHealth(CaesarHealthRequest {});
    assert!(health(&without_shares, caesar()).0, "the ledger needs no committee");
    let abstains = |status: &mut NodeStatus| status.lack(Condition::Voting, || "abstains".to_string());
    assert_eq!(health(&abstains, caesar()), (false, "voting: abstains".to_string()));
}

#[test]
fn a_service_lists_its_own_methods() {
    let request = Request::CaesarMethods(CaesarMethodsRequest {});
    let Ok(Response::CaesarMethods(list)) = answer(&Mesh::new(), &request) else { panic!() };
    let names: Vec<String> = list.methods.into_iter().map(|method| method.name).collect();
    assert_eq!(
        names,
        [
            "transfer",
            "bond",
            "unbond",
            "balance",
            "fees",
            "supply",
            "rewards",
            "history",
            "movements",
            "health",
            "metrics",
            "methods"
        ]
    );
}

#[test]
fn a_missing_quorum_and_a_state_that_nobody_renews_are_told() {
    let linked = view(&Mesh::new());
    let begun = linked.state.time();
    let since = |millis| begun.plus(millis);
    let stale_after = 6_000;
    let at = |view: &View, millis| {
        let wall = since(millis);
        (view.standstill(wall).is_some(), view.staleness(wall).is_some())
    };
    assert_eq!(at(&linked, 0), (false, false));
    assert_eq!(at(&linked, stale_after), (false, false));
    assert_eq!(at(&linked, stale_after + 1), (true, true), "linked, and no block comes");
    let behind_the_block = UnixMillis(linked.state.time().0 - 1);
    assert_eq!(linked.staleness(behind_the_block), None, "a block from the future is no older than now");
    let mut cut_off = linked.clone();
    cut_off.status.connected = 2;
    assert_eq!(at(&cut_off, 0), (true, false));
    assert_eq!(at(&cut_off, stale_after + 1), (true, true));
    let fault = cut_off.overdue("caesar", since(12_000)).unwrap();
    assert_eq!(fault.kind, FaultKind::Unavailable);
    for said in [
        "quorum is missing: 2 of 4",
        "3 are needed",
        "not reached: node-4",
        "12 s ago",
        "start them",
        "may still commit",
    ] {
        assert!(fault.message.contains(said), "{said} in {fault}");
    }
    assert_eq!(linked.overdue("trustchain", since(1)), None);
    let mut keyless = linked;
    keyless.status.lack(Condition::Signers, || "2 of the 3 that it takes hold key shares".to_string());
    let fault = keyless.overdue("trustchain", since(1)).unwrap();
    assert!(fault.message.ends_with("signers: 2 of the 3 that it takes hold key shares"), "{fault}");
    assert_eq!(keyless.overdue("caesar", since(1)), None, "the ledger needs no signature");
}

#[test]
fn a_standstill_is_told_though_block_time_is_ahead_of_the_clock() {
    let mut view = view(&Mesh::new());
    let wall = UnixMillis(view.state.time().0 - 600_000);
    assert_eq!(view.standstill(wall), None);
    view.status.standstill = Some("no block for more than 6 s".to_string());
    let status = view.status_at(wall);
    assert_eq!((status.age_ms, status.standstill.as_deref()), (0, Some("no block for more than 6 s")));
}

#[test]
fn a_clock_past_the_bound_of_readiness_is_named_and_one_at_it_is_not() {
    let view = view(&Mesh::new());
    let behind = |ms| view.status_at(UnixMillis(view.state.time().0 - ms));
    assert!(behind(READY_CLOCK_MS_MAX).ready);
    let status = behind(READY_CLOCK_MS_MAX + 1);
    let conditions: Vec<Condition> = status.not_ready.iter().map(|unmet| unmet.condition).collect();
    assert_eq!((status.ready, conditions), (false, vec![Condition::Clock]));
    let stale = view.status_at(view.state.time().plus(6_001));
    let conditions: Vec<Condition> = stale.not_ready.iter().map(|unmet| unmet.condition).collect();
    assert_eq!((stale.ready, conditions), (false, vec![Condition::Progress]));
}

#[test]
fn answers_say_how_old_they_are() {
    let view = view(&Mesh::new());
    let wall = view.state.time().plus(7_000);
    let request = DnsRequest { name: "absent.hypermesh".parse().unwrap(), record_type: RecordType::Aaaa };
    let Some(Ok(Response::ResolveDns(answer))) = read(&view, &Request::ResolveDns(request), wall) else {
        panic!("a view answers names")
    };
    assert_eq!((answer.age_ms, answer.stale), (7_000, true));
    let Some(Ok(Response::Status(status))) = read(&view, &Request::Status(StatusRequest {}), wall) else {
        panic!("a view answers status")
    };
    assert_eq!(status.age_ms, 7_000);
    assert!(status.standstill.is_some());
}
