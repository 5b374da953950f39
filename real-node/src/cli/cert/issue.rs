//! `hypermesh cert issue`, and what it has in common with `hypermesh cert renew`.
//!
//! What the asked node answers is verified before it is written: chain, approval, log, and who approved it,
//! against a trust bundle that follows from the context's genesis.

use super::super::Global;
use super::authority::{Authority, Mesh};
use super::folder::{
    Disk, Folder, FolderWriter, GenerationDraft, PORT_DEFAULT, PendingGeneration, PendingState, RealDisk,
    Renewal, is_key_of,
};
use super::handover::Handover;
use super::key::{self, KeyType};
use super::request_file::{self, RequestFile};
use crate::amount::Amount;
use crate::failure::{Exit, Failure};
use crate::moment;
use crate::output::Output;
use clap::Args;
use hypermesh_core::base::{Height, LeafIndex, MicroCaesar, UnixMillis};
use hypermesh_core::state::ServicePort;
use hypermesh_core::trustchain::DomainName;
use hypermesh_core::trustchain::ca::{CertificateRequest, IgnoredAttribute, SerialNumber, SubjectNames};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;
use zeroize::Zeroizing;

/// What to issue.
#[derive(Debug, Args)]
pub struct IssueArgs {
    /// The name to certify, for a key that is made here
    #[arg(required_unless_present = "csr", conflicts_with = "csr")]
    pub name: Option<DomainName>,
    /// A certificate request (PKCS#10, PEM or DER) that was made elsewhere; its key and subjectAltName are taken
    #[arg(long, value_name = "FILE")]
    pub csr: Option<PathBuf>,
    /// The folder for the certificate and its other files
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Another name, IPv6 address or SPIFFE ID to certify
    #[arg(long, conflicts_with = "csr")]
    pub san: Vec<String>,
    /// A port that the name's service listens on: a TLSA record is published for it
    #[arg(long, value_name = "PORT/PROTOCOL", default_value = PORT_DEFAULT)]
    pub port: Vec<ServicePort>,
    /// How long the certificate lives
    #[arg(long, default_value = "24h", value_parser = moment::parse_lifetime)]
    pub lifetime: u32,
    /// The kind of key to make
    #[arg(long, value_enum, default_value_t = KeyType::P256, conflicts_with = "csr")]
    pub key_type: KeyType,
    /// Replace files of another certificate, make a new key, and give up a renewal or an issue that was begun here and is not
    /// finished, whether or not the mesh may have issued a certificate for it
    #[arg(long)]
    pub force: bool,
}

/// What is printed about an issued certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct IssuedReport {
    pub(super) names: SubjectNames,
    pub(super) serial_number: SerialNumber,
    pub(super) height: Height,
    pub(super) leaf_index: LeafIndex,
    pub(super) fee: MicroCaesar,
    pub(super) not_after: UnixMillis,
    pub(super) approved_by: Vec<String>,
    pub(super) certificate: PathBuf,
}

/// What is printed about a certificate that was asked for anew.
#[derive(Serialize)]
struct NewReport {
    #[serde(flatten)]
    issued: IssuedReport,
    /// What a request made elsewhere asked for and did not get.
    not_given: Vec<IgnoredAttribute>,
    /// Internationalised names among them, decoded.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    unicode: BTreeMap<String, String>,
}

/// Issues a certificate.
pub(super) fn issue(args: IssueArgs, global: &Global, output: Output) -> Result<(), Failure> {
    let access = FolderAccess { disk: &RealDisk, lock_wait: Duration::from_secs(global.timeout), output };
    let typed = Typed::of(&args)?;
    let issued = issued(&args, &typed, &access, &Mesh(global))?;
    let decoded = |name: &DomainName| Some((name.to_string(), name.to_unicode()?));
    let unicode = issued.names.dns().iter().filter_map(decoded).collect();
    let report = NewReport { issued, not_given: typed.not_given(), unicode };
    output.print(&report, |report| report_line(&report.issued))
}

/// Where commands that change a folder work.
pub(super) struct FolderAccess<'a> {
    /// What changes the folder.
    pub(super) disk: &'a dyn Disk,
    /// How long to wait for another command that has it.
    pub(super) lock_wait: Duration,
    /// Where to report progress.
    pub(super) output: Output,
}

/// Issues a certificate, or finishes what an interrupted command began for the same.
pub(super) fn issued(
    args: &IssueArgs,
    typed: &Typed,
    access: &FolderAccess<'_>,
    authority: &dyn Authority,
) -> Result<IssuedReport, Failure> {
    // What is refused makes nothing, not even a folder.
    let folder = Folder::new(&args.out);
    folder.refuse_foreign()?;
    RequestSource::of(&folder, typed, args)?;
    typed.tell(access.output);
    let writer = FolderWriter::open(&args.out, access.disk, access.lock_wait, access.output)?;
    // Another command may have been here since.
    let source = match RequestSource::of(writer.folder(), typed, args) {
        Ok(source) => source,
        Err(refusal) => {
            writer.leave_unchanged()?;
            return Err(refusal);
        }
    };
    let unsettled = writer.unsettled()?;
    let earlier = writer.pending()?;
    let handover = Handover { writer, authority, no_wait: false, output: access.output };
    if let Some(state) = unsettled {
        // The switch is done; only a report was not given.
        let is_this = source.is_same(state.issued.as_ref()) && !args.force;
        let done = handover.settle(state)?;
        if is_this {
            return Ok(done.issued);
        }
    }
    if let Some(earlier) = earlier {
        if source.continues(&earlier, args)? {
            return handover.finish(earlier).map(|done| done.issued);
        }
        abandon(&handover, &earlier, args, access.output)?;
    }
    let pending = source.begin(&handover.writer, args);
    match pending {
        Ok(pending) => handover.finish(pending).map(|done| done.issued),
        Err(failure) => {
            // The first failure is told.
            drop(handover.writer.leave_unchanged());
            Err(failure)
        }
    }
}

