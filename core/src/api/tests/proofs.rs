//! Answers with proof: whatever a node changes in one, the client gets the truth or a refusal, never something else.

use super::*;
use crate::caesar::Holder;
use crate::state::{
    NameOwner, PROVED_ROW_BYTES_MAX, PROVED_ROW_COUNT_MAX, ProvedRow, Row, StateProof, StateProofFault,
};
use crate::trust::{Answer, Funds, Holding, NotProved, Proved};
use crate::trustchain::DomainName;
use crate::trustchain::dns::{RecordData, resolve};

fn prove(mesh: &Mesh, question: &Question) -> StateProof {
    match answer(mesh, &Request::Prove(ProveRequest { question: question.clone() })).unwrap() {
        Response::Prove(proof) => proof,
        other => panic!("{other:?}"),
    }
}

fn proved(mesh: &Mesh, question: &Question) -> Result<Proved, NotProved> {
    question.check(&prove(mesh, question), &mesh.genesis)
}

fn records(name: DomainName, record_type: RecordType) -> Question {
    Question::Records { name, record_type }
}

/// A row of any length.
#[derive(borsh::BorshSerialize, borsh::BorshDeserialize)]
struct Wide(Vec<u8>);

impl Row for Wide {
    type Key = PublicKey;
    const TAG: u8 = 0xfe;

    fn key_bytes(key: &PublicKey) -> Vec<u8> {
        key.0.to_vec()
    }
}

/// A mesh with names, an alias, a certificate, and precommits for its last block.
fn mesh() -> &'static Mesh {
    &certified().mesh
}

fn questions() -> Vec<Question> {
    let (alice, stranger) = (alice().public(), PublicKey([9; 32]));
    vec![
        records(name("given.demo.hypermesh"), RecordType::Aaaa),
        records(name("given.demo.hypermesh"), RecordType::Txt),
        records(name("nobody.demo.hypermesh"), RecordType::Aaaa),
        records(name("demo.hypermesh"), RecordType::Soa),
        records(name("_udp.trustchain.demo.hypermesh"), RecordType::Srv),
        records(name("_stoq._udp.trustchain.demo.hypermesh"), RecordType::Srv),
        records(name("elsewhere.example"), RecordType::Aaaa),
        Question::Owner { name: name("a.b.given.demo.hypermesh") },
        Question::Owner { name: name("nobody.demo.hypermesh") },
        Question::Balance { owner: alice },
        Question::Balance { owner: mesh().validators[0].public() },
        Question::Balance { owner: stranger },
        Question::Certificate { serial_number: serial() },
        Question::Certificate { serial_number: SerialNumber::from_operation(&Digest([3; 32])) },
        Question::History { holder: Holder::Owner(alice) },
        Question::History { holder: Holder::Owner(stranger) },
        Question::History { holder: Holder::Reserve },
    ]
}

#[test]
fn what_is_proved_is_what_the_state_says() {
    let state = &mesh().state;
    for question in questions() {
        let Proved { answer, height, time } = proved(mesh(), &question).unwrap();
        assert_eq!((height, time), (state.height(), state.time()));
        assert_eq!(answer, question.answer(state), "{question:?}");
        match (&question, answer) {
            (Question::Records { name, record_type }, Answer::Records(found)) => {
                assert_eq!(found, resolve(state, name, *record_type));
            }
            (Question::Balance { owner }, Answer::Balance(Funds { balance, stake, unbonding })) => {
                let Ok(Response::Balance(said)) =
                    super::answer(mesh(), &Request::Balance(BalanceRequest { owner: *owner }))
                else {
                    panic!("no balance")
                };
                assert_eq!((balance, stake, unbonding), (said.balance, said.stake, said.unbonding));
            }
            (Question::Owner { name }, Answer::Owner(holding)) => {
                assert_eq!(holding.map(|holding| holding.owner), state.owner_of(name, state.time()));
            }
            (Question::Certificate { serial_number }, Answer::Certificate(row)) => {
                assert_eq!(row, state.get::<Certificate>(serial_number));
            }
            (Question::History { holder }, Answer::History(head)) => {
                assert_eq!(head, state.history(*holder));
            }
            (question, answer) => panic!("{question:?} is answered with {answer:?}"),
        }
    }
}

