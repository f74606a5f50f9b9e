//! What a request has to pass before its handler sees it: it must lead somewhere, its query must be one that the
//! operation knows, whoever sends it must be allowed to and have something left of their allowance. A request that
//! fails here has cost a look at its head, and its body is not read.

pub mod cors;
mod host;
mod query;
mod throttle;

pub use host::Hosts;

use crate::auth::Client;
use crate::context::Context;
use crate::http::TakesRoom;
use crate::refusal::Refusal;
use crate::routes::operation::{self, Lookup, Operation};
use crate::routes::scope::Scope;
use crate::trail::{SharedTrail, Trail};
use poem::{Endpoint, Request, Response};
use std::sync::Arc;

/// Lets it pass, or says why not.
pub async fn pass<E: Endpoint<Output = Response>>(next: Arc<E>, mut request: Request) -> poem::Result<Response> {
    let (Some(context), Some(trail)) =
        (request.data::<Arc<Context>>().cloned(), request.data::<SharedTrail>().cloned())
    else {
        return Err(Refusal::Bug("a request without its context".to_owned()).into());
    };
    if let Some(answer) = cors::preflight(&request, &context.cors_origins) {
        return Ok(answer);
    }
    let operation = match operation::find(request.method(), request.uri().path()) {
        Lookup::Found(operation) => operation,
        Lookup::Otherwise(methods) => return Err(Refusal::MethodNotAllowed(methods).into()),
        Lookup::Nowhere => return Err(Refusal::NoSuchPath.into()),
    };
    let _ = trail.operation.set(operation);
    if operation.scope != Scope::Open {
        context.hosts.check(request.headers())?;
        let client = admit(&context, operation, &trail, &request).await?;
        let _ = trail.is_let_in.set(());
        request.set_data(client);
        query::check(operation, request.uri().query().unwrap_or_default())?;
    }
    let is_reading = operation.scope == Scope::Read;
    let mut response = next.call(request).await?;
    if is_reading {
        response.extensions_mut().insert(TakesRoom);
    }
    Ok(response)
}

/// Who sends it, if they may.
async fn admit(context: &Context, operation: &Operation, trail: &Trail, request: &Request) -> Result<Client, Refusal> {
    let asked = match &context.auth {
        Some(auth) => auth.client(context, request.headers()).await,
        None => Ok(Client::anonymous()),
    };
    if let Ok(client) = &asked
        && context.auth.is_some()
    {
        let _ = trail.client.set(client.name.clone());
    }
    // Whoever guesses uses up the allowance of their address. Whose keys could not be read has waited for Redis
    // already.
    if matches!(asked, Ok(_) | Err(Refusal::Unauthenticated)) {
        throttle::take(context, trail, operation.scope).await?;
    }
    let client = asked?;
    client.must(operation.scope)?;
    Ok(client)
}
