//! Certificates that are verified before anybody goes by them, for a program that gets its own.

use super::MeshClient;
use crate::failure::{Exit, Failure};
use crate::moment;
use hypermesh_core::api::{
    CertificateRequestBySerial, IssueCertificateRequest, IssuedCertificate, TrustBundleRequest,
};
use hypermesh_core::base::{PublicKey, SecretKey};
use hypermesh_core::state::{Action, CertificateProfile, IssueCertificate, Operation, Protocol, ServicePort};
use hypermesh_core::trust::{CertificateProof, TrustBundle, Verification, verify_certificate};
use hypermesh_core::trustchain::DomainName;
use hypermesh_core::trustchain::ca::{
    CertificateRequest, CertificateRole, SerialNumber, SignedCertificate, parse_certificate,
};
use rcgen::CertificateParams;

/// A certificate with all that was found when it was verified.
#[derive(Debug)]
pub struct VerifiedCertificate {
    /// What the node gave.
    pub issued: IssuedCertificate,
    /// Who approved it.
    pub proof: CertificateProof,
    /// Each check, and its outcome: all of them hold.
    pub verification: Verification,
    /// What it was verified against, which follows from the context's genesis.
    pub bundle: TrustBundle,
}

impl MeshClient {
    /// Has a certificate issued for the key with which a host serves STOQ at a port, so that callers who find the host know
    /// the key: the mesh publishes it (TLSA) until the certificate ends.
    ///
    /// # Errors
    /// If no node can answer in time, the mesh refuses, or what a node gives does not hold.
    pub async fn certify_host(
        &self,
        host: &DomainName,
        key: &SecretKey,
        port: u16,
        lifetime_seconds: u32,
    ) -> Result<VerifiedCertificate, Failure> {
        let csr = request_of(host, key)?;
        let services = vec![ServicePort { port, protocol: Protocol::Udp }];
        let profile = CertificateProfile::default();
        self.certify(IssueCertificate { csr, profile, lifetime_seconds, services }).await
    }

    /// Has a certificate issued, and verifies what comes: chain, approval, log, and who approved it.
    ///
    /// # Errors
    /// As [`Self::certify_host`].
    pub async fn certify(&self, issue: IssueCertificate) -> Result<VerifiedCertificate, Failure> {
        let operation = self.operation(Action::IssueCertificate(issue)).await?;
        self.certify_operation(&operation).await
    }

    /// As [`Self::certify`], by an operation that the caller keeps: sent again, it gets the same certificate and costs nothing
    /// more.
    ///
    /// # Errors
    /// As [`Self::certify_host`].
    pub async fn certify_operation(&self, operation: &Operation) -> Result<VerifiedCertificate, Failure> {
        let request = request_in(operation)?;
        let issued = self.call(&IssueCertificateRequest { operation: operation.clone() }).await?;
        self.certified_as(issued, &request).await
    }

    /// The certificate with this serial number, verified to be what is asked for here.
    ///
    /// # Errors
    /// As [`Self::certify_host`]; with [`Exit::NotFound`] if the node that was asked knows of none, which proves nothing.
    pub async fn certified(
        &self,
        serial_number: SerialNumber,
        issue: &IssueCertificate,
    ) -> Result<VerifiedCertificate, Failure> {
        let request = request_of_csr(&issue.csr)?;
        let issued = self.call(&CertificateRequestBySerial { serial_number }).await?;
        self.certified_as(issued, &request).await
    }

    async fn certified_as(
        &self,
        issued: IssuedCertificate,
        request: &CertificateRequest,
    ) -> Result<VerifiedCertificate, Failure> {
        let bundle = self.trust_bundle().await?;
        let (proof, verification) = verified(&issued, request, &bundle)?;
        Ok(VerifiedCertificate { issued, proof, verification, bundle })
    }
}

impl MeshClient {
    /// The mesh's trust bundle: of the context's genesis, with every part following from it.
    ///
    /// # Errors
    /// If no node can answer in time, or what it gives anchors nothing.
    pub async fn trust_bundle(&self) -> Result<TrustBundle, Failure> {
        let bundle = self.call(&TrustBundleRequest {}).await?;
        let refused = |reason: &dyn std::fmt::Display| {
            Failure::new(Exit::NotValid, format!("the node returned an invalid trust bundle: {reason}"))
        };
        if bundle.genesis_hash() != self.genesis().hash() {
            return Err(refused(&"its genesis differs from the context's"));
        }
        bundle.check().map_err(|fault| refused(&fault))?;
        Ok(bundle)
    }
}

/// The certificate request in an operation.
fn request_in(operation: &Operation) -> Result<CertificateRequest, Failure> {
    let Action::IssueCertificate(issue) = &operation.body.action else {
        return Err(Failure::new(Exit::Input, "the operation asks for no certificate"));
    };
    request_of_csr(&issue.csr)
}

fn request_of_csr(csr: &[u8]) -> Result<CertificateRequest, Failure> {
    CertificateRequest::from_csr(csr).map_err(|fault| Failure::new(Exit::Input, fault))
}

/// The proof that came with a certificate, once both hold and are of what was asked for.
fn verified(
    issued: &IssuedCertificate,
    request: &CertificateRequest,
    bundle: &TrustBundle,
) -> Result<(CertificateProof, Verification), Failure> {
    let refused = |reason: &dyn std::fmt::Display| {
        Failure::new(Exit::NotValid, format!("the node returned an invalid certificate: {reason}"))
    };
    let certificate = parse_certificate(&issued.certificate_der).map_err(|fault| refused(&fault))?;
    if !is_for(&certificate, request) || certificate.serial != issued.serial_number {
        return Err(refused(&"its key, names or serial number differ from the request"));
    }
    let proof = CertificateProof::from_pem(&issued.proof_pem).map_err(|invalid| refused(&invalid))?;
    // A clock that lags behind the mesh's must not turn a good certificate away.
    let at = moment::now().max(certificate.validity.not_before);
    let verification = verify_certificate(bundle, &issued.certificate_der, Some(&proof), None, at);
    match verification.failed() {
        Some(failed) => Err(refused(&failed.detail)),
        None => Ok((proof, verification)),
    }
}

/// Whether this certificate is what that request asks for.
pub(crate) fn is_for(certificate: &SignedCertificate, request: &CertificateRequest) -> bool {
    let names_are_the_same =
        matches!(&certificate.role, CertificateRole::Leaf(names) if *names == request.names);
    names_are_the_same && certificate.subject_key == request.subject_key
}

/// A certificate request (PKCS#10, DER) for a host, by an Ed25519 key.
fn request_of(host: &DomainName, key: &SecretKey) -> Result<Vec<u8>, Failure> {
    let signer = Signer { secret: key, public: key.public() };
    let unmade = |error: rcgen::Error| Failure::new(Exit::Failed, format!("cannot make a request: {error}"));
    let parameters = CertificateParams::new(vec![host.to_string()]).map_err(unmade)?;
    let request = parameters.serialize_request(&signer).map_err(unmade)?;
    Ok(request.der().to_vec())
}

struct Signer<'a> {
    secret: &'a SecretKey,
    public: PublicKey,
}

impl rcgen::PublicKeyData for Signer<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.public.as_bytes()
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &rcgen::PKCS_ED25519
    }
}

impl rcgen::SigningKey for Signer<'_> {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        Ok(self.secret.sign_bytes(message).0.to_vec())
    }
}
