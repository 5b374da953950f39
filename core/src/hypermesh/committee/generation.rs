//! Distributed key generation of all four keys at once: Pedersen's, as FROST has it (RFC 9591 leaves it
//! open; the FROST paper, figure 1). Needs every validator; any absence, complaint or restart ends the
//! attempt, and a new attempt begins.
//!
//! The order of things, at each validator:
//!
//! 1. [`KeyGeneration::begin`] gives the [`Round1`] that goes on the chain.
//! 2. When the chain has one of every validator: [`KeyGeneration::receive_round1`] gives a [`Round2`] for
//!    each other validator, to be sent over a confidential and authenticated channel.
//! 3. [`KeyGeneration::receive_round2`] takes those of the others, in any order, and with the last of them
//!    gives the keys and this validator's shares.
//! 4. The validator stores its shares and confirms [`CommitteeKeys::digest`] on the chain. The keys are used
//!    when all validators have confirmed the same. This catches the dealer who shows different validators
//!    different packages, which key generation itself does not see.
//!
//! Secrets are held in memory only, and are wiped when the attempt ends, however it ends.

use super::KeyPurpose;
use super::fault::{Accusation, GenerationFault, GenerationFaultReason, InvalidSession};
use super::keys::CommitteeKeys;
use super::secret::{SecretScalar, encode_secret};
use super::shares::KeyShares;
use super::suite::Identifier;
use super::suite::generation::{part1, part2, part3, round1, round2};
use super::suite::keys::{KeyPackage, SecretShare};
use super::transcript::{DealerCommitment, GenerationSession, Round1, Transcript};
use crate::base::{Digest, Entropy, EntropyRng, PublicKey};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};
use core::fmt;
use zeroize::Zeroizing;

/// The private shares that one validator deals to another, for all keys. Secret: wiped when dropped,
/// printed as nothing, for one receiver alone.
#[derive(Clone, BorshSerialize, BorshDeserialize)]
pub struct Round2 {
    session: Digest,
    shares: BTreeMap<KeyPurpose, SecretScalar>,
}

/// What follows from the round-1 packages.
#[derive(Debug)]
#[must_use]
pub struct Dealt {
    /// By validator, what to send to it.
    pub packages: BTreeMap<PublicKey, Round2>,
    /// The outcome, if all the others' round-2 packages had come already.
    pub generated: Option<Generated>,
}

/// The outcome of key generation at one validator.
#[derive(Debug)]
#[must_use]
pub struct Generated {
    /// What everyone may know, and what to confirm on the chain.
    pub keys: CommitteeKeys,
    /// This validator's secret shares, to be stored before anything is confirmed.
    pub shares: KeyShares,
}

/// One validator's part in one attempt at key generation.
///
/// [`KeyGeneration::receive_round1`] is called once. Round-2 packages may come before it and are held. After
/// [`GenerationFault::Accused`] or the outcome, every call gives [`GenerationFault::OutOfOrder`].
pub struct KeyGeneration {
    session: GenerationSession,
    me: PublicKey,
    stage: GenerationStage,
}

enum GenerationStage {
    /// Round 1 is made; the others' is awaited.
    Committed(Committed),
    /// Round 2 is made; the others' is awaited.
    Dealing(Dealing),
    Over,
}

struct Committed {
    secrets: BTreeMap<KeyPurpose, round1::SecretPackage>,
    mine: Round1,
    /// At most one from each other validator.
    early: BTreeMap<PublicKey, Round2>,
}

struct Dealing {
    secrets: BTreeMap<KeyPurpose, round2::SecretPackage>,
    transcript: Transcript,
    received: BTreeMap<PublicKey, Round2>,
}

impl KeyGeneration {
    /// Begins an attempt. The package goes on the chain, signed by this validator.
    ///
    /// # Errors
    /// If the session could not be run; see [`InvalidSession`].
    pub fn begin(
        session: GenerationSession,
        me: PublicKey,
        entropy: &mut dyn Entropy,
    ) -> Result<(Self, Round1), InvalidSession> {
        session.check()?;
        if !session.has(&me) {
            return Err(InvalidSession::NotAValidator { me });
        }
        let count = u16::try_from(session.validators.len()).expect("a session has at most 128 validators");
        let mut secrets = BTreeMap::new();
        let mut commitments = BTreeMap::new();
        for purpose in KeyPurpose::ALL {
            let identifier = session.identifier(purpose, &me);
            let (secret, package) = part1(identifier, count, session.threshold(), EntropyRng(&mut *entropy))
                .expect("a checked session has a threshold that FROST takes");
            commitments.insert(purpose, DealerCommitment::of(&package));
            secrets.insert(purpose, secret);
        }
        let mine = Round1 { session: session.id(), commitments };
        let stage =
            GenerationStage::Committed(Committed { secrets, mine: mine.clone(), early: BTreeMap::new() });
        Ok((Self { session, me, stage }, mine))
    }

