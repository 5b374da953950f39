//! Reference models: programs so plain that they are right at sight, which the real ones are held against.
//!
//! Each model is a state machine of proptest: a sequence of steps is drawn, both carry it out, and whatever can be seen of
//! the one must be seen of the other after each step. A sequence that tells them apart shrinks. A model that is told a lie
//! must be told apart, so each has a test in which the comparison fails.
//!
//! What they do not try: blocks that must not be (`state::tests::blocks`), certificates and their TLSA records
//! (`state::tests::certificates`), and anything that more than one node does: the simulator.

mod ledger;
mod log;
mod names;
mod services;

use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest};

/// How many sequences are tried where nobody says (`PROPTEST_CASES`) how many.
const CASES_UNTOLD: u32 = 256;

/// So many sequences, or as many as `PROPTEST_CASES` asks for.
fn config(cases: u32) -> Config {
    let given = Config::default();
    let cases = if given.cases == CASES_UNTOLD { cases } else { given.cases };
    Config { cases, ..given }
}

/// The steps that a sequence which tells a lying model from the real thing shrinks to.
///
/// # Panics
/// If no sequence does.
fn found_out<T>(
    lengths: core::ops::Range<usize>,
) -> alloc::vec::Vec<<T::Reference as ReferenceStateMachine>::Transition>
where
    T: StateMachineTest,
    <T::Reference as ReferenceStateMachine>::State: Clone + core::fmt::Debug,
{
    let config = Config { cases: 64, failure_persistence: None, ..Config::default() };
    let random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let sequences = T::Reference::sequential_strategy(lengths);
    let found = TestRunner::new_with_rng(config.clone(), random).run(&sequences, |(state, steps, seen)| {
        T::test_sequential(config.clone(), state, steps, seen);
        Ok(())
    });
    match found {
        Err(TestError::Fail(_, (_, steps, _))) => steps,
        other => {
            panic!("the lie was not found out: {}", if other.is_ok() { "all agrees" } else { "aborted" })
        }
    }
}
