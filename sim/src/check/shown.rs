//! Which documents a response shows: one list of all responses, which every checker of documents goes by.

use hypermesh_core::api::{
    CertificateList, CertificateState, CheckpointNote, DnsAnswer, IssuedCertificate, PublishedLists, Response,
};
use hypermesh_core::state::StateProof;
use hypermesh_core::trust::TrustBundle;

/// A document that a response shows.
pub(super) enum Shown<'a> {
    /// A certificate with its proof and checkpoint.
    Certificate(&'a IssuedCertificate),
    /// What has become of a certificate.
    Status(&'a CertificateState),
    /// What is known of several.
    List(&'a CertificateList),
    /// A signed checkpoint of the log.
    Checkpoint(&'a CheckpointNote),
    /// Records of a name.
    Records(&'a DnsAnswer),
    /// Rows of the state, proved.
    Proof(&'a StateProof),
    /// Signed revocation lists.
    RevocationLists(&'a PublishedLists),
    /// The mesh's authorities.
    Bundle(&'a TrustBundle),
    /// None of these.
    Nothing,
}

impl<'a> Shown<'a> {
    /// What a response shows.
    pub(super) const fn by(response: &'a Response) -> Self {
        match response {
            Response::IssueCertificate(issued) | Response::GetCertificate(issued) => {
                Self::Certificate(issued)
            }
            Response::ValidateCertificate(answer) => Self::Status(answer),
            Response::ListCertificates(list) => Self::List(list),
            Response::LogCheckpoint(note) => Self::Checkpoint(note),
            Response::ResolveDns(answer) => Self::Records(answer),
            Response::Prove(proof) => Self::Proof(proof),
            Response::GetRevocationList(lists) => Self::RevocationLists(lists),
            Response::TrustBundle(bundle) => Self::Bundle(bundle),
            Response::Operation(_)
            | Response::Name(_)
            | Response::ListRecords(_)
            | Response::Service(_)
            | Response::SubscribeService(_)
            | Response::LogEntry(_)
            | Response::LogInclusion(_)
            | Response::LogConsistency(_)
            | Response::SubscribeLog(_)
            | Response::ValidateBatch(_)
            | Response::ValidateProofs(_)
            | Response::Genesis(_)
            | Response::Header(_)
            | Response::SubscribeBlocks(_)
            | Response::Member(_)
            | Response::Status(_)
            | Response::Trace(_)
            | Response::Balance(_)
            | Response::Fees(_)
            | Response::Supply(_)
            | Response::Rewards(_)
            | Response::History(_)
            | Response::Movements(_)
            | Response::TrustchainHealth(_)
            | Response::HypermeshHealth(_)
            | Response::CaesarHealth(_)
            | Response::TrustchainMetrics(_)
            | Response::HypermeshMetrics(_)
            | Response::CaesarMetrics(_)
            | Response::TrustchainMethods(_)
            | Response::HypermeshMethods(_)
            | Response::Addresses(_)
            | Response::CaesarMethods(_) => Self::Nothing,
        }
    }
}
