//! The table of methods: one line each, from which all else about a method follows.
//!
//! Every method is idempotent: reads change nothing, and an operation happens once however often it is sent.

use super::*;
use crate::base::{decode, encode};
use crate::state::{Genesis, Operation, Receipt};
use crate::trust::TrustBundle;
use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Deserializer, Serialize};

/// A request type: it knows its method and its response.
pub trait Call: BorshSerialize + BorshDeserialize {
    /// What comes back.
    type Response: BorshSerialize + BorshDeserialize;
    /// The method.
    const METHOD: Method;

    /// Picks this method's response out of all.
    fn response(response: Response) -> Option<Self::Response>;
}

/// A method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Method {
    /// The service that it belongs to.
    pub service: &'static str,
    /// Its name in the service.
    pub name: &'static str,
    /// The type of its request.
    pub request: &'static str,
    /// The type of its response.
    pub response: &'static str,
}

macro_rules! methods {
    ($($service:literal $name:literal $variant:ident($request:ty) -> $response:ty;)*) => {
        /// Every method.
        pub const METHODS: &[Method] = &[$(Method {
            service: $service,
            name: $name,
            request: stringify!($request),
            response: stringify!($response),
        }),*];

        /// A request for any method.
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Request {
            $(#[doc = concat!("`", $service, "/", $name, "`.")] $variant($request)),*
        }

        /// A response of any method.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize)]
        #[serde(untagged)]
        #[non_exhaustive]
        pub enum Response {
            $(#[doc = concat!("Of `", $service, "/", $name, "`.")] $variant($response)),*
        }

        impl Request {
            /// The request that these bytes encode for a method.
            ///
            /// # Errors
            /// If there is no such method, or the bytes are not a request of its.
            pub fn decode(service: &str, name: &str, bytes: &[u8]) -> Result<Self, ApiFault> {
                match (service, name) {
                    $(($service, $name) => Ok(Self::$variant(decode(bytes, REQUEST_BYTES_MAX)?)),)*
                    _ => Err(no_such_method(service, name)),
                }
            }

            /// The request that a person or a script wrote for a method, in JSON or the like.
            ///
            /// # Errors
            /// If there is no such method, or what was written is not a request of its.
            pub fn deserialize<'de, D: Deserializer<'de>>(
                service: &str,
                name: &str,
                deserializer: D,
            ) -> Result<Self, D::Error> {
                match (service, name) {
                    $(($service, $name) => Ok(Self::$variant(<$request as Deserialize>::deserialize(deserializer)?)),)*
                    _ => Err(serde::de::Error::custom(no_such_method(service, name))),
                }
            }

            /// The request's bytes.
            #[must_use]
            pub fn encode(&self) -> Vec<u8> {
                match self { $(Self::$variant(request) => encode(request)),* }
            }

            /// The request's method.
            #[must_use]
            pub const fn method(&self) -> Method {
                match self { $(Self::$variant(_) => <$request as Call>::METHOD),* }
            }
        }

        impl Response {
            /// The response's bytes.
            #[must_use]
            pub fn encode(&self) -> Vec<u8> {
                match self { $(Self::$variant(response) => encode(response)),* }
            }

            /// The response that these bytes encode for a method.
            ///
            /// # Errors
            /// If there is no such method, or the bytes are not a response of its.
            pub fn decode(service: &str, name: &str, bytes: &[u8]) -> Result<Self, ApiFault> {
                match (service, name) {
                    $(($service, $name) => Ok(Self::$variant(decode(bytes, RESPONSE_BYTES_MAX)?)),)*
                    _ => Err(no_such_method(service, name)),
                }
            }
        }

        $(impl Call for $request {
            type Response = $response;
            const METHOD: Method = Method {
                service: $service,
                name: $name,
                request: stringify!($request),
                response: stringify!($response),
            };

            fn response(response: Response) -> Option<$response> {
                match response {
                    Response::$variant(response) => Some(response),
                    _ => None,
                }
            }
        })*
    };
}

methods! {
    "trustchain" "issue_certificate" IssueCertificate(IssueCertificateRequest) -> IssuedCertificate;
    "trustchain" "get_certificate" GetCertificate(CertificateRequestBySerial) -> IssuedCertificate;
    "trustchain" "validate_certificate" ValidateCertificate(ValidateCertificateRequest) -> CertificateState;
    "trustchain" "list_certificates" ListCertificates(CertificateListRequest) -> CertificateList;
    "trustchain" "revoke_certificate" RevokeCertificate(RevokeCertificateRequest) -> Receipt;
    "trustchain" "get_crl" GetRevocationList(RevocationListRequest) -> PublishedList;
    "trustchain" "trust_bundle" TrustBundle(TrustBundleRequest) -> TrustBundle;
    "trustchain" "register_name" RegisterName(RegisterNameRequest) -> Receipt;
    "trustchain" "renew_name" RenewName(RenewNameRequest) -> Receipt;
    "trustchain" "name" Name(NameRequest) -> NameState;
    "trustchain" "set_records" SetRecords(SetRecordsRequest) -> Receipt;
    "trustchain" "resolve_dns" ResolveDns(DnsRequest) -> DnsAnswer;
    "trustchain" "log_checkpoint" LogCheckpoint(CheckpointRequest) -> CheckpointNote;
    "trustchain" "log_entry" LogEntry(LogEntryRequest) -> LogEntry;
    "trustchain" "log_inclusion" LogInclusion(InclusionRequest) -> LogProof;
    "trustchain" "log_consistency" LogConsistency(ConsistencyRequest) -> LogProof;
    "trustchain" "health" TrustchainHealth(TrustchainHealthRequest) -> Health;
    "trustchain" "metrics" TrustchainMetrics(TrustchainMetricsRequest) -> Metrics;
    "trustchain" "methods" TrustchainMethods(TrustchainMethodsRequest) -> MethodList;
    "hypermesh" "consensus/validate_certificate" ValidateBatch(ValidateBatchRequest) -> ConsensusValidationResult;
    "hypermesh" "consensus/validate_proofs" ValidateProofs(ValidateProofsRequest) -> ConsensusValidationResult;
    "hypermesh" "consensus/genesis" Genesis(GenesisRequest) -> Genesis;
    "hypermesh" "consensus/header" Header(HeaderRequest) -> BlockProof;
    "hypermesh" "consensus/member" Member(MemberRequest) -> MemberState;
    "hypermesh" "consensus/status" Status(StatusRequest) -> NodeStatus;
    "hypermesh" "health" HypermeshHealth(HypermeshHealthRequest) -> Health;
    "hypermesh" "metrics" HypermeshMetrics(HypermeshMetricsRequest) -> Metrics;
    "hypermesh" "methods" HypermeshMethods(HypermeshMethodsRequest) -> MethodList;
    "caesar" "balance" Balance(BalanceRequest) -> Balance;
    "caesar" "transfer" Transfer(TransferRequest) -> Receipt;
    "caesar" "bond" Bond(BondRequest) -> Receipt;
    "caesar" "unbond" Unbond(UnbondRequest) -> Receipt;
    "caesar" "fees" Fees(FeesRequest) -> FeeSchedule;
    "caesar" "supply" Supply(SupplyRequest) -> Supply;
    "caesar" "rewards" Rewards(RewardsRequest) -> Rewards;
    "caesar" "history" History(HistoryRequest) -> History;
    "caesar" "movements" Movements(MovementsRequest) -> Movements;
    "caesar" "health" CaesarHealth(CaesarHealthRequest) -> Health;
    "caesar" "metrics" CaesarMetrics(CaesarMetricsRequest) -> Metrics;
    "caesar" "methods" CaesarMethods(CaesarMethodsRequest) -> MethodList;
}

impl Request {
    /// The operation that it brings, if it brings one.
    #[must_use]
    pub const fn operation(&self) -> Option<&Operation> {
        match self {
            Self::IssueCertificate(request) => Some(&request.operation),
            Self::RegisterName(request) => Some(&request.operation),
            Self::RenewName(request) => Some(&request.operation),
            Self::SetRecords(request) => Some(&request.operation),
            Self::Transfer(request) => Some(&request.operation),
            Self::Bond(request) => Some(&request.operation),
            Self::Unbond(request) => Some(&request.operation),
            Self::RevokeCertificate(request) => Some(&request.operation),
            _ => None,
        }
    }
}

fn no_such_method(service: &str, name: &str) -> ApiFault {
    let services = crate::state::SERVICES;
    let message = if services.contains(&service) {
        alloc::format!("service {service} has no method {name}: ask {service}/methods for those it has")
    } else {
        alloc::format!("there is no service {service}: there are {}", services.join(", "))
    };
    ApiFault::new(FaultKind::Unimplemented, message)
}
