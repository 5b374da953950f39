//! Answers from the last committed state, which need no node: only an immutable view of it.

use super::exposed::not_exposed;
use super::records::list_records;
use super::*;
use crate::base::{MicroCaesar, PublicKey, UnixMillis};
use crate::caesar::{
    FEE_BYTES_INCLUDED, FEE_PER_BYTE, FEE_RATE_CEILING, FEE_RATE_FLOOR, LedgerAccount, NAME_MS_PERIOD,
    NAME_RENT, at_rate, reward,
};
use crate::hypermesh::ordering::CommitCertificate;
use crate::hypermesh::proof::{Diligence, FourProofSet, Statement};
use crate::planted::{self, Bug};
use crate::state::{
    Batch, Certificate, Earnings, Holdings, Inadmissible, Member, NameOwner, OPERATIONS, OperationKind,
    Outcome, Receipt, RegisteredName, SERVICES, State, StateProof, Unpaid, Validator, Witness, holding_of,
};
use crate::trustchain::ca::{SerialNumber, parse_certificate};
use crate::trustchain::dns;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// The last committed state, and how the node that publishes it is. Views are immutable, so threads share them.
#[derive(Clone)]
pub struct View {
    /// The state.
    pub state: State,
    /// The precommits that decided its last block; none before the first.
    pub commit: Option<CommitCertificate>,
    /// The addresses of validators that have changed since genesis.
    pub addresses: Arc<alloc::collections::BTreeMap<PublicKey, AddressRecord>>,
    /// How the node is.
    pub status: NodeStatus,
    /// Its counters, by service.
    pub counters: Arc<alloc::collections::BTreeMap<&'static str, Counters>>,
}

/// What is said of every member's place in the network, until attestation is built.
pub const POSITION_NOT_ATTESTED: &str = "not attested";

/// Answers a request from a view; `None` for one that only the node itself can answer.
#[must_use]
pub fn read(view: &View, request: &Request, wall: UnixMillis) -> Option<Result<Response, ApiFault>> {
    let state = &view.state;
    Some(match request {
        Request::ValidateCertificate(request) => {
            Ok(Response::ValidateCertificate(certificate_state(state, &request.certificate_der, wall)))
        }
        Request::ListCertificates(request) => Ok(Response::ListCertificates(list(state, request, wall))),
        Request::ResolveDns(request) => Ok(Response::ResolveDns(resolve(view, request, wall))),
        Request::ListRecords(request) => Ok(Response::ListRecords(list_records(state, request))),
        Request::Name(request) => name_state(state, request).map(Response::Name),
        Request::Service(request) => Ok(Response::Service(ServiceState::of(state, &request.name))),
        Request::LogInclusion(request) => inclusion(state, request).map(Response::LogInclusion),
        Request::LogConsistency(request) => consistency(state, request).map(Response::LogConsistency),
        Request::ValidateBatch(request) if request.requirements == ConsensusRequirements::Checked => {
            Ok(Response::ValidateBatch(check_batch(state, &request.batch)))
        }
        Request::ValidateProofs(request) => {
            Ok(Response::ValidateProofs(check_proofs(state, &request.statement, &request.proofs)))
        }
        Request::Genesis(_) => Ok(Response::Genesis(state.genesis_document().as_ref().clone())),
        Request::Addresses(_) => {
            Ok(Response::Addresses(AddressBook { records: view.addresses.values().cloned().collect() }))
        }
        Request::Prove(request) => prove(view, request).map(Response::Prove),
        Request::Member(request) => member(state, request).map(Response::Member),
        Request::Status(_) => Ok(Response::Status(view.status_at(wall))),
        Request::Balance(request) => Ok(Response::Balance(balance(state, request))),
        Request::Fees(_) => Ok(Response::Fees(fees(state))),
        Request::Supply(_) => Ok(Response::Supply(supply(state))),
        Request::Rewards(_) => Ok(Response::Rewards(rewards(state))),
        Request::TrustchainHealth(_) => Ok(Response::TrustchainHealth(health(view, "trustchain", wall))),
        Request::HypermeshHealth(_) => Ok(Response::HypermeshHealth(health(view, "hypermesh", wall))),
        Request::CaesarHealth(_) => Ok(Response::CaesarHealth(health(view, "caesar", wall))),
        Request::TrustchainMetrics(_) => Ok(Response::TrustchainMetrics(metrics(view, "trustchain"))),
        Request::HypermeshMetrics(_) => Ok(Response::HypermeshMetrics(metrics(view, "hypermesh"))),
        Request::CaesarMetrics(_) => Ok(Response::CaesarMetrics(metrics(view, "caesar"))),
        Request::TrustchainMethods(_) => Ok(Response::TrustchainMethods(methods("trustchain"))),
        Request::HypermeshMethods(_) => Ok(Response::HypermeshMethods(methods("hypermesh"))),
        Request::CaesarMethods(_) => Ok(Response::CaesarMethods(methods("caesar"))),
        _ => return None,
    })
}

