//! The encrypted file around a backup.
//!
//! | bytes | what |
//! |---|---|
//! | 22 | `hypermesh node backup` and a line feed |
//! | 2 | version, little-endian: 1 |
//! | 16 | salt |
//! | 4 | how many sealed bytes follow the next field, little-endian |
//! | 32 | BLAKE3 over salt and sealed bytes, with a context of its own: tells damage from a wrong passphrase |
//! | … | sealed: ChaCha20-Poly1305 (RFC 8439), over what comes before as associated data |
//!
//! The key is Argon2id (RFC 9106) of the passphrase and the salt, with 64 MiB and 3 passes. The nonce is zero:
//! no key serves twice, since each file has a salt of its own. Whoever has the file can try passphrases, a few a
//! second on one machine; so much does a passphrase protect, and no more.

use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use hypermesh_core::base::{Digest, Domain, Entropy};
use zeroize::Zeroizing;

const MAGIC: &[u8; 22] = b"hypermesh node backup\n";
const VERSION: u16 = 1;
const SALT_BYTES: usize = 16;
const HEAD_BYTES: usize = MAGIC.len() + 2 + SALT_BYTES + 4 + 32;
const MEMORY_KIB: u32 = 64 * 1024;
const PASSES: u32 = 3;
const LANES: u32 = 1;
const CHECKSUM: Domain = Domain::new("hypermesh v1 node backup checksum");

/// Why a file gives no backup.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnvelopeFault {
    /// It does not begin as a backup does.
    #[error("not a backup of a node")]
    NoBackup,
    /// Another version of the program wrote it.
    #[error(
        "the backup has version {found}, and this program reads version {VERSION}: restore it with the \
        program version that wrote it"
    )]
    Version {
        /// What it says.
        found: u16,
    },
    /// It ends too early.
    #[error(
        "the backup is truncated: it has {bytes} of {expected} bytes; copy it again from a complete \
        file"
    )]
    CutShort {
        /// How long it is.
        bytes: usize,
        /// How long it should be, as far as can be told.
        expected: usize,
    },
    /// Something follows it.
    #[error("{bytes} extra bytes follow the backup: copy it again")]
    Trailing {
        /// How many.
        bytes: usize,
    },
    /// Its bytes are not those that were written.
    #[error("the backup is corrupted (its checksum does not match): use another copy")]
    Damaged,
    /// The passphrase is not the one that it was sealed with.
    #[error("the passphrase is wrong; nothing was changed")]
    Passphrase,
}

/// Seals a backup under a passphrase.
#[must_use]
pub(super) fn seal(contents: &[u8], passphrase: &str, entropy: &mut dyn Entropy) -> Vec<u8> {
    let mut salt = [0; SALT_BYTES];
    entropy.fill(&mut salt);
    let head = [MAGIC.as_slice(), &VERSION.to_le_bytes(), &salt].concat();
    let mut sealed = Vec::with_capacity(contents.len() + CHACHA20_POLY1305.tag_len());
    sealed.extend_from_slice(contents);
    cipher(passphrase, &salt)
        .seal_in_place_append_tag(zero_nonce(), Aad::from(&head), &mut sealed)
        .expect("a backup is far below the cipher's limit of 256 GiB");
    let length = u32::try_from(sealed.len()).expect("a backup is far below 4 GiB").to_le_bytes();
    [head.as_slice(), &length, checksum(&salt, &sealed).as_bytes(), &sealed].concat()
}

/// Opens what [`seal`] made.
///
/// # Errors
/// If the file is none, is damaged, or is sealed with another passphrase.
pub(super) fn open(file: &[u8], passphrase: &str) -> Result<Zeroizing<Vec<u8>>, EnvelopeFault> {
    let Some(rest) = file.strip_prefix(MAGIC) else { return Err(EnvelopeFault::NoBackup) };
    let short = |expected| EnvelopeFault::CutShort { bytes: file.len(), expected };
    let (version, rest) = rest.split_first_chunk().ok_or(short(HEAD_BYTES))?;
    let found = u16::from_le_bytes(*version);
    if found != VERSION {
        return Err(EnvelopeFault::Version { found });
    }
    let (salt, rest) = rest.split_first_chunk::<SALT_BYTES>().ok_or(short(HEAD_BYTES))?;
    let (length, rest) = rest.split_first_chunk().ok_or(short(HEAD_BYTES))?;
    let (sum, sealed) = rest.split_first_chunk().ok_or(short(HEAD_BYTES))?;
    let length = u32::from_le_bytes(*length) as usize;
    if sealed.len() < length {
        return Err(short(HEAD_BYTES.saturating_add(length)));
    }
    if sealed.len() > length {
        return Err(EnvelopeFault::Trailing { bytes: sealed.len() - length });
    }
    if checksum(salt, sealed) != Digest(*sum) {
        return Err(EnvelopeFault::Damaged);
    }
    let head = [MAGIC.as_slice(), version, salt].concat();
    let mut opened = Zeroizing::new(sealed.to_vec());
    let contents = cipher(passphrase, salt).open_in_place(zero_nonce(), Aad::from(&head), &mut opened);
    let length = contents.map_err(|_| EnvelopeFault::Passphrase)?.len();
    opened.truncate(length);
    Ok(opened)
}

