//! `hypermesh rpc …`: any method of any service.

mod trace;

use super::Global;
use crate::client::{failure_of, listen, session, unanswered};
use crate::failure::{Exit, Failure};
use crate::file;
use crate::output::Output;
use clap::Subcommand;
use hypermesh_core::api::{
    CaesarMethodsRequest, HypermeshMethodsRequest, Method, MethodDescription, REQUEST_BYTES_MAX, Request,
    Shape, TraceId, TrustchainMethodsRequest,
};
use hypermesh_core::state::SERVICES;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;
use stoq::{Client, EarlyData, Expect, Peer, Ping};

/// What `hypermesh rpc` can do.
#[derive(Debug, Subcommand)]
pub enum RpcCommand {
    /// List the methods that services offer; of one service, with all that goes in and comes out
    List {
        /// Which service; all if none is given
        service: Option<String>,
    },
    /// Call a method; the answer is JSON, and of a method that streams a line of JSON each, until --timeout or Ctrl-C
    #[command(after_help = CALL_EXAMPLES)]
    Call {
        /// Service and method, as two words or as service/method, and the request as JSON (`-` reads it
        /// from standard input; `{}` if none is given)
        #[arg(required = true, num_args = 1..=3, value_names = ["SERVICE", "METHOD", "JSON"])]
        words: Vec<String>,
        /// The request as JSON, for those who like it named
        #[arg(long, value_name = "JSON")]
        json_body: Option<String>,
    },
    /// Follow a request: what each node did for it, and how long that took
    #[command(after_help = TRACE_HELP)]
    Trace {
        /// The request's trace id, as `--verbose` and failures tell it
        #[arg(value_name = "TRACE")]
        id: TraceId,
    },
    /// Measure the way to nodes, and say what protects it
    Ping {
        /// Which node, by name, key or address; all validators if none is given
        node: Option<String>,
    },
}

const CALL_EXAMPLES: &str = r#"Examples:
  hypermesh rpc call trustchain resolve_dns '{"name":"web.demo.hypermesh","record_type":"AAAA"}'
  hypermesh rpc call hypermesh/consensus/status
  hypermesh --timeout 3600 rpc call trustchain subscribe_log '{"names":["demo.hypermesh"]}'
  hypermesh rpc call caesar fees"#;

const TRACE_HELP: &str = "\
Nodes keep the newest requests, in memory; whoever knows a request's trace id may ask. What is answered from the last block
at once (`rpc list SERVICE` says 0-RTT) leaves no trace.

Examples:
  hypermesh --verbose cert issue web.demo.hypermesh --out web/
  hypermesh --trace 00112233445566778899aabbccddeeff dns set web.demo.hypermesh AAAA 2001:db8::80
  hypermesh rpc trace 00112233445566778899aabbccddeeff";

/// Runs a command.
///
/// # Errors
/// If it fails.
pub fn run(command: RpcCommand, global: &Global, output: Output) -> Result<(), Failure> {
    match command {
        RpcCommand::List { service } => list(service.as_deref(), global, output),
        RpcCommand::Call { words, json_body } => {
            let request = typed_request(words, json_body)?;
            if request.method().shape != Shape::Unary {
                return print_each(&request, global, output);
            }
            let response =
                session(global, "waiting for the response", async |client| client.call_raw(&request).await)?;
            Output { json: true }.print(&response, |_| String::new())
        }
        RpcCommand::Trace { id } => trace::run(id, global, output),
        RpcCommand::Ping { node } => ping(node.as_deref(), global, output),
    }
}

/// Prints each answer of a streaming call as a line of JSON, until the time is up or Ctrl-C.
fn print_each(request: &Request, global: &Global, output: Output) -> Result<(), Failure> {
    listen(global, async |client| {
        let mut answers = client.stream_raw(request).await?;
        while let Some(response) = answers.next().await? {
            if !output.line(&response)? {
                break;
            }
        }
        Ok(())
    })
}

