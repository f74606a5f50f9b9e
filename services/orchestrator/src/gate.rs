//! What a request has to pass before its handler sees it: it must lead somewhere, and its query must be one that the
//! operation knows. A request that fails here has cost nothing but a look at its head.

mod query;

use crate::refusal::Refusal;
use crate::routes::operation::{self, Lookup};
use poem::{Endpoint, Request, Response};
use std::sync::Arc;

/// Lets it pass, or says why not.
pub async fn pass<E: Endpoint<Output = Response>>(next: Arc<E>, request: Request) -> poem::Result<Response> {
    let operation = match operation::find(request.method(), request.uri().path()) {
        Lookup::Found(operation) => operation,
        Lookup::Otherwise(methods) => return Err(Refusal::MethodNotAllowed(methods).into()),
        Lookup::Nowhere => return Err(Refusal::NoSuchPath.into()),
    };
    query::check(operation, request.uri().query().unwrap_or_default())?;
    next.call(request).await
}
