//! `hypermesh cert verify`: offline, check by check; and by a revocation list, where there is one to go by.

use super::super::{Global, trust};
use super::folder::{CHAIN_FILE, Folder, PROOF_FILE};
use super::status::{self, Source, Where};
use super::subject;
use crate::failure::{Exit, Failure};
use crate::file;
use crate::moment;
use crate::output::Output;
use clap::Args;
use hypermesh_core::base::UnixMillis;
use hypermesh_core::trust::{CertificateProof, CheckName, PROOF_BYTES_MAX, Verification, verify_certificate};
use hypermesh_core::trustchain::DomainName;
use hypermesh_core::trustchain::ca::{PEM_BYTES_MAX, PemLabel, from_pem, pem};
use std::path::{Path, PathBuf};

/// What to verify, and against what.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The certificate, PEM or DER, or the folder that `cert issue` wrote
    #[arg(value_name = "FILE|DIR")]
    pub certificate: PathBuf,
    /// The trust bundle, as `hypermesh trust export` wrote it: from a place that you trust
    #[arg(long, value_name = "FILE")]
    pub trust: PathBuf,
    /// Who approved it; cert.proof beside the certificate unless given
    #[arg(long, value_name = "FILE", conflicts_with = "without_proof")]
    pub proof: Option<PathBuf>,
    /// Do without the proof of who approved it: the committee's signature alone then vouches for that
    #[arg(long)]
    pub without_proof: bool,
    /// The name that the certificate is used for
    #[arg(long)]
    pub name: Option<DomainName>,
    /// The time to verify at, such as 2026-11-22T18:00:00Z; default: now
    #[arg(long, value_name = "MOMENT", value_parser = moment::parse)]
    pub at: Option<UnixMillis>,
    /// A revocation list from `hypermesh cert crl`; default: query the context's mesh
    #[arg(long, value_name = "FILE")]
    pub crl: Option<PathBuf>,
    /// Skip the revocation check. Without this option and --crl, a certificate is not valid if no mesh is reachable
    #[arg(long, conflicts_with = "crl")]
    pub offline: bool,
}

/// Verifies a certificate.
pub(super) fn run(args: &VerifyArgs, global: &Global, output: Output) -> Result<(), Failure> {
    let mut bundle = trust::read(&args.trust)?;
    let path = subject::file_of(&args.certificate);
    let beside = Folder::new(path.parent().unwrap_or(Path::new("")));
    let (der, chain, proof) = beside.steady(|| {
        let der = read_certificate(&path)?;
        let proof = if args.without_proof { None } else { Some(read_proof(&path, args.proof.as_deref())?) };
        Ok((der, read_chain(&path), proof))
    })?;
    if let Some(file) = subject::mismatch(&args.certificate)? {
        let file = args.certificate.join(file);
        let message = format!("{} belongs to another certificate, or is corrupted", file.display());
        return Err(Failure::new(Exit::NotValid, message));
    }
    // It may be newer than the trust bundle, which decides whether it anchors that; if not, the certificate is judged by what
    // the bundle has.
    if let Some(chain) = chain {
        drop(bundle.take_in(&chain));
    }
    let at = args.at.unwrap_or_else(moment::now);
    let mut verification = verify_certificate(&bundle, &der, proof.as_ref(), args.name.as_ref(), at);
    if verification.valid {
        let place = Where { file: args.crl.as_deref(), offline: args.offline };
        match status::look(&place, &bundle, &der, global)? {
            Source::List(list, source) => verification.check_revocation(&der, &list, &source, at),
            Source::Row { row, height } => verification.check_row(&der, row.as_deref(), height, at),
            Source::None { why, is_wanted } => verification.leave_revocation(&why, is_wanted),
        }
    }
    output.print(&verification, |verification| {
        let mut text = verification_text(verification);
        if args.without_proof && verification.valid {
            text.push_str(WITHOUT_PROOF);
        }
        text
    })?;
    match verification.failed() {
        None => Ok(()),
        Some(failed) => {
            let message = format!("{} is not valid: {}", args.certificate.display(), failed.detail);
            Err(Failure::new(Exit::NotValid, message))
        }
    }
}