    /// Takes everyone's round-1 packages, this validator's own included, as the chain has them.
    ///
    /// # Errors
    /// [`GenerationFault::Accused`] names every validator whose package is missing or wrong (this one, if
    /// the chain has another package of it than it made), or whose early round-2 package is wrong.
    pub fn receive_round1(&mut self, all: &BTreeMap<PublicKey, Round1>) -> Result<Dealt, GenerationFault> {
        if let Some(stranger) = all.keys().find(|sender| !self.session.has(sender)) {
            return Err(GenerationFault::NotAValidator { from: *stranger });
        }
        let GenerationStage::Committed(committed) = &mut self.stage else {
            return Err(GenerationFault::OutOfOrder);
        };
        let early = core::mem::take(&mut committed.early);
        let (dealing, packages) = match core::mem::replace(&mut self.stage, GenerationStage::Over) {
            GenerationStage::Committed(committed) => committed.deal(&self.session, &self.me, all)?,
            GenerationStage::Dealing(_) | GenerationStage::Over => return Err(GenerationFault::OutOfOrder),
        };
        self.stage = GenerationStage::Dealing(dealing);
        let mut generated = None;
        for (from, package) in early {
            generated = self.receive_round2(from, package)?;
        }
        Ok(Dealt { packages, generated })
    }

    /// Takes the round-2 package that `from` sent over an authenticated channel. The last of them gives the
    /// outcome. The same package again changes nothing.
    ///
    /// # Errors
    /// [`GenerationFault::Accused`] if the package is wrong, which ends the attempt;
    /// [`GenerationFault::OtherSession`] and [`GenerationFault::NotAValidator`] change nothing.
    pub fn receive_round2(
        &mut self,
        from: PublicKey,
        package: Round2,
    ) -> Result<Option<Generated>, GenerationFault> {
        if from == self.me || !self.session.has(&from) {
            return Err(GenerationFault::NotAValidator { from });
        }
        if package.session != self.session.id() {
            return Err(GenerationFault::OtherSession { from });
        }
        let accept = match &mut self.stage {
            GenerationStage::Committed(committed) => hold(&mut committed.early, from, package),
            GenerationStage::Dealing(dealing) => dealing.accept(&self.session, &self.me, from, package),
            GenerationStage::Over => return Err(GenerationFault::OutOfOrder),
        };
        if let Err(accusation) = accept {
            self.stage = GenerationStage::Over;
            return Err(GenerationFault::Accused { accusations: BTreeMap::from([(from, accusation)]) });
        }
        match &self.stage {
            GenerationStage::Dealing(dealing)
                if dealing.received.len() + 1 == self.session.validators.len() =>
            {
                let generated = dealing.finish(&self.session, &self.me);
                self.stage = GenerationStage::Over;
                Ok(Some(generated))
            }
            GenerationStage::Committed(_) | GenerationStage::Dealing(_) | GenerationStage::Over => Ok(None),
        }
    }

    /// The validators that this one still waits for: all others, until their round-2 packages have come.
    #[must_use]
    pub fn missing(&self) -> Vec<PublicKey> {
        let received = match &self.stage {
            GenerationStage::Committed(committed) => &committed.early,
            GenerationStage::Dealing(dealing) => &dealing.received,
            GenerationStage::Over => return Vec::new(),
        };
        let awaited = |other: &&PublicKey| **other != self.me && !received.contains_key(*other);
        self.session.validators.iter().filter(awaited).copied().collect()
    }
}

impl Committed {
    fn deal(
        self,
        session: &GenerationSession,
        me: &PublicKey,
        all: &BTreeMap<PublicKey, Round1>,
    ) -> Result<(Dealing, BTreeMap<PublicKey, Round2>), GenerationFault> {
        if all.get(me).is_some_and(|package| *package != self.mine) {
            let accusation = Accusation { purpose: None, reason: GenerationFaultReason::Contradiction };
            return Err(GenerationFault::Accused { accusations: BTreeMap::from([(*me, accusation)]) });
        }
        let transcript = Transcript::check(session, all)?;
        let empty = || Round2 { session: session.id(), shares: BTreeMap::new() };
        let others = session.validators.iter().filter(|other| *other != me);
        let mut packages: BTreeMap<_, _> = others.map(|other| (*other, empty())).collect();
        let mut secrets = BTreeMap::new();
        for (purpose, secret) in self.secrets {
            let (secret, dealt) = part2(secret, &others_of(&transcript, session, purpose, me))
                .expect("the transcript was checked for all that part 2 checks");
            secrets.insert(purpose, secret);
            for (other, package) in &mut packages {
                let share = dealt.get(&session.identifier(purpose, other));
                let share = share.expect("part 2 deals to everyone whose package it was given");
                package.shares.insert(purpose, SecretScalar::of(share.signing_share()));
            }
        }
        Ok((Dealing { secrets, transcript, received: BTreeMap::new() }, packages))
    }
}

