//! What nodes are put through, one file a scenario.
//!
//! A scenario is played in a [`World`] out of a seed. Those that pass do so at every seed; when one does not,
//! the seed is all it takes to see it again.

mod absent_in_generation;
mod all_clocks_ahead;
mod away_ten_thousand_blocks;
mod bad_shares;
mod behind_is_unsure;
mod bond_and_unbond;
mod burst_does_not_outlive_its_clients;
mod calm_issuance;
mod certificate_issuance_flow;
mod chaos;
mod checkpoint_needs_cosignatures;
mod clocks_ahead;
mod concurrent_no_head_of_line_blocking;
mod crash_and_restart;
mod crl_is_renewed_each_period;
mod damaged_block_is_fetched_again;
mod dead_proposer_is_skipped;
mod dead_signer;
mod deceived_node_stops;
mod dns_endpoint_caching;
mod dns_service_discovery;
mod dns_srv;
mod economics;
mod error_network_timeout;
mod error_service_unavailable_then_retry;
mod expired_certificate_loses_its_tlsa;
mod expired_while_apart;
mod fees_follow_the_load;
mod flapping_link;
mod forged_answer_is_refused_by_its_proof;
mod generation_power_loss;
mod history_adds_up;
mod hundred_at_once;
mod interrupted_generation;
mod issuing_certificate_renews_itself;
mod lapsed_lease;
mod liar_announces_its_own_address_only;
mod lies_cost_the_bond;
mod locked_block_is_proposed_again;
mod lossy_links;
mod lost_wal_abstains;
mod low_key_starves_no_one;
mod lying_proposer_is_found_out;
#[cfg(test)]
mod marks;
mod member_batch;
mod missed_audits;
mod name_lapses_and_is_freed;
mod old_certificate;
mod one_of_four_dead_issuance_goes_on;
mod partition_halves;
mod partition_one;
mod power_loss;
mod power_loss_of_all_under_load;
#[cfg(not(any(hypermesh_simulation_crypto, hypermesh_verification_cache)))]
mod quic;
#[cfg(any(hypermesh_simulation_crypto, hypermesh_verification_cache))]
#[path = "quic_left_out.rs"]
mod quic;
mod quorum_missing;
mod rebuilt_in_turn;
mod refused_operations;
mod repair_outlasts_its_helpers;
mod repair_with_a_lying_helper;
mod repeat_elsewhere;
mod restarts_on_lossy_links;
mod restored_old_disk_abstains;
mod revocation_reaches_every_node;
mod root_list_is_renewed;
mod rubbish_sync_peer_is_dropped;
mod scenario_run;
mod standstill_is_seen_by_a_slow_clock;
mod transfer_and_names;
mod twins;
mod twisted_signatures_are_refused;
mod two_dead_refuses_then_heals;
mod unpaid_operations_cost_nobody;
mod unreadable_disk_starves_no_signer;
mod wiped_disk;
mod wrong_clock;

use hypermesh_core::base::{Digest, Mono};
use hypermesh_sim::world::{EventRecord, Options, Random, RunFault, Start, Stream, World};
use scenario_run::ScenarioRun;
use std::collections::BTreeMap;

pub use economics::{
    Account, DAY_TURNS, Economics, HABITS, LIE_DAY, TURN_MS, ValidatorBehaviour, run_economics,
};
pub use quic::{QUIC_SCENARIOS, QuicScenario};

/// Something that nodes are put through.
#[derive(Clone, Copy)]
pub struct Scenario {
    /// What it is called.
    pub name: &'static str,
    /// What it shows, in a sentence.
    pub shows: &'static str,
    /// The rare branches of the protocol that it reaches, if not at every seed then within a few. Its test fails where it
    /// does not.
    pub reaches: &'static [&'static str],
    start: Start,
    play: fn(&mut ScenarioRun) -> Result<(), RunFault>,
}

/// What came of playing a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The hash of all that happened.
    pub hash: Digest,
    /// How many things happened.
    pub events: u64,
    /// How long it took, in the world's time.
    pub simulated: Mono,
    /// What happened, a line each, if that was asked for.
    pub lines: Vec<String>,
    /// What happened, in a form that can be drawn, if that was asked for.
    pub records: Vec<EventRecord>,
    /// Which rare branches of the protocol the nodes took, and how often; empty where that is not asked of them.
    pub marks: BTreeMap<&'static str, u64>,
    /// Why it failed, if it did.
    pub fault: Option<RunFault>,
}

macro_rules! scenarios {
    ($($module:ident: $($scenario:ident)+;)*) => {
        /// Every scenario.
        pub const SCENARIOS: &[Scenario] = &[$($($module::$scenario),+),*];

        /// A test for each file.
        #[cfg(test)]
        mod each {
            $(
                #[test]
                fn $module() {
                    [$(crate::$module::$scenario),+].iter().for_each(super::tests::play_all);
                }
            )*
        }
    };
}

