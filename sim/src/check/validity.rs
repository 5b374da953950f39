//! A decided block is valid: an independent judgement of every block, once for each height, from the block and its
//! parent's state alone.
//!
//! It asks no node and none of a node's cached verdicts. What the proofs are held against, who makes a quorum and
//! whose turn a batch's number is are worked out here; signatures, proofs and the outcome are judged by the same pure
//! functions that nodes use, so a fault within one of those is not seen here: their own tests are for that.

use super::chain::Precommit;
use hypermesh_core::caesar::STAKE_MINIMUM;
use hypermesh_core::hypermesh::ordering::CommitCertificate;
use hypermesh_core::hypermesh::proof::{Diligence, Expectation, Statement};
use hypermesh_core::state::{
    BLOCK_OPERATION_COUNT_MAX, Batch, Block, CheckedBatch, Executed, Genesis, Header, Member, State,
};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Judges a block against its parent's state, and executes it. `known` are precommits for the parent that hold.
///
/// # Errors
/// With what is wrong with it.
pub(super) fn check_block(
    parent: &State,
    block: &Block,
    known: &mut BTreeSet<Precommit>,
) -> Result<Executed, String> {
    check_place(parent, &block.header)?;
    if let (Some(head), Some(commit)) = (parent.head(), &block.body.parent_commit) {
        let parent_commit = check_commit(parent.genesis_document(), head, commit, known);
        parent_commit.map_err(|what| format!("its parent's certificate: {what}"))?;
    }
    let mut members = BTreeSet::new();
    let mut batches = Vec::new();
    for (position, batch) in block.body.batches.iter().enumerate() {
        let broken = |what: String| format!("batch {position}: {what}");
        if !members.insert(batch.member) {
            return Err(broken("a second one of its member".to_string()));
        }
        batches.push(Arc::new(check_batch(parent, &block.header, batch).map_err(broken)?));
    }
    let operations: usize = batches.iter().map(|batch| batch.operations.len()).sum();
    if operations > BLOCK_OPERATION_COUNT_MAX {
        return Err(format!("{operations} operations"));
    }
    parent.execute(block, &batches).map_err(|fault| fault.to_string())
}

fn check_place(parent: &State, header: &Header) -> Result<(), String> {
    let parent_hash = parent.head().map(Header::hash).unwrap_or_default();
    if header.parent != parent_hash || header.height != parent.height().next() {
        return Err("it does not follow its parent".to_string());
    }
    if header.time <= parent.time() {
        return Err("it is not later than its parent".to_string());
    }
    let validators = &parent.genesis_document().validators;
    match validators.iter().any(|validator| validator.member.key == header.proposer) {
        true => Ok(()),
        false => Err(format!("its proposer {} is no validator", header.proposer)),
    }
}

/// Checks every signature in a batch, its number, and all four proofs.
fn check_batch(parent: &State, header: &Header, batch: &Batch) -> Result<CheckedBatch, String> {
    let checked = batch.clone().check_included(&parent.genesis_hash()).map_err(|fault| fault.to_string())?;
    for operation in &batch.operations {
        let owner = operation.body.owner;
        owner
            .verify(&operation.id().0, &operation.signature)
            .map_err(|_| format!("not signed by {owner}"))?;
    }
    let member = parent.get::<Member>(&batch.member).ok_or("its submitter is no member")?;
    if batch.sequence != member.next_sequence {
        return Err(format!("its number is {} where {} is next", batch.sequence, member.next_sequence));
    }
    let statement = Statement {
        genesis: parent.genesis_hash(),
        member: batch.member,
        sequence: member.next_sequence,
        batch_root: batch.root(),
        beacon_index: batch.beacon_index,
    };
    let expectation =
        expectation(parent, header, batch, &member).ok_or("it is bound to no beacon that counts")?;
    let verdict = batch.proofs.verify(&statement, &expectation, Diligence::NameAll);
    verdict.map_err(|rejection| rejection.to_string())?;
    Ok(checked)
}

/// What a batch's proofs are held against: the current beacon, or the one before.
fn expectation(parent: &State, header: &Header, batch: &Batch, member: &Member) -> Option<Expectation> {
    let beacon = parent.beacon();
    let (value, made, difficulty) = if batch.beacon_index == beacon.index {
        (beacon.value, beacon.time, beacon.difficulty)
    } else {
        let (value, made) = beacon.previous.filter(|_| batch.beacon_index + 1 == beacon.index)?;
        (value, made, beacon.previous_difficulty)
    };
    let profile = parent.genesis_document().profile;
    Some(Expectation {
        parameters: profile.proofs(),
        beacon: value,
        plot_root: Some(member.plot_root),
        stake: member.stake,
        stake_minimum: STAKE_MINIMUM,
        difficulty,
        ticket: member.tickets.get(&batch.beacon_index).copied(),
        ticket_open: header.time.0 <= made.0 + profile.ticket_ms_deadline(),
    })
}

