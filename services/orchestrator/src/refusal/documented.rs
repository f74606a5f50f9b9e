//! Refusals in the OpenAPI document: each operation names those that it can answer with, and the rest of what it says
//! of them, status, code and words, is theirs.

use super::Refusal;
use super::sample::{self, Sample};
use crate::governor::Pressure;
use crate::routes::scope::Scope;
use crate::wire::problem::Problem;
use poem_openapi::ApiResponse;
use poem_openapi::registry::{
    MetaHeader, MetaMediaType, MetaResponse, MetaResponses, MetaSchema, MetaSchemaRef, Registry,
};
use poem_openapi::types::Type;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::time::Duration;

/// One status: what it means here, and the refusals that have it.
pub type Answer = (u16, &'static str, &'static [Sample]);

/// What an operation can answer with besides its 2xx.
pub trait Refusals: Send + Sync + 'static {
    /// Its own.
    const OWN: &'static [Answer];
    /// Those of whatever a request has to pass on its way there.
    const WAY: &'static [&'static [Answer]];
}

/// The way of a request that nobody is asked about.
pub const OPEN: &[&[Answer]] = &[&EVERYWHERE];
/// That of one that looks at little, or at what never ends.
pub const ASKING: &[&[Answer]] = &[&GUARDED, &EVERYWHERE];
/// That of one that looks.
pub const READING: &[&[Answer]] = &[&GUARDED, &LARGE, &EVERYWHERE];
/// That of one that changes something.
pub const WRITING: &[&[Answer]] = &[&GUARDED, &WRITTEN, &EVERYWHERE];
/// That of one that changes something and has a body.
pub const SENDING: &[&[Answer]] = &[&BODY, &GUARDED, &WRITTEN, &BUSY, &EVERYWHERE];

const BODY: [Answer; 5] = [
    (
        400,
        "Not JSON, not of the described shape, or incomplete; `errors` names the fields.",
        &[sample::unknown_field, || Refusal::Malformed { line: 1, column: 17 }, || Refusal::BodyBroken],
    ),
    (408, "The body did not arrive within 10 seconds.", &[|| Refusal::BodySlow]),
    (413, "The body is larger than 1 MiB.", &[|| Refusal::BodyTooLarge]),
    (
        415,
        "The body is not `application/json` in UTF-8, or is compressed.",
        &[|| Refusal::ContentType, || Refusal::ContentEncoding],
    ),
    (422, "Nested deeper than 32 levels.", &[|| Refusal::TooDeep]),
];

const WRITTEN: [Answer; 1] = [(503, "Redis is out of memory.", &[sample::out_of_memory])];

const BUSY: [Answer; 1] =
    [(503, "The limit of bodies that are read at a time is reached.", &[|| Refusal::TooManyBodies])];

const LARGE: [Answer; 1] =
    [(503, "The limit of large answers that are sent at a time is reached.", &[|| Refusal::TooManyAnswers])];

const GUARDED: [Answer; 6] = [
    (400, "A parameter is malformed, unknown or repeated.", &[sample::unknown_parameter]),
    (
        401,
        "Authentication is on (setting AUTH), and the request carries no valid credentials.",
        &[|| Refusal::Unauthenticated],
    ),
    (
        403,
        "Authentication is on (setting AUTH), and the credentials lack the scope of this operation.",
        &[|| Refusal::Forbidden(Scope::Admin)],
    ),
    (
        421,
        "The Host header names none of ALLOWED_HOSTS or, where that is not set and authentication is off, another machine.",
        &[|| Refusal::Misdirected],
    ),
    (429, "The rate limit is exceeded (setting RATE_LIMIT).", &[|| Refusal::Throttled(Duration::from_secs(12))]),
    (503, "Redis is unavailable.", &[|| Refusal::StoreSilent]),
];

const EVERYWHERE: [Answer; 5] = [
    (400, "A malformed HTTP/1.1 request.", &[|| Refusal::NotHttp("A request must have one header Host, with a host.")]),
    (414, "The request line is longer than 8 KiB.", &[|| Refusal::UriTooLong]),
    (431, "More than 100 headers, or more than 16 KiB before the body.", &[|| Refusal::HeadersTooLarge]),
    (500, "The service failed.", &[|| Refusal::Bug(String::new())]),
    (503, "The limit of open connections is reached.", &[|| Refusal::TooManyConnections]),
];

/// What is answered of a task that is not there.
pub const NO_TASK: Answer = (404, "No task has this id, or it has expired.", &[|| Refusal::TaskNotFound]);

/// What any more work is refused with while too much of it waits in Redis' memory or before the projectors.
pub const FULL: Sample = || Refusal::Overloaded(Pressure::Memory);

/// Of an operation that is refused nothing of its own, and asks nobody who they are.
pub struct Open;

impl Refusals for Open {
    const OWN: &'static [Answer] = &[];
    const WAY: &'static [&'static [Answer]] = OPEN;
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
        let mut shown: BTreeMap<u16, Shown> = BTreeMap::new();
        for (status, meaning, samples) in R::OWN.iter().chain(R::WAY.iter().copied().flatten()) {
            shown.entry(*status).or_default().take_in(meaning, samples);
        }
        MetaResponses { responses: shown.into_iter().map(|(status, shown)| describe(status, &shown)).collect() }
    }

    fn register(registry: &mut Registry) {
        Problem::register(registry);
    }
}

/// What is shown of one status.
#[derive(Default)]
struct Shown {
    meanings: Vec<&'static str>,
    details: Vec<String>,
    problems: Vec<Problem>,
}

impl Shown {
    /// Each case is told once, and each code has one example: that of the operation goes before that of its way.
    fn take_in(&mut self, meaning: &'static str, samples: &[Sample]) {
        let problems = samples.iter().map(|sample| sample().problem(sample::REQUEST_ID));
        let new: Vec<Problem> = problems.filter(|problem| !self.details.contains(&problem.detail)).collect();
        if new.is_empty() {
            return;
        }
        self.meanings.push(meaning);
        for problem in new {
            self.details.push(problem.detail.clone());
            if self.problems.iter().all(|known| known.code != problem.code) {
                self.problems.push(problem);
            }
        }
    }
}

/// poem-openapi has no place for examples, nor for a description that is not in the source: both go in as the example
/// of a schema, problems as the text that keeps their order, and [`mod@crate::openapi`] puts them where they belong.
fn describe(status: u16, shown: &Shown) -> MetaResponse {
    let problems =
        serde_json::to_string(&shown.problems).expect("a problem has string keys and cannot fail to serialise");
    let shown: Value = json!({ "description": shown.meanings.join(" "), "problems": problems });
    let schema = MetaSchema { example: Some(shown), ..MetaSchema::new("object") };
    MetaResponse {
        description: "",
        status: Some(status),
        status_range: None,
        content: vec![MetaMediaType {
            content_type: Problem::CONTENT_TYPE,
            schema: MetaSchemaRef::Inline(Box::new(schema)),
        }],
        headers: headers(status),
    }
}

fn headers(status: u16) -> Vec<MetaHeader> {
    let (name, description, schema) = match status {
        401 => ("WWW-Authenticate", "What to send credentials as.", String::schema_ref()),
        429 | 503 => ("Retry-After", "Seconds after which trying again makes sense.", u32::schema_ref()),
        _ => return Vec::new(),
    };
    let description = Some(description.to_owned());
    vec![MetaHeader { name: name.to_owned(), description, required: true, deprecated: false, schema }]
}
