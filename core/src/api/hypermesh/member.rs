//! What a member's next batch has to be.

use crate::api::{ApiFault, POSITION_NOT_ATTESTED, ReadMethod, View};
use crate::base::{Digest, MicroCaesar, PublicKey, Sequence, UnixMillis};
use crate::state::Member;
use alloc::string::{String, ToString};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

message! {
    /// Asks what a member's next batch has to be.
    MemberRequest {
        /// Which member.
        member: PublicKey,
    }
}

message! {
    /// What a member's next batch has to be.
    MemberState {
        /// Its stake.
        stake: MicroCaesar,
        /// The root of its plot.
        plot_root: Digest,
        /// The number of its next batch.
        next_sequence: Sequence,
        /// Its ticket under the current beacon, if that stands in the state.
        ticket: Option<Digest>,
        /// For how many beacons in a row, up to now, it has put none on chain; counted up to three.
        missed_audits: u32,
        /// Whether it has missed so many that nobody takes its batches until it attests.
        suspended: bool,
        /// The current beacon.
        beacon: BeaconState,
        /// Where the member is in the network: never attested yet.
        position: String,
    }
}

message! {
    /// The current beacon.
    BeaconState {
        /// Its number.
        index: u64,
        /// Its value.
        value: Digest,
        /// When it was made.
        time: UnixMillis,
        /// Tickets go on chain until then.
        ticket_deadline: UnixMillis,
        /// The difficulty of the proof of work under it.
        difficulty: u64,
    }
}

impl ReadMethod for MemberRequest {
    fn answer(&self, view: &View, _wall: UnixMillis) -> Result<MemberState, ApiFault> {
        let state = &view.state;
        let absent = || ApiFault::not_found(alloc::format!("{} is not a member of this mesh", self.member));
        let member = state.get::<Member>(&self.member).ok_or_else(absent)?;
        let beacon = state.beacon();
        let deadline = state.genesis_document().profile.ticket_ms_deadline();
        Ok(MemberState {
            stake: member.stake,
            plot_root: member.plot_root,
            next_sequence: member.next_sequence,
            ticket: member.tickets.get(&beacon.index).copied(),
            missed_audits: member.missed_audits,
            suspended: member.is_suspended(),
            beacon: BeaconState {
                index: beacon.index,
                value: beacon.value,
                time: beacon.time,
                ticket_deadline: beacon.time.plus(deadline),
                difficulty: beacon.difficulty,
            },
            position: POSITION_NOT_ATTESTED.to_string(),
        })
    }
}