fn cipher(passphrase: &str, salt: &[u8; SALT_BYTES]) -> LessSafeKey {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, Some(32)).expect("the parameters are in range");
    let mut key = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(passphrase.as_bytes(), salt, &mut *key)
        .expect("salt and key have lengths that Argon2 takes, and a passphrase is short");
    let key = UnboundKey::new(&CHACHA20_POLY1305, &*key).expect("the cipher takes keys of 32 bytes");
    LessSafeKey::new(key)
}

fn zero_nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}

fn checksum(salt: &[u8; SALT_BYTES], sealed: &[u8]) -> Digest {
    CHECKSUM.hash(&[salt, sealed])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::SystemEntropy;

    const PASSPHRASE: &str = "correct horse battery";

    fn sealed() -> Vec<u8> {
        seal(b"the contents", PASSPHRASE, &mut SystemEntropy)
    }

    #[test]
    fn what_was_sealed_opens_with_its_passphrase_and_with_no_other() {
        let file = sealed();
        assert_eq!(**open(&file, PASSPHRASE).as_ref().unwrap(), *b"the contents");
        assert_eq!(open(&file, "correct horse").err(), Some(EnvelopeFault::Passphrase));
        assert_ne!(sealed(), file, "each file has a salt of its own");
        assert!(!file.windows(8).any(|window| window == b"contents"));
    }

    #[test]
    fn a_file_cut_anywhere_is_called_cut_short() {
        let file = sealed();
        for length in MAGIC.len()..file.len() {
            let fault = open(&file[..length], PASSPHRASE).err();
            assert!(
                matches!(fault, Some(EnvelopeFault::CutShort { bytes, .. }) if bytes == length),
                "{length}"
            );
        }
        assert_eq!(open(&file[..MAGIC.len() - 1], PASSPHRASE).err(), Some(EnvelopeFault::NoBackup));
        assert_eq!(open(b"", PASSPHRASE).err(), Some(EnvelopeFault::NoBackup));
        let longer = [file.as_slice(), b"\n"].concat();
        assert_eq!(open(&longer, PASSPHRASE).err(), Some(EnvelopeFault::Trailing { bytes: 1 }));
    }

    #[test]
    fn a_changed_byte_is_damage_and_a_newer_version_is_named() {
        let file = sealed();
        for position in [MAGIC.len() + 2, HEAD_BYTES - 1, HEAD_BYTES, file.len() - 1] {
            let mut changed = file.clone();
            changed[position] ^= 1;
            assert_eq!(open(&changed, PASSPHRASE).err(), Some(EnvelopeFault::Damaged), "{position}");
        }
        let mut newer = file;
        newer[MAGIC.len()] = 2;
        assert_eq!(open(&newer, PASSPHRASE).err(), Some(EnvelopeFault::Version { found: 2 }));
    }

    #[test]
    fn the_format_is_what_other_versions_write() {
        struct Sevens;
        impl Entropy for Sevens {
            fn fill(&mut self, buffer: &mut [u8]) {
                buffer.fill(7);
            }
        }
        let file = seal(b"golden", PASSPHRASE, &mut Sevens);
        assert_eq!(hex::encode(&file[MAGIC.len()..]), GOLDEN);
    }

    const GOLDEN: &str = concat!(
        "0100",
        "07070707070707070707070707070707",
        "16000000",
        "66ba6783c2de60e56d9c8341b53e474eb711dca026cc40a63c89fafb06bd4002",
        "641d90e115034979b4d3f307bb1a6ceed7981574f5db",
    );
}
