//! The life of one connection: hyper between the socket and the endpoint.

use super::answer::{Answer, Room, TakesRoom, TooLarge};
use super::deadlines::{Busy, Deadlines};
use super::fault::Fault;
use super::rest::Rest;
use super::socket::Socket;
use crate::envelope;
use crate::refusal::Refusal;
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use poem::http::uri::Scheme;
use poem::http::{HeaderValue, header};
use poem::web::{LocalAddr, RemoteAddr};
use poem::{Endpoint, Request, Response};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Four heads; a body passes through in pieces of it.
const BUFFER_BYTES_MAX: usize = 64 << 10;

/// What all connections of a server share.
pub struct Shared<E> {
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
    /// What large answers share.
    pub room: Room,
    /// Is told the code of what is refused before there is a request.
    pub refused: Refused,
}

/// Is told the code of a refusal.
pub type Refused = Arc<dyn Fn(&'static str) + Send + Sync>;

/// Serves until the client or a deadline ends the connection, or the grace after the signal to stop.
pub async fn run<S, E>(stream: S, peer: SocketAddr, shared: Arc<Shared<E>>)
where
    S: AsyncRead + AsyncWrite + Unpin,
    E: Endpoint<Output = Response> + 'static,
{
    let (busy, peer) = (Busy::default(), RemoteAddr(peer.into()));
    let socket = Socket::new(stream, shared.deadlines, busy.clone());
    let service = service_fn(|request| {
        let in_flight = busy.begin();
        let (shared, peer) = (shared.clone(), peer.clone());
        async move {
            let mut answer = hyper::Response::from(answer(request, &shared, peer).await);
            let takes_room = answer.extensions_mut().remove::<TakesRoom>().is_some();
            let room = if takes_room { shared.room.take(&answer.body().size_hint()) } else { Ok(None) };
            let room = room.unwrap_or_else(|TooLarge| {
                (shared.refused)(Refusal::TooManyAnswers.code());
                answer = envelope::refuse_instead(answer.headers(), &Refusal::TooManyAnswers).into();
                None
            });
            Ok::<_, Infallible>(answer.map(|body| Answer::new(body, room, in_flight)))
        }
    });
    let connection =
        http1::Builder::new().max_buf_size(BUFFER_BYTES_MAX).serve_connection(TokioIo::new(socket), service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        biased;
        ended = &mut connection => ended,
        () = shared.stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            timeout(shared.grace, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error = &error as &(dyn std::error::Error + 'static), "a connection broke");
    }
}

async fn answer<E>(request: hyper::Request<Incoming>, shared: &Shared<E>, peer: RemoteAddr) -> Response
where
    E: Endpoint<Output = Response>,
{
    match Fault::of(&request) {
        Some(fault) => {
            let refusal = fault.refusal();
            (shared.refused)(refusal.code());
            envelope::refuse(&refusal)
        }
        None => {
            let mut request = Request::from((request, shared.address.clone(), peer, Scheme::HTTP));
            let rest = Rest::of(&mut request);
            let mut response = shared.endpoint.get_response(request).await;
            if let Some(rest) = rest
                && !response.headers().contains_key(header::CONNECTION)
                && !rest.drained().await
            {
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            response
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use poem::endpoint::make;
    use poem::{EndpointExt, IntoResponse};
    use proptest::prelude::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

    /// What is not complete is never completed here.
    const SHORT: Duration = Duration::from_millis(5);
    const GOOD: &str = "POST /tasks?a=b HTTP/1.1\r\nHost: x:80\r\nContent-Length: 3\r\nX-Y: z\r\n\r\nabc";
    const CHUNKED: &str = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";

    fn shared<E: Endpoint<Output = Response>>(endpoint: E, time: Duration, room: &Room) -> Shared<E> {
        Shared {
            endpoint,
            address: LocalAddr::default(),
            deadlines: Deadlines { head: time, idle: time, write: time },
            stop: CancellationToken::new(),
            grace: Duration::ZERO,
            room: room.clone(),
            refused: Arc::new(|_| {}),
        }
    }

    /// All that is answered to these bytes.
    async fn answers(bytes: &[u8]) -> String {
        let endpoint = make(|mut request| async move {
            let _ = timeout(SHORT, request.take_body().into_vec()).await;
            Ok::<_, poem::Error>("fine".with_header("x-request-id", "y"))
        });
        let shared = shared(endpoint.map_to_response(), SHORT, &Room::new(0));
        let (mut client, stream) = tokio::io::duplex(4 << 10);
        let talking = async move {
            client.write_all(bytes).await.expect("who is refused may finish sending");
            let mut text = Vec::new();
            client.read_to_end(&mut text).await.unwrap();
            String::from_utf8_lossy(&text).into_owned()
        };
        let serving = run(stream, SocketAddr::from(([127, 0, 0, 1], 1)), Arc::new(shared));
        tokio::join!(talking, serving).0
    }

    proptest! {
        /// What hyper refuses by itself has no request id and no body: it must never have to.
        #[test]
        fn nothing_that_passes_is_refused_by_hyper(
            mut text in prop::sample::select(vec![GOOD, CHUNKED]).prop_map(|text| text.as_bytes().repeat(2)),
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3u8), 1..4),
        ) {
            for (at, byte, how) in changes {
                let at = at.index(text.len());
                match how {
                    0 => text[at] = byte,
                    1 => text.insert(at, byte),
                    _ => { text.remove(at); }
                }
            }
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let answers = runtime.block_on(answers(&text));
            let count = |what: &str| answers.matches(what).count();
            let answered = count("HTTP/1.1 ") + count("HTTP/1.0 ");
            prop_assert_eq!(answered, count("x-request-id: "), "{}", answers);
        }
    }

    /// Asks for what `endpoint` answers and reads all of it, or only its head.
    async fn ask(room: &Room, bytes: usize) -> DuplexStream {
        let endpoint = make(move |_| async move { Ok::<_, poem::Error>(vec![b'x'; bytes]) }).map_to_response();
        let endpoint = endpoint.map(|mut response: Response| async move {
            response.extensions_mut().insert(TakesRoom);
            response.headers_mut().insert("x-request-id", HeaderValue::from_static("one"));
            response.headers_mut().insert(header::VARY, HeaderValue::from_static("Origin"));
            response
        });
        let (mut client, stream) = tokio::io::duplex(1 << 10);
        let shared = shared(endpoint, Duration::from_secs(60), room);
        tokio::spawn(run(stream, SocketAddr::from(([127, 0, 0, 1], 1)), Arc::new(shared)));
        client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
        client
    }

    #[tokio::test]
    async fn large_answers_share_their_room_until_they_are_read() {
        let room = Room::new(700);
        let mut slow = ask(&room, 500 << 10).await;
        let mut head = [0; 15];
        slow.read_exact(&mut head).await.unwrap();
        assert_eq!(&head, b"HTTP/1.1 200 OK");
        let text = |mut client: DuplexStream| async move {
            let mut text = Vec::new();
            client.read_to_end(&mut text).await.unwrap();
            String::from_utf8(text).unwrap()
        };
        let refused = text(ask(&room, 300 << 10).await).await;
        assert!(refused.starts_with("HTTP/1.1 503 ") && refused.contains("too_many_answers"), "{refused}");
        for kept in ["x-request-id: one\r\n", "vary: Origin\r\n", r#""request_id":"one""#] {
            assert!(refused.contains(kept), "{refused}");
        }
        assert!(text(ask(&room, 200 << 10).await).await.ends_with(&"x".repeat(200 << 10)), "a small one takes no room");
        let whole = text(slow).await;
        assert!(whole.contains("content-length: 512000") && whole.ends_with(&"x".repeat(500 << 10)));
        assert!(text(ask(&room, 700 << 10).await).await.starts_with("HTTP/1.1 200 OK"), "it was given back");
    }

    #[tokio::test]
    async fn the_endpoint_answers_what_is_good() {
        let answers = answers(GOOD.repeat(2).as_bytes()).await;
        assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 2, "{answers}");
    }

    #[tokio::test]
    async fn what_comes_behind_a_refused_head_is_read_before_the_connection_is_closed() {
        let answers = answers(format!("GET /\r\n{}", "x".repeat(100_000)).as_bytes()).await;
        assert!(answers.starts_with("HTTP/1.1 400 Bad Request\r\n") && answers.contains("bad_request"), "{answers}");
    }
}
