//! An authority in this process, with a clock that moves only when it is waited for.

use super::super::super::authority::{Authority, IssuedFiles};
use super::super::super::folder::Folder;
use super::super::super::sent::SentOperation;
use super::super::LEAD_MS;
use crate::failure::{Exit, Failure};
use hypermesh_core::base::{Digest, Height, LeafIndex, MicroCaesar, SecretKey, UnixMillis};
use hypermesh_core::state::{Action, IssueCertificate, Operation, OperationBody, Revocation};
use hypermesh_core::trustchain::ca::{
    CertificateRequest, Issuer, LeafParameters, PemLabel, RevocationReason, SerialNumber, Validity,
    certificate_der, pem,
};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// 2026-11-30T00:53:20Z.
const BEGIN: UnixMillis = UnixMillis(1_796_000_000_123);

/// How long an operation may still happen.
pub(super) const LIFE_MS: u64 = 600_000;

/// What the mesh would do, without a mesh.
pub(super) struct LocalAuthority {
    root: SecretKey,
    issuing: SecretKey,
    issuer: Issuer,
    /// The folder that it watches: what is waited for and revoked there must not be in use yet, or no more.
    folder: PathBuf,
    record: Mutex<Record>,
}

/// What it did, and how it answers.
#[derive(Default)]
pub(super) struct Record {
    /// How much later than at the beginning it is.
    pub(super) later_ms: u64,
    /// What it issued, DER, each once.
    pub(super) issued: BTreeMap<SerialNumber, Vec<u8>>,
    /// What it issued last.
    newest: Option<SerialNumber>,
    /// What it revoked as superseded.
    pub(super) superseded: BTreeSet<SerialNumber>,
    /// Whether it issues and the answer is lost.
    pub(super) loses_answers: bool,
    /// Whether it issues, and a node that lies or has too much to do gives this in the place of the answer.
    pub(super) issues_and_fails: Option<Exit>,
    /// Whether this machine fails before anything is sent: by a context that was mistyped, say.
    pub(super) sends_nothing: Option<Exit>,
    /// Whether it proves of nothing that it never happens.
    pub(super) proves_nothing: bool,
    /// Whether it refuses what was sent.
    pub(super) refuses: bool,
    /// How it fails to revoke, if it does.
    pub(super) supersedes_not: Option<Exit>,
    /// Whether the program is ended while it waits.
    pub(super) ends_in_wait: bool,
    nonce: u64,
}

impl LocalAuthority {
    pub(super) fn new(folder: PathBuf) -> Self {
        let (root, issuing) = (SecretKey::from_seed([1; 32]), SecretKey::from_seed([2; 32]));
        let root_validity = Validity::root(BEGIN);
        let issuer = Issuer {
            network: "devnet".into(),
            zone: "demo.hypermesh".parse().unwrap(),
            root_key: root.public(),
            root_validity,
            issuing_key: issuing.public(),
            issuing_validity: Validity::issuing(BEGIN, &root_validity),
        };
        Self { root, issuing, issuer, folder, record: Mutex::default() }
    }

    pub(super) fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn operation(&self, issue: IssueCertificate) -> Operation {
        let owner = SecretKey::from_seed([3; 32]);
        let expires = self.now().plus(LIFE_MS);
        let mut record = self.record();
        record.nonce += 1;
        let body = OperationBody {
            genesis: Digest::ZERO,
            owner: owner.public(),
            nonce: record.nonce,
            expires,
            fee_max: MicroCaesar(1),
            action: Action::IssueCertificate(issue),
        };
        body.sign(&owner)
    }

    /// Issues what an operation asks for, once: the certificate, DER.
    fn issue(&self, operation: &Operation, at: UnixMillis) -> (SerialNumber, Vec<u8>) {
        let Action::IssueCertificate(issue) = &operation.body.action else {
            panic!("it asks for something else")
        };
        let serial = SerialNumber::from_operation(&operation.id().0);
        let request = CertificateRequest::from_csr(&issue.csr).unwrap();
        let life_ms = u64::from(issue.lifetime_seconds) * 1000;
        let validity = Validity::leaf(at, life_ms, &self.issuer.issuing_validity);
        let tbs = self.issuer.leaf_tbs(&request, &LeafParameters { serial, validity }).unwrap();
        let der = signed(&self.issuing, &tbs);
        let mut record = self.record();
        record.newest = Some(serial);
        (serial, record.issued.entry(serial).or_insert(der).clone())
    }
}

