//! Around every request that has a head: how long it took, where it led, how it was answered.

use super::Metrics;
use crate::routes::operation;
use poem::{Endpoint, Request, Response};
use std::sync::Arc;
use std::time::Instant;

/// The code of the problem that an answer is, left with it by whoever has put it into words.
#[derive(Debug, Clone, Copy)]
pub struct ProblemCode(pub &'static str);

/// Calls the endpoint and counts its answer; an answer that goes on, as a stream does, until its head.
pub async fn measure<E: Endpoint<Output = Response>>(
    metrics: Arc<Metrics>,
    next: Arc<E>,
    request: Request,
) -> poem::Result<Response> {
    let (began, method) = (Instant::now(), request.method().clone());
    let route = route(request.original_uri().path());
    let response = next.call(request).await?;
    metrics.answered(&method, route, response.status(), began.elapsed());
    if let Some(ProblemCode(code)) = response.data() {
        metrics.refused(code);
    }
    Ok(response)
}

/// Where a path leads: a template, never the path itself.
fn route(path: &str) -> &'static str {
    operation::template(path).unwrap_or("unmatched")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_is_a_template_and_never_what_a_client_sent() {
        for (path, expect) in [
            ("/tasks/01K5QJ0000ABCDEFGHJKMNPQRS", "/tasks/{task_id}"),
            ("/tasks/", "unmatched"),
            ("/metrics", "/metrics"),
            ("/", "/"),
            ("/tasks/x/y/z", "unmatched"),
            ("/secret", "unmatched"),
        ] {
            assert_eq!(route(path), expect, "{path}");
        }
    }
}
