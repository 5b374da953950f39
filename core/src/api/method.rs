//! The table of methods: one line each, from which all else about a method follows.
//!
//! Every method is idempotent: reads change nothing, and an operation happens once however often it is sent.
//! A line may end with marks: `Early` for a read that may be asked in a connection's first flight, `Node` for a read that the
//! node answers from its store or when it is signed (all others have a [`ReadMethod`]), `Stream` for one request and many
//! responses, `Both` for many of each. What changes something says how: `Certificate` for a request that
//! brings one operation and a response that is the certificate, `Batch` for a member's batch of operations. A read says last
//! whether its response is of the newest state: `AtHeight` if that state's height is the response's field `height`, `AtHeader`
//! if the response holds its header, `Unordered` if it is of no state or of an earlier one. The methods whose
//! response is an operation's receipt follow from the table of operations ([`OPERATIONS`]).

use super::*;
use crate::base::{Height, UnixMillis, decode, encode};
use crate::state::{Genesis, OPERATIONS, Operation, OperationKind, Receipt, StateProof};
use crate::trust::TrustBundle;
use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Deserializer, Serialize};

/// A request type: it knows its method and its response.
pub trait Call: BorshSerialize + BorshDeserialize {
    /// What comes back.
    type Response: BorshSerialize + BorshDeserialize;

    /// The method.
    fn method(&self) -> Method;

    /// Picks this method's response out of all.
    fn response(response: Response) -> Option<Self::Response>;
}

/// A type that says what it looks like, for people who want to write one: its name, and its fields with their types.
pub trait Described {
    /// As it would stand in the source.
    const SHAPE: &'static str;
}

