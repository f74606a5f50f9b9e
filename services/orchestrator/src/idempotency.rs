//! The client's own key for a request that it may send again (draft-ietf-httpapi-idempotency-key-header-07).
//!
//! A key is a Structured Field String, `"..."`; a bare token is taken as well, because most clients send one. Which
//! request a key stands for is told by a digest of its method, its path and the bytes of its body.

use crate::auth::Client;
use crate::refusal::Refusal;
use crate::wire::parameter::of_pattern;
use poem::http::HeaderMap;
use poem::{Request, RequestBody};
use poem_openapi::registry::{MetaParamIn, MetaSchemaRef};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};
use proto_schemas::limit::IDEMPOTENCY_KEY_CHARS_MAX;
use redis_store::submit::Idempotency;
use sha2::{Digest, Sha256};
use std::fmt::Write;

const HEADER: &str = "idempotency-key";
/// As [`read`] takes it; of a string in quotes the quotes do not count as characters of the key.
const PATTERN: &str = r#"^("([ !#-\[\]-~]|\\["\\]){1,255}"|[A-Za-z0-9!#$%&'*+.^_`|~:/-]{1,255})$"#;
const TOKEN_MARKS: &str = "!#$%&'*+-.^_`|~:/";

/// The header `Idempotency-Key`, if it is there.
pub struct IdempotencyKey {
    key: Option<String>,
    client: String,
}

impl IdempotencyKey {
    /// The key with the request that it stands for.
    pub fn of(self, fingerprint: Option<String>) -> Option<Idempotency> {
        let (key, fingerprint) = self.key.zip(fingerprint)?;
        Some(Idempotency { client: self.client, key, fingerprint })
    }
}

impl<'a> ApiExtractor<'a> for IdempotencyKey {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::Parameter];
    type ParamType = String;
    type ParamRawType = String;

    fn param_in() -> Option<MetaParamIn> {
        Some(MetaParamIn::Header)
    }

    fn param_schema_ref() -> Option<MetaSchemaRef> {
        Some(MetaSchemaRef::Inline(Box::new(of_pattern(PATTERN))))
    }

    async fn from_request(
        request: &'a Request,
        _: &mut RequestBody,
        _: ExtractParamOptions<String>,
    ) -> poem::Result<Self> {
        let client = request.data::<Client>().cloned().unwrap_or_else(Client::anonymous).name;
        Ok(Self { key: key(request.headers())?, client })
    }
}

/// Whether the request carries a key, sound or not.
pub fn is_asked_for(headers: &HeaderMap) -> bool {
    headers.contains_key(HEADER)
}

/// Which request it is: SHA-256 in hex.
pub fn fingerprint(method: &str, path: &str, body: &[u8]) -> String {
    let digest = Sha256::new().chain_update(method).chain_update(" ").chain_update(path).chain_update("\n");
    digest.chain_update(body).finalize().iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn key(headers: &HeaderMap) -> Result<Option<String>, Refusal> {
    let mut values = headers.get_all(HEADER).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let alone = values.next().is_none();
    let text = value.to_str().ok().filter(|_| alone);
    match text.and_then(|text| read(text.trim_matches(' '))) {
        Some(key) if (1..=IDEMPOTENCY_KEY_CHARS_MAX).contains(&key.len()) => Ok(Some(key)),
        _ => Err(Refusal::IdempotencyKeyInvalid),
    }
}

/// A string of RFC 8941 without parameters, or a bare token.
fn read(text: &str) -> Option<String> {
    let Some(inner) = text.strip_prefix('"') else {
        let fits = |char: char| char.is_ascii_alphanumeric() || TOKEN_MARKS.contains(char);
        return text.chars().all(fits).then(|| text.to_owned());
    };
    let mut key = String::new();
    let mut chars = inner.chars();
    loop {
        match chars.next()? {
            '"' => return chars.next().is_none().then_some(key),
            '\\' => key.push(chars.next().filter(|char| matches!(char, '"' | '\\'))?),
            char @ ' '..='~' => key.push(char),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use poem::http::HeaderValue;

    fn check(values: &[&[u8]]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(HEADER, HeaderValue::from_bytes(value).unwrap());
        }
        key(&headers).ok().flatten()
    }

    #[test]
    fn a_string_or_a_token_is_a_key() {
        let long = "x".repeat(IDEMPOTENCY_KEY_CHARS_MAX);
        for (value, expect) in [
            (r#""8e03978e-40d5-43dd-bc93-6894a57f9324""#, "8e03978e-40d5-43dd-bc93-6894a57f9324"),
            ("8e03978e-40d5-43dd-bc93-6894a57f9324", "8e03978e-40d5-43dd-bc93-6894a57f9324"),
            (r#""a \"b\" \\ {c},""#, r#"a "b" \ {c},"#),
            ("  \"a\" ", "a"),
            (&long, &long),
        ] {
            assert_eq!(check(&[value.as_bytes()]).as_deref(), Some(expect), "{value}");
        }
    }

    #[test]
    fn what_is_neither_is_refused() {
        let long = format!("\"{}\"", "x".repeat(IDEMPOTENCY_KEY_CHARS_MAX + 1));
        for value in [
            "",
            "\"\"",
            "\"",
            "\"a",
            "a\"",
            "\"a\"b",
            "\"a\" \"b\"",
            "a b",
            "a,b",
            "\"a\";x=1",
            r#""\x""#,
            "\"a\tb\"",
            &long,
            "\"ü\"",
            "ü",
            "?1",
            ":YQ==:,",
        ] {
            assert_eq!(check(&[value.as_bytes()]), None, "{value}");
            assert!(
                key(&HeaderMap::from_iter([(
                    HEADER.parse().unwrap(),
                    HeaderValue::from_bytes(value.as_bytes()).unwrap()
                )]))
                .is_err()
            );
        }
        assert_eq!(check(&[b"a", b"a"]), None, "two of them are none");
        assert_eq!(check(&[b"\"\xff\""]), None);
        assert!(matches!(key(&HeaderMap::new()), Ok(None)));
    }

    #[test]
    fn a_fingerprint_tells_method_path_and_body_apart() {
        let one = fingerprint("POST", "/tasks", b"{}");
        assert_eq!((one.len(), &one), (64, &fingerprint("POST", "/tasks", b"{}")));
        for other in [
            fingerprint("PUT", "/tasks", b"{}"),
            fingerprint("POST", "/task", b"s\n{}"),
            fingerprint("POST", "/tasks", b"{ }"),
        ] {
            assert_ne!(one, other);
        }
    }
}
