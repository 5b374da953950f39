//! The log as its readers get it: checkpoints, entries, inclusion and consistency proofs.
#![no_main]

use hypermesh_core::base::{Digest, LeafIndex, encode};
use hypermesh_core::trustchain::ct::{
    CHECKPOINT_BYTES_MAX, LogEntry, SIGNATURE_COUNT_MAX, SignedCheckpoint, TreeHead, verify_consistency,
    verify_inclusion,
};
use hypermesh_fuzz::{canonical, member, select, text};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((which, bytes)) = select(input) else { return };
    match which % 4 {
        0 => {
            let Some(text) = text(bytes) else { return };
            let Ok(signed) = SignedCheckpoint::from_note(text) else { return };
            assert!(text.len() <= CHECKPOINT_BYTES_MAX && signed.signatures.len() <= SIGNATURE_COUNT_MAX);
            assert_eq!(signed.to_note().as_deref(), Ok(text));
            assert!(signed.verify(&member(), &[]).is_err(), "this key signed nothing");
        }
        1 => {
            let Ok(entry) = LogEntry::decode(bytes) else { return };
            assert_eq!(entry.encode(), bytes);
        }
        2 => {
            type Asked = (Digest, LeafIndex, Vec<Digest>, TreeHead);
            let Some((leaf, index, path, head)) = canonical::<Asked>(bytes, 1 << 14) else { return };
            if verify_inclusion(&leaf, index, &path, &head).is_ok() {
                assert!(index.get() < head.size && path.len() <= 64);
                let other = Digest(blake(&leaf));
                assert!(verify_inclusion(&other, index, &path, &head).is_err(), "two leaves at one place");
            }
        }
        _ => {
            type Asked = (TreeHead, TreeHead, Vec<Digest>);
            let Some((old, new, path)) = canonical::<Asked>(bytes, 1 << 14) else { return };
            if verify_consistency(&old, &new, &path).is_ok() {
                assert!(old.size <= new.size && (old.size < new.size || old.root == new.root));
                assert!(encode(&path).len() <= 1 << 14);
            }
        }
    }
});

/// Another digest.
fn blake(digest: &Digest) -> [u8; 32] {
    let mut other = digest.0;
    other[31] ^= 1;
    other
}