fn certificate_state(state: &State, der: &[u8], wall: UnixMillis) -> CertificateState {
    let Some(issuer) = state.issuer() else {
        return CertificateState::NotOfThisMesh {
            reason: "this mesh has no issuing certificate \
            yet"
            .to_string(),
        };
    };
    let certificate = match parse_certificate(der) {
        Ok(certificate) => certificate,
        Err(fault) => return CertificateState::NotOfThisMesh { reason: fault.to_string() },
    };
    if certificate.signed_by(&issuer.issuing_key).is_err() {
        let reason = "it is not signed by this mesh's issuing key".to_string();
        return CertificateState::NotOfThisMesh { reason };
    }
    let Some(row) = state.get::<Certificate>(&certificate.serial) else {
        let reason = "its signature is valid, but it was never approved and logged".to_string();
        return CertificateState::Unknown { reason };
    };
    if !row.is_of(&certificate.pre_tbs) {
        let reason = "its signature is valid, but it differs from the certificate that was \
            approved"
            .to_string();
        return CertificateState::Unknown { reason };
    }
    let summary = CertificateSummary::of(certificate.serial, row);
    match summary.status(wall) {
        CertificateStatus::Revoked => CertificateState::Revoked { certificate: summary },
        CertificateStatus::Expired => CertificateState::Expired { certificate: summary },
        CertificateStatus::Valid if certificate.validity.contains(wall) => {
            CertificateState::Valid { certificate: summary }
        }
        CertificateStatus::Valid => CertificateState::NotYetValid { certificate: summary },
    }
}

impl CertificateSummary {
    /// What the state's row says of a certificate.
    #[must_use]
    pub fn of(serial_number: SerialNumber, row: Certificate) -> Self {
        Self {
            serial_number,
            owner: row.owner,
            names: row.names,
            not_before: row.not_before,
            not_after: row.not_after,
            height: row.height,
            leaf_index: row.leaf_index,
            operation: row.operation,
            issued: row.issued,
            revocation: row.revocation,
        }
    }
}

fn list(state: &State, request: &CertificateListRequest, wall: UnixMillis) -> CertificateList {
    let limit = request.limit.clamp(1, LIST_COUNT_MAX) as usize;
    let wanted = |found: &CertificateSummary| {
        request.owner.is_none_or(|owner| owner == found.owner)
            && request.name.as_ref().is_none_or(|name| found.names.dns().contains(name))
            && request.status.is_none_or(|status| status == found.status(wall))
            && request.expires_before.is_none_or(|moment| found.not_after < moment)
            && request.issued_after.is_none_or(|moment| found.issued > moment)
    };
    let mut certificates = Vec::new();
    let mut last = None;
    let rows = state.rows_after::<Certificate>(request.after.as_ref());
    let rows = rows.filter_map(|(key, row)| Some((SerialNumber::from_bytes(&key).ok()?, row)));
    for (looked_at, (serial, row)) in rows.enumerate() {
        if certificates.len() == limit || looked_at == LIST_SCAN_COUNT_MAX {
            return CertificateList { certificates, next: last };
        }
        last = Some(serial);
        let found = CertificateSummary::of(serial, row);
        if wanted(&found) {
            certificates.push(found);
        }
    }
    CertificateList { certificates, next: None }
}

fn resolve(view: &View, request: &DnsRequest, wall: UnixMillis) -> DnsAnswer {
    let state = &view.state;
    let resolution = dns::resolve(state, &request.name, request.record_type);
    DnsAnswer {
        outcome: resolution.outcome,
        answers: resolution.answers,
        authority: resolution.authority,
        height: state.height(),
        time: state.time(),
        age_ms: if planted::is(Bug::AnswerWithoutAge) { 0 } else { wall.since(state.time()) },
        stale: view.staleness(wall).is_some(),
    }
}

fn name_state(state: &State, request: &NameRequest) -> Result<NameState, ApiFault> {
    let registered = holding_of(state, &request.name, state.time());
    let absent = || ApiFault::not_found(alloc::format!("{} is not registered", request.name));
    let holding = registered.ok_or_else(absent)?;
    let (until, may_grant, granter) = (holding.until(), holding.may_grant(), holding.granter());
    let RegisteredName { name, row: NameOwner { owner, since, expires, .. } } = holding.registered;
    let freed = state.term(&name, state.time()).freed();
    let (rent, height) = (NAME_RENT, state.height());
    Ok(NameState { name, owner, since, expires, freed, until, may_grant, granter, rent, height })
}

