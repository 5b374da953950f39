//! Proved lies: what is punished, once, in time, and by whom it may be brought.

use super::ledger::{bond, histories_hold, unbond};
use super::test_util::*;
use crate::base::{Digest, Height, MicroCaesar, Profile, PublicKey, SecretKey, Signature, StrictSignature};
use crate::caesar::*;
use crate::hypermesh::committee::{
    CommitmentPool, Committee, FalseClaim, KeyPurpose, ShareEvidence, SignatureClaim, SignedShare, Signer,
    SigningSession,
};
use crate::hypermesh::ordering::{Evidence, ProposalHeader, Round, Vote, VoteKind};
use crate::state::*;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

const MESSAGE: &[u8] = b"to be signed";

fn votes(mesh: &Mesh, liar: &SecretKey, height: Height) -> Evidence {
    let vote = |value_id| {
        let (kind, round, validator) = (VoteKind::Precommit, Round(0), liar.public());
        Vote { kind, height, round, value_id, validator }.sign(&mesh.genesis_hash(), liar)
    };
    Evidence::from_votes(vote(None), vote(Some(Digest([1; 32]))))
}

fn proposals(mesh: &Mesh, liar: &SecretKey, height: Height) -> Evidence {
    let header = |byte| {
        let (round, value_id) = (Round(0), Digest([byte; 32]));
        let header = ProposalHeader { height, round, value_id, valid_round: None, proposer: liar.public() };
        header.sign(&mesh.genesis_hash(), liar)
    };
    Evidence::from_proposals(header(1), header(2))
}

/// A bad share that a validator has put its name to; its session depends on the number.
fn bad_share(mesh: &Mesh, liar: &SecretKey, number: u64) -> ShareEvidence {
    let committee = Arc::new(Committee::new(mesh.state.committee().unwrap().keys).unwrap());
    let mut entropy = Seeded::new(number);
    let mut pool = CommitmentPool::new();
    for validator in mesh.validators.iter().map(SecretKey::public) {
        let shares = &mesh.shares[&validator];
        let mut signer = Signer::new(validator, Arc::clone(&committee), shares, &mut entropy).unwrap();
        let offer = signer.offer(liar.public(), KeyPurpose::Log, &mut entropy).unwrap();
        pool.accept_offer(&committee, validator, offer).unwrap();
    }
    let mut preference = committee.validators();
    preference.sort_by_key(|validator| *validator != liar.public());
    let session =
        SigningSession::begin(committee, KeyPurpose::Log, MESSAGE.to_vec(), &preference, &mut pool).unwrap();
    let request = session.request().clone();
    let share = SignedShare::sign(request.session(), [3; 32], liar);
    ShareEvidence { request, message: MESSAGE.to_vec(), share }
}

/// A validator's word for a signature that does not hold.
pub(super) fn false_claim(mesh: &Mesh, liar: &SecretKey, number: u8) -> FalseClaim {
    let mut claim = SignatureClaim {
        committee: mesh.state.committee().unwrap().keys.digest(),
        purpose: KeyPurpose::Root,
        message: StrictSignature::message_digest(MESSAGE),
        signature: Signature([number; 64]),
        validator: liar.public(),
        word: Signature([0; 64]),
    };
    claim.word = liar.sign(&claim.digest());
    FalseClaim { claim, message: MESSAGE.to_vec() }
}

pub(super) fn accuse(mesh: &Mesh, by: usize, offence: Offence) -> SystemOperation {
    mesh.say(&mesh.validators[by], SystemAction::Accuse(Box::new(offence)))
}

fn at_stake(mesh: &Mesh, validator: PublicKey) -> MicroCaesar {
    mesh.state.balance(LedgerAccount::Stake(validator))
}

