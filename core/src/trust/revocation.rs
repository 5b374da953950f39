//! Checking a revocation list against a trust bundle, and a certificate against the list.

use super::bundle::{BundleFault, TrustBundle};
use super::verify::{Check, CheckName, Verification};
use crate::base::{Height, PublicKey, UnixMillis};
use crate::state::Certificate;
use crate::trustchain::ca::{
    RevocationList, RevocationListFault, RevokedEntry, SerialNumber, SignedCertificate, parse_certificate,
    parse_crl,
};
use alloc::format;
use alloc::string::String;
use serde::Serialize;

/// A revocation list that the issuing key of a trust bundle signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CheckedList {
    list: RevocationList,
}

/// A revocation list that shows nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ListRefusal {
    /// The bundle itself anchors nothing.
    #[error("trust bundle: {0}")]
    Bundle(#[from] BundleFault),
    /// Not a list, or none of this authority's shape.
    #[error(transparent)]
    Form(#[from] RevocationListFault),
    /// A list of another authority.
    #[error("the revocation list is not one of the {key} key that the trust bundle anchors")]
    Issuer {
        /// The key whose list was expected.
        key: &'static str,
    },
    /// The signature does not hold.
    #[error("the revocation list is not signed by the mesh's {key} key")]
    Signature {
        /// The key that should have signed it.
        key: &'static str,
    },
}

impl TrustBundle {
    /// Checks a revocation list, DER: of this mesh's issuing authority, and signed by its key. How old it may be is
    /// asked when it is used.
    ///
    /// # Errors
    /// With the first of these that does not hold.
    pub fn verify_revocation_list(&self, der: &[u8]) -> Result<CheckedList, ListRefusal> {
        let anchor = self.anchor()?;
        verify_list(der, &anchor.issuing, &anchor.issuing_key, "issuing")
    }

    /// Checks the root key's revocation list, DER, as [`Self::verify_revocation_list`] does the issuing key's.
    ///
    /// # Errors
    /// As there.
    pub fn verify_root_revocation_list(&self, der: &[u8]) -> Result<CheckedList, ListRefusal> {
        let anchor = self.anchor()?;
        verify_list(der, core::slice::from_ref(&anchor.root), &anchor.root_key, "root")
    }
}

fn verify_list(
    der: &[u8],
    authorities: &[SignedCertificate],
    key: &PublicKey,
    key_name: &'static str,
) -> Result<CheckedList, ListRefusal> {
    let signed = parse_crl(der)?;
    let same = authorities.iter().all(|authority| {
        authority.subject_name == signed.issuer_name && authority.subject_key_id == signed.authority_key_id
    });
    if !same {
        return Err(ListRefusal::Issuer { key: key_name });
    }
    if signed.signed_by(key).is_err() {
        return Err(ListRefusal::Signature { key: key_name });
    }
    Ok(CheckedList { list: signed.list })
}

impl CheckedList {
    /// What it says.
    #[must_use]
    pub const fn list(&self) -> &RevocationList {
        &self.list
    }

    /// The entry of a certificate that is revoked at this instant. A list may know of it later than that.
    #[must_use]
    pub fn revoked(&self, serial: &SerialNumber, at: UnixMillis) -> Option<&RevokedEntry> {
        self.list.entry(serial).filter(|entry| entry.at.seconds() <= at.seconds())
    }

    /// Whether a newer list is there by this instant, so that this one says nothing any more.
    #[must_use]
    pub const fn has_run_out(&self, at: UnixMillis) -> bool {
        at.seconds() > self.list.next_update.seconds()
    }
}

impl Verification {
    /// Adds the check that a certificate is not revoked at this instant, by a list that comes from `source`. Made only
    /// if everything before it holds.
    pub fn check_revocation(
        &mut self,
        certificate_der: &[u8],
        list: &CheckedList,
        source: &str,
        at: UnixMillis,
    ) {
        let Ok(certificate) = parse_certificate(certificate_der) else { return };
        if !self.valid {
            return;
        }
        let RevocationList { number, next_update, .. } = list.list;
        let (passed, detail) = match list.revoked(&certificate.serial, at) {
            Some(entry) => (false, format!("revoked at {}: {}", entry.at, entry.reason)),
            None if list.has_run_out(at) => (
                false,
                format!(
                    "the revocation list {number} from {source} expired at {next_update}: fetch a new one"
                ),
            ),
            None => (
                true,
                format!("not in revocation list {number} from {source}, which holds until {next_update}"),
            ),
        };
        self.note_revocation(Some(passed), passed, detail);
    }

    /// Adds the check that a certificate is not revoked at this instant, by what the state has of it, as is proved at a
    /// height.
    pub fn check_row(
        &mut self,
        certificate_der: &[u8],
        row: Option<&Certificate>,
        height: Height,
        at: UnixMillis,
    ) {
        let Ok(certificate) = parse_certificate(certificate_der) else { return };
        let row = row.filter(|row| row.is_of(&certificate.pre_tbs));
        let revocation = row.map(|row| row.revocation.filter(|revoked| revoked.at.seconds() <= at.seconds()));
        let proved = format!("as is proved at height {height}");
        let (passed, detail) = match revocation {
            Some(None) => (true, format!("not revoked, {proved}")),
            Some(Some(revoked)) => {
                (false, format!("revoked at {}: {}, {proved}", revoked.at, revoked.reason))
            }
            None => (false, format!("consensus never approved it, {proved}")),
        };
        self.note_revocation(Some(passed), passed, detail);
    }

    /// Adds that whether a certificate is revoked was not looked at, and why. Unless somebody wants it so, it is not valid.
    pub fn leave_revocation(&mut self, why: &str, is_wanted: bool) {
        self.note_revocation(None, is_wanted, format!("not checked: {why}"));
    }

    fn note_revocation(&mut self, passed: Option<bool>, valid: bool, detail: String) {
        if self.valid {
            self.valid = valid;
            self.checks.push(Check { name: CheckName::Revocation, passed, detail });
        }
    }
}
