//! The map: which path leads where.

use crate::api::Api;
use crate::context::Context;
use crate::{api, envelope, pages};
use poem::http::Uri;
use poem::{EndpointExt, IntoEndpoint, Request, Response, Route, get};
use poem_openapi::{OpenApi, OpenApiService};
use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

/// Everything that is served.
pub fn endpoint(context: Context) -> impl IntoEndpoint<Endpoint = impl poem::Endpoint<Output = Response> + 'static> {
    let service = OpenApiService::new(api::all(), "", "");
    Route::new()
        .at("/docs", get(pages::docs))
        .at("/redoc", get(pages::redoc))
        .at("/openapi.json", get(pages::openapi_json))
        .nest("/", service)
        .data(Arc::new(context))
        .before(drop_slash)
        .around(envelope::wrap)
}

/// The typed door's documented path ends with a slash, which the derived routes cannot; both spellings lead there.
async fn drop_slash(mut request: Request) -> poem::Result<Request> {
    if request.uri().path() == "/assign-task/" {
        *request.uri_mut() = Uri::from_static("/assign-task");
    }
    Ok(request)
}

/// The methods of a path, for the header Allow. The path is one that exists.
pub fn allowed_methods(path: &str) -> String {
    static OPERATIONS: LazyLock<Vec<(String, String)>> = LazyLock::new(|| {
        let paths = <Api as OpenApi>::meta().into_iter().flat_map(|api| api.paths);
        paths
            .flat_map(|path| path.operations.into_iter().map(move |it| (path.path.clone(), it.method.to_string())))
            .collect()
    });
    // A path of its own goes before one with a parameter, as for the router.
    let is_own = OPERATIONS.iter().any(|(known, _)| known == path);
    let leads_there = |known: &str| if is_own { known == path } else { matches(known, path) };
    let mut methods: BTreeSet<&str> =
        OPERATIONS.iter().filter(|(known, _)| leads_there(known)).map(|(_, method)| method.as_str()).collect();
    if methods.is_empty() {
        methods.insert("GET"); // the pages
    }
    if methods.contains("GET") {
        methods.insert("HEAD");
    }
    methods.into_iter().collect::<Vec<_>>().join(", ")
}

/// Whether `path` is an instance of `template`; a slash at the end makes no difference.
fn matches(template: &str, path: &str) -> bool {
    let (template, path) = (template.trim_end_matches('/').split('/'), path.trim_end_matches('/').split('/'));
    template.clone().count() == path.clone().count()
        && template.zip(path).all(|(known, part)| known.starts_with('{') || known == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_knows_its_methods() {
        for (path, expect) in [
            ("/tasks", "POST"),
            ("/tasks/x", "GET, HEAD"),
            ("/tasks/x/cancel", "POST"),
            ("/dead-letters", "GET, HEAD"),
            ("/dead-letters/1-0", "GET, HEAD"),
            ("/dead-letters/requeue", "POST"),
            ("/assign-task", "POST"),
            ("/assign-task/", "POST"),
            ("/", "GET, HEAD"),
            ("/docs", "GET, HEAD"),
        ] {
            assert_eq!(allowed_methods(path), expect, "{path}");
        }
    }
}
