//! The rows that an answer rests on, with their proofs. The answer itself is left to whoever asks.

use crate::api::{ApiFault, FaultKind, ReadMethod, View};
use crate::base::UnixMillis;
use crate::state::{StateProof, Witness};
use crate::trust::Question;
use alloc::string::ToString;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

message! {
    /// Asks something whose answer is to be proved.
    ProveRequest {
        /// What.
        question: Question,
    }
}

impl ReadMethod for ProveRequest {
    fn answer(&self, view: &View, _wall: UnixMillis) -> Result<StateProof, ApiFault> {
        let (Some(header), Some(commit)) = (view.state.head(), &view.commit) else {
            return Err(ApiFault::unavailable("no block has been decided yet: retry".to_string()));
        };
        if view.state.has_overdue() {
            // Rows alone do not say whose time is over.
            let message = "the mesh was stalled and now executes overdue work: retry in a few blocks";
            return Err(ApiFault::unavailable(message.to_string()));
        }
        let witness = Witness::new(&view.state);
        let _answer = self.question.answer(&witness);
        let rows = witness.prove().map_err(|fault| ApiFault::new(FaultKind::ResourceExhausted, fault))?;
        Ok(StateProof { header: header.clone(), commit: commit.clone(), rows })
    }
}
