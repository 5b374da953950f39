//! What a thief of key shares can do, done: the group key put together from the shares, a certificate of the
//! thief's choice under it, and the strongest evidence of approval that the key alone can make.
//!
//! It is written from what is published, as a thief would: it shares no code with the committee, and asks
//! nobody. With fewer shares than the threshold it goes on all the same, so that one sees what comes of it.

use frost_ed25519::keys::{KeyPackage, SigningShare, VerifyingShare, reconstruct};
use frost_ed25519::{Identifier, SigningKey, VerifyingKey};
use hypermesh::data::SystemEntropy;
use hypermesh::share_files::ShareFiles;
use hypermesh_core::base::{
    Digest, Domain, Entropy as _, PublicKey, Signature, StrictSignature, decode, encode,
};
use hypermesh_core::hypermesh::committee::{CommitteeKeys, KeyPurpose};
use hypermesh_core::state::{ConsensusProof, Header};
use hypermesh_core::trust::{CertificateProof, TrustBundle};
use hypermesh_core::trustchain::ca::{
    CertificateRequest, Issuer, LeafParameters, SerialNumber, SignedCertificate, Validity, certificate_der,
    parse_certificate, with_proof,
};
use hypermesh_core::trustchain::ct::{
    Checkpoint, LogEntry, MerkleTree, NoteSignature, SignedCheckpoint, TreeHead,
};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;
use std::collections::BTreeMap;
use std::path::Path;

/// How FROST names a validator; part of the protocol (docs/protocol.md).
const IDENTIFIER: Domain = Domain::new("hypermesh v1 committee identifier");

/// Why there is nothing to try.
pub type Nothing = Box<dyn std::error::Error>;

/// The shares that were found on stolen disks.
pub struct Loot {
    keys: CommitteeKeys,
    /// By validator: the secret scalar of each key's share.
    shares: BTreeMap<PublicKey, BTreeMap<KeyPurpose, [u8; 32]>>,
}

/// What the thief made.
pub struct Forgery {
    /// The certificate, DER.
    pub certificate: Vec<u8>,
    /// What stands beside it.
    pub proof: CertificateProof,
    /// The public half of the key that it is signed with.
    pub signed_by: PublicKey,
}

impl Loot {
    /// The shares beside these stores.
    ///
    /// # Errors
    /// If they cannot be read, or there are none.
    pub fn take(stores: &[impl AsRef<Path>]) -> Result<Self, Nothing> {
        let mut found = None;
        let mut shares = BTreeMap::new();
        for path in stores {
            let (keys, scalars) = shares_in(path.as_ref())?;
            let owner = owner(&keys, &scalars).ok_or("the shares are nobody's in this committee")?;
            shares.insert(owner, scalars);
            found = Some(keys);
        }
        Ok(Self { keys: found.ok_or("no store was given")?, shares })
    }

    /// How many validators' shares there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.shares.len()
    }

    /// How many it takes.
    #[must_use]
    pub fn threshold(&self) -> usize {
        self.keys.threshold.into()
    }

    /// The mesh's public key for a purpose.
    #[must_use]
    pub fn public(&self, purpose: KeyPurpose) -> Option<PublicKey> {
        self.keys.public(purpose)
    }

    /// Forges a certificate for what a request asks, beside the proof of another that is genuine.
    ///
    /// The header is invented: a log of one entry, the forged one, so that the certificate carries a proof of
    /// inclusion that holds. The precommits are another block's, since shares do not vote.
    ///
    /// # Errors
    /// If what was given does not parse.
    pub fn forge(
        &self,
        bundle: &TrustBundle,
        genuine_der: &[u8],
        genuine: &CertificateProof,
        request: &CertificateRequest,
    ) -> Result<Forgery, Nothing> {
        let issuer = issuer(bundle)?;
        let example = parse_certificate(genuine_der)?;
        let serial = SerialNumber::from_operation(&Digest([0x66; 32]));
        let validity = Validity::leaf(
            bundle.genesis.time.max(example.validity.not_before),
            DAY_MS,
            &issuer.issuing_validity,
        );
        let pre_tbs = issuer.leaf_tbs(request, &LeafParameters { serial, validity })?;
        let (header, leaf_index) = invented(&example, &issuer, &pre_tbs)?;
        let consensus = ConsensusProof { header: header.clone(), leaf_index, inclusion: Vec::new() };
        let tbs = with_proof(&pre_tbs, &encode(&consensus))?;
        let key = self.key(KeyPurpose::Issuing)?;
        let signature = sign(&key, &tbs)?;
        let checkpoint = self.checkpoint(bundle, &header)?;
        let proof = CertificateProof { serial_number: serial, commit: genuine.commit.clone(), checkpoint };
        let signed_by = signature.key();
        Ok(Forgery { certificate: certificate_der(&tbs, &signature)?, proof, signed_by })
    }

    /// A checkpoint of the invented log, which the log key signs and no validator cosigns.
    fn checkpoint(&self, bundle: &TrustBundle, header: &Header) -> Result<String, Nothing> {
        let head = TreeHead { size: header.log_size, root: header.log_root };
        let checkpoint = Checkpoint { origin: bundle.genesis.log_origin(), head };
        let signature = sign(&self.key(KeyPurpose::Log)?, checkpoint.body().as_bytes())?;
        let by_log = NoteSignature::by_log(&checkpoint.origin, &signature)?;
        Ok(SignedCheckpoint { checkpoint, signatures: vec![by_log] }.to_note()?)
    }

    /// The secret key that the shares interpolate to: the mesh's, if there are enough of them.
    fn key(&self, purpose: KeyPurpose) -> Result<SigningKey, Nothing> {
        let group = self.keys.keys.get(&purpose).ok_or("the mesh has no such key")?;
        let public = VerifyingKey::deserialize(&group.public.0)?;
        let mut packages = Vec::new();
        for (validator, scalars) in &self.shares {
            let share = SigningShare::deserialize(scalars.get(&purpose).ok_or("a share is missing")?)?;
            let identifier = identifier(&self.keys, purpose, validator)?;
            // Fewer than the threshold are tried too: the library is told that they suffice.
            let enough = u16::try_from(self.shares.len().min(self.threshold()))?;
            packages.push(KeyPackage::new(identifier, share, VerifyingShare::from(share), public, enough));
        }
        Ok(reconstruct(&packages)?)
    }
}

