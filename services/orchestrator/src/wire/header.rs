//! Headers that a handler takes as they were sent, all lines of one as a single text.

use poem::http::HeaderMap;

/// What stands for a header that is no text: it is there, and names nothing.
const UNREADABLE: &str = "\u{fffd}";

/// Makes a type of one field, the whole header if it is there, an extractor and a parameter of the document.
macro_rules! header {
    ($name:ident, $header:literal) => {
        impl<'a> poem_openapi::ApiExtractor<'a> for $name {
            const TYPES: &'static [poem_openapi::ApiExtractorType] = &[poem_openapi::ApiExtractorType::Parameter];
            type ParamType = String;
            type ParamRawType = String;

            fn param_in() -> Option<poem_openapi::registry::MetaParamIn> {
                Some(poem_openapi::registry::MetaParamIn::Header)
            }

            fn param_schema_ref() -> Option<poem_openapi::registry::MetaSchemaRef> {
                Some(poem_openapi::registry::MetaSchemaRef::Inline(Box::new(poem_openapi::registry::MetaSchema::new(
                    "string",
                ))))
            }

            async fn from_request(
                request: &'a poem::Request,
                _: &mut poem::RequestBody,
                _: poem_openapi::ExtractParamOptions<String>,
            ) -> poem::Result<Self> {
                Ok(Self($crate::wire::header::whole(request.headers(), $header)))
            }
        }
    };
}

pub(crate) use header;

/// The header `Last-Event-ID`.
pub struct LastEventId(pub Option<String>);

header!(LastEventId, "last-event-id");

/// A header that may stand on several lines. One that is no text must not count as absent.
pub fn whole(headers: &HeaderMap, name: &str) -> Option<String> {
    let lines: Vec<&str> = headers.get_all(name).iter().map(|line| line.to_str().unwrap_or(UNREADABLE)).collect();
    (!lines.is_empty()).then(|| lines.join(", "))
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
    }
}
