//! The certificates of the mesh, page by page.

use crate::api::{ApiFault, ReadMethod, View};
use crate::base::{Height, LeafIndex, PublicKey, UnixMillis};
use crate::state::{Certificate, OperationId, Revocation};
use crate::trustchain::DomainName;
use crate::trustchain::ca::{SerialNumber, SubjectNames};
use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// The most certificates in one page of a list.
pub const LIST_COUNT_MAX: u32 = 1000;
/// The most certificates that are looked at for one page, so that no request costs more than that, however
/// many there are.
pub const LIST_SCAN_COUNT_MAX: usize = 1_000;

message! {
    /// Asks for a page of certificates, in order of their serial numbers.
    #[derive(Default)]
    CertificateListRequest {
        /// Only this owner's.
        owner: Option<PublicKey>,
        /// Only certificates for this name.
        name: Option<DomainName>,
        /// Only certificates with this status, by the asked node's clock.
        status: Option<CertificateStatus>,
        /// Only those that end before this moment.
        expires_before: Option<UnixMillis>,
        /// Only certificates that were issued after this time.
        issued_after: Option<UnixMillis>,
        /// Only those after this serial number.
        after: Option<SerialNumber>,
        /// At most this many, and at most [`LIST_COUNT_MAX`].
        limit: u32,
    }
}

message! {
    /// A page of certificates. It may be short, or empty, though there is a next one: see
    /// [`LIST_SCAN_COUNT_MAX`].
    CertificateList {
        /// The certificates.
        certificates: Vec<CertificateSummary>,
        /// The last one that was looked at, if there are more: ask for those after it.
        next: Option<SerialNumber>,
    }
}

message! {
    /// What a list says of a certificate.
    CertificateSummary {
        /// Its serial number.
        serial_number: SerialNumber,
        /// Whose.
        owner: PublicKey,
        /// What it certifies.
        names: SubjectNames,
        /// Its first moment.
        not_before: UnixMillis,
        /// Its last moment.
        not_after: UnixMillis,
        /// The block that approved it.
        height: Height,
        /// Its place in the log.
        leaf_index: LeafIndex,
        /// The operation that asked for it.
        operation: OperationId,
        /// The time of the block that approved it.
        issued: UnixMillis,
        /// When and why it was revoked, if it was.
        revocation: Option<Revocation>,
    }
}

/// What has become of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CertificateStatus {
    /// Neither of the others.
    Valid,
    /// It was revoked, whether in its time or past it.
    Revoked,
    /// Its time has run out, and it was not revoked.
    Expired,
}

impl ReadMethod for CertificateListRequest {
    fn answer(&self, view: &View, wall: UnixMillis) -> Result<CertificateList, ApiFault> {
        let state = &view.state;
        let limit = self.limit.clamp(1, LIST_COUNT_MAX) as usize;
        let wanted = |found: &CertificateSummary| {
            self.owner.is_none_or(|owner| owner == found.owner)
                && self.name.as_ref().is_none_or(|name| found.names.dns().contains(name))
                && self.status.is_none_or(|status| status == found.status(wall))
                && self.expires_before.is_none_or(|moment| found.not_after < moment)
                && self.issued_after.is_none_or(|moment| found.issued > moment)
        };
        let mut certificates = Vec::new();
        let mut last = None;
        let rows = state.rows_after::<Certificate>(self.after.as_ref());
        let rows = rows.filter_map(|(key, row)| Some((SerialNumber::from_bytes(&key).ok()?, row)));
        for (looked_at, (serial, row)) in rows.enumerate() {
            if certificates.len() == limit || looked_at == LIST_SCAN_COUNT_MAX {
                return Ok(CertificateList { certificates, next: last });
            }
            last = Some(serial);
            let found = CertificateSummary::of(serial, row);
            if wanted(&found) {
                certificates.push(found);
            }
        }
        Ok(CertificateList { certificates, next: None })
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

    /// What has become of it at this moment.
    #[must_use]
    pub const fn status(&self, at: UnixMillis) -> CertificateStatus {
        match self.revocation {
            Some(_) => CertificateStatus::Revoked,
            None if at.seconds() > self.not_after.seconds() => CertificateStatus::Expired,
            None => CertificateStatus::Valid,
        }
    }
}
