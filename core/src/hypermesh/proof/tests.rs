//! The four proofs together: every way in which one may be wrong, by provers that anyone may use.

use super::*;
use crate::base::{Digest, Entropy, MicroCaesar, Profile, PublicKey, SecretKey, Sequence, decode, encode};
use alloc::boxed::Box;
use alloc::string::ToString;
use alloc::vec::Vec;
use proptest::prelude::{Strategy, any, prop_assert, proptest};

const PARAMETERS: ProofParameters = Profile::Sim.proofs();
const BEACON: Digest = Digest([1; 32]);
/// High enough that a changed transcript or nonce practically never solves the puzzles by luck.
const DIFFICULTY: u64 = 512;

/// A member, what it wants to say, and what the state says of it.
struct Scene {
    secret: SecretKey,
    plot: Plot,
    ticket: Ticket,
    statement: Statement,
    expectation: Expectation,
}

impl Scene {
    /// A member with plot and stake, and no ticket on chain yet.
    fn new() -> Self {
        let secret = SecretKey::from_seed([7; 32]);
        let member = secret.public();
        let plot = Plotter::new(PARAMETERS.space, plot_key("demo", Profile::Sim, &member)).finish();
        let ticket = prove_ticket(&plot, &BEACON, &member, &PARAMETERS);
        let statement = Statement {
            genesis: Digest([2; 32]),
            member,
            sequence: Sequence(5),
            batch_root: Digest([3; 32]),
            beacon_index: 9,
        };
        let expectation = Expectation {
            parameters: PARAMETERS,
            beacon: BEACON,
            plot_root: Some(plot.root()),
            stake: MicroCaesar(100),
            stake_minimum: MicroCaesar(100),
            difficulty: DIFFICULTY,
            ticket: None,
            ticket_open: true,
        };
        Self { secret, plot, ticket, statement, expectation }
    }

    /// The same, with its ticket recorded and the time for tickets over.
    fn with_ticket_on_chain() -> Self {
        let mut scene = Self::new();
        scene.expectation.ticket = Some(scene.ticket.digest(&BEACON, &scene.statement.member));
        scene.expectation.ticket_open = false;
        scene
    }

    fn prove(&self, ticket: &Ticket, full: bool) -> FourProofSet {
        prove_set(ticket, full, &self.statement, &BEACON, DIFFICULTY, &self.secret)
    }

    fn honest(&self) -> FourProofSet {
        self.prove(&self.ticket, self.expectation.ticket.is_none())
    }

    fn verify(&self, set: &FourProofSet) -> Result<Digest, ProofRejection> {
        set.verify(&self.statement, &self.expectation, Diligence::NameAll)
    }

    /// The proofs that are named for a set, by which one is refused first too.
    fn failed(&self, set: &FourProofSet) -> Vec<ProofKind> {
        let all = self.verify(set).expect_err("the set is wrong");
        let first = set.verify(&self.statement, &self.expectation, Diligence::StopAtFirst).unwrap_err();
        assert_eq!(first.failed.len(), 1);
        assert!(all.failed.contains(&first.failed[0]));
        all.kinds().collect()
    }

    fn reason(&self, set: &FourProofSet) -> ProofFault {
        let failed = self.verify(set).expect_err("the set is wrong").failed;
        assert_eq!(failed.len(), 1, "{failed:?}");
        failed[0].reason
    }
}

/// All layers of a plot, for the initialisation proof.
pub(super) fn plot_all_layers(parameters: SpaceParameters, key: PlotKey) -> Vec<Vec<Label>> {
    let mut layers = alloc::vec![Vec::new(); parameters.layers() as usize];
    let mut plotter = Plotter::new(parameters, key);
    loop {
        let progress = plotter.advance(parameters.labels());
        layers[plotter.layer() as usize].extend_from_slice(plotter.newly_filled());
        if progress.is_complete() {
            return layers;
        }
    }
}

/// Bytes that any seed gives again.
struct Seeded(blake3::OutputReader);

