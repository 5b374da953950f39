//! What a node listens with besides STOQ: plain DNS, answered from the node's latest view.

use crate::dns_listener::{Answerer, BindError, DnsLimits, DnsListener};
use hypermesh_core::api::View;
use hypermesh_core::trustchain::dns::answer;
use std::net::SocketAddr;
use std::sync::Arc;
use stoq::Clock;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

/// A DNS listener that serves.
pub struct DnsService {
    address: SocketAddr,
    limits: watch::Sender<DnsLimits>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl DnsService {
    /// Begins to answer within these limits, over UDP and TCP, from whichever view is the latest.
    #[must_use]
    pub fn start(
        listener: DnsListener,
        limits: DnsLimits,
        views: watch::Receiver<Arc<View>>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let address = listener.address();
        let (stop, stopped) = oneshot::channel::<()>();
        // Stopped by a word, or because whoever could say it is gone.
        let until = async { stopped.await.unwrap_or_default() };
        let (limits, newest) = watch::channel(limits);
        let task = tokio::spawn(listener.serve(answerer(views, clock), newest, until));
        Self { address, limits, stop, task }
    }

    /// Binds both transports.
    ///
    /// # Errors
    /// If the system refuses one of them.
    pub async fn bind(address: SocketAddr) -> Result<DnsListener, BindError> {
        DnsListener::bind(address).await
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers within other limits from now on. Connections that are open stay open.
    pub fn set_limits(&self, limits: DnsLimits) {
        self.limits.send_replace(limits);
    }

    /// Takes no more queries, and waits for the answers under way.
    pub async fn stop(self) {
        drop(self.stop);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the DNS listener had ended before it was stopped");
        }
    }
}

fn answerer(views: watch::Receiver<Arc<View>>, clock: Arc<dyn Clock>) -> Answerer {
    Arc::new(move |query, transport| {
        let view = Arc::clone(&views.borrow());
        answer(&view.state, query, transport, view.staleness(clock.now().wall))
    })
}
