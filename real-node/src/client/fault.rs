//! What a failed call means for people and for scripts.

use crate::failure::{Exit, Failure};
use std::net::SocketAddrV6;
use std::time::Duration;
use stoq::{CallError, DialError, StatusCode};

/// The failure that a call's error stands for.
#[must_use]
pub fn failure_of(error: &CallError) -> Failure {
    let exit = exit_of(error);
    match error {
        CallError::Refused { status } if !status.message().is_empty() => Failure::new(exit, status.message()),
        CallError::DeadlineExceeded => {
            let message = "no reply before the timeout; the node or the network may be overloaded. The request may still be \
                           carried out; retrying is safe and does not repeat it";
            Failure::new(exit, message)
        }
        CallError::Dial(DialError::WrongKey { .. }) => Failure::new(
            exit,
            format!(
                "{error}: the context or the mesh's DNS has another node at this \
                address"
            ),
        ),
        _ => Failure::new(exit, error),
    }
}

/// The error of a short question to the node at an address, where nobody may be: no answer in time says no more than that.
pub(crate) fn unanswered(error: CallError, addr: SocketAddrV6, timeout: Duration) -> CallError {
    match error {
        CallError::DeadlineExceeded => DialError::Timeout { addr, timeout }.into(),
        other => other,
    }
}

/// The exit code for a call's error.
const fn exit_of(error: &CallError) -> Exit {
    match error {
        CallError::Dial(_) => Exit::Unreachable,
        CallError::Name { .. } => Exit::Usage,
        _ => match error.code() {
            StatusCode::Unavailable | StatusCode::DeadlineExceeded | StatusCode::Cancelled => {
                Exit::Unreachable
            }
            StatusCode::InvalidArgument => Exit::Input,
            StatusCode::NotFound | StatusCode::Unimplemented => Exit::NotFound,
            StatusCode::PermissionDenied
            | StatusCode::Unauthenticated
            | StatusCode::FailedPrecondition
            | StatusCode::ResourceExhausted
            | StatusCode::AlreadyExists
            | StatusCode::Aborted => Exit::Refused,
            StatusCode::Ok | StatusCode::Internal | StatusCode::DataLoss => Exit::Failed,
        },
    }
}

/// Whether another node may well do what this one did not.
pub(super) const fn is_of_the_node(error: &CallError) -> bool {
    match error {
        CallError::Dial(_) | CallError::DeadlineExceeded => true,
        _ => matches!(
            error.code(),
            StatusCode::Unavailable
                | StatusCode::DeadlineExceeded
                | StatusCode::Internal
                | StatusCode::DataLoss
                | StatusCode::Cancelled
                // It does not expose the service.
                | StatusCode::Unimplemented
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stoq::Status;

    #[test]
    fn every_status_has_the_exit_code_that_scripts_go_by() {
        let exit = |code| exit_of(&CallError::Refused { status: Status::new(code, "why") });
        let table = StatusCode::ALL.map(|code| (code.name(), exit(code) as u8));
        let expected = [
            ("ok", 1),
            ("cancelled", 4),
            ("invalid_argument", 3),
            ("deadline_exceeded", 4),
            ("not_found", 6),
            ("already_exists", 5),
            ("permission_denied", 5),
            ("resource_exhausted", 5),
            ("failed_precondition", 5),
            ("aborted", 5),
            ("unimplemented", 6),
            ("internal", 1),
            ("unavailable", 4),
            ("data_loss", 1),
            ("unauthenticated", 5),
        ];
        assert_eq!(table, expected);
    }

    #[test]
    fn a_node_that_is_not_there_or_not_itself_is_unreachable() {
        let addr = "[::1]:4840".parse().unwrap();
        let timeout = Duration::from_secs(2);
        for error in [DialError::Timeout { addr, timeout }, DialError::WrongKey { addr }] {
            assert_eq!(failure_of(&error.clone().into()).exit, Exit::Unreachable, "{error}");
            assert!(is_of_the_node(&error.into()));
        }
        assert_eq!(failure_of(&CallError::DeadlineExceeded).exit, Exit::Unreachable);
    }

    #[test]
    fn a_refusal_is_told_in_the_meshs_own_words_and_not_asked_of_another_node() {
        let status = Status::new(StatusCode::FailedPrecondition, "web.demo is not registered");
        let error = CallError::Refused { status };
        assert_eq!(failure_of(&error).message, "web.demo is not registered");
        assert!(!is_of_the_node(&error));
    }
}