impl Entropy for Seeded {
    fn fill(&mut self, buffer: &mut [u8]) {
        self.0.fill(buffer);
    }
}

fn seeded(seed: u8) -> Seeded {
    Seeded(blake3::Hasher::new_keyed(&[seed; 32]).finalize_xof())
}

#[test]
fn an_honest_set_is_accepted_and_known_by_one_hash_in_both_forms() {
    let (first, later) = (Scene::new(), Scene::with_ticket_on_chain());
    let full = first.prove(&first.ticket, true);
    let named = later.prove(&later.ticket, false);
    let hash = first.verify(&full).unwrap();
    assert_eq!(later.verify(&named), Ok(hash));
    assert_eq!(full.ticket(&BEACON, &first.statement.member), later.expectation.ticket);
    assert_eq!(named.ticket(&BEACON, &first.statement.member), None);
    assert_eq!((full.stake_proof, full.work_proof), (named.stake_proof, named.work_proof));
}

#[test]
fn a_ticket_sent_again_in_full_is_as_good_as_named_even_past_the_deadline() {
    let scene = Scene::with_ticket_on_chain();
    assert!(scene.verify(&scene.prove(&scene.ticket, true)).is_ok());
}

#[test]
fn a_damaged_plot_fails_the_space_proof_alone() {
    let scene = Scene::new();
    let mut labels = scene.plot.labels().to_vec();
    labels[100][0] ^= 1;
    let damaged = Plot::from_labels(PARAMETERS.space, labels).unwrap();
    let ticket = prove_ticket(&damaged, &BEACON, &scene.statement.member, &PARAMETERS);
    let set = scene.prove(&ticket, true);
    assert_eq!(scene.failed(&set), [ProofKind::Space]);
    assert_eq!(scene.reason(&set), ProofFault::WrongAnswer);
}

#[test]
fn another_members_plot_fails_the_space_proof_alone() {
    let scene = Scene::new();
    let other = plot_key("demo", Profile::Sim, &PublicKey([8; 32]));
    let plot = Plotter::new(PARAMETERS.space, other).finish();
    let ticket = prove_ticket(&plot, &BEACON, &scene.statement.member, &PARAMETERS);
    assert_eq!(scene.failed(&scene.prove(&ticket, true)), [ProofKind::Space]);
}

#[test]
fn too_little_work_fails_the_work_proof_alone() {
    let scene = Scene::new();
    let set = prove_set(&scene.ticket, true, &scene.statement, &BEACON, DIFFICULTY / 16, &scene.secret);
    assert_eq!(scene.failed(&set), [ProofKind::Work]);
}

#[test]
fn a_key_without_enough_stake_fails_the_stake_proof_alone() {
    let mut scene = Scene::new();
    scene.expectation.stake = MicroCaesar(99);
    let set = scene.honest();
    assert_eq!(scene.failed(&set), [ProofKind::Stake]);
    let (stake, minimum) = (MicroCaesar(99), MicroCaesar(100));
    assert_eq!(scene.reason(&set), ProofFault::StakeTooLow { stake, minimum });
}

#[test]
fn a_signature_by_another_key_fails_the_stake_proof_alone() {
    let scene = Scene::new();
    let thief = SecretKey::from_seed([8; 32]);
    let set = prove_set(&scene.ticket, true, &scene.statement, &BEACON, DIFFICULTY, &thief);
    assert_eq!(scene.failed(&set), [ProofKind::Stake]);
    assert_eq!(scene.reason(&set), ProofFault::BadSignature);
}

#[test]
fn steps_from_another_beacon_or_member_fail_the_time_proof_alone() {
    let scene = Scene::new();
    let member = scene.statement.member;
    for challenge in [time_challenge(&Digest([9; 32]), &member), time_challenge(&BEACON, &PublicKey([9; 32]))]
    {
        let time = prove_time(&challenge, &PARAMETERS.time);
        let set = scene.prove(&Ticket { time, ..scene.ticket.clone() }, true);
        assert_eq!(scene.failed(&set), [ProofKind::Time]);
        assert_eq!(scene.reason(&set), ProofFault::NotSequential);
    }
}

