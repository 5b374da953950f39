//! What nodes answer, against the rights: records that may be shown, certificates as they may be, refusals that hold.

use super::certificates::Leaf;
use super::model::Model;
use super::names::{ancestors, is_within};
use super::{CertificateRole, Chain, LedgerCheck, ObservedAnswer, form, parse_certificate};
use crate::check::Shown;
use hypermesh_core::api::{ApiFault, FaultKind, IssuedCertificate, Request};
use hypermesh_core::base::Height;
use hypermesh_core::state::{NameOwner, State};
use hypermesh_core::trust::{Answer, Question};
use hypermesh_core::trustchain::DomainName;
use hypermesh_core::trustchain::ca::SignedCertificate;
use hypermesh_core::trustchain::dns::{NamedRecordSet, RecordData, RecordSet, RecordType, ResolutionOutcome};

/// The end of a refusal if an owner cannot pay.
const CANNOT_PAY: &str = "are needed: transfer some to it";
/// The most aliases that a resolution follows.
const ALIAS_COUNT_MAX: usize = 8;

/// Looks at an answer.
pub(super) fn judge(
    model: Option<&(Height, Model)>,
    chain: &Chain,
    observed: &ObservedAnswer<'_>,
    ledger: &LedgerCheck,
) -> Result<(), String> {
    let response = match observed.response {
        Ok(response) => response,
        Err(fault) => return check_refusal(model, observed, fault, ledger),
    };
    match Shown::by(response) {
        Shown::Certificate(issued) => model.map_or(Ok(()), |(_, model)| check_issued(model, issued)),
        Shown::Records(answer) => {
            let Request::ResolveDns(asked) = observed.request else { return another_question() };
            let Some(state) = chain.state(answer.height) else { return Ok(()) };
            let told = (answer.outcome, answer.answers.as_slice());
            check_records(&state, &asked.name, asked.record_type, told)
        }
        Shown::Proof(proof) => {
            let Request::Prove(asked) = observed.request else { return another_question() };
            let Question::Records { name, record_type } = &asked.question else { return Ok(()) };
            let Some(state) = chain.state(proof.header.height) else { return Ok(()) };
            let proved = asked.question.check(proof, state.genesis_document());
            let Answer::Records(told) = proved.map_err(|fault| fault.to_string())?.answer else {
                return another_question();
            };
            check_records(&state, name, *record_type, (told.outcome, told.answers.as_slice()))
        }
        // What becomes of certificates the check `certificates` holds against the state, which is compared after each block.
        Shown::Status(_)
        | Shown::List(_)
        | Shown::Checkpoint(_)
        | Shown::RevocationLists(_)
        | Shown::Bundle(_)
        | Shown::Nothing => Ok(()),
    }
}

fn another_question() -> Result<(), String> {
    Err("answers another question".to_string())
}

/// A node may refuse by itself what the next block would refuse, and nothing else.
fn check_refusal(
    model: Option<&(Height, Model)>,
    observed: &ObservedAnswer<'_>,
    fault: &ApiFault,
    ledger: &LedgerCheck,
) -> Result<(), String> {
    let (Some((height, model)), Some(operation)) = (model, observed.request.operation()) else {
        return Ok(());
    };
    let state = &observed.view.state;
    // What a node says of an older state, the model does not know any more.
    if state.height() != *height || model.receipts.contains_key(&operation.id()) {
        return Ok(());
    }
    let form = form::check(operation);
    match (fault.kind, form) {
        (FaultKind::InvalidArgument, Ok(_)) if is_signed(operation, state) => {
            Err(format!("calls a well-formed operation malformed: {fault}"))
        }
        // What waits at the node for the same owner is not known here, and may have to be paid as well.
        (FaultKind::FailedPrecondition, Ok(_)) if fault.message.contains(CANNOT_PAY) => Ok(()),
        (FaultKind::FailedPrecondition | FaultKind::NotFound, Ok(request)) => {
            let Some(owner_funds) = ledger.means_now(operation) else { return Ok(()) };
            let against =
                |time| model.against(operation, request.as_ref(), owner_funds, time).is_nothing().is_err();
            // It rehearses at the time of the last block, and at its clock's if that is later.
            match against(state.time()) || against(observed.wall.max(state.time())) {
                true => Ok(()),
                false => Err(format!("refuses what is allowed: {fault}")),
            }
        }
        // A limit, a fault of the node, or something that is malformed.
        (
            FaultKind::InvalidArgument
            | FaultKind::FailedPrecondition
            | FaultKind::NotFound
            | FaultKind::PermissionDenied
            | FaultKind::ResourceExhausted
            | FaultKind::Unavailable
            | FaultKind::DataLoss
            | FaultKind::Unimplemented,
            Ok(_) | Err(_),
        ) => Ok(()),
    }
}

fn is_signed(operation: &hypermesh_core::state::Operation, state: &State) -> bool {
    let owner = operation.body.owner;
    let signed = owner.check().is_ok() && owner.verify(&operation.id().0, &operation.signature).is_ok();
    signed && operation.body.genesis == state.genesis_hash()
}

