//! What all answers share: a request id, a problem document where something went wrong, and headers for safety.

use crate::context::Context;
use crate::gate::cors;
use crate::metrics::{self, ProblemCode};
use crate::noted::Noted;
use crate::refusal::{ALLOWANCE_POLICY, Refusal};
use crate::trail::{Left, SharedTrail, Trail};
use futures::FutureExt;
use poem::error::ResponseError;
use poem::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use poem::{Endpoint, Request, Response};
use std::error::Error;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

/// Every answer carries it.
const REQUEST_ID: &str = "x-request-id";

/// What an answer says of its request, whatever it answers.
const KEPT: [HeaderName; 5] = [
    header::VARY,
    header::ACCESS_CONTROL_ALLOW_ORIGIN,
    header::ACCESS_CONTROL_EXPOSE_HEADERS,
    HeaderName::from_static("ratelimit"),
    HeaderName::from_static("ratelimit-policy"),
];

/// Calls the endpoint; always answers, also when it panics.
pub async fn wrap<E: Endpoint<Output = Response>>(next: Arc<E>, mut request: Request) -> poem::Result<Response> {
    let trail: SharedTrail = Arc::new(Trail::of(&request));
    let context = request.data::<Arc<Context>>().cloned();
    let (method, uri) = (request.method().clone(), request.original_uri().clone());
    let origin = context.as_ref().and_then(|context| cors::allowed(request.headers(), &context.cors_origins));
    request.set_data(trail.clone());
    let mut noted = Noted::new(context.clone(), trail.clone(), uri.path());
    let answer = match AssertUnwindSafe(next.call(request)).catch_unwind().await {
        Ok(Ok(response)) if is_whole(response.status()) => Ok(response),
        Ok(Ok(response)) => {
            Err(Refusal::of_status(response.status(), || "a handler answered without a body".to_owned()))
        }
        Ok(Err(error)) => Err(Refusal::of(error, uri.path())),
        Err(_) => Err(Refusal::Bug("a handler panicked".to_owned())),
    };
    let code = answer.as_ref().err().map_or("", Refusal::code);
    let mut response = answer.unwrap_or_else(|refusal| answer_with(&refusal, &trail));
    let status = response.status();
    tracing::debug!(
        request_id = trail.request_id,
        trace_id = trail.trace_id(),
        method = metrics::word(&method), // of the client's own making otherwise
        status = status.as_u16(),
        "answered"
    );
    if let Some(traced) = &trail.traced {
        traced.end(trail.operation.get().copied(), status, code);
    }
    add_headers(response.headers_mut(), &trail);
    noted.told(status.as_u16(), code);
    if context.is_some_and(|context| !context.cors_origins.is_empty()) {
        response.headers_mut().append(header::VARY, HeaderValue::from_static("Origin"));
    }
    if let Some(origin) = origin {
        cors::expose(response.headers_mut(), origin);
    }
    Ok(response)
}

/// The same for what is refused before there is a request.
pub fn refuse(refusal: &Refusal) -> Response {
    let trail = Trail::default();
    let mut response = answer_with(refusal, &trail);
    add_headers(response.headers_mut(), &trail);
    response
}

/// The same in the place of an answer that is not sent: what that said of its request holds on.
pub fn refuse_instead(answer: &HeaderMap, refusal: &Refusal) -> Response {
    let told = answer.get(REQUEST_ID).and_then(|id| id.to_str().ok()).map(str::to_owned);
    let trail = match told {
        Some(request_id) => Trail { request_id, ..Trail::default() },
        None => Trail::default(),
    };
    let mut response = answer_with(refusal, &trail);
    for (name, value) in KEPT.iter().filter_map(|name| Some((name, answer.get(name)?))) {
        response.headers_mut().insert(name, value.clone());
    }
    add_headers(response.headers_mut(), &trail);
    response
}

fn answer_with(refusal: &Refusal, trail: &Trail) -> Response {
    log(refusal, trail);
    let problem = refusal.problem(&trail.request_id);
    let text = serde_json::to_vec(&problem).expect("a problem has string keys and cannot fail to serialise");
    let mut response = Response::builder()
        .status(refusal.status())
        .header(header::CONTENT_TYPE, crate::wire::problem::Problem::CONTENT_TYPE)
        .body(text);
    response.set_data(ProblemCode(refusal.code()));
    if let Some(seconds) = refusal.retry_after() {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    if refusal.status() == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if let Refusal::MethodNotAllowed(methods) = refusal
        && let Some(allow) = Some(methods).filter(|it| !it.is_empty()).and_then(|it| it.parse().ok())
    {
        response.headers_mut().insert(header::ALLOW, allow);
    }
    if refusal.ends_connection() {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Whether an answer of this status is one by itself: what a client has already needs no document either.
fn is_whole(status: StatusCode) -> bool {
    status.is_success() || status == StatusCode::NOT_MODIFIED
}

/// An outage is told once by the watcher of the connection, not once for each request.
fn log(refusal: &Refusal, trail: &Trail) {
    let (request_id, error) = (&trail.request_id, refusal as &(dyn Error + 'static));
    if refusal.status() == StatusCode::INTERNAL_SERVER_ERROR {
        tracing::error!(request_id, trace_id = trail.trace_id(), error, "a request failed");
    } else {
        tracing::debug!(request_id, trace_id = trail.trace_id(), error, "a request was refused");
    }
}

fn add_headers(headers: &mut HeaderMap, trail: &Trail) {
    let mut insert = |name: &'static str, value: String| {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    };
    insert(REQUEST_ID, trail.request_id.clone());
    if let Some(Left { of, requests, reset }) = trail.left.get() {
        // As draft-ietf-httpapi-ratelimit-headers writes them.
        insert("ratelimit-policy", format!("\"{ALLOWANCE_POLICY}\";q={};w={}", of.requests, of.window.as_secs()));
        insert("ratelimit", format!("\"{ALLOWANCE_POLICY}\";r={requests};t={}", reset.as_millis().div_ceil(1_000)));
    }
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use poem::endpoint::make;
    use poem::{EndpointExt, IntoResponse};

    async fn check(endpoint: impl Endpoint<Output = Response> + 'static, status: u16, code: &str) {
        let mut response = wrap(Arc::new(endpoint), Request::default()).await.unwrap();
        assert_eq!(response.status().as_u16(), status);
        assert_eq!(response.content_type(), Some("application/problem+json"));
        let text = response.take_body().into_string().await.unwrap();
        assert!(text.contains(&format!("\"code\":\"{code}\"")) && !text.contains("secret"), "{text}");
    }

    #[tokio::test]
    async fn a_panic_a_bug_and_a_bare_status_become_problems_without_their_cause() {
        let panics = make(|request| async move {
            assert!(request.uri().path().is_empty(), "secret");
            Ok::<_, poem::Error>("never".into_response())
        });
        check(panics.map_to_response(), 500, "internal").await;
        let bug = make(|_| async { Err::<Response, _>(poem::Error::from_string("secret", StatusCode::BAD_GATEWAY)) });
        check(bug.map_to_response(), 500, "internal").await;
        let bare = make(|_| async { StatusCode::IM_A_TEAPOT.into_response() });
        check(bare.map_to_response(), 400, "bad_request").await;
        let large = make(|_| async { StatusCode::PAYLOAD_TOO_LARGE.with_body("secret").into_response() });
        check(large.map_to_response(), 413, "payload_too_large").await;
    }
}
