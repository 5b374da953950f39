//! What is decided and signed by several, against what is stored by several and what is signed by one: etcd with three
//! nodes, and cfssl.

use super::Measured;
use super::child::{Running, Tools, find, listens};
use super::session::{Session, call, operation, repeat};
use hypermesh_benches::{Figure, Run};
use hypermesh_core::api::{IssueCertificateRequest, OperationRequest};
use hypermesh_core::base::{MicroCaesar, SecretKey};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Command, Stdio};

const ETCD_NODES: u16 = 3;

pub(super) async fn figures(
    session: &Session,
    tools: &Tools,
    scale: usize,
    runs: usize,
) -> Result<Measured, String> {
    let mut absent = Vec::new();
    let mut keep = |name: &str, peer: Result<Peer, String>| match peer {
        Ok(peer) => Some(peer),
        Err(reason) => {
            absent.push(format!("{name}: {reason}"));
            None
        }
    };
    let etcd = keep("etcd", etcd(tools).await);
    let cfssl = keep("cfssl", cfssl(tools).await);
    let to = SecretKey::from_seed([9; 32]).public();
    let transfer = || operation(&session.owner().transfer(session.nonce(), to, MicroCaesar(1)));
    let count = 20 * scale;
    let (mut transfers, mut issued, mut puts, mut signed) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..runs {
        let run = repeat(count, || async {
            let request = OperationRequest { operation: transfer()? };
            call(&session.client, session.peer(0), &request).await
        });
        transfers.push(run.await?);
        if let Some(etcd) = &etcd {
            puts.push(tools.call("etcd", etcd.port, count, 1).await?);
        }
        let run = repeat(count, || async {
            let request = IssueCertificateRequest { operation: session.issue()? };
            call(&session.client, session.peer(0), &request).await
        });
        issued.push(run.await?);
        if let Some(cfssl) = &cfssl {
            signed.push(tools.call("cfssl", cfssl.port, count, 1).await?);
        }
    }
    let figure = |name: &str, runs: &[Run]| (!runs.is_empty()).then(|| Figure::of(name, runs));
    let transfer = Figure::of("transfer, four validators, durable", &transfers);
    let issue = Figure::of("issue, four validators, durable, logged", &issued);
    let put = figure("etcd, three nodes, put of 600 bytes", &puts);
    let sign = figure("cfssl, one key, neither stored nor logged", &signed);
    let against = |figure: Figure, design| match &put {
        Some(put) => figure.times_over(put, design),
        None => figure,
    };
    let (transfer, issue) = (against(transfer, None), against(issue, Some(8.0)));
    let issue = match &sign {
        Some(sign) => issue.times_over(sign, None),
        None => issue,
    };
    let figures = [Some(transfer), Some(issue), put, sign].into_iter().flatten().collect();
    Ok(Measured { figures, levels: Vec::new(), absent })
}

/// A system that runs, and where it is asked.
struct Peer {
    port: u16,
    _running: Vec<Running>,
}

const fn local(port: u16) -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

/// Three nodes, each of which syncs to disk, as it does unless told otherwise.
async fn etcd(tools: &Tools) -> Result<Peer, String> {
    let program = find("etcd").ok_or("not installed")?;
    tools.peers()?;
    let folder = tools.folder("etcd")?;
    let client = |number| tools.port(20 + number);
    let peer = |number| format!("http://127.0.0.1:{}", tools.port(30 + number));
    let cluster: Vec<String> = (0..ETCD_NODES).map(|number| format!("n{number}={}", peer(number))).collect();
    let mut running = Vec::new();
    for number in 0..ETCD_NODES {
        let name = format!("n{number}");
        let asked = format!("http://{}", local(client(number)));
        let mut command = Command::new(&program);
        command.args([
            "--name",
            &name,
            "--initial-cluster",
            &cluster.join(","),
            "--initial-cluster-state",
            "new",
        ]);
        command.args(["--listen-client-urls", &asked, "--advertise-client-urls", &asked]);
        command.args(["--listen-peer-urls", &peer(number), "--initial-advertise-peer-urls", &peer(number)]);
        command.arg("--data-dir").arg(folder.join(&name));
        running.push(Running::start(&mut command, &folder.join(format!("{name}.log")))?);
    }
    for number in 0..ETCD_NODES {
        listens(local(client(number))).await?;
    }
    // The first put waits for a leader.
    tools.call("etcd", client(0), 10, 1).await?;
    Ok(Peer { port: client(0), _running: running })
}

/// A key on P-256 in one process, over HTTP without TLS.
async fn cfssl(tools: &Tools) -> Result<Peer, String> {
    let program = find("cfssl").ok_or("not installed")?;
    tools.peers()?;
    let folder = tools.folder("cfssl")?;
    let key = r#""key":{"algo":"ecdsa","size":256}"#;
    let ca = format!(r#"{{"CN":"peer",{key}}}"#);
    let leaf = format!(r#"{{"CN":"web.demo.hypermesh","hosts":["web.demo.hypermesh"],{key}}}"#);
    for (json, arguments, names) in [
        (ca, &["gencert", "-initca"][..], [("cert", "ca.pem"), ("key", "ca-key.pem")]),
        (leaf, &["genkey"][..], [("csr", "request.csr"), ("key", "leaf-key.pem")]),
    ] {
        let request = folder.join("request.json");
        std::fs::write(&request, json).map_err(|error| error.to_string())?;
        let output = Command::new(&program).args(arguments).arg(&request).stderr(Stdio::null()).output();
        let output = output.map_err(|error| error.to_string())?;
        keep(&folder, &output.stdout, &names)?;
    }
    let port = tools.port(40);
    let mut command = Command::new(&program);
    command.args(["serve", "-address", "127.0.0.1", "-port", &port.to_string()]);
    command.args(["-ca", "ca.pem", "-ca-key", "ca-key.pem"]).current_dir(&folder);
    let running = Running::start(&mut command, &folder.join("cfssl.log"))?;
    listens(local(port)).await?;
    Ok(Peer { port, _running: vec![running] })
}

/// Writes what cfssl printed into files.
fn keep(folder: &Path, printed: &[u8], names: &[(&str, &str)]) -> Result<(), String> {
    let printed: serde_json::Value = serde_json::from_slice(printed).map_err(|error| error.to_string())?;
    names.iter().try_for_each(|(field, file)| {
        let text = printed.get(field).and_then(|text| text.as_str()).ok_or("cfssl printed something else")?;
        std::fs::write(folder.join(file), text).map_err(|error| error.to_string())
    })
}
