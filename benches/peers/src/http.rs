//! An echo over HTTP/1.1: hyper, TLS 1.3, keep-alive. A connection carries one call at a time, so there are as many
//! connections as callers.

use crate::load::{Load, Samples, drive};
use crate::{Fault, tls};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::net::Ipv6Addr;
use std::path::Path;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::{TlsAcceptor, TlsConnector};

pub(crate) async fn serve(port: u16, folder: &Path) -> Result<(), Fault> {
    let acceptor = TlsAcceptor::from(tls::server(folder)?);
    let listener = TcpListener::bind((Ipv6Addr::LOCALHOST, port)).await?;
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            let Ok(stream) = acceptor.accept(socket).await else { return };
            let served = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service_fn(echo))
                .await;
            drop(served);
        });
    }
}

async fn echo(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let body = request.into_body().collect().await?.to_bytes();
    Ok(Response::new(Full::new(body)))
}

pub(crate) async fn call(port: u16, folder: &Path, load: &Load) -> Result<Samples, Fault> {
    let connector = TlsConnector::from(tls::client(folder)?);
    let mut callers = Vec::new();
    for _ in 0..load.at_once {
        let socket = TcpStream::connect((Ipv6Addr::LOCALHOST, port)).await?;
        socket.set_nodelay(true)?;
        let stream = connector.connect(ServerName::try_from(tls::HOST)?, socket).await?;
        callers.push(caller(Connection::new(stream).await?, "/echo"));
    }
    drive(load, callers).await
}

/// A caller on a connection of its own.
pub(crate) fn caller(
    connection: Connection,
    path: &'static str,
) -> impl FnMut(Vec<u8>) -> futures::future::BoxFuture<'static, Result<(), Fault>> + Send + 'static {
    move |body| {
        let connection = connection.clone();
        Box::pin(async move { connection.post(path, body).await.map(drop) })
    }
}

/// A connection of HTTP/1.1 that is kept.
#[derive(Clone)]
pub(crate) struct Connection(Arc<Mutex<SendRequest<Full<Bytes>>>>);

impl Connection {
    pub(crate) async fn new(
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ) -> Result<Self, Fault> {
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self(Arc::new(Mutex::new(sender))))
    }

    /// Posts a body, and takes the whole answer.
    pub(crate) async fn post(&self, path: &str, body: Vec<u8>) -> Result<Bytes, Fault> {
        let request = Request::post(path).header("host", tls::HOST).body(Full::new(Bytes::from(body)))?;
        let mut sender = self.0.lock().await;
        sender.ready().await?;
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        if !status.is_success() {
            return Err(format!("{status}: {}", String::from_utf8_lossy(&body)).into());
        }
        Ok(body)
    }
}
