//! `hypermesh cert renew`: the same names again, with the same key or a new one.
//!
//! The old certificate stays good until it ends, unless it is revoked with `--revoke-old`, which happens last, when the
//! new one is in place.

use super::super::Global;
use super::super::proof::unasked;
use super::folder::Folder;
use super::issue::{IssuedReport, Wanted, obtain, report_line, signed_request};
use super::key::{self, KeyType};
use super::revoke;
use crate::client::{is_for, session};
use crate::failure::{Exit, Failure};
use crate::moment;
use crate::output::Output;
use clap::Args;
use hypermesh_core::state::ServicePort;
use hypermesh_core::trust::{Answer, Question};
use hypermesh_core::trustchain::ca::{
    CertificateRequest, CertificateRole, RevocationReason, SerialNumber, SignedCertificate, SubjectNames,
};
use serde::Serialize;
use std::path::PathBuf;

/// What to renew.
#[derive(Debug, Args)]
pub struct RenewArgs {
    /// The folder that `cert issue` wrote
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// How long the new certificate lives; as long as the old one unless given
    #[arg(long, value_parser = moment::parse_lifetime)]
    pub lifetime: Option<u32>,
    /// A port that the name's service listens on; those of the old one unless given
    #[arg(long, value_name = "PORT/PROTOCOL")]
    pub port: Vec<ServicePort>,
    /// Make a new key too
    #[arg(long)]
    pub new_key: bool,
    /// The kind of key to make
    #[arg(long, value_enum, default_value_t = KeyType::P256, requires = "new_key")]
    pub key_type: KeyType,
    /// Revoke the old certificate when the new one is in place, as superseded
    #[arg(long)]
    pub revoke_old: bool,
}

/// What is printed about a renewal.
#[derive(Serialize)]
struct RenewedReport {
    #[serde(flatten)]
    issued: IssuedReport,
    replaces: SerialNumber,
    replaced_is_revoked: bool,
}

/// Renews a certificate.
pub(super) fn renew(args: RenewArgs, global: &Global, output: Output) -> Result<(), Failure> {
    let folder = Folder::new(&args.folder);
    let old = folder.certificate()?;
    // With proof: a node that lies must not be able to make an owner give up a key.
    let question = Question::Certificate { serial_number: old.serial };
    let answer =
        session(global, "asking for the certificate before", async |client| client.prove(&question).await)?;
    let Answer::Certificate(row) = answer.proved.answer else { return Err(unasked()) };
    let revocation = row.and_then(|row| row.revocation);
    if !args.new_key && revocation.is_some_and(|it| it.reason == RevocationReason::KeyCompromise) {
        let message = format!(
            "{}: the key was reported as compromised, and is certified for nobody any more: say --new-key",
            args.folder.display()
        );
        return Err(Failure::new(Exit::Refused, message));
    }
    let (csr, request) = match args.new_key {
        true => with_new_key(&folder, &old, &args)?,
        false => with_same_key(&folder, &old, &args)?,
    };
    let mut renewal = folder.renewal()?;
    renewal.lifetime_seconds = args.lifetime.unwrap_or(renewal.lifetime_seconds);
    if !args.port.is_empty() {
        renewal.ports = args.port.iter().map(ToString::to_string).collect();
    }
    let issued = obtain(&Wanted { folder: &folder, csr, request: &request, renewal: &renewal }, global)?;
    let has_ended = old.validity.not_after < moment::now();
    let revoke_now = args.revoke_old && !has_ended && revocation.is_none();
    if revoke_now {
        session(global, "waiting for the revocation", async |client| {
            revoke::ask(client, old.serial, RevocationReason::Superseded).await
        })?;
    }
    let replaced_is_revoked = revoke_now || revocation.is_some();
    let report = RenewedReport { issued, replaces: old.serial, replaced_is_revoked };
    output.print(&report, |report| {
        let fate = match (replaced_is_revoked, has_ended) {
            (true, _) => "revoked".to_owned(),
            (false, true) => "ended".to_owned(),
            (false, false) => format!("good until {}", moment::text(old.validity.not_after)),
        };
        format!("{}; the one before, {}, is {fate}", report_line(&report.issued), old.serial)
    })
}

/// The request that stands in the folder, or one with the key that does.
fn with_same_key(
    folder: &Folder,
    old: &SignedCertificate,
    args: &RenewArgs,
) -> Result<(Vec<u8>, CertificateRequest), Failure> {
    let path = args.folder.display();
    let (csr, request) = match folder.has_request() {
        true => folder.request()?,
        false => {
            let missing = "it holds neither request.pem nor key.pem: issue the certificate anew";
            let key_pem =
                folder.key()?.ok_or_else(|| Failure::new(Exit::Input, format!("{path}: {missing}")))?;
            signed_request(&key_pem, names(old, args)?)?
        }
    };
    match is_for(old, &request) {
        true => Ok((csr, request)),
        false => {
            let message = format!("{path}: cert.pem and the request are of different keys or names");
            Err(Failure::new(Exit::Input, message))
        }
    }
}

/// A request with a new key, which lies beside the old one until its certificate is there.
fn with_new_key(
    folder: &Folder,
    old: &SignedCertificate,
    args: &RenewArgs,
) -> Result<(Vec<u8>, CertificateRequest), Failure> {
    if folder.key()?.is_none() {
        let path = args.folder.display();
        let message = format!(
            "{path}: the key was made elsewhere: make a request with a new one there, and use cert issue --csr --force"
        );
        return Err(Failure::new(Exit::Input, message));
    }
    // One that an interrupted renewal left may have been certified already: it is taken up again.
    let key_pem = match folder.next_key()? {
        Some(key_pem) => key_pem,
        None => {
            let key_pem = key::new_key(args.key_type)?;
            folder.write_next_key(&key_pem)?;
            key_pem
        }
    };
    signed_request(&key_pem, names(old, args)?)
}

fn names<'a>(old: &'a SignedCertificate, args: &RenewArgs) -> Result<&'a SubjectNames, Failure> {
    match &old.role {
        CertificateRole::Leaf(names) => Ok(names),
        _ => {
            let path = args.folder.display();
            Err(Failure::new(Exit::Input, format!("{path}: cert.pem is of an authority")))
        }
    }
}
