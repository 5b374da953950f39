//! A certificate, as it is named on the command line: by its serial number, its file, or its folder.

use super::folder::{CERTIFICATE_FILE, Folder};
use crate::failure::{Exit, Failure};
use crate::file;
use crate::output::Output;
use hypermesh_core::trustchain::ca::{
    PEM_BYTES_MAX, PemLabel, SerialNumber, SignedCertificate, from_pem, parse_certificate,
};
use std::path::{Path, PathBuf};

/// A certificate, by one of its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateSelector {
    /// Its serial number.
    Serial(SerialNumber),
    /// Its file, or the folder that `cert issue` wrote.
    File(PathBuf),
}

/// A serial number, with or without colons as openssl writes it; anything else is a path.
///
/// # Errors
/// Never: a path is looked at when it is used.
pub(super) fn parse(text: &str) -> Result<CertificateSelector, std::convert::Infallible> {
    let digits = text.replace(':', "").to_ascii_lowercase();
    Ok(digits.parse().map_or_else(|_| CertificateSelector::File(text.into()), CertificateSelector::Serial))
}

impl CertificateSelector {
    /// Reports files in the given folder that do not belong together, if a folder is given.
    pub(super) fn tell_mismatch(&self, output: Output) -> Result<(), Failure> {
        let Self::File(path) = self else { return Ok(()) };
        if let Some(file) = mismatch(path)? {
            output.tell(format_args!(
                "{} belongs to another certificate, or is \
                corrupted",
                path.join(file).display()
            ));
        }
        Ok(())
    }

    /// Its serial number.
    pub(super) fn serial(&self) -> Result<SerialNumber, Failure> {
        match self {
            Self::Serial(serial) => Ok(*serial),
            Self::File(path) => read(path).map(|(_, certificate)| certificate.serial),
        }
    }
}

/// The file of a certificate that is named by it or by its folder.
pub(super) fn file_of(path: &Path) -> PathBuf {
    if path.is_dir() { path.join(CERTIFICATE_FILE) } else { path.to_owned() }
}

/// The folder of a certificate that is named by it or by its `cert.pem`.
pub(super) fn folder_of(path: &Path) -> Result<PathBuf, Failure> {
    if path.is_dir() {
        return Ok(path.to_owned());
    }
    match (path.file_name(), path.parent()) {
        (Some(name), Some(folder)) if name == CERTIFICATE_FILE => {
            Ok(if folder == Path::new("") { PathBuf::from(".") } else { folder.to_owned() })
        }
        _ => {
            let message = format!(
                "{}: expected the folder that cert issue wrote, or {CERTIFICATE_FILE} in it",
                path.display()
            );
            Err(Failure::new(Exit::Input, message))
        }
    }
}

/// The certificate in a file, PEM or DER, or in a folder that `cert issue` wrote: its DER, and taken apart.
pub(super) fn read(path: &Path) -> Result<(Vec<u8>, SignedCertificate), Failure> {
    let path = file_of(path);
    let fault =
        |reason: &dyn std::fmt::Display| Failure::new(Exit::Input, format!("{}: {reason}", path.display()));
    let bytes = file::read(&path, PEM_BYTES_MAX)?;
    let der = match std::str::from_utf8(&bytes) {
        Ok(text) if text.contains("-----BEGIN ") => {
            from_pem(PemLabel::Certificate, text).map_err(|error| fault(&error))?
        }
        _ => bytes,
    };
    let certificate = parse_certificate(&der).map_err(|error| fault(&error))?;
    Ok((der, certificate))
}

/// The file that does not belong to the certificate in this folder, if one does not. Of a file nothing is known.
pub(super) fn mismatch(path: &Path) -> Result<Option<&'static str>, Failure> {
    if !path.is_dir() {
        return Ok(None);
    }
    let folder = Folder::new(path);
    folder.steady(|| folder.mismatch(&folder.certificate()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_named_by_itself_or_by_its_certificate() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        assert_eq!(folder_of(path).unwrap(), path);
        assert_eq!(folder_of(&path.join("cert.pem")).unwrap(), path);
        assert_eq!(folder_of(Path::new("cert.pem")).unwrap(), Path::new("."));
        assert_eq!(folder_of(&path.join("other.pem")).unwrap_err().exit, Exit::Input);
        assert_eq!(file_of(path), path.join("cert.pem"));
        assert_eq!(file_of(Path::new("other.pem")), Path::new("other.pem"));
    }

    #[test]
    fn a_serial_number_is_told_from_a_path() {
        let serial = "01e7c0efbaa923c40c2a34567d620008";
        let named = CertificateSelector::Serial(serial.parse().unwrap());
        let colons = "01:E7:C0:EF:BA:A9:23:C4:0C:2A:34:56:7D:62:00:08";
        assert_eq!((parse(serial), parse(colons)), (Ok(named.clone()), Ok(named)));
        assert_eq!(parse("web/cert.pem"), Ok(CertificateSelector::File("web/cert.pem".into())));
    }
}