impl Dealing {
    fn accept(
        &mut self,
        session: &GenerationSession,
        me: &PublicKey,
        from: PublicKey,
        package: Round2,
    ) -> Result<(), Accusation> {
        for purpose in KeyPurpose::ALL {
            let accuse = |reason| Accusation { purpose: Some(purpose), reason };
            let share = package.shares.get(&purpose).and_then(SecretScalar::signing_share);
            let share = share.ok_or(accuse(GenerationFaultReason::Malformed))?;
            let dealer = session.identifier(purpose, &from);
            let dealt = self.transcript.packages.get(&purpose).and_then(|packages| packages.get(&dealer));
            let commitment = dealt.expect("the transcript has everyone").commitment().clone();
            SecretShare::new(session.identifier(purpose, me), share, commitment)
                .verify()
                .map_err(|_| accuse(GenerationFaultReason::InvalidShare))?;
        }
        hold(&mut self.received, from, package)
    }

    fn finish(&self, session: &GenerationSession, me: &PublicKey) -> Generated {
        let packages = self.secrets.iter().map(|(purpose, secret)| {
            let received = self.received.iter().map(|(from, package)| {
                let share = package.shares.get(purpose).and_then(SecretScalar::signing_share);
                let share = share.expect("a package is kept only if its shares were good");
                (session.identifier(*purpose, from), round2::Package::new(share))
            });
            let others = others_of(&self.transcript, session, *purpose, me);
            let (package, _) = part3(secret, &others, &received.collect())
                .expect("every package was checked for all that part 3 checks");
            (*purpose, package)
        });
        let packages: BTreeMap<KeyPurpose, KeyPackage> = packages.collect();
        let keys = self.transcript.keys.clone();
        for (purpose, package) in &packages {
            let public = package.verifying_key().serialize().ok();
            let derived = keys.public(*purpose).map(|key| key.0.to_vec());
            assert_eq!(public, derived, "both ways to the group key lead to the same");
        }
        Generated { shares: KeyShares::new(keys.digest(), &packages), keys }
    }
}

fn others_of(
    transcript: &Transcript,
    session: &GenerationSession,
    purpose: KeyPurpose,
    me: &PublicKey,
) -> BTreeMap<Identifier, round1::Package> {
    let mut packages = transcript.packages.get(&purpose).cloned().unwrap_or_default();
    packages.remove(&session.identifier(purpose, me));
    packages
}

/// Keeps the first package of a sender, and lets it say the same again.
fn hold(
    packages: &mut BTreeMap<PublicKey, Round2>,
    from: PublicKey,
    package: Round2,
) -> Result<(), Accusation> {
    match packages.get(&from) {
        Some(first) if !first.same(&package) => {
            Err(Accusation { purpose: None, reason: GenerationFaultReason::Contradiction })
        }
        Some(_) => Ok(()),
        None => {
            packages.insert(from, package);
            Ok(())
        }
    }
}

impl Round2 {
    /// The most bytes that [`Round2::to_bytes`] gives.
    pub const BYTES_MAX: usize = 32 + 4 + KeyPurpose::ALL.len() * (1 + 32);

    /// The package's canonical encoding, in memory that is wiped when dropped.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        encode_secret(self, Self::BYTES_MAX)
    }

    /// Whether both deal the same shares.
    fn same(&self, other: &Self) -> bool {
        let shares = self.shares.iter().zip(&other.shares);
        self.shares.len() == other.shares.len()
            && shares.fold(true, |same, (one, two)| same & (one.0 == two.0) & one.1.same(two.1))
    }
}

impl fmt::Debug for Round2 {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Round2(for session {:?})", self.session)
    }
}

impl fmt::Debug for KeyGeneration {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = match self.stage {
            GenerationStage::Committed(_) => "committed",
            GenerationStage::Dealing(_) => "dealing",
            GenerationStage::Over => "over",
        };
        write!(formatter, "KeyGeneration(attempt {}, {stage})", self.session.attempt)
    }
}