#[test]
fn a_set_wrong_in_every_proof_names_all_four_and_stops_at_the_cheapest() {
    let mut scene = Scene::new();
    scene.expectation.stake = MicroCaesar::ZERO;
    let ticket = Ticket {
        space: scene.plot.answer(&Digest([9; 32]), &scene.statement.member),
        time: prove_time(&Digest([9; 32]), &PARAMETERS.time),
    };
    let set = prove_set(&ticket, true, &scene.statement, &BEACON, 16, &scene.secret);
    assert_eq!(scene.failed(&set), ProofKind::ALL);
    let first = set.verify(&scene.statement, &scene.expectation, Diligence::StopAtFirst).unwrap_err();
    assert_eq!(first.kinds().collect::<Vec<_>>(), [ProofKind::Stake]);
}

#[test]
fn a_member_without_a_plot_on_chain_fails_the_space_proof_alone() {
    for mut scene in [Scene::new(), Scene::with_ticket_on_chain()] {
        scene.expectation.plot_root = None;
        assert_eq!(scene.reason(&scene.honest()), ProofFault::NoPlot);
        assert_eq!(scene.failed(&scene.honest()), [ProofKind::Space]);
    }
}

#[test]
fn a_ticket_past_its_deadline_fails_the_space_proof_alone() {
    let mut scene = Scene::new();
    scene.expectation.ticket_open = false;
    assert_eq!(scene.reason(&scene.honest()), ProofFault::TooLate);
    assert_eq!(scene.failed(&scene.honest()), [ProofKind::Space]);
    // A different ticket on chain does not let this one in.
    scene.expectation.ticket = Some(Digest([9; 32]));
    assert_eq!(scene.reason(&scene.prove(&scene.ticket, true)), ProofFault::TooLate);
}

#[test]
fn a_ticket_that_is_not_on_chain_cannot_be_named() {
    let scene = Scene::new();
    let set = scene.prove(&scene.ticket, false);
    assert_eq!(scene.failed(&set), [ProofKind::Space, ProofKind::Time]);
    let scene = Scene::with_ticket_on_chain();
    let (mut space, mut time) = (scene.honest(), scene.honest());
    space.space_proof = SpaceProof::Ticket(Digest([9; 32]));
    time.time_proof = TimeProof::Ticket(Digest([9; 32]));
    assert_eq!(scene.failed(&space), [ProofKind::Space]);
    assert_eq!(scene.failed(&time), [ProofKind::Time]);
    assert_eq!(scene.reason(&time), ProofFault::UnknownTicket);
}

#[test]
fn half_a_ticket_is_refused_naming_the_half_that_is_at_fault() {
    for scene in [Scene::new(), Scene::with_ticket_on_chain()] {
        let (full, named) = (scene.prove(&scene.ticket, true), scene.prove(&scene.ticket, false));
        let on_chain = scene.expectation.ticket.is_some();
        let mut set = full.clone();
        set.space_proof = named.space_proof.clone();
        let at_fault = if on_chain { ProofKind::Time } else { ProofKind::Space };
        assert_eq!(scene.failed(&set), [at_fault]);
        let mut set = full.clone();
        set.time_proof = named.time_proof.clone();
        let at_fault = if on_chain { ProofKind::Space } else { ProofKind::Time };
        assert_eq!(scene.failed(&set), [at_fault]);
    }
}