const DAY_MS: u64 = 24 * 3_600_000;

type Scalars = BTreeMap<KeyPurpose, [u8; 32]>;

/// The newest shares beside a store.
fn shares_in(store: &Path) -> Result<(CommitteeKeys, Scalars), Nothing> {
    let files = ShareFiles::beside(store);
    let rows = files.rows()?;
    let (_, row) = rows.last().ok_or_else(|| format!("{} holds no key shares", files.folder().display()))?;
    let (keys, shares): (Vec<u8>, Vec<u8>) = decode(row, row.len())?;
    let (_, scalars): (Digest, Scalars) = decode(&shares, shares.len())?;
    Ok((decode(&keys, CommitteeKeys::BYTES_MAX)?, scalars))
}

/// Whose shares these are: their public halves are published.
fn owner(keys: &CommitteeKeys, scalars: &Scalars) -> Option<PublicKey> {
    let share = SigningShare::deserialize(scalars.get(&KeyPurpose::Issuing)?).ok()?;
    let public = VerifyingShare::from(share).serialize().ok()?;
    let holders = &keys.keys.get(&KeyPurpose::Issuing)?.verifying_shares;
    holders.iter().find_map(|(validator, held)| (held.0.as_slice() == public).then_some(*validator))
}

fn identifier(
    keys: &CommitteeKeys,
    purpose: KeyPurpose,
    validator: &PublicKey,
) -> Result<Identifier, Nothing> {
    let attempt = keys.attempt.to_le_bytes();
    let parts: [&[u8]; 4] =
        [keys.genesis.as_bytes(), &attempt, purpose.name().as_bytes(), validator.as_bytes()];
    Ok(Identifier::derive(IDENTIFIER.hash(&parts).as_bytes())?)
}

/// The authority as its own certificates describe it.
fn issuer(bundle: &TrustBundle) -> Result<Issuer, Nothing> {
    let newest = bundle.issuing_ders.last().ok_or("the bundle has no issuing certificate")?;
    let (root, issuing) = (parse_certificate(&bundle.root_der)?, parse_certificate(&newest.0)?);
    let key =
        |certificate: &SignedCertificate| certificate.subject_key.ed25519().ok_or("not an Ed25519 authority");
    Ok(Issuer {
        network: bundle.genesis.network.clone(),
        zone: bundle.genesis.zone.clone(),
        root_key: key(&root)?,
        root_validity: root.validity,
        issuing_key: key(&issuing)?,
        issuing_validity: issuing.validity,
    })
}

/// A genuine header, but for its log, which holds the forged entry alone.
fn invented(
    example: &SignedCertificate,
    issuer: &Issuer,
    pre_tbs: &[u8],
) -> Result<(Header, hypermesh_core::base::LeafIndex), Nothing> {
    let proof = example.proof.as_ref().ok_or("the genuine certificate carries no proof")?;
    let ConsensusProof { header, .. } = decode(proof, proof.len())?;
    let entry = LogEntry {
        timestamp: header.time,
        issuer_key_hash: issuer.issuing_key_hash(),
        tbs: pre_tbs.to_vec(),
    };
    let mut tree = MerkleTree::new();
    let leaf_index = tree.push(entry.leaf_hash());
    Ok((Header { log_size: 1, log_root: tree.root(), ..header }, leaf_index))
}

fn sign(key: &SigningKey, message: &[u8]) -> Result<StrictSignature, Nothing> {
    let mut seed = [0; 32];
    SystemEntropy.fill(&mut seed);
    let bytes = key.sign(ChaCha20Rng::from_seed(seed), message).serialize()?;
    let signature = Signature(bytes.try_into().map_err(|_| "a signature has 64 bytes")?);
    Ok(PublicKey(key_bytes(&VerifyingKey::from(key))?).verify_strict(message, &signature)?)
}

fn key_bytes(key: &VerifyingKey) -> Result<[u8; 32], Nothing> {
    Ok(key.serialize()?.try_into().map_err(|_| "a public key has 32 bytes")?)
}
