//! The seal on each row: eight bytes behind the value, by which a reader knows that key and value are those that
//! were written. redb checks its pages only when it opens a file; what a disk gives back later is checked here.
//!
//! It guards against disks, not against people: whoever can write the file can make seals too.

use hypermesh_core::base::{Domain, Table};

/// How long a seal is. By chance one in 2^64 damaged rows would bear a right one.
pub(super) const SEAL_BYTES: usize = 8;

const SEAL: Domain = Domain::new("hypermesh v1 stored row");

/// The value with its seal.
pub(super) fn seal(table: Table, key: &[u8], value: &[u8]) -> Vec<u8> {
    [value, &of(table, key, value)].concat()
}

/// The value without its seal, if that is right.
pub(super) fn unseal<'a>(table: Table, key: &[u8], sealed: &'a [u8]) -> Option<&'a [u8]> {
    let (value, seal) = sealed.split_at_checked(sealed.len().checked_sub(SEAL_BYTES)?)?;
    (*seal == of(table, key, value)).then_some(value)
}

fn of(table: Table, key: &[u8], value: &[u8]) -> [u8; SEAL_BYTES] {
    let [a, b, c, d, e, f, g, h, ..] = SEAL.hash(&[table.name().as_bytes(), key, value]).0;
    [a, b, c, d, e, f, g, h]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_taken_only_where_it_was_put_and_as_it_was() {
        let sealed = seal(Table::Blocks, b"key", b"value");
        assert_eq!(unseal(Table::Blocks, b"key", &sealed), Some(&b"value"[..]));
        assert_eq!(unseal(Table::Commits, b"key", &sealed), None);
        assert_eq!(unseal(Table::Blocks, b"kez", &sealed), None);
        for bit in 0..8 * sealed.len() {
            let mut damaged = sealed.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(unseal(Table::Blocks, b"key", &damaged), None, "bit {bit}");
        }
        for length in 0..sealed.len() {
            assert_eq!(unseal(Table::Blocks, b"key", &sealed[..length]), None, "cut to {length}");
        }
        assert_eq!(unseal(Table::Wal, b"", &seal(Table::Wal, b"", b"")), Some(&b""[..]));
    }

    #[test]
    fn seals_stay_what_they_are() {
        let sealed = seal(Table::Meta, b"head", &7_u64.to_be_bytes());
        assert_eq!(hex::encode(&sealed[8..]), "735451ae78b31d8b");
    }
}