#[test]
fn any_change_to_the_statement_breaks_work_and_stake() {
    let changes: [fn(&mut Statement); 4] = [
        |statement| statement.genesis.0[0] ^= 1,
        |statement| statement.sequence = statement.sequence.next(),
        |statement| statement.batch_root.0[31] ^= 1,
        |statement| statement.beacon_index += 1,
    ];
    for mut scene in [Scene::new(), Scene::with_ticket_on_chain()] {
        let (set, honest) = (scene.honest(), scene.statement);
        for change in changes {
            scene.statement = honest;
            change(&mut scene.statement);
            assert_eq!(scene.failed(&set), [ProofKind::Stake, ProofKind::Work]);
        }
        scene.statement = honest;
        scene.statement.member = SecretKey::from_seed([9; 32]).public();
        // A ticket in full is another member's; one that is recorded was verified for the member it names.
        let by_ticket = [ProofKind::Stake, ProofKind::Work];
        let at_fault = if scene.expectation.ticket.is_some() { &by_ticket[..] } else { &ProofKind::ALL };
        assert_eq!(scene.failed(&set), at_fault);
    }
}

#[test]
fn any_change_to_the_beacon_breaks_every_proof_of_a_full_set() {
    let mut scene = Scene::new();
    let set = scene.honest();
    scene.expectation.beacon = Digest([9; 32]);
    assert_eq!(scene.failed(&set), ProofKind::ALL);
}

#[test]
fn any_changed_field_of_a_set_is_refused_with_its_proof_named() {
    let scene = Scene::new();
    let honest = scene.honest();
    for puzzle in 0..WORK_PUZZLES {
        let mut set = honest.clone();
        set.work_proof.nonces[puzzle] ^= 1 << 60;
        assert_eq!(scene.failed(&set), [ProofKind::Stake, ProofKind::Work], "nonce {puzzle}");
    }
    for byte in 0..64 {
        let mut set = honest.clone();
        set.stake_proof.signature.0[byte] ^= 1;
        assert_eq!(scene.failed(&set), [ProofKind::Stake], "signature byte {byte}");
    }
    let mut ticket = scene.ticket.clone();
    for label in 0..ticket.space.labels.len() {
        ticket.space.labels[label][0] ^= 1;
        assert_eq!(scene.failed(&scene.prove(&ticket, true)), [ProofKind::Space], "label {label}");
        let mut set = honest.clone();
        set.space_proof = SpaceProof::Full(Box::new(ticket.space.clone()));
        assert_eq!(scene.failed(&set), [ProofKind::Space, ProofKind::Stake, ProofKind::Work]);
        ticket.space.labels[label][0] ^= 1;
    }
    for sibling in 0..ticket.time.siblings.len() {
        ticket.time.siblings[sibling].0[0] ^= 1;
        assert_eq!(scene.failed(&scene.prove(&ticket, true)), [ProofKind::Time], "sibling {sibling}");
        let mut set = honest.clone();
        set.time_proof = TimeProof::Full(Box::new(ticket.time.clone()));
        assert_eq!(scene.failed(&set), [ProofKind::Stake, ProofKind::Work, ProofKind::Time]);
        ticket.time.siblings[sibling].0[0] ^= 1;
    }
}

#[test]
fn lists_that_are_too_long_are_refused_by_their_count() {
    let mut scene = Scene::new();
    let mut ticket = scene.ticket.clone();
    ticket.space.siblings.resize(1000, Digest::ZERO);
    ticket.time.siblings.resize(1000, Digest::ZERO);
    let rejection = scene.verify(&scene.prove(&ticket, true)).unwrap_err();
    assert_eq!(rejection.kinds().collect::<Vec<_>>(), [ProofKind::Space, ProofKind::Time]);
    assert!(rejection.failed.iter().all(|failed| matches!(failed.reason, ProofFault::Count { .. })));
    // Counting comes before all that costs something, such as looking up the stake.
    scene.expectation.stake = MicroCaesar::ZERO;
    let set = scene.prove(&ticket, true);
    let first = set.verify(&scene.statement, &scene.expectation, Diligence::StopAtFirst).unwrap_err();
    assert_eq!(first.kinds().collect::<Vec<_>>(), [ProofKind::Space]);
}

