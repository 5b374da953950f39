//! What validators say to one another, and the log of votes, which holds the same things.
#![no_main]

use hypermesh_core::base::Height;
use hypermesh_core::hypermesh::committee::{CommitmentOffer, Round2, ShareRequest, SignedShare};
use hypermesh_core::hypermesh::ordering::{ConsensusMessage, Evidence, MESSAGE_EXTRA_BYTES_MAX, replay_log};
use hypermesh_core::node::{MESSAGE_BYTES_MAX, message_again};
use hypermesh_core::state::{BLOCK_BYTES_MAX, Block};
use hypermesh_fuzz::{canonical, select};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((which, bytes)) = select(input) else { return };
    match which % 8 {
        0 => {
            if let Some(again) = message_again(bytes) {
                assert_eq!(again, bytes);
            }
        }
        1 => {
            let Ok(message) = ConsensusMessage::decode(bytes, BLOCK_BYTES_MAX) else { return };
            assert_eq!(message.encode(), bytes);
            if let ConsensusMessage::Proposal(proposal) = &message {
                assert!(proposal.value.0.len() <= BLOCK_BYTES_MAX);
                // What names a block and what reads it agree on whether it is one.
                let block = Block::from_bytes(&proposal.value.0);
                assert_eq!(Block::identify(&proposal.value.0), block.map(|block| block.header.hash()));
            }
        }
        2 => drop(canonical::<Evidence>(bytes, MESSAGE_EXTRA_BYTES_MAX)),
        3 => drop(canonical::<Round2>(bytes, MESSAGE_BYTES_MAX)),
        4 => drop(canonical::<CommitmentOffer>(bytes, MESSAGE_BYTES_MAX)),
        5 => drop(canonical::<ShareRequest>(bytes, ShareRequest::BYTES_MAX)),
        6 => drop(canonical::<SignedShare>(bytes, MESSAGE_BYTES_MAX)),
        _ => {
            let entries: Vec<Vec<u8>> = split(bytes);
            let (inputs, damaged) = replay_log(&entries, Height(2), 1 << 16, Block::identify);
            assert!(inputs <= damaged.unwrap_or(entries.len()));
        }
    }
});

/// Entries, each behind a length of two bytes.
fn split(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut entries = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk() {
        let length = usize::from(u16::from_le_bytes(*length)).min(rest.len());
        let (entry, rest) = rest.split_at(length);
        entries.push(entry.to_vec());
        bytes = rest;
    }
    entries
}
