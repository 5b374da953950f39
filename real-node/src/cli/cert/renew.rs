//! `hypermesh cert renew`: the same names again, with the same key or a new one.
//!
//! A new key is published before it is put in place, and the old certificate is revoked, with `--revoke-old`, after that. What an
//! interrupted renewal left, or one that was told not to wait, is finished before anything else is begun.

use super::super::Global;
use super::authority::{Authority, Mesh};
use super::folder::{
    Folder, FolderWriter, GenerationDraft, PendingGeneration, PendingState, RealDisk, Replaced,
};
use super::handover::{HandedOver, Handover};
use super::issue::{FolderAccess, IssuedReport, report_line, signed_request};
use super::key::{self, KeyType};
use super::subject;
use crate::client::is_for;
use crate::failure::{Exit, Failure};
use crate::moment;
use crate::output::Output;
use clap::Args;
use hypermesh_core::base::UnixMillis;
use hypermesh_core::state::ServicePort;
use hypermesh_core::trustchain::ca::{
    CertificateRole, RevocationReason, SerialNumber, SignedCertificate, SubjectNames,
};
use serde::Serialize;
use std::path::PathBuf;
use std::time::Duration;
use zeroize::Zeroizing;

/// What to renew.
#[derive(Debug, Args)]
pub struct RenewArgs {
    /// The folder that `cert issue` wrote, or cert.pem in it
    #[arg(value_name = "DIR|FILE")]
    pub folder: PathBuf,
    /// How long the new certificate lives; as long as the old one unless given
    #[arg(long, value_parser = moment::parse_lifetime)]
    pub lifetime: Option<u32>,
    /// A port that the name's service listens on; default: those of the old certificate
    #[arg(long, value_name = "PORT/PROTOCOL")]
    pub port: Vec<ServicePort>,
    /// Make a new key too: its TLSA record is published first, and the key put in place when resolvers know it
    #[arg(long)]
    pub new_key: bool,
    /// The kind of key to make
    #[arg(long, value_enum, default_value_t = KeyType::P256, requires = "new_key")]
    pub key_type: KeyType,
    /// Revoke the old certificate when the new one is in place, as superseded
    #[arg(long)]
    pub revoke_old: bool,
    /// Do not wait until the new key may be put in place: the first `cert renew` after that does it
    #[arg(long)]
    pub no_wait: bool,
}

/// What is printed about a renewal.
#[derive(Debug, Serialize)]
pub(super) struct RenewedReport {
    #[serde(flatten)]
    pub(super) issued: IssuedReport,
    /// None where it finishes the first issue of a certificate.
    pub(super) replaces: Option<SerialNumber>,
    pub(super) replaced_is_revoked: bool,
    pub(super) in_place: bool,
    /// When it may be put in place, if it is not.
    pub(super) usable_from: Option<UnixMillis>,
    #[serde(skip)]
    replaced: Option<Replaced>,
}

/// Renews a certificate.
pub(super) fn renew(args: RenewArgs, global: &Global, output: Output) -> Result<(), Failure> {
    let access = FolderAccess { disk: &RealDisk, lock_wait: Duration::from_secs(global.timeout), output };
    let report = renewed(&args, &access, &Mesh(global))?;
    output.print(&report, |report| report_text(report, moment::now()))
}

