//! The TLS sessions that callers may resume, over a restart of the node: written when it has stopped, read and removed
//! before it serves again, so that each is there once. Sealed under the node's key: the file alone is of no use.
//!
//! Nothing depends on it: without it, callers set up their connections anew. A node that crashes writes none.

use crate::file::{self, Access};
use std::fs;
use std::path::Path;
use stoq::{Endpoint, SEALED_SESSIONS_BYTES_MAX};

/// Gives the endpoint the sessions of the node's life before, if it left any.
pub(crate) fn take_up(path: &Path, endpoint: &Endpoint) {
    if !path.exists() {
        return;
    }
    let sealed = file::read(path, SEALED_SESSIONS_BYTES_MAX);
    // Gone before it is used: what cannot be removed is not used.
    let restored = match fs::remove_file(path) {
        Ok(()) => sealed
            .map_err(|failure| failure.to_string())
            .and_then(|sealed| endpoint.restore_sessions(&sealed).map_err(|fault| fault.to_string())),
        Err(error) => Err(error.to_string()),
    };
    if let Err(error) = restored {
        tracing::warn!(file = %path.display(), error, "no TLS sessions restored: callers set up new \
            connections");
    }
}

/// Leaves the sessions of a node that has stopped for its next life.
pub(crate) fn leave(path: &Path, endpoint: &Endpoint) {
    if let Err(failure) = file::write(path, &endpoint.sealed_sessions(), Access::Private) {
        tracing::warn!(%failure, "TLS sessions not saved: callers set up new connections");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hypermesh_core::base::SecretKey;
    use stoq::{Env, Identity, TransportConfig};

    fn endpoint(seed: u8) -> Endpoint {
        let env = Env::real(Identity::new(SecretKey::from_seed([seed; 32])));
        Endpoint::bind(env, "[::1]:0".parse().unwrap(), TransportConfig::default()).unwrap()
    }

    #[tokio::test]
    async fn sessions_are_taken_up_once_and_whatever_lies_there_does_no_harm() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.sessions");
        take_up(&path, &endpoint(1));
        leave(&path, &endpoint(1));
        for (seed, content) in [(1, None), (2, Some(endpoint(1).sealed_sessions())), (1, Some(vec![7; 99]))] {
            if let Some(content) = content {
                file::write(&path, &content, Access::Private).unwrap();
            }
            assert!(path.exists());
            take_up(&path, &endpoint(seed));
            assert!(!path.exists());
        }
    }
}