/// The issuing certificate beside the certificate, DER, if one stands there.
fn read_chain(certificate: &Path) -> Option<Vec<u8>> {
    let text = file::read_text(&certificate.with_file_name(CHAIN_FILE), PEM_BYTES_MAX).ok()?;
    from_pem(PemLabel::Certificate, &text).ok()
}

fn verification_text(verification: &Verification) -> String {
    let verdict = |passed| match passed {
        Some(true) => "ok",
        Some(false) => "failed",
        None => "-",
    };
    let line = |name: CheckName, passed, detail: &str| {
        format!("{:<12} {:<7} {detail}\n", check_name(name), verdict(passed))
    };
    verification.checks.iter().map(|check| line(check.name, check.passed, &check.detail)).collect()
}

const fn check_name(name: CheckName) -> &'static str {
    match name {
        CheckName::Bundle => "trust bundle",
        CheckName::Form => "form",
        CheckName::Chain => "chain",
        CheckName::Time => "time",
        CheckName::Names => "names",
        CheckName::Approved => "approved",
        CheckName::Logged => "logged",
        CheckName::Quorum => "precommits",
        CheckName::Checkpoint => "checkpoint",
        CheckName::Revocation => "revocation",
        _ => "other",
    }
}

/// The certificate's DER. PEM is taken in its one form, so that a changed bit shows wherever it stands.
fn read_certificate(path: &Path) -> Result<Vec<u8>, Failure> {
    let bytes = file::read(path, PEM_BYTES_MAX)?;
    let invalid = |reason: &dyn std::fmt::Display| {
        Failure::new(Exit::NotValid, format!("{} is not valid: {reason}", path.display()))
    };
    let begins = bytes.windows(PEM_BEGIN.len()).any(|window| window == PEM_BEGIN);
    // DER begins with a SEQUENCE; anything else is meant as text.
    if !begins && bytes.first() == Some(&DER_SEQUENCE) {
        return Ok(bytes);
    }
    let text = String::from_utf8(bytes).map_err(|_| invalid(&"neither PEM nor DER"))?.replace("\r\n", "\n");
    let der = from_pem(PemLabel::Certificate, &text).map_err(|fault| invalid(&fault))?;
    let canonical = pem(PemLabel::Certificate, &der);
    match canonical.trim_end_matches('\n') == text.strip_suffix('\n').unwrap_or(&text) {
        true => Ok(der),
        false => Err(invalid(&"the file holds more than one PEM certificate, or was altered")),
    }
}

fn read_proof(certificate: &Path, proof: Option<&Path>) -> Result<CertificateProof, Failure> {
    let path = proof.map_or_else(|| certificate.with_file_name(PROOF_FILE), Path::to_owned);
    if !path.exists() {
        let message = format!(
            "{} is missing: it proves which validators approved the certificate; to verify without it, use \
            --without-proof",
            path.display()
        );
        return Err(Failure::new(Exit::Input, message));
    }
    let invalid = |reason: &dyn std::fmt::Display| {
        Failure::new(Exit::NotValid, format!("{} is not valid: {reason}", path.display()))
    };
    let bytes = file::read(&path, 2 * PROOF_BYTES_MAX)?;
    let text = String::from_utf8(bytes).map_err(|_| invalid(&"not a text"))?;
    CertificateProof::from_pem(&text).map_err(|fault| invalid(&fault))
}

const WITHOUT_PROOF: &str = "without a proof file, only the committee's signature proves approval and \
    logging: an attacker with enough stolen key shares can forge it\n";
const PEM_BEGIN: &[u8] = b"-----BEGIN ";
const DER_SEQUENCE: u8 = 0x30;
