//! The outline of a PKCS#10 request (RFC 2986 §4): where its parts lie, in DER, and no more.
//!
//! Requests are made by other people's programs. So what is wrong with one is looked for part by part, and the reader is
//! told the part, or the byte. What the parts say is for [`super::CertificateRequest`].

use super::RequestFault;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use der::asn1::{AnyRef, ObjectIdentifier};
use der::oid::db::{DB, rfc5912};
use der::{Decode, Header, Reader, SliceReader, Tag, TagNumber};

/// One element, and where in the request it begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Element<'a> {
    /// The byte of the request at which it begins.
    pub(super) at: usize,
    /// Its tag.
    pub(super) tag: Tag,
    /// All of it.
    pub(super) raw: &'a [u8],
    /// Its content.
    pub(super) value: &'a [u8],
}

/// The parts of a request.
pub(super) struct Outline<'a> {
    version: Element<'a>,
    /// Whom it is for.
    pub(super) subject: Element<'a>,
    /// The key.
    pub(super) spki: Element<'a>,
    attributes: Option<Element<'a>>,
}

/// An extension that is asked for.
pub(super) struct RequestedExtension<'a> {
    /// What it is.
    pub(super) oid: ObjectIdentifier,
    /// Whether who does not know it must refuse the certificate.
    pub(super) is_critical: bool,
    /// The octet string with its value.
    pub(super) value: Element<'a>,
}

impl<'a> Outline<'a> {
    /// The parts of a request in DER.
    ///
    /// # Errors
    /// If it is cut short, has bytes behind it, or a part is missing or something else.
    pub(super) fn of(der: &'a [u8]) -> Result<Self, RequestFault> {
        let whole = whole(der)?;
        let mut parts = Parts::of(&whole)?;
        let signed = parts.next(Tag::Sequence, "what is signed, a SEQUENCE")?;
        parts.next(Tag::Sequence, "the signature's algorithm, a SEQUENCE")?;
        parts.next(Tag::BitString, "the signature, a BIT STRING")?;
        parts.end("the end, behind the signature")?;
        let mut parts = Parts::of(&signed)?;
        let version = parts.next(Tag::Integer, "the version, an INTEGER")?;
        let subject = parts.next(Tag::Sequence, "the subject, a SEQUENCE")?;
        let spki = parts.next(Tag::Sequence, "the public key, a SEQUENCE")?;
        let attributes = parts.next_if(ATTRIBUTES);
        parts.end("the attributes, [0], or the end")?;
        match der.len() - whole.raw.len() {
            0 => Ok(Self { version, subject, spki, attributes }),
            bytes => Err(RequestFault::TrailingBytes { bytes }),
        }
    }

    /// Checks that the version is the only one there is.
    ///
    /// # Errors
    /// If it is another.
    pub(super) fn check_version(&self) -> Result<(), RequestFault> {
        match self.version.value {
            [0] => Ok(()),
            _ => {
                let number = i64::from_der(self.version.raw);
                let version =
                    number.map_or_else(|_| "no small number".to_string(), |number| number.to_string());
                Err(RequestFault::Version { version })
            }
        }
    }

    /// The extensions that are asked for, in their order.
    ///
    /// # Errors
    /// If the attributes are left out or malformed, there are several lists of extensions, or it has an extension twice.
    pub(super) fn extensions(&self) -> Result<Vec<RequestedExtension<'a>>, RequestFault> {
        let attributes = self.attributes.ok_or(RequestFault::NoAttributes)?;
        let mut list = None;
        for attribute in attributes.elements()? {
            let mut parts = Parts::of(&attribute.of(Tag::Sequence, "an attribute, a SEQUENCE")?)?;
            let oid = object_identifier(&parts.next(Tag::ObjectIdentifier, "what the attribute is")?)?;
            let values = parts.next(Tag::Set, "the attribute's values, a SET")?;
            if oid != rfc5912::ID_EXTENSION_REQ {
                continue;
            }
            if list.is_some() {
                return Err(RequestFault::ManyExtensionRequests);
            }
            list = match values.elements()?.as_slice() {
                [one] => Some(one.of(Tag::Sequence, "a list of extensions, a SEQUENCE")?),
                several => return Err(RequestFault::ExtensionRequestValues { count: several.len() }),
            };
        }
        let mut extensions: Vec<RequestedExtension<'a>> = Vec::new();
        for element in list.map_or_else(|| Ok(Vec::new()), |list| list.elements())? {
            let extension = extension(&element)?;
            if extensions.iter().any(|other| other.oid == extension.oid) {
                return Err(RequestFault::RepeatedExtension { extension: name_of(&extension.oid) });
            }
            extensions.push(extension);
        }
        Ok(extensions)
    }
}

