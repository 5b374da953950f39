//! From a generation that was begun to one that is in use: the mesh certifies it, it waits until its key is known, all files
//! change at one instant, and what it replaces is revoked if that was asked for.
//!
//! The mesh publishes the TLSA record of a new key in the block that certifies it, beside that of the old one. Whoever has the
//! records from before keeps them for their time to live, and would refuse the new key until then (RFC 7671 §8.1): so a new key
//! in the place of one that is still good waits that long. One in the place of a revoked or ended certificate waits for nothing:
//! the old key is refused by everyone already.
//!
//! Each step is noted in the folder before the next, so a command that is interrupted anywhere is gone on with by the next one.

use super::authority::{Authority, IssuedFiles};
use super::folder::{
    CERTIFICATE_FILE, CHAIN_FILE, FULL_CHAIN_FILE, FolderWriter, PROOF_FILE, PendingGeneration, PendingState,
    ROOT_FILE, Replaced,
};
use super::issue::IssuedReport;
use crate::failure::{Exit, Failure};
use crate::moment;
use crate::output::Output;
use hypermesh_core::base::UnixMillis;
use hypermesh_core::state::{CertificateProfile, IssueCertificate, PUBLISHED_TTL_SECONDS};
use hypermesh_core::trustchain::ca::SerialNumber;

/// How a generation is brought into use.
pub(super) struct Handover<'a> {
    /// Its folder.
    pub(super) writer: FolderWriter<'a>,
    /// Who certifies it.
    pub(super) authority: &'a dyn Authority,
    /// Whether to stop before the time from which its key may be used.
    pub(super) no_wait: bool,
    /// Where to report progress.
    pub(super) output: Output,
}

/// How far it came.
pub(super) struct HandedOver {
    /// What the mesh gave.
    pub(super) issued: IssuedReport,
    /// What it replaces, in a renewal.
    pub(super) replaces: Option<Replaced>,
    /// From when it may be put in place, if it is not.
    pub(super) usable_from: Option<UnixMillis>,
}

