//! No certificate without consensus: each one that is shown stands approved in the state and in the log, byte for byte;
//! the block that it names approved it, by a quorum; and what is called valid is not revoked.
//!
//! A certificate that was revoked is still shown to whoever asks for that very one: it is a document, and its status is
//! another question. A node that is behind may call valid what others have revoked since; see [`super::answer`] for
//! how it says how old its state is.

use super::validity::check_commit;
use super::{Chain, Decided, ObservedAnswer, Shown, Violation};
use crate::base::NodeIndex;
use hypermesh_core::api::{CertificateState, CertificateSummary, IssuedCertificate, Request};
use hypermesh_core::base::{Height, PublicKey};
use hypermesh_core::node::Event;
use hypermesh_core::state::{Certificate, Effect, NameOwner, Outcome, State};
use hypermesh_core::trust::CertificateProof;
use hypermesh_core::trustchain::DomainName;
use hypermesh_core::trustchain::ca::{SerialNumber, SignedCertificate, parse_certificate};
use hypermesh_core::trustchain::ct::{LogEntry, leaf_hash};
use std::collections::BTreeSet;

/// Looks at a block that no node had before: what it approved stands in state and log, for names of its owner's.
///
/// # Errors
/// If it approved something else.
pub(super) fn on_block(chain: &Chain, height: Height) -> Result<(), Violation> {
    let Some(decided) = chain.at(height) else { return Ok(()) };
    let state = &decided.state;
    for receipt in &decided.receipts {
        let Some(serial) = approved(&receipt.outcome) else { continue };
        let broken =
            |what| Err(Violation::new("certificates", format!("block {height} approved {serial}, {what}")));
        let Some(row) = state.get::<Certificate>(serial) else { return broken("and does not know it") };
        if (row.operation, row.owner, row.height) != (receipt.operation, receipt.owner, height) {
            return broken("and knows another");
        }
        let first = state.log().size() - decided.entries.len() as u64;
        let entry = row.leaf_index.0.checked_sub(first).and_then(|at| usize::try_from(at).ok());
        let entry = entry.and_then(|at| decided.entries.get(at)).map(|entry| leaf_hash(entry));
        if entry.is_none() || entry != state.log().leaf_hash(row.leaf_index) {
            return broken("and did not log it");
        }
        // In the same block a name may have been taken back from whom it was granted, and the certificate revoked.
        let own = row.names.dns().iter().all(|name| owner(state, name) == Some(row.owner));
        if !own && row.revocation.is_none() {
            return broken("for a name that is not its owner's");
        }
    }
    carried_out_once(decided, height)
}

/// The certificate that an outcome approves, if it is that of an operation to issue one.
const fn approved(outcome: &Outcome) -> Option<&SerialNumber> {
    match outcome {
        Outcome::Refused(_) => None,
        Outcome::Done(effect) => match effect {
            Effect::CertificateApproved { serial, .. } => Some(serial),
            Effect::Attested
            | Effect::NameRegistered { .. }
            | Effect::NameRenewed { .. }
            | Effect::NameReclaimed { .. }
            | Effect::RecordsSet
            | Effect::Transferred
            | Effect::CertificateRevoked { .. }
            | Effect::KeyReported { .. }
            | Effect::Bonded { .. }
            | Effect::Unbonding { .. }
            | Effect::ServiceAnnounced { .. }
            | Effect::ServiceWithdrawn => None,
        },
    }
}

/// An operation that comes again has no second receipt, and leaves no second certificate or entry of the log either.
fn carried_out_once(decided: &Decided, height: Height) -> Result<(), Violation> {
    let operations = decided.block.iter().flat_map(|block| &block.body.batches);
    for operation in operations.flat_map(|batch| &batch.operations) {
        let id = operation.id();
        let serial = SerialNumber::from_operation(&id.0);
        let anew = decided.state.get::<Certificate>(&serial).is_some_and(|row| row.height == height);
        if anew && !decided.receipts.iter().any(|receipt| receipt.operation == id) {
            let what = format!("block {height} approved {serial} once more, without a receipt");
            return Err(Violation::new("certificates", what));
        }
    }
    Ok(())
}

/// Whose a name is: the owner's of the nearest name above it that is registered.
fn owner(state: &State, name: &DomainName) -> Option<PublicKey> {
    let above = core::iter::successors(Some(name.clone()), DomainName::parent);
    above.filter_map(|name| state.get::<NameOwner>(&name)).next().map(|row| row.owner)
}

/// Looks at something that a node told.
///
/// # Errors
/// If it signed a certificate that nobody approved.
pub(super) fn on_event(chain: &Chain, place: NodeIndex, event: &Event) -> Result<(), Violation> {
    let (Event::Issued { serial, .. }, Some(state)) = (event, chain.newest()) else { return Ok(()) };
    match state.get::<Certificate>(serial) {
        Some(_) => Ok(()),
        None => {
            let what = format!("node-{} has {serial} signed, which no block approved", place + 1);
            Err(Violation::new("certificates", what))
        }
    }
}

