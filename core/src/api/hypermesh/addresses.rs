//! Where validators are, each by its own signature: an address that has changed since genesis.
//!
//! A record says where a validator says that it is, and proves no more than that. Whoever dials the address still
//! demands the validator's key.

use crate::api::{ApiFault, ReadMethod, View};
use crate::base::{Digest, Domain, PublicKey, SecretKey, Signature, UnixMillis};
use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};
use core::net::SocketAddrV6;
use serde::{Deserialize, Serialize};

const RECORD: Domain = Domain::new("hypermesh v1 validator address");

message! {
    /// Where a validator says that it is. Of two records of one validator, the one with the higher sequence number
    /// counts.
    AddressRecord {
        /// Which validator.
        validator: PublicKey,
        /// Where it listens for STOQ.
        address: SocketAddrV6,
        /// Milliseconds since 1970 by the validator's clock when it signed, or one more than in its record before.
        sequence: u64,
        /// The validator's signature, over the genesis hash too.
        signature: Signature,
    }
}

message! {
    /// Asks for the addresses that have changed since genesis.
    AddressesRequest {}
}

message! {
    /// The addresses that have changed since genesis: at most one record for each validator.
    AddressBook {
        /// Each signed by the validator whose address it is.
        records: Vec<AddressRecord>,
    }
}

impl ReadMethod for AddressesRequest {
    fn answer(&self, view: &View, _wall: UnixMillis) -> Result<AddressBook, ApiFault> {
        Ok(AddressBook { records: view.addresses.values().cloned().collect() })
    }
}

impl AddressRecord {
    /// Signs a record of the validator with this identity.
    #[must_use]
    pub fn sign(genesis: &Digest, address: SocketAddrV6, sequence: u64, identity: &SecretKey) -> Self {
        let validator = identity.public();
        let signature = identity.sign(&digest(genesis, &validator, &address, sequence));
        Self { validator, address, sequence, signature }
    }

    /// Whether the validator has signed it for this mesh, and the address is one that others can dial.
    #[must_use]
    pub fn is_valid(&self, genesis: &Digest) -> bool {
        let digest = digest(genesis, &self.validator, &self.address, self.sequence);
        check_dialable(self.address).is_ok() && self.validator.verify(&digest, &self.signature).is_ok()
    }
}

fn digest(genesis: &Digest, validator: &PublicKey, address: &SocketAddrV6, sequence: u64) -> Digest {
    RECORD.hash_of(&(genesis, validator, address, sequence))
}

/// Refuses addresses that others cannot dial.
///
/// # Errors
/// With the reason.
pub fn check_dialable(address: SocketAddrV6) -> Result<(), &'static str> {
    let ip = address.ip();
    match () {
        () if address.port() == 0 => Err("other nodes cannot reach port 0"),
        () if ip.is_unspecified() => Err("it is the unspecified address, which other nodes cannot reach"),
        () if ip.is_multicast() => Err("it is not the address of one machine"),
        () if ip.is_unicast_link_local() => Err("it is a link-local address, which other networks cannot \
            reach"),
        () if ip.to_ipv4_mapped().is_some() => Err("it is an IPv4 address, and STOQ requires IPv6"),
        () => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> AddressRecord {
        let identity = SecretKey::from_seed([3; 32]);
        AddressRecord::sign(&Digest([1; 32]), "[2001:db8::7]:7400".parse().unwrap(), 9, &identity)
    }

    #[test]
    fn a_record_holds_for_its_mesh_validator_address_and_number_alone() {
        let (genesis, good) = (Digest([1; 32]), record());
        assert!(good.is_valid(&genesis));
        assert!(!good.is_valid(&Digest([2; 32])));
        let other = SecretKey::from_seed([4; 32]).public();
        assert!(!AddressRecord { validator: other, ..good.clone() }.is_valid(&genesis));
        let address = "[2001:db8::7]:7401".parse().unwrap();
        assert!(!AddressRecord { address, ..good.clone() }.is_valid(&genesis));
        assert!(!AddressRecord { sequence: 10, ..good }.is_valid(&genesis));
    }

    #[test]
    fn an_address_that_nobody_can_dial_makes_no_record() {
        let identity = SecretKey::from_seed([3; 32]);
        for address in
            ["[::]:7400", "[2001:db8::7]:0", "[ff02::1]:7400", "[fe80::1]:7400", "[::ffff:192.0.2.1]:7400"]
        {
            let record = AddressRecord::sign(&Digest([1; 32]), address.parse().unwrap(), 9, &identity);
            assert!(!record.is_valid(&Digest([1; 32])), "{address}");
        }
    }
}
