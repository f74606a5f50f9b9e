//! The life of one connection: hyper between the socket and the endpoint.

use super::deadlines::{Busy, Deadlines, InFlight};
use super::fault::Fault;
use super::socket::Socket;
use crate::envelope;
use bytes::Buf;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use poem::http::uri::Scheme;
use poem::web::{LocalAddr, RemoteAddr};
use poem::{Endpoint, Request, Response};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Four heads; a body passes through in pieces of it.
const BUFFER_BYTES_MAX: usize = 64 << 10;

/// What all connections of a server share.
pub struct Host<E> {
    /// Who answers.
    pub endpoint: E,
    /// Where it listens.
    pub address: LocalAddr,
    /// What a client is given.
    pub deadlines: Deadlines,
    /// When connections are to end.
    pub stop: CancellationToken,
    /// How long a request in flight may go on then.
    pub grace: Duration,
}

/// Serves until the client or a deadline ends the connection, or the grace after the signal to stop.
pub async fn run<E>(stream: TcpStream, peer: SocketAddr, host: Arc<Host<E>>)
where
    E: Endpoint<Output = Response> + 'static,
{
    let (busy, peer) = (Busy::default(), RemoteAddr(peer.into()));
    let socket = Socket::new(stream, host.deadlines, busy.clone());
    let service = service_fn(|request| {
        let in_flight = busy.begin();
        let (host, peer) = (host.clone(), peer.clone());
        async move {
            let answer = hyper::Response::from(answer(request, &host, peer).await);
            Ok::<_, Infallible>(answer.map(|body| Answer { body, _in_flight: in_flight }))
        }
    });
    let connection =
        http1::Builder::new().max_buf_size(BUFFER_BYTES_MAX).serve_connection(TokioIo::new(socket), service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        biased;
        ended = &mut connection => ended,
        () = host.stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            timeout(host.grace, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error = &error as &(dyn std::error::Error + 'static), "a connection broke");
    }
}

async fn answer<E>(request: hyper::Request<Incoming>, host: &Host<E>, peer: RemoteAddr) -> Response
where
    E: Endpoint<Output = Response>,
{
    match Fault::of(&request) {
        Some(fault) => envelope::refuse(&fault.refusal()),
        None => host.endpoint.get_response(Request::from((request, host.address.clone(), peer, Scheme::HTTP))).await,
    }
}

/// The body of an answer; the connection is busy until it is sent or dropped.
struct Answer<B> {
    body: B,
    _in_flight: InFlight,
}

impl<D: Buf, B: Body<Data = D> + Unpin> Body for Answer<B> {
    type Data = D;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<D>, B::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
