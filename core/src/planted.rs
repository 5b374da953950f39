//! Bugs that are planted on purpose, so that the simulator can be seen to find them.
//!
//! They exist only under `--cfg hypermesh_planted`, with which nothing that ships compiles; one of them is chosen
//! when a run begins. In every other build [`is`] is the constant `false`, and the branches that ask are gone.

/// A planted bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Bug {
    /// Votes leave before the log of votes holds them.
    WalSkipped = 1,
    /// Two of four are taken for a quorum.
    QuorumOffByOne,
    /// A batch is taken without a look at its four proofs.
    ProofCheckSkipped,
    /// A signer hands out each nonce twice.
    NonceReused,
    /// A certificate is approved and signed, and its log entry left for later.
    LogAfterSigning,
    /// Blocks of peers are applied without a look at their commit certificates.
    SyncUnchecked,
    /// An operation that comes again is carried out again, free of charge.
    FreeRetry,
    /// Answers are said to be of now, however old they are.
    AnswerWithoutAge,
    /// Of a certificate's names, the owner of the first alone is looked at.
    FirstOwnerOnly,
    /// Of a certificate's addresses, the first alone has to be at one of its names.
    FirstAddressOnly,
    /// A certificate may bear anybody's SPIFFE ID.
    IdentityUnchecked,
    /// Anybody may revoke any certificate.
    RevocationByAnybody,
    /// A certificate's key is published at names of others.
    PublishedAnywhere,
    /// A name that is not paid for any more is answered as ever.
    LapsedServed,
    /// A finished signature of a peer is kept if it holds by ZIP-215, by which others do not verify.
    LenientSignature,
    /// A key that was reported as compromised is certified as ever.
    CompromisedKeyTaken,
    /// Anybody may take back any name that was granted.
    ReclaimByAnybody,
    /// A grant holds past its end.
    GrantOutlivesItsEnd,
}

impl Bug {
    /// Every one.
    pub const ALL: [Self; 18] = [
        Self::WalSkipped,
        Self::QuorumOffByOne,
        Self::ProofCheckSkipped,
        Self::NonceReused,
        Self::LogAfterSigning,
        Self::SyncUnchecked,
        Self::FreeRetry,
        Self::AnswerWithoutAge,
        Self::FirstOwnerOnly,
        Self::FirstAddressOnly,
        Self::IdentityUnchecked,
        Self::RevocationByAnybody,
        Self::PublishedAnywhere,
        Self::LapsedServed,
        Self::LenientSignature,
        Self::CompromisedKeyTaken,
        Self::ReclaimByAnybody,
        Self::GrantOutlivesItsEnd,
    ];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::WalSkipped => "wal-skipped",
            Self::QuorumOffByOne => "quorum-off-by-one",
            Self::ProofCheckSkipped => "proof-check-skipped",
            Self::NonceReused => "nonce-reused",
            Self::LogAfterSigning => "log-after-signing",
            Self::SyncUnchecked => "sync-unchecked",
            Self::FreeRetry => "free-retry",
            Self::AnswerWithoutAge => "answer-without-age",
            Self::FirstOwnerOnly => "first-owner-only",
            Self::FirstAddressOnly => "first-address-only",
            Self::IdentityUnchecked => "identity-unchecked",
            Self::RevocationByAnybody => "revocation-by-anybody",
            Self::PublishedAnywhere => "published-anywhere",
            Self::LapsedServed => "lapsed-served",
            Self::LenientSignature => "lenient-signature",
            Self::CompromisedKeyTaken => "compromised-key-taken",
            Self::ReclaimByAnybody => "reclaim-by-anybody",
            Self::GrantOutlivesItsEnd => "grant-outlives-its-end",
        }
    }
}

#[cfg(not(hypermesh_planted))]
/// Whether this bug is in force: never in this build.
#[must_use]
pub const fn is(_bug: Bug) -> bool {
    false
}

#[cfg(hypermesh_planted)]
pub use chosen::{is, plant};

#[cfg(hypermesh_planted)]
mod chosen {
    use super::Bug;
    use core::sync::atomic::{AtomicUsize, Ordering};

    static CHOSEN: AtomicUsize = AtomicUsize::new(0);

    /// Plants a bug, for the life of the process.
    pub fn plant(bug: Bug) {
        CHOSEN.store(bug as usize, Ordering::Relaxed);
    }

    /// Whether this bug is in force.
    #[must_use]
    pub fn is(bug: Bug) -> bool {
        CHOSEN.load(Ordering::Relaxed) == bug as usize
    }
}