fn list(service: Option<&str>, global: &Global, output: Output) -> Result<(), Failure> {
    let wanted: Vec<&str> =
        SERVICES.into_iter().filter(|name| service.is_none_or(|service| service == *name)).collect();
    if let (Some(service), true) = (service, wanted.is_empty()) {
        let message = format!("unknown service {service:?}: expected one of {}", SERVICES.join(", "));
        return Err(Failure::new(Exit::NotFound, message));
    }
    let whole = service.is_some();
    let lists = session(global, "asking the services", async |client| {
        let mut lists = BTreeMap::new();
        for service in wanted {
            let methods = match service {
                "trustchain" => client.call(&TrustchainMethodsRequest {}).await?,
                "hypermesh" => client.call(&HypermeshMethodsRequest {}).await?,
                _ => client.call(&CaesarMethodsRequest {}).await?,
            };
            lists.insert(service, methods);
        }
        Ok(lists)
    })?;
    output.print(&lists, |lists| {
        let rows = lists.iter().flat_map(|(service, list)| {
            let row = |method| if whole { described(service, method) } else { named(service, method) };
            list.methods.iter().map(row).collect::<Vec<_>>()
        });
        rows.collect()
    })
}

/// A method on a line, with the names of what goes in and comes out.
fn named(service: &str, method: &MethodDescription) -> String {
    let name_of = |shape: &str| {
        let end = shape.find(|other: char| !other.is_alphanumeric());
        shape.get(..end.unwrap_or(shape.len())).unwrap_or_default().to_owned()
    };
    let MethodDescription { name, request, response, .. } = method;
    let (request, response) = (name_of(request), name_of(response));
    format!("{:<44} {request} {} {response}\n", format!("{service}/{name}"), arrow(method.shape))
}

/// A method with all that goes in and comes out.
fn described(service: &str, method: &MethodDescription) -> String {
    let MethodDescription { name, request, response, shape, early, writes } = method;
    let mut remarks = Vec::new();
    if *writes {
        remarks.push("changes something");
    }
    if *early {
        remarks.push("may be sent in a first flight (0-RTT)");
    }
    match shape {
        Shape::Unary => {}
        Shape::ServerStreaming => remarks.push("answers until it is ended"),
        Shape::Bidirectional => {
            remarks.push("answers until it is ended, and takes further requests meanwhile")
        }
    }
    let remarks = if remarks.is_empty() { String::new() } else { format!("  ({})", remarks.join("; ")) };
    format!("{service}/{name}{remarks}\n    {request}\n    {} {response}\n", arrow(*shape))
}

const fn arrow(shape: Shape) -> &'static str {
    match shape {
        Shape::Unary => "->",
        Shape::ServerStreaming => "->>",
        Shape::Bidirectional => "<->>",
    }
}

/// The request that was typed.
fn typed_request(words: Vec<String>, named_body: Option<String>) -> Result<Request, Failure> {
    let usage = |message: String| Failure::new(Exit::Usage, message);
    let (method, body) = split_words(words, named_body).map_err(usage)?;
    let body = match body.as_str() {
        "-" => file::read_text(Path::new("-"), JSON_BYTES_MAX)?,
        _ => body,
    };
    let (service, name) = method;
    if Method::find(&service, &name).is_none() {
        let message = format!("unknown method {service}/{name}: `hypermesh rpc list` lists the methods");
        return Err(Failure::new(Exit::NotFound, message));
    }
    let mut json = serde_json::Deserializer::from_str(&body);
    let mut unknown = Vec::new();
    let mut note = |path: serde_ignored::Path<'_>| unknown.push(path.to_string());
    let fields = serde_ignored::Deserializer::new(&mut json, &mut note);
    let request = Request::deserialize(&service, &name, fields)
        .and_then(|request| json.end().map(|()| request))
        .map_err(|error| usage(format!("{service}/{name}: {error}")))?;
    match unknown.is_empty() {
        true => Ok(request),
        // A field that is passed over may be a wish that was misspelt.
        false => Err(usage(format!(
            "{service}/{name} has no field {}: `hypermesh rpc list {service}` lists its fields",
            unknown.join(", ")
        ))),
    }
}

