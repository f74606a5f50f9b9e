//! A small HTTP server for services without an API: `GET /metrics` and `GET /livez`, and nothing else. `/livez` says
//! that the process answers, never whether Redis does. It is bounded, because it may be reachable by more than its
//! scraper: 16 connections, one request on each, 8 KiB of head, five seconds from the first byte to the last. Whoever
//! comes while all are in use waits. If it dies, nothing but the view is lost.

use crate::registry::{CONTENT_TYPE, Registry};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE as CONTENT_TYPE_HEADER, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

const CONNECTIONS_MAX: usize = 16;
const HEAD_BYTES_MAX: usize = 8 * 1024;
const DEADLINE: Duration = Duration::from_secs(5);
/// After a connection could not be taken, as for want of file descriptors.
const PAUSE: Duration = Duration::from_millis(50);

/// Serves what `registry` knows until `shutdown`.
pub async fn serve(listener: TcpListener, registry: Registry, shutdown: CancellationToken) {
    let connections = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    while let Some(permit) = shutdown.run_until_cancelled(connections.clone().acquire_owned()).await {
        let Some(accepted) = shutdown.run_until_cancelled(listener.accept()).await else { return };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::debug!(error = &error as &dyn std::error::Error, "a connection was not taken");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let registry = registry.clone();
        tokio::spawn(async move {
            let _permit = permit;
            let _ = tokio::time::timeout(DEADLINE, answer_one(stream, registry)).await;
        });
    }
}

/// Reads one request and answers it; whatever is wrong with the connection is its client's affair.
async fn answer_one(stream: TcpStream, registry: Registry) {
    let service = service_fn(move |request: Request<Incoming>| {
        let answer = answer(request.method(), request.uri().path(), &registry);
        async move { Ok::<_, Infallible>(answer) }
    });
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(DEADLINE).max_buf_size(HEAD_BYTES_MAX).keep_alive(false);
    let _ = http.serve_connection(TokioIo::new(stream), service).await;
}

fn answer(method: &Method, path: &str, registry: &Registry) -> Response<Full<Bytes>> {
    match (path, method) {
        ("/metrics", &Method::GET) => response(StatusCode::OK, CONTENT_TYPE, registry.text()),
        ("/livez", &Method::GET) => response(StatusCode::OK, "application/json", "{\"status\":\"alive\"}".to_owned()),
        ("/metrics" | "/livez", _) => {
            let mut refusal = problem(
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "The method is not allowed",
                "It takes GET.",
            );
            refusal.headers_mut().insert(ALLOW, HeaderValue::from_static("GET"));
            refusal
        }
        _ => problem(StatusCode::NOT_FOUND, "not_found", "No such path", "There are /metrics and /livez."),
    }
}

/// What the API answers with too (RFC 9457), but for a request id: nothing of this is logged.
fn problem(status: StatusCode, code: &str, title: &str, detail: &str) -> Response<Full<Bytes>> {
    let number = status.as_u16();
    let text = format!(
        "{{\"type\":\"urn:problem-type:millstream:{code}\",\"title\":\"{title}\",\"status\":{number},\
         \"detail\":\"{detail}\",\"code\":\"{code}\"}}"
    );
    response(status, "application/problem+json", text)
}

fn response(status: StatusCode, content_type: &'static str, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    for (name, value) in
        [(CONTENT_TYPE_HEADER, content_type), (CACHE_CONTROL, "no-store"), (X_CONTENT_TYPE_OPTIONS, "nosniff")]
    {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::Service;
    use std::net::SocketAddr;
    use std::time::Instant;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    async fn start() -> (SocketAddr, CancellationToken) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, registry, shutdown) = (listener.local_addr().unwrap(), Registry::new(), CancellationToken::new());
        registry.introduce(Service::Worker, "0.0.0");
        tokio::spawn(serve(listener, registry, shutdown.clone()));
        (address, shutdown)
    }

    /// What comes back for `bytes`, until the other side closes.
    async fn exchange(address: SocketAddr, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let _ = stream.write_all(bytes).await; // refused half-way, if it is too long
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    }

    #[tokio::test]
    async fn it_serves_two_paths_to_one_method() {
        let (address, _shutdown) = start().await;
        for (request, status, part) in [
            ("GET /metrics", "200", "millstream_build_info{"),
            ("GET /metrics?x=1", "200", "text/plain; version=0.0.4"),
            ("GET /livez", "200", "{\"status\":\"alive\"}"),
            ("POST /metrics", "405", "allow: GET"),
            ("DELETE /livez", "405", "allow: GET"),
            ("POST /livez", "405", "\"code\":\"method_not_allowed\""),
            ("GET /", "404", "/metrics"),
            ("GET /metrics/", "404", "\"code\":\"not_found\""),
        ] {
            let answer = exchange(address, format!("{request} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes()).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request}: {answer}");
            assert!(answer.contains(part) && answer.contains("connection: close"), "{request}: {answer}");
            if status != "200" {
                check_problem(&answer, status);
            }
        }
    }

    fn check_problem(answer: &str, status: &str) {
        assert!(answer.contains("content-type: application/problem+json\r\n"), "{answer}");
        let document: serde_json::Value = serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap();
        assert_eq!(document["status"].to_string(), status);
        let kind = format!("urn:problem-type:millstream:{}", document["code"].as_str().unwrap());
        assert_eq!(document["type"].as_str(), Some(kind.as_str()));
        assert!(document["title"].is_string() && document["detail"].is_string(), "{document}");
    }

    #[tokio::test]
    async fn a_head_that_is_too_large_or_no_head_is_refused() {
        let (address, _shutdown) = start().await;
        let large = format!("GET /metrics HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "x".repeat(HEAD_BYTES_MAX));
        assert!(!exchange(address, large.as_bytes()).await.contains("200 OK"));
        assert!(!exchange(address, b"\x16\x03\x01 nonsense\r\n\r\n").await.contains("200 OK"));
    }

    #[tokio::test]
    async fn who_says_nothing_is_cut_off_and_lets_the_next_one_in() {
        let (address, _shutdown) = start().await;
        let mut silent = Vec::new();
        for _ in 0..CONNECTIONS_MAX {
            silent.push(TcpStream::connect(address).await.unwrap());
        }
        let began = Instant::now();
        let answer = exchange(address, b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n").await;
        assert!(answer.contains("alive"), "{answer}");
        let took = began.elapsed();
        assert!(took >= DEADLINE.mul_f64(0.9), "{took:?}: there were more than {CONNECTIONS_MAX} at once");
        assert!(took < DEADLINE * 3, "{took:?}: who says nothing is not cut off");
    }

    #[tokio::test]
    async fn it_ends_when_it_is_told_to() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let shutdown = CancellationToken::new();
        let serving = tokio::spawn(serve(listener, Registry::new(), shutdown.clone()));
        shutdown.cancel();
        serving.await.unwrap();
    }
}
