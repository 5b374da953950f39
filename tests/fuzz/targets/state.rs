//! What is ordered and what is stored: operations, batches, blocks, certificates of commit, genesis, rows.
#![no_main]

use hypermesh_core::base::{Digest, decode, encode};
use hypermesh_core::hypermesh::ordering::CommitCertificate;
use hypermesh_core::state::*;
use hypermesh_core::trustchain::dns::RecordSet;
use hypermesh_fuzz::{canonical, select, shown};

const GENESIS: Digest = Digest([7; 32]);
const ROW_BYTES_MAX: usize = 1 << 20;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((which, bytes)) = select(input) else { return };
    match which % 29 {
        0 => {
            let Some(operation) = shown::<Operation>(bytes, OPERATION_BYTES_MAX) else { return };
            let genesis = operation.body.genesis;
            if let Ok(checked) = operation.clone().check(&genesis) {
                assert_eq!((checked.id, &checked.operation), (operation.id(), &operation));
                assert!(operation.check(&Digest([0xa5; 32])).is_err(), "taken by another mesh");
            }
        }
        1 => {
            let Some(batch) = shown::<Batch>(bytes, BATCH_BYTES_MAX) else { return };
            let genesis = batch.genesis;
            if let Ok(checked) = batch.clone().check(&genesis) {
                assert!((1..=BATCH_OPERATION_COUNT_MAX).contains(&checked.operations.len()));
                assert_eq!((checked.root, checked.bytes), (batch.root(), bytes.len()));
            }
        }
        2 => {
            let form = decode::<Block>(bytes, BLOCK_BYTES_MAX).ok();
            let block = Block::from_bytes(bytes);
            assert_eq!(Block::identify(bytes), block.as_ref().map(|block| block.header.hash()));
            if let Some(block) = block {
                assert_eq!(block.to_bytes(), bytes);
                assert_eq!(form, Some(block));
            }
        }
        3 => row::<Header>(bytes),
        4 => drop(shown::<Body>(bytes, BLOCK_BYTES_MAX)),
        5 => {
            let Some(operation) = shown::<SystemOperation>(bytes, SYSTEM_OPERATION_BYTES_MAX) else { return };
            if operation.is_signed(&operation.genesis) {
                assert!(!operation.is_signed(&GENESIS) || operation.genesis == GENESIS);
            }
        }
        6 => drop(shown::<CommitCertificate>(bytes, 128 << 10)),
        7 => {
            let Some(genesis) = shown::<Genesis>(bytes, GENESIS_BYTES_MAX) else { return };
            if genesis.check().is_ok() {
                assert!((VALIDATOR_COUNT_MIN..=VALIDATOR_COUNT_MAX).contains(&genesis.validators.len()));
                assert_eq!(genesis.validator_set().count(), genesis.validators.len());
            }
        }
        8 => {
            let Some(set) = shown::<RecordSet>(bytes, ROW_BYTES_MAX) else { return };
            if set.check().is_ok() {
                assert_eq!(RecordSet::new(set.ttl_seconds, set.data.clone()), Ok(set));
            }
        }
        9 => row::<Receipt>(bytes),
        10 => row::<Account>(bytes),
        11 => row::<Member>(bytes),
        12 => row::<Validator>(bytes),
        13 => row::<NameOwner>(bytes),
        14 => row::<Certificate>(bytes),
        15 => row::<Beacon>(bytes),
        16 => row::<Generation>(bytes),
        17 => row::<ActiveCommittee>(bytes),
        18 => row::<Published>(bytes),
        19 => drop(canonical::<Due>(bytes, ROW_BYTES_MAX)),
        20 => row::<Reserve>(bytes),
        21 => {
            let shares = hypermesh_core::hypermesh::committee::KeyShares::from_bytes(bytes);
            if let Ok(shares) = shares {
                assert_eq!(&**shares.to_bytes(), bytes);
            }
        }
        22 => drop(canonical::<ConsensusProof>(bytes, ROW_BYTES_MAX)),
        23 => row::<IssuingCertificate>(bytes),
        24 => row::<Revoked>(bytes),
        25 => row::<RevocationListHead>(bytes),
        26 => row::<Attendance>(bytes),
        28 => row::<Instance>(bytes),
        29 => row::<RootRevocationList>(bytes),
        _ => {
            if let Some(issue) = shown::<IssueCertificate>(bytes, OPERATION_BYTES_MAX) {
                assert!(encode(&issue).len() <= OPERATION_BYTES_MAX);
            }
        }
    }
});

fn row<T>(bytes: &[u8])
where
    T: borsh::BorshSerialize + borsh::BorshDeserialize + serde::Serialize + serde::de::DeserializeOwned,
    T: PartialEq + std::fmt::Debug,
{
    let _row: Option<T> = shown(bytes, ROW_BYTES_MAX);
}
