//! Setting records: those of one type at a name become these, or are removed.

use super::{Caller, OperationFault, Rules, check_script};
use crate::base::MicroCaesar;
use crate::caesar::RECORDS_FEE;
use crate::state::block::execute::BlockPosition;
use crate::state::chain::row::Published;
use crate::state::{Effect, Refusal, StateDraft};
use crate::trustchain::DomainName;
use crate::trustchain::ca::CertificateRequest;
use crate::trustchain::dns::{RecordData, RecordSet, RecordType, check_name};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// The records of one type at one name.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct SetRecords {
    /// The name, within one that the operation's owner has.
    pub name: DomainName,
    /// The type.
    pub record_type: RecordType,
    /// The records that it has from now on; none removes them.
    pub records: Option<RecordSet>,
}

impl SetRecords {
    /// The data of the records that the name has from now on; none if they are removed.
    pub(in crate::state) fn data(&self) -> &[RecordData] {
        self.records.as_ref().map_or(&[], |records| records.data.as_slice())
    }
}

impl Rules for SetRecords {
    const PRICE: Option<MicroCaesar> = Some(RECORDS_FEE);

    fn check(&self) -> Result<Option<CertificateRequest>, OperationFault> {
        check_script(&self.name)?;
        self.record_type.check_settable()?;
        let Some(records) = &self.records else { return Ok(None) };
        records.check()?;
        match records.record_type() == Some(self.record_type) {
            true => Ok(None),
            false => Err(OperationFault::RecordType { expected: self.record_type }),
        }
    }

    fn execute(
        &self,
        draft: &mut StateDraft,
        caller: &Caller<'_>,
        position: BlockPosition,
    ) -> Result<Effect, Refusal> {
        let Self { name, record_type, records } = self;
        draft.state().require_owner(name, caller.owner, position.time)?;
        // What instances whose leases are over have left there is in nobody's way.
        let above = core::iter::successors(name.parent(), DomainName::parent).take(2);
        above.for_each(|service| draft.end_leases_of(&service, position.time));
        let state = draft.state();
        let published = *record_type == RecordType::Tlsa && state.get::<Published>(name).is_some();
        if published || state.is_announced(name, *record_type) {
            return Err(Refusal::Reserved { name: name.clone() });
        }
        if let Some(records) = records {
            state.require_sound_records(records)?;
            let mut types = state.types_beside(name, *record_type);
            types.push(*record_type);
            if check_name(state.zone_of(name) == Some(name), &types).is_err() {
                return Err(Refusal::Cname { name: name.clone() });
            }
            state.require_followable(name, records, caller.owner, position.time)?;
        }
        draft.set_record_set(name, *record_type, records.as_ref());
        Ok(Effect::RecordsSet)
    }
}
