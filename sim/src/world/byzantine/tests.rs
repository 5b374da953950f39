//! Every lie is told, and up to f liars change nothing: the others go on, agree, and blame none but the liar.

use super::*;
use crate::base::{Stream, name};
use crate::fault::FaultClass;
use crate::world::{Options, Start, World};
use hypermesh_core::api::DnsRequest;
use hypermesh_core::base::MicroCaesar;
use hypermesh_core::hypermesh::ordering::{Proposal, ProposalHeader, Round, ValueBytes, Vote, VoteKind};
use hypermesh_core::node::Event;
use hypermesh_core::state::SetRecords;
use hypermesh_core::trustchain::dns::{RecordData, RecordSet, RecordType};
use std::net::Ipv6Addr;

const SECOND: Duration = Duration::from_secs(1);
const LIAR: NodeIndex = 2;
const APP: &str = "app.demo.hypermesh";

/// A mesh in which one lies, clients ask for certificates and names all the while, and it takes effect.
fn told(lie: Lie) -> World {
    let mut world = World::new(11, Options::default());
    world.run_until("all nodes ready", 20 * SECOND, World::is_ready).unwrap();
    world.corrupt(LIAR, lie);
    let owner = world.owner(&world.participants().client.clone());
    let places = [0, 1, 3];
    let address = RecordSet::new(300, vec![RecordData::Aaaa(Ipv6Addr::LOCALHOST)]).unwrap();
    let records = SetRecords { name: name(APP), record_type: RecordType::Aaaa, records: Some(address) };
    world.request(0, owner.set(1_000, records));
    for turn in 0..48_u64 {
        let place = if matches!(lie.class(), Some(FaultClass::RogueCertificate)) || turn % 4 == 3 {
            LIAR
        } else {
            places[turn as usize % 3]
        };
        world.request(place, owner.issue(turn, &["web.demo.hypermesh"]));
        world.request(
            LIAR,
            Request::ResolveDns(DnsRequest { name: name(APP), record_type: RecordType::Aaaa }),
        );
        if turn % 16 == 8 {
            // Somebody has to catch up.
            world.crash(0);
        }
        if turn % 16 == 15 {
            world.start(0).unwrap();
        }
        world.run_for(SECOND).unwrap();
    }
    let class = lie.class().unwrap();
    assert!(world.coverage().count(class) > 0, "{} did not take effect", class.name());
    let honest = [0, 1, 3];
    let highest = world.views().map(|view| view.state.height()).max().unwrap();
    world
        .run_until("the honest nodes further on", 60 * SECOND, |world| {
            honest.iter().all(|place| world.view(*place).is_some_and(|view| view.state.height() > highest))
        })
        .unwrap();
    world.finish().unwrap();
    world
}

fn is_blamed(world: &World) -> bool {
    world.events().iter().any(|(_, place, event)| {
        *place != LIAR
            && matches!(event, Event::Equivocation(_) | Event::Culprit { .. } | Event::InvalidBlock { .. })
    })
}

#[test]
fn silence_garbage_and_selective_silence_stop_nobody() {
    for lie in [Lie::Silence, Lie::SelectiveSilence, Lie::Garbage] {
        told(lie);
    }
}

/// Whether a block has taken the liar's stake; whether it was right to is the checks' business.
fn is_slashed(world: &World) -> bool {
    let liar = world.participants().validators[LIAR].member.identity.public();
    world.views().all(|view| view.state.at_risk(&liar) == MicroCaesar::ZERO)
}

#[test]
fn equivocation_becomes_evidence_and_costs_the_stake() {
    for lie in [Lie::EquivocatingProposer, Lie::EquivocatingVoter] {
        let world = told(lie);
        assert!(is_blamed(&world) && is_slashed(&world), "{lie:?}");
    }
}

