//! The four proofs, checked in this process: the user's figure is of validation alone.

use hypermesh_benches::{Figure, Run};
use hypermesh_core::base::{Digest, MicroCaesar, Profile, SecretKey, Sequence};
use hypermesh_core::hypermesh::proof::{
    Diligence, Expectation, Plot, Plotter, Statement, plot_key, prove_set, prove_ticket,
};
use std::time::Instant;

/// Four-proof validation, with the whole ticket and with one that is known.
pub(super) fn figures(scale: usize, runs: usize) -> Vec<Figure> {
    let profile = Profile::Devnet;
    let parameters = profile.proofs();
    let identity = SecretKey::from_seed([7; 32]);
    let member = identity.public();
    let plot: Plot = Plotter::new(parameters.space, plot_key("compare", profile, &member)).finish();
    let beacon = Digest([3; 32]);
    let ticket = prove_ticket(&plot, &beacon, &member, &parameters);
    let statement = Statement {
        genesis: Digest([1; 32]),
        member,
        sequence: Sequence(0),
        batch_root: Digest([2; 32]),
        beacon_index: 0,
    };
    let difficulty = parameters.work.difficulty_initial;
    let expectation = |ticket| Expectation {
        parameters,
        beacon,
        plot_root: Some(plot.root()),
        stake: MicroCaesar(1),
        stake_minimum: MicroCaesar(1),
        difficulty,
        ticket,
        ticket_open: true,
    };
    [("four-proof validation, cold", true, 0.35), ("four-proof validation, by ticket", false, 0.06)]
        .map(|(name, full, design)| {
            let set = prove_set(&ticket, full, &statement, &beacon, difficulty, &identity);
            let recorded = (!full).then(|| ticket.digest(&beacon, &member));
            let expectation = expectation(recorded);
            let run = || {
                let mut times = Vec::new();
                let begun = Instant::now();
                for _ in 0..200 * scale {
                    let start = Instant::now();
                    let verdict = set.verify(&statement, &expectation, Diligence::StopAtFirst);
                    times.push(start.elapsed());
                    assert!(verdict.is_ok(), "an honest set of proofs was refused: {verdict:?}");
                }
                Run::new(times, begun.elapsed())
            };
            let runs: Vec<Run> = (0..runs).map(|_| run()).collect();
            Figure::of(name, &runs).targets(Some(60.0), Some(design))
        })
        .into()
}