impl<'a> Element<'a> {
    /// The elements of its content.
    pub(super) fn elements(&self) -> Result<Vec<Self>, RequestFault> {
        match self.elements_until_fault() {
            (elements, None) => Ok(elements),
            (_, Some(byte)) => Err(malformed(byte, "an element that ends within the one around it")),
        }
    }

    /// The elements of its content, and the byte at which they end early, if they do.
    pub(super) fn elements_until_fault(&self) -> (Vec<Self>, Option<usize>) {
        let (mut elements, mut at, mut rest) =
            (Vec::new(), self.at + self.raw.len() - self.value.len(), self.value);
        while !rest.is_empty() {
            let Some(element) = first(at, rest) else { return (elements, Some(at)) };
            (at, rest) = (at + element.raw.len(), rest.get(element.raw.len()..).unwrap_or_default());
            elements.push(element);
        }
        (elements, None)
    }

    fn of(self, tag: Tag, expected: &'static str) -> Result<Self, RequestFault> {
        if self.tag == tag { Ok(self) } else { Err(malformed(self.at, expected)) }
    }
}

/// The elements of one, taken in turn.
struct Parts<'a> {
    elements: alloc::vec::IntoIter<Element<'a>>,
    end: usize,
}

impl<'a> Parts<'a> {
    fn of(whole: &Element<'a>) -> Result<Self, RequestFault> {
        Ok(Self { elements: whole.elements()?.into_iter(), end: whole.at + whole.raw.len() })
    }

    fn next(&mut self, tag: Tag, expected: &'static str) -> Result<Element<'a>, RequestFault> {
        let end = self.end;
        self.elements.next().ok_or(malformed(end, expected))?.of(tag, expected)
    }

    fn next_if(&mut self, tag: Tag) -> Option<Element<'a>> {
        let is_next = self.elements.as_slice().first().is_some_and(|next| next.tag == tag);
        if is_next { self.elements.next() } else { None }
    }

    fn end(&self, expected: &'static str) -> Result<(), RequestFault> {
        self.elements.as_slice().first().map_or(Ok(()), |surplus| Err(malformed(surplus.at, expected)))
    }
}

/// What an extension or attribute is called, without the branch of the tree of names; its number if it has none.
pub(super) fn name_of(oid: &ObjectIdentifier) -> String {
    let Some(name) = DB.by_oid(oid) else { return oid.to_string() };
    let branches = ["id-ce-", "id-pe-", "id-kp-"];
    branches.into_iter().find_map(|branch| name.strip_prefix(branch)).unwrap_or(name).to_string()
}

fn whole(der: &[u8]) -> Result<Element<'_>, RequestFault> {
    let expected = "a SEQUENCE";
    let mut reader = SliceReader::new(der).map_err(|_| malformed(0, expected))?;
    let header = Header::decode(&mut reader).map_err(|_| malformed(0, expected))?;
    if header.tag != Tag::Sequence {
        return Err(malformed(0, expected));
    }
    let length = (reader.position() + header.length).ok().and_then(|length| usize::try_from(length).ok());
    match length {
        Some(length) if length > der.len() => {
            Err(RequestFault::CutShort { bytes: der.len(), expected: length })
        }
        _ => first(0, der).ok_or(malformed(0, expected)),
    }
}

/// The element at the beginning of some bytes.
fn first(at: usize, bytes: &[u8]) -> Option<Element<'_>> {
    let raw = SliceReader::new(bytes).ok()?.tlv_bytes().ok()?;
    let any = AnyRef::from_der(raw).ok()?;
    Some(Element { at, tag: der::Tagged::tag(&any), raw, value: any.value() })
}

fn extension<'a>(element: &Element<'a>) -> Result<RequestedExtension<'a>, RequestFault> {
    let mut parts = Parts::of(&element.of(Tag::Sequence, "an extension, a SEQUENCE")?)?;
    let oid = object_identifier(&parts.next(Tag::ObjectIdentifier, "what the extension is")?)?;
    // TRUE is 0xff in DER, and some programs write another byte, or FALSE, which DER leaves out.
    let is_critical = parts.next_if(Tag::Boolean).is_some_and(|flag| flag.value != [0]);
    let value = parts.next(Tag::OctetString, "the extension's value, an OCTET STRING")?;
    parts.end("the end, behind the extension's value")?;
    Ok(RequestedExtension { oid, is_critical, value })
}

fn object_identifier(element: &Element<'_>) -> Result<ObjectIdentifier, RequestFault> {
    ObjectIdentifier::from_der(element.raw).map_err(|_| malformed(element.at, "an object identifier"))
}

const fn malformed(byte: usize, expected: &'static str) -> RequestFault {
    RequestFault::Malformed { byte, expected }
}

const ATTRIBUTES: Tag = Tag::ContextSpecific { constructed: true, number: TagNumber::N0 };