/// Looks at an answer.
///
/// # Errors
/// If it shows a certificate that consensus did not approve and log, or calls one valid that is not.
pub(super) fn on_answer(chain: &Chain, observed: &ObservedAnswer<'_>) -> Result<(), Violation> {
    let own = observed.view.state.height();
    let (Ok(response), Some(newest), Some(state)) = (observed.response, chain.newest(), chain.state(own))
    else {
        return Ok(());
    };
    let outcome = match Shown::by(response) {
        Shown::Certificate(issued) => check_issued(chain, newest, issued),
        Shown::Status(answer) => check_status(&state, observed.request, answer),
        Shown::List(list) => {
            list.certificates.iter().try_for_each(|summary| check_summary(&state, summary).map(|_| ()))
        }
        Shown::Checkpoint(_)
        | Shown::Records(_)
        | Shown::Proof(_)
        | Shown::RevocationLists(_)
        | Shown::Bundle(_)
        | Shown::Nothing => Ok(()),
    };
    outcome.map_err(|what| observed.observation.violation("certificates", what))
}

fn check_issued(chain: &Chain, newest: &State, issued: &IssuedCertificate) -> Result<(), String> {
    let serial = issued.serial_number;
    let broken = |what: &str| format!("shows {serial}, {what}");
    let signed = parse_certificate(&issued.certificate_der).map_err(|fault| broken(&fault.to_string()))?;
    let row = newest.get::<Certificate>(&serial).ok_or_else(|| broken("which no block approved"))?;
    let told = (signed.serial, issued.height, issued.leaf_index, issued.not_after);
    if told != (serial, row.height, row.leaf_index, row.not_after) {
        return Err(broken("and says otherwise of it than the state"));
    }
    if !is_logged(newest, &row, &signed) {
        return Err(broken("which is not what the log has in its place"));
    }
    let Some(block) = chain.at(row.height) else { return Ok(()) };
    let mut receipts = block.receipts.iter();
    if block.block.is_some()
        && !receipts
            .any(|receipt| receipt.operation == row.operation && approved(&receipt.outcome) == Some(&serial))
    {
        return Err(broken("which the block that it names did not approve"));
    }
    let proof = CertificateProof::from_pem(&issued.proof_pem).map_err(|fault| broken(&fault.to_string()))?;
    let head = block.state.head().ok_or_else(|| broken("approved before the first block"))?;
    check_commit(newest.genesis_document(), head, &proof.commit, &mut BTreeSet::new())
        .map_err(|what| broken(&what))
}

/// Whether the log has exactly these to-be-signed bytes where the state says, and the issuing key signed them.
fn is_logged(state: &State, row: &Certificate, signed: &SignedCertificate) -> bool {
    let Some(issuer) = state.issuer() else { return false };
    let (timestamp, tbs) = (row.issued, signed.pre_tbs.clone());
    let entry = LogEntry { timestamp, issuer_key_hash: issuer.issuing_key_hash(), tbs };
    state.log().leaf_hash(row.leaf_index) == Some(entry.leaf_hash())
        && signed.signed_by(&issuer.issuing_key).is_ok()
}

fn check_status(state: &State, request: &Request, answer: &CertificateState) -> Result<(), String> {
    let (summary, revoked) = match answer {
        CertificateState::Revoked { certificate } => (certificate, true),
        CertificateState::Valid { certificate }
        | CertificateState::Expired { certificate }
        | CertificateState::NotYetValid { certificate } => (certificate, false),
        CertificateState::Unknown { reason } | CertificateState::NotOfThisMesh { reason } => {
            let Request::ValidateCertificate(asked) = request else {
                return Err("answers another question".to_string());
            };
            return match is_approved(state, &asked.certificate_der) {
                true => Err(format!("does not know a certificate that was approved and logged: {reason}")),
                false => Ok(()),
            };
        }
    };
    let row = check_summary(state, summary)?;
    match row.revocation.is_some() == revoked {
        true => Ok(()),
        false => Err(format!("says that {} is revoked: {revoked}", summary.serial_number)),
    }
}

/// Whether these bytes are a certificate that the state has, signed and logged.
fn is_approved(state: &State, der: &[u8]) -> bool {
    let Ok(signed) = parse_certificate(der) else { return false };
    state.get::<Certificate>(&signed.serial).is_some_and(|row| is_logged(state, &row, &signed))
}

