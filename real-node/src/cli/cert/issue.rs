//! `hypermesh cert issue`, and what it has in common with `hypermesh cert renew`.
//!
//! What the asked node answers is verified before it is written: chain, approval, log, and who approved it,
//! against a trust bundle that follows from the context's genesis.

use super::super::Global;
use super::folder::{
    CERTIFICATE_FILE, CHAIN_FILE, Folder, PORT_DEFAULT, PROOF_FILE, ROOT_FILE, Renewal, read_request,
};
use super::key::{self, KeyType};
use crate::amount::Amount;
use crate::client::{Certified, session};
use crate::failure::{Exit, Failure};
use crate::moment;
use crate::output::Output;
use clap::Args;
use hypermesh_core::base::{Height, LeafIndex, MicroCaesar, UnixMillis};
use hypermesh_core::state::{CertificateProfile, IssueCertificate, ServicePort};
use hypermesh_core::trustchain::DomainName;
use hypermesh_core::trustchain::ca::{CertificateRequest, PemLabel, SerialNumber, SubjectNames, pem};
use serde::Serialize;
use std::path::PathBuf;

/// What to issue.
#[derive(Debug, Args)]
pub struct IssueArgs {
    /// The name to certify, for a key that is made here
    #[arg(required_unless_present = "csr", conflicts_with = "csr")]
    pub name: Option<DomainName>,
    /// A certificate request (PKCS#10, PEM or DER), as `openssl req` writes it
    #[arg(long, value_name = "FILE")]
    pub csr: Option<PathBuf>,
    /// The folder for the certificate and what belongs to it
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
    /// Replace files of another certificate, and make a new key
    #[arg(long)]
    pub force: bool,
}

/// What is printed about an issued certificate.
#[derive(Serialize)]
pub(super) struct IssuedReport {
    names: SubjectNames,
    serial_number: SerialNumber,
    height: Height,
    leaf_index: LeafIndex,
    fee: MicroCaesar,
    not_after: UnixMillis,
    approved_by: Vec<String>,
    certificate: PathBuf,
}

/// Issues a certificate.
pub(super) fn issue(args: IssueArgs, global: &Global, output: Output) -> Result<(), Failure> {
    let folder = Folder::new(&args.out);
    let (csr, request) = match (&args.csr, &args.name) {
        (Some(path), _) => {
            let (csr, request) = read_request(path)?;
            admit(&folder, &request, args.force)?;
            (csr, request)
        }
        (None, Some(name)) => request_for_own_key(&folder, name.clone(), &args)?,
        (None, None) => return Err(Failure::new(Exit::Usage, "give a name or --csr")),
    };
    let ports = args.port.iter().map(ToString::to_string).collect();
    let renewal = Renewal { lifetime_seconds: args.lifetime, ports };
    let issued = obtain(&Wanted { folder: &folder, csr, request: &request, renewal: &renewal }, global)?;
    output.print(&issued, report_line)
}

/// A request with the key in the folder, or with a new one that is put there.
fn request_for_own_key(
    folder: &Folder,
    name: DomainName,
    args: &IssueArgs,
) -> Result<(Vec<u8>, CertificateRequest), Failure> {
    let names = key::names(name, &args.san)?;
    let present = if args.force { None } else { folder.key()? };
    let is_new = present.is_none();
    let key_pem = present.map_or_else(|| key::new_key(args.key_type), Ok)?;
    let (csr, request) = signed_request(&key_pem, &names)?;
    admit(folder, &request, args.force)?;
    if is_new {
        // Before anything is asked for, so that no certificate can be issued for a key that is then lost.
        folder.write_key(&key_pem)?;
    }
    Ok((csr, request))
}

pub(super) fn signed_request(
    key_pem: &str,
    names: &SubjectNames,
) -> Result<(Vec<u8>, CertificateRequest), Failure> {
    let csr = key::request(&key::load(key_pem)?, names)?;
    let request = CertificateRequest::from_csr(&csr).map_err(|fault| Failure::new(Exit::Input, fault))?;
    Ok((csr, request))
}

fn admit(folder: &Folder, request: &CertificateRequest, force: bool) -> Result<(), Failure> {
    if force { Ok(()) } else { folder.admit(request) }
}

/// A certificate that is wanted.
pub(super) struct Wanted<'a> {
    /// Where it goes.
    pub(super) folder: &'a Folder,
    /// The request, DER.
    pub(super) csr: Vec<u8>,
    /// What it asks for.
    pub(super) request: &'a CertificateRequest,
    /// What else is asked for.
    pub(super) renewal: &'a Renewal,
}

/// Asks for the certificate, verifies what comes, and writes it.
pub(super) fn obtain(wanted: &Wanted<'_>, global: &Global) -> Result<IssuedReport, Failure> {
    let Wanted { folder, csr, request, renewal } = wanted;
    let issue = IssueCertificate {
        csr: csr.clone(),
        profile: CertificateProfile::default(),
        lifetime_seconds: renewal.lifetime_seconds,
        services: renewal.services()?,
    };
    let certified =
        session(global, "waiting for the certificate", async |client| client.certify(issue).await)?;
    let Certified { issued, proof, verification, bundle } = certified;
    let newest = bundle.issuing_ders.last();
    let newest =
        newest.ok_or_else(|| Failure::new(Exit::NotValid, "the trust bundle has no issuing certificate"))?;
    folder.adopt_next_key(&request.subject_key)?;
    folder.write_request(csr, renewal)?;
    folder.write(ROOT_FILE, &pem(PemLabel::Certificate, &bundle.root_der))?;
    folder.write(CHAIN_FILE, &pem(PemLabel::Certificate, &newest.0))?;
    folder.write(PROOF_FILE, &proof.to_pem())?;
    folder.write(CERTIFICATE_FILE, &pem(PemLabel::Certificate, &issued.certificate_der))?;
    Ok(IssuedReport {
        names: request.names.clone(),
        serial_number: issued.serial_number,
        height: issued.height,
        leaf_index: issued.leaf_index,
        fee: issued.fee,
        not_after: issued.not_after,
        approved_by: verification.approved_by,
        certificate: folder.path(CERTIFICATE_FILE),
    })
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
