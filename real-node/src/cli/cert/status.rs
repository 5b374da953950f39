//! Whether a certificate is revoked: by a list from a file, or by the mesh where the context reaches it. A list is one that
//! the trust bundle anchors, and what the mesh's state says is proved; a node's word alone counts for nothing.

use super::super::Global;
use super::crl::{self, Authority};
use crate::client::{ProvedAnswer, session};
use crate::failure::Failure;
use hypermesh_core::base::Height;
use hypermesh_core::state::Certificate;
use hypermesh_core::trust::{Answer, CheckedList, Question, TrustBundle};
use hypermesh_core::trustchain::ca::{SignedCertificate, parse_certificate};
use std::path::Path;

/// By what to judge whether a certificate is revoked, or why it cannot be judged.
pub(super) enum Source {
    /// By a list, and from where it is, in words.
    List(Box<CheckedList>, String),
    /// By what the mesh's state has of it, as is proved at a height.
    Row {
        /// What it has, if it has something.
        row: Option<Box<Certificate>>,
        /// The height.
        height: Height,
    },
    /// Not at all.
    None {
        /// Why.
        why: String,
        /// Whether somebody asked for it to be so.
        is_wanted: bool,
    },
}

/// Where to look.
pub(super) struct Where<'a> {
    /// For a list in this file.
    pub(super) file: Option<&'a Path>,
    /// Nowhere else.
    pub(super) offline: bool,
}

/// By what to judge whether a certificate is revoked: a list in a file; else what the mesh's state has of it now; else, if the
/// mesh stands still, its newest list.
pub(super) fn look(
    place: &Where<'_>,
    bundle: &TrustBundle,
    certificate_der: &[u8],
    global: &Global,
) -> Result<Source, Failure> {
    if let Some(path) = place.file {
        let list = crl::read(path, bundle)?;
        return Ok(Source::List(Box::new(list), path.display().to_string()));
    }
    let nowhere = |why: &str, is_wanted| Ok(Source::None { why: why.to_owned(), is_wanted });
    if place.offline {
        return nowhere("--offline was given", true);
    }
    if global.context.is_none() {
        return nowhere(
            "no context names a mesh to query; use --crl FILE, or skip the revocation check with --offline",
            false,
        );
    }
    let Ok(SignedCertificate { serial, .. }) = parse_certificate(certificate_der) else {
        return nowhere("it is not a certificate", false);
    };
    // Verifying is an offline matter first: it does not wait long for a mesh that is away.
    let global = Global { timeout: global.timeout.min(ONLINE_SECONDS_MAX), ..global.clone() };
    let asked = session(&global, "checking whether it is revoked", async |client| {
        if client.genesis().hash() != bundle.genesis_hash() {
            return nowhere("the context names another mesh", false);
        }
        let proved = client.prove(&Question::Certificate { serial_number: serial }).await;
        if let Ok(ProvedAnswer { proved, stale: false, .. }) = proved
            && let Answer::Certificate(row) = proved.answer
        {
            return Ok(Source::Row { row: row.map(Box::new), height: proved.height });
        }
        let newest = crl::fetch(client, bundle, Authority::Issuing).await?;
        match newest.behind() {
            Some(why) => nowhere(&why, false),
            None => newest.issuing.map_or_else(
                |failure| nowhere(&failure.message, false),
                |issuing| Ok(Source::List(Box::new(issuing.checked), "the mesh".to_owned())),
            ),
        }
    });
    asked.or_else(|failure| {
        let why = format!(
            "the context's mesh is not reachable ({failure}); use --crl FILE, or skip the revocation check \
            with --offline"
        );
        nowhere(&why, false)
    })
}

/// How long the mesh is waited for.
const ONLINE_SECONDS_MAX: u64 = 3;