/// Renews a certificate, or finishes what was begun.
pub(super) fn renewed(
    args: &RenewArgs,
    access: &FolderAccess<'_>,
    authority: &dyn Authority,
) -> Result<RenewedReport, Failure> {
    let path = subject::folder_of(&args.folder)?;
    let folder = Folder::new(&path);
    folder.refuse_foreign()?;
    if !folder.is_begun() {
        // Where there is nothing to renew, nothing is made.
        folder.certificate()?;
    }
    let writer = FolderWriter::open(&path, access.disk, access.lock_wait, access.output)?;
    let unsettled = writer.unsettled()?;
    let mut pending = writer.pending()?;
    let handover = Handover { writer, authority, no_wait: args.no_wait, output: access.output };
    if let Some(state) = unsettled {
        let is_enough = pending.is_none() && (state.new_key || !args.new_key);
        let done = handover.settle(state)?;
        if is_enough && !is_due(&handover.writer, authority)? {
            access.output.tell("the previous renewal was interrupted, and is now finished");
            return Ok(RenewedReport::of(done));
        }
    }
    if let Some(useless) = pending.take_if(|begun| !is_of_use(begun, args, handover.writer.folder())) {
        abandon(&handover, &useless)?;
    }
    if let Some(stale) = pending.take_if(|begun| is_stale(begun, authority)) {
        handover.writer.drop_pending(&stale)?;
    }
    let pending = match pending {
        Some(mut begun) => {
            tell_begun(&begun, args, access.output);
            if let Some(old) = begun.state.replaces.as_mut()
                && args.revoke_old
                && !old.revoke
            {
                old.revoke = true;
                handover.writer.note(&begun)?;
            }
            begun
        }
        None => begin(&handover.writer, args, authority)?,
    };
    handover.finish(pending).map(RenewedReport::of)
}

/// Whether the certificate in use needs renewal itself.
fn is_due(writer: &FolderWriter<'_>, authority: &dyn Authority) -> Result<bool, Failure> {
    Ok(writer.folder().certificate()?.validity.renewal_due() <= authority.now())
}

/// Whether what waits is what is asked for: whoever wants a new key may have given the old one up, and whoever put the files of
/// another certificate in place wants that one.
fn is_of_use(begun: &PendingGeneration, args: &RenewArgs, folder: &Folder) -> bool {
    let is_for_others = begun.state.replaces.is_some()
        && folder.certificate().is_ok_and(|in_use| match in_use.role {
            CertificateRole::Leaf(names) => names != begun.request.names,
            _ => true,
        });
    (begun.state.new_key || !args.new_key) && !is_for_others
}

/// Gives up what waits and is not what is asked for. Where its key is in use too, nothing is lost but a fee.
fn abandon(handover: &Handover<'_>, useless: &PendingGeneration) -> Result<(), Failure> {
    let in_use = handover.writer.folder().key().ok().flatten();
    if useless.has_key_of(in_use.as_ref().map(|key| key.as_str()))? {
        return handover.writer.drop_pending(useless);
    }
    let advice = format!("to abandon it nevertheless, remove {}", useless.path().display());
    handover.give_up(useless, &advice)
}

/// Whether what waits is itself at its end, or revoked: it is then of no use.
fn is_stale(pending: &PendingGeneration, authority: &dyn Authority) -> bool {
    let Ok(Some(certificate)) = pending.certificate() else { return false };
    certificate.validity.renewal_due() <= authority.now()
        || authority.revocation(certificate.serial).is_ok_and(|revocation| revocation.is_some())
}

fn tell_begun(begun: &PendingGeneration, args: &RenewArgs, output: Output) {
    let key = if begun.state.new_key { "a new key" } else { "the same key" };
    output.tell(format_args!("continuing the renewal in progress, with {key}"));
    if args.lifetime.is_some() || !args.port.is_empty() {
        output.tell("what was asked for then holds: to ask for something else, renew once more afterwards");
    }
}

