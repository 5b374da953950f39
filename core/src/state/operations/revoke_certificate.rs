//! Revoking a certificate, for good. A repeat gives the revocation that stands. That its key is compromised can be reported at
//! any time.

use super::{Caller, Rules};
use crate::base::MicroCaesar;
use crate::caesar::REVOKE_FEE;
use crate::state::block::execute::BlockPosition;
use crate::state::{Certificate, Effect, Refusal, SameKey, StateDraft};
use crate::trustchain::ca::{RevocationReason, SerialNumber};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// Which certificate is to be revoked, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct RevokeCertificate {
    /// Its serial number. Its owner may revoke it, and whoever owns a DNS name that it bears, or the name of its SPIFFE ID.
    pub serial_number: SerialNumber,
    /// Why.
    pub reason: RevocationReason,
}

impl Rules for RevokeCertificate {
    const PRICE: Option<MicroCaesar> = Some(REVOKE_FEE);

    fn execute(
        &self,
        draft: &mut StateDraft,
        caller: &Caller<'_>,
        position: BlockPosition,
    ) -> Result<Effect, Refusal> {
        let serial = self.serial_number;
        let certificate = draft.state().get::<Certificate>(&serial);
        let certificate = certificate.ok_or(Refusal::NoCertificate { serial })?;
        if !draft.state().may_revoke(&certificate, caller.owner, position.time) {
            return Err(Refusal::NotCertificateOwner { serial, owner: certificate.owner });
        }
        let compromised = self.reason == RevocationReason::KeyCompromise;
        if compromised && certificate.owner != caller.owner {
            return Err(Refusal::KeyOfAnother { serial, owner: certificate.owner });
        }
        let not_after = certificate.not_after;
        let has_ended = not_after.seconds() < position.time.seconds();
        let revocation = match certificate.revocation {
            Some(revocation) => Some(revocation),
            None if !has_ended => Some(draft.end(serial, self.reason, position)?),
            None if compromised => None,
            None => return Err(Refusal::CertificateExpired { serial, not_after }),
        };
        let same_key = match compromised {
            true => draft.report_key(serial, &certificate, position),
            false => SameKey::default(),
        };
        Ok(match revocation {
            Some(revocation) => Effect::CertificateRevoked { serial, revocation, same_key },
            None => Effect::KeyReported { serial, key: certificate.subject_key, same_key },
        })
    }
}
