//! A certificate of a real committee, verified offline; and everything that may be wrong with it.

mod revocation;
mod verify;

use super::*;
use crate::base::{Digest, Height, LeafIndex, SecretKey, UnixMillis, decode, encode};
use crate::hypermesh::committee::KeyPurpose;
use crate::hypermesh::ordering::CommitCertificate;
use crate::state::tests::test_util::*;
use crate::state::{
    Certificate, ConsensusProof, Effect, Header, SystemAction, SystemOperation, cosigner_name,
};
use crate::trustchain::ca::{SerialNumber, certificate_der, with_proof};
use crate::trustchain::ct::{Checkpoint, LogEntry, MerkleTree, NoteSignature, SignedCheckpoint, TreeHead};
use alloc::string::String;
use alloc::vec::Vec;
use proptest::prelude::*;
use std::sync::OnceLock;

const GIVEN: &str = "given.demo.hypermesh";

/// A mesh with two certificates, the second of which is [`Certified::der`].
pub(crate) struct Certified {
    pub(crate) mesh: Mesh,
    pub(crate) bundle: TrustBundle,
    pub(crate) serial: SerialNumber,
    pub(crate) der: Vec<u8>,
    pub(crate) proof: CertificateProof,
    /// The certificate issued before it.
    pub(crate) other: SerialNumber,
}

pub(crate) fn certified() -> &'static Certified {
    static CERTIFIED: OnceLock<Certified> = OnceLock::new();
    CERTIFIED.get_or_init(|| certified_in(Mesh::active()))
}

fn certified_in(mut mesh: Mesh) -> Certified {
    let mut issued = || match mesh.done(&alice(), issue(&[GIVEN, "2001:db8::10"])) {
        Effect::CertificateApproved { serial, .. } => serial,
        other => panic!("{other:?}"),
    };
    let (other, serial) = (issued(), issued());
    mesh.pass(1000);
    let bundle = bundle_of(&mesh);
    let (der, proof) = (der_of(&mesh, serial), proof_of(&mesh, serial));
    Certified { mesh, bundle, serial, der, proof, other }
}

fn bundle_of(mesh: &Mesh) -> TrustBundle {
    let signed = |tbs: Vec<u8>| certificate_der(&tbs, &mesh.sign(KeyPurpose::Root, &tbs)).unwrap();
    TrustBundle {
        genesis: mesh.genesis.as_ref().clone(),
        confirmations: mesh.confirmations.clone(),
        root_der: signed(mesh.state.root_tbs().unwrap()),
        issuing_ders: (0..=mesh.state.newest_issuing().unwrap())
            .map(|number| IssuingDer(signed(mesh.state.issuing_tbs(number).unwrap())))
            .collect(),
    }
}

/// The block that approved a certificate, and its place in the log.
fn approval(mesh: &Mesh, serial: SerialNumber) -> (Header, LeafIndex) {
    let row: Certificate = mesh.state.get(&serial).unwrap();
    let header = mesh.blocks[usize::try_from(row.height.0 - 1).unwrap()].header.clone();
    (header, row.leaf_index)
}

fn pre_tbs(mesh: &Mesh, index: LeafIndex) -> Vec<u8> {
    LogEntry::decode(&mesh.entries[usize::try_from(index.0).unwrap()]).unwrap().tbs
}

fn der_of(mesh: &Mesh, serial: SerialNumber) -> Vec<u8> {
    let (header, leaf_index) = approval(mesh, serial);
    let inclusion = mesh.state.log().inclusion_proof(leaf_index, header.log_size).unwrap();
    let proof = ConsensusProof { header, leaf_index, inclusion };
    signed_with(mesh, &pre_tbs(mesh, leaf_index), &proof)
}

/// What thieves of as many shares as it takes can make: the committee's signature over anything.
pub(crate) fn signed_with(mesh: &Mesh, pre_tbs: &[u8], proof: &ConsensusProof) -> Vec<u8> {
    let tbs = with_proof(pre_tbs, &encode(proof)).unwrap();
    certificate_der(&tbs, &mesh.sign(KeyPurpose::Issuing, &tbs)).unwrap()
}

fn proof_of(mesh: &Mesh, serial: SerialNumber) -> CertificateProof {
    let (header, _) = approval(mesh, serial);
    let commit = mesh.commit(header.height).unwrap();
    let checkpoint = checkpoint(mesh, &Note::of(&header));
    CertificateProof { serial_number: serial, commit, checkpoint }
}

/// A checkpoint to be made: of what, by which key, cosigned by whom.
#[derive(Clone)]
struct Note {
    origin: String,
    head: TreeHead,
    log: KeyPurpose,
    cosigners: Vec<usize>,
}

impl Note {
    fn of(header: &Header) -> Self {
        let head = TreeHead { size: header.log_size, root: header.log_root };
        Self {
            origin: "demo.hypermesh/test/log".into(),
            head,
            log: KeyPurpose::Log,
            cosigners: [0, 1, 2, 3].into(),
        }
    }
}

fn checkpoint(mesh: &Mesh, note: &Note) -> String {
    let checkpoint = Checkpoint { origin: note.origin.clone(), head: note.head };
    let signature = mesh.sign(note.log, checkpoint.body().as_bytes());
    let mut signatures = alloc::vec![NoteSignature::by_log(&note.origin, &signature).unwrap()];
    for rank in &note.cosigners {
        let validator = &mesh.genesis.validators[*rank];
        let name = cosigner_name(&validator.name, &mesh.genesis.zone);
        let message = checkpoint.cosignature_message(1);
        let signature = mesh.validators[*rank].sign_bytes(message.as_bytes());
        let signature = validator.member.key.verify_strict(message.as_bytes(), &signature).unwrap();
        signatures.push(NoteSignature::by_cosigner(&name, 1, &signature).unwrap());
    }
    SignedCheckpoint { checkpoint, signatures }.to_note().unwrap()
}
