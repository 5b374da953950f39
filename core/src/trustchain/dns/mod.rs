//! The names: records and authoritative answers.
//!
//! [`RecordSet`] is what an owner writes under a name and a [`RecordType`]; its presentation form is what
//! people type and read. A [`ZoneSource`] is the committed state seen as zones. [`resolve`] finds the answer
//! to one question, and [`answer`] turns a whole DNS message into its response, on top of the same search.
//!
//! The wire format is hickory-proto's. What this does *not* do: recursion, delegation to other servers (every name in the
//! zones is answered here), zone transfer, wildcards (one would answer for names below that have other owners) and DNSSEC. A plain DNS answer is only as honest as the node that was asked; answers
//! over STOQ can carry a proof.

mod additional;
mod answer;
mod fields;
mod octets;
mod presentation;
mod print;
mod record;
mod record_check;
mod record_set;
mod record_type;
mod resolve;
mod response;
mod reverse;
mod svcb;
mod tlsa;
mod wire;
mod zone;

#[cfg(test)]
mod tests;

pub use answer::{
    ADDITIONAL_TARGETS_MAX, QUERY_BYTES_MAX, QUERY_RECORDS_MAX, STREAM_RESPONSE_BYTES_MAX, Staleness,
    Transport, UDP_RESPONSE_BYTES_MAX, UDP_RESPONSE_BYTES_MIN, answer,
};
pub use octets::Octets;
pub use presentation::{PRESENTATION_BYTES_MAX, PresentationFault};
pub use record::{CAA_TAG_BYTES_MAX, CHARACTER_STRING_BYTES_MAX, RECORD_BYTES_MAX, RecordData, Soa};
pub use record_check::RecordDataFault;
pub use record_set::{
    NameFault, RECORDS_PER_SET_MAX, RecordFault, RecordSet, TTL_SECONDS_MAX, TTL_SECONDS_MIN, check_name,
};
pub use record_type::{RecordType, UnknownRecordType, UnknownType, UnsettableType};
pub use resolve::{CNAME_CHAIN_MAX, NamedRecordSet, Resolution, ResolutionOutcome, resolve};
pub use reverse::reverse_name;
pub use svcb::{SVCB_VALUES_MAX, SvcbKey, SvcbParameters};
pub use tlsa::{TlsaProtocol, tlsa_for_key, tlsa_name};
pub use zone::{TreeKey, ZoneSource, ZoneTable};
