//! Lies to clients: records that nobody set, answers of long ago, certificates that consensus never approved.
//!
//! A client finds a rogue certificate out with the trust bundle: neither the signature nor the proof holds. Who wants to be
//! sure of another answer asks with proof: a row that was changed or left out is then found out, and an old one tells its age.

use super::Lie;
use hypermesh_core::api::{Request, Response};
use hypermesh_core::trustchain::dns::{RecordData, RecordSet};
use std::collections::BTreeMap;
use std::net::Ipv6Addr;

/// What forged answers lead to.
const ELSEWHERE: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xbad, 0, 0, 0, 0, 0, 1);
const TTL_SECONDS: u32 = 300;

/// Puts a lie in the place of an answer. Says whether there is one.
pub(super) fn lie(
    lie: Lie,
    first: &mut BTreeMap<Vec<u8>, Response>,
    request: Option<&Request>,
    response: &mut Response,
) -> bool {
    match (lie, response) {
        (Lie::ForgedAnswers, Response::ResolveDns(answer)) => {
            let Some(last) = answer.answers.last_mut() else { return false };
            let elsewhere = RecordSet::new(TTL_SECONDS, vec![RecordData::Aaaa(ELSEWHERE)]);
            let Ok(elsewhere) = elsewhere else { return false };
            last.set = elsewhere;
            true
        }
        (Lie::ForgedAnswers, Response::Prove(proof)) => {
            // One that is there is changed; where none is, the last one is left out.
            match proof.rows.iter_mut().rev().find_map(|row| row.row.as_mut()?.0.last_mut()) {
                Some(byte) => *byte ^= 1,
                None => drop(proof.rows.pop()),
            }
            true
        }
        (Lie::StaleAnswers, response @ (Response::ResolveDns(_) | Response::Prove(_))) => {
            let Some(request) = request else { return false };
            let told = first.entry(request.encode()).or_insert_with(|| response.clone());
            let stale = told != response;
            *response = told.clone();
            stale
        }
        (Lie::RogueCertificates, Response::IssueCertificate(issued) | Response::GetCertificate(issued)) => {
            let middle = issued.certificate_der.len() / 2;
            let Some(byte) = issued.certificate_der.get_mut(middle) else { return false };
            *byte ^= 1;
            true
        }
        _ => false,
    }
}
