//! What getting and renewing a certificate asks of others: the mesh, and the clock. Tests put a local authority in the place of
//! both.

use super::super::Global;
use super::super::proof::unasked;
use super::revoke;
use crate::client::{Certified, MeshClient, runtime, session};
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

    /// Has a certificate issued, and verifies what comes. `note` is called with the operation before it is sent: one that was
    /// noted earlier is gone on with.
    fn certify(
        &self,
        issue: IssueCertificate,
        earlier: Option<&Operation>,
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
        let answer = session(self.0, "asking for the certificate before", async |client| {
            client.prove(&question).await
        })?;
        let Answer::Certificate(row) = answer.proved.answer else { return Err(unasked()) };
        Ok(row.and_then(|row| row.revocation))
    }

    fn certify(
        &self,
        issue: IssueCertificate,
        earlier: Option<&Operation>,
        note: &mut dyn FnMut(&Operation) -> Result<(), Failure>,
    ) -> Result<IssuedFiles, Failure> {
        let certified = session(self.0, "waiting for the certificate", async |client| {
            if let Some(certified) = certified_earlier(client, earlier).await? {
                return Ok(certified);
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
        runtime()?.block_on(while_waiting("waiting until resolvers know the new key", sleep));
        Ok(())
    }
}

/// The certificate of an operation that an interrupted command sent, or was about to: it is asked for, and if there is none
/// the operation is sent again, as long as it may still happen. The mesh does it once.
async fn certified_earlier(
    client: &MeshClient,
    earlier: Option<&Operation>,
) -> Result<Option<Certified>, Failure> {
    let Some(operation) = earlier else { return Ok(None) };
    match client.certified(operation).await {
        Err(failure) if failure.exit == Exit::NotFound => {}
        found => return found.map(Some),
    }
    match operation.body.expires > moment::now() {
        true => client.certify_operation(operation).await.map(Some),
        false => Ok(None),
    }
}

fn files(certified: Certified) -> Result<IssuedFiles, Failure> {
    let Certified { issued, proof, verification, bundle } = certified;
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