#[test]
fn that_something_is_not_there_is_proved_too() {
    let outcome = |question: &Question| match proved(mesh(), question).unwrap().answer {
        Answer::Records(found) => found.outcome,
        other => panic!("{other:?}"),
    };
    assert_eq!(outcome(&records(name("given.demo.hypermesh"), RecordType::Txt)), ResolutionOutcome::NoData);
    assert_eq!(
        outcome(&records(name("nobody.demo.hypermesh"), RecordType::Aaaa)),
        ResolutionOutcome::NoSuchName
    );
    // It has no records, and exists because one below it has (RFC 8020).
    let between = records(name("_udp.trustchain.demo.hypermesh"), RecordType::Srv);
    assert_eq!(outcome(&between), ResolutionOutcome::NoData);
    let nobody = Question::Owner { name: name("nobody.demo.hypermesh") };
    assert_eq!(proved(mesh(), &nobody).unwrap().answer, Answer::Owner(None));
    let unknown = Question::Certificate { serial_number: SerialNumber::from_operation(&Digest([3; 32])) };
    assert_eq!(proved(mesh(), &unknown).unwrap().answer, Answer::Certificate(None));
}

#[test]
fn who_owns_a_name_is_proved_with_the_name_that_was_registered() {
    let question = Question::Owner { name: name("a.b.given.demo.hypermesh") };
    let registered = name("given.demo.hypermesh");
    let row: NameOwner = mesh().state.get(&registered).unwrap();
    let holding = Holding {
        owner: row.owner,
        registered,
        since: row.since,
        expires: row.expires,
        freed: None,
        until: None,
        may_grant: true,
        granter: None,
    };
    assert_eq!(proved(mesh(), &question).unwrap().answer, Answer::Owner(Some(holding)));
}

/// That the proofs of these questions have the rows that the answers rest on, and no others.
fn assert_each_row_is_needed(mesh: &Mesh, questions: &[Question]) {
    for question in questions {
        let whole = prove(mesh, question);
        assert_eq!(
            question.check(&whole, &mesh.genesis).map(|proved| proved.answer),
            Ok(question.answer(&mesh.state))
        );
        for left_out in 0..whole.rows.len() {
            let mut proof = whole.clone();
            proof.rows.remove(left_out);
            let refused = question.check(&proof, &mesh.genesis);
            assert!(matches!(refused, Err(NotProved::Rows(_))), "{question:?} without row {left_out}");
        }
    }
}

#[test]
fn a_row_that_is_left_out_is_not_taken_for_absent() {
    assert_each_row_is_needed(mesh(), &questions());
}

#[test]
fn names_that_are_not_paid_for_are_proved_by_the_time_of_the_block() {
    let mut mesh = mesh().clone();
    let (web, below) = (name("web.demo.hypermesh"), name("below.web.demo.hypermesh"));
    mesh.done(&alice(), register("web.demo.hypermesh", &alice()));
    mesh.done(&alice(), set("web.demo.hypermesh", vec![RecordData::Txt(vec!["x".into()])]));
    let expires = mesh.state.get::<NameOwner>(&web).unwrap().expires.unwrap();
    mesh.pass(expires.since(mesh.state.time()) + 1);
    let questions = [&web, &below]
        .into_iter()
        .flat_map(|name| [records(name.clone(), RecordType::Txt), Question::Owner { name: name.clone() }])
        .collect::<Vec<_>>();
    assert_each_row_is_needed(&mesh, &questions);
    let Answer::Owner(Some(holding)) = proved(&mesh, &questions[1]).unwrap().answer else {
        panic!("it is kept")
    };
    assert!(holding.freed.is_some(), "it has lapsed");
}

#[test]
fn the_proof_of_another_question_is_refused() {
    let balance = Question::Balance { owner: alice().public() };
    let other = Question::Balance { owner: bob().public() };
    let refused = balance.check(&prove(mesh(), &other), &mesh().genesis);
    assert!(matches!(refused, Err(NotProved::Rows(_))), "{refused:?}");
}

