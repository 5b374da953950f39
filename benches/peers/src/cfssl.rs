//! A certificate signed by `cfssl serve`: one key in one process, no store, no log, HTTP without TLS.

use crate::Fault;
use crate::http::Connection;
use crate::load::{Load, Samples, drive};
use std::net::Ipv4Addr;
use std::path::Path;
use tokio::net::TcpStream;

/// Where the request to be signed is, PEM.
const REQUEST: &str = "request.csr";

pub(crate) async fn call(port: u16, folder: &Path, load: &Load) -> Result<Samples, Fault> {
    let csr = std::fs::read_to_string(folder.join(REQUEST))?;
    let body = serde_json::to_vec(&serde_json::json!({ "certificate_request": csr }))?;
    let mut callers = Vec::new();
    for _ in 0..load.at_once {
        let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
        socket.set_nodelay(true)?;
        let connection = Connection::new(socket).await?;
        let body = body.clone();
        callers.push(move |_| {
            let (connection, body) = (connection.clone(), body.clone());
            async move {
                let answer = connection.post("/api/v1/cfssl/sign", body).await?;
                let answer: serde_json::Value = serde_json::from_slice(&answer)?;
                match answer["result"]["certificate"].as_str() {
                    Some(_) => Ok(()),
                    None => Err(Fault::from(format!("cfssl did not sign: {answer}"))),
                }
            }
        });
    }
    drive(load, callers).await
}
