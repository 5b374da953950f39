//! A memory of signatures that were verified, for simulations: their nodes are many, on one thread, and each verifies
//! what the others have verified.
//!
//! Only compiled in under rustc's `--cfg hypermesh_verification_cache`, which everything that touches a network refuses.
//! It cannot change a verdict: what is remembered is what verification by the same rule said of exactly these bytes (key,
//! message and signature, compared whole, not by a hash), and verification depends on nothing else. It is bounded, and
//! forgets all at once.

extern crate std;

use super::{PublicKey, Signature};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

/// The most verdicts that are remembered.
const VERDICT_COUNT_MAX: usize = 1 << 16;
/// The longest message of which a verdict is remembered.
const MESSAGE_BYTES_MAX: usize = 1 << 13;

/// By which rule a signature was checked: the two may differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rule {
    /// ZIP-215.
    Cofactored,
    /// RFC 8032 without the cofactor.
    Strict,
}

/// What was said of the messages that came with one key and signature: nearly always one.
type Verdicts = Vec<(Box<[u8]>, bool)>;

std::thread_local! {
    static KNOWN: RefCell<BTreeMap<(Rule, PublicKey, Signature), Verdicts>> = const { RefCell::new(BTreeMap::new()) };
    static COUNT: Cell<usize> = const { Cell::new(0) };
    static OFF: Cell<bool> = const { Cell::new(false) };
}

/// This thread's memory of verdicts.
#[derive(Debug)]
pub struct VerdictCache;

impl VerdictCache {
    /// How many verdicts are remembered.
    #[must_use]
    pub fn count() -> usize {
        COUNT.get()
    }

    /// Forgets everything, and remembers nothing more unless `on`.
    pub fn reset(on: bool) {
        KNOWN.with_borrow_mut(BTreeMap::clear);
        COUNT.set(0);
        OFF.set(!on);
    }
}

/// Whether this signature holds, as `verify` says or said.
pub(super) fn recall(
    rule: Rule,
    key: &PublicKey,
    message: &[u8],
    signature: &Signature,
    verify: impl FnOnce() -> bool,
) -> bool {
    if OFF.get() || message.len() > MESSAGE_BYTES_MAX {
        return verify();
    }
    let name = (rule, *key, *signature);
    let known = KNOWN.with_borrow(|known| {
        let verdicts = known.get(&name)?;
        verdicts.iter().find(|(of, _)| **of == *message).map(|(_, verdict)| *verdict)
    });
    known.unwrap_or_else(|| {
        let verdict = verify();
        if COUNT.get() >= VERDICT_COUNT_MAX {
            VerdictCache::reset(true);
        }
        COUNT.set(COUNT.get() + 1);
        KNOWN.with_borrow_mut(|known| known.entry(name).or_default().push((message.into(), verdict)));
        verdict
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SecretKey;

    /// What verification says, remembered.
    fn verify(key: &PublicKey, message: &[u8], signature: &Signature) -> bool {
        recall(Rule::Strict, key, message, signature, || key.verify_strict(message, signature).is_ok())
    }

    fn flipped<const BYTES: usize>(mut bytes: [u8; BYTES], bit: usize) -> [u8; BYTES] {
        bytes[bit / 8] ^= 1 << (bit % 8);
        bytes
    }

    #[test]
    fn what_is_one_bit_away_from_something_good_is_refused() {
        VerdictCache::reset(true);
        let key = SecretKey::from_seed([5; 32]);
        let (public, message, signature) = (key.public(), [7_u8; 40], key.sign_bytes(&[7; 40]));
        for _ in 0..2 {
            assert!(verify(&public, &message, &signature));
            assert_eq!(VerdictCache::count(), 1);
        }
        for bit in 0..message.len() * 8 {
            assert!(!verify(&public, &flipped(message, bit), &signature), "message, bit {bit}");
        }
        for bit in 0..signature.0.len() * 8 {
            let forged = Signature(flipped(signature.0, bit));
            assert!(!verify(&public, &message, &forged), "signature, bit {bit}");
        }
        for bit in 0..public.0.len() * 8 {
            assert!(!verify(&PublicKey(flipped(public.0, bit)), &message, &signature), "key, bit {bit}");
        }
        assert_eq!(VerdictCache::count(), 1 + (40 + 64 + 32) * 8);
        assert!(verify(&public, &message, &signature));
    }

    #[test]
    fn a_bad_verdict_stays_bad_and_a_good_one_good() {
        VerdictCache::reset(true);
        let key = SecretKey::from_seed([6; 32]);
        let (good, bad) = (key.sign_bytes(b"message"), Signature([9; 64]));
        for _ in 0..3 {
            assert!(!verify(&key.public(), b"message", &bad));
            assert!(verify(&key.public(), b"message", &good));
        }
        assert_eq!(VerdictCache::count(), 2);
    }

    #[test]
    fn what_is_remembered_is_not_verified_again_and_nothing_is_when_it_is_off() {
        let ask =
            |verdict| recall(Rule::Strict, &PublicKey([1; 32]), b"message", &Signature([2; 64]), || verdict);
        VerdictCache::reset(true);
        assert!(ask(true) && ask(false), "the first verdict stands");
        let other = recall(Rule::Cofactored, &PublicKey([1; 32]), b"message", &Signature([2; 64]), || false);
        assert!(!other, "a verdict by one rule is none by the other");
        VerdictCache::reset(false);
        assert!(ask(true) && !ask(false), "each is asked for");
    }

    #[test]
    fn the_memory_is_bounded() {
        VerdictCache::reset(true);
        let key = PublicKey([1; 32]);
        for number in 0..=VERDICT_COUNT_MAX as u64 {
            let mut signature = Signature([0; 64]);
            signature.0[..8].copy_from_slice(&number.to_le_bytes());
            assert!(recall(Rule::Strict, &key, b"message", &signature, || true));
            assert!(VerdictCache::count() <= VERDICT_COUNT_MAX);
        }
        assert_eq!(VerdictCache::count(), 1);
        let (at, past) = (alloc::vec![0; MESSAGE_BYTES_MAX], alloc::vec![0; MESSAGE_BYTES_MAX + 1]);
        let counts = [&at, &past].map(|message| {
            assert!(!recall(Rule::Strict, &key, message, &Signature([1; 64]), || false));
            VerdictCache::count()
        });
        assert_eq!(counts, [2, 2]);
    }
}