impl Handover<'_> {
    /// Brings a generation into use, from wherever it is.
    pub(super) fn finish(self, mut pending: PendingGeneration) -> Result<HandedOver, Failure> {
        let issued = match pending.state.issued.clone() {
            Some(issued) => issued,
            None => match self.certify(&mut pending) {
                Ok(issued) => issued,
                Err(NotCertified { failure, is_final }) => {
                    if !is_final {
                        return Err(self.resumable(&pending, &failure));
                    }
                    // Why it failed is told rather than a disk's fault.
                    drop(self.writer.discard(&pending));
                    return Err(failure);
                }
            },
        };
        if !self.wait(&pending)? {
            let usable_from = Some(pending.state.usable_from);
            return Ok(HandedOver {
                issued: self.here(issued),
                replaces: pending.state.replaces,
                usable_from,
            });
        }
        self.writer.switch(&pending)?;
        self.settle(pending.state)
    }

    /// Does what is left to do for the generation in use, if something is.
    pub(super) fn settle(&self, state: PendingState) -> Result<HandedOver, Failure> {
        let mut replaces = state.replaces;
        let ended = |old: &Replaced| old.not_after < self.authority.now();
        if let Some(old) = replaces.as_mut().filter(|old| old.revoke && !old.is_revoked && !ended(old)) {
            if let Err(failure) = self.authority.supersede(old.serial_number) {
                return Err(self.not_superseded(old.serial_number, &failure));
            }
            old.is_revoked = true;
        }
        self.writer.settle()?;
        let issued = state
            .issued
            .ok_or_else(|| Failure::new(Exit::Failed, "the certificate in the folder was never issued"))?;
        Ok(HandedOver { issued: self.here(issued), replaces, usable_from: None })
    }

    /// Gives up a generation that is not gone on with, once it is proved that nothing of it will be missed.
    pub(super) fn give_up(&self, pending: &PendingGeneration, advice: &str) -> Result<(), Failure> {
        let sent = pending.state.sent();
        let is_unused = match sent.is_empty() {
            true => true,
            false => self.authority.are_never_done(&sent).map_err(|failure| {
                let message =
                    format!("whether {} may be given up: {failure}\n{advice}", pending.path().display());
                Failure::new(failure.exit, message)
            })?,
        };
        if is_unused {
            return self.writer.drop_pending(pending);
        }
        let expires = sent.iter().map(|sent| sent.expires).max().unwrap_or(UnixMillis(0));
        let message = format!(
            "{} holds what was begun for {}, and the key there is certified, or may yet be, until block time {}: {advice}",
            pending.path().display(),
            pending.request.names,
            moment::text(expires)
        );
        Err(Failure::new(Exit::Input, message))
    }

    /// A failure after which the generation stays, and what to do about that.
    fn resumable(&self, pending: &PendingGeneration, failure: &Failure) -> Failure {
        let folder = self.writer.folder().path("");
        let message = format!(
            "{failure}\nthe certificate may be issued all the same: what was begun stays in {}, with the key if it was made here. \
             `cert renew {}` goes on with it; `cert issue --force` gives it up",
            pending.path().display(),
            folder.display()
        );
        Failure::new(failure.exit, message)
    }

    /// That the certificate before is not revoked. What the mesh refuses is not tried again: it must not stand in the way of the
    /// next renewal.
    fn not_superseded(&self, serial_number: SerialNumber, failure: &Failure) -> Failure {
        let is_final = matches!(failure.exit, Exit::Refused | Exit::NotFound);
        let next = match is_final && self.writer.settle().is_ok() {
            true => "revoke it with `hypermesh cert revoke`",
            false => "`hypermesh cert renew` tries again",
        };
        let message = format!(
            "the new certificate is installed, but the previous one, {serial_number}, is not revoked: \
            {failure}; {next}"
        );
        Failure::new(failure.exit, message)
    }

    /// A report that an earlier command may have noted, with the folder as this command names it.
    fn here(&self, issued: IssuedReport) -> IssuedReport {
        IssuedReport { certificate: self.writer.folder().path(CERTIFICATE_FILE), ..issued }
    }

    /// Has the mesh certify it, and writes what comes.
    ///
    /// That it failed is final only where nothing was ever sent. A refusal is not: a node gives one that lies, that has too much to
    /// do, or that does not know yet what is committed; and a second command may fail before it reaches the mesh.
    fn certify(&self, pending: &mut PendingGeneration) -> Result<IssuedReport, NotCertified> {
        let mut may_be_sent = pending.state.operation.is_some();
        let issue = issue_of(pending).map_err(|failure| NotCertified { is_final: !may_be_sent, failure })?;
        let publishes = !issue.services.is_empty() && !pending.request.names.dns().is_empty();
        let given = self.ask(issue, pending, &mut may_be_sent);
        let files = given.map_err(|failure| NotCertified { is_final: !may_be_sent, failure })?;
        let report = self.report(pending, &files);
        let now = self.authority.now();
        let old_is_good = pending.state.replaces.is_some_and(|old| !old.is_revoked && old.not_after > now);
        let waits = pending.state.new_key && publishes && old_is_good;
        pending.state.usable_from = if waits { now.plus(LEAD_MS) } else { now };
        pending.state.issued = Some(report.clone());
        let written = self.writer.complete(pending, &with_names(&files));
        written.map_err(|failure| NotCertified { failure, is_final: false })?;
        Ok(report)
    }

    /// Asks the mesh, by an operation that is noted before it is sent.
    fn ask(
        &self,
        issue: IssueCertificate,
        pending: &mut PendingGeneration,
        may_be_sent: &mut bool,
    ) -> Result<IssuedFiles, Failure> {
        if pending.state.is_full() {
            // What may be forgotten is asked for only now: where it cannot be proved, there is no room.
            pending.state.earlier.retain(|sent| {
                !self.authority.are_never_done(std::slice::from_ref(sent)).is_ok_and(|is_never| is_never)
            });
        }
        let (sent, last) = (pending.state.sent(), pending.state.operation.clone());
        self.authority.certify(issue, &sent, last.as_ref(), &mut |operation| {
            pending.state.note(operation)?;
            self.writer.note(pending)?;
            *may_be_sent = true;
            Ok(())
        })
    }

    fn report(&self, pending: &PendingGeneration, files: &IssuedFiles) -> IssuedReport {
        IssuedReport {
            names: pending.request.names.clone(),
            serial_number: files.serial_number,
            height: files.height,
            leaf_index: files.leaf_index,
            fee: files.fee,
            not_after: files.not_after,
            approved_by: files.approved_by.clone(),
            certificate: self.writer.folder().path(CERTIFICATE_FILE),
        }
    }

    /// Waits until the generation may be used; `false` if it may not yet, and nobody wants to wait.
    fn wait(&self, pending: &PendingGeneration) -> Result<bool, Failure> {
        let now = self.authority.now();
        // A clock that was put back must not make it longer.
        let usable_from = pending.state.usable_from.min(now.plus(LEAD_MS));
        if usable_from <= now {
            return Ok(true);
        }
        if self.no_wait {
            return Ok(false);
        }
        self.output.tell(format_args!(
            "the new key is published; it is put in place at {}, in {} s, when no resolver has the TLSA records from before \
             any more. If this is interrupted, the next cert renew goes on",
            moment::text(usable_from),
            usable_from.since(now).div_ceil(1000),
        ));
        self.authority.wait_until(usable_from)?;
        Ok(true)
    }
}

/// Why a generation is not certified.
struct NotCertified {
    failure: Failure,
    /// Whether nothing was ever sent: then it is certain that it never will be.
    is_final: bool,
}

/// What the mesh is asked for.
fn issue_of(pending: &PendingGeneration) -> Result<IssueCertificate, Failure> {
    let renewal = pending.renewal()?;
    Ok(IssueCertificate {
        csr: pending.csr.clone(),
        profile: CertificateProfile::default(),
        lifetime_seconds: renewal.lifetime_seconds,
        services: renewal.services()?,
    })
}

fn with_names(files: &IssuedFiles) -> [(&'static str, String); 5] {
    let full_chain = [files.certificate.as_str(), &files.chain].concat();
    [
        (ROOT_FILE, files.root.clone()),
        (CHAIN_FILE, files.chain.clone()),
        (FULL_CHAIN_FILE, full_chain),
        (PROOF_FILE, files.proof.clone()),
        (CERTIFICATE_FILE, files.certificate.clone()),
    ]
}

/// How long a block takes until every name server of the mesh answers by it, with room.
const PROPAGATION_SECONDS: u32 = 10;
/// How long a new key is published before it may be used.
pub(super) const LEAD_MS: u64 = (PUBLISHED_TTL_SECONDS + PROPAGATION_SECONDS) as u64 * 1000;

#[cfg(test)]
mod tests;
