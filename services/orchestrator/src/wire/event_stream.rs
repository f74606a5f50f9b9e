//! An event stream as a response: frames as they come, until the feed is over.

use crate::feed::Opened;
use bytes::Bytes;
use futures::stream;
use poem::http::{StatusCode, header};
use poem::{Body, IntoResponse, Response};
use poem_openapi::ApiResponse;
use poem_openapi::registry::{MetaMediaType, MetaResponse, MetaResponses, MetaSchema, MetaSchemaRef, Registry};
use std::io;

const CONTENT_TYPE: &str = "text/event-stream";

/// What opening the feed of all tasks is answered.
pub struct EventStream(pub Opened);

/// The same of one task, whose feed may be over.
pub struct TaskStream(pub Opened);

impl IntoResponse for EventStream {
    fn into_response(self) -> Response {
        let Opened::Stream(frames) = self.0 else { return Response::builder().status(StatusCode::NO_CONTENT).finish() };
        let chunks = stream::unfold(frames, |mut frames| async {
            let chunk = frames.recv().await?;
            Some((Ok::<Bytes, io::Error>(chunk), frames))
        });
        Response::builder()
            .header(header::CONTENT_TYPE, CONTENT_TYPE)
            // A proxy that collects an answer before it passes it on would hold back what happens now.
            .header("x-accel-buffering", "no")
            .body(Body::from_bytes_stream(chunks))
    }
}

impl IntoResponse for TaskStream {
    fn into_response(self) -> Response {
        EventStream(self.0).into_response()
    }
}

impl ApiResponse for EventStream {
    fn meta() -> MetaResponses {
        let schema = MetaSchema { example: Some(example().into()), ..MetaSchema::new("string") };
        let schema = MetaSchemaRef::Inline(Box::new(schema));
        let content = vec![MetaMediaType { content_type: CONTENT_TYPE, schema }];
        let told =
            "Messages as they come, in the form that browsers read with `EventSource`; docs/events.md has them all.";
        MetaResponses { responses: vec![response(200, told, content)] }
    }

    fn register(_: &mut Registry) {}
}

impl ApiResponse for TaskStream {
    fn meta() -> MetaResponses {
        let mut responses = EventStream::meta().responses;
        responses.push(response(204, "The end of this task has been delivered: there is nothing more.", Vec::new()));
        MetaResponses { responses }
    }

    fn register(_: &mut Registry) {}
}

fn response(status: u16, description: &'static str, content: Vec<MetaMediaType>) -> MetaResponse {
    MetaResponse { description, status: Some(status), status_range: None, content, headers: Vec::new() }
}

fn example() -> &'static str {
    "id: 1790000002004-0.0\nevent: subtask.completed\ndata: {\"event\":\"subtask.completed\",\
     \"task_id\":\"01K5QJ0000ABCDEFGHJKMNPQRS\",\"subtask_id\":\"01K5QJ0000ABCDEFGHJKMNPQRS-0\",\"index\":0,\
     \"generation\":0,\"attempt\":1,\"crashes\":0,\"worker\":\"worker-1:a@host\",\"at\":\"2026-09-21T14:13:22.004Z\"}\n\n"
}
