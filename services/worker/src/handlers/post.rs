//! One POST out of the house. The name is resolved here, every address that comes of it is judged, and the connection
//! goes to one of them: nobody can resolve it otherwise in between. No proxy, no redirect, no cookie, no second
//! request.

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper::header::{HOST, HeaderMap, HeaderValue, RETRY_AFTER};
use hyper::rt::{Read, Write};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use task_core::egress::Target;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use url::Host;

const RESOLVE: Duration = Duration::from_secs(3);
/// To one address; the next is tried then.
const CONNECT: Duration = Duration::from_secs(2);
/// Addresses of one name that are tried.
const TRIES_MAX: usize = 3;
/// From the connection to the status of the answer.
const ANSWER: Duration = Duration::from_secs(10);
/// What is read of an answer, so that whoever sends it is not cut off; it does not matter what it says.
const ANSWER_BYTES_MAX: usize = 64 << 10;
const ANSWER_REST: Duration = Duration::from_secs(1);

/// Why there is no answer. None of it repeats a path or a query: they may carry what only the receiver should know.
#[derive(Debug, thiserror::Error)]
pub enum PostError {
    /// The name leads to where nothing may be sent.
    #[error("{0} has an address that is not public")]
    Forbidden(Host),
    /// Nobody knows the name.
    #[error("{0} has no address")]
    Unresolved(Host),
    /// None of its addresses answers.
    #[error("{0} cannot be reached: {1}")]
    Unreachable(Host, io::Error),
    /// What it answers is no TLS, or no certificate that is trusted here.
    #[error("{0} cannot be trusted: {1}")]
    Untrusted(Host, io::Error),
    /// What it answers is no HTTP.
    #[error("{0} gives no answer: {1}")]
    Broken(Host, hyper::Error),
    /// It takes too long.
    #[error("{0} takes too long")]
    Slow(Host),
}

/// What it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Before when it wants no other attempt.
    pub retry_after: Option<Duration>,
}

/// Who posts, whom it trusts and whom it asks for addresses.
#[derive(Default)]
pub struct Poster {
    tls: OnceLock<Arc<ClientConfig>>,
    /// What every name leads to, in place of what the machine says.
    addresses: Option<Vec<SocketAddr>>,
}

impl Poster {
    /// Trusts these and not what the machine trusts.
    pub fn trusting(roots: RootCertStore) -> Self {
        Self { tls: OnceLock::from(config(roots)), ..Self::default() }
    }

    /// Sends it once.
    pub async fn post(&self, target: &Target, headers: HeaderMap, body: Bytes) -> Result<Answer, PostError> {
        let host = || target.host.clone();
        let addresses = timeout(RESOLVE, self.addresses(target)).await.map_err(|_| PostError::Slow(host()))??;
        judge(target, &addresses)?;
        let stream = connect(target, &addresses).await?;
        let until = Instant::now() + ANSWER;
        let exchange = async {
            if !target.is_tls {
                return exchange(TokioIo::new(stream), request(target, headers, body), until).await;
            }
            let connector = TlsConnector::from(self.tls.get_or_init(|| config(native_roots())).clone());
            let connecting = timeout_at(until, connector.connect(server_name(&target.host)?, stream));
            let stream = connecting.await.map_err(|_| Failure::Slow)?.map_err(Failure::Untrusted)?;
            exchange(TokioIo::new(stream), request(target, headers, body), until).await
        };
        exchange.await.map_err(|failure| match failure {
            Failure::Untrusted(error) => PostError::Untrusted(host(), error),
            Failure::Broken(error) => PostError::Broken(host(), error),
            Failure::Slow => PostError::Slow(host()),
        })
    }

    async fn addresses(&self, target: &Target) -> Result<Vec<SocketAddr>, PostError> {
        match (&target.host, &self.addresses) {
            (Host::Ipv4(address), _) => Ok(vec![(*address, target.port).into()]),
            (Host::Ipv6(address), _) => Ok(vec![(*address, target.port).into()]),
            (Host::Domain(_), Some(addresses)) => Ok(addresses.clone()),
            (Host::Domain(name), None) => {
                let found = lookup_host((name.as_str(), target.port)).await;
                Ok(found.map_err(|_| PostError::Unresolved(target.host.clone()))?.collect())
            }
        }
    }
}

/// What goes wrong on a connection.
enum Failure {
    Untrusted(io::Error),
    Broken(hyper::Error),
    Slow,
}