fn check_summary(state: &State, summary: &CertificateSummary) -> Result<Certificate, String> {
    let serial: SerialNumber = summary.serial_number;
    let row =
        state.get::<Certificate>(&serial).ok_or(format!("knows of {serial}, which no block approved"))?;
    let told = (summary.owner, &summary.names, summary.not_before, summary.not_after, summary.revocation);
    match told == (row.owner, &row.names, row.not_before, row.not_after, row.revocation) {
        true => Ok(row),
        false => Err(format!("says otherwise of {serial} than its state")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::test_util::{answered_with, issue, world_with};
    use crate::world::World;
    use hypermesh_core::api::{CertificateRequestBySerial, Response, ValidateCertificateRequest};
    use hypermesh_core::base::{Digest, LeafIndex};
    use hypermesh_core::trustchain::ca::RevocationReason;

    fn issued() -> (World, IssuedCertificate) {
        let (world, mut responses) = world_with(|world| vec![issue(world, 1), issue(world, 2)]);
        let Some(Response::IssueCertificate(issued)) = responses.pop() else { panic!("another response") };
        (world, issued)
    }

    fn shown(world: &World, issued: &IssuedCertificate) -> Result<(), Violation> {
        let request = CertificateRequestBySerial { serial_number: issued.serial_number };
        let response = Response::GetCertificate(issued.clone());
        answered_with(world, Request::GetCertificate(request), Ok(response))
    }

    #[test]
    fn it_fires_on_a_certificate_that_was_not_approved_or_is_another() {
        let (world, good) = issued();
        assert_eq!(shown(&world, &good), Ok(()));
        let unknown = SerialNumber::from_operation(&Digest([9; 32]));
        let event =
            |serial| on_event(world.checks().chain(), 0, &Event::Issued { serial, height: Height(1) });
        assert_eq!(event(good.serial_number), Ok(()));
        assert_eq!(event(unknown).unwrap_err().check, "certificates");
        let other = IssuedCertificate { serial_number: unknown, ..good.clone() };
        let elsewhere = IssuedCertificate { leaf_index: LeafIndex(0), ..good.clone() };
        let earlier = IssuedCertificate { height: Height(good.height.0 - 1), ..good.clone() };
        let mut forged = good.clone();
        *forged.certificate_der.last_mut().unwrap() ^= 1;
        for shown_wrong in [other, elsewhere, earlier, forged] {
            assert_eq!(shown(&world, &shown_wrong).unwrap_err().check, "certificates");
        }
    }

    #[test]
    fn it_fires_when_a_block_approves_what_it_does_not_log_or_for_anothers_name() {
        let (world, issued) = issued();
        let chain = world.checks().chain();
        assert_eq!(on_block(chain, issued.height), Ok(()));
        let decided = chain.at(issued.height).unwrap();
        let unlogged = chain.with(issued.height, decided.state.clone(), Vec::new());
        assert!(on_block(&unlogged, issued.height).unwrap_err().what.contains("log it"));
        let mut draft = decided.state.draft();
        let poor = world.participants().poor.public();
        let observed = NameOwner { since: issued.height, ..NameOwner::of_genesis(poor) };
        draft.put(&crate::world::name("web.demo.hypermesh"), &observed);
        let observed = chain.with(issued.height, draft.finish().0, decided.entries.clone());
        assert!(on_block(&observed, issued.height).unwrap_err().what.contains("not its owner"));
    }

    #[test]
    fn it_fires_when_an_operation_that_comes_again_approves_once_more() {
        let (world, issued) = issued();
        let again = world.checks().chain().without_receipts(issued.height);
        assert!(on_block(&again, issued.height).unwrap_err().what.contains("once more"));
    }

    #[test]
    fn it_fires_when_a_certificate_is_certified_by_too_few() {
        let (world, mut issued) = issued();
        let mut proof = CertificateProof::from_pem(&issued.proof_pem).unwrap();
        proof.commit.signatures.truncate(2);
        issued.proof_pem = proof.to_pem();
        assert!(shown(&world, &issued).unwrap_err().what.contains("2 of 4"));
    }

    #[test]
    fn it_fires_when_a_revoked_certificate_is_called_valid() {
        let (mut world, issued) = issued();
        let validate = ValidateCertificateRequest { certificate_der: issued.certificate_der.clone() };
        let validate = Request::ValidateCertificate(validate);
        let status = |world: &mut World| {
            let id = world.request(0, validate.clone());
            world.run_for(std::time::Duration::from_millis(1)).unwrap();
            world.answer(id).unwrap().response.clone().unwrap()
        };
        let valid = status(&mut world);
        let owner = world.owner(&world.participants().client.clone());
        let id = world.request(0, owner.revoke(9, issued.serial_number, RevocationReason::KeyCompromise));
        let patience = std::time::Duration::from_secs(9);
        world.run_until("an answer", patience, |world| world.answer(id).is_some()).unwrap();
        assert_eq!(answered_with(&world, validate.clone(), Ok(valid)).unwrap_err().check, "certificates");
        let revoked = status(&mut world);
        assert_eq!(answered_with(&world, validate.clone(), Ok(revoked)), Ok(()));
    }
}
