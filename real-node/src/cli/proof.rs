//! What all commands have in common that ask with proof.

use super::Global;
use crate::client::{ProvedAnswer, session};
use crate::failure::{Exit, Failure};
use crate::output::Output;
use hypermesh_core::trust::Question;

/// Requests proofs, and reports the nodes whose answers were invalid.
pub(super) fn ask_proved(
    question: &Question,
    global: &Global,
    output: Output,
) -> Result<ProvedAnswer, Failure> {
    let answer = session(global, "asking with proof", async |client| client.prove(question).await)?;
    tell(&answer, output);
    Ok(answer)
}

/// Reports the nodes whose answers were invalid.
pub(super) fn tell(answer: &ProvedAnswer, output: Output) {
    for refused in &answer.refused {
        output.tell(format!("an answer was refused, and the request was sent to another node: {refused}"));
    }
}

/// The warning for an answer that is proved but old.
pub(super) fn late(answer: &ProvedAnswer) -> String {
    format!(
        "this is proved at height {}, {} s ago by this machine's clock: later blocks may exist",
        answer.proved.height,
        answer.age_ms / 1000
    )
}

/// A question is answered with what it asks for: this is never said.
pub(super) fn unasked() -> Failure {
    Failure::new(Exit::Failed, "the proof answers another request")
}