/// A certificate that is shown certifies what was asked for.
fn check_issued(model: &Model, issued: &IssuedCertificate) -> Result<(), String> {
    let signed = parse_certificate(&issued.certificate_der).map_err(|fault| fault.to_string())?;
    match model.leaves.get(&signed.serial) {
        Some(leaf) => check_certificate(leaf, &signed),
        None => Err(format!("shows the certificate {}, which nobody may have", signed.serial)),
    }
}

/// Whether a certificate certifies these names for this key and time, and nothing else.
pub(super) fn check_certificate(leaf: &Leaf, signed: &SignedCertificate) -> Result<(), String> {
    let serial = signed.serial;
    let CertificateRole::Leaf(names) = &signed.role else {
        return Err(format!("{serial} is an authority's certificate"));
    };
    if *names != leaf.names {
        return Err(format!("{serial} certifies {names:?}, and {:?} was asked for", leaf.names));
    }
    if signed.subject_key.spki_hash() != leaf.key {
        return Err(format!("{serial} certifies another key than was asked for"));
    }
    let (from, until) = (signed.validity.not_before, signed.validity.not_after);
    match (from, until) == (leaf.not_before, leaf.not_after) {
        true => Ok(()),
        false => Err(format!("{serial} holds from {from} until {until}")),
    }
}

/// What a resolver may be told of a state: what stands at the name, after aliases, unless it is not paid for.
fn check_records(
    state: &State,
    name: &DomainName,
    record_type: RecordType,
    told: (ResolutionOutcome, &[NamedRecordSet]),
) -> Result<(), String> {
    let (outcome, answers) = resolve(state, name, record_type);
    match told == (outcome, answers.as_slice()) {
        true => Ok(()),
        false => Err(format!(
            "answers {name} {record_type} with {told:?}, where {outcome:?} {answers:?} may be told"
        )),
    }
}

pub(super) fn resolve(
    state: &State,
    name: &DomainName,
    record_type: RecordType,
) -> (ResolutionOutcome, Vec<NamedRecordSet>) {
    let (mut name, mut told) = (name.clone(), Vec::new());
    for _ in 0..=ALIAS_COUNT_MAX {
        let Some(zone) = zone_of(state, &name) else {
            let outcome =
                if told.is_empty() { ResolutionOutcome::NotAuthoritative } else { ResolutionOutcome::Found };
            return (outcome, told);
        };
        if record_type == RecordType::Soa && name == zone {
            // The start of a zone is made for the answer, and for each that says that something is not there.
            let soa = hypermesh_core::trustchain::dns::resolve(state, &name, record_type);
            return (soa.outcome, soa.answers);
        }
        if let Some(set) = shown(state, &name, record_type) {
            told.push(NamedRecordSet { name, set });
            return (ResolutionOutcome::Found, told);
        }
        let alias = shown(state, &name, RecordType::Cname).filter(|_| record_type != RecordType::Cname);
        let target = alias.as_ref().and_then(|set| set.data.first());
        let target =
            target.and_then(|data| if let RecordData::Cname(to) = data { Some(to.clone()) } else { None });
        let (Some(set), Some(target)) = (alias, target) else {
            let outcome = if exists(state, &name, &zone) {
                ResolutionOutcome::NoData
            } else {
                ResolutionOutcome::NoSuchName
            };
            return (outcome, told);
        };
        told.push(NamedRecordSet { name, set });
        if told.iter().any(|one| one.name == target) {
            return (ResolutionOutcome::Found, told);
        }
        name = target;
    }
    (ResolutionOutcome::Found, told)
}

fn zone_of(state: &State, name: &DomainName) -> Option<DomainName> {
    let genesis = state.genesis_document();
    let mut zones = core::iter::once(&genesis.zone).chain(&genesis.reverse_zones);
    zones.find(|zone| is_within(name, zone)).cloned()
}

/// The records of a type that may be shown at a name.
fn shown(state: &State, name: &DomainName, record_type: RecordType) -> Option<RecordSet> {
    let set = state.get::<RecordSet>(&(name.clone(), record_type));
    set.filter(|_| !is_lapsed(state, name))
}

/// Whether a name, or one below it, has records that may be shown.
fn exists(state: &State, name: &DomainName, zone: &DomainName) -> bool {
    let key: Vec<u8> = name.labels().rev().flat_map(|label| [label.as_bytes(), &[0]].concat()).collect();
    name == zone || (!is_lapsed(state, name) && state.rows::<RecordSet>(key).next().is_some())
}

/// Whether the name directly below the zone that a name is or lies below is not paid for at the state's time.
fn is_lapsed(state: &State, name: &DomainName) -> bool {
    let zone = zone_of(state, name);
    let top = ancestors(name).find(|above| above.parent() == zone);
    let paid_until = top.and_then(|top| state.get::<NameOwner>(&top)?.expires);
    paid_until.is_some_and(|until| until < state.time())
}