#[test]
fn each_kind_of_proved_lie_costs_all_that_is_at_stake_and_goes_to_the_reserve() {
    for kind in 0..4 {
        let mut mesh = Mesh::active();
        let liar = mesh.validators[2].clone();
        let key = liar.public();
        let height = mesh.state.height();
        let offence = match kind {
            0 => Offence::Equivocation(votes(&mesh, &liar, height)),
            1 => Offence::Equivocation(proposals(&mesh, &liar, height)),
            2 => Offence::BadShare(bad_share(&mesh, &liar, 1)),
            _ => Offence::FalseClaim(false_claim(&mesh, &liar, 1)),
        };
        let before = mesh.state.balance(LedgerAccount::Reserve);
        let word = accuse(&mesh, 0, offence.clone());
        mesh.advance_system(vec![word.clone()]);
        assert_eq!(at_stake(&mesh, key), MicroCaesar(0));
        let block = mesh.movements.last().unwrap();
        let rewards: u64 = block
            .movements
            .iter()
            .filter(|one| one.reason == MovementReason::Reward)
            .map(|one| one.amount.0)
            .sum();
        assert_eq!(mesh.state.balance(LedgerAccount::Reserve).0 + rewards - before.0, STAKE_MINIMUM.0);
        let slash: Vec<_> =
            block.movements.iter().filter(|one| one.reason == MovementReason::Slash).collect();
        assert_eq!(slash.len(), 1);
        assert_eq!((slash[0].source, slash[0].operation), (LedgerAccount::Stake(key), Some(word.id())));
        let offences = mesh.state.offences(&key);
        assert_eq!((offences.count, offences.slashed), (1, STAKE_MINIMUM));
        histories_hold(&mesh);
        // It keeps its vote, and nothing else: neither rewards nor admission.
        assert!(mesh.state.validators().contains(&key) && !mesh.state.earns(&key));
        let operation = mesh.operation(&alice(), transfer(&bob(), 1));
        let batch = mesh.checked(mesh.batch(&liar, vec![operation]));
        let time = mesh.state.time().plus(1000);
        let refused = mesh.state.admit(&batch, time, crate::hypermesh::proof::Diligence::NameAll);
        assert!(matches!(refused, Err(Inadmissible::Proofs(_))), "{refused:?}");
        // Once: also in another's words, and after it has bonded anew.
        assert!(!mesh.state.accepts(&accuse(&mesh, 1, offence.clone())), "nothing is left to lose");
        for friend in [alice(), bob()] {
            let funds = mesh.state.balance(LedgerAccount::Account(friend.public())).0;
            mesh.done(&friend, transfer(&liar, funds - 10_000));
        }
        mesh.done(&liar, bond(5_000));
        assert!(!mesh.state.accepts(&accuse(&mesh, 1, offence.clone())), "punished already");
        let later = mesh.state.height().next();
        let again = Offence::Equivocation(votes(&mesh, &liar, later));
        assert!(mesh.state.accepts(&accuse(&mesh, 1, again)), "another lie");
        let again = Offence::BadShare(bad_share(&mesh, &liar, 2));
        let word = accuse(&mesh, 1, again);
        assert!(!mesh.state.accepts(&word), "another bad share is not used up for so little");
        mesh.done(&liar, bond(STAKE_MINIMUM.0 - 5_001));
        assert!(!mesh.state.accepts(&word), "nor for a millionth less than the minimum");
        mesh.done(&liar, bond(1));
        assert!(mesh.state.accepts(&word), "and waits until there is a whole stake");
        assert!(!mesh.state.accepts(&accuse(&mesh, 1, offence)), "the first is punished already");
    }
}

#[test]
fn what_is_being_unbonded_is_lost_as_well() {
    let mut mesh = Mesh::active();
    let liar = mesh.validators[0].clone();
    mesh.done(&liar, bond(700));
    mesh.done(&liar, unbond(500));
    let offence = Offence::Equivocation(votes(&mesh, &liar, mesh.state.height()));
    mesh.advance_system(vec![accuse(&mesh, 1, offence)]);
    assert_eq!(mesh.state.at_risk(&liar.public()), MicroCaesar(0));
    assert_eq!(mesh.state.unbonding(&liar.public()).releases, []);
    let slashed = mesh.state.offences(&liar.public()).slashed;
    assert_eq!(slashed.0, STAKE_MINIMUM.0 + 700);
    mesh.pass(Profile::Sim.unbonding_ms_delay() + 1);
    mesh.pass(1);
    assert_eq!(mesh.state.get::<Unbonding>(&liar.public()), None, "nothing is released");
    histories_hold(&mesh);
}

#[test]
fn one_block_punishes_a_validator_once_and_two_validators_each() {
    let mesh = Mesh::active();
    let (one, other) = (mesh.validators[1].clone(), mesh.validators[2].clone());
    let height = mesh.state.height();
    let first = accuse(&mesh, 0, Offence::Equivocation(votes(&mesh, &one, height)));
    let second = accuse(&mesh, 0, Offence::Equivocation(proposals(&mesh, &one, height)));
    let third = accuse(&mesh, 0, Offence::Equivocation(votes(&mesh, &other, height)));
    let candidate =
        Candidate { system: vec![first.clone(), second.clone(), third.clone()], ..mesh.candidate() };
    let (block, _) = mesh.state.build(candidate);
    assert_eq!(block.body.system, [first.clone(), third]);
    let mut twice = block;
    twice.body.system = vec![first, second];
    twice.header.body_root = twice.body.root();
    assert_eq!(mesh.state.execute(&twice, &[]).err(), Some(BlockFault::System { position: 1 }));
}

