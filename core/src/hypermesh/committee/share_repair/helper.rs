//! One who helps: splits what it contributes, checks what the others split, and adds up what is for the asker.

use super::{BlindedShares, InvalidRepair, RepairCommitments, RepairFault, RepairSession, public_half};
use crate::base::{Entropy, EntropyRng, PublicKey};
use crate::hypermesh::committee::fault::{Accusation, GenerationFaultReason};
use crate::hypermesh::committee::keys::Committee;
use crate::hypermesh::committee::secret::SecretScalar;
use crate::hypermesh::committee::suite::Suite;
use crate::hypermesh::committee::suite::keys::SigningShare;
use crate::hypermesh::committee::suite::repairable::{Delta, repair_share_part1, repair_share_part2};
use crate::hypermesh::committee::{KeyPurpose, KeyShares};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::fmt;

/// One helper's part in one repair. In memory only: a restart ends the request.
pub struct RepairHelper {
    session: RepairSession,
    me: PublicKey,
    commitments: RepairCommitments,
    /// For each helper, this one included, its summands.
    deltas: BTreeMap<PublicKey, BlindedShares>,
    /// Of each helper, this one included, the summands for this one.
    received: BTreeMap<PublicKey, BlindedShares>,
}

impl RepairHelper {
    /// Splits what this validator contributes. The commitments go on the chain, signed by it.
    ///
    /// # Errors
    /// If it is no helper of this request, or `shares` are not its own.
    pub fn begin(
        session: RepairSession,
        committee: &Committee,
        me: PublicKey,
        shares: &KeyShares,
        entropy: &mut dyn Entropy,
    ) -> Result<Self, InvalidRepair> {
        if session.position(&me).is_none() || committee.digest() != session.committee {
            return Err(InvalidRepair::NoShare);
        }
        let packages = shares.packages(committee, &me).map_err(|_| InvalidRepair::NoShare)?;
        let id = session.id();
        let empty = || BlindedShares { session: id, scalars: BTreeMap::new() };
        let mut deltas: BTreeMap<PublicKey, BlindedShares> =
            session.helpers.iter().map(|helper| (*helper, empty())).collect();
        let mut points: BTreeMap<KeyPurpose, Vec<[u8; 32]>> = BTreeMap::new();
        for (purpose, package) in &packages {
            let identifiers: Vec<_> =
                session.helpers.iter().map(|helper| session.identifier(*purpose, helper)).collect();
            let asker = session.identifier(*purpose, &session.validator);
            let split =
                repair_share_part1::<Suite, _>(&identifiers, package, &mut EntropyRng(&mut *entropy), asker)
                    .map_err(|_| InvalidRepair::NoShare)?;
            for (helper, identifier) in session.helpers.iter().zip(&identifiers) {
                let delta = split.get(identifier).ok_or(InvalidRepair::NoShare)?;
                let scalar = scalar_of(&delta.serialize()).ok_or(InvalidRepair::NoShare)?;
                let half = public_half(&scalar).ok_or(InvalidRepair::NoShare)?;
                points.entry(*purpose).or_default().push(half);
                if let Some(package) = deltas.get_mut(helper) {
                    package.scalars.insert(*purpose, scalar);
                }
            }
        }
        let commitments = RepairCommitments { session: id, points };
        assert_eq!(commitments.check(&session, &me), Ok(()), "what was split adds up again");
        let received = deltas.get(&me).map(|own| (me, own.clone())).into_iter().collect();
        Ok(Self { session, me, commitments, deltas, received })
    }

    /// What goes on the chain.
    #[must_use]
    pub const fn commitments(&self) -> &RepairCommitments {
        &self.commitments
    }

    /// The request.
    #[must_use]
    pub const fn session(&self) -> &RepairSession {
        &self.session
    }

    /// For each other helper, what to send to it once everyone's commitments are on the chain.
    pub fn deltas(&self) -> impl Iterator<Item = (PublicKey, BlindedShares)> {
        self.deltas
            .iter()
            .filter(|(helper, _)| **helper != self.me)
            .map(|(to, package)| (*to, package.clone()))
    }

    /// Takes what another helper sent over an authenticated channel. `committed` is what the chain has of it, checked.
    /// With the last of them gives what to send to the asker, and again whenever called after that.
    ///
    /// # Errors
    /// [`RepairFault::Accused`] if it does not match; the others change nothing.
    pub fn receive(
        &mut self,
        from: PublicKey,
        package: BlindedShares,
        committed: &RepairCommitments,
    ) -> Result<Option<BlindedShares>, RepairFault> {
        if from == self.me || self.session.position(&from).is_none() {
            return Err(RepairFault::NotAHelper { from });
        }
        if package.session != self.session.id() || committed.session != self.session.id() {
            return Err(RepairFault::OtherSession { from });
        }
        let mine = self.session.position(&self.me).unwrap_or_default();
        let half = |purpose| committed.of(purpose, mine).copied();
        package.check(half).map_err(|accusation| RepairFault::Accused { validator: from, accusation })?;
        self.received.insert(from, package);
        self.sum().map_err(|accusation| RepairFault::Accused { validator: from, accusation })
    }

    fn sum(&self) -> Result<Option<BlindedShares>, Accusation> {
        if self.received.len() < self.session.helpers.len() {
            return Ok(None);
        }
        let mut scalars = BTreeMap::new();
        for purpose in KeyPurpose::ALL {
            let malformed = Accusation { purpose: Some(purpose), reason: GenerationFaultReason::Malformed };
            let deltas = self.received.values().map(|package| delta_of(package.scalars.get(&purpose)?));
            let deltas: Vec<Delta> = deltas.collect::<Option<_>>().ok_or(malformed)?;
            let sigma = scalar_of(&repair_share_part2(&deltas).serialize()).ok_or(malformed)?;
            scalars.insert(purpose, sigma);
        }
        Ok(Some(BlindedShares { session: self.session.id(), scalars }))
    }
}

impl fmt::Debug for RepairHelper {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "RepairHelper({:?}, {} received)", self.session.id(), self.received.len())
    }
}

fn scalar_of(bytes: &[u8]) -> Option<SecretScalar> {
    SigningShare::deserialize(bytes).ok().map(|share| SecretScalar::of(&share))
}

fn delta_of(scalar: &SecretScalar) -> Option<Delta> {
    Delta::deserialize(&scalar.signing_share()?.serialize()).ok()
}
