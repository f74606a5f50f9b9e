//! Refusals in the OpenAPI document: each operation names the problems that it can answer with.

use super::Refusal;
use crate::wire::problem::Problem;
use poem_openapi::ApiResponse;
use poem_openapi::registry::{MetaHeader, MetaMediaType, MetaResponse, MetaResponses, Registry};
use poem_openapi::types::Type;
use std::marker::PhantomData;

/// What an operation can answer with besides its 2xx.
pub trait Refusals: Send + Sync + 'static {
    /// Status and what it means here.
    const STATUSES: &'static [(u16, &'static str)];
    /// Whether nobody is asked who they are, nor counted.
    const IS_OPEN: bool = false;
}

/// What every operation can answer with that is not open.
const GUARDED: [(u16, &str); 4] = [
    (401, "The API asks who you are, and these are no credentials that are valid."),
    (403, "Your credentials lack the scope of this operation."),
    (421, "The API asks nobody who they are, and the host that you name is not this machine."),
    (429, "Your allowance is used up."),
];

/// What every operation can answer with: a request is refused before it leads anywhere.
const EVERYWHERE: [(u16, &str); 5] = [
    (400, "Not a request of HTTP/1.1 as it has to be."),
    (414, "The request line has more than 8 KiB."),
    (431, "The head has more than 16 KiB, or more than 100 headers."),
    (500, "The service failed."),
    (503, "As many connections are open, or as much is being sent in large answers, as may be."),
];

/// Of an operation that is refused nothing of its own, and asks nobody who they are.
pub struct Open;

impl Refusals for Open {
    const STATUSES: &'static [(u16, &'static str)] = &[];
    const IS_OPEN: bool = true;
}

/// A refusal by an operation of the set `R`.
pub struct Refused<R>(Refusal, PhantomData<R>);

impl<R, E: Into<Refusal>> From<E> for Refused<R> {
    fn from(refusal: E) -> Self {
        Self(refusal.into(), PhantomData)
    }
}

impl<R> From<Refused<R>> for poem::Error {
    fn from(refused: Refused<R>) -> Self {
        refused.0.into()
    }
}

impl<R: Refusals> ApiResponse for Refused<R> {
    fn meta() -> MetaResponses {
        let guarded = GUARDED.iter().filter(|_| !R::IS_OPEN);
        let common = guarded.chain(&EVERYWHERE).filter(|(status, _)| R::STATUSES.iter().all(|(own, _)| own != status));
        let mut statuses: Vec<_> = R::STATUSES.iter().chain(common).copied().collect();
        statuses.sort_by_key(|(status, _)| *status);
        MetaResponses { responses: statuses.into_iter().map(describe).collect() }
    }

    fn register(registry: &mut Registry) {
        Problem::register(registry);
    }
}

fn describe((status, description): (u16, &'static str)) -> MetaResponse {
    let retry_after = || MetaHeader {
        name: "Retry-After".to_owned(),
        description: Some("Seconds after which trying again makes sense.".to_owned()),
        required: true,
        deprecated: false,
        schema: u32::schema_ref(),
    };
    MetaResponse {
        description,
        status: Some(status),
        status_range: None,
        content: vec![MetaMediaType { content_type: Problem::CONTENT_TYPE, schema: Problem::schema_ref() }],
        headers: if matches!(status, 429 | 503) { vec![retry_after()] } else { Vec::new() },
    }
}
