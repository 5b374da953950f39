//! What happens by the validators' word and by time alone: key generation, beacons, and what falls due.

use crate::base::{Digest, Domain, PublicKey, UnixMillis};
use crate::hypermesh::committee::{CommitteeKeys, Round1, derive_keys};
use crate::hypermesh::proof::retarget;
use crate::hypermesh::reveal_link;
use crate::state::block::execute::BlockPosition;
use crate::state::{
    ABORT_REASON_BYTES_MAX, ActiveCommittee, BLOCK_OPERATION_COUNT_MAX, Beacon, Certificate, Due,
    ENDED_ROW_COUNT_MAX, FREED_ROW_COUNT_MAX, Generation, Receipt, StateDraft, SystemAction, SystemOperation,
    Validator,
};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// At most this many things fall due in one block; the rest wait for the next. An operation makes two at most, its
/// receipt's and one for what it did, so no backlog grows however full the blocks are. After a standstill there can be one:
/// so nothing but work is done here, and what holds at which time is judged by times where it matters.
const DUE_COUNT_MAX: usize = 3 * BLOCK_OPERATION_COUNT_MAX;

const NEXT_BEACON: Domain = Domain::new("hypermesh v1 next beacon");

impl StateDraft {
    /// Carries out a system operation, if it may happen now.
    pub(in crate::state) fn apply_system(
        &mut self,
        operation: &SystemOperation,
        proposer: &PublicKey,
        position: BlockPosition,
    ) -> bool {
        let state = self.state();
        let validator = operation.validator;
        if !state.validators().contains(&validator) || !operation.is_signed(&state.genesis_hash()) {
            return false;
        }
        match &operation.action {
            SystemAction::Reveal(preimage) => validator == *proposer && self.reveal(validator, *preimage),
            SystemAction::GenerationRound1 { attempt, package } => {
                self.round1(validator, *attempt, package, position)
            }
            SystemAction::GenerationConfirm { attempt, keys } => {
                self.confirm(validator, *attempt, keys, position)
            }
            SystemAction::Accuse(offence) => self.punish(offence, operation.id(), position),
            SystemAction::Repair(action) => self.apply_repair(validator, action, position),
            SystemAction::GenerationAbort { attempt, accused, reason } => {
                let bounded = reason.len() <= ABORT_REASON_BYTES_MAX
                    && accused.iter().all(|key| self.state().validators().contains(key))
                    && accused.is_sorted_by(|a, b| a < b);
                bounded
                    && self.generation(*attempt).is_some_and(|generation| {
                        self.begin_again(&generation, validator, reason.clone(), position);
                        true
                    })
            }
        }
    }

    fn reveal(&mut self, validator: PublicKey, preimage: Digest) -> bool {
        let mut beacon = self.state().beacon();
        let row = self.state().get::<Validator>(&validator);
        match row {
            Some(row) if reveal_link(&preimage) == row.reveal && !beacon.reveals.contains_key(&validator) => {
                beacon.reveals.insert(validator, preimage);
                self.put(&(), &beacon);
                self.put(&validator, &Validator { reveal: preimage, ..row });
                true
            }
            _ => false,
        }
    }

    /// The key generation under way, if this is its attempt.
    fn generation(&self, attempt: u32) -> Option<Generation> {
        let generation = self.state().generation();
        (self.state().committee().is_none() && generation.attempt == attempt).then_some(generation)
    }

    fn round1(
        &mut self,
        validator: PublicKey,
        attempt: u32,
        package: &Round1,
        position: BlockPosition,
    ) -> bool {
        let Some(mut generation) = self.generation(attempt) else { return false };
        let session = self.state().generation_session(attempt);
        if generation.round1.contains_key(&validator) || package.check(&session, &validator).is_err() {
            return false;
        }
        generation.round1.insert(validator, package.clone());
        if generation.round1.len() == session.validators.len() {
            match derive_keys(&session, &generation.round1) {
                Ok(keys) => generation.keys = Some(keys),
                Err(fault) => {
                    self.begin_again(&generation, validator, fault.to_string(), position);
                    return true;
                }
            }
        }
        self.put(&(), &generation);
        true
    }