type ServiceAndMethod = (String, String);

/// Service, method and body from what was typed: `SERVICE METHOD [JSON]` or `SERVICE/METHOD [JSON]`.
fn split_words(
    mut words: Vec<String>,
    named_body: Option<String>,
) -> Result<(ServiceAndMethod, String), String> {
    let is_body = |word: &String| word == "-" || word.trim_start().starts_with(['{', '[', '"']);
    let last = if words.len() > 1 { words.pop_if(|word| is_body(word)) } else { None };
    let body = match (last, named_body) {
        (Some(_), Some(_)) => {
            return Err("the request was given twice, as an argument and on standard \
            input: give it once"
                .to_owned());
        }
        (one, other) => one.or(other).unwrap_or_else(|| "{}".to_owned()),
    };
    let split =
        |word: &str| word.split_once('/').map(|(service, name)| (service.to_owned(), name.to_owned()));
    let method = match words.as_slice() {
        [service, name] => Some((service.clone(), name.clone())),
        [word] => split(word),
        _ => None,
    };
    let method = method.ok_or_else(|| {
        "expected a service, a method and a request in JSON: `hypermesh rpc list` shows the methods"
            .to_owned()
    })?;
    Ok((method, body))
}

/// A node to ping, and what came of it.
#[derive(Serialize)]
struct Pinged {
    name: String,
    addr: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ping: Option<Ping>,
    /// What it found when it came back, with the session of the first time.
    #[serde(skip_serializing_if = "Option::is_none")]
    again: Option<Ping>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

fn ping(node: Option<&str>, global: &Global, output: Output) -> Result<(), Failure> {
    let pinged = session(global, "waiting for the nodes", async |client| {
        let mut pinged = Vec::new();
        for validator in &client.genesis().validators {
            let (key, address) = (validator.member.key, client.address_of(validator));
            let is_it = |node: &str| {
                node == validator.name
                    || node == format!("{}.{}", validator.name, client.genesis().zone)
                    || node == key.to_string()
                    || node == address.to_string()
            };
            if node.is_none_or(is_it) {
                let peer = Peer { addr: address, expect: Expect::Key(key) };
                pinged.push(ping_one(client.stoq(), &validator.name, &peer, client.timeout()).await);
            }
        }
        Ok(pinged)
    })?;
    let (asked, silent) = (pinged.len(), pinged.iter().filter(|pinged| pinged.ping.is_none()).count());
    if let (Some(node), 0) = (node, asked) {
        let message = format!(
            "no validator {node:?}: give a validator's name, key or address, or leave it \
            out to query all"
        );
        return Err(Failure::new(Exit::NotFound, message));
    }
    output.print(&pinged, |pinged| pinged.iter().map(ping_line).collect())?;
    match silent {
        0 => Ok(()),
        _ => Err(Failure::new(Exit::Unreachable, format!("{silent} of {asked} nodes did not answer"))),
    }
}

async fn ping_one(stoq: &Client, name: &str, peer: &Peer, timeout: std::time::Duration) -> Pinged {
    let (name, addr) = (name.to_owned(), peer.addr.to_string());
    let timeout = timeout.min(PING_TIMEOUT);
    // A connection that stands would not show what it takes to set one up.
    stoq.disconnect(peer);
    let first = stoq.ping(peer, timeout).await;
    stoq.disconnect(peer);
    let again = stoq.ping(peer, timeout).await;
    match first {
        Ok(ping) => Pinged { name, addr, ping: Some(ping), again: again.ok(), error: None },
        Err(error) => {
            let failure = failure_of(&unanswered(error, peer.addr, timeout));
            Pinged { name, addr, ping: None, again: None, error: Some(failure.message) }
        }
    }
}

fn ping_line(pinged: &Pinged) -> String {
    let Pinged { name, addr, ping, again, error } = pinged;
    match ping {
        Some(ping) => {
            let negotiated = |part: &Option<String>| part.clone().unwrap_or_else(|| "negotiated".to_owned());
            let again = again.as_ref().map_or_else(String::new, |again| format!(", again {}", set_up(again)));
            format!(
                "{name} {addr} round trip {:.3} ms, path {:.3} ms, first answer {}{again}, {}, {}, {}\n",
                milliseconds(ping.round_trip_us),
                milliseconds(ping.path_us),
                set_up(ping),
                ping.protocol,
                negotiated(&ping.cipher_suite),
                negotiated(&ping.key_exchange),
            )
        }
        None => format!("{name} {addr} {}\n", error.as_deref().unwrap_or("no answer")),
    }
}

/// How long the first answer took on a connection that had to be set up, and what became of its first flight.
fn set_up(ping: &Ping) -> String {
    let early = match ping.early_data {
        EarlyData::Accepted => "0-RTT",
        EarlyData::Refused => "0-RTT refused",
        EarlyData::None => "1-RTT",
    };
    format!("{:.3} ms ({early})", milliseconds(ping.first_us))
}

fn milliseconds(micros: u64) -> f64 {
    std::time::Duration::from_micros(micros).as_secs_f64() * 1000.0
}

/// How long one node has to answer a ping.
const PING_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(3);
/// The longest request as JSON, in which a byte takes two characters and more.
const JSON_BYTES_MAX: usize = 4 * REQUEST_BYTES_MAX;

#[cfg(test)]
mod tests {
    use super::*;