/// To the first address that answers.
async fn connect(target: &Target, addresses: &[SocketAddr]) -> Result<TcpStream, PostError> {
    let mut last = PostError::Unresolved(target.host.clone());
    for address in addresses.iter().take(TRIES_MAX) {
        match timeout(CONNECT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = PostError::Unreachable(target.host.clone(), error),
            Err(_) => last = PostError::Slow(target.host.clone()),
        }
    }
    Err(last)
}

/// One address that may not be reached forbids them all: a name that has one of each sort is made to pass this
/// judgement.
fn judge(target: &Target, addresses: &[SocketAddr]) -> Result<(), PostError> {
    let is_fit = addresses.iter().all(|address| target.permits(address.ip()));
    if is_fit { Ok(()) } else { Err(PostError::Forbidden(target.host.clone())) }
}

async fn exchange<IO>(io: IO, request: Request<Full<Bytes>>, until: Instant) -> Result<Answer, Failure>
where
    IO: Read + Write + Unpin,
{
    let (mut sender, connection) = http1::handshake(io).await.map_err(Failure::Broken)?;
    let driven = async {
        let _ = connection.await; // what befell it, the request is told
        std::future::pending().await
    };
    let exchange = async {
        let answer = timeout_at(until, sender.send_request(request)).await.map_err(|_| Failure::Slow)?;
        let (head, body) = answer.map_err(Failure::Broken)?.into_parts();
        let _ = timeout(ANSWER_REST, Limited::new(body, ANSWER_BYTES_MAX).collect()).await;
        Ok(Answer { status: head.status, retry_after: retry_after(&head.headers) })
    };
    tokio::select! {
        answer = exchange => answer,
        () = driven => unreachable!("it waits for ever"),
    }
}

fn request(target: &Target, mut headers: HeaderMap, body: Bytes) -> Request<Full<Bytes>> {
    let usual = if target.is_tls { 443 } else { 80 };
    let host = match target.port {
        port if port == usual => target.host.to_string(),
        port => format!("{}:{port}", target.host),
    };
    headers.insert(HOST, HeaderValue::from_str(&host).expect("a host of a URL has only plain characters"));
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = hyper::Method::POST;
    *request.uri_mut() = target.path.parse().expect("path and query of a URL are those of a request line");
    *request.headers_mut() = headers;
    request
}

fn server_name(host: &Host) -> Result<ServerName<'static>, Failure> {
    match host {
        Host::Ipv4(address) => Ok(ServerName::IpAddress((*address).into())),
        Host::Ipv6(address) => Ok(ServerName::IpAddress((*address).into())),
        Host::Domain(name) => {
            ServerName::try_from(name.clone()).map_err(|error| Failure::Untrusted(io::Error::other(error)))
        }
    }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok().map(Duration::from_secs)
}

fn config(roots: RootCertStore) -> Arc<ClientConfig> {
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.expect("ring knows the usual versions of TLS");
    Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
}

/// What the machine trusts; where that cannot be read, nobody, and every attempt says so.
fn native_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(error = error as &dyn std::error::Error, "certificates of the machine cannot be read");
    }
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        tracing::warn!("the machine trusts no certificate: no webhook can be told by https; see SSL_CERT_FILE");
    }
    roots
}

#[cfg(test)]
mod tests {
    use super::*;
    use task_core::egress::Egress;
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn a_public_name_of_a_private_address_is_not_reached_whatever_else_it_has() {
        let target = Egress::default().target("https://example.org/").unwrap();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let (here, public) = (listener.local_addr().unwrap(), "192.0.1.1:443".parse().unwrap());
        for addresses in [vec![here], vec![here, public], vec![public, here]] {
            let poster = Poster { addresses: Some(addresses), ..Poster::default() };
            let posted = poster.post(&target, HeaderMap::new(), Bytes::new()).await;
            assert!(matches!(posted, Err(PostError::Forbidden(_))), "{posted:?}");
        }
        let reached = timeout(Duration::ZERO, listener.accept()).await;
        assert!(reached.is_err(), "nobody has connected");
    }

    #[test]
    fn every_sort_of_address_is_judged() {
        let target = Egress::default().target("https://example.org/").unwrap();
        let judged = |addresses: &[&str]| {
            let addresses: Vec<SocketAddr> = addresses.iter().map(|text| text.parse().unwrap()).collect();
            judge(&target, &addresses).is_ok()
        };
        assert!(judged(&["9.9.9.9:443", "[2620:fe::fe]:443"]));
        for private in ["127.0.0.1:443", "10.0.0.1:443", "169.254.169.254:443", "[::1]:443", "[::ffff:9.9.9.9]:443"] {
            assert!(!judged(&["9.9.9.9:443", private]), "{private}");
        }
    }
}
