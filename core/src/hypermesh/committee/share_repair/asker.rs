//! One who lost its shares: adds up what the helpers send.

use super::{BlindedShares, RepairCommitments, RepairFault, RepairSession};
use crate::base::PublicKey;
use crate::hypermesh::committee::keys::Committee;
use crate::hypermesh::committee::suite::repairable::{Sigma, repair_share_part3};
use crate::hypermesh::committee::suite::{Element, Group as _, SuiteGroup, decode_element, encode_element};
use crate::hypermesh::committee::{KeyPurpose, KeyShares};
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

/// The part of the validator that lost its shares. It keeps no secret of its own, so it can be made again after a
/// restart.
pub struct RepairAsker {
    session: RepairSession,
    committee: Arc<Committee>,
    /// For each helper, the public half that its sum must have.
    expected: BTreeMap<PublicKey, BTreeMap<KeyPurpose, [u8; 32]>>,
    received: BTreeMap<PublicKey, BlindedShares>,
}

impl RepairAsker {
    /// The asker's part, once the chain has the commitments of all helpers, which it has checked. `None` if one of them
    /// is missing after all.
    #[must_use]
    pub fn new(
        session: RepairSession,
        committee: Arc<Committee>,
        commitments: &BTreeMap<PublicKey, RepairCommitments>,
    ) -> Option<Self> {
        let mut expected: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
        for (position, helper) in session.helpers.iter().enumerate() {
            for purpose in KeyPurpose::ALL {
                let mut sum: Element = SuiteGroup::identity();
                for other in &session.helpers {
                    sum += decode_element(commitments.get(other)?.of(purpose, position)?)?;
                }
                expected.entry(*helper).or_default().insert(purpose, encode_element(&sum));
            }
        }
        Some(Self { session, committee, expected, received: BTreeMap::new() })
    }

    /// The request.
    #[must_use]
    pub const fn session(&self) -> &RepairSession {
        &self.session
    }

    /// Takes what a helper sent over an authenticated channel. The last of them gives the shares, which were checked
    /// against their public halves.
    ///
    /// # Errors
    /// [`RepairFault::Accused`] if it does not match what the chain has; the others change nothing.
    pub fn receive(
        &mut self,
        from: PublicKey,
        package: BlindedShares,
    ) -> Result<Option<KeyShares>, RepairFault> {
        let expected = self.expected.get(&from).ok_or(RepairFault::NotAHelper { from })?;
        if package.session != self.session.id() {
            return Err(RepairFault::OtherSession { from });
        }
        let half = |purpose| expected.get(&purpose).copied();
        package.check(half).map_err(|accusation| RepairFault::Accused { validator: from, accusation })?;
        self.received.insert(from, package);
        if !self.missing().is_empty() {
            return Ok(None);
        }
        let shares = self.shares().ok_or(RepairFault::InconsistentKeys)?;
        // What part 3 of the scheme gives is not checked by it.
        shares.check(&self.committee, &self.session.validator).map_err(|_| RepairFault::InconsistentKeys)?;
        Ok(Some(shares))
    }

    /// The helpers that have not sent their part.
    #[must_use]
    pub fn missing(&self) -> Vec<PublicKey> {
        let helpers = self.session.helpers.iter();
        helpers.filter(|helper| !self.received.contains_key(helper)).copied().collect()
    }

    fn shares(&self) -> Option<KeyShares> {
        let mut packages = BTreeMap::new();
        for purpose in KeyPurpose::ALL {
            let sigma = |package: &BlindedShares| {
                let scalar = package.scalars.get(&purpose)?.signing_share()?;
                Sigma::deserialize(&scalar.serialize()).ok()
            };
            let sigmas: Vec<Sigma> = self.received.values().map(sigma).collect::<Option<_>>()?;
            let identifier = self.session.identifier(purpose, &self.session.validator);
            let package = repair_share_part3(&sigmas, identifier, &self.committee.group(purpose).package);
            packages.insert(purpose, package.ok()?);
        }
        Some(KeyShares::new(self.committee.digest(), &packages))
    }
}

impl fmt::Debug for RepairAsker {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "RepairAsker({:?}, {} received)", self.session.id(), self.received.len())
    }
}