fn inclusion(state: &State, request: &InclusionRequest) -> Result<LogProof, ApiFault> {
    let log = state.log();
    let size = request.size.unwrap_or(log.size());
    let path = log.inclusion_proof(request.index, size).map_err(ApiFault::not_found)?;
    Ok(LogProof { size, root: log.root_at(size).map_err(ApiFault::not_found)?, path })
}

fn consistency(state: &State, request: &ConsistencyRequest) -> Result<LogProof, ApiFault> {
    let log = state.log();
    let size = request.new.unwrap_or(log.size());
    let path = log.consistency_proof(request.old, size).map_err(ApiFault::not_found)?;
    Ok(LogProof { size, root: log.root_at(size).map_err(ApiFault::not_found)?, path })
}

/// This validator's opinion on a batch, on the last committed state: the proofs, and what would become of the
/// operations.
#[must_use]
pub fn check_batch(state: &State, batch: &Batch) -> ConsensusValidationResult {
    let invalid = |reason: String| ConsensusValidationResult::Invalid { failed_proofs: Vec::new(), reason };
    if let Err(fault) = batch.check_form(&state.genesis_hash()) {
        return invalid(fault.to_string());
    }
    // A thousand operations' signatures are not looked at for one who is no member.
    let proof_hash = match state.admit_proofs(batch, state.time(), Diligence::NameAll) {
        Ok(proof_hash) => proof_hash,
        Err(reason) => return refused(&reason),
    };
    let batch = match batch.clone().check(&state.genesis_hash()) {
        Ok(batch) => batch,
        Err(fault) => return invalid(fault.to_string()),
    };
    if let Err(reason) = state.require_payable(&batch, state.time()) {
        return refused(&reason);
    }
    let rehearsed = batch.operations.iter().map(|operation| state.rehearse(operation, state.time()));
    let refusal = rehearsed.into_iter().find_map(|outcome| match outcome {
        Ok(Receipt { outcome: Outcome::Refused(refusal), .. }) | Err(Unpaid::Refused(refusal)) => {
            Some(refusal)
        }
        _ => None,
    });
    match refusal {
        Some(refusal) => invalid(refusal.to_string()),
        None => ConsensusValidationResult::Valid { proof_hash, height: None, receipts: Vec::new() },
    }
}

/// What is said of a batch that may not be in the next block.
#[must_use]
pub fn refused(reason: &Inadmissible) -> ConsensusValidationResult {
    let failed_proofs = match reason {
        Inadmissible::Proofs(rejection) => rejection.failed.iter().map(|failed| failed.proof).collect(),
        _ => Vec::new(),
    };
    ConsensusValidationResult::Invalid { failed_proofs, reason: reason.to_string() }
}

fn check_proofs(state: &State, statement: &Statement, proofs: &FourProofSet) -> ConsensusValidationResult {
    let invalid = |reason: String| ConsensusValidationResult::Invalid { failed_proofs: Vec::new(), reason };
    if statement.genesis != state.genesis_hash() {
        return invalid("the statement is about another mesh".to_string());
    }
    let Some(member) = state.get::<Member>(&statement.member) else {
        return refused(&Inadmissible::NotMember { member: statement.member });
    };
    let expectation = match state.expectation(&member, statement.beacon_index, state.time()) {
        Ok(expectation) => expectation,
        Err(reason) => return refused(&reason),
    };
    match proofs.verify(statement, &expectation, Diligence::NameAll) {
        Ok(proof_hash) => ConsensusValidationResult::Valid { proof_hash, height: None, receipts: Vec::new() },
        Err(rejection) => refused(&Inadmissible::Proofs(rejection)),
    }
}

fn member(state: &State, request: &MemberRequest) -> Result<MemberState, ApiFault> {
    let absent = || ApiFault::not_found(alloc::format!("{} is not a member of this mesh", request.member));
    let member = state.get::<Member>(&request.member).ok_or_else(absent)?;
    let beacon = state.beacon();
    let deadline = state.genesis_document().profile.ticket_ms_deadline();
    Ok(MemberState {
        stake: member.stake,
        plot_root: member.plot_root,
        next_sequence: member.next_sequence,
        ticket: member.tickets.get(&beacon.index).copied(),
        missed_audits: member.missed_audits,
        suspended: member.is_suspended(),
        beacon: BeaconState {
            index: beacon.index,
            value: beacon.value,
            time: beacon.time,
            ticket_deadline: beacon.time.plus(deadline),
            difficulty: beacon.difficulty,
        },
        position: POSITION_NOT_ATTESTED.to_string(),
    })
}

