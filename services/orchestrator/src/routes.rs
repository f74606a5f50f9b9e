//! The map: which path leads where.

pub mod operation;
pub mod rule;
pub mod scope;

use crate::context::Context;
use crate::{api, envelope, gate, metrics, pages};
use poem::{EndpointExt, IntoEndpoint, Request, Response, Route, get};
use poem_openapi::OpenApiService;
use std::sync::Arc;

/// Everything that is served.
pub fn endpoint(
    context: Arc<Context>,
) -> impl IntoEndpoint<Endpoint = impl poem::Endpoint<Output = Response> + 'static> {
    let service = OpenApiService::new(api::all(), "", "");
    let counted = context.metrics.clone();
    Route::new()
        .at("/docs", get(pages::docs))
        .at("/redoc", get(pages::redoc))
        .at("/openapi.json", get(pages::openapi_json))
        .nest("/", service)
        .around(gate::pass)
        .before(drop_slash)
        .around(envelope::wrap)
        .data(context)
        .around(move |next, request| metrics::measure(counted.clone(), next, request))
}

/// The typed door's documented path ends with a slash, which the derived routes cannot; both spellings lead there.
async fn drop_slash(mut request: Request) -> poem::Result<Request> {
    if request.uri().path() == "/assign-task/" {
        let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
        if let Ok(uri) = format!("/assign-task{query}").parse() {
            *request.uri_mut() = uri;
        }
    }
    Ok(request)
}
