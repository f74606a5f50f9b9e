//! `webhook`: tells an endpoint of the end of a task, signed as Standard Webhooks says. The projectors submit it;
//! clients cannot. An attempt that is repeated carries the same id, and a receiver that keeps ids takes it once.

use super::breaker::Breaker;
use super::post::{Answer, Poster};
use crate::context::Context;
use crate::handler::{Handler, HandlerError};
use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use proto_schemas::limit::{WEBHOOK_BACKOFF_BASE_MS, WEBHOOK_BACKOFF_CAP_MS};
use proto_schemas::webhook::{WEBHOOK_KIND, WEBHOOK_QUEUE};
use redis_store::{Store, StoreError};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::slice;
use std::time::{Duration, Instant};
use task_core::backoff;
use task_core::egress::Egress;

const AGENT: &str = concat!("millstream/", env!("CARGO_PKG_VERSION"));

/// Delivers; knows the endpoints and where they may be.
pub struct Webhook {
    store: Store,
    egress: Egress,
    poster: Poster,
    breaker: Breaker,
}

/// What is to be told to whom.
#[derive(Debug, Deserialize)]
pub struct WebhookInput {
    /// The endpoint.
    pub webhook_id: String,
    /// The body, sent as it stands: a CloudEvent.
    pub event: Box<RawValue>,
}

/// What a delivery leaves.
#[derive(Debug, Serialize)]
pub struct WebhookOutput {
    /// The status that the endpoint answered with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Why nothing was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skipped: Option<&'static str>,
}

impl Webhook {
    /// Trusts the certificates that the machine trusts.
    pub fn new(store: Store, egress: Egress) -> Self {
        Self::with(store, egress, Poster::default())
    }

    /// The same with a poster of the caller's.
    pub fn with(store: Store, egress: Egress, poster: Poster) -> Self {
        Self { store, egress, poster, breaker: Breaker::default() }
    }
}

impl Handler for Webhook {
    const KIND: &'static str = WEBHOOK_KIND;
    const QUEUE: &'static str = WEBHOOK_QUEUE;
    type Input = WebhookInput;
    type Output = WebhookOutput;

    async fn execute(&self, ctx: &Context, input: WebhookInput) -> Result<WebhookOutput, HandlerError> {
        let delivered = self.deliver(ctx, &input).await;
        let is_over = match &delivered {
            Ok(_) | Err(HandlerError::Fatal(_)) => true,
            Err(HandlerError::Retryable(_) | HandlerError::RetryAfter(..)) => ctx.attempt() >= ctx.max_attempts(),
        };
        if is_over {
            // At once: a herald that is behind would find no room until it has read of this end. What is not freed here
            // (cancelled, timed out at last, buried), it frees then.
            let _ = self.store.end_deliveries(&input.webhook_id, slice::from_ref(ctx.task_id())).await;
        }
        delivered
    }
}

impl Webhook {
    async fn deliver(&self, ctx: &Context, input: &WebhookInput) -> Result<WebhookOutput, HandlerError> {
        let asked = async { tokio::try_join!(self.store.webhook(&input.webhook_id), self.store.now_ms()) };
        let (kept, now_ms) = asked.await.map_err(unknown)?;
        let skipped = |why| Ok(WebhookOutput { status: None, skipped: Some(why) });
        let Some(kept) = kept else { return skipped("the webhook was deleted") };
        if kept.gone_at_ms.is_some() {
            return skipped("the endpoint has said that it is there no more");
        }
        // Another worker, or this one with other settings, may reach it: nothing is sent from here.
        let target = self.egress.target(&kept.webhook.url);
        let target = target.map_err(|rule| HandlerError::Retryable(format!("the URL {rule}")))?;
        let (body, seconds) = (input.event.get().to_owned(), (now_ms / 1_000).cast_signed());
        let signature = sign(kept.webhook.secrets_at(now_ms), ctx.task_id().as_str(), seconds, body.as_bytes())?;
        let headers = headers(ctx, seconds, &signature)?;
        if !self.breaker.may_try(&kept.id, Instant::now()) {
            let host = &target.host;
            return Err(HandlerError::Retryable(format!("{host} has not answered a moment ago, and was not asked")));
        }
        let answer = match self.poster.post(&target, headers, Bytes::from(body)).await {
            Ok(answer) => answer,
            Err(error) => {
                self.breaker.failed(&kept.id, Instant::now());
                return Err(HandlerError::Retryable(error.to_string()));
            }
        };
        self.breaker.answered(&kept.id);
        if answer.status == StatusCode::GONE {
            self.store.end_webhook(&kept.id, now_ms).await.map_err(unknown)?;
            tracing::warn!(
                webhook_id = kept.id,
                "an endpoint says that it is there no more: it is told nothing from now on"
            );
        }
        judge(answer, &target.host.to_string(), ctx.attempt(), fastrand::f64())
    }
}