/// The rows that an answer rests on, with their proofs. The answer itself is left to whoever asks.
fn prove(view: &View, request: &ProveRequest) -> Result<StateProof, ApiFault> {
    let (Some(header), Some(commit)) = (view.state.head(), &view.commit) else {
        return Err(ApiFault::unavailable("no block has been decided yet: retry".to_string()));
    };
    if view.state.has_overdue() {
        // Rows alone do not say whose time is over.
        let message = "the mesh was stalled and now executes overdue work: retry in a few blocks";
        return Err(ApiFault::unavailable(message.to_string()));
    }
    let witness = Witness::new(&view.state);
    let _answer = request.question.answer(&witness);
    let rows = witness.prove().map_err(|fault| ApiFault::new(FaultKind::ResourceExhausted, fault))?;
    Ok(StateProof { header: header.clone(), commit: commit.clone(), rows })
}

fn balance(state: &State, request: &BalanceRequest) -> Balance {
    let stake = state.get::<Member>(&request.owner).map(|member| member.stake).unwrap_or_default();
    let balance = state.balance(LedgerAccount::Account(request.owner));
    let unbonding = state.unbonding(&request.owner).releases;
    Balance { owner: request.owner, balance, stake, unbonding, height: state.height() }
}

fn fees(state: &State) -> FeeSchedule {
    let rate = state.fee_rate().thousandths;
    let fee = |listed| at_rate(listed, rate);
    let priced =
        |kind: &OperationKind| Some(OperationFee { operation: kind.name.into(), fee: fee(kind.price?) });
    FeeSchedule {
        rate,
        rate_floor: FEE_RATE_FLOOR,
        rate_ceiling: FEE_RATE_CEILING,
        target_operations: state.genesis_document().profile.fee_target_operations(),
        height: state.height(),
        operations: OPERATIONS.iter().filter_map(priced).collect(),
        byte: fee(FEE_PER_BYTE),
        bytes_included: FEE_BYTES_INCLUDED as u64,
        rent: NAME_RENT,
        rent_ms_period: NAME_MS_PERIOD,
        reserve: state.balance(LedgerAccount::Reserve),
        supply: state.founding_supply(),
    }
}

fn supply(state: &State) -> Supply {
    let Holdings { accounts, stakes, unbonding, reserve } = state.holdings();
    // Each fits, or the supply would not.
    let amount = |sum: u128| MicroCaesar(u64::try_from(sum).unwrap_or(u64::MAX));
    let genesis = state.founding_supply();
    Supply {
        genesis,
        accounts: amount(accounts),
        stakes: amount(stakes),
        unbonding: amount(unbonding),
        reserve: amount(reserve),
        conserved: state.supply() == u128::from(genesis.0),
        height: state.height(),
    }
}

fn rewards(state: &State) -> Rewards {
    let reserve = state.balance(LedgerAccount::Reserve);
    let validators = state.validators();
    let earnings = state.get::<Earnings>(&()).unwrap_or_default();
    let attendance = state.attendance();
    let row = |key: &PublicKey| ValidatorRewards {
        validator: *key,
        name: state.get::<Validator>(key).map(|row| row.name).unwrap_or_default(),
        missed_audits: state.get::<Member>(key).map(|row| row.missed_audits).unwrap_or_default(),
        earned: earnings.paid.get(key).copied().unwrap_or_default(),
        stake: state.balance(LedgerAccount::Stake(*key)),
        earns: state.earns(key),
        last_vote: attendance.last.get(key).copied().unwrap_or_default(),
    };
    Rewards {
        reserve,
        second: reward(reserve, 1000, validators.count() as u64),
        validators: validators.as_slice().iter().map(row).collect(),
        height: state.height(),
    }
}

fn health(view: &View, service: &str, wall: UnixMillis) -> Health {
    let status = view.status_at(wall);
    let elsewhere = not_exposed(view.state.genesis_document(), &status.node, service);
    let lacks = status.lacks_for(service);
    let (serving, detail) = match (elsewhere, &status.standstill) {
        (Some(elsewhere), _) => (false, elsewhere.message),
        (None, Some(standstill)) => (false, standstill.clone()),
        (None, None) if !lacks.is_empty() => (false, lacks),
        (None, None) => (true, "ok".to_string()),
    };
    Health { serving, detail, height: status.height }
}

fn metrics(view: &View, service: &'static str) -> Metrics {
    Metrics { counters: view.counters.get(service).cloned().unwrap_or_default() }
}

fn methods(service: &'static str) -> MethodList {
    debug_assert!(SERVICES.contains(&service), "only services have methods");
    let own = METHODS.iter().filter(|method| method.service == service);
    let row = |method: &Method| MethodDescription {
        name: method.name.to_string(),
        request: method.request_shape.to_string(),
        response: method.response_shape.to_string(),
        shape: method.shape,
        early: method.early,
        writes: method.writes,
    };
    MethodList { methods: own.map(row).collect() }
}
