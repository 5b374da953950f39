//! Being found: an instance of a service that announces itself, and keeps its lease for as long as it serves.

use super::MeshClient;
use super::operation::{OPERATION_MS_LIFE, done};
use crate::failure::{Exit, Failure};
use hypermesh_core::api::OperationRequest;
use hypermesh_core::state::{Action, AnnounceService, InstanceName, Receipt, WithdrawService};
use std::pin::pin;
use std::time::Duration;
use tokio::time::sleep;

/// A lease is renewed when this part of it is over: so it outlasts two renewals that fail.
const RENEWALS_PER_LEASE: u32 = 3;
/// How long to wait after a renewal that failed, at first; twice as long each time, up to when the next would come anyway.
const RETRY_FIRST: Duration = Duration::from_millis(500);
/// An announcement may happen no longer than this after it was signed, or than its lease if that is longer. What is held
/// back cannot bring an instance back that was withdrawn long ago.
const ANNOUNCEMENT_MS_LIFE_MIN: u64 = 60_000;

/// What becomes of a lease.
#[derive(Debug)]
pub enum LeaseNews<'a> {
    /// It began.
    Announced(&'a Receipt),
    /// It goes on.
    Renewed(&'a Receipt),
    /// It could not be renewed; it is tried again after so long.
    Failed(&'a Failure, Duration),
    /// It was given up, because the instance does not serve any more.
    Withdrawn(&'a Receipt),
}

impl MeshClient {
    /// Announces an instance of a service, or renews its lease. Whoever wants it kept calls [`Self::keep_announced`].
    ///
    /// # Errors
    /// If no node can answer in time, or the mesh refuses.
    pub async fn announce(&self, announcement: &AnnounceService) -> Result<Receipt, Failure> {
        let lease_ms = u64::from(announcement.lease_seconds) * 1000;
        let life_ms = lease_ms.clamp(ANNOUNCEMENT_MS_LIFE_MIN, OPERATION_MS_LIFE);
        let action = Action::AnnounceService(announcement.clone());
        let operation = self.operation_within(action, life_ms).await?;
        done(self.call(&OperationRequest { operation }).await?)
    }

    /// Takes an instance of a service away.
    ///
    /// # Errors
    /// If no node can answer in time, or the mesh refuses.
    pub async fn withdraw(&self, instance: &InstanceName) -> Result<Receipt, Failure> {
        let withdraw = WithdrawService { instance: instance.clone() };
        let action = Action::WithdrawService(withdraw);
        let operation = self.operation_within(action, ANNOUNCEMENT_MS_LIFE_MIN).await?;
        done(self.call(&OperationRequest { operation }).await?)
    }

    /// Announces an instance of a service and renews its lease until `serving` is done; then takes it away. `told` hears what
    /// becomes of it.
    ///
    /// # Errors
    /// If the first announcement fails, or the last withdrawal does: the lease then ends by itself. What is refused or
    /// fails in between is told, and tried again.
    pub async fn keep_announced(
        &self,
        announcement: &AnnounceService,
        serving: impl Future<Output = ()>,
        mut on_news: impl FnMut(LeaseNews<'_>),
    ) -> Result<(), Failure> {
        let mut serving = pin!(serving);
        on_news(LeaseNews::Announced(&self.announce(announcement).await?));
        let period = Duration::from_secs(announcement.lease_seconds.into()) / RENEWALS_PER_LEASE;
        let renewing = async {
            let (mut wait, mut retry) = (period, RETRY_FIRST);
            loop {
                sleep(wait).await;
                match self.announce(announcement).await {
                    Ok(receipt) => {
                        (wait, retry) = (period, RETRY_FIRST);
                        on_news(LeaseNews::Renewed(&receipt));
                    }
                    Err(failure) => {
                        wait = retry.min(period);
                        retry = retry.saturating_mul(2);
                        on_news(LeaseNews::Failed(&failure, wait));
                    }
                }
            }
        };
        tokio::select! {
            biased;
            () = &mut serving => {}
            () = renewing => {}
        }
        match self.withdraw(&announcement.instance).await {
            Ok(receipt) => {
                on_news(LeaseNews::Withdrawn(&receipt));
                Ok(())
            }
            // The lease was over already, or somebody else took the instance away.
            Err(failure) if failure.exit == Exit::Refused => Ok(()),
            Err(failure) => Err(failure),
        }
    }
}
