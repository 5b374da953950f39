//! What is still in the state though its time is over.
//!
//! A block does a bounded amount of what fell due before it, and after a long standstill more than that may have fallen due.
//! Until the following blocks have done the rest, the state holds records of instances whose leases are over, and keys of
//! certificates that have expired. They are left out of answers here, by their times.

use crate::base::UnixMillis;
use crate::state::chain::row::{Certificate, Due, Published, Row};
use crate::state::{Instance, State};
use crate::trustchain::DomainName;
use crate::trustchain::dns::{RecordData, RecordSet, RecordType};
use alloc::vec::Vec;

impl State {
    /// Whether something that fell due before the last block is not done yet.
    #[must_use]
    pub fn has_overdue(&self) -> bool {
        self.first_due().is_some_and(|at| at < self.time())
    }

    fn first_due(&self) -> Option<UnixMillis> {
        let key = self.first_key(Due::TAG)?;
        Some(UnixMillis(u64::from_be_bytes(key.get(1..9)?.try_into().ok()?)))
    }

    /// A set of records that the mesh may have written, without what instances whose leases are over and certificates that
    /// have expired have in it. Sets that owners wrote are as they are.
    pub(in crate::state) fn without_overdue(
        &self,
        name: &DomainName,
        record_type: RecordType,
        set: RecordSet,
    ) -> Option<RecordSet> {
        let data = match record_type {
            RecordType::Tlsa => self.published_data(name),
            _ => self.announced_data(name, record_type),
        };
        match data {
            None => Some(set),
            Some(data) if data.is_empty() => None,
            Some(data) => RecordSet::new(set.ttl_seconds, data).ok(),
        }
    }

    /// The records of certificates at a name that have not expired; `None` if none ever were published there.
    fn published_data(&self, name: &DomainName) -> Option<Vec<RecordData>> {
        let published = self.get::<Published>(name)?;
        let holds = |serial| {
            let certificate = self.get::<Certificate>(serial);
            certificate.is_some_and(|row: Certificate| row.not_after >= self.time())
        };
        let keys = published.keys.iter().filter(|(serial, _)| holds(serial));
        Some(keys.map(|(_, hash)| crate::state::certificates::authority::tlsa_of_key_hash(hash)).collect())
    }

    /// The records of instances at a name whose leases run; `None` if the records there are not those of instances.
    fn announced_data(&self, name: &DomainName, record_type: RecordType) -> Option<Vec<RecordData>> {
        if !self.is_announced(name, record_type) {
            return None;
        }
        let parent = name.parent()?;
        let service = if record_type == RecordType::Srv { parent.parent()? } else { parent };
        let running: Vec<Instance> = self.instances(&service, self.time()).collect();
        let serving = |one: &&Instance| one.serves(&one.name.protocol);
        Some(match record_type {
            RecordType::Srv => {
                let here = running.iter().filter(|one| one.name.srv() == *name).filter(serving);
                here.map(Instance::srv_record).collect()
            }
            RecordType::Svcb => {
                let here =
                    running.iter().filter(|one| one.name.svcb().as_ref() == Some(name)).filter(serving);
                here.map(Instance::svcb_record).collect()
            }
            _ => {
                let addresses = running.iter().filter_map(|one| one.addresses_of(name)).flatten();
                addresses.copied().map(RecordData::Aaaa).collect()
            }
        })
    }
}