/// What an answer means for the delivery; `jitter` is a share from 0 to below 1.
fn judge(answer: Answer, host: &str, attempt: u32, jitter: f64) -> Result<WebhookOutput, HandlerError> {
    let status = answer.status;
    let said = format!("{host} answered {}", status.as_u16());
    match (status, answer.retry_after) {
        (status, _) if status.is_success() => Ok(WebhookOutput { status: Some(status.as_u16()), skipped: None }),
        (StatusCode::GONE, _) => Err(HandlerError::Fatal(said)),
        (_, Some(wait)) if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() => {
            // Behind what it asks for, so that what waited together does not come together.
            let cap = Duration::from_millis(WEBHOOK_BACKOFF_CAP_MS);
            let pause = backoff::delay(attempt, Duration::from_millis(WEBHOOK_BACKOFF_BASE_MS), cap, jitter);
            Err(HandlerError::RetryAfter(wait.min(cap) + pause, said))
        }
        _ => Err(HandlerError::Retryable(said)),
    }
}

/// The signatures of all secrets that hold, as one header.
fn sign<'a>(
    secrets: impl Iterator<Item = &'a str>,
    id: &str,
    seconds: i64,
    body: &[u8],
) -> Result<String, HandlerError> {
    let sign = |secret: &str| standardwebhooks::Webhook::new(secret)?.sign(id, seconds, body);
    let signatures: Result<Vec<String>, _> = secrets.map(sign).collect();
    match signatures {
        Ok(signatures) if !signatures.is_empty() => Ok(signatures.join(" ")),
        Ok(_) => Err(fatal("the webhook has no secret")),
        Err(_) => Err(fatal("the secret of the webhook cannot be used")), // why not might tell it
    }
}

fn headers(ctx: &Context, seconds: i64, signature: &str) -> Result<HeaderMap, HandlerError> {
    let value = |text: &str| HeaderValue::from_str(text).map_err(|_| fatal("a header cannot be written"));
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/cloudevents+json; charset=utf-8"));
    headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    headers.insert(HeaderName::from_static(standardwebhooks::HEADER_WEBHOOK_ID), value(ctx.task_id().as_str())?);
    headers.insert(HeaderName::from_static(standardwebhooks::HEADER_WEBHOOK_TIMESTAMP), seconds.into());
    headers.insert(HeaderName::from_static(standardwebhooks::HEADER_WEBHOOK_SIGNATURE), value(signature)?);
    if let Some(traceparent) = ctx.traceparent() {
        headers.insert(HeaderName::from_static("traceparent"), value(&traceparent)?);
    }
    Ok(headers)
}

fn fatal(why: &str) -> HandlerError {
    HandlerError::Fatal(why.to_owned())
}

fn unknown(error: StoreError) -> HandlerError {
    HandlerError::Retryable(format!("the webhook cannot be read: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(status: u16, retry_after: Option<u64>) -> Result<u16, HandlerError> {
        let retry_after = retry_after.map(Duration::from_secs);
        let answer = Answer { status: StatusCode::from_u16(status).unwrap(), retry_after };
        judge(answer, "h", 2, 0.5).map(|output| output.status.expect("it was sent"))
    }

    #[test]
    fn what_is_not_taken_is_tried_again_and_not_before_the_receiver_wants_it() {
        let said = |status| format!("h answered {status}");
        for (status, retry_after, expect) in [
            (200, None, Ok(200)),
            (204, Some(9), Ok(204)),
            (302, Some(9), Err(HandlerError::Retryable(said(302)))),
            (404, Some(9), Err(HandlerError::Retryable(said(404)))),
            (410, Some(9), Err(HandlerError::Fatal(said(410)))),
            (429, Some(9), Err(HandlerError::RetryAfter(Duration::from_secs(9 + 5), said(429)))),
            (429, None, Err(HandlerError::Retryable(said(429)))),
            (503, Some(0), Err(HandlerError::RetryAfter(Duration::from_secs(5), said(503)))),
            (503, Some(u64::MAX), Err(HandlerError::RetryAfter(Duration::from_secs(21_600 + 5), said(503)))),
        ] {
            assert_eq!(judged(status, retry_after), expect, "{status}");
        }
    }

    #[test]
    fn every_secret_that_holds_signs_and_one_that_is_none_is_not_told() {
        let (one, other) = ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFh");
        // The example of the specification's own reference, whose libraries all test it.
        let text =
            sign([one, other].into_iter(), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        let text = text.unwrap();
        let signatures: Vec<&str> = text.split(' ').collect();
        assert_eq!(signatures[0], "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert!(signatures.len() == 2 && signatures[1].starts_with("v1,") && signatures[0] != signatures[1]);
        assert!(sign(std::iter::empty(), "m", 1, b"{}").is_err());
        let error = sign(["whsec_c4n4ry!"].into_iter(), "m", 1, b"{}").unwrap_err();
        assert!(!error.to_string().contains("c4n4ry"));
    }
}
