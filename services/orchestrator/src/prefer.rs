//! How long a client would rather wait for the end of what it asks for (RFC 7240, `Prefer: wait=10`).
//!
//! A preference is no demand: one that cannot be read is not there, and an answer says which it went by.

use poem::http::HeaderMap;
use poem::{Request, RequestBody};
use poem_openapi::registry::{MetaParamIn, MetaSchema, MetaSchemaRef};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};
use std::time::Duration;

const HEADER: &str = "prefer";
/// No request is held longer; who asks for more is answered after this.
const SECONDS_MAX: u64 = 30;

/// The header `Prefer`, as far as it is about waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prefer {
    seconds: Option<u64>,
    cap: Option<Duration>,
}

impl Prefer {
    /// How long to wait, if at all.
    pub fn wait(self) -> Option<Duration> {
        let wait = self.seconds.map(Duration::from_secs)?;
        Some(self.cap.map_or(wait, |cap| wait.min(cap)))
    }

    /// The same, but no longer than that: something is known to change by then.
    pub fn no_longer_than(self, cap: Option<Duration>) -> Self {
        Self { cap, ..self }
    }

    /// The header `Preference-Applied` of an answer that has waited.
    pub fn applied(self) -> Option<String> {
        self.seconds.map(|seconds| format!("wait={seconds}"))
    }

    fn read(headers: &HeaderMap) -> Self {
        let values = headers.get_all(HEADER).iter().filter_map(|value| value.to_str().ok());
        // The first counts, whatever it is.
        let wait = values.flat_map(|value| value.split(',')).find_map(|preference| {
            let head = preference.split(';').next().unwrap_or_default();
            let (name, value) = head.split_once('=').unwrap_or((head, ""));
            name.trim().eq_ignore_ascii_case("wait").then(|| value.trim())
        });
        Self { seconds: wait.and_then(seconds), cap: None }
    }
}

fn seconds(text: &str) -> Option<u64> {
    let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(SECONDS_MAX).min(SECONDS_MAX))
}

impl<'a> ApiExtractor<'a> for Prefer {
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
        Ok(Self::read(request.headers()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use poem::http::HeaderValue;

    fn check(values: &[&str]) -> Option<u64> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(HEADER, HeaderValue::from_str(value).unwrap());
        }
        Prefer::read(&headers).seconds
    }

    #[test]
    fn seconds_are_read_and_capped() {
        for (values, expect) in [
            (&["wait=10"][..], 10),
            (&["respond-async, Wait = 5; x=1"], 5),
            (&["respond-async", "wait=\"7\""], 7),
            (&["wait=0"], 0),
            (&["wait=31"], 30),
            (&["wait=99999999999999999999"], 30),
            (&["wait=1, wait=2"], 1),
        ] {
            assert_eq!(check(values), Some(expect), "{values:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_no_preference() {
        for values in [
            &[][..],
            &[""],
            &["wait"],
            &["wait="],
            &["wait=-1"],
            &["wait=1.5"],
            &["wait=ten"],
            &["waits=1"],
            &["wait=x, wait=2"],
            &["return=minimal"],
        ] {
            assert_eq!(check(values), None, "{values:?}");
        }
    }
}
