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
        let always = (500, "The service failed.");
        MetaResponses { responses: R::STATUSES.iter().copied().chain([always]).map(describe).collect() }
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
