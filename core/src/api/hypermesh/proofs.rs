//! What a validator thinks of a set of four proofs.

use crate::api::hypermesh::{ConsensusValidationResult, refused};
use crate::api::{ApiFault, ReadMethod, View};
use crate::base::UnixMillis;
use crate::hypermesh::proof::{Diligence, FourProofSet, Statement};
use crate::state::{Inadmissible, Member};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

message! {
    /// Asks what the asked validator thinks of a set of four proofs.
    ValidateProofsRequest {
        /// What the proofs are about.
        statement: Statement,
        /// The proofs.
        proofs: FourProofSet,
    }
}

impl ReadMethod for ValidateProofsRequest {
    fn answer(&self, view: &View, _wall: UnixMillis) -> Result<ConsensusValidationResult, ApiFault> {
        let (state, statement) = (&view.state, &self.statement);
        let invalid =
            |reason: String| ConsensusValidationResult::Invalid { failed_proofs: Vec::new(), reason };
        if statement.genesis != state.genesis_hash() {
            return Ok(invalid("the statement is about another mesh".to_string()));
        }
        let Some(member) = state.get::<Member>(&statement.member) else {
            return Ok(refused(&Inadmissible::NotMember { member: statement.member }));
        };
        let expectation = match state.expectation(&member, statement.beacon_index, state.time()) {
            Ok(expectation) => expectation,
            Err(reason) => return Ok(refused(&reason)),
        };
        Ok(match self.proofs.verify(statement, &expectation, Diligence::NameAll) {
            Ok(proof_hash) => {
                ConsensusValidationResult::Valid { proof_hash, height: None, receipts: Vec::new() }
            }
            Err(rejection) => refused(&Inadmissible::Proofs(rejection)),
        })
    }
}