#[test]
fn evidence_that_shows_nothing_is_not_taken() {
    let mesh = Mesh::active();
    let (liar, stranger) = (mesh.validators[2].clone(), alice());
    let height = mesh.state.height();
    let accepted = |offence| mesh.state.accepts(&accuse(&mesh, 0, offence));
    assert!(accepted(Offence::Equivocation(votes(&mesh, &liar, height.next()))));
    let future = height.next().next();
    assert!(!accepted(Offence::Equivocation(votes(&mesh, &liar, future))), "a height that is not there yet");
    assert!(!accepted(Offence::Equivocation(votes(&mesh, &stranger, height))), "no validator");
    let Evidence::Votes { first, second } = votes(&mesh, &liar, height) else { panic!() };
    assert!(!accepted(Offence::Equivocation(Evidence::Votes { first, second: first })), "no contradiction");
    assert!(
        !accepted(Offence::Equivocation(Evidence::Votes { first: second, second: first })),
        "another order"
    );
    let mut forged = first;
    forged.signature.0[3] ^= 1;
    assert!(!accepted(Offence::Equivocation(Evidence::from_votes(forged, second))), "a forged vote");
    let good = bad_share(&mesh, &liar, 1);
    assert!(accepted(Offence::BadShare(good.clone())));
    let mut framed = good.clone();
    framed.share.signer = mesh.validators[1].public();
    assert!(!accepted(Offence::BadShare(framed)), "another's name");
    let mut other = good.clone();
    other.message.push(0);
    assert!(!accepted(Offence::BadShare(other)), "another message");
    let word = accuse(&mesh, 0, Offence::BadShare(good));
    assert!(mesh.state.accepts(&word));
    let forged = SystemOperation { validator: mesh.validators[1].public(), ..word };
    assert!(!mesh.state.accepts(&forged), "nobody speaks for another");
    let mesh = Mesh::new();
    let early = Offence::BadShare(bad_share(&Mesh::active(), &liar, 1));
    assert!(!mesh.state.accepts(&accuse(&mesh, 0, early)), "there is no committee yet");
}

#[test]
fn evidence_expires_before_what_was_at_stake_can_be_taken_away() {
    let age_max = Profile::Sim.evidence_ms_max();
    for profile in Profile::ALL {
        assert!(profile.evidence_ms_max() * 2 < profile.unbonding_ms_delay(), "{profile}");
    }
    let mut mesh = Mesh::active();
    let liar = mesh.validators[2].clone();
    // Marks are set from now on, so that the oldest is of the height of the lie.
    mesh.pass(age_max);
    let lied = mesh.state.height();
    let word = |mesh: &Mesh| accuse(mesh, 0, Offence::Equivocation(votes(mesh, &liar, lied)));
    let mut passed = 0;
    while passed < age_max {
        assert!(mesh.state.accepts(&word(&mesh)), "{passed} ms old");
        mesh.pass(age_max / 16);
        passed += age_max / 16;
    }
    (0..2).for_each(|_| mesh.pass(age_max / 16));
    assert!(!mesh.state.accepts(&word(&mesh)), "it has expired");
    let marks = mesh.state.get::<EvidenceHorizon>(&()).unwrap().marks;
    assert!(marks.len() <= 18, "{} marks", marks.len());
}

#[test]
fn bad_shares_are_punished_up_to_their_limit_and_not_one_past_it() {
    let mesh = Mesh::active();
    let liar = mesh.validators[2].clone();
    let word = accuse(&mesh, 0, Offence::BadShare(bad_share(&mesh, &liar, 1)));
    let with = |count: usize| {
        let mut draft = mesh.state.draft();
        let sessions = (0..count).map(|number| Digest([u8::try_from(number).unwrap(); 32]));
        draft.put(&liar.public(), &Offences { shares: sessions.collect(), ..Offences::default() });
        draft.finish().0
    };
    assert!(with(SIGNING_OFFENCE_COUNT_MAX - 1).accepts(&word));
    assert!(!with(SIGNING_OFFENCE_COUNT_MAX).accepts(&word));
}