scenarios! {
    calm_issuance: SCENARIO;
    hundred_at_once: SCENARIO;
    repeat_elsewhere: SCENARIO;
    refused_operations: SCENARIO;
    transfer_and_names: SCENARIO;
    crash_and_restart: SCENARIO;
    burst_does_not_outlive_its_clients: SCENARIO;
    power_loss: SCENARIO;
    dead_signer: SCENARIO;
    bad_shares: SCENARIO;
    lies_cost_the_bond: VOTER PROPOSER SIGNER;
    twisted_signatures_are_refused: SCENARIO;
    bond_and_unbond: SCENARIO;
    fees_follow_the_load: SCENARIO;
    unpaid_operations_cost_nobody: SCENARIO;
    low_key_starves_no_one: SCENARIO;
    history_adds_up: SCENARIO;
    name_lapses_and_is_freed: SCENARIO;
    missed_audits: SCENARIO;
    quorum_missing: SCENARIO;
    behind_is_unsure: SCENARIO;
    partition_halves: SCENARIO;
    partition_one: SCENARIO;
    lossy_links: SCENARIO;
    flapping_link: SCENARIO;
    interrupted_generation: SCENARIO;
    generation_power_loss: SCENARIO;
    absent_in_generation: SCENARIO;
    wiped_disk: SCENARIO;
    rebuilt_in_turn: SCENARIO;
    standstill_is_seen_by_a_slow_clock: SCENARIO;
    twins: SCENARIO;
    repair_with_a_lying_helper: SCENARIO;
    repair_outlasts_its_helpers: DOWN LYING;
    expired_while_apart: SCENARIO;
    old_certificate: SCENARIO;
    member_batch: SCENARIO;
    wrong_clock: SCENARIO;
    clocks_ahead: SCENARIO;
    all_clocks_ahead: SCENARIO;
    revocation_reaches_every_node: SCENARIO;
    crl_is_renewed_each_period: SCENARIO;
    root_list_is_renewed: SCENARIO;
    expired_certificate_loses_its_tlsa: SCENARIO;
    issuing_certificate_renews_itself: SCENARIO;
    chaos: SCENARIO;
    away_ten_thousand_blocks: SCENARIO;
    rubbish_sync_peer_is_dropped: SCENARIO;
    dead_proposer_is_skipped: SCENARIO;
    one_of_four_dead_issuance_goes_on: SCENARIO;
    two_dead_refuses_then_heals: SCENARIO;
    restored_old_disk_abstains: SCENARIO;
    lost_wal_abstains: SCENARIO;
    damaged_block_is_fetched_again: SCENARIO;
    power_loss_of_all_under_load: SCENARIO;
    deceived_node_stops: SCENARIO;
    liar_announces_its_own_address_only: SCENARIO;
    lying_proposer_is_found_out: SCENARIO;
    locked_block_is_proposed_again: SCENARIO;
    restarts_on_lossy_links: SCENARIO;
    certificate_issuance_flow: SCENARIO;
    checkpoint_needs_cosignatures: SCENARIO;
    concurrent_no_head_of_line_blocking: SCENARIO;
    dns_endpoint_caching: SCENARIO;
    dns_service_discovery: SCENARIO;
    dns_srv: SCENARIO;
    lapsed_lease: SCENARIO;
    error_network_timeout: SCENARIO;
    error_service_unavailable_then_retry: SCENARIO;
    unreadable_disk_starves_no_signer: SCENARIO;
    forged_answer_is_refused_by_its_proof: SCENARIO;
}

/// The scenario with this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Scenario> {
    SCENARIOS.iter().find(|scenario| scenario.name == name)
}

impl Scenario {
    /// Plays the scenario in a world out of this seed.
    #[must_use]
    pub fn play(&self, seed: u64, keep_lines: bool) -> Run {
        let world = World::new(seed, Options { keep_lines, start: self.start, ..Options::default() });
        let random = Random::new(Stream { seed, purpose: self.name, owner: 0, incarnation: 0 });
        let mut run = ScenarioRun::new(world, random);
        let outcome = (self.play)(&mut run).and_then(|()| run.end());
        let trace = run.world.trace();
        Run {
            hash: trace.hash(),
            events: trace.count(),
            simulated: run.world.now(),
            lines: trace.lines().to_vec(),
            records: trace.records().to_vec(),
            marks: run.world.marks(),
            fault: outcome.err(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hypermesh_sim::plan::{Plan, play};
    use std::collections::BTreeSet;

    /// Each scenario is tried at this many seeds here; the runner tries as many as it is told to.
    const SEEDS: u64 = 2;

    /// Within so many more, a scenario reaches every mark that it is held to.
    const MARK_SEEDS: u64 = 12;

    pub(super) fn play_all(scenario: &Scenario) {
        let mut missing: BTreeSet<&str> = scenario.reaches.iter().copied().collect();
        for seed in 1..=SEEDS + MARK_SEEDS {
            if seed > SEEDS && missing.is_empty() {
                break;
            }
            let run = scenario.play(seed, false);
            assert_eq!(run.fault, None, "{} at seed {seed}", scenario.name);
            missing.retain(|mark| !run.marks.contains_key(mark));
        }
        assert_eq!(missing, BTreeSet::new(), "{} never came to these", scenario.name);
    }

    #[test]
    fn the_same_seed_gives_the_same_run_to_the_byte() {
        let once = calm_issuance::SCENARIO.play(9, true);
        let again = calm_issuance::SCENARIO.play(9, true);
        assert_eq!(once, again);
        assert_ne!(once.hash, calm_issuance::SCENARIO.play(10, false).hash);
    }

    /// Plans that once failed, cut down.
    #[test]
    fn every_plan_that_once_failed_passes() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/plans");
        let mut played = 0;
        for file in std::fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            let plan = Plan::from_toml(&std::fs::read_to_string(&path).unwrap()).unwrap();
            assert_eq!(play(&plan).failure, None, "{}", path.display());
            played += 1;
        }
        assert!(played > 0, "there are no plans in {folder}");
    }

    #[test]
    fn every_scenario_has_a_name_of_its_own() {
        assert!(SCENARIOS.iter().all(|one| find(one.name).is_some_and(|found| found.shows == one.shows)));
    }
}