fn signed(key: &SecretKey, tbs: &[u8]) -> Vec<u8> {
    let signature = key.public().verify_strict(tbs, &key.sign_bytes(tbs)).unwrap();
    certificate_der(tbs, &signature).unwrap()
}

impl Authority for LocalAuthority {
    fn revocation(&self, serial_number: SerialNumber) -> Result<Option<Revocation>, Failure> {
        let is_revoked = self.record().superseded.contains(&serial_number);
        let revocation = Revocation { at: self.now(), reason: RevocationReason::Superseded, list: 1 };
        Ok(is_revoked.then_some(revocation))
    }

    fn are_never_done(&self, sent: &[SentOperation]) -> Result<bool, Failure> {
        if let Some(exit) = self.record().sends_nothing {
            return Err(Failure::new(exit, "nothing was sent"));
        }
        if self.record().proves_nothing {
            return Ok(false);
        }
        let is_issued = |sent: &SentOperation| self.record().issued.contains_key(&sent.serial_number);
        Ok(sent.iter().all(|sent| !is_issued(sent) && self.now() > sent.expires))
    }

    fn certify(
        &self,
        issue: IssueCertificate,
        _: &[SentOperation],
        last: Option<&Operation>,
        note: &mut dyn FnMut(&Operation) -> Result<(), Failure>,
    ) -> Result<IssuedFiles, Failure> {
        if let Some(exit) = self.record().sends_nothing {
            return Err(Failure::new(exit, "nothing was sent"));
        }
        let may_happen = |last: &&Operation| {
            let sent = SentOperation::of(last);
            self.now() <= sent.expires || self.record().issued.contains_key(&sent.serial_number)
        };
        let operation = match last.filter(may_happen) {
            Some(operation) => operation.clone(),
            None => {
                let operation = self.operation(issue);
                note(&operation)?;
                operation
            }
        };
        if self.record().refuses {
            return Err(Failure::new(Exit::Refused, "refused"));
        }
        let (serial_number, der) = self.issue(&operation, self.now());
        if let Some(exit) = self.record().issues_and_fails {
            return Err(Failure::new(exit, "refused"));
        }
        if self.record().loses_answers {
            return Err(Failure::new(Exit::Unreachable, "no reply before the timeout"));
        }
        let authority = |tbs: Vec<u8>| pem(PemLabel::Certificate, &signed(&self.root, &tbs));
        Ok(IssuedFiles {
            certificate: pem(PemLabel::Certificate, &der),
            chain: authority(
                self.issuer.issuing_tbs(SerialNumber::from_operation(&Digest([2; 32]))).unwrap(),
            ),
            root: authority(self.issuer.root_tbs(SerialNumber::from_operation(&Digest([1; 32]))).unwrap()),
            proof: "the proof\n".to_owned(),
            serial_number,
            height: Height(1),
            leaf_index: LeafIndex(1),
            fee: MicroCaesar(1),
            not_after: self.now(),
            approved_by: Vec::new(),
        })
    }

    fn supersede(&self, serial_number: SerialNumber) -> Result<(), Failure> {
        let in_use = Folder::new(&self.folder).certificate().unwrap().serial;
        assert_ne!(in_use, serial_number, "what is in use is not revoked");
        if let Some(exit) = self.record().supersedes_not {
            return Err(Failure::new(exit, "not revoked"));
        }
        self.record().superseded.insert(serial_number);
        Ok(())
    }

    fn now(&self) -> UnixMillis {
        BEGIN.plus(self.record().later_ms)
    }

    fn wait_until(&self, moment: UnixMillis) -> Result<(), Failure> {
        let wait_ms = moment.since(self.now());
        assert!((1..=LEAD_MS).contains(&wait_ms), "it waits for {wait_ms} ms");
        let in_use = Folder::new(&self.folder).certificate().unwrap().serial;
        let newest = self.record().newest;
        assert_ne!(Some(in_use), newest, "what is not yet known everywhere is not yet in use");
        if self.record().ends_in_wait {
            return Err(Failure::new(Exit::Failed, "killed"));
        }
        self.record().later_ms += wait_ms;
        Ok(())
    }
}
