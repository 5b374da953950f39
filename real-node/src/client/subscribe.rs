//! Streaming calls on the mesh: answers that come one by one, until the client has enough or its time is up.

use super::{MeshClient, failure_of, malformed, walk};
use crate::failure::Failure;
use hypermesh_core::api::{Request, Response};
use std::time::Duration;
use stoq::{MessageStream, StatusCode};

/// The answers of one node to a streaming call. Dropped, they end the call there.
pub struct Answers {
    stream: MessageStream,
    service: &'static str,
    method: &'static str,
}

impl MeshClient {
    /// Asks a node of the request's service for answers that come as there is something to tell, for as long as a call
    /// may take. A caller that wants to go on where they end asks again from there: at another node, if this one failed.
    ///
    /// # Errors
    /// If no node can be reached in time.
    pub async fn stream_raw(&self, request: &Request) -> Result<Answers, Failure> {
        self.stream_for(request, self.timeout).await
    }

    /// As [`Self::stream_raw`], for so long, however long a call may take.
    ///
    /// # Errors
    /// If no node can be reached in time.
    pub async fn stream_for(&self, request: &Request, listening: Duration) -> Result<Answers, Failure> {
        let method = request.method();
        let targets = self.service(method.service).await?;
        let what = (method.service, method.name);
        let stream =
            walk::open(&self.stoq, &targets, what, &request.encode(), self.timeout, listening).await?;
        Ok(Answers { stream, service: method.service, method: method.name })
    }
}

impl Answers {
    /// The next answer; `None` when the time is up, or the node has no more to tell.
    ///
    /// # Errors
    /// If the node refused, failed or was lost.
    pub async fn next(&mut self) -> Result<Option<Response>, Failure> {
        let what = (self.service, self.method);
        match self.stream.next().await {
            Ok(Some(bytes)) => {
                let response = Response::decode(self.service, self.method, &bytes);
                response.map(Some).map_err(|fault| malformed(what, &fault))
            }
            Ok(None) => Ok(None),
            Err(error) if error.code() == StatusCode::DeadlineExceeded => Ok(None),
            Err(error) => {
                let Failure { exit, message } = failure_of(&error);
                Err(Failure::new(exit, format!("{}/{}: {message}", self.service, self.method)))
            }
        }
    }
}