/// Gives up what an earlier command began for something else.
fn abandon(
    handover: &Handover<'_>,
    earlier: &PendingGeneration,
    args: &IssueArgs,
    output: Output,
) -> Result<(), Failure> {
    if !args.force {
        let advice = format!(
            "`cert renew {}` finishes it, and cert issue with --force gives it up",
            handover.writer.folder().path("").display()
        );
        return handover.give_up(earlier, &advice);
    }
    for sent in earlier.state.sent() {
        output.tell(format_args!(
            "what was begun for {} is given up, with its key: if the mesh issued certificate {} for it, cert revoke revokes that",
            earlier.request.names, sent.serial_number
        ));
    }
    handover.writer.drop_pending(earlier)
}

/// What was typed.
pub(super) enum Typed {
    /// A request that was made elsewhere, and its file.
    Request(PathBuf, RequestFile),
    /// Names, for a key that is made here.
    Names(SubjectNames),
}

impl Typed {
    /// Reads what was typed, once: a request may come from standard input.
    pub(super) fn of(args: &IssueArgs) -> Result<Self, Failure> {
        match (&args.csr, &args.name) {
            (Some(path), _) => request_file::read(path).map(|file| Self::Request(path.clone(), file)),
            (None, Some(name)) => key::names(name.clone(), &args.san).map(Self::Names),
            (None, None) => Err(Failure::new(Exit::Usage, "expected a name or --csr")),
        }
    }

    /// Reports which parts of a request are not read or not granted.
    fn tell(&self, output: Output) {
        if let Self::Request(path, file) = self {
            file.tell(path, output);
        }
    }

    fn not_given(self) -> Vec<IgnoredAttribute> {
        match self {
            Self::Request(_, file) => file.not_given,
            Self::Names(_) => Vec::new(),
        }
    }
}

/// The request to be certified.
struct RequestSource {
    /// The private key, if it is made here or stands in the folder.
    key_pem: Option<Zeroizing<String>>,
    /// Whether it is made here, and not yet anywhere.
    is_new_key: bool,
    /// The request, DER.
    csr: Vec<u8>,
    /// What it asks for.
    request: CertificateRequest,
}

impl RequestSource {
    /// What is asked for, if the folder may take it.
    fn of(folder: &Folder, typed: &Typed, args: &IssueArgs) -> Result<Self, Failure> {
        let source = match typed {
            Typed::Request(_, RequestFile { csr, request, .. }) => {
                // The key of another request is refused below, or goes with the certificate that is replaced.
                let key_pem = match args.force {
                    true => folder.key().ok().flatten().filter(|key| is_key_of(key, request)),
                    false => folder.key()?,
                };
                Self { key_pem, is_new_key: false, csr: csr.clone(), request: request.clone() }
            }
            Typed::Names(names) => Self::for_own_key(folder, names, args)?,
        };
        if !args.force {
            folder.admit(&source.request)?;
        }
        Ok(source)
    }

    /// A request with the key in the folder, or with a new one.
    fn for_own_key(folder: &Folder, names: &SubjectNames, args: &IssueArgs) -> Result<Self, Failure> {
        let present = if args.force { None } else { folder.key()? };
        let is_new_key = present.is_none();
        let key_pem = present.map_or_else(|| key::new_key(args.key_type), Ok)?;
        let (csr, request) = signed_request(&key_pem, names)?;
        Ok(Self { key_pem: Some(key_pem), is_new_key, csr, request })
    }

    /// Whether what was issued is for these names.
    fn is_same(&self, issued: Option<&IssuedReport>) -> bool {
        issued.is_some_and(|issued| issued.names == self.request.names)
    }

    /// Whether an interrupted command wanted the same: for a key that is made here, any key does.
    fn continues(&self, earlier: &PendingGeneration, args: &IssueArgs) -> Result<bool, Failure> {
        let is_issue = earlier.state.replaces.is_none() && !args.force;
        let same = match self.is_new_key {
            true => earlier.key()?.is_some() && earlier.request.names == self.request.names,
            false => earlier.request == self.request,
        };
        Ok(is_issue && same)
    }

    fn begin(&self, writer: &FolderWriter<'_>, args: &IssueArgs) -> Result<PendingGeneration, Failure> {
        let ports = args.port.iter().map(ToString::to_string).collect();
        writer.begin(GenerationDraft {
            key_pem: self.key_pem.as_ref().map(|key| key.as_str()),
            csr: &self.csr,
            renewal: &Renewal { lifetime_seconds: args.lifetime, ports },
            state: PendingState::begun(self.is_new_key, None),
        })
    }
}

pub(super) fn signed_request(
    key_pem: &str,
    names: &SubjectNames,
) -> Result<(Vec<u8>, CertificateRequest), Failure> {
    let csr = key::request(&key::load(key_pem)?, names)?;
    let request = CertificateRequest::from_csr(&csr).map_err(|fault| Failure::new(Exit::Input, fault))?;
    Ok((csr, request))
}

pub(super) fn report_line(report: &IssuedReport) -> String {
    format!(
        "issued {} until {}: serial {}, height {}, log index {}, fee {}, in {}",
        report.names,
        moment::text(report.not_after),
        report.serial_number,
        report.height,
        report.leaf_index,
        Amount(report.fee),
        report.certificate.display(),
    )
}
