//! Browsers on other sites (the Fetch standard's CORS protocol): only origins that the settings name, letter for
//! letter, and never with cookies. Everybody else's browser is told nothing, and so reads nothing.

use poem::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use poem::{Request, Response};

const METHODS: &str = "GET, HEAD, POST, DELETE";
const HEADERS: &str = "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID, Prefer, \
                       traceparent, tracestate";
/// What a page may read beside the body.
const EXPOSED: &str = "ETag, Idempotency-Replayed, Location, Preference-Applied, RateLimit, RateLimit-Policy, Retry-After, \
                       WWW-Authenticate, X-Request-Id";
/// Seconds; browsers cap it anyway.
const MAX_AGE: &str = "600";

/// The origin of a request, if the settings name it.
pub fn allowed(headers: &HeaderMap, origins: &[String]) -> Option<HeaderValue> {
    let origin = headers.get(header::ORIGIN)?;
    let text = origin.to_str().ok()?;
    origins.iter().any(|known| known == text).then(|| origin.clone())
}

/// The answer to a question before the request, if it is one.
pub fn preflight(request: &Request, origins: &[String]) -> Option<Response> {
    let asks =
        request.method() == Method::OPTIONS && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    if !asks || allowed(request.headers(), origins).is_none() {
        return None;
    }
    let response = Response::builder()
        .status(StatusCode::NO_CONTENT)
        .header(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS)
        .header(header::ACCESS_CONTROL_ALLOW_HEADERS, HEADERS)
        .header(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    Some(response.finish())
}

/// Lets a page of `origin` read the answer.
pub fn expose(headers: &mut HeaderMap, origin: HeaderValue) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
}