/// Checks that more than two thirds of the validators of genesis signed precommits for a block. Signatures that are in
/// `known` were found to hold before; those that are found to hold are put there.
///
/// # Errors
/// With what is wrong with the certificate.
pub(super) fn check_commit(
    genesis: &Genesis,
    head: &Header,
    commit: &CommitCertificate,
    known: &mut BTreeSet<Precommit>,
) -> Result<(), String> {
    if commit.height != head.height || commit.value_id != head.hash() {
        return Err(format!("the certificate beside block {} is for another", head.height));
    }
    let mut signers = BTreeSet::new();
    for signed in commit.votes() {
        let validator = signed.vote.validator;
        if !genesis.validators.iter().any(|listed| listed.member.key == validator) {
            return Err(format!("{validator} signed block {} and is no validator", head.height));
        }
        let precommit = (validator, commit.round, signed.signature);
        if !known.contains(&precommit) {
            signed
                .verify(&genesis.hash())
                .map_err(|_| format!("the signature of {validator} does not hold"))?;
            known.insert(precommit);
        }
        signers.insert(validator);
    }
    let (signed, all) = (signers.len(), genesis.validators.len());
    match 3 * signed > 2 * all {
        true => Ok(()),
        false => Err(format!("block {} is certified by {signed} of {all} validators", head.height)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::test_util::{issued_block, sealed};
    use hypermesh_core::base::{Sequence, Signature};

    /// The reason why a block is refused after it was changed, and made consistent again.
    fn refused(change: impl FnOnce(&mut Block)) -> String {
        let (parent, mut block) = issued_block();
        let check = |block: &Block| check_block(&parent, block, &mut BTreeSet::new()).map(|_| ());
        assert_eq!(check(&block), Ok(()));
        change(&mut block);
        check(&sealed(block)).unwrap_err()
    }

    #[test]
    fn it_fires_on_a_bad_signature_number_or_proof() {
        let unsigned = refused(|block| block.body.batches[0].operations[0].signature = Signature([7; 64]));
        assert!(unsigned.contains("signature"), "{unsigned}");
        let number = refused(|block| block.body.batches[0].sequence = Sequence(99));
        assert!(number.contains("number"), "{number}");
        let work = refused(|block| block.body.batches[0].proofs.work_proof.nonces[0] ^= 1);
        assert!(work.contains("work"), "{work}");
        let stake = refused(|block| block.body.batches[0].proofs.stake_proof.signature = Signature([7; 64]));
        assert!(stake.contains("stake"), "{stake}");
        let beacon = refused(|block| block.body.batches[0].beacon_index += 1);
        assert!(beacon.contains("beacon"), "{beacon}");
    }

    #[test]
    fn it_fires_on_an_outcome_that_does_not_follow_and_on_a_wrong_time() {
        let root = refused(|block| block.header.state_root.0[0] ^= 1);
        assert!(root.contains("state_root"), "{root}");
        let log = refused(|block| block.header.log_root.0[0] ^= 1);
        assert!(log.contains("log_root"), "{log}");
        let (parent, _) = issued_block();
        let early = refused(|block| block.header.time = parent.time());
        assert!(early.contains("later"), "{early}");
    }

    #[test]
    fn it_fires_on_a_certificate_of_two_of_four_and_on_a_forged_signature() {
        let (parent, block) = issued_block();
        let (head, commit) = (parent.head().unwrap(), block.body.parent_commit.unwrap());
        let check = |commit| check_commit(parent.genesis_document(), head, &commit, &mut BTreeSet::new());
        assert_eq!(check(commit.clone()), Ok(()));
        let mut few = commit.clone();
        few.signatures.truncate(2);
        assert!(check(few).unwrap_err().contains("2 of 4"));
        let mut twice = commit.clone();
        twice.signatures = vec![commit.signatures[0]; 3];
        assert!(check(twice).unwrap_err().contains("1 of 4"));
        let mut forged = commit;
        forged.signatures[0].signature = Signature([7; 64]);
        assert!(check(forged).unwrap_err().contains("does not hold"));
    }
}
