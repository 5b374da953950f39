//! How a request went: the steps that one node took for it, and when.
//!
//! A trace id is 16 random bytes that the caller draws. Whoever knows it may ask for its steps: it is a capability, and
//! nobody can guess one. What a node says of its own steps is as honest as the node; nothing here is proved.

use super::{Described, FaultKind};
use crate::base::{Height, PublicKey, Sequence, UnixMillis};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};
use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What all that happens for one request of a client's has in common, on every node that it touches.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct TraceId(pub [u8; 16]);

/// A text that is no trace id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a trace id: expected 32 hexadecimal digits")]
pub struct InvalidTraceId;

impl fmt::Display for TraceId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl FromStr for TraceId {
    type Err = InvalidTraceId;

    fn from_str(text: &str) -> Result<Self, InvalidTraceId> {
        let mut bytes = [0; 16];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| InvalidTraceId)?;
        Ok(Self(bytes))
    }
}

impl Serialize for TraceId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_string())
    }
}

impl<'de> Deserialize<'de> for TraceId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <String as Deserialize>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

message! {
    /// Asks a node what it did for a request.
    TraceRequest {
        /// The request's trace id.
        id: TraceId,
    }
}

/// What a node did for a request.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct NodeTrace {
    /// The node.
    pub node: PublicKey,
    /// Its name.
    pub name: String,
    /// What it did, in order; nothing, if it knows nothing of the request, or no more.
    pub steps: Vec<TraceStep>,
    /// How many steps there were beyond those that a node keeps of one request.
    pub left_out: u64,
}

impl Described for NodeTrace {
    const SHAPE: &'static str =
        "NodeTrace { node: PublicKey, name: String, steps: Vec<TraceStep>, left_out: u64, }";
}

/// One step, and when.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct TraceStep {
    /// When, by the node's wall clock. Clocks of nodes differ.
    pub time: UnixMillis,
    /// How long after the node's first step for the request, in microseconds: exact, by its own steady clock.
    pub after_us: u64,
    /// What.
    #[serde(flatten)]
    pub step: TraceEvent,
}

/// What is signed for a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signed {
    /// The certificate itself.
    Certificate,
    /// The checkpoint of the log that proves it is logged.
    Checkpoint,
}

/// What a node did for a request.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "step")]
#[non_exhaustive]
pub enum TraceEvent {
    /// The call came in, and waited for the node.
    Received {
        /// Service and method.
        method: String,
    },
    /// The node took it up.
    TakenUp,
    /// Its operation is in this node's next batch, whose proofs are being made.
    Batched {
        /// The batch's number.
        sequence: Sequence,
    },
    /// The batch was proved and sent to the other validators.
    BatchSent {
        /// The batch's number.
        sequence: Sequence,
    },
    /// The batch was proved and handed to a node that exposes `hypermesh`, since this one does not.
    BatchHandedOver {
        /// The batch's number.
        sequence: Sequence,
    },
    /// A batch with the operation came.
    BatchReceived {
        /// From which validator.
        from: PublicKey,
        /// The batch's number.
        sequence: Sequence,
    },
    /// That batch was checked, signatures and proofs, and waits to be ordered.
    BatchTaken {
        /// The batch's number.
        sequence: Sequence,
    },
    /// This node put the operation into a block that it proposed.
    Proposed {
        /// The block.
        height: Height,
    },
    /// This node executed another's proposed block with the operation, and found it valid.
    BlockChecked {
        /// The block.
        height: Height,
        /// Whose.
        proposer: PublicKey,
    },
    /// A quorum decided the block with the operation, and this node applied it.
    Decided {
        /// The block.
        height: Height,
        /// Why the operation was refused, if it was.
        refused: Option<String>,
    },
    /// That block is on this node's disk.
    Durable {
        /// The block.
        height: Height,
    },
    /// As coordinator: signature shares were asked for.
    SharesAsked {
        /// On what.
        on: Signed,
        /// Of whom.
        of: Vec<PublicKey>,
    },
    /// As coordinator: a share came.
    ShareCame {
        /// On what.
        on: Signed,
        /// Whose.
        from: PublicKey,
    },
    /// As coordinator: a share does not hold.
    ShareBad {
        /// On what.
        on: Signed,
        /// Whose.
        from: PublicKey,
    },
    /// As coordinator: enough shares came and were put together.
    Aggregated {
        /// Of what.
        on: Signed,
    },
    /// As signer: a share was asked for.
    ShareWanted {
        /// On what.
        on: Signed,
        /// By whom.
        by: PublicKey,
    },
    /// As signer: the share was given.
    ShareGiven {
        /// On what.
        on: Signed,
        /// To whom.
        to: PublicKey,
    },
    /// The call was answered.
    Answered {
        /// What kind of a failure it was answered with, if with one.
        fault: Option<FaultKind>,
    },
    /// The caller stopped waiting, and the call was not answered.
    Abandoned,
}

impl TraceEvent {
    /// The step's name, as in JSON.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Received { .. } => "received",
            Self::TakenUp => "taken_up",
            Self::Batched { .. } => "batched",
            Self::BatchSent { .. } => "batch_sent",
            Self::BatchHandedOver { .. } => "batch_handed_over",
            Self::BatchReceived { .. } => "batch_received",
            Self::BatchTaken { .. } => "batch_taken",
            Self::Proposed { .. } => "proposed",
            Self::BlockChecked { .. } => "block_checked",
            Self::Decided { .. } => "decided",
            Self::Durable { .. } => "durable",
            Self::SharesAsked { .. } => "shares_asked",
            Self::ShareCame { .. } => "share_came",
            Self::ShareBad { .. } => "share_bad",
            Self::Aggregated { .. } => "aggregated",
            Self::ShareWanted { .. } => "share_wanted",
            Self::ShareGiven { .. } => "share_given",
            Self::Answered { .. } => "answered",
            Self::Abandoned => "abandoned",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_trace_id_reads_as_it_is_written_and_other_texts_are_none(bytes in any::<[u8; 16]>(), other in ".{0,40}") {
            let id = TraceId(bytes);
            prop_assert_eq!(id.to_string().parse(), Ok(id));
            let digits = other.len() == 32 && other.bytes().all(|byte| byte.is_ascii_hexdigit());
            prop_assert_eq!(other.parse::<TraceId>().is_ok(), digits);
        }
    }

    #[test]
    fn a_steps_name_is_the_one_in_json() {
        let key = PublicKey([1; 32]);
        let (on, sequence, height) = (Signed::Certificate, Sequence(1), Height(2));
        let steps = [
            TraceEvent::Received { method: "a/b".into() },
            TraceEvent::TakenUp,
            TraceEvent::Batched { sequence },
            TraceEvent::BatchSent { sequence },
            TraceEvent::BatchHandedOver { sequence },
            TraceEvent::BatchReceived { from: key, sequence },
            TraceEvent::BatchTaken { sequence },
            TraceEvent::Proposed { height },
            TraceEvent::BlockChecked { height, proposer: key },
            TraceEvent::Decided { height, refused: None },
            TraceEvent::Durable { height },
            TraceEvent::SharesAsked { on, of: alloc::vec![key] },
            TraceEvent::ShareCame { on, from: key },
            TraceEvent::ShareBad { on, from: key },
            TraceEvent::Aggregated { on },
            TraceEvent::ShareWanted { on, by: key },
            TraceEvent::ShareGiven { on, to: key },
            TraceEvent::Answered { fault: None },
            TraceEvent::Abandoned,
        ];
        for step in steps {
            let json = serde_json::to_value(&step).unwrap();
            assert_eq!(json["step"], step.name());
        }
    }
}
