//! Whether a certificate is revoked: from a file, or from the mesh where the context reaches it. Either way the list
//! is one that the trust bundle anchors; a node's word alone counts for nothing.

use super::super::Global;
use super::revoke;
use crate::client::session;
use crate::failure::{Exit, Failure};
use crate::file;
use hypermesh_core::trust::{CheckedList, TrustBundle};
use hypermesh_core::trustchain::ca::{PemLabel, from_pem};
use std::path::Path;

/// Where a revocation list came from, or why there is none.
pub(super) enum Source {
    /// A list, and from where, in words.
    List(Box<CheckedList>, String),
    /// None, and why.
    None(String),
}

/// Where to look for a revocation list.
pub(super) struct Where<'a> {
    /// In this file.
    pub(super) file: Option<&'a Path>,
    /// Nowhere else.
    pub(super) offline: bool,
}

/// The revocation list to go by.
pub(super) fn look(place: &Where<'_>, bundle: &TrustBundle, global: &Global) -> Result<Source, Failure> {
    if let Some(path) = place.file {
        let list = read(path, bundle)?;
        return Ok(Source::List(Box::new(list), path.display().to_string()));
    }
    if place.offline {
        return Ok(Source::None("--offline was given".to_owned()));
    }
    if global.context.is_none() {
        return Ok(Source::None("there is neither --crl nor a context".to_owned()));
    }
    // Verifying is an offline matter first: it does not wait long for a mesh that is away.
    let global = Global { timeout: global.timeout.min(ONLINE_SECONDS_MAX), ..global.clone() };
    let fetched = session(&global, "asking for the revocation list", async |client| {
        match client.genesis().hash() == bundle.genesis_hash() {
            true => revoke::fetch(client, bundle).await.map(Some),
            false => Ok(None),
        }
    });
    match fetched {
        Ok(Some((_, list))) => Ok(Source::List(Box::new(list), "the mesh".to_owned())),
        Ok(None) => Ok(Source::None("the context is of another mesh".to_owned())),
        Err(_) => Ok(Source::None("the context's mesh was not reached".to_owned())),
    }
}

/// The revocation list in a file, PEM or DER, checked against a trust bundle.
fn read(path: &Path, bundle: &TrustBundle) -> Result<CheckedList, Failure> {
    let invalid = |reason: &dyn std::fmt::Display| {
        Failure::new(Exit::NotValid, format!("{} is not valid: {reason}", path.display()))
    };
    let bytes = file::read(path, PemLabel::RevocationList.text_bytes_max())?;
    let der = match std::str::from_utf8(&bytes) {
        Ok(text) if text.contains("-----BEGIN ") => {
            from_pem(PemLabel::RevocationList, text).map_err(|fault| invalid(&fault))?
        }
        _ => bytes,
    };
    bundle.verify_revocation_list(&der).map_err(|refusal| invalid(&refusal))
}

/// How long the mesh is waited for.
const ONLINE_SECONDS_MAX: u64 = 3;