#[test]
fn what_was_changed_is_refused_and_why_is_said() {
    let question = Question::Balance { owner: alice().public() };
    let good = prove(mesh(), &question);
    let fault = |change: &dyn Fn(&mut StateProof)| {
        let mut proof = good.clone();
        change(&mut proof);
        match question.check(&proof, &mesh().genesis) {
            Err(NotProved::Proof(fault)) => fault,
            other => panic!("{other:?}"),
        }
    };
    let rich = fault(&|proof| {
        let row = proof.rows.iter_mut().find_map(|row| row.row.as_mut()).unwrap();
        *row.0.last_mut().unwrap() ^= 1;
    });
    assert!(matches!(rich, StateProofFault::Row { .. }), "{rich:?}");
    let gone = fault(&|proof| {
        proof.rows.iter_mut().for_each(|row| row.row = None);
    });
    assert!(matches!(gone, StateProofFault::Row { .. }), "{gone:?}");
    let root = fault(&|proof| proof.header.state_root = Digest([1; 32]));
    assert!(matches!(root, StateProofFault::OtherBlock { .. }), "{root:?}");
    let other = fault(&|proof| proof.header.genesis = Digest([1; 32]));
    assert!(matches!(other, StateProofFault::OtherMesh { .. }), "{other:?}");
    let few = fault(&|proof| proof.commit.signatures.truncate(2));
    assert!(matches!(few, StateProofFault::NotDecided(_)), "{few:?}");
    let twice = fault(&|proof| proof.rows.push(proof.rows[0].clone()));
    assert!(matches!(twice, StateProofFault::Rows { .. }), "{twice:?}");
}

#[test]
fn a_proof_of_another_mesh_is_refused() {
    let question = Question::Balance { owner: alice().public() };
    let mut genesis = mesh().genesis.as_ref().clone();
    genesis.network = "another".to_string();
    let refused = question.check(&prove(mesh(), &question), &genesis);
    assert!(matches!(refused, Err(NotProved::Proof(StateProofFault::OtherMesh { .. }))), "{refused:?}");
}

#[test]
fn rows_hold_at_their_limit_and_not_one_past_it() {
    let question = Question::Balance { owner: alice().public() };
    let proof = prove(mesh(), &question);
    let with = |count: usize| {
        let state = &mesh().state;
        let witness = crate::state::Witness::new(state);
        for number in 0..count {
            let owner = PublicKey(core::array::from_fn(|at| {
                u8::try_from((number >> (8 * (at % 2))) & 0xff).unwrap()
            }));
            let _row = crate::state::get::<crate::state::Account>(&witness, &owner);
        }
        witness.prove()
    };
    let rows = with(PROVED_ROW_COUNT_MAX).unwrap();
    assert_eq!(rows.len(), PROVED_ROW_COUNT_MAX);
    let whole = StateProof { rows, ..proof.clone() };
    assert!(whole.check(&mesh().genesis).is_ok());
    assert!(with(PROVED_ROW_COUNT_MAX + 1).is_err());
    let mut over = whole;
    over.rows.push(ProvedRow { key: vec![0xff; 40], row: None, proof: vec![] });
    let refused = over.check(&mesh().genesis).map(|_| ());
    assert_eq!(refused, Err(StateProofFault::Rows { count: PROVED_ROW_COUNT_MAX + 1 }));
}

#[test]
fn a_row_that_is_proved_holds_at_its_bytes_and_not_one_past_them() {
    let state = &mesh().state;
    let holds = |bytes: usize| {
        let mut draft = state.draft();
        let owner = PublicKey([0xfe; 32]);
        draft.put(&owner, &Wide(vec![7; bytes - 4]));
        let (wide, _, _) = draft.finish();
        let witness = crate::state::Witness::new(&wide);
        let _row = crate::state::get::<Wide>(&witness, &owner);
        witness.prove().map(|rows| rows[0].row.as_ref().map(|row| row.0.len()))
    };
    assert_eq!(holds(PROVED_ROW_BYTES_MAX), Ok(Some(PROVED_ROW_BYTES_MAX)));
    let bytes = PROVED_ROW_BYTES_MAX + 1;
    assert_eq!(holds(bytes), Err(crate::state::TooMuch::Bytes { bytes }));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    /// The attacker's whole freedom: any bytes in place of the node's.
    #[test]
    fn a_proof_with_any_bytes_changed_gives_the_truth_or_a_refusal(
        which in 0_usize..14,
        edits in prop::collection::vec((any::<prop::sample::Index>(), 1_u8..), 1..4),
    ) {
        let question = &questions()[which];
        let good = prove(mesh(), question);
        let truth = question.check(&good, &mesh().genesis).unwrap();
        let mut bytes = encode(&good);
        for (at, flip) in edits {
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
        }
        if let Ok(proof) = decode::<StateProof>(&bytes, RESPONSE_BYTES_MAX)
            && let Ok(found) = question.check(&proof, &mesh().genesis)
        {
            prop_assert_eq!(found, truth);
        }
    }
}
