//! Issuing a certificate: the block that carries this fixes its bytes, logs it and publishes its keys; the committee signs it then.

use super::{Caller, OPERATION_BYTES_MAX, OperationFault, Rules};
use crate::base::MicroCaesar;
use crate::caesar::ISSUE_FEE;
use crate::state::block::execute::BlockPosition;
use crate::state::{Effect, Refusal, ServicePort, StateDraft};
use crate::trustchain::ca::{CSR_BYTES_MAX, CertificateRequest};
use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// The most ports that one certificate publishes TLSA records for.
pub const SERVICE_PORT_COUNT_MAX: usize = 16;
/// The most TLSA records that one certificate publishes: one for each of its DNS names at each of its ports.
/// Without a bound, a request of 4 KB could write 512.
pub const TLSA_COUNT_MAX: usize = 64;
/// The shortest life of a leaf certificate.
pub const LEAF_SECONDS_MIN: u32 = 5 * 60;
/// The longest life of a leaf certificate: 90 days.
pub const LEAF_SECONDS_MAX: u32 = 90 * 24 * 60 * 60;
/// The life of a leaf certificate when nobody asks for another: 24 hours.
pub const LEAF_SECONDS_DEFAULT: u32 = 24 * 60 * 60;

const _: () = assert!(CSR_BYTES_MAX < OPERATION_BYTES_MAX);

/// What a certificate is asked with.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct IssueCertificate {
    /// PKCS#10, DER (RFC 2986). Only its key and its subject alternative names are taken.
    #[serde(with = "hex::serde")]
    pub csr: Vec<u8>,
    /// What kind of certificate.
    pub profile: CertificateProfile,
    /// How long it lives, from [`LEAF_SECONDS_MIN`] to [`LEAF_SECONDS_MAX`].
    pub lifetime_seconds: u32,
    /// Where the names' services listen, in ascending order: a TLSA record is published for each.
    pub services: Vec<ServicePort>,
}

/// A kind of certificate.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CertificateProfile {
    /// For one end of a TLS connection, server or client.
    #[default]
    Endpoint,
}

impl Rules for IssueCertificate {
    const PRICE: Option<MicroCaesar> = Some(ISSUE_FEE);

    fn check(&self) -> Result<Option<CertificateRequest>, OperationFault> {
        if !(LEAF_SECONDS_MIN..=LEAF_SECONDS_MAX).contains(&self.lifetime_seconds) {
            return Err(OperationFault::Lifetime { seconds: self.lifetime_seconds });
        }
        let ascending = self.services.windows(2).all(|pair| matches!(pair, [a, b] if a < b));
        if self.services.len() > SERVICE_PORT_COUNT_MAX || !ascending {
            return Err(OperationFault::Services);
        }
        let request = CertificateRequest::from_csr(&self.csr)?;
        let records = request.names.dns().len() * self.services.len();
        if records > TLSA_COUNT_MAX {
            return Err(OperationFault::TooManyTlsa { records });
        }
        Ok(Some(request))
    }

    fn execute(
        &self,
        draft: &mut StateDraft,
        caller: &Caller<'_>,
        position: BlockPosition,
    ) -> Result<Effect, Refusal> {
        let request = caller.request.expect("a checked operation to issue has a checked request");
        draft.state().require_names(&request.names, caller.owner, position.time)?;
        let end = position.time.plus(u64::from(self.lifetime_seconds) * 1000);
        draft.state().require_granted_until(&request.names, end, position.time)?;
        draft.approve(caller, request, self, position)
    }
}
