//! The log tried against another implementation, the reference vectors, and hostile bytes.

use super::*;
use crate::base::{Digest, LeafIndex, PublicKey, SecretKey, StrictSignature, UnixMillis};
use crate::trustchain::ca::{SubjectKey, TBS_BYTES_MAX};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use ct_merkle::mem_backed_tree::MemoryBackedTree;
use proptest::prelude::*;
use sha2_oracle::Sha256;

/// The leaves of the reference implementation's tests, and the roots after each.
const REFERENCE: [(&str, &str); 8] = [
    ("", "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
    ("00", "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
    ("10", "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"),
    ("2021", "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"),
    ("3031", "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4"),
    ("40414243", "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef"),
    ("5051525354555657", "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"),
    ("606162636465666768696a6b6c6d6e6f", "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"),
];

struct Leaf(u64);

impl ct_merkle::HashableLeaf for Leaf {
    fn hash<H: ct_merkle::digest::Update>(&self, hasher: &mut H) {
        hasher.update(&self.0.to_be_bytes());
    }
}

fn hash_of(number: u64) -> Digest {
    leaf_hash(&number.to_be_bytes())
}

fn tree_of(size: u64) -> MerkleTree {
    (0..size).map(hash_of).collect()
}

fn flat(path: &[Digest]) -> Vec<u8> {
    path.iter().flat_map(|hash| hash.0).collect()
}

#[test]
fn the_reference_roots_are_met() {
    let mut tree = MerkleTree::new();
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(tree.root().to_string(), empty);
    for (leaf, root) in REFERENCE {
        tree.push(leaf_hash(&hex::decode(leaf).unwrap()));
        assert_eq!(tree.root().to_string(), root);
    }
    for (size, (_, root)) in REFERENCE.iter().enumerate() {
        assert_eq!(tree.root_at(size as u64 + 1).unwrap().to_string(), *root);
    }
}

#[test]
fn roots_and_proofs_are_those_of_another_implementation() {
    const SIZE: u64 = 200;
    let tree = tree_of(SIZE);
    let mut oracle: MemoryBackedTree<Sha256, Leaf> = MemoryBackedTree::new();
    for size in 1..=SIZE {
        oracle.push(Leaf(size - 1));
        let head = TreeHead { size, root: tree.root_at(size).unwrap() };
        assert_eq!(head.root.0[..], oracle.root().as_bytes()[..]);
        for index in 0..size {
            let path = tree.inclusion_proof(LeafIndex(index), size).unwrap();
            assert_eq!(flat(&path), oracle.prove_inclusion(index as usize).as_bytes());
            assert_eq!(verify_inclusion(&hash_of(index), LeafIndex(index), &path, &head), Ok(()));
        }
        for old in 1..size {
            let path = tree.consistency_proof(old, size).unwrap();
            assert_eq!(flat(&path), oracle.prove_consistency((size - old) as usize).as_bytes());
            let old = TreeHead { size: old, root: tree.root_at(old).unwrap() };
            assert_eq!(verify_consistency(&old, &head, &path), Ok(()));
        }
    }
}

#[test]
fn clones_grow_apart_and_rebuilding_gives_the_same_tree() {
    let tree = tree_of(1_000);
    let mut left = tree.clone();
    let mut right = tree.clone();
    left.extend((1_000..1_100).map(hash_of));
    right.extend((2_000..2_300).map(hash_of));
    assert_eq!(tree, tree_of(1_000));
    assert_eq!(left, tree_of(1_100));
    assert_eq!(left.root_at(1_000), Ok(tree.root()));
    assert_eq!(right.root_at(1_000), Ok(tree.root()));
    assert_ne!(right.root_at(1_100), Ok(left.root()));
    assert_eq!(left.leaf_hash(LeafIndex(1_099)), Some(hash_of(1_099)));
    assert_eq!(left.leaf_hash(LeafIndex(1_100)), None);
    assert_eq!(left.complete_subtree(10, 0), left.root_at(1_024).ok());
    assert_eq!(left.complete_subtree(10, 1), None);
}

#[test]
fn what_the_tree_does_not_hold_is_refused() {
    let tree = tree_of(5);
    assert_eq!(tree.root_at(6), Err(TreeFault::Size { asked: 6, size: 5 }));
    assert_eq!(tree.inclusion_proof(LeafIndex(0), 6), Err(TreeFault::Size { asked: 6, size: 5 }));
    let index = LeafIndex(5);
    assert_eq!(tree.inclusion_proof(index, 5), Err(TreeFault::Index { index, size: 5 }));
    assert_eq!(tree.consistency_proof(4, 3), Err(TreeFault::Order { old: 4, new: 3 }));
    assert_eq!(tree.consistency_proof(1, 6), Err(TreeFault::Size { asked: 6, size: 5 }));
    assert_eq!(tree.consistency_proof(0, 5), Ok(vec![]));
    assert_eq!(tree.consistency_proof(5, 5), Ok(vec![]));
}

#[test]
fn proofs_at_the_edges_hold_or_are_refused() {
    let empty = MerkleTree::new().head();
    let head = tree_of(5).head();
    assert_eq!(verify_consistency(&empty, &head, &[]), Ok(()));
    assert_eq!(verify_consistency(&empty, &empty, &[]), Ok(()));
    assert_eq!(verify_consistency(&head, &head, &[]), Ok(()));
    let other = TreeHead { root: Digest([9; 32]), ..head };
    assert_eq!(verify_consistency(&other, &head, &[]), Err(ProofFault::Root));
    let false_empty = TreeHead { root: Digest([9; 32]), ..empty };
    assert_eq!(verify_consistency(&false_empty, &head, &[]), Err(ProofFault::Root));
    assert_eq!(verify_consistency(&empty, &false_empty, &[]), Err(ProofFault::Root));
    assert_eq!(verify_consistency(&head, &empty, &[]), Err(ProofFault::Order { old: 5, new: 0 }));
    let one = Digest::ZERO;
    assert_eq!(verify_consistency(&empty, &head, &[one]), Err(ProofFault::Length { hashes: 1 }));
    let three = TreeHead { size: 3, ..head };
    assert_eq!(verify_consistency(&three, &head, &[]), Err(ProofFault::Length { hashes: 0 }));
    let index = LeafIndex(5);
    assert_eq!(verify_inclusion(&one, index, &[], &head), Err(ProofFault::Index { index, size: 5 }));
    let largest = TreeHead { size: u64::MAX, ..head };
    let longest = vec![one; PATH_HASHES_MAX];
    assert_eq!(verify_inclusion(&one, LeafIndex(0), &longest[1..], &largest), Err(ProofFault::Root));
    let hashes = PATH_HASHES_MAX;
    let refused = Err(ProofFault::Length { hashes });
    assert_eq!(verify_inclusion(&one, LeafIndex(0), &longest, &largest), refused);
    let old = TreeHead { size: (1 << 63) - 1, ..head };
    assert_eq!(verify_consistency(&old, &largest, &longest), Err(ProofFault::Root));
    let refused = Err(ProofFault::Length { hashes: hashes + 1 });
    assert_eq!(verify_consistency(&old, &largest, &vec![one; hashes + 1]), refused);
}

proptest! {
    #[test]
    fn a_proof_shows_one_entry_of_one_log_alone(
        size in 1..3_000_u64, pick in any::<u64>(), other in any::<u64>(), hash in any::<usize>(),
    ) {
        let tree = tree_of(size);
        let (index, head) = (LeafIndex(pick % size), tree.head());
        let path = tree.inclusion_proof(index, size).unwrap();
        let leaf = hash_of(index.get());
        prop_assert_eq!(verify_inclusion(&leaf, index, &path, &head), Ok(()));
        prop_assert!(verify_inclusion(&hash_of(size), index, &path, &head).is_err());
        let elsewhere = LeafIndex(other % size);
        prop_assert_eq!(verify_inclusion(&leaf, elsewhere, &path, &head).is_ok(), elsewhere == index);
        let mut longer = path.clone();
        longer.push(Digest::ZERO);
        prop_assert!(verify_inclusion(&leaf, index, &longer, &head).is_err());
        if let Some((_, shorter)) = path.split_last() {
            prop_assert!(verify_inclusion(&leaf, index, shorter, &head).is_err());
            let mut altered = path.clone();
            altered[hash % path.len()].0[0] ^= 1;
            prop_assert!(verify_inclusion(&leaf, index, &altered, &head).is_err());
        }
    }

    #[test]
    fn a_rewritten_log_is_not_consistent(size in 2..3_000_u64, pick in any::<u64>(), hash in any::<usize>()) {
        let old_size = 1 + pick % (size - 1);
        let rewritten: MerkleTree = (0..size).map(|n| hash_of(if n == pick % old_size { n + size } else { n })).collect();
        let tree = tree_of(size);
        let old = TreeHead { size: old_size, root: tree.root_at(old_size).unwrap() };
        let path = tree.consistency_proof(old_size, size).unwrap();
        prop_assert_eq!(verify_consistency(&old, &tree.head(), &path), Ok(()));
        let forged = rewritten.consistency_proof(old_size, size).unwrap();
        prop_assert!(verify_consistency(&old, &rewritten.head(), &forged).is_err());
        if !path.is_empty() {
            let mut altered = path.clone();
            altered[hash % path.len()].0[31] ^= 128;
            prop_assert!(verify_consistency(&old, &tree.head(), &altered).is_err());
            prop_assert!(verify_consistency(&old, &tree.head(), &path[1..]).is_err());
        }
    }

    #[test]
    fn proofs_from_outside_never_panic(
        old in any::<u64>(), new in any::<u64>(), hashes in 0..70_usize, same in any::<bool>(),
    ) {
        let new = if same { old.saturating_add(3) } else { new };
        let path = vec![Digest([7; 32]); hashes];
        let head = |size| TreeHead { size, root: Digest([7; 32]) };
        prop_assert!(verify_inclusion(&Digest::ZERO, LeafIndex(old), &path, &head(new)).is_err());
        prop_assert!(old == new || verify_consistency(&head(old), &head(new), &path).is_err());
    }
}

fn entry() -> LogEntry {
    let issuer = SubjectKey::from(SecretKey::from_seed([2; 32]).public());
    let timestamp = UnixMillis(1_796_000_000_123);
    LogEntry { timestamp, issuer_key_hash: issuer.spki_hash(), tbs: b"certificate".to_vec() }
}

#[test]
fn an_entry_is_pinned_and_reads_back() {
    let bytes = entry().encode();
    let expected = "0000000001a229f1287b0001KEYHASH00000b63657274696669636174650000";
    assert_eq!(hex::encode(&bytes), expected.replace("KEYHASH", &entry().issuer_key_hash.to_string()));
    assert_eq!(
        entry().issuer_key_hash.to_string(),
        "47dea58ea00fae9417ee19d76755bfef690899021132effb04fe1f9e4f0c8059"
    );
    assert_eq!(
        entry().leaf_hash().to_string(),
        "befff9a50b4cce1f2f53ec26cddfce3e45dfe809a082ad0cc75ed7cb430bdfa2"
    );
    assert_eq!(LogEntry::decode(&bytes), Ok(entry()));
}

#[test]
fn entries_hold_their_form_and_their_limit() {
    let bytes = entry().encode();
    for position in [0, 1, 10, 11, 44, 45, 46, bytes.len() - 2, bytes.len() - 1] {
        let mut altered = bytes.clone();
        altered[position] ^= 1;
        assert_eq!(LogEntry::decode(&altered), Err(EntryFault::Malformed), "{position}");
    }
    for cut in 0..bytes.len() {
        assert_eq!(LogEntry::decode(&bytes[..cut]), Err(EntryFault::Malformed));
    }
    let sized = |bytes| LogEntry { tbs: vec![7; bytes], ..entry() };
    assert_eq!(LogEntry::decode(&sized(TBS_BYTES_MAX).encode()), Ok(sized(TBS_BYTES_MAX)));
    let fault = EntryFault::TooLong { bytes: TBS_BYTES_MAX + 1 };
    assert_eq!(LogEntry::decode(&sized(TBS_BYTES_MAX + 1).encode()), Err(fault));
}

const ORIGIN: &str = "hypermesh.devnet/log";
const TIME: u64 = 1_796_000_000;

fn log_key() -> SecretKey {
    SecretKey::from_seed([5; 32])
}

fn cosigner(number: u8) -> (Cosigner, SecretKey) {
    let key = SecretKey::from_seed([10 + number; 32]);
    (Cosigner { name: format!("node-{number}.hypermesh"), key: key.public() }, key)
}

fn strictly(key: &SecretKey, message: &str) -> StrictSignature {
    key.public().verify_strict(message.as_bytes(), &key.sign_bytes(message.as_bytes())).unwrap()
}

fn line_by(number: u8, checkpoint: &Checkpoint, time: u64) -> NoteSignature {
    let (cosigner, key) = cosigner(number);
    let signature = strictly(&key, &checkpoint.cosignature_message(time));
    NoteSignature::by_cosigner(&cosigner.name, time, &signature).unwrap()
}

fn signed_checkpoint() -> SignedCheckpoint {
    let checkpoint = Checkpoint { origin: ORIGIN.into(), head: tree_of(7).head() };
    let signature = strictly(&log_key(), &checkpoint.body());
    let mut signatures = vec![NoteSignature::by_log(ORIGIN, &signature).unwrap()];
    signatures.extend((1..=3).map(|number| line_by(number, &checkpoint, TIME + u64::from(number))));
    SignedCheckpoint { checkpoint, signatures }
}

fn cosigners() -> Vec<Cosigner> {
    (1..=4).map(|number| cosigner(number).0).collect()
}

#[test]
fn a_checkpoint_is_pinned_and_says_who_cosigned() {
    let signed = signed_checkpoint();
    let note = signed.to_note().unwrap();
    assert_eq!(note, include_str!("checkpoint.note"));
    assert_eq!(SignedCheckpoint::from_note(&note), Ok(signed.clone()));
    let cosigned = signed.verify(&log_key().public(), &cosigners()).unwrap();
    let seen: Vec<_> = cosigned.iter().map(|one| (one.name.as_str(), one.timestamp_seconds)).collect();
    let expected =
        [("node-1.hypermesh", TIME + 1), ("node-2.hypermesh", TIME + 2), ("node-3.hypermesh", TIME + 3)];
    assert_eq!(seen, expected);
}

#[test]
fn another_implementation_verifies_the_log_signature() {
    let verifier_key = log_verifier_key(ORIGIN, &log_key().public()).unwrap();
    let verifier = signed_note::StandardVerifier::new(&verifier_key).unwrap();
    let known = signed_note::VerifierList::new(vec![alloc::boxed::Box::new(verifier)]);
    let note = signed_note::Note::from_bytes(signed_checkpoint().to_note().unwrap().as_bytes()).unwrap();
    let (verified, unverified) = note.verify(&known).unwrap();
    assert_eq!((verified.len(), unverified.len()), (1, 3));
    assert!(cosigner_verifier_key(&cosigner(1).0).unwrap().starts_with("node-1.hypermesh+"));
}

#[test]
fn a_checkpoint_without_the_logs_signature_is_refused() {
    let fault = Err(CheckpointFault::Unsigned { origin: ORIGIN.into() });
    let mut signed = signed_checkpoint();
    assert_eq!(signed.verify(&PublicKey([3; 32]), &cosigners()), fault);
    signed.signatures.remove(0);
    assert_eq!(signed.verify(&log_key().public(), &cosigners()), fault);
    signed.signatures.clear();
    assert_eq!(signed.to_note(), Err(CheckpointFault::Unsigned { origin: ORIGIN.into() }));
}

#[test]
fn an_altered_checkpoint_is_refused_and_the_signer_named() {
    let mut larger = signed_checkpoint();
    larger.checkpoint.head.size += 1;
    let by = |name: &str| Err(CheckpointFault::Signature { name: name.into() });
    assert_eq!(larger.verify(&log_key().public(), &[]), by(ORIGIN));
    let signed = signed_checkpoint();
    let mut redated = signed.clone();
    let (second, key) = cosigner(2);
    let of_another_time = strictly(&key, &redated.checkpoint.cosignature_message(TIME + 1));
    let moved = NoteSignature::by_cosigner(&second.name, TIME, &of_another_time).unwrap();
    redated.signatures[2] = moved;
    assert_eq!(redated.verify(&log_key().public(), &cosigners()), by("node-2.hypermesh"));
    assert_eq!(redated.verify(&log_key().public(), &[]), Ok(vec![]));
    let plain = strictly(&cosigner(4).1, &signed.checkpoint.body());
    let mut as_cosignature = signed;
    as_cosignature.signatures.push(NoteSignature::by_log("node-4.hypermesh", &plain).unwrap());
    assert_eq!(as_cosignature.verify(&log_key().public(), &cosigners()).unwrap().len(), 3);
}

#[test]
fn a_cosigner_counts_once_with_its_newest_line() {
    let mut signed = signed_checkpoint();
    signed.signatures.push(line_by(1, &signed.checkpoint, TIME + 9));
    signed.signatures.push(line_by(1, &signed.checkpoint, TIME));
    let cosigned = signed.verify(&log_key().public(), &cosigners()).unwrap();
    assert_eq!(cosigned.len(), 3);
    assert_eq!(cosigned[0].timestamp_seconds, TIME + 9);
}

#[test]
fn limits_hold_at_them_and_one_past_them() {
    let mut signed = signed_checkpoint();
    let line = signed.signatures[1].clone();
    signed.signatures.resize(SIGNATURE_COUNT_MAX, line.clone());
    let note = signed.to_note().unwrap();
    assert_eq!(SignedCheckpoint::from_note(&note), Ok(signed.clone()));
    signed.signatures.push(line);
    let count = SIGNATURE_COUNT_MAX + 1;
    assert_eq!(signed.to_note(), Err(CheckpointFault::TooManySignatures { count }));
    let (_, last_line) = note.trim_end().rsplit_once('\n').unwrap();
    assert_eq!(
        SignedCheckpoint::from_note(&(note.clone() + last_line + "\n")),
        Err(CheckpointFault::Malformed)
    );
    let signature = strictly(&log_key(), "some text");
    let named = |name: &str| NoteSignature::by_log(name, &signature);
    assert!(named(&"n".repeat(KEY_NAME_BYTES_MAX)).is_ok());
    for name in [String::new(), "n".repeat(KEY_NAME_BYTES_MAX + 1), "a b".into(), "a+b".into(), "a\nb".into()]
    {
        assert_eq!(named(&name), Err(CheckpointFault::KeyName { name }));
    }
    let long = "x".repeat(CHECKPOINT_BYTES_MAX);
    assert_eq!(SignedCheckpoint::from_note(&long), Err(CheckpointFault::Malformed));
    let fault = CheckpointFault::TooLong { bytes: CHECKPOINT_BYTES_MAX + 1 };
    assert_eq!(SignedCheckpoint::from_note(&(long + "x")), Err(fault));
}

#[test]
fn other_texts_of_the_same_checkpoint_are_refused() {
    let note = signed_checkpoint().to_note().unwrap();
    for (good, bad) in [
        ("\n7\n", "\n07\n"),
        ("\n7\n", "\n+7\n"),
        ("\n7\n", "\n-7\n"),
        ("\n7\n", "\n99999999999999999999\n"),
        ("\n7\n", "\n7\nextension\n"),
        ("=\n\n", "\n\n"),
        ("\n\n", "\n"),
        ("— ", "- "),
        ("hypermesh.devnet/log\n", "hypermesh devnet/log\n"),
    ] {
        assert!(SignedCheckpoint::from_note(&note.replacen(good, bad, 1)).is_err(), "{bad:?}");
    }
    assert!(SignedCheckpoint::from_note(&(note + "\n")).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn checkpoints_from_outside_never_panic(
        edits in proptest::collection::vec((any::<usize>(), any::<char>()), 0..4), junk in ".{0,80}", raw in any::<bool>(),
    ) {
        let mut text: Vec<char> = signed_checkpoint().to_note().unwrap().chars().collect();
        for (position, character) in edits {
            let position = position % text.len();
            text[position] = character;
        }
        let text: String = if raw { junk } else { text.into_iter().collect() };
        if let Ok(signed) = SignedCheckpoint::from_note(&text) {
            prop_assert_eq!(signed.to_note(), Ok(text));
            let outcome = signed.verify(&log_key().public(), &cosigners());
            prop_assert!(outcome.is_err() || signed.checkpoint == signed_checkpoint().checkpoint);
        }
    }

    #[test]
    fn entries_from_outside_never_panic(
        edits in proptest::collection::vec((any::<usize>(), any::<u8>()), 0..4), cut in any::<usize>(),
    ) {
        let mut bytes = entry().encode();
        for (position, value) in edits {
            let position = position % bytes.len();
            bytes[position] = value;
        }
        bytes.truncate(cut % (2 * bytes.len()));
        if let Ok(entry) = LogEntry::decode(&bytes) {
            prop_assert_eq!(entry.encode(), bytes);
        }
    }
}
