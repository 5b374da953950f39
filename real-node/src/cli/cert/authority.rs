//! What getting and renewing a certificate asks of others: the mesh, and the clock. Tests put a local authority in the place of
//! both.

use super::super::Global;
use super::super::proof::unasked;
use super::revoke;
use super::sent::SentOperation;
use crate::client::{MeshClient, VerifiedCertificate, runtime, session};
use crate::failure::{Exit, Failure};
use crate::moment;
use crate::progress::while_waiting;
use hypermesh_core::base::{Height, LeafIndex, MicroCaesar, UnixMillis};
use hypermesh_core::state::{Action, IssueCertificate, Operation, Revocation};
use hypermesh_core::trust::{Answer, Question};
use hypermesh_core::trustchain::ca::{PemLabel, RevocationReason, SerialNumber, pem};
use std::time::Duration;

/// Who certifies and revokes, and what time it is.
pub(super) trait Authority {
    /// When and why a certificate was revoked, with proof: who lies must not be able to make an owner give up a key.
    fn revocation(&self, serial_number: SerialNumber) -> Result<Option<Revocation>, Failure>;

    /// Whether it is proved of all these that they got no certificate, and never will. Who lies must not be able to make an owner
    /// delete a key that is certified.
    fn are_never_done(&self, sent: &[SentOperation]) -> Result<bool, Failure>;

    /// Has a certificate issued, and verifies what comes. `note` is called with the operation before it is sent: those that were
    /// noted earlier are gone on with, of which `last` is the last.
    fn certify(
        &self,
        issue: IssueCertificate,
        sent: &[SentOperation],
        last: Option<&Operation>,
        note: &mut dyn FnMut(&Operation) -> Result<(), Failure>,
    ) -> Result<IssuedFiles, Failure>;

    /// Has a certificate revoked as superseded.
    fn supersede(&self, serial_number: SerialNumber) -> Result<(), Failure>;

    /// What the clock shows.
    fn now(&self) -> UnixMillis;

    /// Waits until this moment.
    fn wait_until(&self, moment: UnixMillis) -> Result<(), Failure>;
}

/// A certificate with all that belongs to it, verified.
pub(super) struct IssuedFiles {
    /// The certificate, PEM.
    pub(super) certificate: String,
    /// The issuing certificate, PEM.
    pub(super) chain: String,
    /// The root certificate, PEM.
    pub(super) root: String,
    /// Who approved it, PEM.
    pub(super) proof: String,
    /// Its serial number.
    pub(super) serial_number: SerialNumber,
    /// The block that approved it.
    pub(super) height: Height,
    /// Its place in the log.
    pub(super) leaf_index: LeafIndex,
    /// What it cost.
    pub(super) fee: MicroCaesar,
    /// Its last moment.
    pub(super) not_after: UnixMillis,
    /// Which validators approved it.
    pub(super) approved_by: Vec<String>,
}

/// The context's mesh, and this machine's clock.
pub(super) struct Mesh<'a>(pub(super) &'a Global);

impl Authority for Mesh<'_> {
    fn revocation(&self, serial_number: SerialNumber) -> Result<Option<Revocation>, Failure> {
        let question = Question::Certificate { serial_number };
        let answer = session(self.0, "fetching the previous certificate", async |client| {
            client.prove(&question).await
        })?;
        let Answer::Certificate(row) = answer.proved.answer else { return Err(unasked()) };
        Ok(row.and_then(|row| row.revocation))
    }

    fn are_never_done(&self, sent: &[SentOperation]) -> Result<bool, Failure> {
        session(self.0, "checking whether a certificate was issued", async |client| {
            SentOperation::require_same_mesh(sent, client.genesis().hash())?;
            for sent in sent {
                let question = Question::Certificate { serial_number: sent.serial_number };
                let proved = client.prove(&question).await?.proved;
                let Answer::Certificate(row) = proved.answer else { return Err(unasked()) };
                if !sent.is_never_done(row.as_ref(), proved.time) {
                    return Ok(false);
                }
            }
            Ok(true)
        })
    }

    fn certify(
        &self,
        issue: IssueCertificate,
        sent: &[SentOperation],
        last: Option<&Operation>,
        note: &mut dyn FnMut(&Operation) -> Result<(), Failure>,
    ) -> Result<IssuedFiles, Failure> {
        let certified = session(self.0, "waiting for the certificate", async |client| {
            SentOperation::require_same_mesh(sent, client.genesis().hash())?;
            if let Some(certified) = certified_earlier(client, &issue, sent).await? {
                return Ok(certified);
            }
            if let Some(last) = last
                && client.is_sendable(last).await
            {
                return client.certify_operation(last).await;
            }
            let operation = client.operation(Action::IssueCertificate(issue)).await?;
            note(&operation)?;
            client.certify_operation(&operation).await
        })?;
        files(certified)
    }

    fn supersede(&self, serial_number: SerialNumber) -> Result<(), Failure> {
        let reason = RevocationReason::Superseded;
        session(self.0, "waiting for the revocation", async |client| {
            revoke::ask(client, serial_number, reason).await
        })
        .map(drop)
    }

    fn now(&self) -> UnixMillis {
        moment::now()
    }

    fn wait_until(&self, until: UnixMillis) -> Result<(), Failure> {
        let wait = Duration::from_millis(until.since(moment::now()));
        // Made within the runtime, whose clock it is.
        let sleep = async { tokio::time::sleep(wait).await };
        runtime()?.block_on(while_waiting(
            "waiting until resolvers have the TLSA records of the new \
            key",
            sleep,
        ));
        Ok(())
    }
}

/// The certificate that operations of interrupted commands got, if a node knows of one: the last is the likeliest.
async fn certified_earlier(
    client: &MeshClient,
    issue: &IssueCertificate,
    sent: &[SentOperation],
) -> Result<Option<VerifiedCertificate>, Failure> {
    for sent in sent.iter().rev() {
        match client.certified(sent.serial_number, issue).await {
            Err(failure) if failure.exit == Exit::NotFound => {}
            found => return found.map(Some),
        }
    }
    Ok(None)
}

fn files(certified: VerifiedCertificate) -> Result<IssuedFiles, Failure> {
    let VerifiedCertificate { issued, proof, verification, bundle } = certified;
    let newest = bundle.issuing_ders.last();
    let newest =
        newest.ok_or_else(|| Failure::new(Exit::NotValid, "the trust bundle has no issuing certificate"))?;
    Ok(IssuedFiles {
        certificate: pem(PemLabel::Certificate, &issued.certificate_der),
        chain: pem(PemLabel::Certificate, &newest.0),
        root: pem(PemLabel::Certificate, &bundle.root_der),
        proof: proof.to_pem(),
        serial_number: issued.serial_number,
        height: issued.height,
        leaf_index: issued.leaf_index,
        fee: issued.fee,
        not_after: issued.not_after,
        approved_by: verification.approved_by,
    })
}
