//! A certificate, as it is named on the command line: by its serial number, or by its file.

use crate::failure::{Exit, Failure};
use crate::file;
use hypermesh_core::trustchain::ca::{
    PEM_BYTES_MAX, PemLabel, SerialNumber, SignedCertificate, from_pem, take_apart,
};
use std::path::{Path, PathBuf};

/// A certificate, by one of its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Its serial number.
    Serial(SerialNumber),
    /// Its file, or the folder that `cert issue` wrote.
    File(PathBuf),
}

/// A serial number, with or without colons as openssl writes it; anything else is a path.
///
/// # Errors
/// Never: a path is looked at when it is used.
pub(super) fn parse(text: &str) -> Result<Subject, std::convert::Infallible> {
    let digits = text.replace(':', "").to_ascii_lowercase();
    Ok(digits.parse().map_or_else(|_| Subject::File(text.into()), Subject::Serial))
}

impl Subject {
    /// Its serial number.
    pub(super) fn serial(&self) -> Result<SerialNumber, Failure> {
        match self {
            Self::Serial(serial) => Ok(*serial),
            Self::File(path) => read(path).map(|(_, certificate)| certificate.serial),
        }
    }
}

/// The certificate in a file, PEM or DER, or in a folder that `cert issue` wrote: its DER, and taken apart.
pub(super) fn read(path: &Path) -> Result<(Vec<u8>, SignedCertificate), Failure> {
    let path = if path.is_dir() { path.join(super::folder::CERTIFICATE_FILE) } else { path.to_owned() };
    let fault =
        |reason: &dyn std::fmt::Display| Failure::new(Exit::Input, format!("{}: {reason}", path.display()));
    let bytes = file::read(&path, PEM_BYTES_MAX)?;
    let der = match std::str::from_utf8(&bytes) {
        Ok(text) if text.contains("-----BEGIN ") => {
            from_pem(PemLabel::Certificate, text).map_err(|error| fault(&error))?
        }
        _ => bytes,
    };
    let certificate = take_apart(&der).map_err(|error| fault(&error))?;
    Ok((der, certificate))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_serial_number_is_told_from_a_path() {
        let serial = "01e7c0efbaa923c40c2a34567d620008";
        let named = Subject::Serial(serial.parse().unwrap());
        let colons = "01:E7:C0:EF:BA:A9:23:C4:0C:2A:34:56:7D:62:00:08";
        assert_eq!((parse(serial), parse(colons)), (Ok(named.clone()), Ok(named)));
        assert_eq!(parse("web/cert.pem"), Ok(Subject::File("web/cert.pem".into())));
    }
}
