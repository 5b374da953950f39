//! The four proofs that admit a batch, as pure functions: a prover and a checker for each, and the set.
//!
//! | proof | question | what is shown | what is **not** shown |
//! |---|---|---|---|
//! | [space](SpaceAnswer) | where | the member keeps a plot that takes long to make | a place, or a machine of its own |
//! | [stake](StakeProof) | who | the holder of the staked key said all of this | a legal person |
//! | [work](WorkProof) | what | so many hashes were spent on this very batch | useful computing |
//! | [time](SequentialProof) | when | so many steps were taken one after another since the beacon | seconds |
//!
//! All four can be bought; none can be had for nothing, and each is bound to the others by one transcript.
//! *Position: not attested* is what outputs must say of the space proof.
//!
//! Space and time are proved once for each beacon and member and make up a [`Ticket`]. A [`FourProofSet`]
//! carries the ticket in full, or by the digest under which the state has recorded it; both give the same
//! transcript. Nothing here reads state: what the state says comes in as an [`Expectation`].

mod challenge;
mod fault;
mod merkle;
mod parameters;
mod plotter;
mod set;
mod space;
mod space_graph;
mod space_initial;
mod stake;
mod ticket;
mod time;
mod verdict;
mod work;

#[cfg(test)]
mod tests;

pub use fault::{FailedProof, ProofFault, ProofKind, ProofRejection};
pub use parameters::{ProofParameters, SpaceParameters, TimeParameters, WorkParameters};
pub use plotter::{Plotter, Progress, ResumeError};
pub use set::{FourProofSet, SpaceProof, Statement, TimeProof, prove_set};
pub use space::{
    Label, LabelCountError, LayerReader, Plot, PlotIndex, PlotKey, SpaceAnswer, plot_key, verify_answer,
};
pub use space_initial::{ColumnIndex, InitialProof, PlotCommitment, prove_initial, verify_initial};
pub use stake::StakeProof;
pub use ticket::{Ticket, prove_ticket};
pub use time::{SequentialProof, prove_time, time_challenge, verify_time};
pub use verdict::{Diligence, Expectation, Submission, verify_many};
pub use work::{WORK_PUZZLES, WorkProof, retarget};
