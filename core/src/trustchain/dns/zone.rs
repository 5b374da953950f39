//! The committed state seen as zones: what a search for an answer needs of it.

use super::{RecordSet, RecordType, Soa};
use crate::trustchain::DomainName;
use alloc::borrow::Cow;
use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};
use rpds::RedBlackTreeMapSync;

/// The zones that a mesh answers for, and what stands in them. Every look-up must be cheap.
pub trait ZoneSource {
    /// The zones: the mesh's own and the reverse ones that genesis lists.
    fn zones(&self) -> &[DomainName];

    /// The start of one of [`Self::zones`]. It is answered at the zone's top, and with every negative answer.
    fn soa(&self, zone: &DomainName) -> Soa;

    /// The records that `name` has of this type; SOA is never asked for.
    fn record_set(&self, name: &DomainName, record_type: RecordType) -> Option<Cow<'_, RecordSet>>;

    /// One of the sets that `name` has, whichever comes first; SOA is not among them.
    fn any_record_set(&self, name: &DomainName) -> Option<Cow<'_, RecordSet>>;

    /// Whether `name` or any name below it has records. A name that has none itself exists all the same if
    /// one below it does (RFC 8020).
    fn name_exists(&self, name: &DomainName) -> bool;
}

/// A name as a key under which the names below it follow it at once, in the canonical order of RFC 4034 §6.1:
/// its labels from the top down, each followed by a zero byte.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct TreeKey(Vec<u8>);

impl TreeKey {
    /// The bytes, for a store that orders its keys by them.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The name whose key has these bytes.
    #[must_use]
    pub fn name_of(bytes: &[u8]) -> Option<DomainName> {
        let labels = core::str::from_utf8(bytes.strip_suffix(b"\0")?).ok()?;
        let labels: Vec<&str> = labels.rsplit('\0').collect();
        let name: DomainName = labels.join(".").parse().ok()?;
        // A dot inside of a label must not pass for one between labels.
        (Self::from(&name).as_bytes() == bytes).then_some(name)
    }

    /// Whether this is the key of `ancestor`'s name or of one below it.
    #[must_use]
    pub fn is_within(&self, ancestor: &Self) -> bool {
        self.0.starts_with(&ancestor.0)
    }
}

impl From<&DomainName> for TreeKey {
    fn from(name: &DomainName) -> Self {
        let mut bytes = Vec::with_capacity(name.as_str().len() + 1);
        for label in name.labels().rev() {
            bytes.extend_from_slice(label.as_bytes());
            bytes.push(0);
        }
        Self(bytes)
    }
}

/// Zones held in memory as a persistent map: a clone shares what has not changed, and costs nothing.
#[derive(Clone, Debug, Default)]
pub struct ZoneTable {
    zones: Vec<DomainName>,
    starts: Vec<Soa>,
    sets: RedBlackTreeMapSync<(TreeKey, RecordType), RecordSet>,
}

impl ZoneTable {
    /// Zones with nothing in them but their starts.
    #[must_use]
    pub fn new(zones: impl IntoIterator<Item = (DomainName, Soa)>) -> Self {
        let (zones, starts) = zones.into_iter().unzip();
        Self { zones, starts, sets: RedBlackTreeMapSync::new_sync() }
    }

    /// Sets what `name` has of the set's type. Says nothing about whether it may: see [`super::check_name`].
    /// A set without records removes nothing: see [`Self::remove`].
    pub fn insert(&mut self, name: &DomainName, set: RecordSet) {
        if let Some(record_type) = set.record_type() {
            self.sets.insert_mut((TreeKey::from(name), record_type), set);
        }
    }

    /// Removes what `name` has of this type.
    pub fn remove(&mut self, name: &DomainName, record_type: RecordType) {
        self.sets.remove_mut(&(TreeKey::from(name), record_type));
    }

    /// Moves a zone's start on, for a new serial number.
    pub fn set_soa(&mut self, zone: &DomainName, soa: Soa) {
        let starts = self.zones.iter().zip(&mut self.starts);
        if let Some((_, start)) = starts.into_iter().find(|(name, _)| *name == zone) {
            *start = soa;
        }
    }
}

impl ZoneSource for ZoneTable {
    fn zones(&self) -> &[DomainName] {
        &self.zones
    }

    fn soa(&self, zone: &DomainName) -> Soa {
        let start = self.zones.iter().zip(&self.starts).find(|(name, _)| *name == zone);
        start.map(|(_, soa)| soa.clone()).expect("the caller asks for one of the zones")
    }

    fn record_set(&self, name: &DomainName, record_type: RecordType) -> Option<Cow<'_, RecordSet>> {
        self.sets.get(&(TreeKey::from(name), record_type)).map(Cow::Borrowed)
    }

    fn any_record_set(&self, name: &DomainName) -> Option<Cow<'_, RecordSet>> {
        let key = TreeKey::from(name);
        let ((found, _), set) = self.sets.range((key.clone(), RecordType::A)..).next()?;
        (*found == key).then_some(Cow::Borrowed(set))
    }

    fn name_exists(&self, name: &DomainName) -> bool {
        let key = TreeKey::from(name);
        let first = self.sets.range((key.clone(), RecordType::A)..).next();
        first.is_some_and(|((found, _), _)| found.is_within(&key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> TreeKey {
        TreeKey::from(&text.parse::<DomainName>().unwrap())
    }

    #[test]
    fn names_below_a_name_follow_it_at_once() {
        let mut keys = ["b.a", "a", "ab", "x.b.a", "a-c.a", "c.a", "z"].map(key);
        keys.sort();
        assert_eq!(keys, ["a", "a-c.a", "b.a", "x.b.a", "c.a", "ab", "z"].map(key));
        assert!(key("x.b.a").is_within(&key("b.a")));
        assert!(!key("bb.a").is_within(&key("b.a")));
    }

    #[test]
    fn the_stored_form_of_a_key_is_pinned() {
        assert_eq!(key("web.demo").as_bytes(), b"demo\0web\0");
        assert_eq!(TreeKey::name_of(b"demo\0web\0"), "web.demo".parse().ok());
        for bytes in [&b""[..], b"demo", b"\0", b"demo\0\0", b"a.b\0", b"A\0", b"\xff\0"] {
            let name = TreeKey::name_of(bytes);
            assert!(name.is_none_or(|name| TreeKey::from(&name).as_bytes() == bytes), "{bytes:?}");
        }
    }
}
