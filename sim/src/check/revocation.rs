//! A revoked certificate stays revoked, and no key of a revoked or expired one is published.

use super::Violation;
use crate::base::NodeIndex;
use hypermesh_core::base::Height;
use hypermesh_core::state::{Certificate, Published, Revocation, Revoked, State};
use hypermesh_core::trustchain::ca::SerialNumber;
use std::collections::BTreeMap;

/// Watches revocations.
#[derive(Default)]
pub struct RevocationCheck {
    /// What was seen to be revoked, and from which height on.
    revoked: BTreeMap<SerialNumber, (Revocation, Height)>,
}

impl RevocationCheck {
    /// Looks at a state that a node has come to.
    ///
    /// # Errors
    /// If a certificate that was revoked is so no longer, or is not in the list, or a key is published that should not
    /// be.
    pub fn on_state(&mut self, place: NodeIndex, state: &State) -> Result<(), Violation> {
        let height = state.height();
        let broken = |what: String| {
            Err(Violation::new("revocation", format!("node-{} at height {height}: {what}", place + 1)))
        };
        for (key, _) in state.rows::<Revoked>(Vec::new()) {
            let serial = SerialNumber::from_bytes(&key).ok();
            let found =
                serial.and_then(|serial| Some((serial, state.get::<Certificate>(&serial)?.revocation?)));
            let Some((serial, revocation)) = found else {
                return broken("the list has a certificate that is not revoked".to_string());
            };
            self.revoked.entry(serial).or_insert((revocation, height));
        }
        for (serial, (revocation, since)) in &self.revoked {
            // A node that crashed may come back with less than it had, and catches up.
            if *since > height {
                continue;
            }
            let row = state.get::<Certificate>(serial);
            if row.as_ref().and_then(|row| row.revocation) != Some(*revocation) {
                return broken(format!("{serial} was revoked at {}, and is so no longer", revocation.at));
            }
            let holds = row.is_some_and(|row| row.not_after >= state.time());
            if holds && state.get::<Revoked>(serial).is_none() {
                return broken(format!("{serial} is revoked, and missing in the list"));
            }
        }
        for (_, published) in state.rows::<Published>(Vec::new()) {
            for (serial, _) in published.keys {
                let row = state.get::<Certificate>(&serial);
                if !row.is_some_and(|row| row.revocation.is_none() && row.not_after >= state.time()) {
                    return broken(format!("{serial} holds no longer, and its key is published"));
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::{Participants, name};
    use hypermesh_core::base::{Digest, LeafIndex, UnixMillis};
    use hypermesh_core::state::{OperationId, StateDraft};
    use hypermesh_core::trustchain::ca::{RevocationReason, SubjectNames};

    const REASON: RevocationReason = RevocationReason::Superseded;

    fn serial() -> SerialNumber {
        SerialNumber::from_operation(&Digest([1; 32]))
    }

    /// A state after genesis with one certificate, as `change` makes it.
    fn state(change: impl FnOnce(&mut StateDraft, Certificate)) -> State {
        let participants = Participants::new(4);
        let (state, _) = State::genesis(participants.genesis.clone());
        let certificate = Certificate {
            owner: participants.client.public(),
            operation: OperationId(Digest([2; 32])),
            names: SubjectNames::new(vec![name("web.demo.hypermesh")], Vec::new(), None).unwrap(),
            precertificate: Digest([3; 32]),
            leaf_index: LeafIndex(1),
            height: Height(1),
            not_before: state.time(),
            not_after: state.time().plus(1000),
            tlsa: Vec::new(),
            subject_key: Digest([4; 32]),
            issued: state.time(),
            revocation: None,
        };
        let mut draft = state.draft();
        change(&mut draft, certificate);
        draft.finish().0
    }

    fn revoke(draft: &mut StateDraft, certificate: Certificate) {
        let (at, not_after) = (certificate.issued, certificate.not_after);
        let revocation = Some(Revocation { at, reason: REASON, list: 2 });
        draft.put(&serial(), &Certificate { revocation, ..certificate });
        draft.put(&serial(), &Revoked { at, reason: REASON, not_after });
    }

    fn fires(states: &[State]) -> bool {
        let mut check = RevocationCheck::default();
        states.iter().any(|state| check.on_state(0, state).is_err_and(|it| it.check == "revocation"))
    }

    #[test]
    fn it_fires_when_a_revoked_certificate_is_good_again() {
        let revoked = state(revoke);
        let good = state(|draft, certificate| draft.put(&serial(), &certificate));
        assert!(!fires(&[good.clone(), revoked.clone(), revoked.clone()]));
        assert!(fires(&[revoked.clone(), good]));
        let unlisted = state(|draft, certificate| {
            revoke(draft, certificate);
            draft.remove::<Revoked>(&serial());
        });
        assert!(fires(&[revoked, unlisted]));
        let listed = state(|draft, certificate| {
            let (at, not_after) = (certificate.issued, certificate.not_after);
            draft.put(&serial(), &certificate);
            draft.put(&serial(), &Revoked { at, reason: REASON, not_after });
        });
        assert!(fires(&[listed]));
    }

    #[test]
    fn it_fires_when_a_key_is_published_that_should_not_be() {
        let at = name("_443._tcp.web.demo.hypermesh");
        let publish = |draft: &mut StateDraft| {
            draft.put(&at, &Published { keys: vec![(serial(), Digest([4; 32]))] });
        };
        let good = state(|draft, certificate| {
            publish(draft);
            draft.put(&serial(), &certificate);
        });
        let revoked = state(|draft, certificate| {
            publish(draft);
            revoke(draft, certificate);
        });
        let expired = state(|draft, certificate| {
            publish(draft);
            draft.put(&serial(), &Certificate { not_after: UnixMillis(1), ..certificate });
        });
        assert!(!fires(&[good]) && fires(&[revoked]) && fires(&[expired]));
    }
}
