//! What a client has seen already (RFC 9110, 13.1): `If-None-Match` and `If-Match` name the revision of a task as its entity
//! tag, `"<revision>"`, or `"<revision>-delayed"` before its time.

use crate::body::violation::{Pointer, Violations};
use crate::refusal::Refusal;
use crate::wire::task::EARLY;
use poem::http::HeaderMap;
use poem::{Request, RequestBody};
use poem_openapi::registry::{MetaParamIn, MetaSchema, MetaSchemaRef};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};

/// What stands for a header that is no text: it is there, and names nothing.
const UNREADABLE: &str = "\u{fffd}";

/// The header `If-None-Match`, all lines of it as one.
pub struct IfNoneMatch(Option<String>);

/// The header `If-Match`, all lines of it as one.
pub struct IfMatch(Option<String>);

impl IfNoneMatch {
    /// Whether the client has this document already. Compared weakly; a header that is none names nothing.
    pub fn names(&self, etag: &str) -> bool {
        has_seen(self.0.as_deref(), etag)
    }
}

impl IfMatch {
    /// The one revision at which the client wants something to happen; `None` is any.
    pub fn revision(&self) -> Result<Option<u64>, Refusal> {
        required(self.0.as_deref())
    }
}

macro_rules! header {
    ($name:ident, $header:literal) => {
        impl<'a> ApiExtractor<'a> for $name {
            const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::Parameter];
            type ParamType = String;
            type ParamRawType = String;

            fn param_in() -> Option<MetaParamIn> {
                Some(MetaParamIn::Header)
            }

            fn param_schema_ref() -> Option<MetaSchemaRef> {
                Some(MetaSchemaRef::Inline(Box::new(MetaSchema::new("string"))))
            }

            async fn from_request(
                request: &'a Request,
                _: &mut RequestBody,
                _: ExtractParamOptions<String>,
            ) -> poem::Result<Self> {
                Ok(Self(whole(request.headers(), $header)))
            }
        }
    };
}

header!(IfNoneMatch, "if-none-match");
header!(IfMatch, "if-match");

/// A header that may stand on several lines. One that is no text must not count as absent: it is a condition.
fn whole(headers: &HeaderMap, name: &str) -> Option<String> {
    let lines: Vec<&str> = headers.get_all(name).iter().map(|line| line.to_str().unwrap_or(UNREADABLE)).collect();
    (!lines.is_empty()).then(|| lines.join(", "))
}

fn has_seen(if_none_match: Option<&str>, etag: &str) -> bool {
    let Some(header) = if_none_match else { return false };
    header.trim() == "*" || header.split(',').any(|tag| tag.trim().trim_start_matches("W/") == etag)
}

/// `*` is any revision. Compared strongly: of a tag that is weak or no number of ours there is no revision.
fn required(if_match: Option<&str>) -> Result<Option<u64>, Refusal> {
    let Some(header) = if_match.map(str::trim).filter(|header| *header != "*") else { return Ok(None) };
    let opaque = header.trim_start_matches("W/").strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    match opaque {
        Some(opaque) if !opaque.contains('"') => {
            let opaque = opaque.strip_suffix(EARLY).unwrap_or(opaque);
            let revision = (!header.starts_with("W/")).then(|| opaque.parse().ok()).flatten();
            Ok(Some(revision.filter(|number: &u64| number.to_string() == opaque).unwrap_or(u64::MAX)))
        }
        _ => {
            let mut violations = Violations::default();
            violations.shape(&Pointer::root().field("If-Match"), "must be one entity tag, such as \"3\", or *");
            Err(Refusal::Invalid(violations))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_of_several_lines_is_one_and_what_is_no_text_is_not_absent() {
        let mut headers = HeaderMap::new();
        assert_eq!(whole(&headers, "if-match"), None);
        headers.append("if-match", "\"5\"".parse().unwrap());
        headers.append("if-match", poem::http::HeaderValue::from_bytes(b"\"\xff\"").unwrap());
        let whole = whole(&headers, "if-match");
        assert_eq!(whole.as_deref(), Some("\"5\", \u{fffd}"));
        assert!(required(whole.as_deref()).is_err());
    }

    #[test]
    fn a_tag_is_seen_alone_in_a_list_and_weak() {
        for (header, expect) in [
            (None, false),
            (Some("\"3\""), true),
            (Some("W/\"3\""), true),
            (Some("\"1\", \"3\""), true),
            (Some("*"), true),
            (Some("\"33\""), false),
            (Some("3"), false),
            (Some(""), false),
        ] {
            assert_eq!(has_seen(header, "\"3\""), expect, "{header:?}");
        }
    }

    #[test]
    fn one_strong_tag_is_a_revision_and_nothing_else_is() {
        for (header, expect) in [
            (None, Some(None)),
            (Some("*"), Some(None)),
            (Some(" \"3\" "), Some(Some(3))),
            (Some("\"3-delayed\""), Some(Some(3))),
            (Some("\"3-queued\""), Some(Some(u64::MAX))),
            (Some("W/\"3\""), Some(Some(u64::MAX))),
            (Some("\"03\""), Some(Some(u64::MAX))),
            (Some("\"x\""), Some(Some(u64::MAX))),
            (Some("3"), None),
            (Some("\"1\", \"3\""), None),
            (Some(""), None),
        ] {
            assert_eq!(required(header).ok(), expect, "{header:?}");
        }
    }
}
