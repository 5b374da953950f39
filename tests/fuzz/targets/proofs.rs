//! The four proofs and the initialisation proof: read, and judged under the simulator's parameters.
#![no_main]

use hypermesh_core::base::{Digest, MicroCaesar, Sequence};
use hypermesh_core::hypermesh::proof::*;
use hypermesh_fuzz::{canonical, member, parameters, select};

const BEACON: Digest = Digest([9; 32]);
const ROOT: Digest = Digest([8; 32]);

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((which, bytes)) = select(input) else { return };
    let parameters = parameters();
    let member = member();
    match which % 6 {
        0 => {
            let Some(set) = canonical::<FourProofSet>(bytes, parameters.set_bytes_max()) else { return };
            let statement = Statement {
                genesis: ROOT,
                member,
                sequence: Sequence(1),
                batch_root: BEACON,
                beacon_index: 2,
            };
            let expectation = Expectation {
                parameters,
                beacon: BEACON,
                plot_root: Some(ROOT),
                stake: MicroCaesar(5),
                stake_minimum: MicroCaesar(5),
                difficulty: 64,
                ticket: Some(ROOT),
                ticket_open: true,
            };
            // A judge who names all faults and one who stops at the first agree on whether there is one.
            let all = set.verify(&statement, &expectation, Diligence::NameAll);
            let first = set.verify(&statement, &expectation, Diligence::StopAtFirst);
            assert_eq!(all.is_ok(), first.is_ok());
        }
        1 => {
            let Some(answer) = canonical::<SpaceAnswer>(bytes, parameters.space.answer_bytes_max()) else {
                return;
            };
            let judged = verify_answer(&parameters.space, &ROOT, &BEACON, &member, &answer);
            assert!(judged.is_err(), "nobody has a plot with this root");
        }
        2 => {
            let Some(proof) = canonical::<SequentialProof>(bytes, parameters.time.proof_bytes_max()) else {
                return;
            };
            let challenge = time_challenge(&BEACON, &member);
            if verify_time(&challenge, &parameters.time, &proof).is_ok() {
                let other = time_challenge(&ROOT, &member);
                assert!(verify_time(&other, &parameters.time, &proof).is_err());
            }
        }
        3 => {
            let bytes_max = parameters.space.initial_proof_bytes_max();
            let Some(proof) = canonical::<InitialProof>(bytes, bytes_max) else { return };
            let commitment = PlotCommitment { plot_root: ROOT, column_root: BEACON };
            let key = plot_key("test", hypermesh_core::base::Profile::Sim, &member);
            assert!(verify_initial(&parameters.space, &key, &commitment, &BEACON, &proof).is_err());
        }
        4 => drop(canonical::<WorkProof>(bytes, 1 << 10)),
        _ => drop(canonical::<StakeProof>(bytes, 1 << 10)),
    }
});