macro_rules! described {
    ($($type:ty: $shape:literal,)*) => { $(impl Described for $type { const SHAPE: &'static str = $shape; })* };
}

described! {
    CertificateState: "CertificateState: one of Valid, Revoked, Expired, NotYetValid { certificate: CertificateSummary }, Unknown, NotOfThisMesh { reason: String }",
    ConsensusValidationResult: "ConsensusValidationResult: one of Valid { proof_hash: Digest, height: Option<Height>, receipts: Receipts }, Invalid { failed_proofs: Vec<ProofKind>, reason: String }, Pending { reason: String }",
    Genesis: "Genesis { network, profile, time, zone, reverse_zones, validators, members, accounts, reserve, names, records }",
    Health: "Health { serving: bool, detail: String, height: Height, }",
    MethodList: "MethodList { methods: Vec<MethodDescription>, }",
    Metrics: "Metrics { counters: Counters, }",
    Receipt: "Receipt { operation: OperationId, owner: PublicKey, height: Height, time: UnixMillis, fee: MicroCaesar, outcome: Outcome, }",
    StateProof: "StateProof { header: Header, commit: CommitCertificate, rows: Vec<ProvedRow>, }",
    TrustBundle: "TrustBundle { genesis: Genesis, confirmations: Vec<SystemOperation>, root_der: Vec<u8>, issuing_ders: Vec<IssuingDer>, }",
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
    /// What its request looks like.
    #[serde(skip)]
    pub request_shape: &'static str,
    /// What its response looks like.
    #[serde(skip)]
    pub response_shape: &'static str,
    /// How many messages go each way.
    pub shape: Shape,
    /// Whether it may be asked in the first flight of a connection, which whoever overhears it can send again: for
    /// reads that are answered from the view, cost little, and say the same to anybody.
    pub early: bool,
    /// Whether it changes something.
    pub writes: bool,
}

/// How many messages a method takes and gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// One each way.
    Unary,
    /// One request, and responses until the caller has enough.
    ServerStreaming,
    /// A request, responses, and meanwhile further requests, each of which takes the place of the one before.
    Bidirectional,
}

/// What a line of the table may add.
#[derive(Clone, Copy)]
enum MethodMark {
    Early,
    Node,
    Stream,
    Both,
    Certificate,
    Batch,
    /// The response is read from the newest state, whose height is its field `height`.
    AtHeight,
    /// The response is read from the newest state, whose header it holds.
    AtHeader,
    /// The response is of no state, or of an earlier one: reads of it may come in any order.
    Unordered,
}

/// What a response says of the operations that its request brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settlement<'a> {
    /// The request brings no operation.
    Nothing,
    /// What became of each, in order; none of a batch that was not committed.
    Receipts(&'a [Receipt]),
    /// The certificate that the one operation asked for.
    Certificate(&'a IssuedCertificate),
}

const fn shape_of(mut marks: &[MethodMark]) -> Shape {
    while let [first, rest @ ..] = marks {
        match first {
            MethodMark::Stream => return Shape::ServerStreaming,
            MethodMark::Both => return Shape::Bidirectional,
            MethodMark::Early
            | MethodMark::Node
            | MethodMark::Certificate
            | MethodMark::Batch
            | MethodMark::AtHeight
            | MethodMark::AtHeader
            | MethodMark::Unordered => marks = rest,
        }
    }
    Shape::Unary
}

const fn is_early(mut marks: &[MethodMark]) -> bool {
    while let [first, rest @ ..] = marks {
        if matches!(first, MethodMark::Early) {
            return true;
        }
        marks = rest;
    }
    false
}

const fn writes(mut marks: &[MethodMark]) -> bool {
    while let [first, rest @ ..] = marks {
        match first {
            MethodMark::Certificate | MethodMark::Batch => return true,
            MethodMark::Early
            | MethodMark::Node
            | MethodMark::Stream
            | MethodMark::Both
            | MethodMark::AtHeight
            | MethodMark::AtHeader
            | MethodMark::Unordered => marks = rest,
        }
    }
    false
}

impl Method {
    /// The method of this name, if the service has it.
    #[must_use]
    pub fn find(service: &str, name: &str) -> Option<&'static Self> {
        METHODS.iter().find(|method| method.service == service && method.name == name)
    }
}

/// The operations that a request brings, by the marks of its line.
macro_rules! brought {
    ($request:ident Certificate) => {
        core::slice::from_ref(&$request.operation)
    };
    ($request:ident Batch) => {
        $request.batch.operations.as_slice()
    };
    ($request:ident $(Early)? $(Node)? $(Stream)? $(Both)? $(AtHeight)? $(AtHeader)? $(Unordered)?) => {{
        let _: &_ = $request;
        &[]
    }};
}

/// What a response says of the operations that were brought, by the marks of its line.
macro_rules! settled {
    ($response:ident Certificate) => {
        Settlement::Certificate($response)
    };
    ($response:ident Batch) => {
        Settlement::Receipts($response.committed_receipts())
    };
    ($response:ident $(Early)? $(Node)? $(Stream)? $(Both)? $(AtHeight)? $(AtHeader)? $(Unordered)?) => {{
        let _: &_ = $response;
        Settlement::Nothing
    }};
}

/// The height of the newest state that a response was read from, by the marks of its line. Each line has a mark that says it.
macro_rules! state_height {
    ($response:ident AtHeight) => {
        Some($response.height)
    };
    ($response:ident AtHeader) => {
        Some($response.header.height)
    };
    // Writes are ordered by their receipts.
    ($response:ident Certificate) => {
        state_height!($response Unordered)
    };
    ($response:ident Batch) => {
        state_height!($response Unordered)
    };
    ($response:ident Unordered) => {{
        let _: &_ = $response;
        None
    }};
    ($response:ident Early $($mark:ident)+) => {
        state_height!($response $($mark)+)
    };
    ($response:ident Node $($mark:ident)+) => {
        state_height!($response $($mark)+)
    };
    ($response:ident Stream $($mark:ident)+) => {
        state_height!($response $($mark)+)
    };
    ($response:ident Both $($mark:ident)+) => {
        state_height!($response $($mark)+)
    };
}

/// The answer of a view to a request, by the marks of its line.
macro_rules! read_by {
    ($request:ident $variant:ident $view:ident $wall:ident [$(Early)? $(AtHeight)? $(AtHeader)? $(Unordered)?]) => {
        Some(ReadMethod::answer($request, $view, $wall).map(Response::$variant))
    };
    ($request:ident $variant:ident $view:ident $wall:ident [Batch]) => {
        $request.opinion($view).map(|opinion| Ok(Response::$variant(opinion)))
    };
    // Writes, streams, and what only the node can answer.
    ($request:ident $variant:ident $view:ident $wall:ident [$($mark:ident)+]) => {{
        let _: &_ = $request;
        None
    }};
}

macro_rules! methods {
    ($($service:literal $name:literal $variant:ident($request:ty) -> $response:ty $(, $mark:ident)*;)*) => {
        /// The methods that have a line here.
        const LISTED: &[Method] = &[$(<$request>::METHOD),*];

        $(impl $request {
            /// The method.
            pub const METHOD: Method = Method {
                service: $service,
                name: $name,
                request: stringify!($request),
                response: stringify!($response),
                request_shape: <$request as Described>::SHAPE,
                response_shape: <$response as Described>::SHAPE,
                shape: shape_of(&[$(MethodMark::$mark),*]),
                early: is_early(&[$(MethodMark::$mark),*]),
                writes: writes(&[$(MethodMark::$mark),*]),
            };
        })*

        /// A request for any method. Exhaustive, so that whoever judges requests has to say what becomes of a new one.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize)]
        #[serde(untagged)]
        pub enum Request {
            /// That of an operation's kind.
            Operation(OperationRequest),
            $(#[doc = concat!("`", $service, "/", $name, "`.")] $variant($request)),*
        }

        /// A response of any method. Exhaustive, for the same reason as [`Request`].
        #[derive(Clone, Debug, PartialEq, Eq, Serialize)]
        #[serde(untagged)]
        pub enum Response {
            /// The receipt of an operation, of that of its kind.
            Operation(Receipt),
            $(#[doc = concat!("Of `", $service, "/", $name, "`.")] $variant($response)),*
        }

        /// Answers a request from a view; `None` for one that only the node itself can answer.
        #[must_use]
        pub fn read(view: &View, request: &Request, wall: UnixMillis) -> Option<Result<Response, ApiFault>> {
            match request {
                Request::Operation(_) => None,
                $(Request::$variant(request) => read_by!(request $variant view wall [$($mark)*]),)*
            }
        }

        impl Request {
            /// The request that these bytes encode for a method.
            ///
            /// # Errors
            /// If there is no such method, or the bytes are not a request of its.
            pub fn decode(service: &str, name: &str, bytes: &[u8]) -> Result<Self, ApiFault> {
                match (service, name) {
                    $(($service, $name) => Ok(Self::$variant(decode(bytes, REQUEST_BYTES_MAX)?)),)*
                    _ => match OperationKind::of_method(service, name) {
                        Some(kind) => {
                            let request: OperationRequest = decode(bytes, REQUEST_BYTES_MAX)?;
                            request.require_kind(kind).map(Self::Operation)
                        }
                        None => Err(no_such_method(service, name)),
                    },
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
                    _ => match OperationKind::of_method(service, name) {
                        Some(kind) => {
                            let request = <OperationRequest as Deserialize>::deserialize(deserializer)?;
                            request.require_kind(kind).map(Self::Operation).map_err(serde::de::Error::custom)
                        }
                        None => Err(serde::de::Error::custom(no_such_method(service, name))),
                    },
                }
            }

            /// The request's bytes.
            #[must_use]
            pub fn encode(&self) -> Vec<u8> {
                match self {
                    Self::Operation(request) => encode(request),
                    $(Self::$variant(request) => encode(request)),*
                }
            }

            /// The request's method.
            #[must_use]
            pub const fn method(&self) -> Method {
                match self {
                    Self::Operation(request) => Method::of_operation(&request.operation.body.action.kind()),
                    $(Self::$variant(_) => <$request>::METHOD),*
                }
            }

            /// The operations that it brings: those of a batch, one, or none.
            #[must_use]
            pub const fn operations(&self) -> &[Operation] {
                match self {
                    Self::Operation(request) => core::slice::from_ref(&request.operation),
                    $(Self::$variant(request) => brought!(request $($mark)*)),*
                }
            }
        }

        impl Response {
            /// What it says of the operations that its request brought.
            #[must_use]
            pub const fn settlement(&self) -> Settlement<'_> {
                match self {
                    Self::Operation(receipt) => Settlement::Receipts(core::slice::from_ref(receipt)),
                    $(Self::$variant(response) => settled!(response $($mark)*)),*
                }
            }

            /// The height of the newest state of the node that answered; `None` for writes, and for what is of no state or of
            /// an earlier one.
            #[must_use]
            pub const fn state_height(&self) -> Option<Height> {
                match self {
                    Self::Operation(_) => None,
                    $(Self::$variant(response) => state_height!(response $($mark)*)),*
                }
            }

            /// Whether it is of the method that a request asks: of one that takes operations, if it is a receipt.
            #[must_use]
            pub fn answers(&self, request: &Request) -> bool {
                match (self, request) {
                    (Self::Operation(_), Request::Operation(_)) => true,
                    $((Self::$variant(_), Request::$variant(_)) => true,)*
                    _ => false,
                }
            }

            /// The response's bytes.
            #[must_use]
            pub fn encode(&self) -> Vec<u8> {
                match self {
                    Self::Operation(receipt) => encode(receipt),
                    $(Self::$variant(response) => encode(response)),*
                }
            }

            /// The response that these bytes encode for a method.
            ///
            /// # Errors
            /// If there is no such method, or the bytes are not a response of its.
            pub fn decode(service: &str, name: &str, bytes: &[u8]) -> Result<Self, ApiFault> {
                match (service, name) {
                    $(($service, $name) => Ok(Self::$variant(decode(bytes, RESPONSE_BYTES_MAX)?)),)*
                    _ => match OperationKind::of_method(service, name) {
                        Some(_) => Ok(Self::Operation(decode(bytes, RESPONSE_BYTES_MAX)?)),
                        None => Err(no_such_method(service, name)),
                    },
                }
            }
        }

        $(impl Call for $request {
            type Response = $response;

            fn method(&self) -> Method {
                Self::METHOD
            }

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
    "trustchain" "issue_certificate" IssueCertificate(IssueCertificateRequest) -> IssuedCertificate, Certificate;
    "trustchain" "get_certificate" GetCertificate(CertificateRequestBySerial) -> IssuedCertificate, Node, Unordered;
    "trustchain" "validate_certificate" ValidateCertificate(ValidateCertificateRequest) -> CertificateState, Early, Unordered;
    "trustchain" "list_certificates" ListCertificates(CertificateListRequest) -> CertificateList, Unordered;
    "trustchain" "get_crl" GetRevocationList(RevocationListRequest) -> PublishedLists, Node, Unordered;
    "trustchain" "trust_bundle" TrustBundle(TrustBundleRequest) -> TrustBundle, Node, Unordered;
    "trustchain" "name" Name(NameRequest) -> NameState, Early, AtHeight;
    "trustchain" "service" Service(ServiceRequest) -> ServiceState, Early, AtHeight;
    "trustchain" "subscribe_service" SubscribeService(SubscribeServiceRequest) -> ServiceState, Stream, AtHeight;
    "trustchain" "resolve_dns" ResolveDns(DnsRequest) -> DnsAnswer, Early, AtHeight;
    "trustchain" "list_records" ListRecords(RecordListRequest) -> RecordList, AtHeight;
    "trustchain" "log_checkpoint" LogCheckpoint(CheckpointRequest) -> CheckpointNote, Node, Unordered;
    "trustchain" "log_entry" LogEntry(LogEntryRequest) -> LogEntry, Node, Unordered;
    "trustchain" "log_inclusion" LogInclusion(InclusionRequest) -> LogProof, Early, Unordered;
    "trustchain" "log_consistency" LogConsistency(ConsistencyRequest) -> LogProof, Early, Unordered;
    "trustchain" "subscribe_log" SubscribeLog(SubscribeLogRequest) -> LogNews, Both, Unordered;
    "trustchain" "health" TrustchainHealth(TrustchainHealthRequest) -> Health, Early, AtHeight;
    "trustchain" "metrics" TrustchainMetrics(TrustchainMetricsRequest) -> Metrics, Early, Unordered;
    "trustchain" "methods" TrustchainMethods(TrustchainMethodsRequest) -> MethodList, Early, Unordered;
    "hypermesh" "consensus/validate_certificate" ValidateBatch(ValidateBatchRequest) -> ConsensusValidationResult, Batch;
    "hypermesh" "consensus/validate_proofs" ValidateProofs(ValidateProofsRequest) -> ConsensusValidationResult, Unordered;
    "hypermesh" "consensus/genesis" Genesis(GenesisRequest) -> Genesis, Early, Unordered;
    "hypermesh" "consensus/addresses" Addresses(AddressesRequest) -> AddressBook, Early, Unordered;
    "hypermesh" "consensus/header" Header(HeaderRequest) -> BlockProof, Node, Unordered;
    "hypermesh" "consensus/prove" Prove(ProveRequest) -> StateProof, Early, AtHeader;
    "hypermesh" "consensus/subscribe_blocks" SubscribeBlocks(SubscribeBlocksRequest) -> BlockProof, Stream, Unordered;
    "hypermesh" "consensus/member" Member(MemberRequest) -> MemberState, Early, Unordered;
    "hypermesh" "consensus/status" Status(StatusRequest) -> NodeStatus, Early, AtHeight;
    "hypermesh" "trace" Trace(TraceRequest) -> NodeTrace, Node, Unordered;
    "hypermesh" "health" HypermeshHealth(HypermeshHealthRequest) -> Health, Early, AtHeight;
    "hypermesh" "metrics" HypermeshMetrics(HypermeshMetricsRequest) -> Metrics, Early, Unordered;
    "hypermesh" "methods" HypermeshMethods(HypermeshMethodsRequest) -> MethodList, Early, Unordered;
    "caesar" "balance" Balance(BalanceRequest) -> Balance, Early, AtHeight;
    "caesar" "fees" Fees(FeesRequest) -> FeeSchedule, Early, AtHeight;
    "caesar" "supply" Supply(SupplyRequest) -> Supply, Early, AtHeight;
    "caesar" "rewards" Rewards(RewardsRequest) -> Rewards, Early, AtHeight;
    "caesar" "history" History(HistoryRequest) -> History, Node, AtHeight;
    "caesar" "movements" Movements(MovementsRequest) -> Movements, Node, Unordered;
    "caesar" "health" CaesarHealth(CaesarHealthRequest) -> Health, Early, AtHeight;
    "caesar" "metrics" CaesarMetrics(CaesarMetricsRequest) -> Metrics, Early, Unordered;
    "caesar" "methods" CaesarMethods(CaesarMethodsRequest) -> MethodList, Early, Unordered;
}

/// Every method.
pub const METHODS: &[Method] = &ALL;

const ALL: [Method; LISTED.len() + submitted_count()] = {
    let mut all = [LISTED[0]; LISTED.len() + submitted_count()];
    let (mut listed, mut kind, mut count) = (0, 0, 0);
    while kind < OPERATIONS.len() {
        if OPERATIONS[kind].service.is_some() {
            all[count] = Method::of_operation(&OPERATIONS[kind]);
            count += 1;
        }
        kind += 1;
    }
    while listed < LISTED.len() {
        all[count] = LISTED[listed];
        listed += 1;
        count += 1;
    }
    all
};

/// How many kinds of operations have a method of their name.
const fn submitted_count() -> usize {
    let (mut kind, mut count) = (0, 0);
    while kind < OPERATIONS.len() {
        if OPERATIONS[kind].service.is_some() {
            count += 1;
        }
        kind += 1;
    }
    count
}

impl Request {
    /// The operation that it brings by itself, not in a batch.
    #[must_use]
    pub const fn operation(&self) -> Option<&Operation> {
        match (self, self.operations()) {
            (Self::ValidateBatch(_), _) => None,
            (_, [operation]) => Some(operation),
            (_, _) => None,
        }
    }
}

fn no_such_method(service: &str, name: &str) -> ApiFault {
    let services = crate::state::SERVICES;
    let message = if services.contains(&service) {
        alloc::format!("service {service} has no method {name}: call {service}/methods for a list")
    } else {
        alloc::format!("unknown service {service}: expected one of {}", services.join(", "))
    };
    ApiFault::new(FaultKind::Unimplemented, message)
}
