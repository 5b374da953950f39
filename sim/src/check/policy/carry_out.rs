//! What an operation does that is done, and what time does by itself.

use super::model::{BlockPosition, Model};
use super::names::{GRACE_MS, Name, PERIOD_MS, is_within};
use super::services::Announced;
use crate::check::ledger::OwnerFunds;
use hypermesh_core::base::{Digest, LeafIndex, MicroCaesar, UnixMillis};
use hypermesh_core::state::{Action, Attest, Effect, Operation, RegisterName};
use hypermesh_core::trustchain::DomainName;
use hypermesh_core::trustchain::ca::{CertificateRequest, SerialNumber};
use hypermesh_core::trustchain::dns::RecordType;

impl Model {
    /// Does what an operation does, and gives what its receipt has to say of it. `None` if the model cannot do it: then it
    /// has found reasons against it.
    pub(super) fn carry_out(
        &mut self,
        operation: &Operation,
        request: Option<&CertificateRequest>,
        owner_funds: OwnerFunds,
        position: BlockPosition,
    ) -> Option<Effect> {
        let (owner, (height, time)) = (operation.body.owner, position);
        Some(match &operation.body.action {
            Action::Attest(Attest) => Effect::Attested,
            Action::IssueCertificate(issue) => {
                let leaf = self.leaf(issue, request?, owner, position)?;
                let serial = SerialNumber::from_operation(&operation.id().0);
                for name in &leaf.tlsa {
                    self.records.publish(name, serial, leaf.key);
                    self.touched.records.insert((name.clone(), RecordType::Tlsa));
                }
                self.leaves.insert(serial, leaf);
                self.touched.leaves.insert(serial);
                let leaf_index = LeafIndex(self.log_size);
                self.log_size += 1;
                // The hash of the bytes is compared with the bytes that were logged.
                Effect::CertificateApproved { serial, leaf_index, precertificate: Digest::ZERO }
            }
            Action::RegisterName(register) => self.register(register, position),
            Action::ReclaimName(reclaim) => self.reclaim(reclaim, time)?,
            Action::RenewName(renew) => {
                let held = self.names.registered.get_mut(&renew.name)?;
                let expires = held.paid_until?.plus(PERIOD_MS);
                held.paid_until = Some(expires);
                self.touched.names.insert(renew.name.clone());
                Effect::NameRenewed { expires }
            }
            Action::SetRecords(set) => {
                let key = (set.name.clone(), set.record_type);
                self.touched.records.insert(key.clone());
                match &set.records {
                    Some(records) => drop(self.records.by_hand.insert(key, records.clone())),
                    None => drop(self.records.by_hand.remove(&key)),
                }
                Effect::RecordsSet
            }
            Action::Transfer(_) => Effect::Transferred,
            Action::RevokeCertificate(revoke) => self.revoke(revoke, time)?,
            Action::Bond(bond) => Effect::Bonded { stake: MicroCaesar(owner_funds.stake + bond.amount.0) },
            Action::Unbond(unbond) => Effect::Unbonding {
                stake: MicroCaesar(owner_funds.stake.checked_sub(unbond.amount.0)?),
                release: time.plus(self.unbonding_ms),
            },
            Action::AnnounceService(announce) => {
                let until = time.plus(u64::from(announce.lease_seconds) * 1000);
                let since = self.instances.get(&announce.instance).map_or(height, |before| before.since);
                let (offer, lease_seconds) = (announce.offer.clone(), announce.lease_seconds);
                // Before, because addresses that are given up are taken away as well.
                self.touch_instance(&announce.instance);
                let announced = Announced { owner, offer, since, lease_seconds, until };
                self.instances.insert(announce.instance.clone(), announced);
                Effect::ServiceAnnounced { expires: until }
            }
            Action::WithdrawService(withdraw) => {
                self.touch_instance(&withdraw.instance);
                self.instances.remove(&withdraw.instance);
                Effect::ServiceWithdrawn
            }
        })
    }

    fn register(&mut self, register: &RegisterName, (height, time): BlockPosition) -> Effect {
        let (until, may_grant) = (register.limits.until, register.limits.may_grant);
        let paid_until = self.names.is_top(&register.name).then(|| time.plus(PERIOD_MS));
        let granter = self.names.nearest(&register.name);
        let anew = Name { owner: register.owner, since: height, paid_until, granter, until, may_grant };
        let name = match self.names.registered.get(&register.name) {
            // Granted again: only the limits change.
            Some(held) => Name { until, may_grant, ..held.clone() },
            None => anew,
        };
        self.names.registered.insert(register.name.clone(), name);
        self.touched.names.insert(register.name.clone());
        Effect::NameRegistered { expires: paid_until }
    }

    /// What time does before anything else in a block.
    pub(super) fn pass(&mut self, time: UnixMillis) {
        self.receipts.retain(|_, expires| *expires >= time);
        let over = self.instances.iter().filter(|(_, announced)| announced.until < time);
        let over: Vec<_> = over.map(|(instance, _)| instance.clone()).collect();
        for instance in over {
            self.touch_instance(&instance);
            self.instances.remove(&instance);
        }
        self.expire_certificates(time);
        for name in self.names.ended(time) {
            let gone = self.names.take_back(&name).map(|(_, gone)| gone);
            self.touched.names.extend(gone.into_iter().flatten());
        }
        self.free_names(time);
    }

    /// Everything at and below a name goes whose grace is over.
    fn free_names(&mut self, time: UnixMillis) {
        let over = |name: &Name| name.paid_until.is_some_and(|until| until.plus(GRACE_MS) < time);
        let freed: Vec<DomainName> = self
            .names
            .registered
            .iter()
            .filter(|(_, held)| over(held))
            .map(|(name, _)| name.clone())
            .collect();
        for top in freed {
            let below = |name: &DomainName| is_within(name, &top);
            self.touched.names.extend(self.names.registered.keys().filter(|name| below(name)).cloned());
            let records = self.records.by_hand.keys().filter(|(name, _)| below(name));
            self.touched.records.extend(records.cloned());
            self.names.registered.retain(|name, _| !below(name));
            self.records.by_hand.retain(|(name, _), _| !below(name));
            self.records.published.retain(|name, _| !below(name));
        }
    }
}
