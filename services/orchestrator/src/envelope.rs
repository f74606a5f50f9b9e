//! What all answers share: a request id, a problem document where something went wrong, and headers for safety.

use crate::refusal::Refusal;
use futures::FutureExt;
use poem::error::ResponseError;
use poem::http::{HeaderMap, HeaderValue, StatusCode, header};
use poem::{Endpoint, Request, Response};
use std::error::Error;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use ulid::Ulid;

/// Every answer carries it; our own, because a client's could not be trusted to be unique or harmless in a log.
const REQUEST_ID: &str = "x-request-id";

/// The id of a request, as its handler finds it.
#[derive(Debug, Clone)]
pub struct RequestId(pub String);

/// Calls the endpoint; always answers, also when it panics.
pub async fn wrap<E: Endpoint<Output = Response>>(next: Arc<E>, mut request: Request) -> poem::Result<Response> {
    let request_id = Ulid::generate().to_string();
    let (method, uri) = (request.method().clone(), request.original_uri().clone());
    request.set_data(RequestId(request_id.clone()));
    let answer = match AssertUnwindSafe(next.call(request)).catch_unwind().await {
        Ok(Ok(response)) if is_whole(response.status()) => Ok(response),
        Ok(Ok(response)) => {
            Err(Refusal::of_status(response.status(), || "a handler answered without a body".to_owned()))
        }
        Ok(Err(error)) => Err(Refusal::of(error, uri.path())),
        Err(_) => Err(Refusal::Bug("a handler panicked".to_owned())),
    };
    let mut response = answer.unwrap_or_else(|refusal| {
        log(&refusal, &request_id);
        answer_with(&refusal, &request_id)
    });
    tracing::debug!(request_id, method = method.as_str(), status = response.status().as_u16(), "answered");
    add_headers(response.headers_mut(), &request_id);
    Ok(response)
}

fn answer_with(refusal: &Refusal, request_id: &str) -> Response {
    let problem = refusal.problem(request_id);
    let text = serde_json::to_vec(&problem).expect("a problem has string keys and cannot fail to serialise");
    let mut response = Response::builder()
        .status(refusal.status())
        .header(header::CONTENT_TYPE, crate::wire::problem::Problem::CONTENT_TYPE)
        .body(text);
    if let Some(seconds) = refusal.retry_after() {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    if let Refusal::MethodNotAllowed(methods) = refusal
        && let Some(allow) = Some(methods).filter(|it| !it.is_empty()).and_then(|it| it.parse().ok())
    {
        response.headers_mut().insert(header::ALLOW, allow);
    }
    response
}

/// Whether an answer of this status is one by itself: what a client has already needs no document either.
fn is_whole(status: StatusCode) -> bool {
    status.is_success() || status == StatusCode::NOT_MODIFIED
}

/// An outage is told once by the watcher of the connection, not once for each request.
fn log(refusal: &Refusal, request_id: &str) {
    if refusal.status() == StatusCode::INTERNAL_SERVER_ERROR {
        tracing::error!(request_id, error = refusal as &(dyn Error + 'static), "a request failed");
    } else {
        tracing::debug!(request_id, error = refusal as &(dyn Error + 'static), "a request was refused");
    }
}

fn add_headers(headers: &mut HeaderMap, request_id: &str) {
    if let Ok(value) = HeaderValue::from_str(request_id) {
        headers.insert(REQUEST_ID, value);
    }
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
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