    fn split(words: &[&str], named: Option<&str>) -> Result<(ServiceAndMethod, String), String> {
        split_words(words.iter().map(ToString::to_string).collect(), named.map(ToString::to_string))
    }

    #[test]
    fn methods_are_understood_as_people_type_them() {
        let status = || ("hypermesh".to_owned(), "consensus/status".to_owned());
        assert_eq!(split(&["hypermesh", "consensus/status"], None), Ok((status(), "{}".into())));
        assert_eq!(split(&["hypermesh/consensus/status"], None), Ok((status(), "{}".into())));
        assert_eq!(split(&["hypermesh/consensus/status", "-"], None), Ok((status(), "-".into())));
        let body = r#"{"height":1}"#;
        assert_eq!(split(&["hypermesh", "consensus/status", body], None), Ok((status(), body.into())));
        assert_eq!(split(&["hypermesh", "consensus/status"], Some(body)), Ok((status(), body.into())));
        assert!(split(&["hypermesh"], None).is_err());
        assert!(split(&["hypermesh", "consensus/status", body], Some(body)).is_err());
    }

    #[test]
    fn a_method_that_is_not_there_is_not_found() {
        let failure = typed_request(vec!["trustchain".into(), "nothing".into()], None).unwrap_err();
        assert_eq!(failure.exit, Exit::NotFound);
    }

    #[test]
    fn a_typed_request_is_one_of_its_methods_type_and_nothing_else() {
        let typed = |body: &str| {
            typed_request(vec!["trustchain/resolve_dns".into(), body.into()], None)
                .map(|request| request.method())
        };
        let method = typed(r#"{"name":"web.demo.hypermesh","record_type":"AAAA"}"#).unwrap();
        assert_eq!((method.service, method.name), ("trustchain", "resolve_dns"));
        for body in [r#"{"name":"web"}"#, r#"{"name":"web","record_type":"AAAA"} x"#, "{"] {
            assert_eq!(typed(body).unwrap_err().exit, Exit::Usage, "{body}");
        }
    }
}