/// Begins a renewal of the certificate in use.
fn begin(
    writer: &FolderWriter<'_>,
    args: &RenewArgs,
    authority: &dyn Authority,
) -> Result<PendingGeneration, Failure> {
    let folder = writer.folder();
    let old = folder.certificate()?;
    let revocation = authority.revocation(old.serial)?;
    if !args.new_key && revocation.is_some_and(|it| it.reason == RevocationReason::KeyCompromise) {
        let message = format!(
            "{}: the key was reported as compromised and cannot be certified again: use --new-key",
            args.folder.display()
        );
        return Err(Failure::new(Exit::Refused, message));
    }
    let (key_pem, csr) = match args.new_key {
        true => with_new_key(folder, &old, args)?,
        false => with_same_key(folder, &old, args)?,
    };
    let mut renewal = folder.renewal()?;
    renewal.lifetime_seconds = args.lifetime.unwrap_or(renewal.lifetime_seconds);
    if !args.port.is_empty() {
        renewal.ports = args.port.iter().map(ToString::to_string).collect();
    }
    writer.begin(GenerationDraft {
        key_pem: key_pem.as_ref().map(|key| key.as_str()),
        csr: &csr,
        renewal: &renewal,
        state: PendingState::begun(
            args.new_key,
            Some(Replaced {
                serial_number: old.serial,
                not_after: old.validity.not_after,
                is_revoked: revocation.is_some(),
                revoke: args.revoke_old,
            }),
        ),
    })
}

/// The private key, PEM, if it was made here; and a request for it, DER.
type KeyAndRequest = (Option<Zeroizing<String>>, Vec<u8>);

/// The key and the request in the folder, or a request with that key.
fn with_same_key(
    folder: &Folder,
    old: &SignedCertificate,
    args: &RenewArgs,
) -> Result<KeyAndRequest, Failure> {
    let path = args.folder.display();
    let fault = |message: String| Failure::new(Exit::Input, message);
    if let Some(file) = folder.mismatch(old)? {
        return Err(fault(format!(
            "{path}: {file} belongs to another certificate than cert.pem, or is corrupted: put the right one in its \
             place, or make key, request and certificate anew with --new-key"
        )));
    }
    let key_pem = folder.key()?;
    let (csr, request) = match (folder.has_request(), &key_pem) {
        (true, _) => folder.request()?,
        (false, Some(key_pem)) => signed_request(key_pem, names(old, args)?)?,
        (false, None) => {
            let missing = "the folder has neither request.pem nor key.pem: issue a new certificate with \
                `hypermesh cert issue`";
            return Err(fault(format!("{path}: {missing}")));
        }
    };
    match is_for(old, &request) {
        true => Ok((key_pem, csr)),
        false => Err(fault(format!("{path}: cert.pem and the request have different keys or names"))),
    }
}

/// A new key, and a request with it.
fn with_new_key(
    folder: &Folder,
    old: &SignedCertificate,
    args: &RenewArgs,
) -> Result<KeyAndRequest, Failure> {
    if folder.key()?.is_none() {
        let path = args.folder.display();
        let message = format!(
            "{path}: the folder does not have the key: make a request with a new key where the key was \
            made, and use cert issue --csr --force"
        );
        return Err(Failure::new(Exit::Input, message));
    }
    let key_pem = key::new_key(args.key_type)?;
    let (csr, _) = signed_request(&key_pem, names(old, args)?)?;
    Ok((Some(key_pem), csr))
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

impl RenewedReport {
    fn of(done: HandedOver) -> Self {
        let HandedOver { issued, replaces, usable_from } = done;
        Self {
            issued,
            replaces: replaces.map(|old| old.serial_number),
            replaced_is_revoked: replaces.is_some_and(|old| old.is_revoked),
            in_place: usable_from.is_none(),
            usable_from,
            replaced: replaces,
        }
    }
}

fn report_text(report: &RenewedReport, now: UnixMillis) -> String {
    let fate = report.replaced.map(|old| {
        let fate = match (old.is_revoked, old.not_after < now) {
            (true, _) => "revoked".to_owned(),
            (false, true) => "ended".to_owned(),
            (false, false) => format!("good until {}", moment::text(old.not_after)),
        };
        format!("; the one before, {}, is {fate}", old.serial_number)
    });
    let waits = report.usable_from.map(|usable_from| {
        format!(
            "; it is not in place yet: the first cert renew after {} puts it there",
            moment::text(usable_from)
        )
    });
    [report_line(&report.issued), fate.unwrap_or_default(), waits.unwrap_or_default()].concat()
}
