//! A service's methods.

use crate::api::{ApiFault, METHODS, Method, ReadMethod, Shape, View};
use crate::base::UnixMillis;
use crate::state::SERVICES;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

message! {
    /// Asks for TrustChain's methods.
    TrustchainMethodsRequest {}
}

impl ReadMethod for TrustchainMethodsRequest {
    fn answer(&self, _view: &View, _wall: UnixMillis) -> Result<MethodList, ApiFault> {
        Ok(methods("trustchain"))
    }
}

message! {
    /// Asks for HyperMesh's methods.
    HypermeshMethodsRequest {}
}

impl ReadMethod for HypermeshMethodsRequest {
    fn answer(&self, _view: &View, _wall: UnixMillis) -> Result<MethodList, ApiFault> {
        Ok(methods("hypermesh"))
    }
}

message! {
    /// Asks for Caesar's methods.
    CaesarMethodsRequest {}
}

impl ReadMethod for CaesarMethodsRequest {
    fn answer(&self, _view: &View, _wall: UnixMillis) -> Result<MethodList, ApiFault> {
        Ok(methods("caesar"))
    }
}

/// A service's methods.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct MethodList {
    /// One each.
    pub methods: Vec<MethodDescription>,
}

message! {
    /// A method, as its service describes it.
    MethodDescription {
        /// Its name in the service.
        name: String,
        /// What its request looks like.
        request: String,
        /// What its response looks like.
        response: String,
        /// How many messages go each way.
        shape: Shape,
        /// Whether it may be asked in a connection's first flight.
        early: bool,
        /// Whether it changes something.
        writes: bool,
    }
}

fn methods(service: &'static str) -> MethodList {
    debug_assert!(SERVICES.contains(&service), "only services have methods");
    let own = METHODS.iter().filter(|method| method.service == service);
    let row = |method: &Method| MethodDescription {
        name: method.name.to_string(),
        request: method.request_shape.to_string(),
        response: method.response_shape.to_string(),
        shape: method.shape,
        early: method.early,
        writes: method.writes,
    };
    MethodList { methods: own.map(row).collect() }
}