    /// The keys follow from the commitments on chain; a confirmation says that its validator holds its shares.
    fn confirm(
        &mut self,
        validator: PublicKey,
        attempt: u32,
        keys: &CommitteeKeys,
        position: BlockPosition,
    ) -> bool {
        let Some(mut generation) = self.generation(attempt) else { return false };
        if generation.keys.as_ref() != Some(keys) || !generation.confirmed.insert(validator) {
            return false;
        }
        if generation.confirmed.len() == self.state().validators().count() {
            self.activate(attempt, keys, position);
        } else {
            self.put(&(), &generation);
        }
        true
    }

    fn activate(&mut self, attempt: u32, keys: &CommitteeKeys, position: BlockPosition) {
        let committee =
            ActiveCommittee { attempt, keys: keys.clone(), height: position.height, time: position.time };
        self.put(&(), &committee);
        self.remove::<Generation>(&());
        self.renew_issuing(position);
        self.fix_root_list(position);
        self.list.scheduled = true;
    }

    fn begin_again(
        &mut self,
        generation: &Generation,
        by: PublicKey,
        reason: String,
        position: BlockPosition,
    ) {
        let next = Generation {
            attempt: generation.attempt.saturating_add(1),
            begun: position.time,
            round1: BTreeMap::new(),
            keys: None,
            confirmed: BTreeSet::new(),
            aborted: Some((by, reason)),
        };
        self.put(&(), &next);
    }

    /// Makes the next beacon, if enough time has passed since the last.
    pub(in crate::state) fn renew_beacon(&mut self, time: UnixMillis) {
        let beacon = self.state().beacon();
        let profile = self.state().genesis_document().profile;
        let elapsed = time.since(beacon.time);
        if elapsed < profile.beacon_ms_period() {
            return;
        }
        let reveals: Vec<&[u8]> = beacon.reveals.values().map(|reveal| reveal.0.as_slice()).collect();
        let parts: Vec<&[u8]> = core::iter::once(beacon.value.0.as_slice()).chain(reveals).collect();
        let work = profile.proofs().work;
        let next = Beacon {
            index: beacon.index + 1,
            value: NEXT_BEACON.hash(&parts),
            time,
            previous: Some((beacon.value, beacon.time)),
            reveals: BTreeMap::new(),
            difficulty: retarget(beacon.difficulty, beacon.operations, elapsed, &work),
            previous_difficulty: beacon.difficulty,
            operations: 0,
        };
        self.put(&(), &next);
        self.audit(beacon.index);
    }

    /// Lets happen what has fallen due before this block: first of all in it, so that its operations find the state as it is
    /// at its time.
    pub(in crate::state) fn settle_dues(&mut self, position: BlockPosition) {
        let time = position.time;
        let dues: Vec<(UnixMillis, Due)> = self
            .state()
            .rows::<Due>(Vec::new())
            .map_while(|(key, due)| {
                let at = UnixMillis(u64::from_be_bytes(key.get(..8)?.try_into().ok()?));
                (at < time).then_some((at, due))
            })
            .take(DUE_COUNT_MAX)
            .collect();
        let (mut room, mut ended_room) = (FREED_ROW_COUNT_MAX, ENDED_ROW_COUNT_MAX);
        for (at, due) in dues {
            // First, because what is not finished is noted anew, for a time that is later.
            self.remove::<Due>(&(at, due.clone()));
            match &due {
                Due::Receipt(id) => self.remove::<Receipt>(id),
                Due::Certificate(serial) => {
                    let certificate = self.state().get::<Certificate>(serial);
                    if let Some(certificate) = certificate {
                        self.unpublish(serial, &certificate);
                        self.forget_bearer(*serial, &certificate);
                        self.forget_names(*serial, &certificate);
                    }
                }
                Due::RevocationList => self.list.scheduled = true,
                Due::Issuing => self.renew_issuing(position),
                Due::Release(member) => self.release(*member, at),
                Due::NameFreed(name) => self.free_name(name, position, &mut room),
                Due::Lease(name) => self.end_lease(name, at),
                Due::NameLapsed(name) => self.note_term_change(name),
                Due::RootRevocationList => self.fix_root_list(position),
                Due::GrantEnded { name, after } => {
                    self.clear_ended(name, after.as_ref(), time, &mut ended_room);
                }
            }
        }
    }
}