#[test]
fn blocks_that_are_wrong_are_refused_by_name() {
    let lies =
        [Lie::WrongStateRoot, Lie::WrongLogRoot, Lie::WrongTime, Lie::Fraud, Lie::BadPolicy, Lie::BadProof];
    for lie in lies.into_iter().chain([Lie::ReplayedBatches]) {
        assert!(is_blamed(&told(lie)), "{lie:?}");
    }
}

#[test]
fn what_is_withheld_delays_and_no_more() {
    for lie in [Lie::WithheldProposals, Lie::WithheldReveals] {
        told(lie);
    }
}

#[test]
fn lies_about_shares_the_log_and_keys_are_found_out_or_come_to_nothing() {
    let world = told(Lie::BadShares);
    assert!(is_blamed(&world) && is_slashed(&world));
    for lie in [Lie::LateShares, Lie::FramedShares, Lie::OtherBytes, Lie::SplitView, Lie::StolenMemberKey] {
        told(lie);
    }
}

#[test]
fn twisted_signatures_are_refused_by_all_and_cost_the_stake() {
    let world = told(Lie::TwistedSignatures);
    let liar = world.participants().validators[LIAR].member.identity.public();
    let refused = |(_, place, event): &(_, _, Event)| {
        *place != LIAR && matches!(event, Event::PeerFault { peer, .. } if *peer == liar)
    };
    assert!(world.events().iter().any(refused));
}

#[test]
fn twins_and_lies_to_clients_change_nothing_for_the_others() {
    for lie in [Lie::Twin, Lie::ForgedAnswers, Lie::StaleAnswers, Lie::RogueCertificates] {
        told(lie);
    }
}

#[test]
fn who_deals_badly_is_accused_and_the_next_key_generation_succeeds() {
    let mut world = World::new(3, Options { start: Start::Empty, ..Options::default() });
    world.corrupt(LIAR, Lie::BadDealing);
    world.run_until("all nodes ready", 60 * SECOND, World::is_ready).unwrap();
    assert!(world.coverage().count(FaultClass::BadDealing) > 0);
    let aborted = |(_, _, event): &(_, _, Event)| matches!(event, Event::GenerationAborted { .. });
    assert!(world.events().iter().any(aborted));
    world.finish().unwrap();
}

#[test]
fn who_has_amnesia_prevotes_for_whatever_is_proposed() {
    let world = World::new(11, Options::default());
    let (participants, view) = (world.participants(), world.view(LIAR).unwrap());
    let (genesis, validator) = (participants.genesis_hash(), &participants.validators[LIAR]);
    let identity = &validator.member.identity;
    let (height, round, value_id) = (Height(9), Round(2), Digest([4; 32]));
    let proposer = participants.validators[0].member.identity.clone();
    let header = ProposalHeader { height, round, valid_round: None, value_id, proposer: proposer.public() };
    let proposal = Proposal {
        signed: header.sign(&genesis, &proposer),
        value: ValueBytes(Arc::from([1_u8].as_slice())),
    };
    let mut liar = Liar::new(Lie::Amnesia);
    liar.hear(&consensus(&ConsensusMessage::Proposal(proposal)));
    let vote =
        |value_id| Vote { kind: VoteKind::Prevote, height, round, value_id, validator: identity.public() };
    let say = |value_id| consensus(&ConsensusMessage::Vote(vote(value_id).sign(&genesis, identity)));
    let mut random = Random::new(Stream { seed: 1, purpose: "lie", owner: 0, incarnation: 0 });
    let mut context = LiarContext {
        identity,
        plot: &validator.member.plot,
        stolen: &participants.member.identity,
        view: &view,
        target: 0,
        another: proposer.public(),
        stolen_keys: &StolenKeys::default(),
        agreed: &mut BTreeMap::new(),
        random: &mut random,
    };
    assert_eq!(liar.tell(&mut context, &say(None)), Tampering::Instead(say(Some(value_id))));
    assert_eq!(liar.tell(&mut context, &say(Some(value_id))), Tampering::Honestly);
}
