//! The request that has an operation carried out: one for all kinds whose response is the receipt.

use super::{ApiFault, Call, Method, Response, Shape};
use crate::state::{Operation, OperationKind, Receipt};
use alloc::format;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

message! {
    /// Has an operation carried out, by the method that has its kind's name. Answered with its receipt.
    OperationRequest {
        /// The owner's signed operation.
        operation: Operation,
    }
}

impl OperationRequest {
    /// Refuses an operation of another kind than the method takes.
    pub(super) fn require_kind(self, kind: &OperationKind) -> Result<Self, ApiFault> {
        let action = self.operation.body.action.name();
        match action == kind.name {
            true => Ok(self),
            false => Err(ApiFault::invalid(format!(
                "wrong operation: this is to {action}, and the method accepts operations to {}",
                kind.name
            ))),
        }
    }
}

impl Call for OperationRequest {
    type Response = Receipt;

    fn method(&self) -> Method {
        Method::of_operation(&self.operation.body.action.kind())
    }

    fn response(response: Response) -> Option<Receipt> {
        match response {
            Response::Operation(receipt) => Some(receipt),
            _ => None,
        }
    }
}

impl Method {
    /// The method that submits operations of a kind. A kind that no method takes has one of no service.
    pub(super) const fn of_operation(kind: &OperationKind) -> Self {
        Self {
            service: match kind.service {
                Some(service) => service,
                None => "",
            },
            name: kind.name,
            request: "OperationRequest",
            response: "Receipt",
            request_shape: <OperationRequest as super::Described>::SHAPE,
            response_shape: <Receipt as super::Described>::SHAPE,
            shape: Shape::Unary,
            early: false,
            writes: true,
        }
    }
}
