//! From the bytes of a request to what the client wants, strictly.
//!
//! The envelope first: JSON in UTF-8, not encoded, at most 1 MiB and all of it within 10 s. Then the text: nesting is
//! counted before anything is parsed, then every value is walked once for syntax and for keys that stand twice. Only
//! then it is read field by field; an unknown field, a null or a list in place of an object is refused, and everything
//! found wrong is told at once. What a client may send as it likes (`params`, `context`) is kept as its own text.

mod budget;
mod depth;
pub mod fields;
mod keys;
mod media;
mod read;
pub mod violation;

use crate::idempotency;
use crate::refusal::Refusal;
use fields::Fields;
use poem::{Request, RequestBody};
use poem_openapi::registry::{MetaMediaType, MetaRequest, Registry};
use poem_openapi::types::Type;
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};
use serde_json::value::RawValue;
use violation::Violations;

/// A document that clients send: its schema, and how it is read.
pub trait Readable: Type + Sized {
    /// Takes the fields it knows; what it leaves is unknown.
    fn read(fields: &mut Fields<'_, '_>) -> Self;
}

/// A request body of one JSON document.
pub struct JsonBody<T> {
    /// What it says.
    pub document: T,
    /// Which request it is, if it carries a key by which it may be sent again.
    pub fingerprint: Option<String>,
}

/// The same where nothing at all is a document too.
pub struct OptionalJsonBody<T>(pub Option<T>);

impl<'a, T: Readable> ApiExtractor<'a> for JsonBody<T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        let content = vec![MetaMediaType { content_type: "application/json", schema: T::schema_ref() }];
        Some(MetaRequest { description: None, content, required: true })
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        media::check(request.headers())?;
        let bytes = read::read(request.headers(), body).await?;
        let fingerprint = idempotency::is_asked_for(request.headers())
            .then(|| idempotency::fingerprint(request.method().as_str(), request.uri().path(), &bytes));
        Ok(Self { document: parse(&bytes)?, fingerprint })
    }
}

impl<'a, T: Readable> ApiExtractor<'a> for OptionalJsonBody<T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        JsonBody::<T>::request_meta().map(|meta| MetaRequest { required: false, ..meta })
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        let bytes = read::read(request.headers(), body).await?;
        if bytes.is_empty() {
            return Ok(Self(None));
        }
        media::check(request.headers())?;
        Ok(Self(Some(parse(&bytes)?)))
    }
}

/// Reads one document; on failure tells the first thing that keeps it from being JSON, or everything else that is
/// wrong.
pub fn parse<T: Readable>(bytes: &[u8]) -> Result<T, Refusal> {
    let text = std::str::from_utf8(bytes).map_err(|_| Refusal::NotUtf8)?;
    if depth::exceeds(text) {
        return Err(Refusal::TooDeep);
    }
    let mut violations = Violations::default();
    keys::check(text, &mut violations).map_err(malformed)?;
    let document: &RawValue = serde_json::from_str(text).map_err(malformed)?;
    let read = fields::read_object(document, violation::Pointer::root(), &mut violations, T::read);
    match read {
        Some(document) if violations.is_empty() => Ok(document),
        _ => Err(Refusal::Invalid(violations)),
    }
}

fn malformed(error: serde_json::Error) -> Refusal {
    Refusal::Malformed { line: error.line(), column: error.column() }
}