#[test]
fn many_sets_get_the_verdicts_that_each_would_get_alone() {
    let (first, later) = (Scene::new(), Scene::with_ticket_on_chain());
    let honest = [first.honest(), later.honest()];
    let mut forged = later.honest();
    forged.stake_proof.signature.0[3] ^= 1;
    let mut forged_and_lazy = forged.clone();
    forged_and_lazy.work_proof.nonces[0] ^= 1 << 60;
    fn of<'a>(scene: &'a Scene, set: &'a FourProofSet) -> Submission<'a> {
        Submission { set, statement: &scene.statement, expectation: &scene.expectation }
    }
    let good = [of(&first, &honest[0]), of(&later, &honest[1])];
    let mixed = [good[0], of(&later, &forged), good[1], of(&later, &forged_and_lazy)];
    for diligence in [Diligence::StopAtFirst, Diligence::NameAll] {
        for submissions in [&good[..], &mixed[..], &[]] {
            let alone: Vec<_> = submissions
                .iter()
                .map(|one| one.set.verify(one.statement, one.expectation, diligence))
                .collect();
            assert_eq!(verify_many(submissions, diligence, &mut seeded(1)), alone);
        }
    }
}

#[test]
fn a_deferred_signature_is_over_the_proof_hash() {
    let scene = Scene::new();
    let set = scene.honest();
    let (message, signature) =
        set.verify_but_signature(&scene.statement, &scene.expectation, Diligence::StopAtFirst).unwrap();
    assert_eq!(scene.verify(&set), Ok(message));
    assert_eq!(scene.statement.member.verify(&message, &signature), Ok(()));
}

#[test]
fn the_digests_of_a_ticket_and_a_set_are_these_for_ever() {
    let scene = Scene::new();
    let hash = scene.verify(&scene.honest()).unwrap();
    let ticket = scene.ticket.digest(&BEACON, &scene.statement.member);
    assert_eq!(
        scene.plot.root().to_string(),
        "4b08fbdf01b8d9b7909b5c60d5867ead618fcaf19cde01c8701ef61b0e98c131"
    );
    assert_eq!(ticket.to_string(), "6202e2ad4a453d465ba6ea7f7bf50cf631ab63ee1c09ff13e03fd927c08e5e69");
    assert_eq!(hash.to_string(), "864e426d6e0db8cdb7d05e3745f3177cd4e851146a2a4508f6f5f8cedb076b3f");
}

#[test]
fn encoded_sets_fit_their_bound_and_a_named_ticket_takes_little() {
    let scene = Scene::new();
    let full = encode(&scene.prove(&scene.ticket, true));
    let named = encode(&scene.prove(&scene.ticket, false));
    assert!(full.len() <= PARAMETERS.set_bytes_max());
    assert!(encode(&scene.ticket).len() <= PARAMETERS.ticket_bytes_max());
    assert_eq!(named.len(), 33 + 64 + 128 + 33);
    assert!(decode::<FourProofSet>(&full, PARAMETERS.set_bytes_max()).is_ok());
}

fn rubbish() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 0..512)
}

proptest! {
    #[test]
    fn no_bytes_make_decoding_panic(bytes in rubbish()) {
        drop(decode::<FourProofSet>(&bytes, 512));
        drop(decode::<Ticket>(&bytes, 512));
        drop(decode::<InitialProof>(&bytes, 512));
        drop(decode::<ProofRejection>(&bytes, 512));
    }

    #[test]
    fn no_change_to_an_encoded_set_is_accepted_or_makes_judging_panic(
        place in any::<proptest::sample::Index>(), change in 1_u8..,
    ) {
        std::thread_local!(static SCENE: (Scene, Vec<u8>) = {
            let scene = Scene::new();
            let bytes = encode(&scene.honest());
            (scene, bytes)
        });
        let accepted = SCENE.with(|(scene, honest)| {
            let mut bytes = honest.clone();
            let place = place.index(bytes.len());
            bytes[place] ^= change;
            decode::<FourProofSet>(&bytes, PARAMETERS.set_bytes_max()).is_ok_and(|set| scene.verify(&set).is_ok())
        });
        prop_assert!(!accepted);
    }
}
