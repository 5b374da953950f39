//! Announced services against a map of leases: who is there after a block is who was announced by receipts, less who was
//! withdrawn and whose lease was over by block time; and the service's SRV records lead to those of them that serve.
//!
//! The map reads nothing of the state but where it begins.

use super::touched::{ServicesChange, touched};
use super::{Chain, Violation};
use hypermesh_core::base::{Height, UnixMillis};
use hypermesh_core::state::{Instance, InstanceHealth, InstanceName, Offer, Outcome, ServiceProtocol, State};
use hypermesh_core::trustchain::DomainName;
use hypermesh_core::trustchain::dns::{RecordData, RecordSet, RecordType};
use std::collections::{BTreeMap, BTreeSet};

/// Watches services.
#[derive(Default)]
pub struct ServicesCheck {
    /// What each instance says of itself, and the last moment of its lease.
    announced: Option<BTreeMap<InstanceName, (Offer, UnixMillis)>>,
}

impl ServicesCheck {
    /// Looks at a block that no node had before.
    ///
    /// # Errors
    /// If an instance is there that should not be or is not there that should, or callers are sent elsewhere.
    pub(super) fn on_block(&mut self, chain: &Chain, height: Height) -> Result<(), Violation> {
        let Some(decided) = chain.at(height) else { return Ok(()) };
        let (Some(block), Some(announced)) = (&decided.block, &mut self.announced) else {
            self.announced = Some(standing(&decided.state));
            return Ok(());
        };
        let time = block.header.time;
        let mut changed: BTreeSet<(DomainName, ServiceProtocol)> = BTreeSet::new();
        let mut receipts = decided.receipts.iter().peekable();
        for operation in block.body.batches.iter().flat_map(|batch| &batch.operations) {
            let Some(receipt) = receipts.next_if(|receipt| receipt.operation == operation.id()) else {
                continue;
            };
            if !matches!(receipt.outcome, Outcome::Done(_)) {
                continue;
            }
            match touched(&operation.body.action).services {
                Some(ServicesChange::Announce(announce)) => {
                    let until = time.plus(u64::from(announce.lease_seconds) * 1000);
                    announced.insert(announce.instance.clone(), (announce.offer.clone(), until));
                    changed.insert(service_of(&announce.instance));
                }
                Some(ServicesChange::Withdraw(withdraw)) => {
                    announced.remove(&withdraw.instance);
                    changed.insert(service_of(&withdraw.instance));
                }
                None => {}
            }
        }
        let over = announced.iter().filter(|(_, (_, until))| *until < time);
        changed.extend(over.map(|(name, _)| service_of(name)));
        announced.retain(|_, (_, until)| *until >= time);
        let compared = compare(announced, &decided.state, &changed);
        compared.map_err(|what| Violation::new("services", format!("after block {height} {what}")))
    }
}

fn service_of(name: &InstanceName) -> (DomainName, ServiceProtocol) {
    (name.service.clone(), name.protocol.clone())
}

fn standing(state: &State) -> BTreeMap<InstanceName, (Offer, UnixMillis)> {
    let rows = state.rows::<Instance>(Vec::new());
    rows.map(|(_, row)| (row.name, (row.offer, row.expires))).collect()
}

fn compare(
    announced: &BTreeMap<InstanceName, (Offer, UnixMillis)>,
    state: &State,
    changed: &BTreeSet<(DomainName, ServiceProtocol)>,
) -> Result<(), String> {
    let standing = standing(state);
    if standing != *announced {
        let different = announced.iter().find(|(name, said)| standing.get(name) != Some(said));
        let different = different
            .map(|(name, _)| name)
            .or_else(|| standing.keys().find(|name| !announced.contains_key(name)));
        return Err(format!(
            "{different:?} is not as it was announced last, or is there though it should not be"
        ));
    }
    for (service, protocol) in changed {
        let at = service.child(&protocol.labels()).map_err(|fault| fault.to_string())?;
        let serving = announced.iter().filter(|(name, (offer, _))| {
            name.service == *service && name.protocol == *protocol && offer.health != InstanceHealth::Critical
        });
        let ports: BTreeSet<u16> = serving.map(|(_, (offer, _))| offer.port).collect();
        let records = state.get::<RecordSet>(&(at.clone(), RecordType::Srv));
        let led_to: BTreeSet<u16> = records
            .iter()
            .flat_map(|set| &set.data)
            .filter_map(|data| if let RecordData::Srv { port, .. } = data { Some(*port) } else { None })
            .collect();
        if ports != led_to {
            return Err(format!("{at} leads to the ports {led_to:?} where {ports:?} serve"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::test_util::world_with;
    use crate::world::{World, announcement};
    use hypermesh_core::api::{Request, Response};

    fn requests(world: &World) -> Vec<Request> {
        vec![
            world
                .owner(&world.participants().client)
                .announce(1, announcement("web.demo.hypermesh", "east", 7000, 60)),
        ]
    }

    #[test]
    fn it_fires_when_an_instance_is_there_that_was_not_announced_or_callers_are_sent_elsewhere() {
        let (world, responses) = world_with(requests);
        let Response::Operation(receipt) = &responses[0] else { panic!("another response") };
        let (chain, mut check) = (world.checks().chain(), ServicesCheck::default());
        assert_eq!(check.on_block(chain, Height(receipt.height.0 - 1)), Ok(()));
        assert_eq!(check.on_block(chain, receipt.height), Ok(()));
        let announced = check.announced.clone().unwrap();
        assert_eq!(announced.len(), 1);
        let state = &chain.at(receipt.height).unwrap().state;
        let service = announced.keys().map(service_of).collect();
        assert_eq!(compare(&announced, state, &service), Ok(()));
        assert!(compare(&BTreeMap::new(), state, &service).unwrap_err().contains("should not be"));
        let mut moved = announced.clone();
        moved.values_mut().for_each(|(offer, _)| offer.port = 7001);
        assert!(compare(&moved, state, &service).unwrap_err().contains("announced last"));
        // The rows are right and the records are not: as if a block had changed the one without the other.
        let mut draft = state.draft();
        let at = (announced.keys().next().unwrap().srv(), RecordType::Srv);
        draft.remove::<RecordSet>(&at);
        let (state, ..) = draft.finish();
        assert!(compare(&announced, &state, &service).unwrap_err().contains("leads to"));
    }
}
