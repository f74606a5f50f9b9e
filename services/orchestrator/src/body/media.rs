//! What the headers say of the body: JSON, in UTF-8, as it is.

use crate::refusal::Refusal;
use poem::http::{HeaderMap, header};

/// Refuses a body that is announced as something else than plain JSON.
pub fn check(headers: &HeaderMap) -> Result<(), Refusal> {
    let identity = |value: &str| value.trim().is_empty() || value.trim().eq_ignore_ascii_case("identity");
    for encoding in headers.get_all(header::CONTENT_ENCODING) {
        if !encoding.to_str().is_ok_and(identity) {
            return Err(Refusal::ContentEncoding);
        }
    }
    match headers.get(header::CONTENT_TYPE).map(|value| value.to_str().is_ok_and(is_json)) {
        Some(true) => Ok(()),
        _ => Err(Refusal::ContentType),
    }
}

fn is_json(value: &str) -> bool {
    let mut parts = value.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default();
    essence.eq_ignore_ascii_case("application/json")
        && parts.all(|parameter| match parameter.split_once('=') {
            Some((name, charset)) if name.trim().eq_ignore_ascii_case("charset") => {
                charset.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
            }
            _ => true,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_json_in_utf_8_is_json() {
        for (value, accepted) in [
            ("application/json", true),
            ("Application/JSON; Charset=\"UTF-8\"", true),
            ("application/json;profile=x", true),
            ("application/json; charset=iso-8859-1", false),
            ("application/problem+json", false),
            ("text/json", false),
            ("multipart/form-data; boundary=application/json", false),
            ("", false),
        ] {
            assert_eq!(is_json(value), accepted, "{value}");
        }
    }

    #[test]
    fn a_compressed_body_is_not_inflated() {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, "application/json".parse().unwrap());
        assert!(check(&headers).is_ok());
        headers.insert(header::CONTENT_ENCODING, "identity".parse().unwrap());
        assert!(check(&headers).is_ok());
        headers.append(header::CONTENT_ENCODING, "gzip".parse().unwrap());
        assert!(matches!(check(&headers), Err(Refusal::ContentEncoding)));
    }
}
